# SPDX-License-Identifier: GPL-3.0-or-later
"""Babble with phrases and pauses, and silence, as events of speech."""

from __future__ import annotations

import functools
import math

import numpy as np
from voxrig.animation.speech.events import SpeechEvents, find_events

RATE = 16_000


def syllable(hertz: float, seconds: float, level: float) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 16))
    return (level * tone * np.hanning(time.size) ** 0.4).astype(np.float32)


@functools.cache
def speech(seconds: float = 40.0, seed: int = 0, changed_from: float = math.inf) -> SpeechEvents:
    """Return babble in phrases of 1 to 4 s with pauses; from an instant on, other babble."""
    pieces: list[np.ndarray] = []
    size, until = 0, 2.0
    rng = np.random.default_rng(seed)
    other = np.random.default_rng(seed + 100)
    while size < seconds * RATE:
        chance = other if size > changed_from * RATE else rng
        strong = chance.random() < 0.3
        pieces.append(
            syllable(chance.uniform(100, 130) * (1.4 if strong else 1.0), 0.22 if strong else 0.13, 0.12 if strong else 0.05)
        )
        gap = 0.05
        if size > until * RATE:
            gap = float(chance.choice([0.35, 0.6, 1.0, 2.0]))
            until = size / RATE + gap + chance.uniform(1.0, 4.0)
        pieces.append(np.zeros(round(gap * RATE), np.float32))
        size += pieces[-1].size + pieces[-2].size
    sound = np.concatenate(pieces)[: round(seconds * RATE)]
    return find_events(sound + 1e-4 * np.random.default_rng(9).standard_normal(sound.size).astype(np.float32), RATE)


@functools.cache
def silence(seconds: float = 40.0) -> SpeechEvents:
    return find_events(np.zeros(round(seconds * RATE), np.float32), RATE)
