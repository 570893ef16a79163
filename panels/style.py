# SPDX-License-Identifier: GPL-3.0-or-later
"""How the character speaks: a style, its strength, and whether the take follows the sliders."""

from typing import Any

from ..blender.registering import make_registration
from ..properties.access import scene_settings
from ..properties.session import session
from ..properties.takes import active_take
from .main import VoxrigPanel, draw_hint


class VOXRIG_PT_style(VoxrigPanel):
    """How strongly and smoothly the face speaks."""

    bl_idname = "VOXRIG_PT_style"
    bl_label = "Style"
    bl_parent_id = "VOXRIG_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw strengths, timing, and one way to see their effect: the take follows, or before there is one, the frame."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(settings, "speech_style")
        column = layout.column(align=True)
        column.prop(settings, "strength")
        column.prop(settings, "articulation")
        column.prop(settings, "effort")
        column.prop(settings, "jaw_strength")
        column.prop(settings, "lips_strength")
        column = layout.column(align=True)
        column.prop(settings, "smoothing")
        column.prop(settings, "cleaning")
        column.prop(settings, "lead", text="Lead (ms)", text_ctxt="Voxrig")
        if active_take(settings.character) is None or session.is_looking:
            layout.operator("voxrig.look_at_frame", icon="HIDE_OFF", depress=session.is_looking)
        else:
            layout.prop(settings, "live_update")
        if session.trouble:
            draw_hint(layout.column(), session.trouble, "ERROR")


CLASSES = (VOXRIG_PT_style,)
register, unregister = make_registration(CLASSES)
