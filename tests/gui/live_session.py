# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenario: a file is spoken live in a real window while the timeline plays, recorded, and kept as a take."""

from __future__ import annotations

import sys
from pathlib import Path

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import driver

INSIDE = Path(sys.argv[sys.argv.index("--") + 2])


def scenario() -> driver.Steps:
    from bl_ext.user_default.voxrig.operators import speak

    driver.look_at_everything()
    scene = bpy.context.scene
    scene.voxrig.character = bpy.data.objects["Face"]
    bpy.ops.wm.save_as_mainfile(filepath=str(INSIDE / "live_shot.blend"))
    scene.voxrig_live.source = "FILE"
    scene.voxrig_live.sound_file = str(INSIDE / "line.flac")
    yield from driver.open_tab("Voxrig")
    bpy.ops.voxrig.live_start()
    bpy.ops.voxrig.live_record()
    yield 1.5
    driver.picture("live")
    yield from driver.wait_until(lambda: not speak.running().engine.is_running, 60)
    live = speak.running()
    delays = np.array(live.delays)
    driver.note(delays_ms=[round(1000 * float(np.percentile(delays, share))) for share in (50, 99)])
    driver.note(shown=len(delays))
    driver.note(keys_while_live=driver.count_keys())
    bpy.ops.voxrig.live_keep("INVOKE_DEFAULT")
    yield from driver.wait_until(lambda: driver.count_keys() > 0, 120)
    yield 1.0
    driver.picture("kept")
    driver.note(takes=len(scene.voxrig.character.voxrig.takes))
    driver.note(wav=(INSIDE / "live_shot_live.wav").is_file())


driver.play(scenario)
