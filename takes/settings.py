# SPDX-License-Identifier: GPL-3.0-or-later
"""The one table of settings: each field of ``TakeSettings`` and ``Scope`` is declared once, with all its properties.

The Blender property, the Redo panel, the basis of an estimate, the option of the command line, the column of a batch table,
the stored record with its check, and the table of the manual are all derived from these two classes. To add a setting, add
a field here, use it where it takes effect, and draw it in a panel. It imports neither numpy nor Blender.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ..animation.face.channels import REGIONS
from ..animation.keys.modes import DEFAULT_DENSITY, DENSITIES, KEY_MODES, OUTPUT_PLACES, OUTPUTS, Choice
from ..animation.life.cues import Cue, parse_cue
from ..animation.styles import SPEECH_STYLES
from ..errors import SettingError, VoxrigError

if TYPE_CHECKING:
    from ..animation.face.emotions import Emotion

PARTS_OF_HEAD: dict[str, tuple[str, ...]] = {
    "mouth": ("jaw", "lips", "tongue"),
    **{region: (region,) for region in ("brows", "eyes", "cheeks", "nose", "head")},
    "breath": (),
    "corners": (),
}
"""Parts that a take may be limited to, with their face parts; breath and the corners of the mouth are channels."""
_CORNERS = ("mouthSmile", "mouthFrown", "mouthPress", "mouthDimple")

HEARING, SHAPING, PLACING, WRITING = "hearing", "shaping", "placing", "writing"
"""The steps of making a take; a setting names the first one that must run again when it changes."""

LARGEST_FRAME = 1048574.0
"""Blender's last frame."""
_LONGEST_TEXT = 255
_EMOTION_FADE = 4.0
"""Frames over which an emotion given for a range fades in and out."""


class RegionText(NamedTuple):
    """The label and the tooltip of a setting's slider for one face part."""

    label: str
    help: str


@dataclass(frozen=True)
class RegionModel:
    """A model in ``folder`` that animates these face parts in place of the chosen one."""

    folder: Path
    regions: tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """One row of the table.

    ``kind`` names a way to read, check and store values (``_KINDS``). ``option`` is the name on the command line (with
    dashes) and in batch tables; ``panel`` is that of the Blender property, if there is one. Numbers lie between ``minimum``
    and ``maximum``; sliders end at the soft limits. ``option_unit`` and ``panel_unit`` are the units in which numbers are
    typed and shown; fields hold seconds. ``shortcuts`` are separate options for one face part. A setting with ``only_for``
    counts only for that key mode. ``redo`` puts it into the Redo panel. A face part without a value has ``resting``.
    """

    kind: str
    step: str
    option: str
    label: str
    help: str
    panel: str = ""
    minimum: float = -math.inf
    maximum: float = math.inf
    soft_minimum: float | None = None
    soft_maximum: float | None = None
    option_unit: str = ""
    panel_unit: str = ""
    metavar: str = ""
    choices: tuple[Choice, ...] = ()
    regions: Mapping[str, RegionText] = field(default_factory=dict[str, RegionText])
    shortcuts: tuple[str, ...] = ()
    only_for: str = ""
    redo: bool = False
    resting: float = 0.0
    name: str = ""
    default: Any = None

    @property
    def column(self) -> str:
        """Name in batch tables."""
        return self.option.replace("-", "_")

    @property
    def option_divisor(self) -> float:
        """Number of units of the option in one of the field."""
        return 1000.0 if self.option_unit == "milliseconds" else 1.0

    @property
    def panel_divisor(self) -> float:
        """Number of units of the Blender property in one of the field."""
        return 1000.0 if self.panel_unit == "milliseconds" else 1.0

    def panel_names(self) -> tuple[str, ...]:
        """Return the names of the Blender properties: one, or one for each face part ('lips_strength')."""
        if self.regions:
            return tuple(f"{region}_{self.panel}" for region in self.regions)
        return (self.panel,) if self.panel else ()


def _setting(default: Any, kind: str, step: str, option: str, label: str, help: str, **more: Any) -> Any:
    """Declare a field with its row of the table."""
    row = Setting(kind, step, option, label, help, **more)
    if isinstance(default, dict):
        return field(default_factory=dict[str, Any], metadata={"setting": row})
    return field(default=default, metadata={"setting": row})


def _life_amount(default: float, part: str, help: str) -> Any:
    """Declare how much of one part of the head's life a take has."""
    more = {"panel": f"life_{part}", "minimum": 0.0, "maximum": 2.0, "panel_unit": "factor"}
    return _setting(default, "number", SHAPING, f"life-{part}", part.title(), help, **more)


def _life_roll(default: int, part: str) -> Any:
    """Declare the number that makes one part of the head's life again."""
    help = f"Another number makes the {part} again and nothing else"
    more = {"panel": f"life_{part}_roll", "minimum": 0, "maximum": 999999}
    return _setting(default, "whole", SHAPING, f"life-{part}-roll", f"{part.title()} Roll", help, **more)


_FACTOR_HELP = "1 is the model's output, 0 is still, above 1 exaggerates"
_STRENGTH: dict[str, Any] = {"minimum": 0.0, "maximum": 4.0, "soft_maximum": 2.0, "panel_unit": "factor"}


def _strengths() -> dict[str, RegionText]:
    texts = {
        "jaw": ("Jaw", "How far the jaw opens. Low for a mumble, high for shouting"),
        "lips": ("Lips", "How clearly the lips shape vowels and consonants"),
        "tongue": ("Tongue", "How much the tongue moves"),
        "cheeks": ("Cheeks", "How much the cheeks move"),
        "nose": ("Nose", "How much the nose moves"),
        "brows": ("Brows", "How much the brows move"),
        "eyes": ("Eyes", "How much the eyes and lids move"),
        "head": ("Head", "How much the head moves"),
    }
    return {region: RegionText(label, f"{text}. {_FACTOR_HELP}") for region, (label, text) in texts.items()}


def _smoothings() -> dict[str, RegionText]:
    text = "half-life of the smoothing in milliseconds, added to that of the whole face"
    return {region: RegionText(f"{region.title()} Smoothing", f"{region.title()}: {text}") for region in REGIONS}


_OFFSETS = {
    "jaw": RegionText("Jaw Rest", "How far the jaw hangs open throughout. Below 0 it stays higher. Lips still close"),
    "lips": RegionText("Lip Rest", "How far the lips are parted throughout. Below 0 they press. Lips still close"),
    "tongue": RegionText("Tongue Rest", "How far the tongue is out throughout"),
    "cheeks": RegionText("Cheek Rest", "How far the cheeks are raised throughout"),
    "nose": RegionText("Nose Rest", "How far the nose is wrinkled throughout"),
    "brows": RegionText("Brow Rest", "How high the brows are throughout. Below 0 they frown"),
    "eyes": RegionText("Eyelids", "How far the lids hang throughout: above 0 sleepy, below 0 wide awake"),
    "head": RegionText("Head Rest", "How far the head nods throughout, for models that move the head"),
}


@dataclass(frozen=True)
class TakeSettings:
    """Settings that turn a sound into keyframes; the defaults play the model's output.

    Emotions are weights 0..1 by name: one for the whole sound, or (frame, weight) points that are joined by straight lines.
    ``channels`` are (multiplier, offset) by channel, applied last. ``lead_seconds`` is how far the face runs ahead of the
    sound, None for the model's own. ``provider`` is 'AUTO', 'CUDA' or 'CPU' and ``threads`` is for the CPU; these two
    determine where a take is computed and are not part of its record.
    """

    speech_style: str = _setting(
        "NATURAL", "choice", SHAPING, "speech-style", "Speech",
        "How carefully the face articulates. The sliders below it make more or less of it",
        panel="speech_style", choices=SPEECH_STYLES, redo=True,
    )  # fmt: skip
    strength: float = _setting(
        1.0, "number", SHAPING, "strength", "Strength", f"How much the whole face moves. {_FACTOR_HELP}",
        panel="strength", redo=True, **_STRENGTH,
    )  # fmt: skip
    articulation: float = _setting(
        1.0, "number", SHAPING, "articulation", "Articulation",
        f"How clearly jaw, lips and tongue speak, from a mumble to full articulation. {_FACTOR_HELP}",
        panel="articulation", redo=True, **_STRENGTH,
    )  # fmt: skip
    region_strengths: Mapping[str, float] = _setting(
        {}, "regions", SHAPING, "region-strength", "Strength", "Movement of a face part, such as brows=0.5",
        panel="strength", regions=_strengths(), shortcuts=("jaw", "lips"), resting=1.0, redo=True, **_STRENGTH,
    )  # fmt: skip
    smoothing_seconds: float = _setting(
        0.0, "number", SHAPING, "smoothing", "Smoothing",
        "Half-life of the smoothing: the higher, the softer and slower the movement. Lips still close",
        panel="smoothing", minimum=0.0, maximum=1.0, soft_maximum=0.2, option_unit="seconds", panel_unit="seconds", redo=True,
    )  # fmt: skip
    region_smoothing: Mapping[str, float] = _setting(
        {}, "regions", SHAPING, "region-smoothing", "Smoothing",
        "Half-life in seconds on top of the smoothing for a face part, such as jaw=0.04",
        panel="smoothing", regions=_smoothings(), minimum=0.0, maximum=1.0, soft_maximum=0.2, resting=0.0,
        option_unit="seconds", panel_unit="milliseconds",
    )  # fmt: skip
    region_offsets: Mapping[str, float] = _setting(
        {}, "regions", SHAPING, "region-offset", "Offset",
        "Where a face part rests, -1 to 1, such as eyes=0.2 for sleepy lids",
        panel="offset", regions=_OFFSETS, minimum=-1.0, maximum=1.0, soft_minimum=-0.5, soft_maximum=0.5, resting=0.0,
        panel_unit="factor",
    )  # fmt: skip
    cleaning: float = _setting(
        0.0, "number", SHAPING, "cleaning", "Cleaning",
        "How far poses that no face makes are pulled to the nearest that a face makes, such as a smile with a frown. "
        "With a learned show: to the nearest of its own. Lips still close",
        panel="cleaning", minimum=0.0, maximum=1.0, panel_unit="factor",
    )  # fmt: skip
    channels: Mapping[str, tuple[float, float]] = _setting(
        {}, "channels", SHAPING, "channel", "Channels",
        "Multiplier and offset of one channel, such as mouthSmileLeft=1.2,0.05", panel="channels", metavar="NAME=GAIN[,OFFSET]",
    )  # fmt: skip
    lead_seconds: float | None = _setting(
        None, "number", SHAPING, "lead", "Lead",
        "Milliseconds by which the face runs ahead of the sound. The model has its own default",
        panel="lead", minimum=-0.5, maximum=0.5, soft_minimum=-0.1, soft_maximum=0.2,
        option_unit="milliseconds", panel_unit="milliseconds", redo=True,
    )  # fmt: skip
    keys: str = _setting(
        "SPARSE", "choice", PLACING, "keys", "Keys", "Where keyframes are set",
        panel="keys", choices=KEY_MODES, redo=True,
    )  # fmt: skip
    density: int = _setting(
        DEFAULT_DENSITY, "whole", PLACING, "density", "Density",
        "Number of keyframes. Each step up adds some and comes closer to the model's curves, each step down thins them out. "
        "1 leaves little more than extremes, closures and vowels, 7 keeps details that no eye can see",
        panel="density", minimum=DENSITIES[0], maximum=DENSITIES[-1], only_for="SPARSE", redo=True,
    )  # fmt: skip
    key_step: int = _setting(
        2, "whole", PLACING, "key-step", "Step", "Frames from one keyframe to the next: 2 is on twos",
        panel="key_step", minimum=1, maximum=1000, soft_maximum=8, only_for="STEP", redo=True,
    )  # fmt: skip
    key_phase: int = _setting(
        0, "whole", PLACING, "key-phase", "Phase", "Frame from which the steps are counted",
        panel="key_phase", minimum=-LARGEST_FRAME, maximum=LARGEST_FRAME, soft_minimum=0, soft_maximum=8, only_for="STEP",
        redo=True,
    )  # fmt: skip
    emotion: Mapping[str, Emotion] = _setting(
        {}, "emotions", SHAPING, "emotion", "Emotions",
        "Emotions with their weights from 0 to 1, such as joy=0.5; on some frames only: joy=0.8@24-60",
        panel="emotions", metavar="NAME=WEIGHT",
    )  # fmt: skip
    emotion_intensity: Emotion = _setting(
        1.0, "emotion", SHAPING, "intensity", "Intensity",
        "How much of the whole mix of emotions the face shows. Keyframe it to let the mix rise and fall",
        panel="emotion_intensity", minimum=0.0, maximum=1.0, panel_unit="factor",
    )  # fmt: skip
    emotion_first: float | None = _setting(
        None, "number", SHAPING, "emotion-first", "First Frame", "Frame where the emotions begin",
        panel="emotion_first", minimum=-LARGEST_FRAME, maximum=LARGEST_FRAME, option_unit="frame",
    )  # fmt: skip
    emotion_last: float | None = _setting(
        None, "number", SHAPING, "emotion-last", "Last Frame", "Frame where the emotions end",
        panel="emotion_last", minimum=-LARGEST_FRAME, maximum=LARGEST_FRAME, option_unit="frame",
    )  # fmt: skip
    emotion_fade: float = _setting(
        0.0, "number", SHAPING, "emotion-fade", "Cross-Fade",
        "Frames over which the emotions fade in and out, half of them on each side of the range's ends",
        panel="emotion_fade", minimum=0.0, maximum=1000.0, soft_maximum=50.0, option_unit="frames",
    )  # fmt: skip
    life: float = _setting(
        1.0, "number", SHAPING, "life", "Life",
        "How much the head lives besides speaking: blinks, gaze, brows, head, breath. 1 is a calm person who talks, 0 a mask",
        panel="life", minimum=0.0, maximum=2.0, panel_unit="factor", redo=True,
    )  # fmt: skip
    life_seed: int = _setting(
        0, "whole", SHAPING, "seed", "Seed", "Another number is another performance of the same line",
        panel="life_seed", minimum=0, maximum=999999,
    )  # fmt: skip
    life_blinks: float = _life_amount(1.0, "blinks", "How often the eyes blink. 1 is usual, 0 none")
    life_blinks_roll: int = _life_roll(0, "blinks")
    life_gaze: float = _life_amount(1.0, "gaze", "How far the eyes wander from what they look at. 1 is usual, 0 none")
    life_gaze_roll: int = _life_roll(0, "gaze")
    life_brows: float = _life_amount(1.0, "brows", "How far the brows go along with accents. 1 is usual, 0 none")
    life_brows_roll: int = _life_roll(0, "brows")
    life_head: float = _life_amount(1.0, "head", "How far the head moves with what is said. 1 is usual, 0 none")
    life_head_roll: int = _life_roll(0, "head")
    life_breath: float = _life_amount(1.0, "breath", "How deeply the chest breathes and the lips part. 1 is usual, 0 none")
    life_breath_roll: int = _life_roll(0, "breath")
    life_face: float = _life_amount(1.0, "face", "How much mouth corners, cheeks, nose and lids live. 1 is usual, 0 none")
    life_face_roll: int = _life_roll(0, "face")
    life_mouth_roll: int = _setting(
        0, "whole", HEARING, "life-mouth-roll", "Mouth Roll",
        "Another number makes jaw, lips and tongue again and nothing else, with a model that draws takes",
        panel="life_mouth_roll", minimum=0, maximum=999999,
    )  # fmt: skip
    sound_guidance: float = _setting(
        1.0, "number", HEARING, "sound-guidance", "Sound Guidance",
        "How closely a drawn take follows the sound. 1 is as learned, 0 ignores it, above 1 exaggerates",
        panel="sound_guidance", minimum=0.0, maximum=10.0, soft_maximum=3.0, panel_unit="factor",
    )  # fmt: skip
    style_guidance: float = _setting(
        1.0, "number", HEARING, "style-guidance", "Style Guidance",
        "How closely a drawn take follows emotions and style. 1 is as learned, 0 ignores them, above 1 exaggerates",
        panel="style_guidance", minimum=0.0, maximum=10.0, soft_maximum=3.0, panel_unit="factor",
    )  # fmt: skip
    style_size: float = _setting(
        0.0, "number", HEARING, "style-size", "Size",
        "How far a drawn take moves, in steps of what is usual in the show. 0 is its average",
        panel="style_size", minimum=-5.0, maximum=5.0, soft_minimum=-2.0, soft_maximum=2.0, panel_unit="factor",
    )  # fmt: skip
    style_speed: float = _setting(
        0.0, "number", HEARING, "style-speed", "Speed",
        "How fast a drawn take moves, in steps of what is usual in the show. 0 is its average",
        panel="style_speed", minimum=-5.0, maximum=5.0, soft_minimum=-2.0, soft_maximum=2.0, panel_unit="factor",
    )  # fmt: skip
    take_spread: float = _setting(
        1.0, "number", HEARING, "spread", "Spread",
        "How far drawn takes differ from each other. 1 is as learned, 0 is the mean performance",
        panel="take_spread", minimum=0.0, maximum=2.0, panel_unit="factor",
    )  # fmt: skip
    draw_steps: int = _setting(
        0, "whole", HEARING, "draw-steps", "Steps",
        "Steps in which a take is drawn: more take longer and are finer. 0 is the model's own number",
        panel="draw_steps", minimum=0, maximum=1000, soft_maximum=32,
    )  # fmt: skip
    life_asymmetry: float = _life_amount(1.0, "asymmetry", "How much left and right differ. 1 is usual, 0 none")
    life_asymmetry_roll: int = _life_roll(0, "asymmetry")
    life_listening: float = _life_amount(
        1.0, "listening", "How eagerly silent characters of a dialogue listen: they look at who speaks, nod, blink. 0 none"
    )
    life_markers: bool = _setting(
        False, "switch", WRITING, "life-markers", "Event Markers",
        "Write a pose marker into the character's Action for each blink, look, nod, beat and raise of the brows. Move, delete "
        "or add one, then update the take: just that event is made again",
        panel="life_markers",
    )  # fmt: skip
    look_at: str = _setting(
        "", "text", SHAPING, "look-at", "Look At",
        "What the eyes, and for wide turns the head, look at: an object, ARMATURE:BONE, another character, or 'camera' for the "
        "scene's camera with its cuts; none is straight ahead",
        panel="look_at", metavar="NAME",
    )  # fmt: skip
    cues: tuple[Cue, ...] = _setting(
        (), "cues", SHAPING, "cue", "Cues",
        "A blink, nod, beat, brows, accent, laugh, shout, gasp, sigh, look or style from a second of the sound on, such as "
        "nod@1.2, 'look Bob@2.5' or 'style furious@3'; blink@2.4>3 moves the one at 2.4, blink@2.4> leaves it out",
        metavar="KIND@SECONDS",
    )  # fmt: skip
    effort: float = _setting(
        1.0, "number", SHAPING, "effort", "Effort",
        "How far a raised voice opens the mouth and presses the brows, and a faint one keeps the face small, at any level of "
        "the recording. 0 takes all voices for calm",
        panel="effort", minimum=0.0, maximum=2.0, panel_unit="factor",
    )  # fmt: skip
    style: str = _setting(
        "", "text", SHAPING, "style", "In Words",
        "How it is played, in English words or smileys, such as 'tired but relieved' or 'furious, holding it back'. "
        "Emotions that you set come first", panel="style", metavar="TEXT",
    )  # fmt: skip
    feel: float = _setting(
        0.0, "number", SHAPING, "feel", "From Voice",
        "How far the face shows the emotions that are heard in the voice; what is unsure stays neutral. 0 shows none, 1 what "
        "is heard. Emotions that you set, marks of the script and the style come first",
        panel="feel", minimum=0.0, maximum=2.0, panel_unit="factor",
    )  # fmt: skip
    calm: str = _setting(
        "", "text", SHAPING, "calm", "Calm Voice",
        "Sound file of the same speaker talking calmly: feelings and effort are heard as differences from it. The character's "
        "own, if it has one, by default", metavar="SOUND",
    )  # fmt: skip
    film: str = _setting(
        "", "text", HEARING, "film", "Upper Face",
        "File of curves, such as voxrig face writes, that plays with the sound: brows, eyes, cheeks, nose and head are those "
        "of the filmed face, the mouth follows the sound", panel="film", metavar="FILE",
    )  # fmt: skip
    script: str = _setting(
        "", "script", HEARING, "script", "Script",
        "What is said, with marks such as [angry 0.6], [look Bob] and *emphasis*: the text, or the path of a .txt, .fountain, "
        ".srt or .vtt file", panel="script", metavar="TEXT-OR-FILE",
    )  # fmt: skip
    language: str = _setting(
        "en", "text", HEARING, "language", "Language",
        "Language of the script: en, de, fr, es, it, pt, nl, pl, ru, tr, ja, zh, ko, hi, or another code of espeak-ng",
        panel="language", metavar="CODE",
    )  # fmt: skip
    dictionary: str = _setting(
        "", "text", HEARING, "dictionary", "Dictionary",
        "File of your own pronunciations, a line each, such as 'Zyra Z IY1 R AH0'", panel="dictionary", metavar="FILE",
    )  # fmt: skip
    speaker: str = _setting(
        "", "text", HEARING, "speaker", "Speaker",
        "Whose lines of the script move the mouth, where several people speak in one sound; by default the character's, if the "
        "script names it, else all", panel="speaker", metavar="NAME",
    )  # fmt: skip
    region_models: tuple[RegionModel, ...] = _setting(
        (), "models", HEARING, "region-model", "Models by Region",
        "A model for single face parts, such as lips,jaw=models/hero-lips", panel="region_models", metavar="REGIONS=MODEL",
    )  # fmt: skip
    still_keys: bool = _setting(
        False, "switch", WRITING, "still-keys", "Still Controls",
        "Also set keyframes on controls that rest throughout the take, such as a tongue that never shows",
        panel="still_keys",
    )  # fmt: skip
    phone_markers: bool = _setting(
        False, "switch", WRITING, "markers", "Sound Markers",
        "Also write a marker into the timeline for each speech sound that the model hears, such as v:M. "
        "Your own markers stay as they are",
        panel="phone_markers",
    )  # fmt: skip
    provider: str = "AUTO"
    threads: int | None = None


@dataclass(frozen=True)
class Scope:
    """The part of a character that a take may change.

    ``first_frame`` to ``last_frame`` (both included, None for as far as the sound goes), ``regions`` (none for all face
    parts) and ``parts`` of PARTS_OF_HEAD (none for all); at the seams it fades over ``fade_frames``. Keys that the artist
    made or changed since they were generated stay, and the take bends to them, unless ``replace_edited``. ``output`` is the
    destination of a new take (OUTPUTS); as an NLA strip it blends in and out over ``fade_frames``. A retake goes to its
    take's place. Raises ValueError for another output.
    """

    first_frame: int | None = _setting(
        None, "whole", WRITING, "first", "First Frame", "First frame that may change (default: the sound's)",
        minimum=-LARGEST_FRAME, maximum=LARGEST_FRAME, option_unit="frame",
    )  # fmt: skip
    last_frame: int | None = _setting(
        None, "whole", WRITING, "last", "Last Frame", "Last frame that may change (default: the sound's)",
        minimum=-LARGEST_FRAME, maximum=LARGEST_FRAME, option_unit="frame",
    )  # fmt: skip
    regions: tuple[str, ...] = _setting(
        (), "flags", WRITING, "region", "Regions", "Face parts that may change",
        choices=tuple(Choice(r, r, r) for r in REGIONS),
    )  # fmt: skip
    fade_frames: float = _setting(
        0.0, "number", WRITING, "fade", "Fade", "Length of the fades at the first and the last frame",
        minimum=0.0, maximum=100.0, option_unit="frames",
    )  # fmt: skip
    replace_edited: bool = _setting(
        False, "switch", WRITING, "replace-edited", "Replace Edited Keys",
        "Also replace keyframes that you made or changed since they were generated. "
        "Off keeps them, and the new curves bend to them",
        panel="replace_edited", redo=True,
    )  # fmt: skip
    output: str = _setting(
        "ACTION", "choice", WRITING, "into", "Output", "Where a new take goes. Updates and retakes stay in their take's place",
        panel="output", choices=OUTPUT_PLACES,
    )  # fmt: skip
    parts: tuple[str, ...] = _setting(
        (), "flags", WRITING, "parts", "Parts",
        "Parts of the head to animate: mouth (jaw, lips and tongue), brows, eyes, cheeks, nose, head, breath, "
        "corners (of the mouth, for somebody who is silent) (default: all)",
        choices=tuple(Choice(part, part, part) for part in PARTS_OF_HEAD), metavar="PART,...",
    )  # fmt: skip

    def __post_init__(self) -> None:
        if self.output not in OUTPUTS:
            raise ValueError(f"a take goes to one of {', '.join(OUTPUTS)}, not {self.output}")

    def covers(self, channel: str, region: str) -> bool:
        """Return whether a channel of a face part may change."""
        parts = {name for name, one in PARTS_OF_HEAD.items() if region in one}
        if channel == "breath":
            parts = {"breath"}
        elif channel.startswith(_CORNERS):
            parts.add("corners")
        return (not self.regions or region in self.regions) and (not self.parts or not parts.isdisjoint(self.parts))

    @property
    def is_whole_face(self) -> bool:
        """Whether all face parts may change."""
        return not self.regions and not self.parts


@functools.cache
def list_settings(owner: type[Any] = TakeSettings) -> tuple[Setting, ...]:
    """Return the rows of TakeSettings, or of Scope, in the order of their fields."""
    rows: list[Setting] = []
    for item in dataclasses.fields(owner):
        row = item.metadata.get("setting")
        if row is not None:
            default: Any = {} if item.default is dataclasses.MISSING else item.default
            rows.append(dataclasses.replace(row, name=item.name, default=default))
    return tuple(rows)


def find_setting(name: str) -> Setting:
    """Return the row of a field of TakeSettings or Scope. Raises KeyError."""
    return {row.name: row for row in (*list_settings(), *list_settings(Scope))}[name]


# ---------------------------------------------------------------------------------------------------------------
# Values as text (options and cells) and as data (records and batch lines)


def parse_setting(row: Setting, text: Any) -> Any:
    """Parse the value of an option or a cell, in the form of ``setting_to_data``. Raises ValueError."""
    if isinstance(text, str) and "\0" in text:
        raise ValueError("it contains a character that no text can have")
    return _KINDS[row.kind].parse(row, text)


def check_setting(row: Setting, data: Any) -> Any:
    """Return stored data if it is a value of the setting. Raises ValueError."""
    return _KINDS[row.kind].check(row, data)


def settings_to_data(settings: Any) -> dict[str, Any]:
    """Convert a TakeSettings or a Scope to plain data by field name, for JSON."""
    owner = cast("type[Any]", type(settings))
    return {row.name: _KINDS[row.kind].store(getattr(settings, row.name)) for row in list_settings(owner)}


def settings_from_data(
    data: Mapping[str, Any], find_model: Callable[[str, str], Path], provider: str = "AUTO", threads: int | None = None
) -> TakeSettings:
    """Rebuild the settings stored by ``settings_to_data``, with defaults for missing names.

    ``find_model`` returns the folder of a model from its stored folder and name. Unknown names are left out: a later Voxrig
    may have written them. Raises SettingError for a value that its setting does not allow.
    """
    values = _check_all(TakeSettings, data)
    values["region_models"] = tuple(
        RegionModel(find_model(model["folder"], model["model"]), tuple(model["regions"]))
        for model in values.get("region_models", ())
    )
    return TakeSettings(**values, provider=provider, threads=threads)


def scope_from_data(data: Mapping[str, Any]) -> Scope:
    """Rebuild the scope stored by ``settings_to_data``. Raises SettingError."""
    values = _check_all(Scope, data)
    values |= {name: tuple(values.get(name, ())) for name in ("regions", "parts")}
    return Scope(**values)


def _check_all(owner: type[Any], data: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for row in list_settings(owner):
        if row.name in data:
            try:
                values[row.name] = check_setting(row, data[row.name])
            except ValueError as error:
                raise SettingError(f"The setting '{row.name}' cannot be used: {error}; set it again") from None
    return values


def _number(cell: Any) -> float:
    """Return the number in a cell, NaN if there is none."""
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _shown(cell: Any) -> str:
    text = str(cell) if not isinstance(cell, int) or abs(cell) < 10**20 else "a number of that size"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _parse_number(row: Setting, cell: Any, whole: bool = False) -> float | int:
    number = _number(cell)
    least, most = row.minimum * row.option_divisor, row.maximum * row.option_divisor
    if isinstance(cell, bool) or not least <= number <= most or (whole and number != int(number)):
        raise ValueError(f"'{_shown(cell)}' is not a {'whole ' if whole else ''}number from {least:g} to {most:g}")
    return int(number) if whole else number / row.option_divisor


def _check_number(row: Setting, data: Any, whole: bool = False) -> float | int | None:
    if data is None and row.default is None:
        return None
    is_number = isinstance(data, (int, float)) and not isinstance(data, bool)
    number = _number(data) if is_number else math.nan
    # Values stored before a limit was set, or in a property of single precision, may stray by a rounding error.
    slack = 1e-6 * max(1.0, abs(row.minimum) if math.isfinite(row.minimum) else 1.0)
    if not row.minimum - slack <= number <= row.maximum + slack or (whole and number != int(number)):
        raise ValueError(f"'{_shown(data)}' is not a {'whole ' if whole else ''}number from {row.minimum:g} to {row.maximum:g}")
    return int(number) if whole else data


def _parse_choice(row: Setting, cell: Any) -> str:
    name = str(cell).strip().upper().replace("-", "_")
    names = [choice.name for choice in row.choices]
    if name not in names:
        raise ValueError(f"'{_shown(cell)}' is none of {', '.join(names).lower().replace('_', '-')}")
    return name


def _parse_switch(_row: Setting, cell: Any) -> bool:
    text = str(cell).strip().lower()
    if text not in ("yes", "no", "true", "false", "1", "0"):
        raise ValueError(f"'{_shown(cell)}' is neither yes nor no")
    return text in ("yes", "true", "1")


def _check_switch(_row: Setting, data: Any) -> bool:
    if not isinstance(data, bool):
        raise ValueError(f"'{_shown(data)}' is neither true nor false")
    return data


def _check_text(_row: Setting, data: Any) -> str:
    if not isinstance(data, str) or "\0" in data or len(data) > _LONGEST_TEXT:
        raise ValueError(f"'{_shown(data)}' is not a text of at most {_LONGEST_TEXT} characters")
    return data.strip()


def _items(cell: Any) -> list[str]:
    """Split 'a=1; b=2', or the strings of several options, into its entries."""
    parts = cast("list[Any]", cell) if isinstance(cell, (list, tuple)) else str(cell).split(";")
    return [text for part in parts for entry in str(part).split(";") if (text := entry.strip())]


def _check_region(name: str) -> str:
    if name not in REGIONS:
        raise ValueError(f"'{_shown(name)}' is not a face part ({', '.join(REGIONS)})")
    return name


def _parse_regions(row: Setting, cell: Any) -> dict[str, float]:
    if isinstance(cell, dict):
        entries = list(cast("dict[str, Any]", cell).items())
    else:
        entries = [(name.strip(), number.strip()) for name, _, number in (item.partition("=") for item in _items(cell))]
    found: dict[str, float] = {}
    for name, number in entries:
        if name not in REGIONS:
            raise ValueError(f"write REGION=NUMBER from {row.minimum:g} to {row.maximum:g} ({', '.join(REGIONS)})")
        found[name] = float(_parse_number(row, number))
    return found


def _check_regions(row: Setting, data: Any) -> dict[str, float]:
    return {_check_region(name): cast("float", _check_number(row, value)) for name, value in _table(data).items()}


def _check_flag(row: Setting, name: str) -> str:
    names = [choice.name for choice in row.choices] or list(REGIONS)
    if name not in names:
        raise ValueError(f"'{_shown(name)}' is not a face part ({', '.join(names)})")
    return name


def _parse_flags(row: Setting, cell: Any) -> list[str]:
    return [_check_flag(row, name.strip()) for item in _items(cell) for name in item.split(",") if name.strip()]


def _check_flags(row: Setting, data: Any) -> list[str]:
    if not isinstance(data, (list, tuple)):
        raise ValueError(f"'{_shown(data)}' is not a list of face parts")
    return [_check_flag(row, str(name)) for name in cast("list[Any]", data)]


def _table(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ValueError(f"'{_shown(data)}' is not a table of names and values")
    return cast("dict[str, Any]", data)


def _finite(cell: Any) -> float:
    number = _number(cell)
    if not math.isfinite(number) or isinstance(cell, bool) or abs(number) > 1e6:
        raise ValueError(f"'{_shown(cell)}' is not a number from -1000000 to 1000000")
    return number


def _parse_channels(_row: Setting, cell: Any) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    if isinstance(cell, dict):
        return {name: list(pair) for name, pair in _check_channels(_row, cell).items()}
    for item in _items(cell):
        name, separator, text = item.partition("=")
        gain, _, offset = text.partition(",")
        if not separator or not name.strip():
            raise ValueError(f"'{_shown(item)}' is not NAME=GAIN or NAME=GAIN,OFFSET")
        found[name.strip()] = [_finite(gain), _finite(offset or 0.0)]
    return found


def _check_channels(_row: Setting, data: Any) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    for name, pair in _table(data).items():
        if not isinstance(pair, (list, tuple)) or len(cast("list[Any]", pair)) != 2:
            raise ValueError(f"'{_shown(pair)}' is not a multiplier and an offset")
        gain, offset = cast("list[Any]", pair)
        found[name] = _finite(gain), _finite(offset)
    return found


def _weight(value: Any) -> float:
    weight = math.nan if isinstance(value, bool) else _number(value)
    if not 0.0 <= weight <= 1.0:
        raise ValueError(f"the weight {_shown(value)} is not a number from 0 to 1")
    return weight


def _points(name: str, value: Any) -> list[list[float]]:
    points = cast("list[Any]", value)
    pairs = [list(cast("list[Any]", p)) for p in points if isinstance(p, (list, tuple)) and len(cast("list[Any]", p)) == 2]
    frames = [_number(frame) for frame, _ in pairs]
    if len(pairs) < max(1, len(points)) or not all(map(math.isfinite, frames)) or frames != sorted(frames):
        raise ValueError(f"'{_shown(name)}' is not a list of [frame, weight] points, one after the other")
    return [[frame, _weight(weight)] for frame, (_, weight) in zip(frames, pairs)]


def _parse_emotion(row: Setting, cell: Any) -> float | list[list[float]]:
    return _check_emotion(row, cell) if isinstance(cell, (list, tuple)) else _weight(cell)


def _check_emotion(row: Setting, data: Any) -> float | list[list[float]]:
    return _points(row.name, data) if isinstance(data, (list, tuple)) else _weight(data)


def _parse_emotions(row: Setting, cell: Any) -> dict[str, float | list[list[float]]]:
    """Read 'joy=0.5; anger=0.8@24-60' or, in JSON, {"joy": 0.5, "anger": [[20, 0], [24, 1]]}.

    A weight on a range of frames fades over four frames on either side.
    """
    if isinstance(cell, dict):
        return _check_emotions(row, cell)
    found: dict[str, float | list[list[float]]] = {}
    ranges: dict[str, list[tuple[float, float, float]]] = {}
    for part in _items(cell):
        match = re.fullmatch(r"(.+?)\s*=\s*([-+.\w]+)(?:\s*@\s*(-?[\d.]+)\s*-\s*(-?[\d.]+))?", part)
        if match is None:
            raise ValueError(f"'{_shown(part)}' is not NAME=WEIGHT or NAME=WEIGHT@FIRST-LAST")
        name, weight = match[1], _weight(match[2])
        if match[3] is None:
            if name in found or name in ranges:
                raise ValueError(f"'{_shown(name)}' is given twice")
            found[name] = weight
            continue
        first, last = _number(match[3]), _number(match[4])
        if not first <= last or name in found or any(first <= end and begin <= last for begin, end, _ in ranges.get(name, ())):
            raise ValueError(f"'{_shown(part)}' ends before it begins or lies on another one of '{name}'")
        ranges.setdefault(name, []).append((first, last, weight))
    for name, spans in ranges.items():
        spans.sort()
        points: list[list[float]] = []
        for i, (first, last, weight) in enumerate(spans):
            before = _EMOTION_FADE if i == 0 else min(_EMOTION_FADE, (first - spans[i - 1][1]) / 2)
            after = _EMOTION_FADE if i == len(spans) - 1 else min(_EMOTION_FADE, (spans[i + 1][0] - last) / 2)
            points += [[first - before, 0.0], [first, weight], [last, weight], [last + after, 0.0]]
        found[name] = points
    return found


def _check_emotions(_row: Setting, data: Any) -> dict[str, float | list[list[float]]]:
    return {
        name: _points(name, value) if isinstance(value, (list, tuple)) else _weight(value)
        for name, value in _table(data).items()
    }


def _parse_models(_row: Setting, cell: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for item in _items(cell):
        names, _, model = item.partition("=")
        regions = [name.strip() for name in names.split(",")]
        if not model.strip() or not set(regions) <= set(REGIONS):
            raise ValueError(f"'{_shown(item)}' is not REGIONS=MODEL with regions of {', '.join(REGIONS)}")
        found.append({"folder": model.strip(), "model": model.strip(), "regions": regions})
    return found


def _check_models(_row: Setting, data: Any) -> list[dict[str, Any]]:
    for model in cast("list[Any]", data) if isinstance(data, (list, tuple)) else [None]:
        entry = _table(model)
        if not isinstance(entry.get("folder"), str) or not isinstance(entry.get("model"), str):
            raise ValueError("a model for face parts has no folder")
        _check_flags(_row, entry.get("regions"))
    return list(cast("list[dict[str, Any]]", data))


def _parse_cues(_row: Setting, cell: Any) -> tuple[Cue, ...]:
    """Read 'nod@1.2; look Bob@2.5', or in JSON a list of such texts."""
    return tuple(parse_cue(item) for item in _items(cell))


def _check_cues(row: Setting, data: Any) -> tuple[Cue, ...]:
    if isinstance(data, (list, tuple)) and all(isinstance(item, Cue) for item in cast("list[Any]", data)):
        return tuple(cast("list[Cue]", data))
    if not isinstance(data, (list, tuple)) or not all(isinstance(item, str) for item in cast("list[Any]", data)):
        raise ValueError(f"'{_shown(data)}' is not a list of cues")
    return _parse_cues(row, data)


def _store_cues(cues: tuple[Cue, ...]) -> list[str]:
    return [str(cue) for cue in cues]


_LONGEST_SCRIPT = 2_000_000


def _check_script(_row: Setting, data: Any) -> str:
    if not isinstance(data, str) or len(data) > _LONGEST_SCRIPT or "\0" in data:
        raise ValueError(f"'{_shown(data)}' is not a text of at most {_LONGEST_SCRIPT} characters")
    return data


def _parse_script(row: Setting, cell: Any) -> str:
    """Read a text, or the text of the file that it names."""
    from ..animation.script.subtitles import read_script

    try:
        return read_script(_check_script(row, cell))
    except VoxrigError as error:
        raise ValueError(str(error)) from None


def _store_models(models: tuple[RegionModel, ...]) -> list[dict[str, Any]]:
    return [{"model": m.folder.name, "folder": str(m.folder), "regions": list(m.regions)} for m in models]


def _keep(value: Any) -> Any:
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else value


class _Kind(NamedTuple):
    """The way in which values of one kind are read from text, checked as data, and stored as data."""

    parse: Callable[[Setting, Any], Any]
    check: Callable[[Setting, Any], Any]
    store: Callable[[Any], Any] = _keep


_KINDS: dict[str, _Kind] = {
    "number": _Kind(_parse_number, _check_number),
    "whole": _Kind(functools.partial(_parse_number, whole=True), functools.partial(_check_number, whole=True)),
    "choice": _Kind(_parse_choice, _parse_choice),
    "switch": _Kind(_parse_switch, _check_switch),
    "text": _Kind(_check_text, _check_text),
    "regions": _Kind(_parse_regions, _check_regions),
    "flags": _Kind(_parse_flags, _check_flags, list),
    "channels": _Kind(_parse_channels, _check_channels),
    "emotion": _Kind(_parse_emotion, _check_emotion),
    "emotions": _Kind(_parse_emotions, _check_emotions),
    "cues": _Kind(_parse_cues, _check_cues, _store_cues),
    "script": _Kind(_parse_script, _check_script),
    "models": _Kind(_parse_models, _check_models, _store_models),
}
