# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of a living head as data: a few keys on named controls each, so that moving an event is changing a number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

PARTS = ("blinks", "gaze", "brows", "head", "breath", "face")
"""Parts with their own amount and seed; 'face' is mouth corners, cheeks, nose and squint."""

SEEDS = 1_000_000
"""Number of seeds, after which they begin again."""

Keys = tuple[tuple[float, float], ...]
"""(seconds after the event's start, value) in order of time."""


@dataclass(frozen=True)
class Event:
    """One action of a head.

    ``kind`` is the name of its marker ('blink', 'look', 'raise', 'nod', ...), ``seconds`` its start and ``anchor`` the instant
    that it belongs to (the accent of a nod, the end of a phrase), counted from the start of the sound. ``tracks`` are keys by
    control; between them values ease from one to the next, outside they have no effect. ``size`` is in the unit of the part:
    weight, or radians for gaze and head. ``label`` is the target of a look.
    """

    part: str
    kind: str
    seconds: float
    anchor: float
    size: float
    tracks: Mapping[str, Keys]
    label: str = ""

    @property
    def end(self) -> float:
        """The instant at which the last control is back, in seconds from the start of the sound."""
        return self.seconds + max((keys[-1][0] for keys in self.tracks.values() if keys), default=0.0)

    def moved(self, seconds: float) -> Event:
        """Return the same event, starting at ``seconds``."""
        return replace(self, seconds=seconds, anchor=self.anchor + seconds - self.seconds)


def of_part(events: Iterable[Event], part: str) -> tuple[Event, ...]:
    """Return the events of one part."""
    return tuple(event for event in events if event.part == part)
