# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenario: map the face, preview a link with its slider, leave the tab, sweep, calibrate; nothing is keyed by it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).resolve().parent))
import driver

PACKAGE = driver.PACKAGE


def open_panels(*closed: str) -> None:
    """Register the mapping's panels, and the one around them, again, open except for the named ones."""
    modules: list[Any] = [importlib.import_module(f"{PACKAGE}.panels.{name}") for name in ("advanced", "mapping")]
    for module in reversed(modules):
        module.unregister()
    for module in modules:
        for panel in module.CLASSES:
            if issubclass(panel, bpy.types.Panel):
                panel.bl_options = {"DEFAULT_CLOSED"} if panel.__name__ in closed else set()
        module.register()


def set_others_aside() -> list[type[bpy.types.Panel]]:
    """Unregister what stands between the main panel and the mapping, because the window is low; register it in this order."""
    main: Any = importlib.import_module(f"{PACKAGE}.panels.main")
    mapping: Any = importlib.import_module(f"{PACKAGE}.panels.mapping")
    advanced: Any = importlib.import_module(f"{PACKAGE}.panels.advanced")
    others = [
        panel
        for panel in main.VoxrigPanel.__subclasses__()
        if panel.is_registered and panel not in (main.VOXRIG_PT_main, *advanced.CLASSES, *mapping.CLASSES)
    ]
    for panel in reversed(others):
        bpy.utils.unregister_class(panel)
    return others


def pose() -> list[float]:
    """Return the values of all shape keys."""
    return [round(block.value, 4) for key in bpy.data.shape_keys for block in key.key_blocks]


def scenario() -> driver.Steps:
    poses: Any = importlib.import_module(f"{PACKAGE}.blender.poses")
    settings, window = bpy.context.scene.voxrig, bpy.context.window_manager.voxrig
    settings.character = face = bpy.data.objects["Face"]
    bpy.ops.voxrig.match_channels()
    face.voxrig.links[1].confidence = "LIKELY"
    face.voxrig.links[2].confidence, face.voxrig.links[2].enabled = "UNSURE", False
    face.voxrig.links[3].data_path = 'key_blocks["gone"].value'
    driver.look_at_everything()
    others = set_others_aside()
    open_panels("VOXRIG_PT_target")
    yield from driver.open_tab("Voxrig")
    yield from driver.settle()
    driver.picture("1-list")
    driver.note(links=len(face.voxrig.links), rest=pose())

    buttons = yield from driver.scan_sidebar()
    driver.note(buttons=sorted(buttons))
    # The slider, by mouse and keyboard: double-click edits its number.
    yield from driver.fill(driver.find(buttons, "preview"), "1")
    yield 0.5
    driver.picture("2-preview")
    driver.note(previewed=pose(), preview=window.preview, preview_is_on=poses.is_previewing())

    _area, region = driver.view_3d()
    region.active_panel_category = "Item"
    yield 1.5
    driver.note(after_leaving=pose(), preview_after_leaving=window.preview)
    yield from driver.open_tab("Voxrig")

    # A broken link stops a sweep before it starts; removed, it does not.
    face.voxrig.links.remove(3)
    yield from driver.click(*driver.find((yield from driver.scan_sidebar(0.3)), "voxrig.test_sweep"))
    yield 0.6
    driver.picture("3-sweep")
    driver.note(swept=pose())
    yield from driver.press("ESC")
    yield 0.5
    driver.note(after_sweep=pose())

    keys = next(key for key in bpy.data.shape_keys if "mouthPucker" in key.key_blocks)
    keys.key_blocks["mouthPucker"].value = 0.5
    window.channel = "viseme_U"
    # The window is too low for both; Blender remembers open panels, so this one has to go.
    mapping: Any = importlib.import_module(f"{PACKAGE}.panels.mapping")
    mapping.VOXRIG_PT_link.poll = classmethod(lambda cls, context: False)
    yield from driver.press_button("voxrig.calibrate(")
    yield 0.5
    made = [link.data_path for link in face.voxrig.links if link.channel == "viseme_U"]
    driver.note(calibrated=made, after_calibrating=pose(), keys=driver.count_keys())
    driver.picture("4-calibrated")
    for panel in others:
        bpy.utils.register_class(panel)


driver.play(scenario)
