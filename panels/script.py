# SPDX-License-Identifier: GPL-3.0-or-later
"""Show what is said: the script of the next take, and the words of the last one."""

from typing import Any

from ..animation.script.alignment import FITTING
from ..blender.registering import make_registration
from ..properties.access import scene_settings
from .main import VoxrigList, VoxrigPanel, iface


class VOXRIG_UL_words(VoxrigList):
    """The words of a script, with the frame where each begins; both can be changed."""

    bl_idname = "VOXRIG_UL_words"

    def draw_row(self, layout: Any, item: Any) -> None:
        """Draw a word to correct, its frame, and a sign where it was not heard."""
        row = layout.row()
        icon = "CHECKMARK" if item.confidence >= FITTING else "ERROR"
        row.prop(item, "name", text="", emboss=False, icon=icon)
        frame = row.row()
        frame.ui_units_x = 4.0
        frame.prop(item, "start", text="", emboss=False)


class VOXRIG_PT_script(VoxrigPanel):
    """The script of the next take."""

    bl_idname = "VOXRIG_PT_script"
    bl_label = "Script"
    bl_parent_id = "VOXRIG_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw the text, its language, and the words that were found."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        row = layout.row(align=True)
        row.prop(settings, "script", text="", icon="TEXT", placeholder=iface("Paste what is said"))
        row.operator("voxrig.read_script", text="", icon="FILE_FOLDER")
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(settings, "language")
        column.prop(settings, "dictionary")
        column.prop(settings, "speaker")
        row = layout.row(align=True)
        row.operator("voxrig.scratch_voice", icon="PLAY_SOUND")
        row.operator("voxrig.script_to_dialogue", icon="SEQ_SEQUENCER")
        if len(settings.words):
            layout.template_list("VOXRIG_UL_words", "", settings, "words", settings, "active_word", rows=4)
            row = layout.row(align=True)
            row.operator("voxrig.update_take", text=iface("Find Words Again"), icon="FILE_REFRESH").use_sliders = True
            row.operator("voxrig.word_markers", icon="MARKER")


CLASSES = (VOXRIG_UL_words, VOXRIG_PT_script)
register, unregister = make_registration(CLASSES)
