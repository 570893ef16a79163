# SPDX-License-Identifier: GPL-3.0-or-later
"""Voxrig in Blender's own menus, where F3 finds it too: Object > Animation, and the menu bars of Timeline and Dope Sheet."""

from typing import Any

import bpy

from ..blender.registering import make_registration


class VOXRIG_MT_animation(bpy.types.Menu):
    """The commands for takes."""

    bl_idname = "VOXRIG_MT_animation"
    bl_label = "Voxrig"

    def draw(self, context: Any) -> None:
        """Draw the buttons of the tab that need no field beside them."""
        layout: Any = self.layout
        layout.operator("voxrig.animate_from_audio", icon="PLAY")
        layout.operator("voxrig.update_take", icon="FILE_REFRESH")
        layout.operator("voxrig.show_keys", icon="ACTION")
        layout.operator("voxrig.select_edited_keys", icon="RESTRICT_SELECT_OFF")


CLASSES = (VOXRIG_MT_animation,)
_register_classes, _unregister_classes = make_registration(CLASSES)

PLACES = ("VIEW3D_MT_object_animation", "TIME_MT_editor_menus", "DOPESHEET_MT_editor_menus")


def _draw(menu: Any, context: Any) -> None:
    # Where its name is the entry of a menu bar, Timeline and Dope Sheet share one in later Blenders.
    menu.layout.menu(VOXRIG_MT_animation.bl_idname)


def _places() -> list[Any]:
    return [getattr(bpy.types, name) for name in PLACES if hasattr(bpy.types, name)]


def register() -> None:
    """Register the menu and append it to Blender's."""
    _register_classes()
    for menu in _places():
        menu.append(_draw)


def unregister() -> None:
    """Take it out of Blender's menus."""
    for menu in _places():
        menu.remove(_draw)
    _unregister_classes()
