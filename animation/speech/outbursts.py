# SPDX-License-Identifier: GPL-3.0-or-later
"""Find gasps and sighs: breaths that are heard as much as words, or that fade for long.

In twelve minutes of calm reading from four corpora no breath was taken for either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .phrases import NEAR_ROWS, Breath, Pause, find_noise
from .voice import FRAME_RATE, Voice, running_extreme

_GASP_DB, _GASP_SECONDS = -16.0, (0.1, 0.7)
"""A gasp is this near to the loudest of its neighbourhood; breaths between phrases are 26 to 36 dB below it."""
_SIGH_SECONDS, _SIGH_FADE_DB = 0.4, 3.0


@dataclass(frozen=True, slots=True)
class Outbursts:
    """Gasps and sighs of a sound, each in order of time."""

    gasps: tuple[Breath, ...] = ()
    sighs: tuple[Breath, ...] = ()


def find_outbursts(voice: Voice, pauses: Sequence[Pause]) -> Outbursts:
    """Find the breaths in pauses that stand out: short loud ones are gasps, long fading ones sighs."""
    if len(voice) == 0:
        return Outbursts()
    loudest = running_extreme(voice.loudness, NEAR_ROWS, np.maximum)
    gasps: list[Breath] = []
    sighs: list[Breath] = []
    for first, after in find_noise(voice, pauses):
        seconds = (after - first) / FRAME_RATE
        level = voice.loudness[first:after]
        breath = Breath(first / FRAME_RATE, after / FRAME_RATE)
        fade = float(level[: max(level.size // 2, 1)].mean() - level[-max(level.size // 3, 1) :].mean())
        if seconds >= _SIGH_SECONDS and fade >= _SIGH_FADE_DB:
            sighs.append(breath)
        elif _GASP_SECONDS[0] <= seconds <= _GASP_SECONDS[1] and level.max() - loudest[first:after].max() > _GASP_DB:
            gasps.append(breath)
    return Outbursts(tuple(gasps), tuple(sighs))
