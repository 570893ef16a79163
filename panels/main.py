# SPDX-License-Identifier: GPL-3.0-or-later
"""The Voxrig tab in the 3D View's sidebar, in the order of work. It only draws values that are already available."""

from collections.abc import Callable
from typing import Any

import bpy

from ..animation.face.channels import REGIONS
from ..animation.life.events import PARTS
from ..blender.registering import make_registration
from ..properties.access import character_settings, scene_settings
from ..properties.links import count_mapped
from ..properties.models import OTHER_FOLDER, chosen_model, shown_emotions, shown_provider
from ..properties.session import session
from ..properties.settings import REGION_STRENGTHS, shown_estimate
from ..properties.takes import active_take

LIFE_PARTS = (*PARTS, "asymmetry")

# The stubs of Blender's API lack its return value.
iface: Callable[[str], str] = bpy.app.translations.pgettext_iface  # pyright: ignore[reportAssignmentType]


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
    """Character, sound, model, go."""

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
            _draw_hint(column, *_describe_mapping(settings))

        column = layout.column()
        column.row().prop(settings, "sound_source", expand=True)
        if settings.sound_source == "FILE":
            column.prop(settings, "sound_file", text=" ")
            column.prop(settings, "start_frame")
        elif settings.sound_source == "CURVES":
            column.prop(settings, "curves_file", text=" ")
            column.prop(settings, "start_frame")
        else:
            column.prop(settings, "strip", text=" ", icon="SEQUENCE")

        column = layout.column()
        row = column.row(align=True)
        row.prop(settings, "model")
        row.operator("voxrig.refresh_models", text="", icon="FILE_REFRESH")
        if settings.model == OTHER_FOLDER:
            column.prop(settings, "model_folder", text=" ")
        _draw_hint(column, _describe_model(settings), "NONE")

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


def _draw_hint(column: Any, text: str, icon: str) -> None:
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


def _describe_model(settings: Any) -> str:
    """Describe what would run where: 'CPU, Speech 1'."""
    model = chosen_model(settings)
    return f"{shown_provider()}, {model.title}" if model is not None else shown_provider()


class VOXRIG_PT_performance(VoxrigPanel):
    """How the face performs the sound."""

    bl_idname = "VOXRIG_PT_performance"
    bl_label = "Performance"
    bl_translation_context = "Voxrig"
    bl_parent_id = "VOXRIG_PT_main"

    def draw(self, context: Any) -> None:
        """Draw the ways to check the effect of the sliders below."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        layout.operator("voxrig.look_at_frame", icon="HIDE_OFF", depress=session.is_looking)
        row = layout.row()
        row.prop(settings, "live_update")
        row.prop(settings, "show_waveform")
        if session.trouble:
            _draw_hint(layout.column(), session.trouble, "ERROR")


class VOXRIG_PT_emotion(VoxrigPanel):
    """How much of each emotion."""

    bl_idname = "VOXRIG_PT_emotion"
    bl_label = "Emotion"
    bl_parent_id = "VOXRIG_PT_performance"

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Return True only for models with emotions."""
        return bool(shown_emotions(scene_settings(context.scene)))

    def draw(self, context: Any) -> None:
        """Draw presets, one slider per emotion with the dot that keyframes it, and the range."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        row = layout.row(align=True)
        row.operator_menu_enum("voxrig.apply_emotion_preset", "preset", text="Presets", icon="PRESET")
        row.operator("voxrig.save_emotion_preset", text="", icon="ADD")
        row.operator_menu_enum("voxrig.remove_emotion_preset", "preset", text="", icon="REMOVE")
        layout.use_property_split = True
        column = layout.column(align=True)
        for emotion in shown_emotions(settings):
            column.prop(emotion, "weight", text=emotion.name.title())
        layout.prop(settings, "emotion_intensity")
        layout.use_property_decorate = False
        layout.prop(settings, "use_emotion_range")
        if settings.use_emotion_range:
            column = layout.column(align=True)
            column.prop(settings, "emotion_first")
            column.prop(settings, "emotion_last", text="Last")
            column.prop(settings, "emotion_fade")


class VOXRIG_PT_articulation(VoxrigPanel):
    """How strongly and smoothly the face moves."""

    bl_idname = "VOXRIG_PT_articulation"
    bl_label = "Articulation"
    bl_parent_id = "VOXRIG_PT_performance"

    def draw(self, context: Any) -> None:
        """Draw strengths, timing and constant expressions of the face."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column(align=True)
        column.prop(settings, "strength")
        column.prop(settings, "articulation")
        column.prop(settings, "jaw_strength")
        column.prop(settings, "lips_strength")
        column = layout.column(align=True)
        column.prop(settings, "smoothing")
        column.prop(settings, "lead")
        column = layout.column(align=True)
        column.prop(settings, "eyes_offset")
        column.prop(settings, "lips_offset")
        column.prop(settings, "jaw_offset")


class VOXRIG_PT_regions(VoxrigPanel):
    """Strength, smoothing and offset of each face part."""

    bl_idname = "VOXRIG_PT_regions"
    bl_label = "Regions"
    bl_parent_id = "VOXRIG_PT_performance"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw one group per face part; settings shown in the Performance panel are not repeated."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        for region in REGIONS:
            column = layout.column(align=True)
            if region in REGION_STRENGTHS:
                column.prop(settings, f"{region}_strength")
            column.prop(settings, f"{region}_smoothing")
            if region not in ("eyes", "lips", "jaw"):
                column.prop(settings, f"{region}_offset")


class VOXRIG_PT_life(VoxrigPanel):
    """The movements of the head besides speech."""

    bl_idname = "VOXRIG_PT_life"
    bl_label = "Life"
    bl_parent_id = "VOXRIG_PT_performance"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw the amount, the temperaments, and each part with its dice."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(settings, "life")
        row = layout.row(align=True)
        for temperament in ("Calm", "Lively", "Nervous"):
            row.operator("voxrig.set_life", text=temperament).temperament = temperament
        column = layout.column()
        column.active = settings.life > 0.0
        column.prop(settings, "life_seed")
        column = column.column(align=True)
        for part in LIFE_PARTS:
            row = column.row(align=True)
            row.prop(settings, f"life_{part}")
            row.operator("voxrig.roll_life", text="", icon="FILE_REFRESH").part = part


class VOXRIG_UL_channels(VoxrigList):
    """Channels with their own multiplier and offset."""

    bl_idname = "VOXRIG_UL_channels"

    def draw_row(self, layout: Any, item: Any) -> None:
        """Draw the channel, its multiplier and its offset."""
        row = layout.row(align=True)
        row.prop(item, "channel", text="", emboss=False)
        row.prop(item, "gain", text="")
        row.prop(item, "offset", text="")


class VOXRIG_PT_channels(VoxrigPanel):
    """Multiplier and offset of single channels."""

    bl_idname = "VOXRIG_PT_channels"
    bl_label = "Channels"
    bl_parent_id = "VOXRIG_PT_performance"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw the list."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        row = layout.row()
        row.template_list("VOXRIG_UL_channels", "", settings, "channels", settings, "active_channel", rows=3)
        column = row.column(align=True)
        column.operator("voxrig.add_channel", text="", icon="ADD")
        column.operator("voxrig.remove_channel", text="", icon="REMOVE")


class VOXRIG_PT_keys(VoxrigPanel):
    """How many keyframes."""

    bl_idname = "VOXRIG_PT_keys"
    bl_label = "Keys"
    bl_parent_id = "VOXRIG_PT_main"
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
            _draw_hint(column, estimate, "NONE")
        elif take is not None:
            _draw_hint(column, take.density, "NONE")
        if not estimate:
            column.operator("voxrig.estimate_keys", icon="VIEWZOOM")
        layout.prop(settings, "phone_markers")
        layout.operator("voxrig.clear_phone_markers", icon="X")


CLASSES = (
    VOXRIG_PT_main,
    VOXRIG_PT_performance,
    VOXRIG_PT_emotion,
    VOXRIG_PT_articulation,
    VOXRIG_PT_regions,
    VOXRIG_PT_life,
    VOXRIG_UL_channels,
    VOXRIG_PT_channels,
    VOXRIG_PT_keys,
)
register, unregister = make_registration(CLASSES)
