# SPDX-License-Identifier: GPL-3.0-or-later
"""``animation/face/expression.py`` as tensor operations for the shipped graph. The formula is in that module's docstring."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...animation.face.expression import Expressions, load_expressions
from .network import FRAME_RATE, HOP


class ExpressionRules(nn.Module):
    """Neutral face ``[1, frame, channel]``, emotion weights ``[1, frame, emotion]`` and ``waveform [1, samples]`` ->
    the face with its emotions."""

    def __init__(self, rules: Expressions | None = None) -> None:
        super().__init__()
        self.rules = rules = load_expressions() if rules is None else rules

        def constant(value: np.ndarray) -> Tensor:
            return torch.tensor(value, dtype=torch.float32)

        for name in ("poses", "shapes", "opening", "closing", "minimum", "maximum"):
            self.register_buffer(name, constant(getattr(rules, name)))
        self.register_buffer("gap", constant(rules.gap)[:, None])
        self.reach = round(rules.window_seconds / 2 * FRAME_RATE)

    def energy(self, waveform: Tensor) -> Tensor:
        """Compute the loudness of the voice, 0..1, ``[1, frame, 1]``: ``expression.voice_energy``."""
        power = functional.avg_pool1d(waveform.square()[:, None, :], HOP)
        mean = functional.avg_pool1d(functional.pad(power, (self.reach, self.reach - 1)), 2 * self.reach, stride=1)
        level = 10.0 / np.log(10.0) * torch.log(mean.clamp(min=1e-10))
        rules = self.rules
        return ((level - rules.quiet_db) / (rules.loud_db - rules.quiet_db)).clamp(0.0, 1.0).transpose(1, 2)

    def forward(self, face: Tensor, emotion: Tensor, waveform: Tensor) -> Tensor:
        rules = self.rules
        swell = emotion.clamp(0.0, 1.0) * (rules.least + (1.0 - rules.least) * self.energy(waveform))
        near = ((rules.apart_gap - face @ self.gap) / (rules.apart_gap - rules.near_gap)).clamp(0.0, 1.0)
        speaks = 1.0 - (4.0 * face[..., rules.silent : rules.silent + 1] - 3.0).clamp(0.0, 1.0)
        biting = (1.25 * face[..., rules.biting : rules.biting + 1]).clamp(0.0, 1.0)
        tight = (2.0 * near - 1.0).clamp(0.0, 1.0)
        let = 1.0 - torch.maximum(near * speaks, biting) * self.opening - (1.0 - tight) * self.closing
        moved = swell @ self.poses
        for index, shape in enumerate(self.shapes):
            moved = moved + swell[..., index : index + 1] * (face @ shape)
        return torch.minimum(torch.maximum(face + let * moved, self.minimum), self.maximum)
