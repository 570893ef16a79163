# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Blender in a Debian root of its own, with this checkout's zip installed.

`make gui` makes the root (tests/gui/make_root.sh). Where there is none, these tests are skipped with the reason,
or fail where the environment names a CI.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from typing import NoReturn

import pytest
from real_blender import HERE, ROOT, RealBlender
from voxrig.tools.release import build_extension
from voxrig.tools.release.fetch_wheels import fetch_wheels, read_pins, select_wheels


def give_up(why: str) -> NoReturn:
    """Skip the window's tests, or in CI, which is there to run them, fail."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="session")
def real_blender() -> Iterator[RealBlender]:
    """Debian trixie's Blender with the zip of this checkout installed by Blender's own command and enabled."""
    root = ROOT / "build" / "roots" / "trixie"
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        give_up("a Debian root needs Linux and root")
    if not (root / ".voxrig-ready").exists():
        give_up("there is no Debian root with Blender: `make gui` makes it, or says why it cannot")
    pins = read_pins()
    fetch_wheels(select_wheels(pins, "linux-x64", "cpu"))
    blender = RealBlender(root)
    try:
        zip_file = build_extension.build_zip("linux-x64", output_folder=blender.folder)
        # The demo character and its speech, for the scene. The extension itself comes from the zip alone.
        checkout = blender.folder / "checkout" / "voxrig"
        for name in ("__init__.py", "errors.py", "animation", "blender", "storage", "tools"):
            source = ROOT / name
            target = checkout / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        shutil.copytree(HERE, blender.folder / "checkout" / "gui", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "tools" / "demo" / "speech" / "demo.flac", blender.folder / "line.flac")
        install = ("extension", "install-file", "--repo", "user_default", "--enable", blender.inside_of(zip_file))
        result = blender.blender("--command", *install)
        assert result.returncode == 0, result.stdout + result.stderr
        zip_file.rename(blender.folder / "voxrig.zip")
        make_scene = str(blender.inside / "checkout" / "gui" / "make_scene.py")
        result = blender.blender(
            *("--background", "--python-exit-code", "3", "--python", make_scene, "--", str(blender.inside / "scene.blend"))
        )
        assert result.returncode == 0, result.stdout + result.stderr
        yield blender
    finally:
        shutil.rmtree(blender.folder, ignore_errors=True)
