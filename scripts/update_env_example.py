"""Writes .env.example: every setting of the application and its adapters, as they declare them.

    hatch run python scripts/update_env_example.py
    hatch run python scripts/update_env_example.py --check

With --check it writes nothing, and exits with 1 if the file is out of date.

Everything in it is commented out, so that a copy of it changes nothing. A setting is shown with its default; those
that R2 asks for, which have none, with a placeholder.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from chatterbox_api.environment import declared_settings
from chatterbox_api_core.settings import Setting

__all__ = ["PLACEHOLDERS", "env_example"]

PATH: Final = Path(__file__).parents[1] / ".env.example"

PLACEHOLDERS: Final = {
    "R2_ACCOUNT_ID": "your-account-id",
    "R2_ACCESS_KEY_ID": "your-access-key-id",
    "R2_SECRET_ACCESS_KEY": "your-secret-access-key",
}

_GROUPS: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    (
        "The service",
        "",
        ("HOST", "PORT", "LOG_LEVEL", "ALLOWED_HOSTS", "CORS_ORIGINS", "DRAIN_", "MAX_CONN", "HEADER_", "KEEP_ALIVE"),
    ),
    ("Speech", "", ("SYNTHESIZER", "MAX_", "SPOOL_", "QUEUE_", "ENGINE_", "SENTENCE_", "PARAGRAPH_")),
    ("Formats", "", ("ENCODERS", "CLIP_READER", "PYAV_", "SOUNDFILE_")),
    ("Voices", "", ("VOICE_", "DATA_DIR")),
    (
        "Voices on Cloudflare R2",
        "Set the first three to keep voices in a bucket; docs/r2.md says where they come from. Without them, voices "
        "are on the local disk. With some of them, or with these placeholders, the service does not start.",
        ("R2_",),
    ),
    ("Clips in memory", "", ("CLIP_CACHE",)),
    ("The watermark", "", ("WATERMARK_",)),
    ("The engine chatterbox", "", ("CHATTERBOX_", "IDLE_UNLOAD_")),
    ("The engine espeak", "", ("ESPEAK_",)),
    ("The engine tone", "For tests; it only hums.", ("TONE_",)),
)
"""Title, what is said of the whole, and names or how they begin. A setting belongs to the first that fits."""
_WIDTH: Final = 100


def env_example(declared: Iterable[Setting[Any]]) -> str:
    """The text of .env.example."""
    left, blocks = list(declared), [_HEAD]
    for title, about, beginnings in (*_GROUPS, ("Others", "", ("",))):
        group = [setting for setting in left if setting.name.startswith(beginnings)]
        left = [setting for setting in left if setting not in group]
        if group:
            blocks.append("\n".join([f"# --- {title} ---", *_commented(about), "", *_lines(group)]))
    return "\n".join(blocks)


_HEAD: Final = """\
# Settings of Chatterbox API. Copy this file to .env, and remove the # before what you change.
# What is set in the environment wins over .env. In a path, ~ is the home folder.
# Made by scripts/update_env_example.py.
"""


def _lines(group: Iterable[Setting[Any]]) -> Iterator[str]:
    for setting in group:
        yield from _commented(setting.help)
        yield f"#{setting.name}={PLACEHOLDERS.get(setting.name, setting.default)}\n"


def _commented(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False)


def _main(arguments: list[str]) -> int:
    text = env_example(declared_settings())
    if "--check" not in arguments:
        PATH.write_text(text, encoding="utf-8")
    elif PATH.read_text("utf-8") != text:
        print(f"{PATH.name} is out of date. Run: hatch run python scripts/update_env_example.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
