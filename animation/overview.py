# SPDX-License-Identifier: GPL-3.0-or-later
"""An overview of a take beside its keys: the sound's waveform, jaw, lips and seals over scene frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .curves import ChannelCurves
from .face.lips import lip_gap, sealed_frames

Floats = NDArray[np.float32]

PEAKS_PER_SECOND = 100


@dataclass(frozen=True)
class Track:
    """Values 0..1 at even distances: ``values[i]`` is at scene frame ``first + i * step``."""

    first: float
    step: float
    values: Floats


@dataclass(frozen=True)
class Overview:
    """One take as tracks. ``lips`` is the gap between them as a share of its largest; ``seals`` is 1 where they close."""

    peaks: Track
    jaw: Track
    lips: Track
    rounding: Track
    seals: Track


def find_peaks(samples: NDArray[np.floating[Any]], sample_rate: int) -> Floats:
    """Find the largest absolute sample of each hundredth of a second, ``[time]``, of a mono sound ``[n]``."""
    size = max(1, sample_rate // PEAKS_PER_SECOND)
    whole = len(samples) // size * size
    # Largest and smallest, so that an hour of sound is not copied to take absolute values.
    rows = samples[:whole].reshape(-1, size)
    peaks = np.maximum(rows.max(axis=1, initial=0.0), -rows.min(axis=1, initial=0.0))
    rest = np.abs(samples[whole:]).max(keepdims=True) if whole < len(samples) else samples[:0]
    return np.concatenate([peaks, rest]).astype(np.float32)


def make_overview(curves: ChannelCurves, peaks: Floats, start_frame: float, frames_per_second: float) -> Overview:
    """Make the tracks of a take whose sound starts at ``start_frame``; ``peaks`` are those of ``find_peaks``.

    Channels that the curves lack count as 0.
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

    gap = lip_gap(curves.values, curves.names)
    loudest = float(peaks.max(initial=0.0)) or 1.0
    return Overview(
        track(peaks / loudest, 0.0, 1.0 / PEAKS_PER_SECOND),
        of_curves(channel("jawOpen")),
        of_curves(gap / (float(gap.max(initial=0.0)) or 1.0)),
        of_curves(channel("mouthPucker", "mouthFunnel")),
        of_curves(sealed_frames(curves.values, curves.names)),
    )
