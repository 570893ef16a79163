# SPDX-License-Identifier: GPL-3.0-or-later
"""Register the property groups and attach them to their owners: scenes, objects, Actions and the window manager."""

from typing import Any

import bpy

from ..blender import poses
from ..blender.registering import make_registration
from .links import VOXRIG_PG_link
from .live import VOXRIG_PG_live
from .models import forget_models
from .preferences import VOXRIG_AP_preferences
from .scene import (
    VOXRIG_PG_channel,
    VOXRIG_PG_emotion,
    VOXRIG_PG_line,
    VOXRIG_PG_region_model,
    VOXRIG_PG_scene,
    VOXRIG_PG_window,
    VOXRIG_PG_word,
)
from .session import session
from .takes import (
    VOXRIG_PG_action,
    VOXRIG_PG_character,
    VOXRIG_PG_generated,
    VOXRIG_PG_hold,
    VOXRIG_PG_replaced,
    VOXRIG_PG_take,
)

CLASSES = (
    VOXRIG_PG_link,
    VOXRIG_PG_hold,
    VOXRIG_PG_generated,
    VOXRIG_PG_replaced,
    VOXRIG_PG_action,
    VOXRIG_PG_take,
    VOXRIG_PG_character,
    VOXRIG_PG_window,
    VOXRIG_PG_emotion,
    VOXRIG_PG_region_model,
    VOXRIG_PG_channel,
    VOXRIG_PG_line,
    VOXRIG_PG_word,
    VOXRIG_PG_scene,
    VOXRIG_PG_live,
    VOXRIG_AP_preferences,
)
_register_classes, _unregister_classes = make_registration(CLASSES)
_TYPES: Any = bpy.types


def register() -> None:
    """Register the groups and attach them to their owners."""
    _register_classes()
    _TYPES.Scene.voxrig = bpy.props.PointerProperty(type=VOXRIG_PG_scene)
    _TYPES.Scene.voxrig_live = bpy.props.PointerProperty(type=VOXRIG_PG_live)
    _TYPES.Object.voxrig = bpy.props.PointerProperty(type=VOXRIG_PG_character, override={"LIBRARY_OVERRIDABLE"})
    _TYPES.WindowManager.voxrig = bpy.props.PointerProperty(type=VOXRIG_PG_window)
    _TYPES.Action.voxrig = bpy.props.PointerProperty(type=VOXRIG_PG_action)


def unregister() -> None:
    """Detach the groups from their owners and unregister them."""
    poses.end_preview()
    for owner in (_TYPES.WindowManager, _TYPES.Action, _TYPES.Object, _TYPES.Scene):
        del owner.voxrig
    del _TYPES.Scene.voxrig_live
    _unregister_classes()
    forget_models()
    session.run = None
    session.provider = None
    session.warned.clear()
    session.trouble = ""
