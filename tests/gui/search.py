# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenario: F3 in the 3D View finds the commands of the menu, and its first answer animates the character."""

from __future__ import annotations

import sys
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).resolve().parent))
import driver

INSIDE = Path(sys.argv[sys.argv.index("--") + 2])


def scenario() -> driver.Steps:
    bpy.context.preferences.view.language = "en_US"
    settings = bpy.context.scene.voxrig
    settings.character = bpy.data.objects["Face"]
    settings.sound_source = "FILE"
    settings.sound_file = str(INSIDE / "line.flac")
    driver.note(keys_before=driver.count_keys())
    area, _sidebar = driver.view_3d()
    yield from driver.point(area.x + area.width // 3, area.y + area.height // 2)
    for name, text in (("1-animate", "Animate from A"), ("2-all", "Voxrig")):
        yield from driver.press("F3")
        yield 1.0
        yield from driver.write(text)
        yield 1.0
        driver.picture(name)
        yield from driver.press("ESC" if name == "2-all" else "RET")
        yield 0.5
        yield from driver.wait_until(lambda: driver.count_keys() > 0, 120)
    driver.note(keys=driver.count_keys())


driver.play(scenario)
