# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenario: the first five minutes of a new user, from the zip to a take that plays, in three clicks; then a look at the keys.

Pictures at each step, and the seconds that each took.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).resolve().parent))
import driver

INSIDE = Path(sys.argv[sys.argv.index("--") + 2])

seconds: dict[str, float] = {}
clicks: list[str] = []


def timed(step: str, steps: driver.Steps) -> driver.Steps:
    """Take a step and note its seconds: those that a person waits, without those in which this script looks for a button."""
    begin, searched = time.monotonic(), sum(searches)
    yield from steps
    seconds[step] = round(time.monotonic() - begin - (sum(searches) - searched), 2)


searches: list[float] = []
"""The seconds of each search of the tab, line by line, for a button that a person sees at once."""


def settings() -> Any:
    return bpy.context.scene.voxrig


def click(name: str, across: float = 0.6) -> driver.Steps:
    """Press a button that a new user would press; ``across`` is where in the width of the tab it is."""
    clicks.append(name)
    begin = time.monotonic()
    yield from driver.press_button(name, across)
    searches.append(time.monotonic() - begin)


def stage() -> dict[str, Any]:
    """Return what one sees and hears of a scene."""
    scene = bpy.context.scene
    editor = scene.sequence_editor
    strips = [] if editor is None else getattr(editor, "strips_all", None) or editor.sequences_all
    active = bpy.context.view_layer.objects.active
    return {
        "strips": [strip.name for strip in strips],
        "sync": scene.sync_mode,
        "range": [scene.frame_start, scene.frame_end],
        "frame": scene.frame_current,
        "active": active.name if active is not None else "",
        "waveform": scene.voxrig.show_waveform,
        "keys": driver.count_keys(),
        "takes": sum(len(item.voxrig.takes) for item in bpy.data.objects),
    }


def install() -> driver.Steps:
    bpy.ops.extensions.package_install_files(filepath=str(INSIDE / "voxrig.zip"), repo="user_default", enable_on_install=True)
    yield 0.1


def add_character() -> driver.Steps:
    yield from click("voxrig.add_demo_character")
    yield from driver.wait_until(lambda: settings().character is not None, 30)


def animate() -> driver.Steps:
    yield from click("voxrig.animate_from_audio")
    yield from driver.wait_until(lambda: driver.count_keys() > 0, 120)


def play() -> driver.Steps:
    yield from click("screen.animation_play", 0.25)
    yield from driver.wait_until(lambda: bpy.context.scene.frame_current > 12, 30)


def scenario() -> driver.Steps:
    yield from timed("install", install())  # pressed by hand in the preferences
    yield from driver.open_tab("Voxrig")
    driver.picture("1-installed")
    yield from timed("character", add_character())
    yield 0.5
    driver.picture("2-character-and-sound")
    before = stage()
    yield from timed("animate", animate())
    yield 0.3
    after = stage()
    driver.note(before=before, after=after)
    yield from timed("play", play())
    driver.note(is_playing=bpy.context.screen.is_animation_playing, clicks=clicks, seconds=seconds)
    bpy.ops.screen.animation_cancel(restore_frame=False)
    bpy.context.scene.frame_set(20)
    yield 0.5
    driver.picture("3-animated")

    # A key on an emotion, which calls no function of Voxrig's.
    calm = driver.read_curves("mouthSmile")
    scene = bpy.context.scene
    joy = settings().emotions["joy"]
    scene.keyframe_insert(joy.path_from_id("weight"), frame=1)
    action = scene.animation_data.action
    curve = next(curve for bag in driver.curve_bags(action) for curve in bag.fcurves)
    curve.keyframe_points.insert(40, 1.0)
    action.update_tag()
    yield from driver.wait_until(lambda: driver.read_curves("mouthSmile") != calm, 60)
    driver.note(followed=driver.read_curves("mouthSmile") != calm)

    # The keys, in a Dope Sheet.
    yield from driver.press_button("voxrig.show_keys")
    yield 1.0
    driver.note(editors=[area.ui_type for area in bpy.context.screen.areas])
    driver.picture("4-keys")
    # One undo for the stage, the take and its sound.
    area, _sidebar = driver.view_3d()
    yield from driver.point(area.x + area.width // 4, area.y + area.height // 2)
    for _ in range(6):
        if stage()["takes"] == 0:
            break
        yield from driver.press("Z", ctrl=True)
        yield 0.8
    driver.note(undone=stage())


driver.play(scenario)
