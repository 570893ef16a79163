# SPDX-License-Identifier: GPL-3.0-or-later
"""The streaming network: 20 ms of sound in, the face of some instants before now out, everything older as state.

A step hears 320 new samples. Two columns of a log-mel spectrum, once unchanged and once without their running mean, go through
three gated recurrent layers (Cho et al. 2014) with a residual path; a head for each look-ahead says phones, contacts and
channels of the instant that lies so far back. A later head has heard more of what follows its instant.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import signal
from torch import Tensor, nn

from .network import mel_filters

STEP = 320
"""Samples of a step, 20 ms."""
WINDOW, SPECTRUM_HOP, FFT = 400, 160, 512
FLOOR = 1e-7
BANDS = 64
COLUMNS = 6
"""Spectrum columns (10 ms) that the first layer sees at a step: the two new ones and four before."""
DELAYS = (0, 3, 6)
"""Look-aheads in steps. Step k, which ends at sample (k + 1) * 320, says row k + 1 - delay of 50 rows a second."""
MEAN_SECONDS = 1.5
"""Time constant of the running mean of the spectrum."""
MEAN_KEEPS = math.exp(-SPECTRUM_HOP / 16_000 / MEAN_SECONDS)
QUIET_LEVEL = -2.5
"""The running mean before any sound: the level of a quiet room."""


@dataclass(frozen=True)
class StreamSize:
    """Everything needed to rebuild the network from its weights."""

    phones: int
    channels: int
    width: int = 192
    layers: int = 3
    head: int = 128

    def as_dict(self) -> dict[str, object]:
        """Convert to plain values for a checkpoint."""
        return asdict(self)


def mel_level(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the level ``[column, BANDS]`` of ``samples``: a quarter of the log-mel power.

    Column c ends at sample 160 (c + 1).
    """
    padded = np.concatenate([np.zeros(WINDOW - SPECTRUM_HOP, np.float32), samples])
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::SPECTRUM_HOP]
    window = np.hanning(WINDOW + 1)[:WINDOW].astype(np.float32)
    power = np.abs(np.fft.rfft(frames * window, FFT)).astype(np.float32) ** 2
    return (np.log(power @ mel_filters(BANDS) + FLOOR) * 0.25).astype(np.float32)


def running_features(level: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the features ``[column, 2 * BANDS]`` of ``level``: itself, and itself without its running mean."""
    start = np.full((1, level.shape[1]), QUIET_LEVEL * MEAN_KEEPS, np.float32)
    mean, _ = signal.lfilter([1.0 - MEAN_KEEPS], [1.0, -MEAN_KEEPS], level, axis=0, zi=start)
    return np.concatenate([level + 2.0, level - mean], axis=1).astype(np.float32)


@dataclass(frozen=True)
class StreamPrediction:
    """What one head says; all ``[batch, step, ...]``."""

    phone_logits: Tensor
    contact_logits: Tensor
    channels: Tensor


class Head(nn.Module):
    """The head of one look-ahead."""

    def __init__(self, size: StreamSize) -> None:
        super().__init__()
        self.size = size
        self.first = nn.Linear(size.width, size.head)
        self.last = nn.Linear(size.head, size.phones + 2 + size.channels)

    def forward(self, value: Tensor) -> StreamPrediction:
        said = self.last(torch.relu(self.first(value)))
        return StreamPrediction(*said.split([self.size.phones, 2, self.size.channels], dim=-1))


class StreamNetwork(nn.Module):
    """Features ``[batch, column, 2 * BANDS]`` (two a step) -> a prediction for each of ``DELAYS``, and the state."""

    def __init__(self, size: StreamSize) -> None:
        super().__init__()
        self.size = size
        self.stem = nn.Linear(COLUMNS * 2 * BANDS, size.width)
        self.stem_norm = nn.LayerNorm(size.width)
        self.layers = nn.ModuleList([nn.GRU(size.width, size.width, batch_first=True) for _ in range(size.layers)])
        self.norms = nn.ModuleList([nn.LayerNorm(size.width) for _ in range(size.layers)])
        self.dropout = nn.Dropout(0.1)
        self.heads = nn.ModuleList([Head(size) for _ in DELAYS])

    def forward(self, features: Tensor, hidden: Tensor | None = None) -> tuple[list[StreamPrediction], Tensor]:
        """Run over steps; ``features`` begin ``COLUMNS - 2`` columns before the first step's own. ``hidden`` is
        ``[layer, batch, width]``, zeros at first."""
        stacked = features.unfold(1, COLUMNS, 2).transpose(2, 3).flatten(2)
        value = torch.relu(self.stem_norm(self.stem(stacked)))
        states: list[Tensor] = []
        for number, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            heard, state = layer(self.dropout(value), None if hidden is None else hidden[number : number + 1])
            value = norm(value + heard)
            states.append(state)
        return [head(value) for head in self.heads], torch.cat(states)
