# SPDX-License-Identifier: GPL-3.0-or-later
"""Tian et al., Audio2Face: Generating Speech/Face Animation from Single Audio with Attention-Based Bidirectional LSTM
(arXiv 1905.11142): MFCCs of a window around the frame -> BiLSTM -> attention over the window -> controls, trained on the
target and on smoothness."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .config import RunConfig
from .data import Batch
from .hearing import MEL_BANDS
from .windows import STRIDE, Front, Prediction, ShowNetwork, Task, motion_loss, take_windows

COEFFICIENTS = 13


class CepstralRows(nn.Module):
    """:class:`MelRows` -> mel-frequency cepstral coefficients.

    The discrete cosine transform of each column's levels, with and without their mean over time; 4 x 13 wide.
    """

    def __init__(self) -> None:
        super().__init__()
        band = (torch.arange(MEL_BANDS) + 0.5) / MEL_BANDS
        cosines = torch.cos(math.pi * band[:, None] * torch.arange(COEFFICIENTS)) * math.sqrt(2.0 / MEL_BANDS)
        self.register_buffer("cosines", cosines, persistent=False)

    def forward(self, rows: Tensor) -> Tensor:
        columns = rows.reshape(rows.shape[0], -1, 4, MEL_BANDS) @ self.cosines
        return columns.reshape(rows.shape[0], -1, 4 * COEFFICIENTS)


class AttentionBiLstm(ShowNetwork):
    """Attention weighs the steps of the window by the output of the BiLSTM."""

    def __init__(self, config: RunConfig, task: Task) -> None:
        super().__init__(config, task)
        self.cepstra = CepstralRows() if task.from_spectra else nn.Identity()
        self.front = Front(4 * COEFFICIENTS if task.from_spectra else task.width, config.hidden, config.dropout)
        self.offsets = tuple(range(-self.half * STRIDE, self.half * STRIDE + 1, STRIDE))
        self.recurrent = nn.LSTM(config.hidden, config.hidden, batch_first=True, bidirectional=True)
        self.attention = nn.Linear(2 * config.hidden, 1)
        self.dropout = nn.Dropout(config.dropout)
        self.last = nn.Linear(2 * config.hidden + task.emotions, len(task.controls))
        self.hidden_width = 2 * config.hidden

    def forward(self, heard: Tensor, emotion: Tensor) -> Prediction:
        windows = take_windows(self.front(self.cepstra(heard)), self.reach, self.offsets)
        steps, _ = self.recurrent(windows)
        weighed = (torch.softmax(self.attention(steps), dim=1) * steps).sum(dim=1)
        hidden = self.dropout(weighed).reshape(heard.shape[0], -1, self.hidden_width)
        return Prediction(self.last(torch.cat([hidden, self.middle(emotion)], dim=2)), None, hidden)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        error = self(batch.heard, batch.emotion).shown - batch.shown
        return {"target": error.square().mean(), "smoothness": self.motion_weight * motion_loss(error)}
