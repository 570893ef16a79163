# SPDX-License-Identifier: GPL-3.0-or-later
"""The artist's settings on channels that are still being spoken: row by row, from the past alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..animation.curves import ChannelCurves
from ..animation.face import lips
from ..animation.face.channels import Channel
from ..animation.face.expression import apply_expression, load_expressions
from ..animation.life.causal import LiveLife
from ..animation.life.channels import CHANNELS, LITERAL_NAMES
from ..animation.life.stage import load_manners
from ..animation.performance import Performance, apply_performance
from ..inference.stream import StreamedRows

_WIDEST_AT_FIRST = 0.9
"""Centimetres: the gap that counts as wide before anything was said; the 95th percentile of the tracked talker."""
_LEARNS = 0.02
_SILENCE = 0.5
"""Probability of the phone of silence, the first of every model, from which nobody speaks."""


class LiveShaper:
    """Strengths, emotions and smoothing on streamed rows, and the life of the head. Seals stay sealed against the widest gap so
    far.

    ``names`` are the model's channels, then those that only life has.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        frame_rate: float,
        performance: Performance | None = None,
        life: LiveLife | None = None,
    ) -> None:
        self._spoken = tuple(channel.name for channel in channels)
        if life is not None:
            channels = (*channels, *(one for one in CHANNELS if one.name not in self._spoken))
        self.names = tuple(channel.name for channel in channels)
        self.life = life
        self._regions = {channel.name: channel.region for channel in channels}
        self._rest = {channel.name: channel.rest for channel in channels if channel.rest}
        self._minimum = np.array([channel.minimum for channel in channels], np.float32)
        self._maximum = np.array([channel.maximum for channel in channels], np.float32)
        self._frame_rate = frame_rate
        self.performance = performance or Performance()
        self.emotion: dict[str, float] = {}
        self._widest = _WIDEST_AT_FIRST
        self._smoothed: NDArray[np.float32] | None = None

    def shape(self, rows: StreamedRows) -> NDArray[np.float32]:
        """Return the channels of ``rows`` as the settings want them, ``[row, channel]``."""
        values = rows.channels
        rules = load_expressions()
        if any(self.emotion.values()) and rules.names == self._spoken:
            weights = np.array([self.emotion.get(name, 0.0) for name in rules.emotions], np.float32)
            values = apply_expression(values, np.tile(weights, (len(values), 1)), rows.energy)
        # Smoothing looks to both sides; here it is a lag, applied before seals are looked at.
        steady = replace(self.performance, smoothing_seconds=0.0, region_smoothing={})
        made = np.zeros((len(values), len(self.names)), np.float32)
        for number, row in enumerate(values):
            row = self._smooth(row)
            gap = float(lips.lip_gap(row[None], self._spoken)[0])
            self._widest += _LEARNS * self._widest * ((gap > self._widest) * 0.95 - (0.0 < gap <= self._widest) * 0.05)
            curves = ChannelCurves(self._spoken, self._frame_rate, row[None])
            shaped = apply_performance(curves, steady, self._regions, rest=self._rest, widest_gap=self._widest)
            made[number, : len(self._spoken)] = shaped.values[0]
        if self.life is not None:
            self._live(self.life, made, rows)
        return np.clip(made, self._minimum, self._maximum)

    def _live(self, life: LiveLife, made: NDArray[np.float32], rows: StreamedRows) -> None:
        """Add the life of the head to ``made``."""
        names = load_manners()["emotions"]
        life.emotion = {name: weight for name, weight in self.emotion.items() if name in names and weight > 0.0}
        columns = [self.names.index(channel.name) for channel in CHANNELS]
        strengths = np.array(
            [
                1.0 if channel.name in LITERAL_NAMES else self.performance.region_strengths.get(channel.region, 1.0)
                for channel in CHANNELS
            ],
            np.float32,
        )
        jaw = self.names.index("jawOpen")
        for number in range(len(made)):
            opening = float(rows.channels[number, jaw]) if jaw < len(self._spoken) else 0.0
            lived = life.advance(bool(rows.phones[number, 0] < _SILENCE), opening)
            made[number, columns] += strengths * lived

    def _smooth(self, row: NDArray[np.float32]) -> NDArray[np.float32]:
        seconds = self.performance.smoothing_seconds
        if seconds <= 0.0 or self._smoothed is None:
            self._smoothed = row
            return row
        keeps = np.float32(0.5 ** (1.0 / (self._frame_rate * seconds)))
        self._smoothed = self._smoothed * keeps + row * (1 - keeps)
        return self._smoothed
