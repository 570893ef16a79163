# SPDX-License-Identifier: GPL-3.0-or-later
"""Head movement: slow drift, a wide move as a turn starts, settling as phrases end, nods and beats on strong accents, and the
nods of a listener. The timing follows Hadar et al. (1983, 1984); loudness drives events, never the head frame by frame
(measured correlation 0.1). Signs: yaw is positive to the head's own right, pitch positive down (a nod), roll positive towards
the own right shoulder."""

from __future__ import annotations

import numpy as np

from .events import Event, Keys
from .gaze import DEGREE
from .noise import drift, make_key
from .stage import Floats, Stage

AXES = ("headYaw", "headPitch", "headRoll")
_DRIFT_DEGREES = (1.75, 1.35, 0.95)
_DRIFT_SECONDS = 3.4
_SWAY_SHARE, _SWAY_SECONDS = 0.32, 1.25
_IDLE_SHARE = 0.7
_NOD_APART = 0.34
_LISTENER_NODS = 0.42


def plan_head(stage: Stage) -> tuple[Event, ...]:
    """Plan 'nod', 'beat', 'turn' and 'settle' events; tracks on AXES in radians that are added to the drift."""
    if stage.settings.amount("head") <= 0.0:
        return ()
    found = [*_plan_accents(stage), *_plan_phrases(stage), *_plan_listening(stage)]
    return tuple(sorted(found, key=lambda event: (event.seconds, event.kind)))


def drift_head(stage: Stage, seconds: Floats) -> Floats:
    """Compute the slow drift of the head at ``seconds`` ``[time]``, radians ``[time, AXES]``."""
    amount, key = stage.settings.amount("head"), stage.settings.key("head")
    rows = np.clip((seconds * 50).astype(np.int64), 0, stage.talks.size - 1)
    reach = 25
    talks = np.convolve(np.pad(stage.talks.astype(np.float64), reach, mode="edge"), np.full(2 * reach + 1, 1 / (2 * reach + 1)))
    busy = talks[2 * reach : 2 * reach + stage.talks.size][rows]
    scale = amount * stage.manner_rows("headRange", seconds) * (_IDLE_SHARE + (1.0 - _IDLE_SHARE) * busy)
    # The tempo bends the clock of the drift, so that it can change within a line without a jump.
    grid = np.arange(0.0, max(float(seconds[-1]) if seconds.size else 0.0, 0.0) + 0.2, 0.1)
    clock = np.concatenate([[0.0], np.cumsum(0.1 * stage.manner_rows("headTempo", grid))])[:-1]
    at = np.interp(seconds, grid, clock)
    result = np.zeros((seconds.size, len(AXES)))
    for column, (axis, degrees) in enumerate(zip(AXES, _DRIFT_DEGREES, strict=True)):
        slow = drift(make_key(key, "drift", axis), at, _DRIFT_SECONDS)
        sway = drift(make_key(key, "sway", axis), at, _SWAY_SECONDS)
        result[:, column] = degrees * DEGREE * scale * (slow + _SWAY_SHARE * busy * sway)
    result[:, 1] += DEGREE * stage.manner_rows("pitch", seconds) * min(amount, 1.5)
    return result


def make_nod(stage: Stage, kind: str, apex: float, size: float) -> Event:
    """Make a 'nod' or 'beat' that is furthest at ``apex``; ``size`` 1 is a clear one."""
    dice = stage.dice("head", apex, "cue")
    degrees = 3.2 * size * dice.uniform(0.85, 1.15) * stage.manner("headRange", apex)
    tempo = stage.manner("headTempo", apex)
    side = dice.sign() * degrees
    ways = (0.15 * side, degrees, -0.05 * side) if kind == "nod" else (0.75 * side, 0.2 * degrees, -0.25 * side)
    return _pulse(stage, kind, apex, dice.uniform(0.16, 0.22) / tempo, dice.uniform(0.28, 0.45) / tempo, ways, 0.15)


def _plan_accents(stage: Stage) -> list[Event]:
    found: list[Event] = []
    last = -1.0
    for accent in stage.speech.accents:
        at = accent.seconds
        dice = stage.dice("head", at, "accent")
        effort = stage.speech.effort_at(at)
        likely = (0.12 + 0.62 * accent.size) * stage.manner("nod", at) * (0.75 + 0.5 * effort)
        if at - last < _NOD_APART or not dice.happens(likely):
            continue
        last = at
        tempo = stage.manner("headTempo", at)
        size = (0.9 + 2.5 * accent.size) * (0.65 + 0.7 * effort) * dice.uniform(0.65, 1.3) * stage.manner("headRange", at)
        before, after = dice.uniform(0.15, 0.22) / tempo, dice.uniform(0.28, 0.5) / tempo
        is_nod = dice.happens(0.68)
        turn = dice.sign() * size * (dice.uniform(0.0, 0.3) if is_nod else dice.uniform(0.5, 0.9))
        tilt = -turn * dice.uniform(0.1, 0.5)
        down = size if is_nod else size * dice.uniform(-0.2, 0.4)
        found.append(_pulse(stage, "nod" if is_nod else "beat", at, before, after, (turn, down, tilt), dice.uniform(0.0, 0.22)))
    return found


def _plan_phrases(stage: Stage) -> list[Event]:
    found: list[Event] = []
    starts = {turn.start for turn in stage.speech.turns}
    for phrase in stage.speech.phrases:
        dice = stage.dice("head", phrase.start, "phrase")
        length = phrase.end - phrase.start
        wide = phrase.start in starts and phrase.start > 0.3
        size = (dice.uniform(2.5, 4.5) if wide else dice.uniform(0.6, 1.9)) * stage.manner("headRange", phrase.start)
        side = dice.sign()
        goal = (side * size, -0.35 * size * dice.uniform(0.2, 1.0), -side * 0.35 * size * dice.uniform(0.2, 1.0))
        moving = dice.uniform(0.35, 0.6) / stage.manner("headTempo", phrase.start)
        if length > 0.6:
            lasting = min(length, dice.uniform(1.2, 3.0))
            kind = "turn" if wide else "posture"
            found.append(_held(stage, kind, max(phrase.start - 0.5 * moving, 0.0), phrase.start, moving, lasting, goal))
        if length > 0.8 and dice.happens(0.6):
            down = dice.uniform(0.8, 1.8) * stage.manner("headRange", phrase.end)
            at = phrase.end - dice.uniform(0.0, 0.15)
            found.append(_pulse(stage, "settle", at, 0.3, dice.uniform(0.7, 1.3), (0.0, down, 0.0), 0.25, phrase.end))
    return found


def _plan_listening(stage: Stage) -> list[Event]:
    """Plan nods shortly after the other speaker's phrases: one, two or three that get smaller."""
    found: list[Event] = []
    for phrase in stage.partner.phrases if stage.partner else ():
        dice = stage.dice("head", phrase.end, "listener")
        at = phrase.end + dice.uniform(0.25, 0.7)
        if at > stage.seconds - 0.3 or not stage.listens[stage.row(at)] or phrase.end - phrase.start < 0.5:
            continue
        eager = stage.settings.amount("listening")
        if not dice.happens(_LISTENER_NODS * min(eager, 2.0) * stage.manner("nod", at)):
            continue
        size = dice.uniform(2.0, 5.0) * min(0.5 + 0.5 * eager, 1.5)
        for repeat in range(1 + int(dice.happens(0.6)) + int(dice.happens(0.25))):
            found.append(_pulse(stage, "nod", at, 0.17, 0.24, (0.0, size, 0.0), 0.0, phrase.end))
            at += dice.uniform(0.36, 0.46)
            size *= 0.6 + 0.05 * repeat
    return found


def _pulse(
    stage: Stage,
    kind: str,
    apex: float,
    before: float,
    after: float,
    degrees: tuple[float, float, float],
    rebound: float,
    anchor: float | None = None,
) -> Event:
    """Make a movement there and back; with a ``rebound`` it swings beyond its rest by that share, like a real head."""
    amount = stage.settings.amount("head") * DEGREE
    start = max(apex - before, 0.0)
    peak = max(apex, start + 0.08) - start
    tracks: dict[str, Keys] = {}
    for axis, size in zip(AXES, degrees, strict=True):
        if abs(size) < 0.05:
            continue
        top = size * amount
        keys = [(0.0, 0.0), (peak, top), (peak + after, -rebound * top if rebound > 0.05 else 0.0)]
        if rebound > 0.05:
            keys.append((peak + 1.9 * after, 0.0))
        tracks[axis] = tuple(keys)
    largest = max((abs(size) for size in degrees), default=0.0) * amount
    return Event("head", kind, start, apex if anchor is None else anchor, largest, tracks)


def _held(
    stage: Stage, kind: str, start: float, anchor: float, moving: float, lasting: float, degrees: tuple[float, float, float]
) -> Event:
    """Make a movement to another position, a stay there, and a slow return."""
    amount = stage.settings.amount("head") * DEGREE
    tracks = {
        axis: ((0.0, 0.0), (moving, size * amount), (moving + lasting, 0.7 * size * amount), (2.4 * moving + lasting, 0.0))
        for axis, size in zip(AXES, degrees, strict=True)
    }
    return Event("head", kind, start, anchor, max(abs(size) for size in degrees) * amount, tracks)
