# SPDX-License-Identifier: GPL-3.0-or-later
"""Typed access to the preferences and to the groups on scenes, objects and windows."""

from dataclasses import dataclass
from typing import Any

import bpy

PACKAGE = (__package__ or "voxrig.properties").rpartition(".")[0]
"""Name under which the extension is registered."""


@dataclass(frozen=True)
class Preferences:
    """The preferences, or their defaults if the extension runs without being installed."""

    provider: str = "AUTO"
    threads: int | None = None
    models_folder: str = ""
    life: float = 1.0
    add_sound: bool = True
    sync_sound: bool = True
    hold_range: bool = True
    select_character: bool = True
    deselect_keys: bool = True
    show_waveform: bool = True
    rewind: bool = True


AFTER_ANIMATE = ("add_sound", "sync_sound", "hold_range", "select_character", "deselect_keys", "show_waveform", "rewind")
"""The preferences for what the Animate button does besides writing keys."""


def preferences() -> Preferences:
    """Return the user's preferences."""
    blender: Any = bpy.context.preferences
    addon = blender.addons.get(PACKAGE)
    stored = addon.preferences if addon else None
    if stored is None:
        return Preferences()
    folder = bpy.path.abspath(stored.models_folder) if stored.models_folder else ""
    after = {name: getattr(stored, name) for name in AFTER_ANIMATE}
    return Preferences(stored.provider, stored.threads or None, folder, stored.life, **after)


def scene_settings(scene: Any) -> Any:
    """Return Voxrig's settings of a scene (VOXRIG_PG_scene)."""
    return scene.voxrig


def live_settings(scene: Any) -> Any:
    """Return the live settings of a scene (VOXRIG_PG_live)."""
    return scene.voxrig_live


def character_settings(character_object: Any) -> Any:
    """Return Voxrig's mapping and takes of an object (VOXRIG_PG_character)."""
    return character_object.voxrig


def window_settings(window_manager: Any) -> Any:
    """Return Voxrig's data for this session's windows (VOXRIG_PG_window)."""
    return window_manager.voxrig
