# SPDX-License-Identifier: GPL-3.0-or-later
"""Gaze: at a target, away from it while thinking or beginning to talk, and around it in small steps.

Sizes and directions of glances are those of Lee, Badler, Badler, "Eyes Alive" (SIGGRAPH 2002); a saccade takes 25 ms and
2.4 ms for each degree. Aversion goes with turn starts and thinking (Andrist et al. 2013). The times when eyes leave and
return (``plan_shifts``) depend on the seed of the take, their directions on that of gaze: blinks accompany the former and
stay when gaze is drawn again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .events import Event
from .noise import make_key
from .stage import ROWS_PER_SECOND, Dice, Floats, Stage, run_clock, wait_until

DEGREE = math.pi / 180.0
_DIRECTIONS = (15.54, 6.46, 17.69, 7.44, 16.80, 7.89, 20.38, 7.80)  # from 0 degrees (own right) by 45 upwards
_THINKING = (5.0, 9.0, 39.0, 9.0, 5.0, 9.0, 15.0, 9.0)
_SIZE_SCALE, _LARGEST_SHARE, _SHARE_RANGE = 6.9, 15.7, 15.0
_SMALLEST, _LARGEST = 4.5, 12.0
# Median seconds on and off a target and the deviations of their logarithms.
_TALKING, _LISTENING, _IDLE = (1.3, 1.2), (7.0, 0.45), (2.8, 1.0)
_CONTACT_SPREAD, _AWAY_SPREAD = 0.55, 0.45
_TURN_AVERSION = 0.6
_FIXATION_SECONDS, _FIXATION_SPREAD = 0.85, 0.5
# Left eye, right eye and mouth of somebody at 1.2 m, in degrees to the own right and down.
_FACE_POINTS = ((-1.4, -0.5), (1.4, -0.5), (0.0, 1.9))


@dataclass(frozen=True, slots=True)
class Shift:
    """A departure of the eyes from their target or a return: when, how far in radians, and whether it is for thinking."""

    seconds: float
    is_away: bool
    size: float
    thinks: bool


def saccade_seconds(size: float) -> float:
    """Return the duration of a saccade of ``size`` radians: 25 ms and 2.4 ms for each degree."""
    return 0.025 + 0.0024 * size / DEGREE


def plan_shifts(stage: Stage) -> tuple[Shift, ...]:
    """Plan when the eyes leave their target and return."""
    key = make_key(stage.settings.seed, "shifts")
    count = stage.talks.size
    leave, back = _rates(stage)
    # Time that runs faster where a shift is likelier, over which an interval is drawn.
    leaving, returning = run_clock(leave), run_clock(back)
    starts = _turn_aversions(stage, key)
    found: list[Shift] = []
    row, is_away, thinks, size = 0, False, False, 0.0
    while row < count:
        dice = Dice(key, row / ROWS_PER_SECOND)
        clock = returning if is_away else leaving
        spread = _AWAY_SPREAD if is_away else _CONTACT_SPREAD
        wait = math.exp(spread * dice.normal()) * (dice.uniform(0.2, 1.0) if row == 0 else 1.0)
        following = wait_until(clock, row, wait)
        if not is_away:
            due = next((at for at in starts if at > row), count)
            thinks = due <= following or not stage.talks[min(following, count - 1)]
            following = min(following, due)
        else:
            following = max(following, row + round(0.3 * ROWS_PER_SECOND))
        if following >= count:
            break
        row = following
        is_away = not is_away
        if is_away:
            size = _draw_size(dice) * DEGREE * stage.manner("gazeSize", row / ROWS_PER_SECOND)
        found.append(Shift(row / ROWS_PER_SECOND, is_away, size, thinks and is_away))
    return tuple(found)


def _rates(stage: Stage) -> tuple[Floats, Floats]:
    """Return the rates at which eyes leave and return, both a second, ``[time]``."""
    seconds = np.arange(stage.talks.size) / ROWS_PER_SECOND
    leave, back = np.full(seconds.size, 1.0 / _IDLE[0]), np.full(seconds.size, 1.0 / _IDLE[1])
    for rows, (contact, away) in ((stage.talks, _TALKING), (stage.listens, _LISTENING)):
        leave[rows], back[rows] = 1.0 / contact, 1.0 / away
    away = stage.manner_rows("away", seconds)
    leave, back = np.multiply(leave, np.sqrt(away)), np.divide(back, np.sqrt(away))
    for phrase in stage.speech.phrases:
        # People look at each other at the end of a phrase, and away rather at its beginning.
        inside = slice(stage.row(phrase.start + 0.3), stage.row(phrase.end - 0.5) + 1)
        leave[inside] *= 0.22
        back[inside] *= 0.5
        near = slice(stage.row(phrase.end - 0.4), stage.row(phrase.end + 0.2) + 1)
        leave[near] *= 0.2
        back[near] *= 7.0
        leave[stage.row(phrase.start - 0.3) : stage.row(phrase.start + 0.3) + 1] *= 2.5
    for phrase in stage.partner.phrases if stage.partner else ():
        near = slice(stage.row(phrase.end - 0.4), stage.row(phrase.end + 0.4) + 1)
        leave[near] *= 0.3
        back[near] *= 3.0
    return leave, back


def _turn_aversions(stage: Stage, key: int) -> list[int]:
    """List rows at which the eyes leave because a turn is about to start."""
    found: list[int] = []
    for turn in stage.speech.turns:
        dice = Dice(make_key(key, "turn"), turn.start)
        if dice.happens(_TURN_AVERSION) and turn.end - turn.start > 1.0:
            found.append(max(stage.row(turn.start - dice.uniform(0.1, 0.7)), 1))
    return found


def _draw_size(dice: Dice) -> float:
    """Draw the degrees of a glance away."""
    for _ in range(6):
        size = -_SIZE_SCALE * math.log(max(dice.uniform(0.0, _SHARE_RANGE), 1e-3) / _LARGEST_SHARE)
        if _SMALLEST <= size <= _LARGEST:
            return size
    return dice.uniform(_SMALLEST, 9.0)


def _draw_direction(dice: Dice, weights: Sequence[float]) -> tuple[float, float]:
    """Draw a unit vector to the own right and down; vertical glances are half as far, oblique ones three quarters."""
    place, total = dice.uniform(0.0, sum(weights)), 0.0
    index = next((i for i, weight in enumerate(weights) if (total := total + weight) > place), 7)
    angle = (45.0 * index + dice.uniform(-12.0, 12.0)) * DEGREE
    x, y = math.cos(angle), -math.sin(angle)
    reach = 1.0 - 0.4 * abs(y)
    return x * reach, y * reach


def plan_gaze(stage: Stage, shifts: Sequence[Shift], looks: Sequence[tuple[float, str]] = ()) -> tuple[Event, ...]:
    """Plan a 'look' for each new target, a 'glance' for each shift away and 'back', and 'fixation's between them.

    Their tracks 'gazeYaw' and 'gazePitch' are the final directions, in radians from the direction of the target, and hold.
    ``looks`` are (seconds, name of the target).
    """
    key, amount = stage.settings.key("gaze"), stage.settings.amount("gaze")
    found: list[Event] = []
    offset = (0.0, 0.0)
    points = sorted([*((shift.seconds, shift) for shift in shifts), *((at, name) for at, name in looks)], key=lambda p: p[0])
    edges = [*(at for at, _ in points), stage.seconds]
    base, is_away = (0.0, 0.0), False
    for point, until in zip([(0.0, None), *points], edges, strict=True):
        at, what = point
        dice = Dice(make_key(key, "shift"), at)
        if isinstance(what, str):
            base, is_away = (0.0, 0.0), False
            found.append(_move("look", at, at, offset, base, what))
            offset = base
        elif isinstance(what, Shift):
            is_away = what.is_away
            if is_away:
                x, y = _draw_direction(dice, _THINKING if what.thinks else _DIRECTIONS)
                reach = what.size * amount / max(math.hypot(x, y), 0.6)
                base = (reach * x, reach * y + stage.manner("lookPitch", at) * DEGREE * 0.5 * amount)
            else:
                base = (0.0, 0.0)
            found.append(_move("glance" if is_away else "back", at, at, offset, base))
            offset = base
        if amount > 0.0:
            small = _plan_fixations(stage, at, until, base, offset, is_away)
            found += small
            if small:
                offset = (small[-1].tracks["gazeYaw"][-1][1], small[-1].tracks["gazePitch"][-1][1])
    return tuple(event for event in found if event.size > 0.0 or event.kind == "look")


def _plan_fixations(
    stage: Stage, start: float, until: float, base: tuple[float, float], offset: tuple[float, float], is_away: bool
) -> list[Event]:
    """Plan small steps between the eyes and the mouth of the person looked at, or around the direction away."""
    amount = stage.settings.amount("gaze")
    found: list[Event] = []
    at = start
    while True:
        dice = stage.dice("gaze", at, "fixation")
        at += _FIXATION_SECONDS * math.exp(_FIXATION_SPREAD * dice.normal()) / stage.manner("restless", at)
        if at > until - 0.25:
            return found
        if is_away:
            step = (dice.normal(0.0, 1.3), dice.normal(0.0, 0.9))
        else:
            x, y = _FACE_POINTS[int(dice.uniform(0.0, 2.999))]
            step = (x + dice.normal(0.0, 0.25), y + dice.normal(0.0, 0.25) + stage.manner("lookPitch", at) * 0.3)
        goal = (base[0] + amount * step[0] * DEGREE, base[1] + amount * step[1] * DEGREE)
        if math.hypot(goal[0] - offset[0], goal[1] - offset[1]) < 0.4 * DEGREE * amount:
            continue
        found.append(_move("fixation", at, at, offset, goal))
        offset = goal


def _move(
    kind: str, seconds: float, anchor: float, offset: tuple[float, float], goal: tuple[float, float], label: str = ""
) -> Event:
    size = math.hypot(goal[0] - offset[0], goal[1] - offset[1])
    last = saccade_seconds(size)
    tracks = {"gazeYaw": ((0.0, offset[0]), (last, goal[0])), "gazePitch": ((0.0, offset[1]), (last, goal[1]))}
    return Event("gaze", kind, seconds, anchor, size, tracks, label)
