# SPDX-License-Identifier: GPL-3.0-or-later
"""The common base of the three networks: each frame has its own window of rows, so a model's memory is finite.

A recurrent layer over a whole sound would remember forever, and its output would depend on where the sound is cut. Here it runs
through the window of one frame and restarts at the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...animation.face.channels import Channel
from ..speech.network import FRAME_RATE
from .config import RunConfig
from .data import Batch, Scaling, regions_of

FRONT_ROWS = 2
"""Rows that the convolution of :class:`Front` sees on each side."""

STRIDE = 2
"""Every second row of a window is read: neighbouring rows are almost equal, and it halves the time."""


@dataclass(frozen=True)
class Task:
    """The task of a network.

    ``width`` columns heard (spectra, if ``from_spectra``) and ``emotions`` become standardised ``controls``, whose limits in
    that scale are ``low`` and ``high`` and whose deviation is a ``share`` of their range.
    """

    width: int
    emotions: int
    controls: tuple[Channel, ...]
    from_spectra: bool
    low: Tensor
    high: Tensor
    share: Tensor

    @classmethod
    def of(cls, width: int, emotions: int, controls: tuple[Channel, ...], from_spectra: bool, scaling: Scaling) -> Task:
        """Make a task with the limits in the scale of the learned rows."""
        mean, deviation = torch.from_numpy(scaling.shown_mean), torch.from_numpy(scaling.shown_deviation)
        minimum = torch.tensor([control.minimum for control in controls])
        maximum = torch.tensor([control.maximum for control in controls])
        return cls(
            width, emotions, controls, from_spectra,
            (minimum - mean) / deviation, (maximum - mean) / deviation, deviation / (maximum - minimum),
        )  # fmt: skip

    @property
    def regions(self) -> tuple[str, ...]:
        """The face parts of the controls, in order."""
        return regions_of(self.controls)


class Prediction(NamedTuple):
    """The output of a network.

    ``shown`` is standardised ``[batch, row, control]``, ``keys`` are logits ``[batch, row, region]`` or None, and ``hidden`` is
    the last layer but one, ``[batch, row, width]``.
    """

    shown: Tensor
    keys: Tensor | None
    hidden: Tensor


class ShowNetwork(nn.Module):
    """A network of a show.

    ``reach`` is the number of rows that it hears before and after a frame; heard and emotion have that many more rows on both
    sides than the output.
    """

    hidden_width: int
    has_keys = False

    def __init__(self, config: RunConfig, task: Task) -> None:
        super().__init__()
        self.task = task
        self.half = max(1, round(config.reach_seconds * FRAME_RATE / STRIDE))
        self.motion_weight = config.motion_weight

    @property
    def reach(self) -> int:
        """Number of rows before and after a frame."""
        return self.half * STRIDE + FRONT_ROWS

    def forward(self, heard: Tensor, emotion: Tensor) -> Prediction:
        """Predict from standardised ``heard`` ``[batch, row + 2 reach, width]`` and ``emotion`` ``[batch, row + 2 reach,
        emotion]``."""
        raise NotImplementedError

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the loss as terms to be added up."""
        raise NotImplementedError

    def middle(self, rows: Tensor) -> Tensor:
        """Remove the reach on both sides of ``rows``."""
        return rows[:, self.reach : rows.shape[1] - self.reach]


class Front(nn.Module):
    """The convolutions before a recurrent layer: ``[batch, row, width]`` -> ``[batch, hidden, row]``.

    The outermost ``FRONT_ROWS`` rows on both sides are wrong and must not be used.
    """

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(dropout / 2), nn.Conv1d(width, hidden, 1), nn.ReLU(),
            nn.Conv1d(hidden, hidden, 2 * FRONT_ROWS + 1, padding=FRONT_ROWS), nn.ReLU(), nn.Dropout(dropout),
        )  # fmt: skip

    def forward(self, rows: Tensor) -> Tensor:
        return self.layers(rows.transpose(1, 2))


def take_windows(rows: Tensor, reach: int, offsets: Sequence[int]) -> Tensor:
    """Take the rows at ``offsets`` from every frame: ``[batch, hidden, row + 2 reach]`` -> ``[batch * row, offset,
    hidden]``."""
    count = rows.shape[2] - 2 * reach
    # Not unfold: the length of the sound is variable in the exported graph.
    windows = torch.stack([rows[:, :, reach + offset : reach + offset + count] for offset in offsets], dim=3)
    return windows.permute(0, 2, 3, 1).reshape(-1, len(offsets), rows.shape[1])


def motion_loss(error: Tensor) -> Tensor:
    """Compute the mean square of the error in speed, ``[batch, row, control]``."""
    return (error[:, 1:] - error[:, :-1]).square().mean()


def key_loss(logits: Tensor, keys: Tensor) -> Tensor:
    """Compute the cross-entropy against the share of controls with a key; because keys are rare, their rows count more."""
    weight = 1.0 + 3.0 * keys
    return (functional.binary_cross_entropy_with_logits(logits, keys, reduction="none") * weight).mean()
