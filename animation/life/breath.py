# SPDX-License-Identifier: GPL-3.0-or-later
"""Breath: an inhale in each pause that leaves time for one, deeper before a longer phrase; 12 to 18 breaths a minute at rest.

The lips part slightly as air comes in, only between phrases and never while a phone sounds.
"""

from __future__ import annotations

from .events import Event, Keys
from .stage import Stage

_SHORTEST_PAUSE, _LONGEST_INHALE = 0.28, 0.9
_REST_PERIOD = 4.1
_LOW, _HIGH = 0.2, 0.48
_LITRES_A_SECOND = 0.11
"""Share of a deep breath that a second of speech uses."""
_LEAST = 0.08
_PARTED = 0.055


def plan_breath(stage: Stage) -> tuple[Event, ...]:
    """Plan 'inhale' and 'exhale' events; the track 'breath' is the level 0..1 that is reached and held, 'jawOpen' is added."""
    amount = stage.settings.amount("breath")
    if amount <= 0.0:
        return ()
    found: list[Event] = []
    level, at = 0.3, 0.0
    phrases = stage.speech.phrases
    for phrase in phrases:
        level = _rest(stage, found, at, phrase.start - _LONGEST_INHALE, level)
        level = _inhale(stage, found, max(at, found[-1].end if found else 0.0), phrase.start, phrase.end - phrase.start, level)
        used = _LITRES_A_SECOND * (phrase.end - phrase.start) * (0.8 + 0.5 * stage.speech.effort_at(phrase.start + 0.3))
        goal = max(level - used, _LEAST)
        found.append(_move(stage, "exhale", phrase.start, phrase.end, level, goal))
        level, at = goal, phrase.end
    _rest(stage, found, at, stage.seconds, level)
    return tuple(found)


def _rest(stage: Stage, found: list[Event], start: float, until: float, level: float) -> float:
    """Plan quiet breathing between ``start`` and ``until``; returns the level at its end."""
    at = start + (0.15 if found else 0.0)
    while True:
        dice = stage.dice("breath", at, "rest")
        period = _REST_PERIOD * dice.uniform(0.85, 1.15) / stage.manner("breathRate", at)
        if at + period > until:
            return level
        depth = (_HIGH + dice.normal(0.0, 0.03)) * min(stage.manner("breathDepth", at), 1.6)
        found.append(_move(stage, "inhale", at, at + 0.4 * period, level, depth))
        level = _LOW + dice.normal(0.0, 0.02)
        found.append(_move(stage, "exhale", at + 0.4 * period, at + period, depth, level))
        at += period


def _inhale(stage: Stage, found: list[Event], after: float, start: float, length: float, level: float) -> float:
    """Plan an inhale before a phrase that starts at ``start``, if it fits; returns the level."""
    room = start - after
    if room < _SHORTEST_PAUSE:
        return level
    dice = stage.dice("breath", start, "inhale")
    last = start - 0.04
    first = max(after + 0.05, last - min(_LONGEST_INHALE, 0.35 + 0.06 * length) * dice.uniform(0.9, 1.1))
    heard = next(
        (breath for breath in stage.speech.breaths if after - 0.05 <= breath.start and breath.end <= start + 0.05), None
    )
    if heard is not None:
        first, last = max(heard.start - 0.03, after), min(heard.end + 0.03, start)
    need = min(0.3 + _LITRES_A_SECOND * length * 1.1, 1.0)
    # A short pause leaves only a short breath.
    goal = max(min(need, level + 1.1 * (last - first)), level) * min(stage.manner("breathDepth", start), 1.6)
    goal = min(goal, 1.0)
    parted = _PARTED * min(1.0, (goal - level) * 2.0) * (1.5 if heard is not None else 1.0)
    found.append(_move(stage, "inhale", first, last, level, goal, parted if last - first >= 0.24 else 0.0))
    return goal


def _move(stage: Stage, kind: str, start: float, end: float, level: float, goal: float, parted: float = 0.0) -> Event:
    amount = stage.settings.amount("breath")
    length = end - start
    tracks: dict[str, Keys] = {"breath": ((0.0, level * amount), (length, goal * amount))}
    if parted > 0.005:
        top = parted * min(amount, 1.5)
        tracks["jawOpen"] = ((0.0, 0.0), (0.45 * length, top), (length - 0.06, 0.0))
    return Event("breath", kind, start, start, abs(goal - level) * amount, tracks)
