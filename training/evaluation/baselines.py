# SPDX-License-Identifier: GPL-3.0-or-later
"""Baselines that a model must beat, and an upper bound that it cannot be expected to pass, beside it in the table of scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ...animation.curves import ChannelCurves
from ...animation.face.articulation import articulate
from ...animation.face.phones import TimedPhone

SAMPLE_RATE = 16_000
FRAME_RATE = 50.0
QUIETEST_DB = -80.0

Predict = Callable[[NDArray[np.float32]], ChannelCurves]


def loudness_db(samples: NDArray[np.float32], frame_rate: float, window_seconds: float) -> NDArray[np.float64]:
    """Compute the root mean square of a window centred on every frame, in dB of full scale, at least -80, ``[frame]``.

    Frame i is the instant i / frame_rate; there are as many frames as fit before the sound's end, at least one.
    """
    count = max(1, int(len(samples) * frame_rate / SAMPLE_RATE))
    energy = np.concatenate(([0.0], np.cumsum(np.square(samples, dtype=np.float64))))
    centre = np.arange(count) / frame_rate * SAMPLE_RATE
    half = 0.5 * window_seconds * SAMPLE_RATE
    first = np.clip(np.rint(centre - half).astype(np.int64), 0, len(samples))
    last = np.clip(np.rint(centre + half).astype(np.int64), 0, len(samples))
    power = (energy[last] - energy[first]) / np.maximum(last - first, 1)
    return 10.0 * np.log10(np.maximum(power, 10.0 ** (QUIETEST_DB / 10.0)))


def loudness_to_jaw(samples: NDArray[np.float32]) -> ChannelCurves:
    """Derive the jaw from loudness: the clip's 10th to 95th percentile of dB become 0 to 0.3, smoothed over 3 frames."""
    level = loudness_db(samples, FRAME_RATE, 1.0 / FRAME_RATE)
    low, high = np.percentile(level, [10, 95])
    jaw = np.clip((level - low) / max(high - low, 1e-6), 0.0, 1.0) * 0.3 if high > low else np.zeros_like(level)
    padded = np.pad(jaw, 1, mode="edge")
    smooth = np.asarray((padded[:-2] + padded[1:-1] + padded[2:]) / 3.0, np.float32)
    return ChannelCurves(("jawOpen",), FRAME_RATE, smooth[:, None])


def hold_mean_pose(examples: Sequence[ChannelCurves]) -> Predict:
    """Hold a still face: the mean over all frames of ``examples`` (curves with the same channels)."""
    names = examples[0].names
    total = np.sum([np.sum(curves.select(names).values, axis=0, dtype=np.float64) for curves in examples], axis=0)
    pose = (total / sum(curves.frame_count for curves in examples)).astype(np.float32)

    def predict(samples: NDArray[np.float32]) -> ChannelCurves:
        count = max(1, int(len(samples) * FRAME_RATE / SAMPLE_RATE))
        return ChannelCurves(names, FRAME_RATE, np.repeat(pose[None], count, axis=0))

    return predict


def articulate_true_phones(samples: NDArray[np.float32], phones: Sequence[TimedPhone]) -> ChannelCurves:
    """Drive the articulation rules with true phone times, which are unknown at run time: the result of a perfect ear."""
    level = loudness_db(samples, FRAME_RATE, 0.05).astype(np.float32)
    return articulate(phones, FRAME_RATE, len(level) / FRAME_RATE, loudness_db=level, pitch_hz=None)
