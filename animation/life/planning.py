# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a line: its parts planned in turn, each from the speech and its own random numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from numpy.typing import ArrayLike

from ..speech.events import SpeechEvents
from .blinks import plan_blinks
from .breath import plan_breath
from .brows import plan_brows
from .events import Event
from .face import plan_face
from .gaze import plan_gaze, plan_shifts
from .head import plan_head
from .stage import AHEAD, LifeSettings, Stage, Target, set_stage


@dataclass(frozen=True, eq=False)
class Life:
    """The life of a head in a line: its ``events`` in order of time, and their inputs.

    ``targets`` are the names in looks; the first is looked at from the beginning.
    """

    stage: Stage
    events: tuple[Event, ...]
    targets: tuple[Target, ...] = (AHEAD,)

    def with_events(self, events: Iterable[Event]) -> Life:
        """Return the same life with other events, such as ones that an artist moved, added or left out."""
        return replace(self, events=_in_order(events))


def plan_life(
    speech: SpeechEvents,
    settings: LifeSettings | None = None,
    *,
    emotion: Mapping[str, float | ArrayLike] | None = None,
    emotion_rate: float = 1.0,
    partner: SpeechEvents | None = None,
    targets: Sequence[Target] = (),
    looks: Sequence[tuple[float, str]] = (),
    seconds: float | None = None,
) -> Life:
    """Plan the life of a head in a line.

    ``emotion`` are weights by name, one number or ``[time]`` at ``emotion_rate`` rows a second, ``partner`` is the speech
    of another character on the same clock, ``targets`` are things to look at and ``looks`` (seconds, name) the times to
    look at them; ``seconds`` lets the head live longer than the sound. The same arguments return the same events, the seed
    or amount of a part changes that part's events only, and a line that is edited at its end keeps the events of its
    beginning. Raises KeyError for an emotion or a target that does not exist.
    """
    known = tuple(targets) or (AHEAD,)
    for _, name in looks:
        if name not in {target.name for target in known}:
            raise KeyError(name)
    stage = set_stage(
        speech, settings or LifeSettings(), emotion=emotion, emotion_rate=emotion_rate, partner=partner, seconds=seconds
    )
    shifts = plan_shifts(stage)
    parts = (
        plan_blinks(stage, shifts),
        plan_gaze(stage, shifts, looks),
        plan_brows(stage),
        plan_head(stage),
        plan_breath(stage),
        plan_face(stage),
    )
    return Life(stage, _in_order(event for part in parts for event in part), known)


def _in_order(events: Iterable[Event]) -> tuple[Event, ...]:
    return tuple(sorted(events, key=lambda event: (event.seconds, event.part, event.kind)))
