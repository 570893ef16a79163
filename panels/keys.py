# SPDX-License-Identifier: GPL-3.0-or-later
"""How many keyframes there are, and where they go."""

from typing import Any

from ..blender.registering import make_registration
from ..properties.access import scene_settings
from ..properties.settings import shown_estimate
from ..properties.takes import active_take
from .main import VoxrigPanel, draw_hint


class VOXRIG_PT_keys(VoxrigPanel):
    """How many keyframes."""

    bl_idname = "VOXRIG_PT_keys"
    bl_label = "Keys"
    bl_translation_context = "Voxrig"
    bl_parent_id = "VOXRIG_PT_advanced"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw how keys are placed, and the result."""
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = scene_settings(context.scene)
        layout.prop(settings, "keys")
        if settings.keys == "SPARSE":
            layout.prop(settings, "density", slider=True)
        elif settings.keys == "STEP":
            column = layout.column(align=True)
            column.prop(settings, "key_step")
            column.prop(settings, "key_phase")
        estimate, take = shown_estimate(context.scene), active_take(settings.character)
        column = layout.column()
        if estimate:
            draw_hint(column, estimate, "NONE")
        elif take is not None:
            draw_hint(column, take.density, "NONE")
        if not estimate:
            column.operator("voxrig.estimate_keys", icon="VIEWZOOM")
        layout.prop(settings, "still_keys")
        layout.prop(settings, "phone_markers")
        row = layout.row(align=True)
        row.operator("voxrig.speech_markers", icon="MARKER")
        row.operator("voxrig.clear_phone_markers", text="", icon="X")


class VOXRIG_PT_output(VoxrigPanel):
    """Where a new take goes."""

    bl_idname = "VOXRIG_PT_output"
    bl_label = "Output"
    bl_parent_id = "VOXRIG_PT_advanced"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw the place of new takes and what happens to the artist's keys there."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        row = column.row(align=True)
        row.prop(settings, "output")
        row.operator("voxrig.make_own_action", text="", icon="DUPLICATE")
        if settings.output in ("STRIP", "LAYER"):
            column.prop(settings, "output_blend", text="Blend (frames)")
        column.prop(settings, "replace_edited")


CLASSES = (VOXRIG_PT_keys, VOXRIG_PT_output)
register, unregister = make_registration(CLASSES)
