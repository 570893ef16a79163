# SPDX-License-Identifier: GPL-3.0-or-later
"""The graph of imports: what counts as one, what is a circle, and that Voxrig has none."""

from __future__ import annotations

from pathlib import Path

import pytest
from voxrig.tools.reports import imports

ROOT = Path(__file__).resolve().parents[2]


def write_tree(folder: Path, files: dict[str, str]) -> Path:
    """Write a package tree; every folder of it becomes a package."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for inner in {path.parent for path in folder.rglob("*.py")} | {folder}:
        if not (inner / "__init__.py").exists():
            (inner / "__init__.py").write_text("", encoding="utf-8")
    return folder


def test_names_are_followed_to_the_modules_that_they_are(tmp_path: Path) -> None:
    root = write_tree(
        tmp_path / "voxrig",
        {
            "errors.py": "class VoxrigError(Exception): ...",
            "animation/curves.py": "from ..errors import VoxrigError\nimport numpy",
            "animation/face/lips.py": "from .. import curves, TITLE\nfrom ...errors import VoxrigError",
            "animation/__init__.py": "TITLE = ''",
            "cli.py": "def run():\n    from .animation.face import lips\nfrom typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    from . import registration",
            "registration.py": "from voxrig.cli import run",
        },
    )
    assert imports.graph_modules(root) == {
        "__init__": {},
        "errors": {},
        "animation": {},
        "animation.curves": {"errors": True},
        "animation.face": {},
        "animation.face.lips": {"animation.curves": True, "animation": True, "errors": True},
        "cli": {"animation.face.lips": False},
        "registration": {"cli": True},
    }


def test_an_import_on_loading_counts_over_one_in_a_function(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "voxrig", {"a.py": "def f():\n    from . import b\nfrom .b import c\nd = 1", "b.py": "c = 1"})
    assert imports.graph_modules(root)["a"] == {"b": True}


def test_folders_not_shipped_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    root = write_tree(
        tmp_path / "voxrig", {"tools/x.py": "from ..a import b", "a.py": "b = 1", "tests/t.py": "import voxrig.a"}
    )
    assert set(imports.graph_modules(root)) == {"__init__", "a"}
    assert imports.graph_modules(root, shipped_only=False)["tools.x"] == {"a": True}


def test_circles_are_found_through_functions_and_over_three_folders(tmp_path: Path) -> None:
    root = write_tree(
        tmp_path / "voxrig",
        {
            "batch/lines.py": "from ..registration import register",
            "cli.py": "def run():\n    from .batch.lines import perform",
            "registration.py": "from .cli import main\nfrom .panels.main import P",
            "panels/main.py": "P = 1",
        },
    )
    modules = imports.graph_modules(root)
    assert imports.find_circles(modules) == [["batch.lines", "cli", "registration"]]
    assert imports.find_circles(imports.graph_folders(modules)) == [["batch", "cli", "registration"]]


def test_modules_without_a_circle_can_lie_in_folders_with_one(tmp_path: Path) -> None:
    root = write_tree(
        tmp_path / "voxrig",
        {"a/one.py": "from ..b import two", "b/two.py": "", "b/three.py": "from ..a import four", "a/four.py": ""},
    )
    modules = imports.graph_modules(root)
    assert imports.find_circles(modules) == []
    assert imports.find_circles(imports.graph_folders(modules)) == [["a", "b"]]


def test_the_picture_leaves_out_what_a_longer_way_says() -> None:
    graph = {"cli": {"takes": True, "errors": True}, "takes": {"errors": True}, "main": {"cli": False}}
    assert imports.draw_mermaid(graph).splitlines() == [
        "graph TD",
        "    cli --> takes",
        "    main -.-> cli",
        "    takes --> errors",
    ]


def test_the_picture_of_a_circle_is_whole() -> None:
    graph = {"a": {"b": True, "c": True}, "b": {"c": True}, "c": {"a": True}}
    assert len(imports.draw_mermaid(graph).splitlines()) == 1 + 4


def test_voxrig_has_no_circles() -> None:
    modules = imports.graph_modules(ROOT, shipped_only=False)
    assert len(modules) > 150
    assert imports.find_circles(modules) == []
    assert imports.find_circles(imports.graph_folders(modules)) == []


def test_an_import_from_above_the_root_is_refused() -> None:
    with pytest.raises(ValueError, match="above the root"):
        imports.find_imports("from ... import x", ("animation", "curves"), False)
