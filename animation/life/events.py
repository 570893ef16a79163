# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of a living head as data: what happens when, as a few keys on named controls. Moving one is changing a number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

PARTS = ("blinks", "gaze", "brows", "head", "breath", "face")
"""Parts that have an amount and a seed of their own; 'face' is mouth corners, cheeks, nose and squint."""

Keys = tuple[tuple[float, float], ...]
"""(seconds after the event's start, value) in order of time."""


@dataclass(frozen=True)
class Event:
    """One thing that a head does.

    ``kind`` is what a marker of it is called ('blink', 'look', 'raise', 'nod', ...), ``seconds`` its start and ``anchor`` the
    instant that it belongs to (the accent of a nod, the end of a phrase), counted from the start of the sound. ``tracks`` are
    keys by control; between them values ease from one to the next, outside they have no part. ``size`` is in the unit of the
    part: weight, or radians for gaze and head. ``label`` is the target of a look.
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
        """When the last control is back, in seconds from the start of the sound."""
        return self.seconds + max((keys[-1][0] for keys in self.tracks.values() if keys), default=0.0)

    def moved(self, seconds: float) -> Event:
        """The same event so that it starts at ``seconds``."""
        return replace(self, seconds=seconds, anchor=self.anchor + seconds - self.seconds)


def of_part(events: Iterable[Event], part: str) -> tuple[Event, ...]:
    """The events of one part."""
    return tuple(event for event in events if event.part == part)
