# SPDX-License-Identifier: GPL-3.0-or-later
"""The inputs of a stored take, and the text that stores them on a character."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping as Table
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from ..animation.keys.retiming import TimedWord
from ..animation.rig.mapping import Mapping, from_json, to_json
from ..errors import RigError, VoxrigError
from ..inference.package import bundled_packages
from .settings import LARGEST_FRAME, Scope, TakeSettings, scope_from_data, settings_from_data, settings_to_data


@dataclass(frozen=True)
class SoundFile:
    """A sound on disk; its first sample plays at ``start_frame``."""

    path: str
    start_frame: float = 1.0

    @property
    def label(self) -> str:
        """Name of the sound in messages."""
        return self.path


@dataclass(frozen=True)
class SoundStrip:
    """A sound strip of the scene's sequencer, by name; its place and trim determine the animated range."""

    name: str

    @property
    def label(self) -> str:
        """Name of the sound in messages."""
        return self.name


@dataclass(frozen=True)
class CurvesFile:
    """Curves on disk in place of a sound and a model; their second 0 is at ``start_frame``."""

    path: str
    start_frame: float = 1.0

    @property
    def label(self) -> str:
        """Name of the curves in messages."""
        return self.path


@dataclass(frozen=True)
class Listening:
    """The lines that a silent character of a dialogue hears: the ``strips`` of others, each with who speaks it.

    ``start_frame`` and ``end_frame`` are the frames between which it listens.
    """

    strips: tuple[str, ...]
    speakers: tuple[str, ...]
    start_frame: float
    end_frame: float

    @property
    def label(self) -> str:
        """Name of the sound in messages."""
        return f"what {' and '.join(dict.fromkeys(self.speakers))} says"


SoundChoice = SoundFile | SoundStrip | CurvesFile | Listening
_CHOICES: dict[str, type[SoundFile | SoundStrip | CurvesFile | Listening]] = {
    "file": SoundFile,
    "strip": SoundStrip,
    "curves": CurvesFile,
    "listening": Listening,
}


@dataclass(frozen=True)
class TakeRecord:
    """The inputs of a stored take; ``sound_hash`` is the sha256 of the sound at that time.

    Of its frames, ``frames_before`` and ``frames_after`` lie outside the sound. ``words`` are those of the script where they
    are said: first and last frame, text, and how surely each is said, 0..1.
    """

    sound: SoundChoice
    sound_hash: str
    model_folder: Path
    settings: TakeSettings
    scope: Scope
    mapping: Mapping
    first_frame: int
    last_frame: int
    frames_before: int = 0
    frames_after: int = 0
    words: tuple[TimedWord, ...] = ()

    @property
    def sound_frames(self) -> tuple[int, int]:
        """First and last frame of the sound, or of the part of it in the scope."""
        return self.first_frame + self.frames_before, self.last_frame - self.frames_after


_VERSION = 2


def write_record(record: TakeRecord) -> str:
    """Write everything that a take was made from as text for ``read_record``."""
    kind = next(kind for kind, choice in _CHOICES.items() if type(record.sound) is choice)
    data = {
        "version": _VERSION,
        "sound": {"kind": kind, **asdict(record.sound)},
        "sound_sha256": record.sound_hash,
        "model": record.model_folder.name,
        "model_folder": str(record.model_folder),
        "settings": settings_to_data(record.settings),
        "scope": settings_to_data(record.scope),
        "mapping": _mapping_data(record.mapping),
        "first_frame": record.first_frame,
        "last_frame": record.last_frame,
        "frames_before": record.frames_before,
        "frames_after": record.frames_after,
        "words": [[round(start, 3), round(end, 3), text, round(sure, 3)] for start, end, text, sure in record.words],
    }
    return json.dumps(data, ensure_ascii=False)


@functools.lru_cache(maxsize=8)
def _mapping_data(mapping: Mapping) -> Any:
    return json.loads(to_json(mapping))


def read_record(text: str) -> TakeRecord:
    """Read a stored take. Raises RigError if it is damaged or was made by a later Voxrig."""
    try:
        data = json.loads(text)
        version = data["version"]
        if version not in (1, _VERSION):
            raise RigError(f"The take was made by another Voxrig (version {version} of takes); update Voxrig")
        if version == 1:
            data = {**data, **_upgrade(data["settings"], data["scope"])}
        return TakeRecord(
            _read_choice(data["sound"]),
            _text(data["sound_sha256"]),
            find_model_again(_text(data["model_folder"]), _text(data["model"])),
            # Takes of before the head lived.
            settings_from_data({"life": 0.0, **data["settings"]}, find_model_again),
            scope_from_data(data["scope"]),
            from_json(json.dumps(data["mapping"])),
            _frame(data["first_frame"]),
            _frame(data["last_frame"]),
            _frame(data.get("frames_before", 0)),
            _frame(data.get("frames_after", 0)),
            tuple(map(_word, data.get("words", ()))),
        )
    except RigError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError, VoxrigError):
        raise RigError("The stored take is damaged; animate again and remove it from the list") from None


def _upgrade(settings: Table[str, Any], scope: Table[str, Any]) -> dict[str, Any]:
    """Rename the settings of takes that were made before the table of settings."""
    named = dict(settings)
    strengths = dict(named.get("region_strengths", {}))
    for region, name in (("jaw", "jaw_strength"), ("lips", "lip_strength")):
        if name in named:
            strengths[region] = named[name] * strengths.get(region, 1.0)
    gains, offsets = named.get("gains", {}), named.get("offsets", {})
    channels = {name: [gains.get(name, 1.0), offsets.get(name, 0.0)] for name in {**gains, **offsets}}
    upgraded = {"region_strengths": strengths, "channels": channels, "phone_markers": named.get("markers", False)}
    return {"settings": {**named, **upgraded}, "scope": dict(scope)}


def _read_choice(data: Any) -> SoundChoice:
    fields = dict(cast("Table[str, Any]", data))
    if fields["kind"] == "listening":
        fields |= {name: tuple(map(_text, fields[name])) for name in ("strips", "speakers")}
        if not 0 < len(fields["strips"]) == len(fields["speakers"]) or not fields["start_frame"] <= fields["end_frame"]:
            raise ValueError("nobody is heard")
    choice = _CHOICES[fields.pop("kind")](**fields)
    _text(choice.label)
    start = fields.get("start_frame", 1.0)
    if isinstance(start, bool) or not isinstance(start, (int, float)) or not abs(start) <= LARGEST_FRAME:
        raise ValueError("the start frame is not a frame")
    return choice


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("it is not a text")
    return value


def _frame(value: Any) -> int:
    if isinstance(value, bool) or not math.isfinite(value) or not abs(value) <= LARGEST_FRAME:
        raise ValueError("it is not a frame")
    return int(value)


def _word(data: Any) -> TimedWord:
    start, end, text, sure = data
    for frame in (start, end):
        _frame(frame)
    if not 0.0 <= sure <= 1.0:
        raise ValueError("it is not a confidence")
    return float(start), float(end), _text(text), float(sure)


def find_model_again(folder: str, name: str) -> Path:
    """Return the folder of a model, or a bundled one of its name if it is gone: an extension moves when reinstalled."""
    path = Path(folder)
    bundled = {place.name: place for place in bundled_packages()}
    return path if path.is_dir() else bundled.get(name, path)
