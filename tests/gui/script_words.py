# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenario: paste a line, animate, correct a word in the list, find the words again, move another one, find them again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).resolve().parent))
import driver

INSIDE = Path(sys.argv[sys.argv.index("--") + 2])
TEXT = "Bob's umbrella made a big pumpkin pie for the baby bumblebee."


def settings() -> Any:
    return bpy.context.scene.voxrig


def listed() -> list[list[object]]:
    return [[word.name, round(word.start, 3), round(word.confidence, 3)] for word in settings().words]


def update(name: str) -> driver.Steps:
    """Press Update, as Find Words Again does, wait for the take, and note the words."""
    yield from driver.press_button("voxrig.update_take", across=0.3)
    yield 0.5
    yield from driver.wait_until(bpy.ops.voxrig.animate_from_audio.poll, 60)
    yield from driver.settle()
    driver.note(**{name: listed()})
    driver.picture(name)


def scenario() -> driver.Steps:
    driver.look_at_everything()
    driver.open_panels("VOXRIG_PT_script")
    settings().character = bpy.data.objects["Face"]
    settings().sound_file = str(INSIDE / "line.flac")
    yield from driver.open_tab("Voxrig")

    # A text field is filled from the clipboard, as a person pastes a line from a mail.
    place = driver.find((yield from driver.scan_sidebar()), "voxrig.script")
    yield from driver.click(*place)
    yield 0.3
    bpy.context.window_manager.clipboard = TEXT
    yield from driver.press("V", ctrl=True)
    yield from driver.press("RET")
    yield 0.3
    driver.note(script=settings().script)
    yield from driver.press_button("voxrig.animate_from_audio")
    yield from driver.wait_until(lambda: driver.count_keys() > 0, 120)
    yield from driver.wait_until(bpy.ops.voxrig.animate_from_audio.poll, 60)
    yield from driver.settle()
    driver.note(animated=listed(), keys=driver.count_keys())
    driver.picture("animated")

    # Simulated events do not reach the fields inside a list's rows, so what typing there calls is set.
    settings().words[1].name = "mum"
    driver.note(corrected=settings().script)
    yield from update("again")

    moved = settings().words[2].start + 2.0
    settings().words[2].start = moved
    driver.note(marked=settings().script, moved_to=moved)
    yield from update("moved")
    driver.note(keys_after=driver.count_keys())


driver.play(scenario)
