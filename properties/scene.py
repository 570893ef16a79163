# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a scene: the character, the sound and the model."""

# Blender reads properties from annotations, which a type checker takes for types.
# pyright: reportInvalidTypeForm=false

from typing import Any

import bpy

from ..animation.face.channels import REGIONS
from ..blender import sounds
from ..blender.speakers import can_speak
from ..errors import RigError
from ..takes.variations import MOST_TAKES
from .access import character_settings, scene_settings
from .links import find_channels, preview_link
from .models import (
    DEFAULT_MODEL,
    forget_models,
    get_model,
    list_models,
    model_items,
    offer_emotions,
    own_models_folder,
    set_model,
)
from .session import session
from .settings import TakeProperties, emotion_moved, slider_moved


def is_character(candidate: bpy.types.Object) -> bool:
    """Return whether an object can be chosen as a character."""
    return candidate.type in {"MESH", "ARMATURE"}


def _may_be_character(_group: Any, candidate: Any) -> bool:
    return can_speak(candidate)


def _set_region_model(group: Any, _context: Any) -> None:
    offer_emotions(group.id_data.voxrig)


def _set_character(group: "VOXRIG_PG_scene", _context: Any) -> None:
    owner: Any = group.id_data
    scene = owner.name
    before = session.shown_characters.pop(scene, "")
    if group.character is not None:
        session.shown_characters[scene] = group.character.name
        session.declined.discard((scene, group.character.name))
    elif before:
        session.declined.add((scene, before))
    offer_emotions(group)


def _set_model_folder(group: "VOXRIG_PG_scene", _context: Any) -> None:
    forget_models()
    offer_emotions(group)


def _find_strips(group: Any, _context: Any, _text: str) -> list[str]:
    return [strip.name for strip in sounds.list_sound_strips(group.id_data)]


def _get_preview(_group: "VOXRIG_PG_window") -> float:
    return session.preview


def _set_preview(group: "VOXRIG_PG_window", value: float) -> None:
    character_object = scene_settings(bpy.context.scene).character
    if character_object is None:
        return
    try:
        preview_link(character_object, character_settings(character_object).active_link, value)
    except RigError:
        session.preview = 0.0  # the list shows what is wrong with the link


class VOXRIG_PG_window(bpy.types.PropertyGroup):
    """View state on the window manager, so that neither undo nor the file ever holds a preview."""

    preview: bpy.props.FloatProperty(
        name="Preview",
        description="Pose the character with the channel of the active link, without keying. Goes back when you choose "
        "another link, change the frame, save or leave the tab",
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        get=_get_preview,
        set=_set_preview,
        options={"SKIP_SAVE"},
    )
    channel: bpy.props.StringProperty(
        name="Channel",
        description="Channel or viseme that the pose stands for, such as 'jawOpen' or 'viseme_PP'",
        search=find_channels,
        options={"SKIP_SAVE"},
    )


class VOXRIG_PG_emotion(bpy.types.PropertyGroup):
    """The weight of one emotion of the model, under the model's name for it."""

    weight: bpy.props.FloatProperty(
        name="Weight",
        description="How much of this emotion the face shows. 0 leaves it to the voice. Keyframe it to let it rise and fall",
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        update=emotion_moved,
    )


class VOXRIG_PG_channel(bpy.types.PropertyGroup):
    """A multiplier and an offset for one channel of the model."""

    channel: bpy.props.StringProperty(
        name="Channel",
        description="Channel of the model, such as 'mouthSmileLeft'",
        search=find_channels,
        update=slider_moved,
        options=set(),
    )
    gain: bpy.props.FloatProperty(
        name="Multiplier",
        description="How much of the channel is shown: 1 unchanged, 0 nothing, below 0 reversed. "
        "Taken literally: too little of 'mouthClose' opens closed lips",
        default=1.0,
        soft_min=0.0,
        soft_max=2.0,
        update=slider_moved,
        options=set(),
    )
    offset: bpy.props.FloatProperty(
        name="Offset",
        description="Added to the channel throughout, such as 0.1 of a smile on one side",
        soft_min=-1.0,
        soft_max=1.0,
        update=slider_moved,
        options=set(),
    )


def _region_flags(what: str) -> Any:
    return bpy.props.EnumProperty(
        name="Regions",
        description=what,
        items=[(region.upper(), region.title(), f"Controls of the {region}") for region in REGIONS],
        options={"ENUM_FLAG"},
        default=set(),
    )


class VOXRIG_PG_region_model(bpy.types.PropertyGroup):
    """An additional model for some face parts."""

    model_name: bpy.props.StringProperty(
        name="Model",
        description="Name of a model in the list, or the folder of a model package",
        search=lambda _self, _context, _text: [entry.name for entry in list_models(own_models_folder())],
        search_options={"SUGGESTION"},
        update=_set_region_model,
        options=set(),
    )
    regions: _region_flags("Face parts that this model animates in place of the chosen one. Hold Shift to choose several")


class VOXRIG_PG_line(bpy.types.PropertyGroup):
    """A sound strip, or a whole channel of the sequencer, and its speaker."""

    strip: bpy.props.StringProperty(name="Strip", description="Sound strip of the sequencer", options={"HIDDEN"})
    channel: bpy.props.IntProperty(name="Channel", description="Channel of the sequencer", min=0, options={"HIDDEN"})
    character: bpy.props.PointerProperty(
        name="Character",
        description="Who speaks it: mesh with shape keys or armature with face controls",
        type=bpy.types.Object,
        poll=_may_be_character,
    )
    script: bpy.props.StringProperty(
        name="Script", description="What is said in it; the text of the Script panel counts where this is empty", options=set()
    )
    trouble: bpy.props.StringProperty(name="Trouble", description="Why it could not be animated", options={"HIDDEN"})


def _word_renamed(item: Any, context: Any) -> None:
    if session.on_word is not None:
        session.on_word(item, context)


def _word_moved(item: Any, context: Any) -> None:
    if session.on_word_moved is not None:
        session.on_word_moved(item, context)


class VOXRIG_PG_word(bpy.types.PropertyGroup):
    """A word of the script in the sound."""

    name: bpy.props.StringProperty(
        name="Word", description="What is said; correct it here, and update the take", update=_word_renamed
    )
    start: bpy.props.FloatProperty(
        name="Start",
        description="Frame where the word begins; move it here, and update the take",
        step=100,
        precision=1,
        update=_word_moved,
    )
    placed: bpy.props.FloatProperty(name="Placed", description="Frame where the word was found", options={"HIDDEN"})
    seconds: bpy.props.FloatProperty(name="Seconds", description="Second of the sound that this is", options={"HIDDEN"})
    end: bpy.props.FloatProperty(name="End", description="Frame where the word ends", options={"HIDDEN"})
    confidence: bpy.props.FloatProperty(
        name="Confidence", description="How surely the word is said there, 0 to 1", options={"HIDDEN"}
    )


class VOXRIG_PG_scene(TakeProperties, bpy.types.PropertyGroup):
    """The character, the sound and the model of the next take; its settings come from the table of settings."""

    character: bpy.props.PointerProperty(
        name="Character",
        description="Mesh with shape keys or armature with face controls. Its children and deformed meshes belong to it",
        type=bpy.types.Object,
        poll=_may_be_character,
        update=_set_character,
    )
    sound_source: bpy.props.EnumProperty(
        name="Sound",
        description="Where the voice comes from",
        items=[
            ("FILE", "File", "A sound or video file on disk, starting at a frame you choose"),
            ("STRIP", "Strip", "A sound strip of the Video Sequencer, with its own start and trim"),
            ("CURVES", "Curves", "Curves from another program instead of a sound and a model, such as Live Link Face"),
        ],
        options=set(),
    )
    sound_file: bpy.props.StringProperty(
        name="Sound File",
        description="Recording of one voice: wav, flac, ogg, mp3, or anything else that Blender can play",
        options=set(),
    )
    curves_file: bpy.props.StringProperty(
        name="Curves File",
        description="Curves of Live Link Face, Audio2Face, Rhubarb, MediaPipe or Voxrig, detected from the content",
        subtype="FILE_PATH",
        options=set(),
    )
    strip: bpy.props.StringProperty(
        name="Sound Strip",
        description="Sound strip of this scene's Video Sequencer. Its place and trim decide where the animation goes",
        search=_find_strips,
        options=set(),
    )
    start_frame: bpy.props.IntProperty(
        name="Start Frame", description="Frame at which the sound or the curves begin", default=1, options=set()
    )
    model: bpy.props.EnumProperty(
        name="Model",
        description="Trained model that turns sound into channels. Add a folder of your own models in the preferences",
        items=lambda _self, _context: model_items(own_models_folder()),
        get=get_model,
        set=set_model,
        options=set(),
    )
    model_name: bpy.props.StringProperty(default=DEFAULT_MODEL, options={"HIDDEN"})
    model_folder: bpy.props.StringProperty(
        name="Model Folder",
        description="Folder that holds 'model.onnx' and 'model.json'",
        subtype="DIR_PATH",
        update=_set_model_folder,
        options=set(),
    )
    emotions: bpy.props.CollectionProperty(
        name="Emotions", description="How much of each emotion the face shows", type=VOXRIG_PG_emotion
    )
    use_emotion_range: bpy.props.BoolProperty(
        name="Limit to Range",
        description="Show the emotions only between two frames; before and after them the face is neutral",
        update=emotion_moved,
        options=set(),
    )
    emotion_first: bpy.props.IntProperty(
        name="First Frame", description="Frame where the emotions begin", default=1, update=emotion_moved, options=set()
    )
    emotion_last: bpy.props.IntProperty(
        name="Last Frame", description="Frame where the emotions end", default=50, update=emotion_moved, options=set()
    )
    emotion_fade: bpy.props.FloatProperty(
        name="Cross-Fade",
        description="Frames over which the emotions fade in and out, half of them on each side of the range's ends",
        default=12.0,
        min=0.0,
        soft_max=50.0,
        step=100,
        precision=1,
        update=emotion_moved,
        options=set(),
    )
    own_lead: bpy.props.FloatProperty(name="Own Lead", description="Lead that was set by hand", options={"HIDDEN"})
    has_own_lead: bpy.props.BoolProperty(
        name="Has Own Lead", description="Whether the lead was set by hand", options={"HIDDEN"}
    )
    own_life: bpy.props.FloatProperty(name="Own Life", description="Life that was set by hand", options={"HIDDEN"})
    has_own_life: bpy.props.BoolProperty(
        name="Has Own Life", description="Whether the life was set by hand", options={"HIDDEN"}
    )
    channels: bpy.props.CollectionProperty(
        name="Channels", description="Channels with their own multiplier and offset", type=VOXRIG_PG_channel
    )
    active_channel: bpy.props.IntProperty(
        name="Active Channel", description="Channel of the list that Remove Channel removes", options={"HIDDEN"}
    )
    live_update: bpy.props.BoolProperty(
        name="Live Update",
        description="Whether the chosen take follows the sliders at once. Emotions follow in the background",
        default=True,
        options=set(),
    )
    show_waveform: bpy.props.BoolProperty(
        name="Show Waveform",
        description="Draw the chosen take's sound, jaw, lips and where they close over the lower edge of the 3D View, and "
        "under the keyframes of the Timeline, Dope Sheet and Graph Editor",
        default=False,
        options=set(),
    )
    own_markers: bpy.props.StringProperty(
        name="Own Markers", description="JSON: what operators/markers.py has written", options={"HIDDEN"}
    )
    output_blend: bpy.props.FloatProperty(
        name="Blend",
        description="Frames over which a new NLA strip blends in and out",
        default=0.0,
        min=0.0,
        soft_max=20.0,
        step=100,
        precision=1,
        options=set(),
    )
    dialogue: bpy.props.CollectionProperty(name="Dialogue", description="Who speaks which sound strips", type=VOXRIG_PG_line)
    words: bpy.props.CollectionProperty(name="Words", description="Words of the last script", type=VOXRIG_PG_word)
    active_word: bpy.props.IntProperty(name="Active Word", description="Word of the script", options={"HIDDEN"})
    active_line: bpy.props.IntProperty(
        name="Active Line", description="Line of the dialogue that Remove Line removes", options={"HIDDEN"}
    )
    retake_first: bpy.props.IntProperty(
        name="First Frame", description="First frame that a retake may change", default=1, options=set()
    )
    retake_last: bpy.props.IntProperty(
        name="Last Frame", description="Last frame that a retake may change", default=50, options=set()
    )
    retake_regions: bpy.props.EnumProperty(
        name="Regions",
        description="Face parts that a retake may change. Hold Shift to choose several, none means all of them",
        items=[(region.upper(), region.title(), f"Controls of the {region}") for region in REGIONS],
        options={"ENUM_FLAG"},
        default=set(),
    )
    retake_fade: bpy.props.FloatProperty(
        name="Fade",
        description="Frames over which a retake fades into the animation before and after it",
        default=4.0,
        min=0.0,
        max=100.0,
        soft_max=20.0,
        step=100,
        precision=1,
        options=set(),
    )
    variation_count: bpy.props.IntProperty(
        name="Takes",
        description="Number of takes to make, each with another seed",
        default=5,
        min=1,
        max=MOST_TAKES,
        soft_max=12,
        options=set(),
    )
    show_folder: bpy.props.StringProperty(
        name="Show",
        description="Folder of the collected shots, from which a model of the show is learned",
        translation_context="Voxrig",
        subtype="DIR_PATH",
        options=set(),
    )
    learn_title: bpy.props.StringProperty(
        name="Title", description="Name of the learned model in the list. Empty for the name of the folder", options=set()
    )
    learn_network: bpy.props.EnumProperty(
        name="Network",
        description="What voxrig-train learns from the show",
        translation_context="Voxrig",
        items=[
            ("diffusion", "Diffusion", "Draws another performance for each seed, through your own keys"),
            ("audio2rig", "Audio2Rig", "One performance, with the show's poses and where its animators set keys"),
        ],
        options=set(),
    )
    learn_folder: bpy.props.StringProperty(
        name="Save To",
        description="Folder of the learned model. Empty for the models folder, from which it appears in the list",
        subtype="DIR_PATH",
        options=set(),
    )
    learn_regions: _region_flags("Face parts whose controls are learned. Hold Shift to choose several, none means all")
    region_models: bpy.props.CollectionProperty(
        name="Models by Region", description="Models that animate single face parts", type=VOXRIG_PG_region_model
    )
    collect_everything: bpy.props.BoolProperty(
        name="All Controls",
        description="Also collect controls that are not mapped and name no part of the face",
        default=False,
        options=set(),
    )
