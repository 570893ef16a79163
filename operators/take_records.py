# SPDX-License-Identifier: GPL-3.0-or-later
"""What a take is made from: its sound, settings and scope, and the text that stores them on a character."""

import functools
import json
from collections.abc import Mapping as Table
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..animation.face.emotions import Emotion
from ..animation.keys.placing import DEFAULT_DENSITY
from ..animation.rig.mapping import Mapping, from_json, to_json
from ..blender.outputs import OUTPUTS
from ..errors import RigError
from ..inference.package import bundled_packages


@dataclass(frozen=True)
class SoundFile:
    """A sound on disk; its first sample plays at ``start_frame``."""

    path: str
    start_frame: float = 1.0


@dataclass(frozen=True)
class SoundStrip:
    """A sound strip of the scene's sequencer, by name; its place and trim decide what is animated where."""

    name: str


@dataclass(frozen=True)
class CurvesFile:
    """Curves on disk in the place of a sound and a model; their second 0 is at ``start_frame``."""

    path: str
    start_frame: float = 1.0


SoundChoice = SoundFile | SoundStrip | CurvesFile
_KINDS = {"file": SoundFile, "strip": SoundStrip, "curves": CurvesFile}


@dataclass(frozen=True)
class RegionModel:
    """A model in ``folder`` that animates these face parts in the place of the chosen one."""

    folder: Path
    regions: tuple[str, ...]


@dataclass(frozen=True)
class AnimateSettings:
    """How the sound becomes keyframes.

    Strengths and ``articulation`` are factors with 1 as the model hears it; ``region_strengths`` are by face part.
    ``smoothing_seconds`` is a half-life, to which ``region_smoothing`` adds for a face part; ``region_offsets`` move a face
    part throughout (animation.performance.REGION_OFFSETS). ``density`` is one of animation.keys.placing.DENSITIES, from fewest
    keys to closest to the model; it is for 'SPARSE'. ``keys`` is one of animation.keys.placing.MODES; ``key_step`` and
    ``key_phase`` are for 'STEP'.
    ``emotion`` gives weights 0..1 by name: one for the whole sound, or (frame, weight) points that are joined by
    straight lines; ``emotion_intensity``, 0..1 and of the same kinds, scales them all. Before ``emotion_first`` and after
    ``emotion_last`` (frames, None for no limit) the face is neutral, with a cross-fade of ``emotion_fade`` frames. ``gains``
    and ``offsets`` are by channel and come last. ``lead_seconds`` is how far the face runs ahead of the sound, None for the
    model's own. ``markers`` also writes a marker of the timeline for each phone. ``region_models`` are further models for some
    face parts. ``provider`` is 'AUTO', 'CUDA' or 'CPU'; ``threads`` is for the CPU.
    """

    strength: float = 1.0
    articulation: float = 1.0
    jaw_strength: float = 1.0
    lip_strength: float = 1.0
    region_strengths: Table[str, float] = field(default_factory=dict)
    smoothing_seconds: float = 0.0
    region_smoothing: Table[str, float] = field(default_factory=dict)
    region_offsets: Table[str, float] = field(default_factory=dict)
    density: int = DEFAULT_DENSITY
    keys: str = "SPARSE"
    key_step: int = 2
    key_phase: int = 0
    emotion: Table[str, Emotion] = field(default_factory=dict)
    emotion_intensity: Emotion = 1.0
    emotion_first: float | None = None
    emotion_last: float | None = None
    emotion_fade: float = 0.0
    gains: Table[str, float] = field(default_factory=dict)
    offsets: Table[str, float] = field(default_factory=dict)
    lead_seconds: float | None = None
    markers: bool = False
    region_models: tuple[RegionModel, ...] = ()
    provider: str = "AUTO"
    threads: int | None = None


@dataclass(frozen=True)
class Scope:
    """What of a character a take may change.

    ``first_frame`` to ``last_frame`` (both included, None for as far as the sound goes) and ``regions`` (none for all face
    parts); at the seams it fades over ``fade_frames``. Keys that the artist made or changed since they were generated stay,
    and the take bends to them, unless ``replace_edited``. ``output`` says where a new take goes (blender.outputs.OUTPUTS); as
    an NLA strip it blends in and out over ``fade_frames``. A retake goes where its take is. Raises ValueError for another
    output.
    """

    first_frame: int | None = None
    last_frame: int | None = None
    regions: tuple[str, ...] = ()
    fade_frames: float = 0.0
    replace_edited: bool = False
    output: str = "ACTION"

    def __post_init__(self) -> None:
        if self.output not in OUTPUTS:
            raise ValueError(f"a take goes to one of {', '.join(OUTPUTS)}, not {self.output}")


@dataclass(frozen=True)
class TakeRecord:
    """What a stored take was made from; ``sound_hash`` is the sha256 of the sound at that time."""

    sound: SoundChoice
    sound_hash: str
    model_folder: Path
    settings: AnimateSettings
    scope: Scope
    mapping: Mapping
    first_frame: int
    last_frame: int


_RECORD_VERSION = 1
# Where a take is computed is no part of it.
_OF_THIS_MACHINE = ("provider", "threads")
_SETTING_NAMES = {item.name for item in fields(AnimateSettings)}


def write_record(record: TakeRecord) -> str:
    """All that a take was made from, as text that ``read_record`` understands."""
    settings = {name: value for name, value in asdict(record.settings).items() if name not in _OF_THIS_MACHINE}
    settings["region_models"] = [
        {"model": chosen.folder.name, "folder": str(chosen.folder), "regions": list(chosen.regions)}
        for chosen in record.settings.region_models
    ]
    kind = next(kind for kind, made in _KINDS.items() if type(record.sound) is made)
    sound = {"kind": kind, **asdict(record.sound)}
    data = {
        "version": _RECORD_VERSION,
        "sound": sound,
        "sound_sha256": record.sound_hash,
        "model": record.model_folder.name,
        "model_folder": str(record.model_folder),
        "settings": settings,
        "scope": asdict(record.scope),
        "mapping": _mapping_data(record.mapping),
        "first_frame": record.first_frame,
        "last_frame": record.last_frame,
    }
    return json.dumps(data, ensure_ascii=False)


@functools.lru_cache(maxsize=8)
def _mapping_data(mapping: Mapping) -> Any:
    return json.loads(to_json(mapping))


def read_record(text: str) -> TakeRecord:
    """A stored take. Raises RigError for one that is damaged or was made by a later Voxrig."""
    try:
        data = json.loads(text)
        if data["version"] != _RECORD_VERSION:
            raise RigError(f"The take was made by another Voxrig (version {data['version']} of takes); update Voxrig")
        sound = dict(data["sound"])
        kind = _KINDS[sound.pop("kind")]
        scope = data["scope"]
        return TakeRecord(
            kind(**sound),
            data["sound_sha256"],
            _find_model(data["model_folder"], data["model"]),
            _read_settings(data["settings"]),
            Scope(**{**scope, "regions": tuple(scope["regions"])}),
            from_json(json.dumps(data["mapping"])),
            int(data["first_frame"]),
            int(data["last_frame"]),
        )
    except (KeyError, TypeError, ValueError):
        raise RigError("The stored take is damaged; animate again and remove it from the list") from None


def _find_model(folder: str, name: str) -> Path:
    """The folder of a model, or a bundled one of its name where it is gone: an extension moves when it is installed anew."""
    path = Path(folder)
    bundled = {place.name: place for place in bundled_packages()}
    return path if path.is_dir() else bundled.get(name, path)


def _read_settings(stored: dict[str, Any]) -> AnimateSettings:
    values = {name: value for name, value in stored.items() if name in _SETTING_NAMES}
    values["region_models"] = tuple(
        RegionModel(_find_model(chosen["folder"], chosen["model"]), tuple(chosen["regions"]))
        for chosen in stored.get("region_models", ())
    )
    return AnimateSettings(**values)
