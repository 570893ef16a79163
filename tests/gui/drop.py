# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenario: a sound is dropped onto the tab, which chooses it, and then onto the character, which speaks it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).resolve().parent))
import driver

INSIDE = Path(sys.argv[sys.argv.index("--") + 2])


def drop(path: Path, x: int, y: int) -> driver.Steps:
    """Drop a file at a place in the window, counted from its lower left corner, by another program."""
    yield from driver.point(x, y)
    command = ["python3", str(INSIDE / "checkout" / "gui" / "drop_file.py"), str(path), str(x), str(driver.window().height - y)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as source:
        yield from driver.wait_until(lambda: source.poll() is not None, 60)
        driver.note(**{f"dropped_{x}_{y}": source.communicate()[0]})
        assert source.returncode == 0
    yield 0.5


def scenario() -> driver.Steps:
    driver.look_at_everything()
    settings = bpy.context.scene.voxrig
    settings.character = bpy.data.objects["Face"]
    yield from driver.open_tab("Voxrig")
    buttons = yield from driver.scan_sidebar()
    driver.note(before=settings.sound_file)
    yield from drop(INSIDE / "line.flac", *driver.find(buttons, "sound_file"))
    driver.picture("1-chosen")
    driver.note(chosen=settings.sound_file, keys_chosen=driver.count_keys())

    settings.sound_file = ""
    area, _sidebar = driver.view_3d()
    yield from drop(INSIDE / "line.flac", area.x + area.width // 3, area.y + area.height // 2)
    yield from driver.wait_until(lambda: driver.count_keys() > 0, 120)
    yield 0.5
    driver.picture("2-spoken")
    driver.note(spoken=settings.sound_file, keys_spoken=driver.count_keys())


driver.play(scenario)
