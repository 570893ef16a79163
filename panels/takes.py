# SPDX-License-Identifier: GPL-3.0-or-later
"""The takes of a character: the list, and generating again for a range and some face parts."""

from typing import Any

from ..blender.registering import make_registration
from ..properties.access import character_settings, scene_settings
from ..properties.takes import active_take
from .main import VoxrigList, VoxrigPanel, draw_sentence


class VOXRIG_UL_takes(VoxrigList):
    """The takes of a character."""

    bl_idname = "VOXRIG_UL_takes"

    def draw_row(self, layout: Any, item: Any) -> None:
        """Draw whether the take is shown, an editable name, whether it is a favourite, and what it covers."""
        row = layout.row()
        icon_name = "RADIOBUT_ON" if item.is_shown else "RADIOBUT_OFF"
        row.operator("voxrig.compare_take", text="", icon=icon_name, emboss=False).take = item.name
        row.prop(item, "title", text="", emboss=False)
        row.prop(item, "is_favourite", text="", icon="SOLO_ON" if item.is_favourite else "SOLO_OFF", emboss=False)
        # The sound is the same in most rows: what differs fits beside the name.
        about = row.row()
        about.active = False
        about.label(text=item.about.partition(", ")[2] or item.about)


class VOXRIG_PT_takes(VoxrigPanel):
    """The list of takes and the range of the next retake."""

    bl_idname = "VOXRIG_PT_takes"
    bl_label = "Takes"
    bl_parent_id = "VOXRIG_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw the list, then the retake."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        if settings.character is None or active_take(settings.character) is None:
            layout.label(text="No take yet", icon="INFO")
            return
        group = character_settings(settings.character)
        row = layout.row()
        row.template_list("VOXRIG_UL_takes", "", group, "takes", group, "active_take", rows=3)
        column = row.column(align=True)
        column.operator("voxrig.remove_take", text="", icon="REMOVE")
        column.operator("voxrig.select_edited_keys", text="", icon="RESTRICT_SELECT_OFF")
        chosen = group.takes[group.active_take] if 0 <= group.active_take < len(group.takes) else None
        if chosen is not None:
            draw_sentence(layout, chosen.about, "SOUND")
        layout.operator("voxrig.update_take", icon="FILE_REFRESH")

        column = layout.column()
        row = column.row(align=True)
        row.prop(settings, "retake_first", text="From", text_ctxt="Voxrig")
        row.prop(settings, "retake_last", text="To", text_ctxt="Voxrig")
        row.operator("voxrig.retake_range", text="", icon="PREVIEW_RANGE")
        regions = column.grid_flow(columns=4, align=True)
        regions.prop(settings, "retake_regions")
        column.prop(settings, "retake_fade", text="Fade (frames)")
        column.operator("voxrig.retake", icon="RECOVER_LAST")


CLASSES = (VOXRIG_UL_takes, VOXRIG_PT_takes)
register, unregister = make_registration(CLASSES)
