# SPDX-License-Identifier: GPL-3.0-or-later
"""The Voxrig tab in the 3D View's sidebar: character, sound, go, and the base of the panels below. They only draw values that
are already available.
"""

from collections.abc import Callable
from typing import Any

import bpy

from ..blender.registering import make_registration
from ..properties.access import character_settings, scene_settings
from ..properties.links import count_mapped
from ..properties.models import chosen_model
from ..properties.session import session
from ..properties.settings import sliders_differ
from ..properties.takes import active_take

# The stubs of Blender's API lack its return value.
iface: Callable[..., str] = bpy.app.translations.pgettext_iface  # pyright: ignore[reportAssignmentType]


class VoxrigPanel(bpy.types.Panel):
    """Base of all panels of the tab."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Voxrig"


class VoxrigList(bpy.types.UIList):
    """Base of all lists of the tab: a row needs only its layout and its item."""

    def draw_item(
        self,
        context: Any,
        layout: Any,
        data: Any,
        item: Any,
        icon: Any,
        active_data: Any,
        active_property: str | None,
        index: int | None = 0,
        flt_flag: int | None = 0,
    ) -> None:
        """Draw one row."""
        self.draw_row(layout, item)

    def draw_row(self, layout: Any, item: Any) -> None:
        """Draw the content of a row."""
        raise NotImplementedError


class VOXRIG_PT_main(VoxrigPanel):
    """Character, sound, go."""

    bl_idname = "VOXRIG_PT_main"
    bl_label = "Voxrig"

    def draw(self, context: Any) -> None:
        """Draw everything needed for a first take."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False

        column = layout.column()
        column.prop(settings, "character")
        if settings.character is not None:
            draw_hint(column, *_describe_mapping(settings))
        else:
            if session.on_missing_character is not None:
                session.on_missing_character(context.scene)
            draw_sentence(column, iface("Choose a mesh with shape keys or an armature, or try it on a head"), "INFO")
            column.operator("voxrig.add_demo_character", icon="MONKEY")

        column = layout.column()
        # Over the whole width, without a label: 'File', 'Strip' and 'Curves' say what they are.
        row = column.row()
        row.use_property_split = False
        row.prop(settings, "sound_source", expand=True)
        if settings.sound_source == "FILE":
            row = column.row(align=True)
            row.use_property_split = False
            row.prop(settings, "sound_file", text="", icon="SOUND", placeholder=iface("Choose or drop a sound here"))
            row.operator("voxrig.choose_sound", text="", icon="FILE_FOLDER")
            column.prop(settings, "start_frame")
        elif settings.sound_source == "CURVES":
            row = column.row(align=True)
            row.prop(settings, "curves_file", text=" ")
            row.operator("voxrig.read_film", text="", icon="FILE_MOVIE")
            row = column.row(align=True)
            row.prop(settings, "start_frame")
            row.operator("voxrig.align_curves", text="", icon="SNAP_ON")
        else:
            column.prop(settings, "strip", text=" ", icon="SEQUENCE")

        column = layout.column()
        row = column.row(align=True)
        row.scale_y = 1.6
        if session.run is None:
            # Nothing below it: whatever follows a button that starts a modal operator stays highlighted in Blender 4.3.
            row.operator("voxrig.animate_from_audio", icon="PLAY")
        else:
            # In the bar and not below it: a panel that changes its height pushes the others around.
            text = (
                iface("Stopping")
                if session.run.cancelled
                else iface("Listening {:.0%}, Esc stops").format(session.run.progress)
            )
            row.progress(factor=session.run.progress, type="BAR", text=text)
            row.operator("voxrig.stop", text="", icon="CANCEL")
        if active_take(settings.character) is not None:
            row = layout.row(align=True)
            is_playing = context.screen is not None and context.screen.is_animation_playing
            icon = "PAUSE" if is_playing else "PLAY"
            row.operator("screen.animation_play", text=iface("Pause") if is_playing else iface("Play"), icon=icon)
            row.operator("voxrig.show_keys", icon="ACTION")
            if sliders_differ(context.scene):
                # One below the other: side by side either the sentence or a translated 'Update' is cut off.
                column = layout.column(align=True)
                column.label(text="The sliders have changed", icon="INFO")
                column.operator("voxrig.update_take", text="Update", icon="FILE_REFRESH").use_sliders = True


def draw_hint(column: Any, text: str, icon: str) -> None:
    """Draw a line of small print below a field over the whole width, because it is too long for the column of values."""
    row = column.row()
    row.alignment = "RIGHT"
    row.active = icon != "NONE"
    row.label(text=text, icon=icon)


def _describe_mapping(settings: Any) -> tuple[str, str]:
    """Describe in one line, with an icon, how much of the model the character can show."""
    model = chosen_model(settings)
    if model is not None and model.is_learned:
        return iface("Learned: drives {} controls of its rig").format(len(model.channels)), "INFO"
    mapped, total = count_mapped(settings)
    if total == 0:
        return iface("Choose a model"), "INFO"
    if not character_settings(settings.character).links:
        return iface("Not mapped yet, will match by name"), "INFO"
    if mapped == 0:
        return iface("No channel mapped"), "ERROR"
    return iface("{} of {} channels mapped").format(mapped, total), "CHECKMARK"


def draw_sentence(layout: Any, text: str, icon: str) -> None:
    """Draw a sentence over as many lines as it needs in a sidebar of usual width."""
    column = layout.column(align=True)
    line = ""
    for word in text.split():
        if len(line) + len(word) > 42:
            column.label(text=line, icon=icon)
            line, icon = "", "BLANK1"
        line = f"{line} {word}".strip()
    column.label(text=line, icon=icon)


CLASSES = (VOXRIG_PT_main,)
register, unregister = make_registration(CLASSES)
