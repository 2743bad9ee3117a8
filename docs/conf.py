"""The documentation site: `hatch run docs:build`. Warnings are errors there, so a link or a docstring cannot rot."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "Chatterbox API"
project_copyright = "the contributors of Chatterbox API"
html_title = "Chatterbox API"
html_theme = "furo"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "copied_pages",
    "python_pages",
    "generated_tables",
]
exclude_patterns = ["_build", "_extensions"]

myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # a README may begin below the first level

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_use_ivar = True
napoleon_use_rtype = False
