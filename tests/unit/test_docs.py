# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation: generated pages are up to date, links lead somewhere, and every panel has its place in the manual."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from voxrig.tools.reports import api
from voxrig.tools.reports.pages import PAGES

ROOT = Path(__file__).resolve().parents[2]
LARGEST_PICTURE_BYTES = 300_000
PEOPLE_READ = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "presets").glob("*.md"),
    *(ROOT / "models").glob("*.md"),
    *(ROOT / "training").rglob("*.md"),
]


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == PAGES[name](), f"{name} is out of date: `make docs` writes it again"


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 140


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ +(.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PEOPLE_READ, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", link):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), f"{link} leads nowhere"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{link}: {target.name} has no such heading"


def panel_labels() -> list[str]:
    """Return the labels of all panels, read from the source."""
    labels: list[str] = []
    for path in sorted((ROOT / "panels").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and "_PT_" in node.name:
                labels += [
                    ast.literal_eval(item.value)
                    for item in node.body
                    if isinstance(item, ast.Assign) and ast.unparse(item.targets[0]) == "bl_label"
                ]
    return labels


def test_every_panel_has_a_heading_and_a_picture_in_the_manual() -> None:
    manual = (ROOT / "docs" / "manual.md").read_text(encoding="utf-8")
    labels = panel_labels()
    assert len(labels) > 8
    for label in labels:
        picture = f"images/manual/{re.sub(r'[^a-z0-9]+', '-', label.lower()).strip('-')}.png"
        assert f"\n## {label}\n" in manual, f"the manual has no heading '{label}'"
        assert f"({picture})" in manual, f"the manual does not show {picture} (`make pictures` takes it)"


def test_pictures_are_small() -> None:
    pictures = [path for path in (ROOT / "docs" / "images").rglob("*") if path.is_file()]
    assert {path.name: path.stat().st_size for path in pictures if path.stat().st_size > LARGEST_PICTURE_BYTES} == {}


def test_a_page_of_functions_has_signature_docstring_and_fields(tmp_path: Path) -> None:
    (tmp_path / "takes").mkdir()
    (tmp_path / "takes" / "job.py").write_text(
        '"""Jobs."""\n'
        "from dataclasses import dataclass\n"
        "@dataclass\n"
        "class Job:\n"
        '    """A job."""\n'
        "    name: str\n"
        "    _hidden: int = 1\n"
        "    rate: float = _setting(24.0, 'number', label='Rate')\n"
        "    names: dict[str, int] = field(default_factory=dict)\n"
        "    def run(self, times: int = 1) -> None:\n"
        '        """Run it.\n\n        At length."""\n'
        "def compute(job: Job, *, quick: bool = False) -> int:\n"
        '    """Return ``1``."""\n'
        "def _private() -> None: ...\n"
        "class VOXRIG_OT_x(Operator): ...\n",
        encoding="utf-8",
    )
    page = api.write_page(tmp_path)
    fields = "    name: str\n    rate: float = 24.0\n    names: dict[str, int] = dict()\n"
    assert f"## `takes.job`\n\nJobs.\n\n### `Job`\n\n```python\nclass Job:\n{fields}```\n\nA job." in page
    assert "- `run(times: int = 1) -> None`: Run it." in page and "At length" not in page
    assert "### `compute`\n\n```python\ncompute(job: Job, *, quick: bool = False) -> int\n```\n\nReturn `1`." in page
    assert "_private" not in page and "VOXRIG_OT_x" not in page


def test_long_signatures_are_broken_by_argument(tmp_path: Path) -> None:
    (tmp_path / "operators").mkdir()
    names = ", ".join(f"argument_number_{i}: tuple[str, ...] = ()" for i in range(4))
    (tmp_path / "operators" / "x.py").write_text(f'def act(first: int, /, {names}, *, last: int) -> None:\n    """Act."""\n')
    page = api.write_page(tmp_path)
    assert "act(\n    first: int,\n    /,\n    argument_number_0: tuple[str, ...] = (),\n" in page
    assert "    *,\n    last: int,\n) -> None" in page
