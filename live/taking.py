# SPDX-License-Identifier: GPL-3.0-or-later
"""Received faces as a take: packets that arrive unevenly become channel curves sampled evenly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..animation.curves import ChannelCurves
from ..errors import LiveError
from .frame import FACE_NAMES, FaceFrame

TAKE_RATE = 60.0
"""Rows a second of a take: that of phones."""
_LONGEST_SECONDS = 4 * 3600.0
_CLOCK_MISSES = 0.25
"""Seconds by which a sender's clock may gain or lose over half a take; one that is further off is none."""
_HOLE_SECONDS = 0.25
"""A longer hole between packets is held, not bridged."""


class FaceTake:
    """Faces in the order in which they arrived."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._clock: list[float | None] = []
        self._rows: list[NDArray[np.float32]] = []
        self._names: list[str] = []

    def __len__(self) -> int:
        return len(self._times)

    def add(self, at: float, frame: FaceFrame) -> None:
        """Add a face that arrived at ``at`` (seconds of any clock that only moves forward)."""
        if self._times and (at <= self._times[-1] or at - self._times[0] > _LONGEST_SECONDS):
            return
        for name in frame.values:
            if name not in self._names:
                self._names.append(name)
        last = self._rows[-1] if self._rows else np.zeros(0, np.float32)
        row = np.zeros(len(self._names), np.float32)
        row[: last.size] = last  # a channel that a packet leaves out stays where it was
        for name, value in frame.values.items():
            row[self._names.index(name)] = value
        self._times.append(at)
        self._clock.append(frame.seconds)
        self._rows.append(row)

    def curves(self, zero: float | None = None) -> ChannelCurves:
        """Return the curves; row 0 is the first face, ``start_seconds`` counts from ``zero`` (the first face by default).

        Raises LiveError if nothing arrived.
        """
        if len(self._times) < 2:
            raise LiveError("No face arrived; check the address in the sender, the network and its firewall, and try again")
        names = [name for name in (*FACE_NAMES, *self._names) if name in self._names]
        names = list(dict.fromkeys(names))
        rows = np.zeros((len(self._rows), len(self._names)), np.float32)
        for number, row in enumerate(self._rows):
            rows[number, : row.size] = row
        moments = self._moments()
        times = moments - moments[0]
        # A hole is a phone that was lost for a moment: hold the last face until just before the next.
        holes = np.flatnonzero(np.diff(times) > _HOLE_SECONDS)
        times = np.insert(times, holes + 1, times[holes + 1] - 1.0 / TAKE_RATE)
        rows = np.insert(rows, holes + 1, rows[holes], axis=0)
        at = np.arange(int(times[-1] * TAKE_RATE) + 1) / TAKE_RATE
        columns = [self._names.index(name) for name in names]
        values = np.stack([np.interp(at, times, rows[:, column]) for column in columns], axis=1)
        start = 0.0 if zero is None else float(moments[0]) - zero
        return ChannelCurves(tuple(names), TAKE_RATE, values.astype(np.float32), start)

    def _moments(self) -> NDArray[np.float64]:
        """Return when each face was: by the sender's clock if it has one that runs as ours, for packets arrive unevenly.

        The packet that was fastest on its way says how the two clocks differ.
        """
        arrived = np.array(self._times)
        if any(seconds is None for seconds in self._clock):
            return arrived
        said = np.array(self._clock, np.float64)
        late = arrived - said
        # However the network stumbles, some packets are prompt early on, and others later.
        first, second = np.array_split(late, 2)
        is_even = bool((np.diff(said) > 0).all()) and abs(float(first.min() - second.min())) < _CLOCK_MISSES
        return said + late.min() if is_even else arrived


def measure_loudness(samples: NDArray[np.float32], sample_rate: int, rate: float) -> NDArray[np.float64]:
    """Measure the loudness of a sound, ``rate`` times a second, in dB, at most 40 below its loudest ``[row]``."""
    hop = max(1, round(sample_rate / rate))
    blocks = np.pad(np.square(samples, dtype=np.float64), (0, -samples.size % hop)).reshape(-1, hop)
    level = 10.0 * np.log10(blocks.mean(axis=1) + 1e-12)
    return np.maximum(level, level.max(initial=-120.0) - 40.0)


def find_offset(
    jaw: NDArray[np.floating[Any]],
    jaw_rate: float,
    loudness: NDArray[np.floating[Any]],
    loudness_rate: float,
    limit_seconds: float = 5.0,
) -> tuple[float, float]:
    """Find how many seconds later than a sound a face was recorded, by the best correlation of jaw and loudness (in dB).

    Returns the offset, within ``limit_seconds`` either way, and the correlation at it. Row 0 of both is their own second 0.
    Raises LiveError if one of them never moves.
    """
    rate = 100.0
    one, two = (
        np.interp(np.arange(max(2, int(len(rows) / own * rate))) / rate, np.arange(len(rows)) / own, rows)
        for rows, own in ((jaw, jaw_rate), (loudness, loudness_rate))
    )
    if np.ptp(one) < 1e-6 or np.ptp(two) < 1e-6:
        raise LiveError("The face or the sound never moves; choose a recording with speech to align them")
    one, two = one - one.mean(), two - two.mean()
    size = 1 << int(len(one) + len(two)).bit_length()
    product = np.fft.irfft(np.fft.rfft(one, size) * np.conj(np.fft.rfft(two, size)), size)
    reach = min(round(limit_seconds * rate), size // 2 - 1)
    lags = np.arange(-reach, reach + 1)
    best = int(lags[int(np.argmax(product[lags]))])
    first, second = one[max(0, best) :], two[max(0, -best) :]
    shared = min(len(first), len(second))
    spread = float(first[:shared].std() * second[:shared].std()) if shared > 1 else 0.0
    r = float((first[:shared] * second[:shared]).mean()) / spread if spread > 0 else 0.0
    return best / rate, r
