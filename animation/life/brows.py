# SPDX-License-Identifier: GPL-3.0-or-later
"""Brows: raises on some accents (never on all), on questions, turn starts and a voice that leaps up in surprise, a frown on
effort; other feelings, other accents.

Raises begin about 60 ms before the accent (Flecha-Garcia) and accompany only some of the rises in pitch (Cave, Guaitella et al.
1996); a leap of the pitch far above that of calm speech lifts them as surprise does (action units 1, 2 and 5; a rule of our
own). The outer brow follows the inner one by 0.89 (measured on captured takes).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .events import Event, Keys
from .noise import make_key
from .stage import ROWS_PER_SECOND, Dice, Stage

_LEAD = 0.06
_APART = 0.9
_QUESTION_SEMITONES = 3.5
_FROWN_EFFORT, _FROWN_SECONDS = 0.72, 0.5
_TENSE, _FROWN_TENSION = 0.1, 0.6
# Semitones over the neighbourhood: 95 % of the accents of read speech are below 4.1; above 15 an octave was mistaken.
_SURPRISE_SEMITONES = (7.0, 15.0)
_SURPRISE = {"browInnerUp": 0.5, "browOuterUp": 0.55, "eyeWide": 0.25}
_PRESSED = 0.2
"""From where an accent that presses the brows down lets no leap of the voice lift them."""
_RAISE = ("browInnerUp", "browOuterUp")


def plan_brows(stage: Stage) -> tuple[Event, ...]:
    """Plan 'raise' and 'frown' events.

    Their tracks are brow, lid, cheek and nose controls, with 'Left' and 'Right' if they have sides.
    """
    amount = stage.settings.amount("brows")
    if amount <= 0.0:
        return ()
    surprises = _plan_surprises(stage)
    frowns = [one for one in _plan_frowns(stage) if not any(_overlap(one, other) for other in surprises)]
    raises = [*_plan_accents(stage), *_plan_questions(stage), *_plan_turns(stage)]
    raises = [one for one in raises if all(abs(one.seconds - other.seconds) >= _APART for other in surprises)]
    # Brows that are pressed down are not lifted, too, which would be fear.
    raises = [one for one in raises if _presses(one) or not any(_overlap(one, other) for other in frowns)]
    found = [*raises, *frowns, *surprises]
    kept: list[Event] = []
    for event in sorted(found, key=lambda event: (event.seconds, event.kind)):
        # Two raises at once would add up; the earlier one holds.
        if kept and event.kind == "raise" and kept[-1].kind == "raise" and event.seconds < kept[-1].seconds + _APART:
            continue
        kept.append(event)
    return tuple(kept)


def make_raise(stage: Stage, up: float, size: float) -> Event:
    """Make a raise that is ``up`` at an instant; ``size`` 1 is a clear one."""
    dice = stage.dice("brows", up, "cue")
    rise, hold, fall = dice.uniform(0.1, 0.2), dice.uniform(0.12, 0.3), dice.uniform(0.25, 0.5)
    return _pulse(stage, "raise", max(up - rise, 0.0), up, 0.8 * size, rise, hold, fall, dice)


def _plan_accents(stage: Stage) -> list[Event]:
    found: list[Event] = []
    for accent in stage.speech.accents:
        dice = stage.dice("brows", accent.seconds, "accent")
        likely = (0.02 + 0.3 * accent.size**2 + 0.035 * min(max(accent.rise, 0.0), 4.0)) * stage.manner("brow", accent.seconds)
        if not dice.happens(likely):
            continue
        strength = (0.3 + 0.7 * accent.size) * dice.uniform(0.45, 1.15) * (0.7 + 0.5 * stage.speech.effort_at(accent.seconds))
        rise, fall = dice.uniform(0.1, 0.2), dice.uniform(0.22, 0.5)
        # Most raises are flashes; some stay for the rest of the thought.
        hold = dice.uniform(0.06, 0.25) if dice.happens(0.7) else dice.uniform(0.4, 1.1)
        found.append(_pulse(stage, "raise", accent.seconds - 0.06 - _LEAD, accent.seconds, strength, rise, hold, fall, dice))
    return found


def _presses(event: Event) -> bool:
    """Return whether an accent moves the brows down rather than up."""
    tops = [max((value for _, value in event.tracks.get(name, ())), default=0.0) for name in ("browDownLeft", "browInnerUp")]
    return tops[0] > tops[1]


def _overlap(one: Event, other: Event) -> bool:
    return one.seconds < other.end and other.seconds < one.end


def _plan_surprises(stage: Stage) -> list[Event]:
    """Plan wide raises with open lids where the voice leaps up, once in a while."""
    found: list[Event] = []
    low, high = _SURPRISE_SEMITONES
    for accent in stage.speech.accents:
        if stage.accent_at(accent.seconds).get("browDown", 0.0) > _PRESSED:
            continue
        if not low <= accent.rise <= high or (found and accent.seconds < found[-1].anchor + 2.0 * _APART):
            continue
        dice = stage.dice("brows", accent.seconds, "surprise")
        rise, hold, fall = dice.uniform(0.1, 0.16), dice.uniform(0.35, 0.8), dice.uniform(0.35, 0.6)
        strength = min(0.75 + 0.05 * (accent.rise - low), 1.15) * dice.uniform(0.9, 1.1)
        start = accent.seconds - 0.06 - _LEAD
        found.append(_pulse(stage, "raise", start, accent.seconds, strength, rise, hold, fall, dice, _SURPRISE))
    return found


def _plan_questions(stage: Stage) -> list[Event]:
    found: list[Event] = []
    for phrase in stage.speech.phrases:
        dice = stage.dice("brows", phrase.end, "question")
        if phrase.rise >= _QUESTION_SEMITONES and phrase.end - phrase.start > 0.5 and dice.happens(0.75):
            start = max(phrase.end - dice.uniform(0.35, 0.6), phrase.start)
            hold = phrase.end - start + dice.uniform(0.2, 0.6)
            found.append(
                _pulse(stage, "raise", start, phrase.end, dice.uniform(0.7, 1.0), 0.2, hold, dice.uniform(0.35, 0.6), dice)
            )
    return found


def _plan_turns(stage: Stage) -> list[Event]:
    found: list[Event] = []
    for turn in stage.speech.turns:
        dice = stage.dice("brows", turn.start, "turn")
        if turn.start > 0.3 and dice.happens(0.4):
            start = turn.start - dice.uniform(0.1, 0.3)
            strength, hold, fall = dice.uniform(0.35, 0.7), dice.uniform(0.2, 0.6), dice.uniform(0.4, 0.7)
            found.append(_pulse(stage, "raise", start, turn.start, strength, 0.2, hold, fall, dice))
    return found


def _plan_frowns(stage: Stage) -> list[Event]:
    """Plan frowns where the voice works hard, or is tense, for a while."""
    found: list[Event] = []
    effort = stage.speech.effort
    count = max(len(effort), stage.tension.size)
    worked, tense = np.zeros(count), np.zeros(count)
    worked[: len(effort)] = np.where(effort > _FROWN_EFFORT, (effort - _FROWN_EFFORT) * 1.2 + 0.12, 0.0)
    tense[: stage.tension.size] = np.where(stage.tension > _TENSE, _FROWN_TENSION * stage.tension, 0.0)
    sizes = np.maximum(worked, tense)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], sizes > 0.0, [False]]).astype(np.int8)))
    for begin, end in edges.reshape(-1, 2).tolist():
        start, length = begin / ROWS_PER_SECOND, (end - begin) / ROWS_PER_SECOND
        if length >= _FROWN_SECONDS:
            dice = stage.dice("brows", start, "frown")
            size = min(float(sizes[begin:end].max()), 0.4) * dice.uniform(0.8, 1.2)
            mix = {"browDown": size, "eyeSquint": 0.5 * size, "noseSneer": 0.25 * size}
            found.append(_pulse(stage, "frown", start - 0.1, start, 1.0, 0.25, length, 0.4, dice, mix))
    return found


def _pulse(
    stage: Stage,
    kind: str,
    start: float,
    anchor: float,
    strength: float,
    rise: float,
    hold: float,
    fall: float,
    dice: Dice,
    mix: Mapping[str, float] | None = None,
) -> Event:
    amount = stage.settings.amount("brows") * stage.manner("browSize", anchor)
    mix = stage.accent_at(anchor) if mix is None else mix
    tracks: dict[str, Keys] = {}
    # A person lifts one brow higher than the other, now and then the other way round.
    side = Dice(make_key(stage.settings.key("brows"), "side"), 0.0).normal(0.0, 0.14) + dice.normal(0.0, 0.1)
    side *= stage.settings.amount("asymmetry")
    later = start if start >= 0.0 else 0.0
    for name, weight in mix.items():
        height = weight * strength * amount * (1.0 if name in _RAISE else dice.uniform(0.8, 1.2))
        sides = (("", 1.0),) if name == "browInnerUp" else (("Left", 1.0 + side), ("Right", 1.0 - side))
        for suffix, share in sides:
            top = min(max(height * share, 0.0), 1.0)
            # Raised muscles hold their level, sagging slightly before they fall.
            tracks[name + suffix] = ((0.0, 0.0), (rise, top), (rise + hold, 0.9 * top), (rise + hold + fall, 0.0))
    return Event("brows", kind, later, anchor, strength * amount, tracks)
