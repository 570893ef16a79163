# SPDX-License-Identifier: GPL-3.0-or-later
"""The streaming network: Speech 1 Fast without its future, 20 ms of sound in, the face of an instant shortly before out.

It has the layers of ``network.py`` and begins with their weights, but a layer sees only what has been heard: the taps of its
convolutions that lie ahead are moved to the present, the best guess at what comes next. The look-ahead is spent on the
first layers, which then hear both sides of their instant as before. Level and channel are removed by a running mean in place
of one around each frame.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from .network import mel_filters

STEP = 320
"""Samples of a step, 20 ms."""
WINDOW, SPECTRUM_HOP, FFT = 400, 160, 512
FLOOR = 1e-7
MEAN_SECONDS = 1.5
"""Time constant of the running mean of the spectrum."""
MEAN_KEEPS = math.exp(-SPECTRUM_HOP / 16_000 / MEAN_SECONDS)
QUIET_LEVEL = -2.5
"""The running mean before any sound: the level of a quiet room."""
CONTACT_WIDTH = 64
LOOK_AHEAD_STEPS = {0: (0, ()), 3: (4, (0,)), 6: (4, (0, 1, 5))}
"""By look-ahead in steps: spectrum columns ahead of its row that the first layer hears (of Fast's 4), and the blocks that hear
both sides. Step k, which ends at sample 320 (k + 1), says row k + 1 - look-ahead of 50 rows a second."""
HEADS = ("phone_head", "contact_head", "channel_head", "contact_change", "contact_more")


@dataclass(frozen=True)
class StreamSize:
    """Everything needed to rebuild the network from its weights."""

    phones: int
    channels: int
    look_ahead: int = 3
    width: int = 160
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 1, 2, 4, 8, 16)
    bands: int = 64
    others: tuple[int, ...] = ()
    """Further look-aheads in steps that have heads of their own on the same layers."""

    @property
    def look_aheads(self) -> tuple[int, ...]:
        """All look-aheads in steps, that of the layers first."""
        return (self.look_ahead, *self.others)

    def as_dict(self) -> dict[str, object]:
        """Convert to plain values for a checkpoint."""
        return asdict(self)


def mel_level(samples: NDArray[np.float32], bands: int = 64) -> NDArray[np.float32]:
    """Compute the level ``[column, bands]`` of ``samples``: a quarter of the log-mel power.

    Column c ends at sample 160 (c + 1).
    """
    padded = np.concatenate([np.zeros(WINDOW - SPECTRUM_HOP, np.float32), samples])
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::SPECTRUM_HOP]
    window = np.hanning(WINDOW + 1)[:WINDOW].astype(np.float32)
    power = np.abs(np.fft.rfft(frames * window, FFT)).astype(np.float32) ** 2
    return (np.log(power @ mel_filters(bands) + FLOOR) * 0.25).astype(np.float32)


def running_features(level: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the features ``[column, 2 * bands]`` of ``level``: itself, and itself without its running mean."""
    from scipy import signal

    start = np.full((1, level.shape[1]), QUIET_LEVEL * MEAN_KEEPS, np.float32)
    mean, _ = signal.lfilter([1.0 - MEAN_KEEPS], [1.0, -MEAN_KEEPS], level, axis=0, zi=start)
    return np.concatenate([level + 2.0, level - mean], axis=1).astype(np.float32)


@dataclass(frozen=True)
class StreamPrediction:
    """The network's output for every step; all ``[batch, step, ...]``."""

    features: Tensor
    phone_logits: Tensor
    contact_logits: Tensor
    channels: Tensor


class CausalBlock(nn.Module):
    """A residual block of ``network.DilatedBlock`` that sees two frames before, or one to each side (``ahead``)."""

    def __init__(self, width: int, dilation: int, ahead: bool) -> None:
        super().__init__()
        self.dilation, self.ahead = dilation, ahead
        self.spread = nn.Conv2d(width, width, (1, 3), dilation=(1, dilation), bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.mix = nn.Conv2d(width, width, 1)
        self.dropout = nn.Dropout2d(0.03)

    @property
    def memory(self) -> int:
        """Number of frames that it keeps."""
        return 2 * self.dilation

    def forward(self, value: Tensor) -> Tensor:
        """Map ``[batch, width, 1, frames]`` to ``memory`` frames fewer; with ``ahead`` they are those in the middle."""
        kept = value[..., self.dilation : -self.dilation] if self.ahead else value[..., self.memory :]
        return kept + self.mix(self.dropout(torch.relu(self.norm(self.spread(value)))))


class Heads(nn.Module):
    """Predict a step for one look-ahead: features ``[batch, width, 1, step]`` -> :class:`StreamPrediction`."""

    def __init__(self, size: StreamSize) -> None:
        super().__init__()
        self.phone_head = nn.Conv2d(size.width, size.phones, 1)
        self.contact_head = nn.Conv2d(size.width, 2, 1)
        self.channel_head = nn.Conv2d(size.width, size.channels, (1, 3))
        # A contact shows in how the sound changes; it begins as no more than its linear head.
        self.contact_change = nn.Conv2d(size.width, CONTACT_WIDTH, (1, 3))
        self.contact_more = nn.Conv2d(CONTACT_WIDTH, 2, 1)
        nn.init.zeros_(self.contact_more.weight)
        nn.init.zeros_(self.contact_more.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> StreamPrediction:
        """Say what there is; before the first step there was nothing."""
        seen = functional.pad(features, (2, 0))

        def rows(made: Tensor) -> Tensor:
            return made.squeeze(2).transpose(1, 2)

        return StreamPrediction(
            rows(features),
            rows(self.phone_head(features)),
            rows(self.contact_head(features) + self.contact_more(torch.relu(self.contact_change(seen)))),
            rows(self.channel_head(seen)),
        )


class StreamNetwork(nn.Module):
    """Features ``[batch, 2 * bands, column]`` (two a step) -> :class:`StreamPrediction`; the first frames need what was before.

    Every layer takes frames of its past at the front (``memories``) and returns only frames that are whole. The layers have
    one look-ahead; heads for others say another row from the same sound.
    """

    def __init__(self, size: StreamSize) -> None:
        super().__init__()
        self.size = size
        self.columns_ahead, both = LOOK_AHEAD_STEPS[size.look_ahead]
        self.stem = nn.Conv2d(2 * size.bands, size.width, (1, 6), stride=(1, 2))
        self.trunk = nn.ModuleList(
            [CausalBlock(size.width, dilation, number in both) for number, dilation in enumerate(size.dilations)]
        )
        self.last = nn.Sequential(nn.BatchNorm2d(size.width), nn.ReLU(), nn.Conv2d(size.width, size.width, 1), nn.ReLU())
        self.heads = nn.ModuleDict({str(look_ahead): Heads(size) for look_ahead in size.look_aheads})

    def heads_of(self, look_ahead: int) -> Heads:
        """Return the heads of a look-ahead in steps. Raises KeyError if it has none."""
        return cast(Heads, self.heads[str(look_ahead)])

    @property
    def memories(self) -> list[int]:
        """Frames of its own that each layer keeps: the blocks, and the heads."""
        return [*(block.memory for block in self.trunk), 2]  # type: ignore[union-attr]

    def load_fast(self, weights: Mapping[str, Tensor]) -> None:
        """Begin with the weights of Speech 1 Fast; what its layers would hear ahead, they take from the present."""
        weights = {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
        for number, block in enumerate(self.trunk):
            name = f"trunk.{number}.spread.weight"
            if not block.ahead:
                weights[name] = move_to_present(weights[name])
        weights["channel_head.weight"] = move_to_present(weights["channel_head.weight"])
        if self.columns_ahead < 4:
            stem = weights["stem.weight"]
            # Columns -2 .. 3 about the row; without look-ahead the newest is column -1.
            weights["stem.weight"] = torch.cat(
                [torch.zeros_like(stem[..., :4]), stem[..., :1], stem[..., 1:].sum(-1, keepdim=True)], dim=-1
            )
        named = name_heads(
            {name: value for name, value in weights.items() if not name.startswith("speech_features")}, self.size
        )
        self.load_state_dict(self.state_dict() | named)

    def hear(self, features: Tensor) -> Tensor:
        """Run the layers over a stretch of sound whose past is silence of zeros: ``[batch, width, 1, step]`` for heads."""
        value = self.stem(functional.pad(features.unsqueeze(2), (4, 0)))
        for block in self.trunk:
            value = block(functional.pad(value, (block.memory, 0)))  # type: ignore[operator]
        return self.last(value)

    def forward(self, features: Tensor) -> StreamPrediction:
        """Say what the layers' own look-ahead shows, as in a stream that has just begun."""
        return self.heads_of(self.size.look_ahead)(self.hear(features))


def name_heads(weights: Mapping[str, Tensor], size: StreamSize) -> dict[str, Tensor]:
    """Name the heads of weights that have one set of them as this network does, every look-ahead beginning with that set."""
    named: dict[str, Tensor] = {}
    for name, value in weights.items():
        if name.split(".")[0] in HEADS:
            named |= {f"heads.{look_ahead}.{name}": value for look_ahead in size.look_aheads}
        else:
            named[name] = value
    return named


def load_average(network: StreamNetwork, average: Mapping[str, Tensor]) -> None:
    """Load averaged weights; further look-aheads begin with the heads there are. Raises ValueError for another network."""
    weights = {name: value.float() if value.is_floating_point() else value for name, value in average.items()}
    named = name_heads(weights, network.size)
    own = f"heads.{network.size.look_ahead}."
    for look_ahead in network.size.others:
        for name in [name for name in named if name.startswith(own)]:
            named.setdefault(f"heads.{look_ahead}.{name.removeprefix(own)}", named[name])
    missing, unknown = network.load_state_dict(named, strict=False)
    if missing or unknown:
        raise ValueError(f"the weights are of another network ({', '.join([*missing, *unknown])})")


def move_to_present(kernel: Tensor) -> Tensor:
    """Turn taps (-1, 0, +1) of a kernel into (-2, -1, 0), what was ahead on the present."""
    before, now, ahead = kernel.split(1, dim=-1)
    return torch.cat([torch.zeros_like(before), before, now + ahead], dim=-1)
