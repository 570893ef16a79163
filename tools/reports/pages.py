# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the pages of docs/ that come from the source: ``make docs``. A test fails while a committed page is out of date."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from . import api, commands, imports, settings

ROOT = Path(__file__).resolve().parents[2]
PICTURE_BEGINS, PICTURE_ENDS = "<!-- imports: begin -->", "<!-- imports: end -->"


def write_architecture(root: Path = ROOT) -> str:
    """Return docs/architecture.md with its picture of imports replaced by the present one."""
    text = (root / "docs" / "architecture.md").read_text(encoding="utf-8")
    before, _, rest = text.partition(PICTURE_BEGINS)
    _old, _, after = rest.partition(PICTURE_ENDS)
    picture = imports.draw_mermaid(imports.graph_folders(imports.graph_modules(root)))
    return f"{before}{PICTURE_BEGINS}\n```mermaid\n{picture}\n```\n{PICTURE_ENDS}{after}"


PAGES: dict[str, Callable[[], str]] = {
    "docs/command-line.md": commands.write_page,
    "docs/scripting.md": api.write_page,
    "docs/settings.md": settings.write_page,
    "docs/architecture.md": write_architecture,
}


def main() -> int:
    """Write every page that differs and name it."""
    argparse.ArgumentParser(description="Write the generated pages of docs/.").parse_args()
    for name, write_page in PAGES.items():
        path, page = ROOT / name, write_page()
        if not path.is_file() or path.read_text(encoding="utf-8") != page:
            path.write_text(page, encoding="utf-8")
            print(name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
