# SPDX-License-Identifier: GPL-3.0-or-later
"""Random numbers that depend only on a seed and an instant: the same on every machine and for any length of the line.

The hash is SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
"""

from __future__ import annotations

import math
import zlib
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_STEP = 0x9E3779B97F4A7C15
_MASK = 0xFFFFFFFFFFFFFFFF
TICKS_PER_SECOND = 1000
"""Instants are distinguished by the millisecond."""


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _mix_number(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def make_key(seed: int, *names: str | int) -> int:
    """Make a key for draws from a seed and the names of the drawn quantity."""
    key = seed & _MASK
    for name in names:
        number = zlib.crc32(name.encode("utf-8")) if isinstance(name, str) else name
        key = _mix_number((key + _STEP * (number + 1)) & _MASK)
    return key


def draw(key: int, index: ArrayLike) -> Floats:
    """Draw uniform numbers in 0..1 (1 excluded), one for each whole number of ``index`` (any shape)."""
    numbers = np.asarray(index, np.int64).astype(np.uint64)
    mixed = _mix(np.atleast_1d(numbers) * np.uint64(_STEP) + np.uint64(key)).reshape(numbers.shape)
    return cast("Floats", (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def draw_normal(key: int, index: ArrayLike) -> Floats:
    """Draw normal numbers of mean 0 and deviation 1 (Box-Muller), clamped to 2.5, one for each of ``index``."""
    numbers = 2 * np.asarray(index, np.int64)
    radius: Floats = np.sqrt(-2.0 * np.log(1.0 - draw(key, numbers)))
    angle: Floats = 2.0 * np.pi * draw(key, numbers + 1)
    return np.minimum(np.maximum(radius * np.cos(angle), -2.5), 2.5)


class Dice:
    """Draws for one instant: the n-th draw depends on the key, the instant and n."""

    def __init__(self, key: int, seconds: float) -> None:
        # 64 draws an instant are separate from those of the next millisecond.
        self._key, self._index = key, round(seconds * TICKS_PER_SECOND) * 64

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Draw a number between ``low`` and ``high``."""
        self._index += 1
        # The same numbers as draw(), which is slow for single ones.
        mixed = _mix_number((self._index * _STEP + self._key) & _MASK)
        return low + (high - low) * ((mixed >> 11) * 2.0**-53)

    def normal(self, mean: float = 0.0, deviation: float = 1.0) -> float:
        """Draw a normal number, at most 2.5 deviations from the mean."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.uniform()))
        return mean + deviation * min(max(radius * math.cos(2.0 * math.pi * self.uniform()), -2.5), 2.5)

    def happens(self, probability: float) -> bool:
        """Return true with that probability."""
        return self.uniform() < probability

    def sign(self) -> float:
        """Draw -1 or 1."""
        return 1.0 if self.uniform() < 0.5 else -1.0


def ease(share: Floats) -> Floats:
    """Ease 0..1 with flat ends, as Blender interpolates between two keys with flat handles."""
    return share * share * (3.0 - 2.0 * share)


def drift(key: int, seconds: ArrayLike, period: float) -> Floats:
    """Compute slow noise of deviation about 0.8 at ``seconds`` (any shape).

    It eases between normal numbers, one each ``period``, moved by up to a quarter of it.
    """
    at = np.asarray(seconds, np.float64) / period
    if not at.size:
        return np.zeros(at.shape)
    cells = np.arange(math.floor(float(at.min())) - 1, math.floor(float(at.max())) + 3)
    knots = cells + 0.5 * draw(key ^ 0x5BD1, cells) - 0.25
    values = draw_normal(key, cells)
    left = np.searchsorted(knots, at, side="right") - 1
    return values[left] + (values[left + 1] - values[left]) * ease((at - knots[left]) / (knots[left + 1] - knots[left]))
