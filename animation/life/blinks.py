# SPDX-License-Identifier: GPL-3.0-or-later
"""Blinks: log-normal intervals that crowd at phrase ends, in pauses and at wide gaze shifts, and stay out of stressed vowels.

Rates after Bentivoglio et al. 1997 and Doughty 2001; phrase ends after Nakano and Kitazawa 2010; gaze shifts after Evinger et
al. 1994; the shape, closing faster than opening and always shut, after VanderWerf et al. 2003 and Trutoiu et al. 2011.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .events import Event, Keys
from .gaze import DEGREE, Shift
from .noise import draw, make_key
from .stage import ROWS_PER_SECOND, Dice, Floats, Stage, run_clock, wait_until

# Medians of seconds between spontaneous blinks; those of gaze shifts are added.
_TALKING, _LISTENING, _IDLE, _SPREAD = 3.9, 6.0, 4.4, 0.62
_DOUBLE = 0.1
SHORTEST = 0.42
"""Least seconds from the start of a blink to that of the next."""
_LINE, _FIRST_BY, _LONG_LINE, _FIRST_BY_IN_LONG = 2.5, 2.2, 4.5, 4.0
_LID_LEAD = 0.04
# How much likelier a blink is than within a phrase.
_IN_PHRASE, _IN_ACCENT, _AT_END, _IN_PAUSE = 0.02, 0.006, 6.0, 2.6
_AFTER_PARTNER = 5.0
# Where nobody knows when a phrase will end, some blinks must fall within.
_IN_LIVE_PHRASE = 0.3


def evoked_probability(size: float) -> float:
    """Return the probability that a gaze shift of ``size`` radians draws a blink: 0.5 from 8 degrees (below, it is left to
    chance), 0.8 from 14, 0.97 from 30."""
    return float(np.interp(size / DEGREE, (7.9, 8.0, 14.0, 30.0), (0.0, 0.5, 0.8, 0.97)))


def plan_blinks(stage: Stage, shifts: Sequence[Shift]) -> tuple[Event, ...]:
    """Plan 'blink' events with the tracks 'blinkLeft' and 'blinkRight', where 1 is shut."""
    amount, key = stage.settings.amount("blinks"), stage.settings.key("blinks")
    if amount <= 0.0:
        return ()
    rate = _rate(stage, amount)
    clock = run_clock(rate)
    evoked = [(shift.seconds - _LID_LEAD, shift) for shift in shifts if _is_evoked(stage, key, shift, amount)]
    times: list[float] = []
    last = -1.0
    row = 0
    while True:
        dice = Dice(key, max(last, 0.0))
        wait = math.exp(_SPREAD * dice.normal()) * (dice.uniform(0.1, 1.0) if last < 0 else 1.0)
        following = wait_until(clock, row, wait) / ROWS_PER_SECOND
        if times and dice.happens(_DOUBLE):
            second = last + dice.uniform(SHORTEST, 0.56)
            # A second blink follows if there is still room for it, not within the next phrase.
            following = second if rate[stage.row(second)] >= rate[stage.row(last)] * 0.3 else following
        following = max(following, last + SHORTEST)
        first_by = _FIRST_BY if stage.seconds < _LONG_LINE else _FIRST_BY_IN_LONG
        if not times and stage.seconds >= _LINE and following > first_by:
            following = _best_first(rate, key, first_by)
        drawn = next((at for at, _ in evoked if at >= last + SHORTEST), math.inf)
        following = max(min(following, drawn), 0.0)
        if following > stage.seconds - 0.12:
            break
        times.append(following)
        last, row = following, stage.row(following)
    return tuple(_blink(stage, at) for at in times)


def _rate(stage: Stage, amount: float) -> Floats:
    """Return the rate of blinks a second, in medians of the interval, ``[time]``."""
    seconds = np.arange(stage.talks.size) / ROWS_PER_SECOND
    rate = np.full(seconds.size, 1.0 / _IDLE)
    rate[stage.talks], rate[stage.listens] = 1.0 / _TALKING, 1.0 / _LISTENING
    pull = np.ones(seconds.size)
    for phrase in stage.speech.phrases:
        pull[stage.row(phrase.start) : stage.row(phrase.end) + 1] = _IN_PHRASE
    for accent in stage.speech.accents:
        pull[stage.row(accent.start - 0.1) : stage.row(accent.end) + 1] = _IN_ACCENT
    for pause in stage.speech.pauses:
        if stage.talks[stage.row(0.5 * (pause.start + pause.end))]:
            pull[stage.row(pause.start) : max(stage.row(pause.end - 0.12), stage.row(pause.start))] = _IN_PAUSE
    for phrase in stage.speech.phrases:
        pull[stage.row(phrase.end - 0.15) : stage.row(phrase.end + 0.3) + 1] = _AT_END
    for phrase in stage.partner.phrases if stage.partner else ():
        near = slice(stage.row(phrase.end + 0.25), stage.row(phrase.end + 0.5) + 1)
        pull[near] = np.where(stage.listens[near], _AFTER_PARTNER, pull[near])
    return amount * rate * pull * stage.manner_rows("blinkRate", seconds)


def live_rate(is_talking: bool, is_voiced: bool, silent_seconds: float) -> float:
    """Return the rate of blinks a second, in medians of the interval, where only the past is known.

    While somebody talks blinks crowd at the ends of phrases, which are known once the voice has been silent for a moment.
    """
    if not is_talking:
        return 1.0 / _IDLE
    pull = _IN_LIVE_PHRASE if is_voiced else _AT_END if 0.1 <= silent_seconds <= 0.45 else _IN_PAUSE
    return pull / _TALKING


def draw_wait(dice: Dice) -> float:
    """Draw how long a clock of ``live_rate`` runs until the next blink."""
    return math.exp(_SPREAD * dice.normal())


def _is_evoked(stage: Stage, key: int, shift: Shift, amount: float) -> bool:
    likely = evoked_probability(shift.size) * min(stage.manner("blinkRate", shift.seconds), 1.0) * min(amount, 1.0)
    return Dice(make_key(key, "evoked"), shift.seconds).happens(likely)


def _best_first(rate: Floats, key: int, first_by: float) -> float:
    """Choose the best instant at the beginning of a line for a first blink that would come too late."""
    rows = np.arange(int(0.4 * ROWS_PER_SECOND), min(int(first_by * ROWS_PER_SECOND), rate.size))
    worth = rate[rows] * (0.5 + draw(make_key(key, "first"), rows))
    return float(rows[int(worth.argmax())]) / ROWS_PER_SECOND


def make_blink(stage: Stage, shut: float) -> Event:
    """Make a blink whose lids are ``shut`` at an instant."""
    event = _blink(stage, max(shut - 0.075, 0.0))
    down = min(keys[1][0] for keys in event.tracks.values())
    return event.moved(max(shut - down, 0.0))


def _blink(stage: Stage, seconds: float) -> Event:
    dice = stage.dice("blinks", seconds, "shape")
    down = min(max(dice.normal(0.075, 0.012), 0.05), 0.11)
    shut = dice.uniform(0.02, 0.05)
    # Tired and sad lids rise more slowly.
    up = min(max(dice.normal(0.155, 0.028), 0.11), 0.26) * (1.0 + 2.0 * max(stage.manner("lid", seconds), 0.0))
    offset = dice.uniform(0.008, 0.02) * dice.sign() * min(stage.settings.amount("asymmetry"), 1.5)
    tracks: dict[str, Keys] = {}
    for side, late in (("blinkLeft", max(offset, 0.0)), ("blinkRight", max(-offset, 0.0))):
        tracks[side] = ((late, 0.0), (late + down, 1.0), (late + down + shut, 1.0), (late + down + shut + up, 0.0))
    return Event("blinks", "blink", seconds, seconds + down, 1.0, tracks)
