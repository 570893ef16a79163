# SPDX-License-Identifier: GPL-3.0-or-later
"""The movements of the head besides speech."""

from typing import Any

from ..animation.life.events import PARTS
from ..blender.registering import make_registration
from ..blender.sight import CAMERA
from ..properties.access import scene_settings
from .main import VoxrigPanel

LIFE_PARTS = (*PARTS, "asymmetry")


class VOXRIG_PT_life(VoxrigPanel):
    """The movements of the head besides speech."""

    bl_idname = "VOXRIG_PT_life"
    bl_label = "Life"
    bl_parent_id = "VOXRIG_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw the amount, the temperaments, and each part with its dice."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(settings, "life")
        rows = layout.column(align=True)
        for kinds in (("Calm", "Lively", "Nervous"), ("Child", "Elderly", "Weary")):
            row = rows.row(align=True)
            for temperament in kinds:
                row.operator("voxrig.set_life", text=temperament).temperament = temperament
        column = layout.column()
        column.active = settings.life > 0.0
        row = column.row(align=True)
        row.prop_search(settings, "look_at", context.scene, "objects", icon="HIDE_OFF")
        row.operator("voxrig.look_at", text="", icon="CAMERA_DATA").target = CAMERA
        column.prop(settings, "life_seed")
        column = column.column(align=True)
        for part in LIFE_PARTS:
            row = column.row(align=True)
            row.prop(settings, f"life_{part}")
            row.operator("voxrig.roll_life", text="", icon="FILE_REFRESH").part = part
        column.prop(settings, "life_listening")
        layout.prop(settings, "life_markers")


CLASSES = (VOXRIG_PT_life,)
register, unregister = make_registration(CLASSES)
