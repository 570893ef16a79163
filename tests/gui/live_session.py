# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenario: a file is spoken live in a real window, recorded, kept as a take and played."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import driver

INSIDE = Path(sys.argv[sys.argv.index("--") + 2])
IS_FILMED = (driver.FOLDER / "Xvfb_screen0").exists()


def scenario() -> driver.Steps:
    from bl_ext.user_default.voxrig.operators import speak

    driver.look_at_everything()
    draw_fast()
    scene = bpy.context.scene
    scene.voxrig.character = bpy.data.objects["Face"]
    bpy.ops.wm.save_as_mainfile(filepath=str(INSIDE / "live_shot.blend"))
    scene.voxrig_live.source = "FILE"
    scene.voxrig_live.sound_file = str(INSIDE / "line.flac")
    driver.open_panels("VOXRIG_PT_live")
    yield from driver.open_tab("Voxrig")
    drawn: list[float] = []
    handler = bpy.types.SpaceView3D.draw_handler_add(lambda: drawn.append(time.monotonic()), (), "WINDOW", "POST_PIXEL")
    bpy.ops.voxrig.live_start()
    live = speak.running()
    driver.note(sound_began=live.engine.source.moment_of(0.0))
    bpy.ops.voxrig.live_record()
    yield 1.5
    if not IS_FILMED:  # a picture stops the window for a moment
        driver.picture("live")
    yield from driver.wait_until(lambda: not speak.running().engine.is_running, 60)
    bpy.types.SpaceView3D.draw_handler_remove(handler, "WINDOW")
    look_ahead = live.engine.stream.look_ahead_seconds
    delays, waits = np.array(live.delays), np.array(live.waits)
    driver.note(
        shown=len(delays),
        delays_ms=in_milliseconds(delays),
        heard_ms=in_milliseconds(delays - waits - look_ahead),
        waits_ms=in_milliseconds(waits),
        look_ahead_ms=round(1000 * look_ahead),
        step_ms=round(1000 * live.engine.busy_seconds / live.engine.rows, 2),
        draws_ms=in_milliseconds(np.diff(drawn)) if len(drawn) > 1 else None,
    )
    driver.note(keys_while_live=driver.count_keys())
    bpy.ops.voxrig.live_keep("INVOKE_DEFAULT")
    yield from driver.wait_until(lambda: driver.count_keys() > 0, 120)
    yield 1.0
    driver.picture("kept")
    driver.note(takes=len(scene.voxrig.character.voxrig.takes))
    driver.note(wav=(INSIDE / "live_shot_live.wav").is_file())
    if IS_FILMED:
        scene.frame_set(1)
        bpy.ops.screen.animation_play()
        yield 6.0


def draw_fast() -> None:
    """Leave out what software OpenGL draws slowly: several samples a pixel, outlines and overlays."""
    bpy.context.preferences.system.viewport_aa = "OFF"
    area, _sidebar = driver.view_3d()
    space: Any = area.spaces.active
    space.shading.show_object_outline = space.shading.show_specular_highlight = False
    space.overlay.show_overlays = False


def in_milliseconds(seconds: np.ndarray) -> list[int]:
    """Return the median and the 99th percentile."""
    return [round(1000 * float(np.percentile(seconds, share))) for share in (50, 99)]


driver.play(scenario)
