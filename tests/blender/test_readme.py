# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's Python snippet and its shell line run as they stand, on the demo scene."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

MAKE_SCENE = """
import bpy
from voxrig.tools.demo.character import build_character
bpy.ops.wm.read_homefile(use_factory_startup=True)
build_character()
bpy.ops.wm.save_as_mainfile(filepath="build/demo/voxrig_demo.blend")
"""
COUNT_KEYS = """
import bpy
bpy.ops.wm.open_mainfile(filepath="build/spoken.blend")
from voxrig.blender import compat
curves = [curve for action in bpy.data.actions for curve in getattr(action, "fcurves", ())]
for action in bpy.data.actions:
    for layer in getattr(action, "layers", ()):
        curves += [curve for strip in layer.strips for bag in strip.channelbags for curve in bag.fcurves]
print("keys", sum(len(curve.keyframe_points) for curve in curves))
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the checkout's files as the README's commands see them, and the demo's scene."""
    folder = tmp_path_factory.mktemp("readme") / "voxrig"
    folder.mkdir()
    for name in ("tools", "models"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "build" / "demo").mkdir(parents=True)
    (folder.parent / "path").mkdir()
    (folder.parent / "path" / "voxrig").symlink_to(ROOT)
    run(folder, "-c", MAKE_SCENE)
    return folder


def run(folder: Path, *arguments: str) -> str:
    # Blender takes relative paths from PWD.
    environment = {**os.environ, "PWD": str(folder), "PYTHONPATH": str(folder.parent / "path")}
    result = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    # Blender as a module may crash while Python ends, after all is done.
    assert "Traceback" not in result.stderr, result.stderr
    return result.stdout


def code(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def count_keys(folder: Path) -> int:
    return int(re.search(r"keys (\d+)", run(folder, "-c", COUNT_KEYS)).group(1))  # pyright: ignore[reportOptionalMemberAccess]


def test_the_python_snippet(checkout: Path) -> None:
    (snippet,) = code("python")
    (checkout / "build" / "spoken.blend").unlink(missing_ok=True)
    assert "Face" in run(checkout, "-c", snippet)
    assert count_keys(checkout) > 500


def test_the_shell_line(checkout: Path) -> None:
    (line,) = [line for block in code("sh") for line in block.splitlines() if line.startswith(".venv/bin/voxrig ")]
    (checkout / "build" / "spoken.blend").unlink(missing_ok=True)
    printed = run(checkout, "-m", "voxrig", *shlex.split(line)[1:])
    assert "build/spoken.blend" in printed and "Face" in printed
    assert count_keys(checkout) > 500
