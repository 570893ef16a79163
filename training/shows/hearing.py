# SPDX-License-Identifier: GPL-3.0-or-later
"""The hearing of the networks, 50 rows a second: a speech model's features, or spectra alone.

Each kind is a module from the waveform ``[batch, samples]`` (a multiple of 320) to ``[batch, row, width]``. It fills the
cache before training and begins the exported graph, so that both hear the same.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..speech.network import FRAME_RATE, HOP, SAMPLE_RATE, SpeechFeatures

MEL_BANDS = 64
SPECTRUM_BANDS = 128
SPECTRUM_STEPS = 8
"""Spectra per row: a hop of 2.5 ms; Pham et al. have 2.9 ms at 44.1 kHz."""

_SPECTRUM_POINTS = 256
_FLOOR = 1e-7


class MelRows(nn.Module):
    """Log-mel energies (:class:`SpeechFeatures`), the two columns of a row beside each other: 4 x 64 wide."""

    width = 4 * MEL_BANDS
    reach_seconds = 1.05
    """Its mean over time is over a second to each side."""

    def __init__(self) -> None:
        super().__init__()
        self.features = SpeechFeatures(MEL_BANDS, 1.0)

    def forward(self, waveform: Tensor) -> Tensor:
        columns = self.features(waveform).transpose(1, 2)
        return columns.reshape(columns.shape[0], -1, self.width)


class SpectrumRows(nn.Module):
    """Log spectra of 256 points that end at the row's instant and before it (causal): 8 x 128 wide, the latest last."""

    width = SPECTRUM_STEPS * SPECTRUM_BANDS
    reach_seconds = _SPECTRUM_POINTS / SAMPLE_RATE + 1.0 / FRAME_RATE

    def __init__(self) -> None:
        super().__init__()
        window = torch.hann_window(_SPECTRUM_POINTS)
        # The constant part says nothing of a voice: points 1 to 128.
        phase = 2.0 * math.pi * torch.arange(1, SPECTRUM_BANDS + 1)[:, None] * torch.arange(_SPECTRUM_POINTS) / _SPECTRUM_POINTS
        self.register_buffer("basis", (torch.cat([torch.cos(phase), torch.sin(phase)]) * window)[:, None])

    def forward(self, waveform: Tensor) -> Tensor:
        hop = HOP // SPECTRUM_STEPS
        # The last of a row's spectra ends just before the row's instant, which is that of its sample 0.
        padded = functional.pad(waveform, (_SPECTRUM_POINTS + HOP - hop, 0))[:, : waveform.shape[1] + _SPECTRUM_POINTS - hop]
        spectrum = functional.conv1d(padded[:, None], self.basis, stride=hop)
        power = spectrum.square().reshape(spectrum.shape[0], 2, SPECTRUM_BANDS, -1).sum(1)
        level = torch.log(power + _FLOOR).transpose(1, 2) * 0.25
        return level.reshape(level.shape[0], -1, self.width)
