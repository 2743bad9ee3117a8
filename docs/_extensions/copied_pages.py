"""Copies the Markdown files that stand elsewhere in the repository into the site, with their links adapted.

A README belongs beside its code, and the site shows it too. The copies are made before Sphinx looks for pages; git
ignores them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final

from sphinx.application import Sphinx

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"

_FENCE: Final = re.compile(r"^(```.*?^```$)", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)#\s]+)(#[^)]*)?\)")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", lambda _: _copy_all())
    app.connect("source-read", _adapt_links)
    return {"parallel_read_safe": True}


def copies() -> dict[Path, Path]:
    """The pages that are copied: where each stands in the repository, and where it goes in the site."""
    found = {
        ROOT / "CONTRIBUTING.md": DOCS / "project/contributing.md",
        ROOT / "CHANGELOG.md": DOCS / "project/changelog.md",
        ROOT / "SECURITY.md": DOCS / "project/security.md",
        ROOT / "packages/core/DESIGN.md": DOCS / "project/design.md",
        ROOT / "benchmarks/README.md": DOCS / "project/benchmarks.md",
    }
    for readme in sorted(ROOT.glob("packages/*/README.md")):
        found[readme] = DOCS / f"reference/packages/{readme.parent.name}.md"
    return found


def _copy_all() -> None:
    pages = copies()
    for folder in {page.parent for page in pages.values()}:
        folder.mkdir(parents=True, exist_ok=True)
        for stale in set(folder.glob("*.md")) - set(pages.values()):
            stale.unlink()
    for source, page in pages.items():
        text = source.read_text("utf-8")
        if not page.exists() or page.read_text("utf-8") != text:  # a page that is unchanged is not built again
            page.write_text(text, "utf-8")


def _adapt_links(app: Sphinx, docname: str, content: list[str]) -> None:
    page = (DOCS / docname).with_suffix(".md")
    origins = {copy: source for source, copy in copies().items()}
    base = origins.get(page, page).parent

    def adapted(match: re.Match[str]) -> str:
        label, target, fragment = match[1], match[2], match[3] or ""
        if "://" in target or target.startswith("mailto:"):
            return match[0]
        path = Path(os.path.normpath(base / target))
        if path.is_dir():  # a site has no page for a folder
            return label
        if path == ROOT / "README.md":
            path = DOCS / "index.md"
        path = copies().get(path, path)
        if path.suffix == ".md" and DOCS not in path.parents:  # a page that the site does not have
            return label
        if path.suffix not in (".md", ".rst"):
            fragment = ""
        return f"[{label}]({os.path.relpath(path, page.parent)}{fragment})"

    parts = _FENCE.split(content[0])
    content[0] = "".join(part if part.startswith("```") else _LINK.sub(adapted, part) for part in parts)
