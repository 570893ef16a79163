# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a tracked talker opens his lips at the sounds of a script: a correction of the articulation rules.

The rules (animation/face/articulation.py) aim at one aperture for each phone and blend them. What a talker's lips do beside
that was fitted to tracked lips (training/speech/opening.py): for each phone, and for stress, centimetres that it adds to the
gap of the lips before, in and after it. A phone that the talker never says adds nothing, so there the rules stand alone.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..face.phones import TimedPhone

Floats = NDArray[np.float64]

FILE = Path(__file__).with_name("opening.json")
STEP_SECONDS = 0.04
LAGS = 17
"""Windows of STEP_SECONDS for each sound: the first one lies 320 ms before the instant, the last one as long after it."""
STRESS = "stress"


@functools.cache
def _read() -> tuple[tuple[str, ...], Floats]:
    table = json.loads(FILE.read_text(encoding="utf-8"))["centimetres"]
    return tuple(table), np.array(list(table.values()), np.float64)


def cover_windows(phones: Sequence[TimedPhone], names: Sequence[str], frame_rate: float, count: int) -> Floats:
    """Return the share of each window that each sound fills, ``[time, sound, lag]``; rows at ``i / frame_rate``.

    ``names`` are those of the sounds: phones, and STRESS for stressed ones. Phones must not overlap.
    """
    edges = STEP_SECONDS * (np.arange(LAGS + 1) - 0.5 * LAGS)
    instants = (np.arange(count) / frame_rate)[:, None] + edges
    covered = np.zeros((count, len(names), LAGS))
    for column, name in enumerate(names):
        spans = [(one.start, one.end) for one in phones if (one.stress == 1 if name == STRESS else one.phone == name)]
        if spans:
            turns = np.array(spans).ravel()
            filled = np.cumsum(np.diff(turns, prepend=turns[0]) * (np.arange(turns.size) % 2))
            covered[:, column] = np.diff(np.interp(instants, turns, filled), axis=1) / STEP_SECONDS
    return covered


def correct_opening(phones: Sequence[TimedPhone], frame_rate: float, count: int) -> Floats:
    """Return what the talker's lips open beyond the articulation rules at these phones, centimetres ``[time]``."""
    names, weights = _read()
    said = {one.phone for one in phones} | ({STRESS} if any(one.stress == 1 for one in phones) else set[str]())
    total = np.zeros(count)
    for name, row in zip(names, weights, strict=True):
        if name in said:
            total += cover_windows(phones, [name], frame_rate, count)[:, 0] @ row
    return total
