# SPDX-License-Identifier: GPL-3.0-or-later
"""The large ear: Whisper's encoder on windows of a fixed grid, heads on top; raw waveform in, 50 frames a second out.

Whisper hears 30 s at once, with positions counted from the window's start and a level floor hung on the window's
maximum. A model that runs over sound of any length, and over a part of it again, must not depend on either: here
the level is taken from some seconds around each frame, and attention spans windows of 7 s that begin every 6 s of the
sound and fade into each other over the second that they share. The runtime begins its runs on that grid
(``grid_seconds`` of model.json), so a window always holds the same sound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from .network import FRAME_RATE, HOP, SAMPLE_RATE, DilatedBlock, Prediction

BANDS, WIDTH, HEADS, LAYERS = 80, 384, 6, 4
"""Whisper tiny's sizes."""
_WINDOW, _SPECTRUM_HOP = 400, 160

TUNED = LAYERS
"""Layers at the end of the encoder that may be trained, and so are not computed beforehand."""
GRID = 300
"""Frames from one attention window to the next."""
SHARED = 50
"""Frames that neighbouring windows share, over which one fades into the other."""
SPAN = GRID + SHARED
NEAR = 200
"""Spectrum columns (10 ms) to both sides among which the loudest sets the level."""
SOFT = 100
"""Spectrum columns to both sides over which that level is averaged."""
LEVEL_REACH = math.ceil((NEAR + SOFT + 6) / 2)
"""Frames to both sides that affect the spectrum's level and Whisper's convolutions."""
HEAD_REACH = 52
"""Frames to both sides that affect heads and rules, at most (the export checks it)."""
BEFORE = LEVEL_REACH + SHARED + HEAD_REACH
AFTER = LEVEL_REACH + SPAN - SHARED - HEAD_REACH
"""Frames of sound required before and after the wanted ones; the first of them begins a grid step."""
_QUIETEST = -2.0
"""log10 of the mel power under which a level is not raised further: white noise at about -40 dB of full scale."""


def slaney_filters() -> NDArray[np.float32]:
    """Return Whisper's mel filters ``[spectrum bins, bands]``: Slaney's scale and area norm, 0 to 8 kHz."""

    def mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(hertz < 1000, hertz * 3 / 200, 15 + np.log(np.maximum(hertz, 1e-9) / 1000) / (np.log(6.4) / 27))

    def hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((np.log(6.4) / 27) * (mels - 15)))

    edges = hertz(np.linspace(0.0, float(mel(np.array(SAMPLE_RATE / 2.0))), BANDS + 2))
    bins = np.arange(_WINDOW // 2 + 1) * SAMPLE_RATE / _WINDOW
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    filters = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return filters.T.astype(np.float32)


class EarFeatures(nn.Module):
    """Whisper's log-mel spectrum ``[batch, samples]`` -> ``[batch, bands, samples / 160]``, its level a local one."""

    def __init__(self) -> None:
        super().__init__()
        window = np.hanning(_WINDOW + 1)[:_WINDOW]
        phase = 2.0 * math.pi * np.arange(_WINDOW // 2 + 1)[:, None] * np.arange(_WINDOW)[None, :] / _WINDOW
        basis = np.concatenate([np.cos(phase), -np.sin(phase)]) * window
        self.register_buffer("basis", torch.tensor(basis[:, None, :], dtype=torch.float32), persistent=False)
        self.register_buffer("filters", torch.tensor(slaney_filters().T[None]), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        padded = functional.pad(waveform, (_WINDOW // 2, _WINDOW // 2 - _SPECTRUM_HOP))
        real, imaginary = functional.conv1d(padded[:, None, :], self.basis, stride=_SPECTRUM_HOP).chunk(2, dim=1)
        power = torch.matmul(self.filters, real * real + imaginary * imaginary)
        level = torch.log(power.clamp(min=1e-10)) * (1.0 / math.log(10.0))
        loudest = level.amax(dim=1, keepdim=True).clamp(min=_QUIETEST)
        loudest = functional.max_pool1d(functional.pad(loudest, (NEAR, NEAR), value=_QUIETEST), 2 * NEAR + 1, stride=1)
        loudest = functional.avg_pool1d(functional.pad(loudest, (SOFT, SOFT), value=_QUIETEST), 2 * SOFT + 1, stride=1)
        # Whisper's own scale, (log10 + 4) / 4, for a sound whose loudest band stands at 1.5.
        return ((level - loudest).clamp(min=-8.0) + 5.5) * 0.25


class Attention(nn.Module):
    """A layer of Whisper's encoder, ``[window, frame, width]`` in and out."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(WIDTH)
        self.query_key_value = nn.Linear(WIDTH, 3 * WIDTH)
        self.mix = nn.Linear(WIDTH, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.widen = nn.Linear(WIDTH, 4 * WIDTH)
        self.narrow = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, value: Tensor) -> Tensor:
        frames, size = value.shape[1], WIDTH // HEADS
        query, key, heard = self.query_key_value(self.attention_norm(value)).chunk(3, dim=2)

        def split(part: Tensor) -> Tensor:
            return part.reshape(-1, frames, HEADS, size).transpose(1, 2)

        share = torch.softmax(torch.matmul(split(query), split(key).transpose(2, 3)) * size**-0.5, dim=-1)
        value = value + self.mix(torch.matmul(share, split(heard)).transpose(1, 2).reshape(-1, frames, WIDTH))
        return value + self.narrow(functional.gelu(self.widen(self.norm(value))))


class Ear(nn.Module):
    """Whisper's encoder, by windows."""

    def __init__(self) -> None:
        super().__init__()
        self.features = EarFeatures()
        self.first = nn.Conv1d(BANDS, WIDTH, 3, padding=1)
        self.second = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.position = nn.Parameter(torch.zeros(SPAN, WIDTH), requires_grad=False)
        self.layers = nn.ModuleList([Attention() for _ in range(LAYERS)])
        self.norm = nn.LayerNorm(WIDTH)
        rise = (torch.arange(SHARED) + 0.5) / SHARED
        self.register_buffer("rise", rise[None, :, None], persistent=False)

    def load_whisper(self, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        """Load Whisper's weights, as read by ``whisper.read_encoder``."""

        def take(module: nn.Module, name: str, weight: str = "weight", bias: str = "bias") -> None:
            module.weight.data = torch.tensor(arrays[f"{name}/{weight}"])  # type: ignore[assignment]
            module.bias.data = torch.tensor(arrays[f"{name}/{bias}"])  # type: ignore[assignment]

        take(self.first, "conv1")
        take(self.second, "conv2")
        self.position.data = torch.tensor(arrays["position_encodings/encodings"][:SPAN])
        for number, layer in enumerate(self.layers):
            name = f"layer_{number}"
            take(layer.attention_norm, f"{name}/self_attention/layer_norm", "gamma", "beta")  # type: ignore[arg-type]
            take(layer.query_key_value, f"{name}/self_attention/linear_0")  # type: ignore[arg-type]
            take(layer.mix, f"{name}/self_attention/linear_1")  # type: ignore[arg-type]
            take(layer.norm, f"{name}/ffn/layer_norm", "gamma", "beta")  # type: ignore[arg-type]
            take(layer.widen, f"{name}/ffn/linear_0")  # type: ignore[arg-type]
            take(layer.narrow, f"{name}/ffn/linear_1")  # type: ignore[arg-type]
        take(self.norm, "layer_norm", "gamma", "beta")

    def hear(self, waveform: Tensor) -> Tensor:
        """Compute what the tuned layers are given from ``[1, samples]``, ``[window, SPAN, width]``."""
        value = functional.gelu(self.first(self.features(waveform)))
        value = functional.gelu(self.second(value))[0].transpose(0, 1)
        frames = value.shape[0]
        count = torch.as_tensor((frames - LEVEL_REACH - SHARED) // GRID).clamp(min=1)
        at = LEVEL_REACH + GRID * torch.arange(count)[:, None] + torch.arange(SPAN)[None, :]
        windows = value[at.clamp(max=frames - 1).flatten()].reshape(-1, SPAN, WIDTH) + self.position
        for layer in self.layers[: LAYERS - TUNED]:
            windows = layer(windows)
        return windows

    def finish(self, windows: Tensor) -> Tensor:
        """Stack the last layer's frames with those of the one before, windows faded into one, ``[1, 2 * width, frames]``."""
        for layer in self.layers[LAYERS - TUNED : -1]:
            windows = layer(windows)
        last = self.norm(self.layers[-1](windows))
        both = torch.cat([functional.layer_norm(windows, (WIDTH,)), last], dim=2)
        tail = torch.cat([both[:1, :SHARED], both[:-1, GRID:]])
        head = both[:, :SHARED] * self.rise + tail * (1.0 - self.rise)
        return torch.cat([head, both[:, SHARED:GRID]], dim=1).reshape(1, -1, 2 * WIDTH).transpose(1, 2)


class EarNetwork(nn.Module):
    """Waveform ``[1, samples]`` (a multiple of 320) -> :class:`Prediction` and effort, on the ear's frames."""

    def __init__(self, phones: int, channels: int, width: int = 192, dilations: tuple[int, ...] = (1, 2, 4)) -> None:
        super().__init__()
        self.width, self.dilations = width, dilations
        self.ear = Ear()
        # Whisper's numbers differ in size by a factor of a hundred.
        self.stem = nn.Sequential(nn.BatchNorm2d(2 * WIDTH), nn.Conv2d(2 * WIDTH, width, 1))
        self.trunk = nn.Sequential(*[DilatedBlock(width, dilation, 0.05) for dilation in dilations])
        self.last = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 1), nn.ReLU())
        self.phone_head = nn.Conv2d(width, phones, 1)
        self.contact_head = nn.Conv2d(width, 2, 1)
        self.channel_head = nn.Conv2d(width, channels, (1, 3), padding=(0, 1))
        self.effort_head = nn.Sequential(nn.BatchNorm2d(2 * WIDTH), nn.Dropout2d(0.3), nn.Conv2d(2 * WIDTH, 1, 1))

    @property
    def context_seconds(self) -> float:
        """How far to each side of a frame the heads see, beyond the ear."""
        return (sum(self.dilations) + 1) / FRAME_RATE

    def forward(self, waveform: Tensor) -> tuple[Prediction, Tensor]:
        return self.decide(self.ear.finish(self.ear.hear(waveform)), waveform.shape[1] // HOP)

    def decide(self, heard: Tensor, frames: int | None = None) -> tuple[Prediction, Tensor]:
        """Apply the heads to ``heard`` ``[1, 2 * WIDTH, frames]``; with ``frames``, at the sound's frames."""
        if frames is not None:
            heard = functional.pad(heard, (LEVEL_REACH, BEFORE + AFTER))[:, :, :frames]
        value = heard.unsqueeze(2)
        features = self.last(self.trunk(self.stem(value)))

        def rows(made: Tensor) -> Tensor:
            return made.squeeze(2).transpose(1, 2)

        prediction = Prediction(
            features=rows(features),
            phone_logits=rows(self.phone_head(features)),
            contact_logits=rows(self.contact_head(features)),
            channels=rows(self.channel_head(features)),
        )
        return prediction, rows(self.effort_head(value))
