"""The one version of every package here; each pyproject.toml reads it."""

__version__ = "0.1.0"
