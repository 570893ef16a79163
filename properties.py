# SPDX-License-Identifier: GPL-3.0-or-later
"""What Voxrig stores in a .blend and in Blender's preferences, with typed getters.

One group hangs on the scene (what to animate and how), one on the object that is the character (its mapping). The
run in progress is no property: it ends with the session and has no place in a file.
"""

# Blender reads properties from annotations, which a type checker takes for types.
# pyright: reportInvalidTypeForm=false

import functools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from .animation.curves import ChannelCurves
from .animation.face.channels import REGIONS
from .animation.keys.placing import DEFAULT_DENSITY, DENSITIES
from .animation.overview import Overview
from .animation.rig.mapping import Link, Mapping, Target, apply_mapping
from .blender import compat, poses, rigs, sounds
from .blender.targets import explain_obstacle
from .errors import ModelError, RigError
from .inference.package import bundled_packages, read_description
from .inference.session import expected_provider

PACKAGE = __package__ or "voxrig"
OTHER_FOLDER = "FOLDER"
DEFAULT_MODEL = "speech"


# ---------------------------------------------------------------------------------------------------------------
# The run in progress, shared by the operator that drives it and the panel that shows it


@dataclass
class Run:
    """Work going on in the background. ``progress`` is 0..1; setting ``cancelled`` asks it to stop."""

    character: str
    progress: float = 0.0
    cancelled: bool = False
    doing: str = "animated"


@dataclass(frozen=True)
class Estimate:
    """What is known of the next take's keys, '' for nothing, while :func:`estimate_basis` is ``basis``."""

    basis: tuple[object, ...]
    text: str


@dataclass
class Session:
    """What this Blender session knows and no file should: the run in progress and what the last one ran on."""

    run: Run | None = None
    provider: str | None = None
    warned: set[str] = field(default_factory=set)
    # What follows a slider: set by operators/live.py, which nothing here may import.
    on_slider: Callable[[Any], object] | None = None
    on_emotion: Callable[[Any], object] | None = None
    # How many keys the next take would have: set by operators/estimate.py.
    on_estimate: Callable[[Any], None] | None = None
    estimate: "Estimate | None" = None
    trouble: str = ""
    is_looking: bool = False
    preview: float = 0.0
    swept: str = ""
    # What the waveform strip draws, by the take's record; None for a take that cannot be drawn. Undo brings takes back.
    overviews: OrderedDict[str, Overview | None] = field(default_factory=OrderedDict)
    on_unseen_take: Callable[[Any], None] | None = None

    def remember_overview(self, record: str, overview: Overview | None) -> None:
        """Keep what is drawn of a take; the oldest of many is forgotten."""
        self.overviews[record] = overview
        self.overviews.move_to_end(record)
        while len(self.overviews) > 16:
            self.overviews.popitem(last=False)


session = Session()


# ---------------------------------------------------------------------------------------------------------------
# Model packages to choose from


@dataclass(frozen=True)
class ModelEntry:
    """One model package in the list; ``channels`` are (name, group). What follows is empty for a damaged one.

    ``regions`` are the face parts and ``maxima`` the largest values of the channels, by name. ``is_learned`` says that it was
    learned on a rig and drives that rig's own controls.
    """

    name: str
    title: str
    description: str
    folder: Path
    channels: tuple[tuple[str, str], ...] = ()
    emotions: tuple[str, ...] = ()
    regions: dict[str, str] = field(default_factory=dict)
    maxima: dict[str, float] = field(default_factory=dict)
    lead_seconds: float = 0.0
    is_learned: bool = False


@functools.cache
def list_models(extra_folder: str = "") -> tuple[ModelEntry, ...]:
    """The bundled models and those in ``extra_folder``, from their descriptions only; read once, then remembered."""
    folders = bundled_packages()
    if extra_folder:
        folders += sorted(path.parent for path in Path(extra_folder).glob("*/model.json"))
    return tuple(read_model_entry(str(folder)) for folder in folders)


@functools.cache
def read_model_entry(folder: str) -> ModelEntry:
    """What a list shows of the package in ``folder``; a damaged one says so. Read once, then remembered."""
    path = Path(folder)
    try:
        package = read_description(path)
    except ModelError as error:
        return ModelEntry(path.name, f"{path.name} (damaged)", str(error), path)
    channels = tuple((channel.name, channel.group) for channel in package.channels)
    description = f"Version {package.version}, {len(channels)} channels at {package.frame_rate:g} frames a second"
    regions = {channel.name: channel.region for channel in package.channels}
    maxima = {channel.name: channel.maximum for channel in package.channels}
    return ModelEntry(
        package.name,
        package.title,
        description,
        path,
        channels,
        package.emotions,
        regions,
        maxima,
        package.lead_seconds,
        bool(package.targets),
    )


def shown_provider() -> str:
    """'CUDA' or 'CPU': what the last run of this session ran on, or before the first one what the next will most likely use."""
    return session.provider or expected_provider(preferences().provider)


def forget_models() -> None:
    """Read the descriptions again at the next look, because files or folders have changed."""
    list_models.cache_clear()
    read_model_entry.cache_clear()
    _model_items.cache_clear()


@functools.cache
def _model_items(extra_folder: str) -> list[tuple[str, str, str, str, int]]:
    # Blender keeps no reference to the texts of a dynamic enum, so the list has to live on here.
    entries = list_models(extra_folder)
    items = [(entry.name, entry.title, entry.description, "SOUND", i) for i, entry in enumerate(entries)]
    about = "A model package of your own, such as one that was trained on your show"
    return [*items, (OTHER_FOLDER, "Other Folder", about, "FILE_FOLDER", len(items))]


def _get_model(group: "VOXRIG_PG_scene") -> int:
    items = _model_items(own_models_folder())
    return next((i for i, item in enumerate(items) if item[0] == group.model_name), len(items) - 1)


def _set_model(group: "VOXRIG_PG_scene", value: int) -> None:
    group.model_name = _model_items(own_models_folder())[value][0]
    offer_emotions(group)


def chosen_model(settings: "VOXRIG_PG_scene") -> ModelEntry | None:
    """The model that the scene asks for, or None while no folder is chosen. Cheap enough to draw with."""
    entry = find_model_entry(settings.model_name)
    if entry is None and settings.model_folder:
        entry = read_model_entry(bpy.path.abspath(settings.model_folder))
    return entry


def find_model_entry(name: str) -> ModelEntry | None:
    """The model of a name, or in a folder that is given instead of a name; None where there is none."""
    for entry in list_models(own_models_folder()):
        if entry.name == name:
            return entry
    is_folder = name not in ("", OTHER_FOLDER) and (Path(bpy.path.abspath(name)) / "model.json").is_file()
    return read_model_entry(bpy.path.abspath(name)) if is_folder else None


def default_model() -> ModelEntry | None:
    """The bundled speech model."""
    return next((entry for entry in list_models() if entry.name == DEFAULT_MODEL), None)


def own_models_folder() -> str:
    """The folder of one's own models: that of the preferences, else the extension's; '' where it is not installed as one."""
    chosen = preferences().models_folder
    if chosen:
        return chosen
    try:
        return bpy.utils.extension_path_user(PACKAGE, path="models")
    except ValueError:
        return ""


def offer_emotions(settings: "VOXRIG_PG_scene") -> None:
    """Give every emotion of the chosen model a slider; those of other models keep theirs for when they come back."""
    for name in _emotion_names(settings):
        if name not in settings.emotions:
            settings.emotions.add().name = name


# ---------------------------------------------------------------------------------------------------------------
# Property groups


def is_character(candidate: bpy.types.Object) -> bool:
    """Whether an object can be chosen as a character."""
    return candidate.type in {"MESH", "ARMATURE"}


def _may_be_character(_group: Any, candidate: Any) -> bool:
    # An Empty stands for what is below it; of an instance Voxrig says what to do with it.
    return is_character(candidate) or (candidate.type == "EMPTY" and bool(candidate.children or candidate.instance_collection))


def _set_region_model(group: Any, _context: Any) -> None:
    offer_emotions(group.id_data.voxrig)


def _set_character(group: "VOXRIG_PG_scene", _context: Any) -> None:
    offer_emotions(group)


def _set_model_folder(group: "VOXRIG_PG_scene", _context: Any) -> None:
    forget_models()
    offer_emotions(group)


def _find_strips(group: Any, _context: Any, _text: str) -> list[str]:
    return [strip.name for strip in sounds.list_sound_strips(group.id_data)]


def _find_channels(_link: "VOXRIG_PG_link", context: Any, _text: str) -> list[str]:
    model = chosen_model(scene_settings(context.scene))
    return [name for name, _group in model.channels] if model else []


def _slider_moved(group: Any, _context: Any) -> None:
    if session.on_slider is not None:
        session.on_slider(group.id_data)
    if session.on_estimate is not None:
        session.on_estimate(group.id_data)


def _emotion_moved(group: Any, _context: Any) -> None:
    if session.on_emotion is not None:
        session.on_emotion(group.id_data)


def _get_lead(group: "VOXRIG_PG_scene") -> float:
    model = chosen_model(group)
    return group.own_lead if group.has_own_lead or model is None else 1000.0 * model.lead_seconds


def _set_lead(group: "VOXRIG_PG_scene", value: float) -> None:
    group.own_lead, group.has_own_lead = value, True


def _strength(name: str, what: str) -> Any:
    return bpy.props.FloatProperty(
        name=name,
        description=f"{what}. 1 is what the model hears, 0 is still, above 1 exaggerates",
        default=1.0,
        min=0.0,
        max=4.0,
        soft_max=2.0,
        subtype="FACTOR",
        update=_slider_moved,
        options=set(),
    )


def _smoothing(part: str) -> Any:
    return bpy.props.FloatProperty(
        name=f"{part} Smoothing",
        description=f"{part}: half-life in milliseconds of smoothing on top of that of the whole face",
        min=0.0,
        max=1000.0,
        soft_max=200.0,
        step=500,
        precision=0,
        update=_slider_moved,
        options=set(),
    )


def _offset(name: str, what: str) -> Any:
    return bpy.props.FloatProperty(
        name=name,
        description=what,
        min=-1.0,
        max=1.0,
        soft_min=-0.5,
        soft_max=0.5,
        subtype="FACTOR",
        update=_slider_moved,
        options=set(),
    )


class VOXRIG_PG_link(bpy.types.PropertyGroup):
    """One channel driving one target of the character; see animation.rig.mapping.Link."""

    channel: bpy.props.StringProperty(
        name="Channel",
        description="Output of the model that drives the target, such as 'jawOpen'",
        search=_find_channels,
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    # The object, and not its shape keys: a pointer would keep shape keys alive after their mesh is gone.
    owner: bpy.props.PointerProperty(
        name="Object",
        description="Object that the target is on",
        type=bpy.types.Object,
        override={"LIBRARY_OVERRIDABLE"},
    )
    id_type: bpy.props.EnumProperty(
        name="On",
        description="Which data of the object the data path starts from",
        items=[
            ("KEY", "Shape Keys", "The shape keys of the object's mesh"),
            ("OBJECT", "Object", "The object itself: its pose bones, transforms and custom properties"),
            ("DATA", "Object Data", "The mesh or armature of the object"),
            ("BLOCK", "Other Data", "Another data-block of this file, such as a material"),
        ],
        default="KEY",
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    block: bpy.props.PointerProperty(
        name="Data",
        description="Data-block that the data path starts from, where that is not the object or its data",
        type=bpy.types.ID,
        override={"LIBRARY_OVERRIDABLE"},
    )
    data_path: bpy.props.StringProperty(
        name="Data Path",
        description="Value to animate, as Copy Data Path gives it: right-click any slider of the rig",
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    array_index: bpy.props.IntProperty(
        name="Index",
        description="Which component of a vector: 0 is X, 1 is Y, 2 is Z. 0 for single values",
        min=0,
        max=31,
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    gain: bpy.props.FloatProperty(
        name="Gain",
        description="How far the target moves for each unit of the channel. Negative turns the movement round",
        default=1.0,
        soft_min=-2.0,
        soft_max=2.0,
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    offset: bpy.props.FloatProperty(
        name="Offset",
        description="Added to the target whatever the channel does",
        soft_min=-1.0,
        soft_max=1.0,
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    rest: bpy.props.FloatProperty(
        name="Rest",
        description="Value of the target while nothing drives it, such as 1 for a scale. Counts once for all links of a target",
        soft_min=-1.0,
        soft_max=1.0,
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    ease: bpy.props.FloatProperty(
        name="Response",
        description="How the target follows the channel: 0 evenly, above 0 late and then fast, below 0 fast and then slowly",
        min=-1.0,
        max=1.0,
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    confidence: bpy.props.EnumProperty(
        name="Confidence",
        description="How certain it is that the channel belongs to the target. Choosing Sure confirms a guess",
        items=[
            ("SURE", "Sure", "Chosen by you, calibrated, or found by its exact name", "CHECKMARK", 0),
            ("LIKELY", "Likely", "Found by a similar name. Preview it once", "QUESTION", 1),
            ("UNSURE", "Unsure", "A guess. It stays off until you turn it on", "ERROR", 2),
        ],
        default="SURE",
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    solo: bpy.props.BoolProperty(
        name="Solo",
        description="While any link is solo, new takes, retakes and sweeps use solo links only. "
        "Update keeps to the links that its take was made with",
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    use_minimum: bpy.props.BoolProperty(
        name="Limit Minimum",
        description="Never go below the minimum, whatever the channels that drive this target say",
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    minimum: bpy.props.FloatProperty(
        name="Minimum", description="Lowest value written", default=0.0, options=set(), override={"LIBRARY_OVERRIDABLE"}
    )
    use_maximum: bpy.props.BoolProperty(
        name="Limit Maximum",
        description="Never go above the maximum, whatever the channels that drive this target say",
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    maximum: bpy.props.FloatProperty(
        name="Maximum", description="Highest value written", default=1.0, options=set(), override={"LIBRARY_OVERRIDABLE"}
    )
    enabled: bpy.props.BoolProperty(
        name="Enabled",
        description="Whether Animate from Audio writes to this target. Off leaves its keyframes as they are",
        default=True,
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )


class VOXRIG_PG_hold(bpy.types.PropertyGroup):
    """A take's hold on one F-Curve between two frames, and the keys that it covers there; its name is the take's mark."""

    owner: bpy.props.StringProperty(name="Owner", description="Data-block that the take animates", options={"HIDDEN"})
    first: bpy.props.FloatProperty(name="First", description="First frame that the take holds", options={"HIDDEN"})
    last: bpy.props.FloatProperty(name="Last", description="Last frame that the take holds", options={"HIDDEN"})
    keys: bpy.props.StringProperty(
        name="Keys", description="Keyframes that come back when another take is shown", options={"HIDDEN"}
    )
    generated: bpy.props.StringProperty(name="Generated", description="Fingerprint of the generated ones", options={"HIDDEN"})


class VOXRIG_PG_generated(bpy.types.PropertyGroup):
    """What blender/ledger.py remembers of one F-Curve; its name says which."""

    keys: bpy.props.StringProperty(
        name="Keys", description="Fingerprint that tells generated keyframes from the artist's", options={"HIDDEN"}
    )
    holds: bpy.props.CollectionProperty(
        name="Holds", description="Takes on the F-Curve, the uppermost last", type=VOXRIG_PG_hold
    )
    muted: bpy.props.BoolProperty(
        name="Muted", description="Whether the F-Curve is muted so that a take in the NLA can be seen", options={"HIDDEN"}
    )


class VOXRIG_PG_replaced(bpy.types.PropertyGroup):
    """What a data-block played before a sweep."""

    block: bpy.props.PointerProperty(name="Data-Block", description="What the sweep animates", type=bpy.types.ID)
    action: bpy.props.PointerProperty(name="Action", description="What it played before", type=bpy.types.Action)
    slot: bpy.props.IntProperty(name="Slot", description="Handle of the slot of that Action", options={"HIDDEN"})
    pose: bpy.props.StringProperty(name="Pose", description="Values of its controls before", options={"HIDDEN"})


class VOXRIG_PG_action(bpy.types.PropertyGroup):
    """What of an Action was generated."""

    generated: bpy.props.CollectionProperty(
        name="Generated", description="Fingerprints of generated keyframes, by F-Curve", type=VOXRIG_PG_generated
    )
    replaced: bpy.props.CollectionProperty(
        name="Replaced", description="What was played before this sweep", type=VOXRIG_PG_replaced
    )


class VOXRIG_PG_take(bpy.types.PropertyGroup):
    """One take of a character: with what it was made, so that it can be made again."""

    record: bpy.props.StringProperty(
        name="Record",
        description="Sound, model, emotion, strengths, mapping and range of the take",
        options={"HIDDEN"},
        override={"LIBRARY_OVERRIDABLE"},
    )
    mark: bpy.props.StringProperty(
        name="Mark",
        description="Name by which Actions know the take; no other take has it",
        options={"HIDDEN"},
        override={"LIBRARY_OVERRIDABLE"},
    )
    is_shown: bpy.props.BoolProperty(
        name="Shown",
        description="Whether the take is what one sees: nothing of it lies beneath another take",
        options={"HIDDEN"},
        override={"LIBRARY_OVERRIDABLE"},
    )
    title: bpy.props.StringProperty(
        name="Take",
        description="Name of the take in the list. Change it to whatever you like",
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    about: bpy.props.StringProperty(
        name="About",
        description="What the take covers",
        options={"HIDDEN"},
        override={"LIBRARY_OVERRIDABLE"},
    )
    is_draft: bpy.props.BoolProperty(
        name="Draft",
        description="Whether the take's keyframes were only moved to follow a slider and are still to be placed anew",
        options={"HIDDEN"},
        override={"LIBRARY_OVERRIDABLE"},
    )
    density: bpy.props.StringProperty(
        name="Density",
        description="Keyframes a second and the largest distance from the curves that they stand for",
        options={"HIDDEN"},
        override={"LIBRARY_OVERRIDABLE"},
    )


class VOXRIG_PG_character(bpy.types.PropertyGroup):
    """The mapping and the takes of a character, on the object that is chosen as one."""

    links: bpy.props.CollectionProperty(type=VOXRIG_PG_link, override={"LIBRARY_OVERRIDABLE", "USE_INSERTION"})
    active_link: bpy.props.IntProperty(
        name="Active Link", options={"HIDDEN"}, update=lambda _group, _context: poses.end_preview()
    )
    neutral_pose: bpy.props.StringProperty(
        name="Neutral Pose",
        description="Values that Calibrate compares with, stored from a pose; the rest pose without",
        options={"HIDDEN"},
        override={"LIBRARY_OVERRIDABLE"},
    )
    takes: bpy.props.CollectionProperty(
        name="Takes",
        description="Takes of this character, the newest last",
        type=VOXRIG_PG_take,
        override={"LIBRARY_OVERRIDABLE", "USE_INSERTION"},
    )
    active_take: bpy.props.IntProperty(name="Active Take", description="Take that Update makes again", options={"HIDDEN"})


def _get_preview(_group: "VOXRIG_PG_window") -> float:
    return session.preview


def _set_preview(group: "VOXRIG_PG_window", value: float) -> None:
    character_object = scene_settings(bpy.context.scene).character
    if character_object is None:
        return
    try:
        preview_link(character_object, character_settings(character_object).active_link, value)
    except RigError:
        session.preview = 0.0  # the list says what is wrong with the link


class VOXRIG_PG_window(bpy.types.PropertyGroup):
    """What is only looked at: on the window manager, so that neither undo nor the file ever holds a preview."""

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
        search=_find_channels,
        options={"SKIP_SAVE"},
    )


class VOXRIG_PG_emotion(bpy.types.PropertyGroup):
    """How much of one emotion of the model; its name is the model's."""

    weight: bpy.props.FloatProperty(
        name="Weight",
        description="How much of this emotion the face shows. 0 leaves it to the voice. Keyframe it to let it come and go",
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        update=_emotion_moved,
    )


class VOXRIG_PG_channel(bpy.types.PropertyGroup):
    """A multiplier and an offset for one channel of the model."""

    channel: bpy.props.StringProperty(
        name="Channel",
        description="Channel of the model, such as 'mouthSmileLeft'",
        search=_find_channels,
        update=_slider_moved,
        options=set(),
    )
    gain: bpy.props.FloatProperty(
        name="Multiplier",
        description="How much of the channel is shown: 1 as it is, 0 nothing, below 0 the other way round. "
        "Taken literally: too little of 'mouthClose' opens closed lips",
        default=1.0,
        soft_min=0.0,
        soft_max=2.0,
        update=_slider_moved,
        options=set(),
    )
    offset: bpy.props.FloatProperty(
        name="Offset",
        description="Added to the channel throughout, such as 0.1 of a smile on one side",
        soft_min=-1.0,
        soft_max=1.0,
        update=_slider_moved,
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
    """A further model, for some face parts."""

    model_name: bpy.props.StringProperty(
        name="Model",
        description="Name of a model in the list, or the folder of a model package",
        search=lambda _self, _context, _text: [entry.name for entry in list_models(own_models_folder())],
        search_options={"SUGGESTION"},
        update=_set_region_model,
        options=set(),
    )
    regions: _region_flags("Face parts that this model animates in the place of the chosen one. Hold Shift to choose several")


class VOXRIG_PG_line(bpy.types.PropertyGroup):
    """A sound strip, or all of a channel of the sequencer, and who speaks it."""

    strip: bpy.props.StringProperty(name="Strip", description="Sound strip of the sequencer", options={"HIDDEN"})
    channel: bpy.props.IntProperty(name="Channel", description="Channel of the sequencer", min=0, options={"HIDDEN"})
    character: bpy.props.PointerProperty(
        name="Character",
        description="Who speaks it: mesh with shape keys or armature with face controls",
        type=bpy.types.Object,
        poll=_may_be_character,
    )
    trouble: bpy.props.StringProperty(name="Trouble", description="Why it could not be animated", options={"HIDDEN"})


_OUTPUT_ITEMS = [
    ("ACTION", "Active Action", "Keyframes in the character's Action; all its other keyframes stay"),
    ("NEW_ACTION", "New Action", "An Action of the take's own, played instead of the present one, which is kept"),
    ("NEW_SLOT", "New Slot", "A slot of the take's own in the character's Action, played instead of the present one"),
    ("STRIP", "NLA Strip", "A strip on a track of the take's own; the Action stays as it is"),
    ("LAYER", "Additive Layer", "A strip that adds to the Action and to the strips below it"),
]


class VOXRIG_PG_scene(bpy.types.PropertyGroup):
    """What to animate from which sound with which model, and how."""

    character: bpy.props.PointerProperty(
        name="Character",
        description="Mesh with shape keys or armature with face controls. What hangs on it or is deformed by it belongs to it",
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
            ("CURVES", "Curves File", "Curves from another program instead of a sound and a model, such as Live Link Face"),
        ],
        options=set(),
    )
    sound_file: bpy.props.StringProperty(
        name="Sound File",
        description="Recording of one voice: wav, flac, ogg, mp3, or anything else that Blender can play",
        subtype="FILE_PATH",
        options=set(),
    )
    curves_file: bpy.props.StringProperty(
        name="Curves File",
        description="Curves of Live Link Face, Audio2Face, Rhubarb, MediaPipe or Voxrig; what the file is, its content says",
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
        items=lambda _self, _context: _model_items(own_models_folder()),
        get=_get_model,
        set=_set_model,
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
    emotion_intensity: bpy.props.FloatProperty(
        name="Intensity",
        description="How much of the whole mix of emotions the face shows. Keyframe it to let the mix come and go",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        update=_emotion_moved,
    )
    use_emotion_range: bpy.props.BoolProperty(
        name="Limit to Range",
        description="Show the emotions only between two frames; before and after them the face is neutral",
        update=_emotion_moved,
        options=set(),
    )
    emotion_first: bpy.props.IntProperty(
        name="First Frame", description="Frame where the emotions begin", default=1, update=_emotion_moved, options=set()
    )
    emotion_last: bpy.props.IntProperty(
        name="Last Frame", description="Frame where the emotions end", default=50, update=_emotion_moved, options=set()
    )
    emotion_fade: bpy.props.FloatProperty(
        name="Cross-Fade",
        description="Frames over which the emotions come and go, half of them on each side of the range's ends",
        default=12.0,
        min=0.0,
        soft_max=50.0,
        step=100,
        precision=1,
        update=_emotion_moved,
        options=set(),
    )
    strength: _strength("Strength", "How much the whole face moves")
    articulation: _strength("Articulation", "How clearly jaw, lips and tongue speak, from a mumble to every sound shown")
    jaw_strength: _strength("Jaw", "How far the jaw opens. Low for a mumble, high for shouting")
    lips_strength: _strength("Lips", "How clearly the lips shape vowels and consonants")
    tongue_strength: _strength("Tongue", "How much the tongue moves")
    cheeks_strength: _strength("Cheeks", "How much the cheeks move")
    nose_strength: _strength("Nose", "How much the nose moves")
    brows_strength: _strength("Brows", "How much the brows move")
    eyes_strength: _strength("Eyes", "How much the eyes and lids move")
    head_strength: _strength("Head", "How much the head moves")
    smoothing: bpy.props.FloatProperty(
        name="Smoothing",
        description="Half-life of the smoothing: the higher, the softer and slower the movement. Lips still close",
        default=0.0,
        min=0.0,
        max=1.0,
        soft_max=0.2,
        step=1,
        precision=3,
        subtype="TIME_ABSOLUTE",
        unit="TIME_ABSOLUTE",
        update=_slider_moved,
        options=set(),
    )
    lead: bpy.props.FloatProperty(
        name="Lead",
        translation_context="Voxrig",
        description="Milliseconds by which the face runs ahead of the sound. The model has a default of its own",
        get=_get_lead,
        set=_set_lead,
        min=-500.0,
        max=500.0,
        soft_min=-100.0,
        soft_max=200.0,
        step=500,
        precision=0,
        update=_slider_moved,
        options=set(),
    )
    own_lead: bpy.props.FloatProperty(name="Own Lead", description="Lead that was set by hand", options={"HIDDEN"})
    has_own_lead: bpy.props.BoolProperty(
        name="Has Own Lead", description="Whether the lead was set by hand", options={"HIDDEN"}
    )
    jaw_smoothing: _smoothing("Jaw")
    lips_smoothing: _smoothing("Lips")
    tongue_smoothing: _smoothing("Tongue")
    cheeks_smoothing: _smoothing("Cheeks")
    nose_smoothing: _smoothing("Nose")
    brows_smoothing: _smoothing("Brows")
    eyes_smoothing: _smoothing("Eyes")
    head_smoothing: _smoothing("Head")
    jaw_offset: _offset("Jaw Rest", "How far the jaw hangs open throughout. Below 0 it stays higher. Lips still close")
    lips_offset: _offset("Lip Rest", "How far the lips are parted throughout. Below 0 they press. Lips still close")
    tongue_offset: _offset("Tongue Rest", "How far the tongue is out throughout")
    cheeks_offset: _offset("Cheek Rest", "How far the cheeks are raised throughout")
    nose_offset: _offset("Nose Rest", "How far the nose is wrinkled throughout")
    brows_offset: _offset("Brow Rest", "How high the brows are throughout. Below 0 they frown")
    eyes_offset: _offset("Eyelids", "How far the lids hang throughout: above 0 sleepy, below 0 wide awake")
    head_offset: _offset("Head Rest", "How far the head nods throughout, for models that move the head")
    channels: bpy.props.CollectionProperty(
        name="Channels", description="Channels with a multiplier and an offset of their own", type=VOXRIG_PG_channel
    )
    active_channel: bpy.props.IntProperty(
        name="Active Channel", description="Channel of the list that Remove Channel takes out", options={"HIDDEN"}
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
    density: bpy.props.IntProperty(
        name="Density",
        description="How many keyframes. Each step up adds some and comes closer to the model's curves, each step down "
        "thins them out. 1 leaves little more than extremes, closures and vowels, 7 keeps what no eye can see",
        default=DEFAULT_DENSITY,
        min=DENSITIES[0],
        max=DENSITIES[-1],
        update=_slider_moved,
        options=set(),
    )
    keys: bpy.props.EnumProperty(
        name="Keys",
        description="Where keyframes are set",
        items=[
            ("SPARSE", "Sparse", "As few as the density allows, on extremes, closures and vowels"),
            ("EVERY", "Every Frame", "One on each frame: exactly the model's curves"),
            ("STEP", "Every Nth Frame", "On twos, on threes, or any other step"),
            ("POSES", "Poses", "Held poses on closures and wide vowels, for blocking"),
            ("SHOW", "Like the Show", "Where the animators of a trained show would set them; for models that learned it"),
        ],
        update=_slider_moved,
        options=set(),
    )
    key_step: bpy.props.IntProperty(
        name="Step",
        description="Frames from one keyframe to the next: 2 is on twos",
        default=2,
        min=1,
        soft_max=8,
        update=_slider_moved,
        options=set(),
    )
    key_phase: bpy.props.IntProperty(
        name="Phase",
        description="Frame from which the steps are counted",
        min=0,
        soft_max=8,
        update=_slider_moved,
        options=set(),
    )
    phone_markers: bpy.props.BoolProperty(
        name="Phone Markers",
        description="Also write a marker into the timeline for each phone that the model hears, such as v:M. "
        "Your own markers stay as they are",
        default=False,
        options=set(),
    )
    own_markers: bpy.props.StringProperty(
        name="Own Markers", description="JSON: what operators/markers.py has written", options={"HIDDEN"}
    )
    output: bpy.props.EnumProperty(
        name="Output",
        description="Where a new take goes. Updates and retakes go where their take is",
        items=[item for item in _OUTPUT_ITEMS if item[0] != "NEW_SLOT" or compat.has_slots()],
        options=set(),
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
    replace_edited: bpy.props.BoolProperty(
        name="Replace Edited Keys",
        description="Also replace keyframes that you made or changed since they were generated. "
        "Off keeps them, and the new curves bend to them",
        default=False,
        options=set(),
    )
    dialogue: bpy.props.CollectionProperty(name="Dialogue", description="Who speaks which sound strips", type=VOXRIG_PG_line)
    active_line: bpy.props.IntProperty(
        name="Active Line", description="Line of the dialogue that Remove Line takes out", options={"HIDDEN"}
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
        description="Frames over which a retake fades from and to what lies before and after it",
        default=4.0,
        min=0.0,
        max=100.0,
        soft_max=20.0,
        step=100,
        precision=1,
        options=set(),
    )
    show_folder: bpy.props.StringProperty(
        name="Show",
        description="Folder that shots are collected into, and that a model of the show is learned from",
        subtype="DIR_PATH",
        options=set(),
    )
    learn_title: bpy.props.StringProperty(
        name="Title", description="Name of the learned model in the list. Empty for the name of the folder", options=set()
    )
    learn_folder: bpy.props.StringProperty(
        name="Save To",
        description="Folder that the learned model is put into. Empty for the models folder, from where it appears in the list",
        subtype="DIR_PATH",
        options=set(),
    )
    learn_regions: _region_flags("Face parts whose controls are learned. Hold Shift to choose several, none means all")
    region_models: bpy.props.CollectionProperty(
        name="Models by Region", description="Models that animate face parts of their own", type=VOXRIG_PG_region_model
    )
    collect_everything: bpy.props.BoolProperty(
        name="All Controls",
        description="Also collect controls that are not mapped and name no part of the face",
        default=False,
        options=set(),
    )


REGION_STRENGTHS = ("tongue", "cheeks", "nose", "brows", "eyes", "head")
"""Face parts whose strength is only in the Regions panel; those of jaw and lips are axes of the articulation."""


class VOXRIG_AP_preferences(bpy.types.AddonPreferences):
    """Preferences of the extension, shared by all files."""

    bl_idname = PACKAGE

    provider: bpy.props.EnumProperty(
        name="Compute On",
        description="What runs the model",
        items=[
            ("AUTO", "Automatic", "CUDA where this zip has it and it works, else the CPU"),
            ("CUDA", "CUDA", "An NVIDIA graphics card; needs the zip made for CUDA. Falls back to the CPU with a warning"),
            ("CPU", "CPU", "The processor, on any machine"),
        ],
        update=lambda _self, _context: setattr(session, "provider", None),
    )
    threads: bpy.props.IntProperty(
        name="CPU Threads",
        description="Threads that the model uses on the CPU. 0 chooses, leaving one core to Blender's window",
        min=0,
        max=64,
    )
    models_folder: bpy.props.StringProperty(
        name="Models Folder",
        description="Folder with model packages of your own, each in its own subfolder. They appear in the list of models",
        subtype="DIR_PATH",
        update=lambda _self, _context: forget_models(),
    )

    def draw(self, context: bpy.types.Context) -> None:
        """Show the preferences in Blender's add-on list."""
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "provider")
        layout.prop(self, "threads")
        layout.prop(self, "models_folder")


# ---------------------------------------------------------------------------------------------------------------
# Typed getters


@dataclass(frozen=True)
class Preferences:
    """The preferences, or their defaults where the extension runs without being installed."""

    provider: str = "AUTO"
    threads: int | None = None
    models_folder: str = ""


def preferences() -> Preferences:
    """What the user set in the preferences."""
    blender: Any = bpy.context.preferences
    addon = blender.addons.get(PACKAGE)
    stored = addon.preferences if addon else None
    if stored is None:
        return Preferences()
    folder = bpy.path.abspath(stored.models_folder) if stored.models_folder else ""
    return Preferences(stored.provider, stored.threads or None, folder)


def scene_settings(scene: Any) -> VOXRIG_PG_scene:
    """Voxrig's settings of a scene."""
    return scene.voxrig


def character_settings(character_object: Any) -> VOXRIG_PG_character:
    """Voxrig's mapping of an object."""
    return character_object.voxrig


def window_settings(window_manager: Any) -> VOXRIG_PG_window:
    """What Voxrig keeps for this session's windows."""
    return window_manager.voxrig


def active_mapping(character_object: bpy.types.Object) -> Mapping:
    """The stored mapping as it is animated: while links are solo, all others are off. Raises as ``read_mapping`` does."""
    stored_links = character_settings(character_object).links
    if not any(stored.solo for stored in stored_links):
        return read_mapping(character_object)
    links: list[Link] = []
    for stored in stored_links:
        is_on = stored.enabled and stored.solo
        try:
            links.append(replace(read_link(stored), enabled=is_on))
        except RigError:
            if is_on:
                raise
    return Mapping(tuple(links))


def preview_link(character_object: bpy.types.Object, index: int, amount: float) -> None:
    """Show the character with the channel of a link at ``amount`` 0..1 of its maximum, without keying; 0 ends the preview.

    The link itself takes part even while it is off, and so do the channel's other links that are on. Raises RigError for a
    link that is incomplete or whose target is gone.
    """
    if amount == 0.0:
        poses.end_preview()
        return
    stored = character_settings(character_object).links
    if not 0 <= index < len(stored):
        raise RigError("No link is chosen; choose one in the list")
    chosen = replace(read_link(stored[index]), enabled=True)
    others = [link for link in read_mapping(character_object).links if link.enabled and link.channel == chosen.channel]
    links = [chosen, *(link for link in others if link.target != chosen.target)]
    preview_channel(Mapping(tuple(links)), chosen.channel, amount)


def preview_channel(mapping: Mapping, channel: str, amount: float) -> None:
    """Show what a mapping makes of one channel at ``amount`` 0..1 of its maximum until the preview ends (``poses``)."""
    model = chosen_model(scene_settings(bpy.context.scene))
    full = model.maxima.get(channel, 1.0) if model is not None else 1.0
    shown = apply_mapping(mapping, ChannelCurves((channel,), 1.0, np.array([[amount * full]], np.float32)))
    poses.show_preview(dict(zip(shown.targets, shown.values[0].tolist())), _forget_preview)
    session.preview = amount


def _forget_preview() -> None:
    session.preview = 0.0


def read_mapping(character_object: bpy.types.Object) -> Mapping:
    """The mapping stored on a character, with its targets by today's names.

    Raises RigError for an enabled link without a channel or a target, or whose object was deleted; links that are off are
    left out where they cannot be read.
    """
    links: list[Link] = []
    for stored in character_settings(character_object).links:
        try:
            links.append(read_link(stored))
        except RigError:
            if stored.enabled:
                raise
    return Mapping(tuple(links))


def read_link(stored: Any) -> Link:
    """One stored link (a VOXRIG_PG_link). Raises RigError when it is incomplete or its object was deleted."""
    if not stored.channel:
        raise RigError("A link of the mapping has no channel; choose one or remove the link")
    owner = stored.block if stored.id_type == "BLOCK" else stored.owner
    # An object that is deleted in the viewport lives on in no scene, held by this very pointer.
    if owner is None or (stored.id_type != "BLOCK" and not owner.users_scene):
        raise RigError(
            f"The object that '{stored.channel}' drives was deleted; choose another target in the mapping or run Match Channels"
        )
    data_block: Any = owner
    if stored.id_type == "KEY":
        data_block = getattr(owner.data, "shape_keys", None)
    elif stored.id_type == "DATA":
        data_block = owner.data
    if data_block is None:
        raise RigError(
            f"'{owner.name}', which '{stored.channel}' drives, has no shape keys; choose another target in the mapping"
        )
    if not stored.data_path:
        raise RigError(f"The link of '{stored.channel}' has no target; choose one or remove the link")
    target = Target(data_block.id_type, data_block.name_full, stored.data_path, stored.array_index)
    minimum = stored.minimum if stored.use_minimum else None
    maximum = stored.maximum if stored.use_maximum else None
    return Link(
        stored.channel,
        target,
        stored.gain,
        stored.offset,
        minimum,
        maximum,
        stored.enabled,
        stored.rest,
        stored.ease,
        stored.confidence,
    )


def store_mapping(character_object: bpy.types.Object, mapping: Mapping) -> None:
    """Replace the mapping stored on a character.

    Raises RigError, before anything changes, for a target no object has and for a linked character.
    """
    check_editable(character_object)
    owners = [find_owner(link.target) for link in mapping.links]
    group = character_settings(character_object)
    group.links.clear()
    for link, owner in zip(mapping.links, owners):
        fill_link(group.links.add(), link, owner)
    group.active_link = 0


def check_editable(character_object: Any) -> None:
    """Raise RigError for a linked character: what is stored on it would be lost with this session."""
    if character_object.library is not None:
        raise RigError(
            f"'{character_object.name}' is linked from {character_object.library.name}; make a library override of the "
            "character and choose that"
        )


def find_owner(target: Target) -> Any:
    """The object that a target is on, or the data-block itself where no object carries it (a material). Raises RigError."""
    for candidate in bpy.data.objects:
        if target.id_type == "OBJECT":
            data_block = candidate
        elif target.id_type == "KEY":
            data_block = getattr(candidate.data, "shape_keys", None)
        else:
            data_block = candidate.data
        if data_block is not None and data_block.id_type == target.id_type and data_block.name_full == target.id_name:
            return candidate
    if target.id_type not in {"OBJECT", "KEY"}:
        return rigs.resolve(target).owner
    kind = target.id_type.replace("_", " ").lower()
    raise RigError(f"There is no {kind} '{target.id_name}' in this file; map the channels to controls that exist")


def fill_link(stored: VOXRIG_PG_link, link: Link, owner: Any) -> None:
    """Write one link into the mapping of a character; ``owner`` is what ``find_owner`` gives."""
    stored.name = stored.channel = link.channel
    on_object = isinstance(owner, bpy.types.Object)
    stored.owner = owner if on_object else None
    stored.block = None if on_object else owner
    if not on_object:
        stored.id_type = "BLOCK"
    else:
        stored.id_type = link.target.id_type if link.target.id_type in {"KEY", "OBJECT"} else "DATA"
    stored.data_path = link.target.data_path
    stored.array_index = link.target.array_index
    stored.gain = link.gain
    stored.offset = link.offset
    stored.use_minimum = link.minimum is not None
    stored.use_maximum = link.maximum is not None
    if link.minimum is not None:
        stored.minimum = link.minimum
    if link.maximum is not None:
        stored.maximum = link.maximum
    stored.enabled = link.enabled
    stored.rest = link.rest
    stored.ease = link.ease
    stored.confidence = link.confidence


def _next_take_number(group: VOXRIG_PG_character) -> int:
    return 1 + max((int(take.name) for take in group.takes if take.name.isdecimal()), default=0)


def next_take_title(group: VOXRIG_PG_character) -> str:
    """What the next new take of a character will be called."""
    return f"Take {_next_take_number(group)}"


def store_take(
    character_object: bpy.types.Object, name: str, mark: str, record: str, about: str, density: str
) -> VOXRIG_PG_take:
    """Note a take on its character, in the place of the take ``name`` or as a new one, and choose it."""
    group = character_settings(character_object)
    index = group.takes.find(name) if name else -1
    if index < 0:
        number, title = _next_take_number(group), next_take_title(group)
        take = group.takes.add()
        take.name, take.title = str(number), title
        index = len(group.takes) - 1
    take = group.takes[index]
    take.mark, take.record, take.about, take.density = mark, record, about, density
    take.is_draft = False
    group.active_take = index
    return take


_ESTIMATED = (
    *("sound_source", "sound_file", "strip", "curves_file", "start_frame", "model", "model_folder", "lead"),
    *("keys", "density", "key_step", "key_phase", "strength", "articulation", "jaw_strength", "lips_strength", "smoothing"),
)


def estimate_basis(scene: Any) -> tuple[object, ...]:
    """What an estimate of a scene's next take was made for. Cheap enough to draw with."""
    settings = scene_settings(scene)
    character = settings.character.name if settings.character is not None else ""
    chosen = (getattr(settings, name) for name in _ESTIMATED)
    return scene.name, scene.render.fps, scene.render.fps_base, character, *chosen


def shown_estimate(scene: Any) -> str:
    """The estimate of a scene's next take, '' where there is none for how things are now. Cheap enough to draw with."""
    known = session.estimate
    return known.text if known is not None and known.basis == estimate_basis(scene) else ""


def active_take(character_object: Any) -> VOXRIG_PG_take | None:
    """The take that is chosen in the character's list."""
    if character_object is None:
        return None
    group = character_settings(character_object)
    return group.takes[group.active_take] if 0 <= group.active_take < len(group.takes) else None


STATUSES = ("SURE", "LIKELY", "UNSURE", "MISSING", "BROKEN", "DRIVEN")
"""What the list shows of a link: its confidence, or that it has no target, a target that is gone, or one it cannot move."""


def link_status(stored: Any) -> tuple[str, str]:
    """One of STATUSES for a stored link, and for the last three one sentence on what to do. Cheap enough to draw with."""
    if not stored.data_path or not stored.channel:
        return "MISSING", f"'{stored.channel or 'This link'}' has no target; choose, paste or calibrate one"
    try:
        link = read_link(stored)
        owner = rigs.resolve(link.target).owner
    except RigError as error:
        return "BROKEN", str(error)
    obstacle = explain_obstacle(owner, link.target)
    return ("DRIVEN", obstacle) if obstacle else (link.confidence, "")


def relevant_channels(settings: VOXRIG_PG_scene) -> list[str]:
    """The model's channels of the groups that the character's mapping uses: a rig has either ARKit shapes or visemes."""
    model = chosen_model(settings)
    if model is None or settings.character is None:
        return []
    mapped = {link.channel for link in character_settings(settings.character).links if link.enabled and link.data_path}
    groups = {group for name, group in model.channels if name in mapped} or {"face"}
    return [name for name, group in model.channels if group in groups]


def shown_emotions(settings: VOXRIG_PG_scene) -> list[VOXRIG_PG_emotion]:
    """The sliders of the emotions of the chosen model and those for face parts, in their order."""
    return [settings.emotions[name] for name in _emotion_names(settings) if name in settings.emotions]


def _emotion_names(settings: VOXRIG_PG_scene) -> list[str]:
    entries = [chosen_model(settings), *(find_model_entry(chosen.model_name) for chosen in settings.region_models)]
    return list(dict.fromkeys(name for entry in entries if entry is not None for name in entry.emotions))


def count_mapped(settings: VOXRIG_PG_scene) -> tuple[int, int]:
    """How many of the model's channels the chosen character's mapping uses, and how many there are; (0, 0) without a model.

    Only ``relevant_channels`` count.
    """
    if settings.character is None:
        return 0, 0
    mapped = {link.channel for link in character_settings(settings.character).links if link.enabled and link.data_path}
    relevant = relevant_channels(settings)
    return sum(name in mapped for name in relevant), len(relevant)


CLASSES = (
    VOXRIG_PG_link,
    VOXRIG_PG_hold,
    VOXRIG_PG_generated,
    VOXRIG_PG_replaced,
    VOXRIG_PG_action,
    VOXRIG_PG_take,
    VOXRIG_PG_character,
    VOXRIG_PG_window,
    VOXRIG_PG_emotion,
    VOXRIG_PG_region_model,
    VOXRIG_PG_channel,
    VOXRIG_PG_line,
    VOXRIG_PG_scene,
    VOXRIG_AP_preferences,
)
_register_classes, _unregister_classes = bpy.utils.register_classes_factory(CLASSES)  # pyright: ignore[reportGeneralTypeIssues]


def register() -> None:
    """Register the groups and hang them on their owners."""
    _register_classes()
    bpy.types.Scene.voxrig = bpy.props.PointerProperty(type=VOXRIG_PG_scene)  # pyright: ignore[reportAttributeAccessIssue]
    bpy.types.Object.voxrig = bpy.props.PointerProperty(  # pyright: ignore[reportAttributeAccessIssue]
        type=VOXRIG_PG_character, override={"LIBRARY_OVERRIDABLE"}
    )
    bpy.types.WindowManager.voxrig = bpy.props.PointerProperty(  # pyright: ignore[reportAttributeAccessIssue]
        type=VOXRIG_PG_window
    )
    bpy.types.Action.voxrig = bpy.props.PointerProperty(type=VOXRIG_PG_action)  # pyright: ignore[reportAttributeAccessIssue]


def unregister() -> None:
    """Take the groups off their owners and unregister them."""
    poses.end_preview()
    del bpy.types.WindowManager.voxrig  # pyright: ignore[reportAttributeAccessIssue]
    del bpy.types.Action.voxrig  # pyright: ignore[reportAttributeAccessIssue]
    del bpy.types.Object.voxrig  # pyright: ignore[reportAttributeAccessIssue]
    del bpy.types.Scene.voxrig  # pyright: ignore[reportAttributeAccessIssue]
    _unregister_classes()
    forget_models()
    session.run = None
    session.provider = None
    session.warned.clear()
    session.trouble = ""
