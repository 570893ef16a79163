# SPDX-License-Identifier: GPL-3.0-or-later
"""Hear feelings in a voice: arousal, valence and weights of emotions over time, from pitch, balance, noise and dynamics.

Fourteen measures of one and a half seconds are scored by two linear models: one for a voice that is known by its calm speech,
which scores the differences from it, and one for a voice that is not. Both leave the level of a recording out. What is unsure
is neutral. ``models/FEELING_CARD.md`` says what they can and cannot hear.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..speech.voice import FRAME_RATE, Floats, Voice
from .words import EMOTIONS

HOP_SECONDS = 0.25
"""Seconds from one row of a feeling track to the next."""
WINDOW_SECONDS = 1.5
MEASURES = (
    "pitch", "pitch range", "high pitch", "pitch spread", "balance", "balance spread", "loudness spread", "loudness range",
    "voiced share", "voicing", "voicing spread", "flatness", "pitch change", "sonority",
)  # fmt: skip
"""Semitones over 100 Hz, dB and shares of a window; measured by ``measure_window``."""
_LEAST_VOICED = 0.15
# Decibels; training speech has 4 and -28 at least. A held tone and beeps have less, and no feeling.
_LEAST_SPREAD, _LEAST_BALANCE = 2.0, -45.0
_LEAST_WINDOWS = 4
_SMOOTHING_ROWS = 2


@dataclass(frozen=True, eq=False)
class FeelingTrack:
    """The feelings of a voice: row i is the instant ``i * HOP_SECONDS``.

    ``arousal`` and ``valence`` ``[time]`` are -1..1, ``weights`` ``[time, EMOTIONS]`` 0..1, 0 where nobody speaks or it is
    unsure; ``confidence`` ``[time]`` 0..1 is the likelihood of the strongest feeling, neutral included.
    """

    arousal: Floats
    valence: Floats
    weights: Floats
    confidence: Floats

    def __len__(self) -> int:
        return int(self.arousal.size)

    def seconds(self) -> Floats:
        """Return the instant of each row, ``[time]``."""
        return np.arange(len(self)) * HOP_SECONDS


@dataclass(frozen=True, eq=False)
class _Linear:
    middle: Floats
    spread: Floats
    weights: Floats
    bias: Floats
    arousal: Floats
    valence: Floats

    def likelihoods(self, measures: Floats) -> Floats:
        scores = self._scaled(measures) @ self.weights + self.bias
        grown = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return grown / grown.sum(axis=-1, keepdims=True)

    def dimensions(self, measures: Floats) -> tuple[Floats, Floats]:
        scaled = self._scaled(measures)
        return tuple(np.tanh(scaled @ line[:-1] + line[-1]) for line in (self.arousal, self.valence))  # type: ignore[return-value]

    def _scaled(self, measures: Floats) -> Floats:
        return np.clip((measures - self.middle) / self.spread, -4.0, 4.0)


@dataclass(frozen=True, eq=False)
class VoiceModel:
    """The linear models of ``models/feeling/voice.json``; ``labels`` are their columns, ``sure`` where a feeling counts."""

    labels: tuple[str, ...]
    alone: _Linear
    beside: _Linear
    sure: float
    """Likelihood of any feeling from which it counts, without calm speech to compare with."""
    sure_beside: float


@functools.cache
def load_voice_model() -> VoiceModel:
    """Read the model (once)."""
    path = Path(__file__).resolve().parents[2] / "models" / "feeling" / "voice.json"
    document = cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
    models = {
        name: _Linear(**{key: np.array(values, np.float64) for key, values in document[name].items()})
        for name in ("alone", "beside")
    }
    return VoiceModel(
        tuple(document["labels"]), models["alone"], models["beside"], float(document["sure"]), float(document["sure_beside"])
    )


def measure_window(voice: Voice, first: int, after: int) -> Floats | None:
    """Measure rows ``first`` to ``after`` of a voice, ``[MEASURES]``; None where too little is voiced or nobody speaks."""
    rows = slice(max(first, 0), after)
    voiced = voice.voiced[rows]
    if voiced.size < 10 or voiced.mean() < _LEAST_VOICED:
        return None
    loudness = voice.loudness[rows]
    if loudness.std() < _LEAST_SPREAD or voice.balance[rows][voiced].mean() < _LEAST_BALANCE:
        return None
    pitch = 12.0 * np.log2(voice.pitch[rows][voiced] / 100.0)
    low, middle, high = np.percentile(pitch, [10, 50, 90])
    balance, voicing = voice.balance[rows][voiced], voice.voicing[rows][voiced]
    return np.array(
        [
            *(middle, high - low, high, pitch.std(), balance.mean(), balance.std(), loudness.std()),
            *(np.percentile(loudness, 90) - np.percentile(loudness, 30), voiced.mean(), voicing.mean(), voicing.std()),
            *(voice.flatness[rows][voiced].mean(), np.abs(np.diff(pitch)).mean() if pitch.size > 1 else 0.0),
            (voice.sonority[rows][voiced] - loudness[voiced]).mean(),
        ]
    )


def measure_voice(voice: Voice) -> tuple[Floats, NDArray[np.bool_]]:
    """Measure a voice in windows around each row of a track: ``[time, MEASURES]``, and which of them are speech."""
    half = round(WINDOW_SECONDS / 2 * FRAME_RATE)
    count = max(1, int(len(voice) / FRAME_RATE / HOP_SECONDS) + 1)
    measures, spoken = np.zeros((count, len(MEASURES))), np.zeros(count, bool)
    for row in range(count):
        # At the ends the window keeps its length as far as the sound goes.
        middle = round(row * HOP_SECONDS * FRAME_RATE)
        first = min(max(middle - half, 0), max(len(voice) - 2 * half, 0))
        found = measure_window(voice, first, min(first + 2 * half, len(voice)))
        if found is not None:
            measures[row], spoken[row] = found, True
    return measures, spoken


def find_calm(voices: Sequence[Voice]) -> Floats | None:
    """Return the measures of the calm speech of one speaker, ``[MEASURES]``; None where too little of it is found.

    Calm is what the model that knows no speaker takes for neutral more likely than for anything else.
    """
    model = load_voice_model()
    neutral = model.labels.index("neutral")
    calm: list[Floats] = []
    total = 0
    for voice in voices:
        measures, spoken = measure_voice(voice)
        likely = model.alone.likelihoods(measures[spoken])
        total += len(likely)
        calm += list(measures[spoken][likely.argmax(axis=1) == neutral])
    if len(calm) < _LEAST_WINDOWS or len(calm) < 0.2 * total:
        return None
    return np.median(np.array(calm), axis=0)


def measure_reference(voices: Sequence[Voice]) -> Floats | None:
    """Return the measures of speech that is known to be calm, ``[MEASURES]``; None without speech."""
    found = [measures[spoken] for measures, spoken in map(measure_voice, voices) if spoken.any()]
    return np.median(np.concatenate(found), axis=0) if found else None


def hear_feeling(voice: Voice, calm: Floats | None = None) -> FeelingTrack:
    """Hear the feelings of a voice; ``calm`` ``[MEASURES]`` are those of the same speaker's calm speech, if known."""
    model = load_voice_model()
    measures, spoken = measure_voice(voice)
    linear, sure = (model.alone, model.sure) if calm is None else (model.beside, model.sure_beside)
    relative = measures if calm is None else measures - calm
    likely = linear.likelihoods(relative)
    # A moment is judged by its neighbours too.
    likely = np.stack([_smooth(column, spoken) for column in likely.T], axis=1)
    arousal, valence = (np.where(spoken, _smooth(line, spoken), 0.0) for line in linear.dimensions(relative))
    weights = np.zeros((len(likely), len(EMOTIONS)))
    shares = divide_feelings(model.labels, likely, sure)
    for label, column in zip(model.labels, shares.T, strict=True):
        if label != "neutral":
            weights[:, EMOTIONS.index(label)] = column * spoken
    return FeelingTrack(arousal, valence, weights, np.where(spoken, likely.max(axis=1), 0.0))


def divide_feelings(labels: Sequence[str], likely: Floats, sure: float) -> Floats:
    """Return the weight of each label 0..1 from likelihoods, both ``[time, label]``; that of neutral is 0.

    From ``sure`` on, the likelihood of any feeling at all, weights grow from 0, so that a feeling comes and goes without a
    step; likely feelings share them, the likeliest most.
    """
    neutral = list(labels).index("neutral")
    emotional = 1.0 - likely[:, neutral]
    strength = np.sqrt(np.clip((emotional - sure) / (1.0 - sure), 0.0, 1.0))
    shares = likely**2
    shares[:, neutral] = 0.0
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
    return strength[:, None] * shares


def convolve_centred(values: Floats, kernel: Floats) -> Floats:
    """Convolve values with a kernel of odd length around each, ``[time]``; numpy's 'same' is as long as a longer kernel."""
    first = (kernel.size - 1) // 2
    return np.convolve(values, kernel)[first : first + values.size]


def _smooth(values: Floats, counted: NDArray[np.bool_]) -> Floats:
    """Average values over some rows on both sides, of those that count."""
    kernel = np.ones(2 * _SMOOTHING_ROWS + 1)
    weight = convolve_centred(counted.astype(np.float64), kernel)
    total = convolve_centred(np.where(counted, values, 0.0), kernel)
    return np.where(weight > 0, total / np.maximum(weight, 1e-9), 0.0)
