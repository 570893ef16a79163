# SPDX-License-Identifier: GPL-3.0-or-later
"""An overview of a take beside its keys: the sound's waveform, jaw, lips and seals over scene frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .curves import ChannelCurves
from .face.lips import lip_gap, sealed_frames
from .samples import Samples

if TYPE_CHECKING:
    from .speech.events import SpeechEvents

Floats = NDArray[np.float32]

PEAKS_PER_SECOND = 100
_SPANS_PER_SECOND = 50
LEAST_FEELING = 0.05
_PEAKS_AT_ONCE = 6000  # a minute


@dataclass(frozen=True)
class Track:
    """Values 0..1 at even distances: ``values[i]`` is at scene frame ``first + i * step``."""

    first: float
    step: float
    values: Floats


NO_TRACK = Track(0.0, 1.0, np.zeros(1, np.float32))


@dataclass(frozen=True)
class Overview:
    """One take as tracks. ``lips`` is the gap between them as a share of its largest; ``seals`` is 1 where they close.

    ``phrases`` is 1 between pauses and ``accents`` the size of the stressed syllables, if somebody listened for them.
    ``feelings`` are those that the face shows and ``heard`` those of the voice, by emotion: its weight where it is the
    strongest.
    """

    peaks: Track
    jaw: Track
    lips: Track
    rounding: Track
    seals: Track
    phrases: Track = NO_TRACK
    accents: Track = NO_TRACK
    feelings: tuple[tuple[str, Track], ...] = ()
    heard: tuple[tuple[str, Track], ...] = ()


def find_peaks(samples: Samples, sample_rate: int) -> Floats:
    """Find the largest absolute sample of each hundredth of a second, ``[time]``, of a mono sound ``[n]``."""
    size = max(1, sample_rate // PEAKS_PER_SECOND)
    peaks = np.zeros(-(-samples.size // size), np.float32)
    for first in range(0, len(peaks), _PEAKS_AT_ONCE):
        piece = np.abs(samples[first * size : (first + _PEAKS_AT_ONCE) * size])
        part = peaks[first : first + _PEAKS_AT_ONCE]
        part[:] = np.maximum.reduceat(piece, np.arange(0, piece.size, size))
    return peaks


def find_strongest(
    names: Sequence[str], weights: NDArray[np.floating[Any]], first: float, step: float
) -> tuple[tuple[str, Track], ...]:
    """Return a track of each emotion ``names`` that is ever the strongest, from its weights ``[row, emotion]``.

    Row i is at scene frame ``first + i * step``; weights below LEAST_FEELING are left out.
    """
    if not weights.size:
        return ()
    best = weights.argmax(axis=1)
    shown = np.where((np.arange(len(names)) == best[:, None]) & (weights >= LEAST_FEELING), weights, 0.0)
    return tuple(
        (name, Track(first, step, np.clip(column, 0.0, 1.0).astype(np.float32)))
        for name, column in zip(names, shown.T, strict=True)
        if column.any()
    )


def make_overview(
    curves: ChannelCurves,
    peaks: Floats,
    start_frame: float,
    frames_per_second: float,
    speech: SpeechEvents | None = None,
) -> Overview:
    """Make the tracks of a take whose sound starts at ``start_frame``; ``peaks`` are those of ``find_peaks``.

    ``speech`` are the events of the sound. Channels that the curves lack count as 0.
    """

    def track(values: NDArray[Any], first_seconds: float, seconds: float) -> Track:
        shown = np.clip(values, 0.0, 1.0).astype(np.float32)
        return Track(start_frame + first_seconds * frames_per_second, seconds * frames_per_second, shown)

    def channel(*names: str) -> NDArray[Any]:
        return np.maximum.reduce(
            [curves.channel(name) if name in curves.names else np.zeros(curves.frame_count) for name in names]
        )

    def of_curves(values: NDArray[Any]) -> Track:
        return track(values, curves.start_seconds, 1.0 / curves.frame_rate)

    def spans(parts: Sequence[tuple[float, float, float]]) -> Track:
        rows = np.zeros(max(1, math.ceil((speech.duration if speech is not None else 0.0) * _SPANS_PER_SECOND)) + 1)
        for start, end, size in parts:
            rows[max(round(start * _SPANS_PER_SECOND), 0) : round(end * _SPANS_PER_SECOND) + 1] = size
        return track(rows, 0.0, 1.0 / _SPANS_PER_SECOND)

    gap = lip_gap(curves.values, curves.names)
    loudest = float(peaks.max(initial=0.0)) or 1.0
    return Overview(
        track(peaks / loudest, 0.0, 1.0 / PEAKS_PER_SECOND),
        of_curves(channel("jawOpen")),
        of_curves(gap / (float(gap.max(initial=0.0)) or 1.0)),
        of_curves(channel("mouthPucker", "mouthFunnel")),
        of_curves(sealed_frames(curves.values, curves.names)),
        NO_TRACK if speech is None else spans([(one.start, one.end, 1.0) for one in speech.phrases]),
        NO_TRACK if speech is None else spans([(one.start, one.end, 0.3 + 0.7 * one.size) for one in speech.accents]),
    )
