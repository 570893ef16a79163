# SPDX-License-Identifier: GPL-3.0-or-later
"""The run in progress and whatever else ends with this Blender session, shared by operators and panels."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..animation.overview import Overview


@dataclass
class Run:
    """Work going on in the background. ``progress`` is 0..1; setting ``cancelled`` asks it to stop."""

    character: str
    progress: float = 0.0
    cancelled: bool = False
    doing: str = "animated"


@dataclass(frozen=True)
class Estimate:
    """What is known of the next take's keys, '' for nothing, while ``settings.estimate_basis`` returns ``basis``."""

    basis: tuple[object, ...]
    text: str


@dataclass
class Session:
    """What this Blender session knows and no file should: the run in progress and what the last one ran on.

    The ``on_...`` hooks are set by operators, which nothing here may import.
    """

    run: Run | None = None
    provider: str | None = None
    warned: set[str] = field(default_factory=set)
    on_slider: Callable[[Any], object] | None = None
    on_emotion: Callable[[Any], object] | None = None
    on_estimate: Callable[[Any], None] | None = None
    estimate: "Estimate | None" = None
    trouble: str = ""
    is_looking: bool = False
    preview: float = 0.0
    swept: str = ""
    # What the waveform strip draws, by the take's record; None for a take that cannot be drawn. Undo brings takes back.
    overviews: OrderedDict[str, Overview | None] = field(default_factory=OrderedDict)
    on_unseen_take: Callable[[Any], None] | None = None

    @contextmanager
    def hooks_paused(self) -> Iterator[None]:
        """Keep the chosen take from following sliders and emotions that are set meanwhile."""
        hooks = self.on_slider, self.on_emotion
        self.on_slider = self.on_emotion = None
        try:
            yield
        finally:
            self.on_slider, self.on_emotion = hooks

    def remember_overview(self, record: str, overview: Overview | None) -> None:
        """Keep what is drawn of a take; the oldest of many is forgotten."""
        self.overviews[record] = overview
        self.overviews.move_to_end(record)
        while len(self.overviews) > 16:
            self.overviews.popitem(last=False)


session = Session()
