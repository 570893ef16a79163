# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenario: a button that says why it is grey, a sound that is none, a long sound stopped with ESC; then a good take."""

from __future__ import annotations

import sys
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).resolve().parent))
import driver

INSIDE = Path(sys.argv[sys.argv.index("--") + 2])
BUTTON = "voxrig.animate_from_audio"


def scenario() -> driver.Steps:
    settings = bpy.context.scene.voxrig
    driver.look_at_everything()
    yield from driver.open_tab("Voxrig")
    buttons = yield from driver.scan_sidebar()
    driver.note(enabled_without_character=bpy.ops.voxrig.animate_from_audio.poll())
    yield from driver.point(*driver.find(buttons, BUTTON))
    yield 0.5
    driver.picture("1-grey")
    yield from driver.click(*driver.find(buttons, BUTTON))
    yield 0.5
    driver.note(keys_after_grey=driver.count_keys())

    settings.character = bpy.data.objects["Face"]
    settings.sound_file = str(INSIDE / "not a sound.wav")
    yield 0.5
    driver.note(enabled=bpy.ops.voxrig.animate_from_audio.poll())
    yield from driver.press_button(BUTTON)
    yield from driver.wait_until(bpy.ops.voxrig.animate_from_audio.poll, 60)
    yield 0.5
    driver.picture("2-no-sound")
    driver.note(keys_after_no_sound=driver.count_keys(), links_after_no_sound=len(settings.character.voxrig.links))
    yield from driver.move(200, 400)  # away from the message, which closes it
    yield 0.5

    settings.sound_file = str(INSIDE / "long.wav")
    yield 0.5
    yield from driver.press_button(BUTTON)
    yield 1.0
    driver.picture("3-working")
    driver.note(can_be_stopped=bpy.ops.voxrig.stop.poll())
    yield from driver.press("ESC")
    yield from driver.wait_until(bpy.ops.voxrig.animate_from_audio.poll, 60)
    yield 0.5
    driver.picture("4-stopped")
    driver.note(keys_after_escape=driver.count_keys())

    settings.sound_file = str(INSIDE / "line.flac")
    yield 0.5
    yield from driver.press_button(BUTTON)
    yield from driver.wait_until(lambda: driver.count_keys() > 0, 120)
    yield 0.5
    driver.note(keys_after_all=driver.count_keys())
    driver.picture("5-still-works")


driver.play(scenario)
