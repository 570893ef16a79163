# SPDX-License-Identifier: GPL-3.0-or-later
"""The Voxrig tab in the 3D View's sidebar, in the order of work. Draws only: everything shown is at hand."""

from typing import Any

import bpy

from ..properties import (
    OTHER_FOLDER,
    REGION_STRENGTHS,
    active_take,
    character_settings,
    chosen_model,
    count_mapped,
    scene_settings,
    session,
    shown_emotions,
    shown_provider,
)


class VoxrigPanel(bpy.types.Panel):
    """What all panels of the tab share."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Voxrig"


class VOXRIG_PT_main(VoxrigPanel):
    """Character, sound, model, go."""

    bl_idname = "VOXRIG_PT_main"
    bl_label = "Voxrig"

    def draw(self, context: Any) -> None:
        """Draw what is needed for a first take."""
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
            # Nothing below it: what follows a button that starts a modal operator stays lit up in Blender 4.3.
            row.operator("voxrig.animate_from_audio", icon="PLAY")
        else:
            text = "Stopping" if session.run.cancelled else f"Listening  {session.run.progress:.0%}"
            row.progress(factor=session.run.progress, type="BAR", text=text)
            row.operator("voxrig.stop", text="", icon="CANCEL")
            _draw_hint(column, "Esc stops and changes nothing", "NONE")


def _draw_hint(column: Any, text: str, icon: str) -> None:
    """A line of small print below a field, over the whole width: it says too much for the column of values."""
    row = column.row()
    row.alignment = "RIGHT"
    row.active = icon != "NONE"
    row.label(text=text, icon=icon)


def _describe_mapping(settings: Any) -> tuple[str, str]:
    """One line and an icon on how much of the model the character can show."""
    model = chosen_model(settings)
    if model is not None and model.is_learned:
        return f"Learned: drives {len(model.channels)} controls of its rig", "INFO"
    mapped, total = count_mapped(settings)
    if total == 0:
        return "Choose a model", "INFO"
    if not character_settings(settings.character).links:
        return "Not mapped yet, will match by name", "INFO"
    if mapped == 0:
        return "No channel mapped", "ERROR"
    return f"{mapped} of {total} channels mapped", "CHECKMARK"


def _describe_model(settings: Any) -> str:
    """What would run where: 'CPU, Speech 1'."""
    model = chosen_model(settings)
    return f"{shown_provider()}, {model.title}" if model is not None else shown_provider()


class VOXRIG_PT_performance(VoxrigPanel):
    """How strongly and smoothly the face moves."""

    bl_idname = "VOXRIG_PT_performance"
    bl_label = "Performance"
    bl_parent_id = "VOXRIG_PT_main"

    def draw(self, context: Any) -> None:
        """Draw strengths and smoothing."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column(align=True)
        column.prop(settings, "strength")
        column.prop(settings, "jaw_strength")
        column.prop(settings, "lips_strength")
        layout.prop(settings, "smoothing")
        layout.prop(settings, "lead")
        column = layout.column(align=True)
        column.prop(settings, "eyes_offset")
        column.prop(settings, "jaw_offset")
        column.prop(settings, "lips_offset")
        column = layout.column(align=True)
        column.prop(settings, "live_update")
        column.prop(settings, "show_waveform")
        if session.trouble:
            _draw_hint(layout.column(), session.trouble, "ERROR")


class VOXRIG_PT_emotion(VoxrigPanel):
    """How much of each emotion."""

    bl_idname = "VOXRIG_PT_emotion"
    bl_label = "Emotion"
    bl_parent_id = "VOXRIG_PT_performance"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Only for models that know emotions."""
        return bool(shown_emotions(scene_settings(context.scene)))

    def draw(self, context: Any) -> None:
        """Draw one slider per emotion, with the dot that keyframes it."""
        layout: Any = self.layout
        layout.use_property_split = True
        column = layout.column(align=True)
        for emotion in shown_emotions(scene_settings(context.scene)):
            column.prop(emotion, "weight", text=emotion.name.title())


class VOXRIG_PT_regions(VoxrigPanel):
    """Strengths of the other face parts."""

    bl_idname = "VOXRIG_PT_regions"
    bl_label = "Regions"
    bl_parent_id = "VOXRIG_PT_performance"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw one strength per face part."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column(align=True)
        for region in REGION_STRENGTHS:
            column.prop(settings, f"{region}_strength")


class VOXRIG_PT_keys(VoxrigPanel):
    """How many keyframes."""

    bl_idname = "VOXRIG_PT_keys"
    bl_label = "Keys"
    bl_parent_id = "VOXRIG_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw how keys are placed, and what that gave."""
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
        take = active_take(settings.character)
        if take is not None:
            _draw_hint(layout.column(), take.density, "NONE")


CLASSES = (VOXRIG_PT_main, VOXRIG_PT_performance, VOXRIG_PT_emotion, VOXRIG_PT_regions, VOXRIG_PT_keys)
register, unregister = bpy.utils.register_classes_factory(CLASSES)  # pyright: ignore[reportGeneralTypeIssues]
