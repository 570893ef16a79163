# SPDX-License-Identifier: GPL-3.0-or-later
"""Emotion weights over time: points that may move, an overall intensity, a range with fades, and presets, which are saved
mixes."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import VoxrigError
from ...storage.reading import is_storable, parse_json

_FORMAT = "voxrig-emotion"
_VERSION = 1

Emotion = float | Sequence[tuple[float, float]]
"""One weight for the whole sound, or (frame, weight) points joined by straight lines."""


def emotion_points(emotion: Emotion) -> tuple[tuple[float, float], ...]:
    """Convert an emotion to (frame, weight) points in order of time; one weight for the whole sound becomes one point."""
    if isinstance(emotion, (int, float)):
        return ((0.0, float(emotion)),)
    return tuple(sorted((float(frame), float(weight)) for frame, weight in emotion))


def sample_emotion(emotion: Emotion, frames: ArrayLike) -> NDArray[np.float64]:
    """Sample an emotion at each of ``frames``, ``[frame]``.

    Before its first and after its last point it holds their weights.
    """
    points = emotion_points(emotion)
    at = np.asarray(frames, np.float64)
    if not points:
        return np.zeros(at.size)
    known = np.array(points, np.float64)
    return np.interp(at, known[:, 0], known[:, 1])


def range_weights(
    frames: ArrayLike, first_frame: float | None, last_frame: float | None, fade_frames: float
) -> NDArray[np.float64]:
    """Return 1 between two frames (both included, None for no limit) and 0 outside, ``[frame]``.

    Half of each fade lies inside the range and half outside, so that two adjoining ranges cross-fade and add up to 1
    throughout.
    """
    at = np.asarray(frames, np.float64)
    weights = np.ones(at.size)
    for edge, direction in ((first_frame, 1.0), (last_frame, -1.0)):
        if edge is None:
            continue
        inside = direction * (at - edge)
        if fade_frames > 0:
            share = np.clip(inside / fade_frames + 0.5, 0.0, 1.0)
            weights *= share * share * (3.0 - 2.0 * share)
        else:
            weights *= inside >= 0.0
    return weights


def emotion_weights(
    emotion: Mapping[str, Emotion],
    names: Sequence[str],
    frames: ArrayLike,
    *,
    intensity: Emotion = 1.0,
    first_frame: float | None = None,
    last_frame: float | None = None,
    fade_frames: float = 0.0,
) -> NDArray[np.float32]:
    """Return the weights of the emotions ``names`` at each of ``frames``, float32 ``[frame, emotion]``, clamped to 0..1."""
    at = np.asarray(frames, np.float64)
    share = sample_emotion(intensity, at) * range_weights(at, first_frame, last_frame, fade_frames)
    weights = np.zeros((at.size, len(names)))
    for column, name in enumerate(names):
        if name in emotion:
            weights[:, column] = share * sample_emotion(emotion[name], at)
    return np.clip(weights, 0.0, 1.0).astype(np.float32)


@dataclass(frozen=True)
class EmotionPreset:
    """A saved mix: its title and its weights 0..1 by emotion."""

    name: str
    weights: Mapping[str, float]


def preset_to_json(preset: EmotionPreset) -> str:
    """Write a preset as text that ``preset_from_json`` reads back equal."""
    data = {"format": _FORMAT, "version": _VERSION, "name": preset.name, "weights": dict(preset.weights)}
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def preset_from_json(text: str) -> EmotionPreset:
    """Read a preset. Raises VoxrigError if it is damaged or of another version."""
    try:
        parsed: object = parse_json(text)
    except ValueError as error:
        raise VoxrigError(f"The emotion preset is damaged ({error}); save it again") from None
    data = cast("dict[str, object]", parsed) if isinstance(parsed, dict) else {}
    if data.get("format") != _FORMAT or data.get("version") != _VERSION:
        raise VoxrigError(f"This is not an emotion preset of version {_VERSION}; save the emotion again with this Voxrig")
    name, weights = data.get("name"), data.get("weights")
    if not isinstance(name, str) or not name.strip() or not is_storable(name) or not isinstance(weights, dict):
        raise VoxrigError("The emotion preset lacks its name or its weights; save it again")
    for emotion, weight in cast("dict[str, object]", weights).items():
        is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool) and math.isfinite(weight)
        if not is_number or not 0.0 <= cast("float", weight) <= 1.0:
            raise VoxrigError(f"The emotion preset '{name}' gives '{emotion}' the weight {weight!r}, not one from 0 to 1")
    return EmotionPreset(name, cast("dict[str, float]", weights))


@functools.cache
def bundled_emotion_presets() -> tuple[EmotionPreset, ...]:
    """Return the bundled presets of ``presets/emotions`` by name (read once, at first use)."""
    files = sorted((Path(__file__).parents[2] / "presets" / "emotions").glob("*.json"))
    return tuple(preset_from_json(file.read_text(encoding="utf-8")) for file in files)
