# SPDX-License-Identifier: GPL-3.0-or-later
"""The inputs of a living head: the speech, talking or listening, amounts and seeds, and the manner of a feeling."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..speech.events import SpeechEvents
from .events import PARTS, SEEDS
from .noise import Dice, make_key

Floats = NDArray[np.float64]

ROWS_PER_SECOND = 50
_MANNER_RATE = 10
_BLEND_SECONDS = 0.3
_SCALED = {
    "blinks": ("blinkRate",), "gaze": ("gazeSize",), "brows": ("brow", "browSize"), "head": ("headRange", "nod"),
    "breath": ("breathDepth",), "face": ("face",),
}  # fmt: skip
"""The numbers of ``manners.json`` that a factor of a part multiplies."""


@dataclass(frozen=True)
class LifeSettings:
    """An artist's settings: one ``seed`` for the character's take, an amount 0..2 for each of PARTS, for 'asymmetry' and for
    'listening', the nods to what others say (1 is a calm person who talks), and ``rolls``, how often a part was drawn again:
    each number is another choice for that part alone. A part that was drawn again n times is that of the take whose seed is
    larger by n (modulo SEEDS), so takes can share parts.

    Raises ValueError for a part that does not exist and amounts that are negative or not finite.
    """

    seed: int = 0
    amounts: Mapping[str, float] = field(default_factory=dict[str, float])
    rolls: Mapping[str, int] = field(default_factory=dict[str, int])

    def __post_init__(self) -> None:
        for part in (*self.amounts, *self.rolls):
            if part not in (*PARTS, "asymmetry", "listening"):
                raise ValueError(f"life has no part '{part}' (it has: {', '.join(PARTS)}, asymmetry)")
        for part, amount in self.amounts.items():
            if not (math.isfinite(amount) and amount >= 0.0):
                raise ValueError(f"the amount {amount} of '{part}' is not 0 or more")

    def amount(self, part: str) -> float:
        """Return the amount of a part."""
        return self.amounts.get(part, 1.0)

    def key(self, part: str) -> int:
        """Return the key of a part's random numbers."""
        return make_key((self.seed + self.rolls.get(part, 0)) % SEEDS, part, 0)


@dataclass(frozen=True, eq=False)
class Target:
    """Something to look at, seen from between the eyes of a head at rest: ``yaw`` (positive to the head's own right) and
    ``pitch`` (positive down) in radians and ``distance`` in metres, each ``[n]`` at ``seconds`` ``[n]``; single numbers stay
    as they are."""

    name: str
    yaw: ArrayLike = 0.0
    pitch: ArrayLike = 0.0
    distance: ArrayLike = math.inf
    seconds: ArrayLike = 0.0

    def at(self, seconds: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Interpolate yaw, pitch and distance at ``seconds`` (any shape)."""
        known = np.atleast_1d(np.asarray(self.seconds, np.float64))
        when = np.asarray(seconds, np.float64)
        tracks = (np.broadcast_to(np.asarray(track, np.float64), known.shape) for track in (self.yaw, self.pitch))
        yaw, pitch = (np.interp(when, known, track) for track in tracks)
        # Distances are interpolated as inverses, which are finite for far ones, too.
        near = 1.0 / np.maximum(np.broadcast_to(np.asarray(self.distance, np.float64), known.shape), 0.05)
        return yaw, pitch, 1.0 / np.maximum(np.interp(when, known, near), 1e-9)


AHEAD = Target("ahead")
"""Somebody straight ahead, too far away for the eyes to converge."""


@functools.cache
def load_manners() -> dict[str, Any]:
    """Load ``manners.json`` (read once, at first use)."""
    return json.loads(Path(__file__).with_name("manners.json").read_text(encoding="utf-8"))


def temperaments() -> dict[str, dict[str, float]]:
    """Return the presets of amounts by name."""
    return load_manners()["temperaments"]


@dataclass(frozen=True, eq=False)
class Stage:
    """The inputs of all parts, prepared once.

    Rows are at ROWS_PER_SECOND from the start of the sound. ``talks`` and ``listens`` (bool ``[time]``) exclude each other;
    where neither is true the head is idle. ``partner`` is the speech of the other one, on the same clock.
    ``tension`` ``[time]`` 0..1 is how far a raised voice presses the brows.
    """

    settings: LifeSettings
    speech: SpeechEvents
    partner: SpeechEvents | None
    seconds: float
    talks: NDArray[np.bool_]
    listens: NDArray[np.bool_]
    manners: Mapping[str, Floats]
    accents: Mapping[str, Floats]
    tension: Floats

    def dice(self, part: str, seconds: float, name: str = "") -> Dice:
        """Return the random numbers of a part at an instant."""
        return Dice(make_key(self.settings.key(part), name), seconds)

    def row(self, seconds: float) -> int:
        """Return the row of an instant, clamped to the stage."""
        return min(max(int(seconds * ROWS_PER_SECOND + 1e-6), 0), max(self.talks.size - 1, 0))

    def manner(self, name: str, seconds: float) -> float:
        """Return one number of ``manners.json`` at an instant."""
        track = self.manners[name]
        return float(track[min(max(round(seconds * _MANNER_RATE), 0), track.size - 1)])

    def manner_rows(self, name: str, seconds: ArrayLike) -> Floats:
        """Return one number of ``manners.json`` at many instants."""
        track = self.manners[name]
        return np.interp(np.asarray(seconds, np.float64) * _MANNER_RATE, np.arange(track.size), track)

    def accent_at(self, seconds: float) -> dict[str, float]:
        """Return the effect of strong syllables on brows, lids, cheeks and nose at an instant: weights by control without its
        side."""
        mix = {
            name: float(track[min(max(round(seconds * _MANNER_RATE), 0), track.size - 1)])
            for name, track in self.accents.items()
        }
        return {name: weight for name, weight in mix.items() if weight > 1e-3}


def set_stage(
    speech: SpeechEvents,
    settings: LifeSettings,
    *,
    emotion: Mapping[str, float | ArrayLike] | None = None,
    emotion_rate: float = 1.0,
    partner: SpeechEvents | None = None,
    seconds: float | None = None,
    amounts: Mapping[str, ArrayLike] | None = None,
    tension: ArrayLike = 0.0,
) -> Stage:
    """Set the stage of a line.

    ``emotion`` are weights 0..1 by name, one for the line or ``[time]`` at ``emotion_rate`` rows a second, ``amounts`` factors
    of parts over time likewise, ``tension`` 0..1 how far a raised voice presses the brows;
    ``seconds`` is how long the head lives if that is longer than the sound. Raises KeyError for an unknown emotion.
    """
    length = max(speech.duration, seconds or 0.0, partner.duration if partner else 0.0)
    rows = max(1, math.ceil(length * ROWS_PER_SECOND))
    talks, hears = np.zeros(rows, bool), np.zeros(rows, bool)
    for turn in speech.turns:
        talks[int(turn.start * ROWS_PER_SECOND) : int(turn.end * ROWS_PER_SECOND) + 1] = True
    for turn in partner.turns if partner else ():
        hears[max(int(turn.start * ROWS_PER_SECOND), 0) : int(turn.end * ROWS_PER_SECOND) + 1] = True
    manners, accents = _mix_manners(length, emotion or {}, emotion_rate)
    for part, factors in (amounts or {}).items():
        track = np.atleast_1d(np.asarray(factors, np.float64))
        for name in _SCALED.get(part, ()):
            at = np.arange(manners[name].size) * (emotion_rate / _MANNER_RATE)
            manners[name] = manners[name] * np.interp(at, np.arange(track.size), track)
    known = np.atleast_1d(np.asarray(tension, np.float64))
    tense = np.interp(np.arange(rows) * (emotion_rate / ROWS_PER_SECOND), np.arange(known.size), known)
    return Stage(settings, speech, partner, length, talks, hears & ~talks, manners, accents, tense)


def _mix_manners(
    seconds: float, emotion: Mapping[str, float | ArrayLike], emotion_rate: float
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    table = load_manners()
    count = max(1, math.ceil(seconds * _MANNER_RATE) + 1)
    at = np.arange(count) / _MANNER_RATE
    weights: dict[str, Floats] = {}
    for name, weight in emotion.items():
        if name not in table["emotions"]:
            raise KeyError(name)
        track = np.atleast_1d(np.asarray(weight, np.float64))
        weights[name] = np.clip(np.interp(at * emotion_rate, np.arange(track.size), track), 0.0, 1.0)
    total = np.maximum(sum(weights.values(), np.zeros(count)), 1.0)
    weights = {name: track / total for name, track in weights.items()}
    default: dict[str, Any] = table["default"]
    manners: dict[str, Floats] = {}
    for name, usual in default.items():
        if name == "accent":
            continue
        track = np.full(count, float(usual))
        for feeling, weight in weights.items():
            other = float(table["emotions"][feeling].get(name, usual))
            track = track * (other / usual) ** weight if usual else track + weight * other
        manners[name] = track
    neutral = 1.0 - np.minimum(sum(weights.values(), np.zeros(count)), 1.0)
    accents: dict[str, Floats] = {name: neutral * share for name, share in default["accent"].items()}
    for feeling, weight in weights.items():
        for name, share in table["emotions"][feeling].get("accent", default["accent"]).items():
            accents[name] = accents.get(name, np.zeros(count)) + weight * share
    return manners, accents


def run_clock(rate: Floats) -> Floats:
    """Run a clock by ``rate`` ``[time]`` a second: an interval of it is short where things are likelier."""
    return np.add.accumulate(rate, dtype=np.float64) / ROWS_PER_SECOND


def wait_until(clock: Floats, row: int, wait: float) -> int:
    """Return the row at which a clock has advanced by ``wait`` since ``row``; one beyond the last if it never does."""
    return int(np.searchsorted(clock, np.array([clock[row] + wait]))[0])
