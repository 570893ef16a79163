# SPDX-License-Identifier: GPL-3.0-or-later
"""Diffusion: a network that draws performances of a show's controls, in place of the one mean performance of a regression.

It is trained to tell the controls from controls with noise (x0-prediction; Ho et al. 2020, Salimans & Ho 2022) under what is
heard, what Fit regresses from it, emotions, and style: how much more the animation moves than the regression. Sound and style
are left out of some stretches, so that each can be guided separately (Ho & Salimans 2021); some rows are given without noise,
so that pinned poses are approached smoothly. It is a stack of gated dilated convolutions (van den Oord et al. 2016): a row
depends on at most ``spread_rows`` rows to each side, so a sound of any length is drawn in pieces without seams
(inference/diffusion.py).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ...errors import ShowError
from ...inference.diffusion import STYLES
from ...learning.fit import Fit, predict
from ..speech.network import FRAME_RATE
from .config import RunConfig
from .data import Batch, Clip, Material, Scaling, Split
from .windows import STRIDE, Prediction, ShowNetwork, Task, motion_loss

_DILATIONS = (1, 2, 4, 8, 16, 1, 4, 16)
_STYLE_SECONDS = 2.0
_STYLE_FLOOR = 0.1
_FREQUENCIES = 16
_PINNED_SHARE = 0.4
_MOST_PINS = 6
_TAP_ROWS = 8
_MOST_GAIN = 2.0


class _Block(nn.Module):
    """A gated dilated convolution with a residual and a skip connection; ``[batch, width, row]``."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.spread = nn.Conv1d(width, 2 * width, 3, padding=dilation, dilation=dilation)
        self.given = nn.Conv1d(width, 2 * width, 1)
        self.level = nn.Linear(width, 2 * width)
        self.out = nn.Conv1d(width, 2 * width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, rows: Tensor, given: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        mixed = self.spread(self.dropout(rows)) + self.given(given) + self.level(level)[:, :, None]
        gate, value = mixed.chunk(2, dim=1)
        out, skip = self.out(torch.sigmoid(gate) * torch.tanh(value)).chunk(2, dim=1)
        return (rows + out) * math.sqrt(0.5), skip


class Diffusion(ShowNetwork):
    """The denoiser. Columns heard are the trunk's and, last, the controls that Fit regresses (:func:`add_fitted`).

    In the scale of the network controls have mean 0 and deviation 1.
    """

    def __init__(self, config: RunConfig, task: Task) -> None:
        super().__init__(config, task)
        self.controls = len(task.controls)
        width = 2 * config.hidden
        self.heard = nn.Sequential(
            nn.Dropout(config.dropout / 2),
            nn.Conv1d(task.width - self.controls, width, 1),
            nn.SiLU(),
            nn.Dropout(config.dropout),
        )
        self.fitted = nn.Conv1d(self.controls, width, 1)
        self.felt = nn.Conv1d(task.emotions + len(STYLES), width, 1)
        self.kept = nn.Linear(2, width)
        self.mixed = nn.Conv1d(width, width, 5, padding=2)
        self.level = nn.Sequential(nn.Linear(2 * _FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.rows = nn.Conv1d(3 * self.controls, width, 1)
        self.blocks = nn.ModuleList([_Block(width, dilation, config.dropout / 3) for dilation in _DILATIONS])
        self.last = nn.Sequential(nn.SiLU(), nn.Conv1d(width, width, 1), nn.SiLU(), nn.Conv1d(width, self.controls, 1))
        self.left_out = config.left_out
        self.hidden_width = width
        self.register_buffer("style_mean", torch.zeros(len(STYLES)))
        self.register_buffer("style_deviation", torch.ones(len(STYLES)))
        self.register_buffer("frequencies", torch.exp(torch.linspace(0.0, math.log(200.0), _FREQUENCIES)))

    @property
    def reach(self) -> int:
        """Stretches are long enough to be learned without rows around them."""
        return 0

    @property
    def spread_rows(self) -> int:
        """Number of rows to each side that a row depends on."""
        return sum(_DILATIONS) + 2

    def denoise(
        self, noisy: Tensor, known: Tensor, mask: Tensor, level: Tensor, heard: Tensor, felt: Tensor, kept: Tensor
    ) -> Tensor:
        """Return the controls without noise, ``[batch, row, control]``.

        ``noisy`` is cos(``level``) x controls + sin(``level``) x noise, with ``level`` ``[batch]`` in 0..pi/2; ``known`` are
        the controls where ``mask`` is 1; ``felt`` are emotions and styles; ``kept`` ``[batch, 2]`` is 1 where sound and style
        are given.
        """
        sound, style = kept[:, 0, None, None], kept[:, 1, None, None]
        heard, felt = heard.transpose(1, 2), felt.transpose(1, 2)
        given = self.heard(heard[:, : -self.controls]) + self.fitted(heard[:, -self.controls :])
        given = self.mixed(given * sound + self.felt(felt) * style + self.kept(kept)[:, :, None])
        angles = level[:, None] * self.frequencies
        embedded = self.level(torch.cat([torch.sin(angles), torch.cos(angles)], dim=1))
        rows = self.rows(torch.cat([noisy, known * mask, mask], dim=2).transpose(1, 2))
        total = torch.zeros_like(rows)
        for block in self.blocks:
            rows, skip = block(rows, given, embedded)
            total = total + skip
        return self.last(total * math.sqrt(1.0 / len(self.blocks))).transpose(1, 2)

    def forward(self, heard: Tensor, emotion: Tensor) -> Prediction:
        """Return the mean performance: the controls that are told from noise alone, under the style of the show."""
        shape = (heard.shape[0], heard.shape[1], self.controls)
        nothing = torch.zeros(shape, device=heard.device)
        felt = torch.cat([emotion, torch.zeros((*shape[:2], len(STYLES)), device=heard.device)], dim=2)
        level = torch.full(shape[:1], math.pi / 2, device=heard.device)
        kept = torch.ones((shape[0], 2), device=heard.device)
        shown = self.denoise(nothing, nothing, nothing, level, heard, felt, kept)
        return Prediction(shown, None, shown)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the errors in position and speed at random levels of noise."""
        shown = batch.shown
        device = shown.device
        count, rows, controls = shown.shape
        # More of the levels are noisy, where few steps of sampling decide what is drawn.
        level = 0.5 * math.pi * torch.sqrt(torch.rand(count, device=device).clamp_min(1e-6))
        noise = torch.randn_like(shown)
        noisy = torch.cos(level)[:, None, None] * shown + torch.sin(level)[:, None, None] * noise
        mask = _draw_pins(count, rows, controls, device)
        fitted = batch.heard[:, :, -controls:]
        style = (measure_style(shown, fitted) - self.style_mean) / self.style_deviation
        felt = torch.cat([batch.emotion, style], dim=2)
        kept = (torch.rand(count, 2, device=device) >= self.left_out).float()
        made = self.denoise(noisy, shown, mask, level, batch.heard, felt, kept)
        error = (made - shown) * (1.0 - mask)
        return {"target": error.square().mean(), "motion": self.motion_weight * 4.0 * motion_loss(error)}

    def measure(self, material: Material, split: Split, scaling: Scaling) -> None:
        """Measure mean and deviation of the styles of the learned rows."""
        found: list[Tensor] = []
        controls = self.controls
        for number, first, last in split.learned:
            clip = material.copies[0][number]
            shown = (clip.shown[first:last] - scaling.shown_mean) / scaling.shown_deviation
            heard = (clip.heard[first:last].astype(np.float32) - scaling.heard_mean) / scaling.heard_deviation
            fitted = torch.from_numpy(heard[:, -controls:])
            found.append(measure_style(torch.from_numpy(shown)[None], fitted[None])[0])
        styles = torch.cat(found)
        self.style_mean.copy_(styles.mean(dim=0))
        self.style_deviation.copy_(styles.std(dim=0).clamp_min(1e-3))


_BANDS_HERTZ = ((0.3, 2.0), (2.0, 5.0), (5.0, 10.0))
_SIZES, _SPEEDS = (0.0, 0.5, 1.0, 1.5, 2.0), (0.0, 1.0, 2.0, 3.0)
_LEAST_ROWS, _MOST_ROWS = 500, 4000
"""Rows that styles are calibrated on."""


def calibrate_styles(network: Diffusion, material: Material, split: Split, scaling: Scaling, steps: int) -> Tensor:
    """Find the styles ``[STYLES]`` under which drawn takes move as far and as fast as the show's, in deviations.

    A network that is stopped early draws too little of what the sound does not determine, above all of what is fast. Held-out
    rows, learned ones where these are few, are drawn under each of a grid of styles; those are chosen whose speed comes nearest
    to the power of the real one in three bands.
    """
    parts = split.held_out if sum(last - first for _, first, last in split.held_out) >= _LEAST_ROWS else split.learned
    clips: list[tuple[Tensor, Tensor, NDArray[np.float64]]] = []
    left = _MOST_ROWS
    for number, first, last in sorted(parts, key=lambda part: part[1] - part[2]):
        clip, last = material.copies[0][number], min(last, first + left)
        if last - first < 2 * _FREQUENCIES:
            continue
        left -= last - first
        heard = torch.from_numpy((clip.heard[first:last].astype(np.float32) - scaling.heard_mean) / scaling.heard_deviation)
        shown = (clip.shown[first:last] - scaling.shown_mean) / scaling.shown_deviation
        clips.append((heard[None], torch.from_numpy(clip.emotion[first:last])[None], _band_powers(shown)))
    best, usual = math.inf, torch.zeros(len(STYLES))
    for size in _SIZES if clips else ():
        for speed in _SPEEDS:
            styles, error = torch.tensor([size, speed]), 0.0
            for heard, emotion, real in clips:
                drawn = _draw(network, heard, emotion, styles, steps)
                error += float(np.square(np.log((_band_powers(drawn) + 1e-6) / (real + 1e-6))).sum()) * heard.shape[1]
            if error < best:
                best, usual = error, styles
    return usual


def find_row_taps(show_rate: float) -> list[float]:
    """Find the symmetric filter of drawn rows that undoes, on average, what laying a show on rows by straight lines took.

    Straight lines between ``show_rate`` frames a second pass sinc(f / rate)^2 of the amplitude at f Hz.
    """
    hertz = np.fft.rfftfreq(16 * _TAP_ROWS, STRIDE / FRAME_RATE)
    taps = np.fft.irfft(np.minimum(1.0 / np.maximum(np.sinc(hertz / show_rate) ** 2, 1e-3), _MOST_GAIN))
    taps = np.roll(taps, _TAP_ROWS)[: 2 * _TAP_ROWS + 1] * np.hanning(2 * _TAP_ROWS + 3)[1:-1]
    return [round(tap, 6) for tap in (taps / taps.sum()).tolist()]


def _draw(network: Diffusion, heard: Tensor, emotion: Tensor, styles: Tensor, steps: int) -> NDArray[np.float32]:
    """Draw one take of standardised controls ``[row, control]`` by DDIM, as inference/diffusion.py does without guidance."""
    rows = heard.shape[1]
    felt = torch.cat([emotion, styles.expand(1, rows, len(STYLES))], dim=2)
    noisy = torch.randn((1, rows, network.controls), generator=torch.Generator().manual_seed(11))
    nothing, kept = torch.zeros_like(noisy), torch.ones((1, 2))
    levels = torch.linspace(math.pi / 2, 0.0, steps + 1)
    drawn = noisy
    with torch.inference_mode():
        for level, following in zip(levels, levels[1:]):
            drawn = network.denoise(noisy, nothing, nothing, level[None], heard, felt, kept)
            noise = (noisy - torch.cos(level) * drawn) / torch.sin(level)
            noisy = torch.cos(following) * drawn + torch.sin(following) * noise
    return drawn[0].numpy()


def _band_powers(rows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the power of the speed of ``rows`` ``[row, control]`` in each band, over all controls and per row."""
    speed = np.diff(rows.astype(np.float64), axis=0)
    power = np.square(np.abs(np.fft.rfft(speed * np.hanning(len(speed))[:, None], axis=0))).sum(axis=1) / len(speed)
    hertz = np.fft.rfftfreq(len(speed), STRIDE / FRAME_RATE)
    return np.array([power[(hertz >= low) & (hertz < high)].sum() for low, high in _BANDS_HERTZ])


def measure_style(shown: Tensor, fitted: Tensor) -> Tensor:
    """Measure how much further and how much faster controls move than regressed ones, ``[batch, row, STYLES]``, in logarithms.

    Both are standardised ``[batch, row, control]``.
    """
    size = 2 * round(0.5 * _STYLE_SECONDS * FRAME_RATE / STRIDE) + 1

    def level(values: Tensor) -> Tensor:
        power = values.square().mean(dim=2)[:, None]
        smooth = functional.avg_pool1d(power, size, 1, size // 2, count_include_pad=False)
        return torch.log(torch.sqrt(smooth[:, 0]) + _STYLE_FLOOR)

    def speed(values: Tensor) -> Tensor:
        return functional.pad(values[:, 1:] - values[:, :-1], (0, 0, 1, 0)) * 3.0

    return torch.stack([level(shown) - level(fitted), level(speed(shown)) - level(speed(fitted))], dim=2)


def _draw_pins(count: int, rows: int, controls: int, device: torch.device) -> Tensor:
    """Draw which rows and controls are known without noise, ``[batch, row, control]``: single poses, or one side of an edit."""
    mask = torch.zeros(count, rows, controls, device=device)
    for item in range(count):
        kind = float(torch.rand(()))
        if kind >= _PINNED_SHARE:
            continue
        chosen = torch.rand(controls, device=device) < (1.0 if float(torch.rand(())) < 0.5 else 0.4)
        if kind < 0.25 * _PINNED_SHARE:
            edge = int(torch.randint(1, rows, ()))
            mask[item, :edge, chosen] = 1.0
            if float(torch.rand(())) < 0.5:
                mask[item, min(rows - 1, edge + rows // 3) :, chosen] = 1.0
        else:
            places = torch.randint(0, rows, (int(torch.randint(1, _MOST_PINS + 1, ())),), device=device)
            mask[item, places[:, None], chosen.nonzero()[:, 0][None]] = 1.0
    return mask


def add_fitted(material: Material, fits: dict[int, Fit], parts: dict[int, list[tuple[int, int, Fit]]]) -> Material:
    """Return the material with the controls that Fit regresses as further columns heard.

    ``fits`` is a Fit for each shot, learned without it; where a shot has ``parts`` (first row, last row, Fit without them)
    those are used in place of it.
    """
    copies: list[tuple[Clip, ...]] = []
    for clips in material.copies:
        made: list[Clip] = []
        for number, clip in enumerate(clips):
            fitted = _regress(fits[number], clip)
            original = material.copies[0][number]
            ratio = len(clip.heard) / len(original.heard)
            for first, last, fit in parts.get(number, []):
                low, high = round(first * ratio), round(last * ratio)
                fitted[low:high] = _regress(fit, clip)[low:high]
            made.append(replace(clip, heard=np.concatenate([clip.heard, fitted.astype(np.float16)], axis=1)))
        copies.append(tuple(made))
    return replace(material, copies=tuple(copies))


def _regress(fit: Fit, clip: Clip) -> NDArray[np.float32]:
    return predict(fit, clip.heard.astype(np.float32), clip.emotion)


def check_material(material: Material) -> None:
    """Raise ShowError for a show that has nothing to draw: diffusion needs half a minute of animation."""
    if material.minutes < 0.5:
        raise ShowError(
            f"{material.minutes * 60:.0f} s of animation are too few for diffusion; collect 30 s at least, or use Fit"
        )
