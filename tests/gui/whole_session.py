# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenario: a session from the zip to the reopened file, by mouse and keyboard wherever a person would use them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).resolve().parent))
import driver

INSIDE = Path(sys.argv[sys.argv.index("--") + 2])
BUTTON = "voxrig.animate_from_audio"


def settings() -> Any:
    return bpy.context.scene.voxrig


def takes() -> int:
    character = settings().character
    return len(character.voxrig.takes) if character is not None else 0


def last_take() -> Any:
    return settings().character.voxrig.takes[-1]


def keys_of(control: str) -> list[list[object]]:
    """Return action, frame and value of every key of the control's curves."""
    keys = [
        [action.name, round(key.co[0], 3), round(key.co[1], 5)]
        for action in bpy.data.actions
        for bag in driver.curve_bags(action)
        for fcurve in bag.fcurves
        if control in fcurve.data_path
        for key in fcurve.keyframe_points
    ]
    return sorted(keys)


def jaw_keys() -> list[list[object]]:
    return keys_of("jawOpen")


def is_idle() -> bool:
    return not bpy.ops.voxrig.stop.poll()


def shortcut(key: str, **modifiers: bool) -> driver.Steps:
    """Press a key over the middle of the 3D View."""
    area, _sidebar = driver.view_3d()
    yield from driver.point(area.x + area.width // 3, area.y + area.height // 2)
    yield from driver.press(key, **modifiers)
    yield 1.0


def scenario() -> driver.Steps:
    # Install and enable, as the preferences do with a file that is dropped on Blender.
    driver.look_at_everything()
    driver.note(known_before=hasattr(bpy.types.Scene, "voxrig"))
    bpy.ops.extensions.package_install_files(filepath=str(INSIDE / "voxrig.zip"), repo="user_default", enable_on_install=True)
    driver.note(enabled=driver.PACKAGE in bpy.context.preferences.addons)
    driver.open_panels("VOXRIG_PT_style", "VOXRIG_PT_emotion", "VOXRIG_PT_takes")
    yield from driver.open_tab("Voxrig")
    driver.picture("01-installed")

    buttons = yield from driver.scan_sidebar()
    yield from driver.click(*driver.find(buttons, "character"))
    yield 0.4
    yield from driver.write("Face")
    yield 0.3
    yield from driver.press("RET")
    yield 0.3
    yield from driver.fill(driver.find((yield from driver.scan_sidebar()), "sound_file"), str(INSIDE / "long.wav"))
    driver.picture("02-chosen")

    # One run is stopped.
    yield from driver.press_button(BUTTON)
    yield 1.0
    driver.note(runs=not is_idle())
    driver.picture("03-running")
    yield from driver.press("ESC")
    yield from driver.wait_until(is_idle, 60)
    driver.note(keys_after_escape=driver.count_keys(), takes_after_escape=takes())
    driver.picture("04-stopped")

    # The next one is not.
    yield from driver.fill(driver.find((yield from driver.scan_sidebar()), "sound_file"), str(INSIDE / "line.flac"))
    yield from driver.press_button(BUTTON)
    yield from driver.wait_until(lambda: driver.count_keys() > 0, 120)
    yield 1.0
    driver.note(keys=driver.count_keys(), takes=takes(), redo=bpy.context.window_manager.operators[-1].bl_idname)
    driver.picture("05-animated")

    # The Redo panel: one number, typed.
    strong = jaw_keys()
    redo_panel = yield from driver.open_redo_panel()
    driver.picture("06-redo-panel")
    yield from driver.fill(driver.redo_place(redo_panel, 3), "0.5")  # the jaw, below style, strength and articulation
    yield 1.5
    driver.note(
        jaw_before=max(value for *_where, value in strong),
        jaw_after=max(value for *_where, value in jaw_keys()),
        takes_after_redo=takes(),
        slider_after_redo=round(settings().jaw_strength, 4),
    )
    driver.picture("07-redone")

    # The strip of the waveform.
    settings().show_waveform = True
    bpy.ops.ed.undo_push(message="Show Waveform")  # as Blender does for what a person sets
    bpy.context.scene.frame_set(40)
    yield 1.0
    driver.picture("08-waveform")

    # An emotion, which leaves the jaw alone.
    calm = keys_of("mouthSmileLeft")
    buttons = yield from driver.scan_sidebar()
    driver.note(buttons=sorted(buttons))
    yield from driver.fill(driver.find(buttons, "emotions["), "0.8")
    yield from driver.wait_until(lambda: keys_of("mouthSmileLeft") != calm and is_idle(), 60)
    driver.note(emotion=round(settings().emotions[0].weight, 4), takes_after_emotion=takes())
    driver.picture("09-emotion")

    # A retake of some frames.
    before = jaw_keys()
    buttons = yield from driver.scan_sidebar()
    drafts: list[bool] = []
    yield from driver.drag(
        driver.find(buttons, "strength"), -60, lambda: drafts.append(last_take().is_draft and jaw_keys() != before)
    )
    driver.picture("10-dragged")
    yield from driver.wait_until(lambda: not last_take().is_draft, 20)
    quiet = jaw_keys()
    live: Any = importlib.import_module(f"{driver.PACKAGE}.operators.live")
    live.place_again(bpy.context.scene)
    driver.note(dragged=settings().strength, drafts=drafts.count(True), settled_exactly=jaw_keys() == quiet)
    yield from shortcut("Z", ctrl=True)
    driver.note(live=quiet != before, live_undone=jaw_keys() == before)
    settings().live_update = False
    settings().strength = 0.4
    settings().retake_first, settings().retake_last = 60, 100
    bpy.ops.ed.undo_push(message="Settings of the Retake")  # as Blender does for what a person sets
    yield 0.5
    yield from driver.scroll_sidebar(40)
    yield from driver.press_button("voxrig.retake(")
    yield from driver.wait_until(lambda: takes() == 2 and is_idle(), 60)
    yield 1.0
    after = jaw_keys()
    driver.note(
        outside_before=[key for key in before if not 60 <= key[1] <= 100],
        outside_after=[key for key in after if not 60 <= key[1] <= 100],
        inside_changed=[key for key in before if 60 <= key[1] <= 100] != [key for key in after if 60 <= key[1] <= 100],
    )
    driver.picture("11-retaken")

    # Undo, redo.
    yield from shortcut("Z", ctrl=True)
    driver.note(undone=jaw_keys() == before, takes_undone=takes())
    driver.picture("12-undone")
    yield from shortcut("Z", ctrl=True, shift=True)
    driver.note(done_again=jaw_keys() == after, takes_done_again=takes())
    driver.picture("13-done-again")

    # Save, reload: everything is there, and the tab works on.
    bpy.ops.wm.save_as_mainfile(filepath=str(INSIDE / "saved.blend"))
    bpy.ops.wm.read_homefile()
    yield 1.5
    driver.note(takes_in_new_file=takes())
    bpy.ops.wm.open_mainfile(filepath=str(INSIDE / "saved.blend"))
    yield 2.0
    driver.look_at_everything()
    yield from driver.open_tab("Voxrig")
    driver.note(reloaded=jaw_keys() == after, takes_reloaded=takes(), strip_reloaded=settings().show_waveform)
    session: Any = importlib.import_module(f"{driver.PACKAGE}.properties.session").session
    record = settings().character.voxrig.takes[-1].record
    yield from driver.wait_until(lambda: record in session.overviews, 60)
    driver.note(heard_again=session.overviews[record] is not None)
    yield 0.5
    driver.picture("14-reloaded")
    yield from driver.scroll_sidebar(40)
    yield from driver.press_button("voxrig.update_take")
    yield 0.5
    yield from driver.wait_until(is_idle, 60)
    driver.note(outside_updated=[key for key in jaw_keys() if not 60 <= key[1] <= 100])

    # In Pose Mode, with a second window, from a dropped sound.
    rig = next(item for item in bpy.data.objects if item.type == "ARMATURE")
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="POSE")
    bpy.ops.wm.window_new()
    yield 1.5
    area, _sidebar = driver.view_3d()
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=driver.window(), area=area, region=region):
        bpy.ops.wm.drop_import_file("INVOKE_DEFAULT", directory=f"{INSIDE}/", files=[{"name": "line.flac"}])
    # The same line at the same frame. The retake lies over it with the artist's frames, so the new take goes on top.
    yield from driver.wait_until(lambda: takes() == 3 and is_idle(), 60)
    yield 1.0
    driver.note(mode=rig.mode, windows=len(bpy.context.window_manager.windows), takes_dropped=takes())
    driver.picture("15-dropped-in-pose-mode")


driver.play(scenario)
