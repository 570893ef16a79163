# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenario: choose the character and the sound by mouse and keyboard, press the button, wait, undo."""

from __future__ import annotations

import sys
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).resolve().parent))
import driver

INSIDE = Path(sys.argv[sys.argv.index("--") + 2])


def scenario() -> driver.Steps:
    driver.look_at_everything()
    yield from driver.open_tab("Voxrig")
    driver.picture("1-open")
    buttons = yield from driver.scan_sidebar()
    driver.note(buttons=sorted(buttons))

    yield from driver.click(*driver.find(buttons, "character"))
    yield 0.4
    yield from driver.write("Face")
    yield 0.3
    driver.picture("2-character")
    yield from driver.press("RET")
    yield 0.3
    buttons = yield from driver.scan_sidebar()  # a line on the mapping has come in between
    yield from driver.fill(driver.find(buttons, "sound_file"), str(INSIDE / "line.flac"))
    settings = bpy.context.scene.voxrig
    driver.note(character=getattr(settings.character, "name", ""), sound=settings.sound_file)
    driver.picture("3-chosen")
    driver.note(keys_before=driver.count_keys())
    yield from driver.press_button("voxrig.animate_from_audio")
    yield 0.2
    driver.picture("4-working")
    yield from driver.wait_until(lambda: driver.count_keys() > 0, 120)
    bpy.context.scene.frame_set(24)
    yield from driver.settle()
    driver.note(keys_after=driver.count_keys())
    driver.picture("5-animated")

    area, _region = driver.view_3d()
    yield from driver.point(area.x + area.width // 3, area.y + area.height // 2)
    yield from driver.press("Z", ctrl=True)
    yield 1.0
    driver.note(keys_after_undo=driver.count_keys())
    driver.picture("6-undone")


driver.play(scenario)
