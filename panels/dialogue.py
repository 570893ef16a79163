# SPDX-License-Identifier: GPL-3.0-or-later
"""The dialogue: which character speaks which sound strips of the sequencer."""

from typing import Any

from ..blender.registering import make_registration
from ..properties.access import scene_settings
from .main import VoxrigList, VoxrigPanel, iface


class VOXRIG_UL_dialogue(VoxrigList):
    """The lines of the dialogue."""

    bl_idname = "VOXRIG_UL_dialogue"

    def draw_row(self, layout: Any, item: Any) -> None:
        """Draw one strip or channel, and its speaker."""
        row = layout.row()
        name = item.strip or iface("Channel {}").format(item.channel)
        row.label(text=name, icon="ERROR" if item.trouble else "SOUND" if item.strip else "ALIGN_JUSTIFY")
        row.prop(item, "character", text="")
        row.prop(item, "script", text="", icon="TEXT")


class VOXRIG_PT_dialogue(VoxrigPanel):
    """Who speaks what, and one button to animate all of it."""

    bl_idname = "VOXRIG_PT_dialogue"
    bl_label = "Dialogue"
    bl_parent_id = "VOXRIG_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw the list and the button."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        row = layout.row(align=True)
        row.operator("voxrig.fill_dialogue", icon="FILE_REFRESH").by_channel = False
        row.operator("voxrig.fill_dialogue", text="By Channel").by_channel = True
        if len(settings.dialogue):
            row = layout.row()
            row.template_list("VOXRIG_UL_dialogue", "", settings, "dialogue", settings, "active_line", rows=3)
            row.operator("voxrig.remove_line", text="", icon="REMOVE")
            trouble = settings.dialogue[min(settings.active_line, len(settings.dialogue) - 1)].trouble
            if trouble:
                layout.label(text=trouble, icon="ERROR")
        layout.operator("voxrig.animate_dialogue", icon="PLAY")


CLASSES = (VOXRIG_UL_dialogue, VOXRIG_PT_dialogue)
register, unregister = make_registration(CLASSES)
