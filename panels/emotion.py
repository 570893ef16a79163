# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of each emotion the face shows."""

from typing import Any

from ..animation.feeling.styles import read_style
from ..blender.registering import make_registration
from ..properties.access import character_settings, scene_settings
from ..properties.models import shown_emotions
from .main import VoxrigPanel, draw_hint


def draw_style(layout: Any, settings: Any) -> None:
    """Draw the emotions and sliders that the style in words stands for."""
    style = read_style(settings.style)
    if style.note:
        draw_hint(layout.column(), style.note, "ERROR")
        return
    column = layout.column(align=True)
    column.active = False
    for name, weight in style.emotions.items():
        split = column.split(factor=0.4)
        split.alignment = "RIGHT"
        split.label(text=name.title())
        split.label(text=format(weight, ".2f"), translate=False)
    for name, factor in style.factors.items():
        split = column.split(factor=0.4)
        split.alignment = "RIGHT"
        split.label(text=settings.bl_rna.properties[name].name)
        split.label(text="x " + format(factor, ".2f"), translate=False)


class VOXRIG_PT_emotion(VoxrigPanel):
    """How much of each emotion."""

    bl_idname = "VOXRIG_PT_emotion"
    bl_label = "Emotion"
    bl_parent_id = "VOXRIG_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

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
        row = layout.row(align=True)
        row.prop(settings, "feel")
        row.operator("voxrig.write_feelings", text="", icon="KEYINGSET")
        if settings.character is not None:
            layout.prop(character_settings(settings.character), "calm")
        layout.use_property_decorate = False
        row = layout.row(align=True)
        row.prop(settings, "style")
        row.operator("voxrig.spread_style", text="", icon="OPTIONS")
        row.operator("voxrig.mark_style", text="", icon="MARKER_HLT")
        if settings.style.strip():
            draw_style(layout, settings)
        row = layout.row(align=True)
        row.operator("voxrig.guide_picture", text="From Picture", icon="IMAGE_DATA")
        row.operator_menu_enum("voxrig.guide_pose", "use", text="From Pose", icon="ARMATURE_DATA")
        row.operator("voxrig.guide_smiley", text="", icon="MONKEY")
        row = layout.row(align=True)
        row.prop(settings, "film")
        row.operator("voxrig.read_film", text="", icon="FILE_MOVIE").mouth = False
        layout.prop(settings, "use_emotion_range")
        if settings.use_emotion_range:
            column = layout.column(align=True)
            column.prop(settings, "emotion_first")
            column.prop(settings, "emotion_last", text="Last")
            column.prop(settings, "emotion_fade", text="Fade (frames)")


CLASSES = (VOXRIG_PT_emotion,)
register, unregister = make_registration(CLASSES)
