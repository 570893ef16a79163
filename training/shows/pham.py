# SPDX-License-Identifier: GPL-3.0-or-later
"""Pham, Wang & Pavlovic, End-to-end Learning for 3D Facial Animation from Raw Waveforms of Speech (arXiv 1710.00920), following
its authors' code: causal convolutions over frequency, then over time, then a recurrent layer over the past.

100 ms of spectra that end at the frame are one step of the recurrent layer, which reads the past up to the frame; nothing
after it is heard (except for the lookahead of a speech model, if its features replace the spectra). Controls are squashed
into their limits, rotations of the head are free.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import RunConfig
from .data import Batch
from .hearing import SPECTRUM_BANDS
from .windows import STRIDE, Front, Prediction, ShowNetwork, Task, take_windows

WIDTHS = (32, 64, 128, 256, 512)
"""Widths of the convolutions over frequency for a recurrent layer of 256, as published; narrower layers have narrower ones."""

_PAST_ROWS = 4
_MEAN_WEIGHT = 0.1


class SpectrumNetwork(nn.Module):
    """:class:`SpectrumRows` -> ``[batch, hidden, row]``.

    Five convolutions over frequency, three over time, each halving, which reduces a row's eight spectra to one, and one over
    this row and the four before it.
    """

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        widths = [1] + [max(4, width * hidden // 256) for width in WIDTHS]
        layers: list[nn.Module] = []
        for before, after in zip(widths, widths[1:]):
            layers += [nn.Conv2d(before, after, (3, 1), stride=(2, 1), padding=(1, 0)), nn.ReLU()]
        self.frequency = nn.Sequential(*layers)
        bands = SPECTRUM_BANDS // 2 ** len(WIDTHS)
        self.time = nn.ModuleList(
            [nn.Conv1d(widths[-1] * (bands if not layer else 1), widths[-1], 2, stride=2) for layer in range(3)]
        )
        self.past = nn.Conv1d(widths[-1], hidden, _PAST_ROWS + 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, rows: Tensor) -> Tensor:
        steps = rows.reshape(rows.shape[0], 1, -1, SPECTRUM_BANDS).transpose(2, 3)
        value = self.frequency(steps).flatten(1, 2)
        for layer in self.time:
            value = torch.relu(layer(value))
        return self.dropout(torch.relu(self.past(nn.functional.pad(value, (_PAST_ROWS, 0)))))


class CausalCnnRnn(ShowNetwork):
    """Causal CNN and RNN.

    The loss is the squared error of each control over its deviation, plus a little for controls that are on at all.
    """

    def __init__(self, config: RunConfig, task: Task) -> None:
        super().__init__(config, task)
        self.front = SpectrumNetwork(config.hidden, config.dropout) if task.from_spectra else Front(
            task.width, config.hidden, config.dropout)  # fmt: skip
        # The first rows of a stretch lack the past of the convolution.
        self.offsets = tuple(range(-self.half * STRIDE, 1, STRIDE))
        self.recurrent = nn.GRU(config.hidden, config.hidden, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        self.last = nn.Linear(config.hidden + task.emotions, len(task.controls))
        self.hidden_width = config.hidden
        free = torch.tensor([float(control.region == "head") for control in task.controls])
        self.register_buffer("free", free, persistent=False)
        self.register_buffer("low", task.low, persistent=False)
        self.register_buffer("span", task.high - task.low, persistent=False)
        self.register_buffer("share", task.share, persistent=False)
        with torch.no_grad():
            # Begin at the mean pose, which is 0 in this scale.
            at_mean = torch.logit((-task.low / (task.high - task.low)).clamp(0.001, 0.999))
            self.last.bias.copy_(at_mean * (1.0 - free))

    @property
    def reach(self) -> int:
        """Number of rows before and after a frame; those after are only read by a speech model's front."""
        return self.half * STRIDE + _PAST_ROWS

    def forward(self, heard: Tensor, emotion: Tensor) -> Prediction:
        _, state = self.recurrent(take_windows(self.front(heard), self.reach, self.offsets))
        hidden = self.dropout(state[0]).reshape(heard.shape[0], -1, self.hidden_width)
        given = self.last(torch.cat([hidden, self.middle(emotion)], dim=2))
        squashed = self.low + self.span * torch.sigmoid(given)
        return Prediction(torch.where(self.free > 0, given, squashed), None, hidden)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        shown = self(batch.heard, batch.emotion).shown
        # Squares of shares of the range over the deviation as a share of the range.
        target = ((shown - batch.shown).square() * self.share).mean()
        on = ((shown - self.low) / self.span * (1.0 - self.free)).mean()
        return {"target": target, "on": _MEAN_WEIGHT * on}
