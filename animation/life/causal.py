# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a head while it happens: row by row, from the past alone, for as long as one likes.

Life is planned in episodes, each as if it were a line of its own: somebody talks, or is silent. When that changes, or an
episode is over, the next one takes over from the pose that is shown. Blinks, nods and raised brows answer the voice as it is
heard: a blink at the end of a phrase, once it is silent, and a nod just after a vowel that stood out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..speech.events import SpeechEvents, join_events
from ..speech.phrases import Phrase, Turn
from .blinks import SHORTEST, draw_wait, evoked_probability, live_rate, make_blink
from .brows import make_raise
from .channels import CHANNEL_NAMES
from .events import SEEDS, Event, of_part
from .head import make_nod
from .noise import Dice, ease, make_key
from .planning import Life, plan_life
from .rendering import render_life
from .stage import Floats, LifeSettings, Target

EPISODE_SECONDS = 15.0
_TALKS_AFTER, _SILENT_AFTER = 0.08, 0.8
"""Seconds of voice after which somebody talks, and of silence after which nobody does."""
_TURN_SECONDS = 0.35
_BLEND_SECONDS, _EYES_BLEND_SECONDS = 0.6, 0.06
_LID_SECONDS = 0.07
_NOD_APART, _NOD_SECONDS = 0.5, 0.14
_LEARNS_SECONDS = 3.0
_STANDS_OUT, _FAR_OUT = 0.7, 1.8
"""Deviations of the mouth's opening from which a vowel stands out, and beyond that by which it does fully."""
_RAISES = 0.3
_EYES = tuple(index for index, name in enumerate(CHANNEL_NAMES) if "Eye" in name or name.startswith("eye"))
_LIDS = tuple(index for index, name in enumerate(CHANNEL_NAMES) if name.startswith(("eyeBlink", "eyeWide")))


class LiveLife:
    """A head that lives; ``advance`` is called for each row in turn."""

    def __init__(self, settings: LifeSettings, frame_rate: float, targets: Sequence[Target] = ()) -> None:
        self._settings, self._rate, self._targets = settings, frame_rate, tuple(targets)
        self.emotion: Mapping[str, float] = {}
        self.blinks = self.nods = 0
        self.is_talking = False
        self._count = 0
        """Rows so far."""
        self._voiced = self._silent = 0.0
        self._mean, self._deviation = 0.1, 0.1
        self._openings = (0.0, 0.0)
        self._blink_clock, self._last_blink, self._last_nod = 0.0, -9.0, -9.0
        self._blink_wait = draw_wait(self._dice("blinks"))
        self._shown: Floats = np.zeros(len(CHANNEL_NAMES))
        self._offset: Floats = np.zeros(len(CHANNEL_NAMES))
        self._episode = -1
        self._begin()

    def advance(self, is_voiced: bool, opening: float) -> NDArray[np.float32]:
        """Return the row ``[CHANNEL_NAMES]`` that adds to a mouth ``opening`` (of the jaw, 0..1) in which ``is_voiced``."""
        self._hear(is_voiced)
        calm = self._shown[_LIDS[0]] < 0.2
        if calm and self._talks() != self.is_talking:
            self.is_talking = not self.is_talking
            self._begin()
        elif self._row >= len(self._rows) - 1 or (calm and self._row >= len(self._rows) - 1 - round(0.5 * self._rate)):
            self._begin()
        self._blink(is_voiced)
        if is_voiced:
            self._nod(opening)
        self._openings = (self._openings[1], opening)
        age = self._row / self._rate
        left = np.full(len(CHANNEL_NAMES), 1.0 - float(ease(np.array(min(age / _BLEND_SECONDS, 1.0)))))
        left[list(_EYES)] = 1.0 - float(ease(np.array(min(age / _EYES_BLEND_SECONDS, 1.0))))
        self._shown = self._rows[self._row] + left * self._offset
        self._row += 1
        self._count += 1
        return self._shown.astype(np.float32)

    def _dice(self, name: str) -> Dice:
        return Dice(make_key(self._settings.seed, "live", name), self._count / self._rate)

    def _hear(self, is_voiced: bool) -> None:
        step = 1.0 / self._rate
        self._voiced = self._voiced + step if is_voiced else 0.0
        self._silent = 0.0 if is_voiced else self._silent + step

    def _talks(self) -> bool:
        return self._silent < _SILENT_AFTER if self.is_talking else self._voiced > _TALKS_AFTER

    def _begin(self) -> None:
        """Plan the next episode, and take over from the pose that is shown."""
        self._episode += 1
        seed = (self._settings.seed + 7919 * self._episode) % SEEDS
        amounts = {**self._settings.amounts, "blinks": 0.0}
        settings = replace(self._settings, seed=seed, amounts=amounts)
        self._life = plan_life(
            _some_speech(self.is_talking), settings, emotion=self.emotion, targets=self._targets, seconds=EPISODE_SECONDS
        )
        self._row = 0
        self._rows = render_life(self._life, self._rate).curves.values.astype(np.float64)
        self._offset = self._shown - self._rows[0]
        self._shifts = {round(event.seconds * self._rate): event for event in of_part(self._life.events, "gaze")}

    def _add(self, event: Event) -> None:
        """Add an event, which begins now at the earliest."""
        event = event.moved(max(event.seconds, self._row / self._rate))
        self._life: Life = self._life.with_events([*self._life.events, event])
        # All of it, because a head follows looks that were before.
        self._rows[self._row :] = render_life(self._life, self._rate).curves.values[self._row :]

    def _blink(self, is_voiced: bool) -> None:
        amount = self._settings.amount("blinks")
        now = self._count / self._rate
        self._blink_clock += amount * live_rate(self.is_talking, is_voiced, self._silent) / self._rate
        shift = self._shifts.get(self._row + round(_LID_SECONDS * self._rate))
        dice = self._dice("evoked")
        is_evoked = shift is not None and dice.happens(evoked_probability(shift.size) * min(amount, 1.0))
        if amount <= 0.0 or now - self._last_blink < SHORTEST or self._row > len(self._rows) - 0.5 * self._rate:
            return
        is_due = self._blink_clock >= self._blink_wait
        if is_due:
            self._blink_clock, self._blink_wait = 0.0, draw_wait(self._dice("blinks"))
        if is_due or is_evoked:
            self._last_blink = now
            self.blinks += 1
            self._add(make_blink(self._life.stage, self._row / self._rate + _LID_SECONDS))

    def _nod(self, opening: float) -> None:
        """Answer a vowel that has just stood out, and learn how far this mouth opens."""
        before, last = self._openings
        share = 1.0 / (_LEARNS_SECONDS * self._rate)
        self._mean += share * (opening - self._mean)
        self._deviation += share * (abs(opening - self._mean) * 1.25 - self._deviation)
        now = self._count / self._rate
        if not (last >= before and last > opening) or now - self._last_nod < _NOD_APART:
            return
        size = ((last - self._mean) / max(self._deviation, 0.02) - _STANDS_OUT) / _FAR_OUT
        stage, at = self._life.stage, self._row / self._rate + _NOD_SECONDS
        dice = self._dice("accent")
        if size <= 0.0 or at > EPISODE_SECONDS - 0.8:
            return
        size = min(size, 1.0)
        if self._settings.amount("head") > 0.0 and dice.happens((0.12 + 0.62 * size) * stage.manner("nod", at)):
            self._last_nod = now
            self.nods += 1
            self._add(
                make_nod(stage, "nod" if dice.happens(0.68) else "beat", at, (0.3 + 0.7 * size) * dice.uniform(0.65, 1.3))
            )
        if self._settings.amount("brows") > 0.0 and dice.happens(_RAISES * size):
            self._add(make_raise(stage, at, size))


def _some_speech(is_talking: bool) -> SpeechEvents:
    """Return speech that has just begun and lasts as long as an episode, or silence."""
    silence = join_events((), EPISODE_SECONDS)
    if not is_talking:
        return silence
    phrase, turn = Phrase(_TURN_SECONDS, EPISODE_SECONDS, 0.0), Turn(_TURN_SECONDS, EPISODE_SECONDS)
    return replace(silence, phrases=(phrase,), turns=(turn,), pauses=())
