# SPDX-License-Identifier: GPL-3.0-or-later
"""Audio2Rig (Arcelin & Chaverou, ACM SIGGRAPH DigiPro 2024): a network per face part that learns rig, sound and key placement.

Per region a conditional variational autoencoder learns the poses of the show (controls of one frame <-> latent, under the
frame's emotion), an audio network maps a window of sound around the frame to the latent (convolutions, then recurrent layers
that read towards the frame from both ends), and a key network predicts how likely an animator would set a key there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import RunConfig
from .data import Batch
from .windows import STRIDE, Front, Prediction, ShowNetwork, Task, key_loss, motion_loss, take_windows

_POSE_WIDTH = 48
_KEY_WIDTH = 24
_DIVERGENCE_WEIGHT = 0.01
_LATENT_WEIGHT = 0.1


class PoseAutoencoder(nn.Module):
    """Controls of one frame ``[..., control]`` <-> ``latent``, under ``[..., emotion]``."""

    def __init__(self, controls: int, emotions: int, latent: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(controls + emotions, _POSE_WIDTH), nn.Tanh(), nn.Linear(_POSE_WIDTH, 2 * latent))
        self.bend = nn.Sequential(nn.Linear(latent + emotions, _POSE_WIDTH), nn.Tanh(), nn.Linear(_POSE_WIDTH, controls))
        self.straight = nn.Linear(latent + emotions, controls)

    def encode(self, shown: Tensor, emotion: Tensor) -> tuple[Tensor, Tensor]:
        """Encode controls as mean and logarithm of the variance of the latent."""
        mean, variance = self.encoder(torch.cat([shown, emotion], dim=-1)).chunk(2, dim=-1)
        return mean, variance.clamp(-8.0, 4.0)

    def decode(self, latent: Tensor, emotion: Tensor) -> Tensor:
        """Decode controls from a latent."""
        given = torch.cat([latent, emotion], dim=-1)
        return self.straight(given) + self.bend(given)


class AudioNetwork(nn.Module):
    """Rows heard around every frame -> ``[batch, row, 2 hidden]``: from the past up to the frame, and back from the future."""

    def __init__(self, width: int, hidden: int, half: int, dropout: float) -> None:
        super().__init__()
        self.front = Front(width, hidden, dropout)
        self.past = nn.GRU(hidden, hidden, batch_first=True)
        self.future = nn.GRU(hidden, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.before = tuple(range(-half * STRIDE, 1, STRIDE))
        self.after = tuple(range(half * STRIDE, -1, -STRIDE))

    def forward(self, heard: Tensor, reach: int) -> Tensor:
        rows = self.front(heard)
        _, past = self.past(take_windows(rows, reach, self.before))
        _, future = self.future(take_windows(rows, reach, self.after))
        both = torch.cat([past[0], future[0]], dim=1)
        return self.dropout(both).reshape(heard.shape[0], -1, both.shape[1])


class KeyNetwork(nn.Module):
    """Rows heard around every frame -> how likely a key is, as a logit ``[batch, row, 1]``."""

    def __init__(self, width: int, half: int, dropout: float) -> None:
        super().__init__()
        self.front = Front(width, _KEY_WIDTH, dropout)
        self.spread = nn.Conv1d(_KEY_WIDTH, _KEY_WIDTH, 2 * half + 1, dilation=STRIDE)
        self.last = nn.Conv1d(_KEY_WIDTH, 1, 1)
        self.reach = half * STRIDE

    def forward(self, heard: Tensor, reach: int) -> Tensor:
        rows = self.front(heard)
        beyond = reach - self.reach
        return self.last(torch.relu(self.spread(rows[:, :, beyond : rows.shape[2] - beyond]))).transpose(1, 2)


class RegionNetwork(nn.Module):
    """One face part: its poses, its hearing, its keys."""

    def __init__(self, config: RunConfig, task: Task, columns: list[int], half: int) -> None:
        super().__init__()
        self.columns = columns
        latent = min(config.latent, len(columns))
        self.poses = PoseAutoencoder(len(columns), task.emotions, latent)
        self.audio = AudioNetwork(task.width, config.hidden, half, config.dropout)
        self.to_latent = nn.Linear(2 * config.hidden + task.emotions, latent)
        self.keys = KeyNetwork(task.width, half, config.dropout) if config.keys else None


class Audio2Rig(ShowNetwork):
    """A :class:`RegionNetwork` per face part of the controls."""

    def __init__(self, config: RunConfig, task: Task) -> None:
        super().__init__(config, task)
        order: list[int] = []
        self.parts = nn.ModuleList()
        for region in task.regions:
            columns = [number for number, control in enumerate(task.controls) if control.region == region]
            self.parts.append(RegionNetwork(config, task, columns, self.half))
            order += columns
        self.register_buffer("order", torch.tensor(order).argsort(), persistent=False)
        self.hidden_width = 2 * config.hidden * len(self.parts)
        self.has_keys = config.keys

    def _latents(self, heard: Tensor, emotion: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Compute the audio network's output and the latent of each part."""
        latents: list[tuple[Tensor, Tensor]] = []
        for part in self.parts:
            hidden = part.audio(heard, self.reach)
            latents.append((hidden, part.to_latent(torch.cat([hidden, emotion], dim=2))))
        return latents

    def forward(self, heard: Tensor, emotion: Tensor) -> Prediction:
        now = self.middle(emotion)
        latents = self._latents(heard, now)
        shown = torch.cat([part.poses.decode(latent, now) for part, (_, latent) in zip(self.parts, latents)], dim=2)
        keys = None
        if self.has_keys:
            keys = torch.cat([part.keys(heard, self.reach) for part in self.parts], dim=2)
        return Prediction(shown[:, :, self.order], keys, torch.cat([hidden for hidden, _ in latents], dim=2))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        now = self.middle(batch.emotion)
        share = 1.0 / len(self.task.controls)
        terms = {name: torch.zeros(()) for name in ("target", "motion", "latent", "poses", "divergence")}
        for part, (_, latent) in zip(self.parts, self._latents(batch.heard, now)):
            weight = len(part.columns) * share
            shown = batch.shown[:, :, part.columns]
            error = part.poses.decode(latent, now) - shown
            mean, variance = part.poses.encode(shown, now)
            drawn = mean + torch.randn_like(mean) * (0.5 * variance).exp()
            divergence = 0.5 * (mean.square() + variance.exp() - 1.0 - variance).sum(dim=2).mean() / len(part.columns)
            terms["target"] = terms["target"] + weight * error.square().mean()
            terms["motion"] = terms["motion"] + weight * self.motion_weight * motion_loss(error)
            terms["latent"] = terms["latent"] + weight * _LATENT_WEIGHT * (latent - mean.detach()).square().mean()
            terms["poses"] = terms["poses"] + weight * functional.mse_loss(part.poses.decode(drawn, now), shown)
            terms["divergence"] = terms["divergence"] + weight * _DIVERGENCE_WEIGHT * divergence
        if self.has_keys:
            logits = torch.cat([part.keys(batch.heard, self.reach) for part in self.parts], dim=2)
            terms["keys"] = key_loss(logits, batch.keys)
        return terms
