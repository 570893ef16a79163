# SPDX-License-Identifier: GPL-3.0-or-later
"""Show datasets: shots that a studio has already animated, collected for learning.

A dataset is a folder. Every shot is two files: ``<shot>.npz`` with the arrays ``values`` float32 ``[time, control]`` (the
evaluated controls at the scene's rate), ``sound`` float32 ``[samples]`` (mono) and, with emotions, ``emotion`` float32
``[time, emotion]`` in 0..1; and ``<shot>.json``, which describes them. Neither is replaced before both are complete, and
the json holds the digest of the npz.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..animation.face.channels import REGIONS, Channel
from ..animation.keys.placing import Hold
from ..animation.rig.mapping import Target
from ..errors import ShowError
from ..inference.audio import HIGHEST_RATE, LOWEST_RATE, Waveform
from ..storage.arrays import DamagedArrays, read_npz
from ..storage.reading import parse_json, read_bytes, read_text
from ..storage.writing import write_together

FORMAT = 1
"""Version of a shot's json that is read here."""

STILL_SHARE = 1e-3
"""A control moves if its range over all shots is above this share of its limits' range (or of 1 without limits)."""

SHORTEST_SECONDS = 1.0
"""Least length of animation with sound in a shot."""


_LARGEST_ARRAYS = 1 << 30
_LONGEST_HOLD = 6
_FEWEST_CHANGES = 12
_HELD_SHARE = 0.98


@dataclass(frozen=True)
class Shot:
    """One animated shot: row i of ``values`` float32 ``[time, control]`` is the instant i / ``frame_rate`` in seconds; sample 0
    of ``waveform`` is the instant ``sound_start_seconds``.

    ``controls`` are described like a model's channels; a control without limits has infinite ones. ``targets`` are the
    rig's values for controls by name, where known. ``emotion`` is float32 ``[time, emotion]`` in 0..1. ``origin`` is a
    digest of the shot's sources and settings. Raises ShowError if nothing can be learned from it: no sound, values that are
    not numbers, less than a second of animation with sound; ValueError if shapes do not fit.
    """

    name: str
    rig: str
    controls: tuple[Channel, ...]
    values: NDArray[np.float32]
    frame_rate: float
    waveform: Waveform
    sound_start_seconds: float = 0.0
    emotions: tuple[str, ...] = ()
    emotion: NDArray[np.float32] | None = None
    first_frame: float = 1.0
    blend_file: str = ""
    sound_file: str = ""
    targets: Mapping[str, Target] = field(default_factory=dict[str, Target])
    origin: str = ""

    def __post_init__(self) -> None:
        values = np.array(self.values, np.float32)
        if values.ndim != 2 or values.shape[1] != len(self.controls):
            raise ValueError(f"values are {values.shape}, not [time, {len(self.controls)}]")
        emotion = np.zeros((len(values), 0), np.float32)
        if self.emotions:
            emotion = np.array(emotion if self.emotion is None else self.emotion, np.float32)
        if emotion.shape != (len(values), len(self.emotions)):
            raise ValueError(f"emotion is {emotion.shape}, not [{len(values)}, {len(self.emotions)}]")
        if not self.controls:
            raise self._unfit("has no controls; choose a character with animated controls and collect it again")
        names = [control.name for control in self.controls]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise self._unfit(f"has two controls named '{name}'; rename one and collect it again")
        for control in self.controls:
            if control.region not in REGIONS:
                raise self._unfit(f"puts '{control.name}' in the unknown region '{control.region}'; choose one of "
                                  f"{', '.join(REGIONS)}")  # fmt: skip
        if not 1.0 <= self.frame_rate <= 1000.0:
            raise self._unfit(f"is at {self.frame_rate} frames a second, which is impossible; collect it again")
        bad = ~np.isfinite(values).all(axis=0)
        if bad.any():
            control = names[int(np.argmax(bad))]
            row = int(np.argmin(np.isfinite(values[:, names.index(control)])))
            raise self._unfit(
                f"holds values of '{control}' that are not numbers, the first at frame {self.first_frame + row:g}; "
                "correct its animation or driver and collect it again"
            )
        if not (np.isfinite(emotion).all() and (emotion >= 0).all() and (emotion <= 1).all()):
            raise self._unfit("has emotion weights that are not between 0 and 1; correct them and collect it again")
        if not LOWEST_RATE <= self.waveform.sample_rate <= HIGHEST_RATE:
            raise self._unfit(f"has sound at {self.waveform.sample_rate} Hz, which is impossible; collect it again")
        sound = self.waveform.samples
        if sound.size == 0:
            raise self._unfit("has no sound; add the dialogue to its sequencer or leave the shot out")
        if not np.isfinite(sound).all():
            raise self._unfit("has sound samples that are not numbers; export its sound and collect it again")
        values.flags.writeable = False
        emotion.flags.writeable = False
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "emotion", emotion)
        if self.common_seconds < SHORTEST_SECONDS:
            raise self._unfit(
                f"has {max(0.0, self.common_seconds):.2f} s of animation with sound, less than {SHORTEST_SECONDS:g} s; "
                "check where its sound begins or leave the shot out"
            )

    def _unfit(self, problem: str) -> ShowError:
        return ShowError(f"Shot '{self.name}' {problem}")

    @property
    def control_names(self) -> tuple[str, ...]:
        """Names of ``controls``, in the order of the columns."""
        return tuple(control.name for control in self.controls)

    @property
    def emotion_weights(self) -> NDArray[np.float32]:
        """``emotion``, without columns if there are no emotions."""
        assert self.emotion is not None
        return self.emotion

    @property
    def duration_seconds(self) -> float:
        """Length of the animation, counting the last row as one frame long."""
        return len(self.values) / self.frame_rate

    @property
    def common_seconds(self) -> float:
        """Length of the animation that has sound."""
        end = min(self.duration_seconds, self.sound_start_seconds + self.waveform.duration_seconds)
        return end - max(0.0, self.sound_start_seconds)

    @property
    def sound_sha256(self) -> str:
        """Digest that identifies the same sound in two shots."""
        return hashlib.sha256(self.waveform.samples.tobytes()).hexdigest()


@dataclass(frozen=True)
class Show:
    """Shots of one rig with the same controls.

    ``controls`` are those that move in some shot, with finite limits and in the shots' order; ``still`` names those that never
    move. ``warnings`` are sentences for the artist.
    """

    rig: str
    shots: tuple[Shot, ...]
    controls: tuple[Channel, ...]
    still: tuple[str, ...]
    emotions: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def minutes(self) -> float:
        """Minutes of animation with sound over all shots."""
        return sum(shot.common_seconds for shot in self.shots) / 60.0

    @property
    def targets(self) -> dict[str, Target]:
        """The rig's value for each moving control, by name, from the last shot that has it."""
        known = {name: target for shot in self.shots for name, target in shot.targets.items()}
        return {control.name: known[control.name] for control in self.controls if control.name in known}

    @property
    def hold(self) -> Hold | None:
        """How poses are held, if all shots are animated like that; None for animation on every frame."""
        rates = {shot.frame_rate for shot in self.shots}
        changes: list[NDArray[np.int64]] = []
        for shot in self.shots:
            columns = [shot.control_names.index(control.name) for control in self.controls]
            spans = np.array([control.maximum - control.minimum for control in self.controls])
            moves = (np.abs(np.diff(shot.values[:, columns], axis=0)) > 1e-4 * spans).any(axis=1)
            changes.append(np.flatnonzero(moves) + 1 + round(shot.first_frame))
        frames = np.concatenate(changes)
        for length in range(_LONGEST_HOLD, 1, -1):
            counts = np.bincount(frames % length, minlength=length)
            # The rest are the shots' cuts.
            if len(rates) == 1 and len(frames) > _FEWEST_CHANGES and counts.max() >= _HELD_SHARE * len(frames):
                return Hold(length, int(counts.argmax()), rates.pop())
        return None

    def of_regions(self, regions: Sequence[str]) -> Show:
        """Restrict the show to the controls of these face parts. Raises ShowError if none of them moves."""
        controls = tuple(control for control in self.controls if control.region in regions)
        if not controls:
            moving = ", ".join(dict.fromkeys(control.region for control in self.controls))
            raise ShowError(f"No control of the {' or the '.join(regions)} moves in the shots; choose among {moving}")
        return replace(self, controls=controls)


def gather_show(shots: Sequence[Shot]) -> Show:
    """Check that ``shots`` belong together and find the controls that move in them.

    A limit that is missing, or that the animation exceeds, is set a fifth of the control's range beyond its extreme value.
    Shots may have different frame rates and emotions. Raises ShowError for no shot, different rigs, different controls in
    some shot, a repeated name, and if nothing moves.
    """
    if not shots:
        raise ShowError("There is no shot to learn from; collect some first")
    first = shots[0]
    warnings: list[str] = []
    names: set[str] = set()
    seen: dict[str, str] = {}
    for shot in shots:
        if shot.name in names:
            raise ShowError(f"Two shots are named '{shot.name}'; rename one")
        names.add(shot.name)
        if shot.rig != first.rig:
            raise ShowError(
                f"Shot '{shot.name}' is of the rig '{shot.rig}', shot '{first.name}' of '{first.rig}'; "
                "collect each rig into its own folder"
            )
        _check_same_controls(first, shot)
        digest = hashlib.sha256(shot.values.tobytes() + shot.sound_sha256.encode()).hexdigest()
        if digest in seen:
            warnings.append(f"Shot '{shot.name}' is the same as shot '{seen[digest]}', so it counts twice")
        seen.setdefault(digest, shot.name)
        silent = shot.duration_seconds - shot.common_seconds
        if silent > 0.5:
            warnings.append(f"Shot '{shot.name}' has {silent:.1f} s of animation without sound, which are left out")
    order = [[shot.control_names.index(name) for name in first.control_names] for shot in shots]
    low = np.min([shot.values.min(axis=0)[columns] for shot, columns in zip(shots, order)], axis=0)
    high = np.max([shot.values.max(axis=0)[columns] for shot, columns in zip(shots, order)], axis=0)
    moving: list[Channel] = []
    still: list[str] = []
    for control, lowest, highest in zip(first.controls, low.tolist(), high.tolist()):
        limits = control.maximum - control.minimum
        if highest - lowest <= STILL_SHARE * (limits if math.isfinite(limits) and limits > 0 else 1.0):
            still.append(control.name)
        else:
            moving.append(_with_finite_limits(control, lowest, highest))
    if not moving:
        raise ShowError("None of the controls moves in any shot; collect shots whose face is animated")
    emotions = tuple(dict.fromkeys(name for shot in shots for name in shot.emotions))
    return Show(first.rig, tuple(shots), tuple(moving), tuple(still), emotions, tuple(warnings))


def _check_same_controls(first: Shot, shot: Shot) -> None:
    missing = [name for name in first.control_names if name not in shot.control_names]
    added = [name for name in shot.control_names if name not in first.control_names]
    if missing or added:
        problem = f"lacks the control '{missing[0]}'" if missing else f"has the further control '{added[0]}'"
        renamed = f" and has '{added[0]}' instead" if missing and added else ""
        count = len(missing) + len(added)
        raise ShowError(
            f"Shot '{shot.name}' {problem}{renamed}, unlike shot '{first.name}' ({count} names differ); "
            "collect both again from the same version of the rig"
        )


def _with_finite_limits(control: Channel, lowest: float, highest: float) -> Channel:
    margin = 0.2 * (highest - lowest)
    minimum = control.minimum if control.minimum <= lowest and math.isfinite(control.minimum) else lowest - margin
    maximum = control.maximum if control.maximum >= highest and math.isfinite(control.maximum) else highest + margin
    rest = min(max(control.rest, minimum), maximum)
    return Channel(control.name, control.region, control.group, rest, minimum, maximum, control.unit)


def write_shot(folder: str | Path, shot: Shot) -> Path:
    """Write a shot into a dataset folder (made if missing), replacing one of the same name; returns the path of its json.

    Raises ShowError if the name cannot be a file name or the folder cannot be written.
    """
    if not re.fullmatch(r"[^\\/:*?\"<>|\x00-\x1f]{1,120}", shot.name) or shot.name.startswith("."):
        raise ShowError(f"A shot cannot be named '{shot.name}'; leave out slashes and signs that file names cannot hold")
    folder = Path(folder)
    description = folder / f"{shot.name}.json"
    arrays = folder / f"{shot.name}.npz"
    packed = io.BytesIO()
    np.savez_compressed(packed, values=shot.values, sound=shot.waveform.samples, emotion=shot.emotion_weights)
    content = packed.getvalue()
    text = json.dumps(_describe(shot, hashlib.sha256(content).hexdigest()), indent=1, ensure_ascii=False) + "\n"
    try:
        write_together({arrays: content, description: text})
    except OSError as error:
        raise ShowError(f"{folder} cannot be written ({error.strerror}); choose another folder") from None
    return description


def _describe(shot: Shot, digest: str) -> dict[str, Any]:
    def limit(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "format": FORMAT,
        "name": shot.name,
        "rig": shot.rig,
        "frame_rate": shot.frame_rate,
        "frames": len(shot.values),
        "first_frame": shot.first_frame,
        "blend_file": shot.blend_file,
        "sound": {
            "file": shot.sound_file,
            "sha256": shot.sound_sha256,
            "sample_rate": shot.waveform.sample_rate,
            "start_seconds": shot.sound_start_seconds,
        },
        "emotions": list(shot.emotions),
        "origin": shot.origin,
        "controls": [
            {**vars(control), "minimum": limit(control.minimum), "maximum": limit(control.maximum)} for control in shot.controls
        ],
        "targets": {name: asdict(target) for name, target in shot.targets.items()},
        "arrays": {"file": f"{shot.name}.npz", "sha256": digest},
    }


def read_shot(path: str | Path) -> Shot:
    """Read one shot by the path of its json. Raises ShowError, also if it is damaged."""
    path = Path(path)

    def damaged(problem: str) -> ShowError:
        return ShowError(f"Shot '{path.stem}' is damaged on disk ({problem}); collect it again or delete {path.name}")

    try:
        description = cast("dict[str, Any]", parse_json(read_text(path)))
        if not isinstance(description, dict) or description.get("format") != FORMAT:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise damaged(f"{path.name} is not of format {FORMAT}")
        content = read_bytes(path.parent / Path(str(description["arrays"]["file"])).name, _LARGEST_ARRAYS)
        if hashlib.sha256(content).hexdigest() != description["arrays"]["sha256"]:
            raise damaged("its arrays have changed since they were written")
        arrays = read_npz(content, ("values", "sound", "emotion"))
        values, sound, emotion = arrays["values"], arrays["sound"], arrays["emotion"]
        controls = tuple(
            Channel(
                str(entry["name"]),
                str(entry["region"]),
                str(entry["group"]),
                float(entry["rest"]),
                -math.inf if entry["minimum"] is None else float(entry["minimum"]),
                math.inf if entry["maximum"] is None else float(entry["maximum"]),
                str(entry["unit"]),
            )
            for entry in description["controls"]
        )
        return Shot(
            name=str(description["name"]),
            rig=str(description["rig"]),
            controls=controls,
            values=values,
            frame_rate=float(description["frame_rate"]),
            waveform=Waveform(sound, int(description["sound"]["sample_rate"])),
            sound_start_seconds=float(description["sound"]["start_seconds"]),
            emotions=tuple(str(name) for name in description["emotions"]),
            emotion=emotion,
            first_frame=float(description["first_frame"]),
            blend_file=str(description["blend_file"]),
            sound_file=str(description["sound"]["file"]),
            targets={str(name): Target(**target) for name, target in description.get("targets", {}).items()},
            origin=str(description.get("origin", "")),
        )
    except OSError as error:
        raise damaged(f"{Path(error.filename or path).name}: {error.strerror}") from None
    except KeyError as error:
        raise damaged(f"{error.args[0]} is missing") from None
    except MemoryError:
        raise damaged("there is not enough memory for it") from None
    except (ValueError, TypeError, AttributeError, OverflowError, DamagedArrays) as error:
        raise damaged(str(error).splitlines()[0] if str(error) else type(error).__name__) from None


def list_shots(folder: str | Path) -> list[Path]:
    """List the jsons of a dataset folder's shots by name. Raises ShowError if there are none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ShowError(f"There is no folder {folder}; give the folder that the shots were collected into")
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise ShowError(f"There is no shot in {folder}; collect some first")
    return paths


def read_show(folder: str | Path) -> Show:
    """Read a dataset folder. Raises ShowError, naming the first shot that cannot be used."""
    return gather_show([read_shot(path) for path in list_shots(folder)])
