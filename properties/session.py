# SPDX-License-Identifier: GPL-3.0-or-later
"""The run in progress and other state of this Blender session, shared by operators and panels."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..animation.overview import Overview


@dataclass
class Run:
    """A background task. ``progress`` is 0..1; setting ``cancelled`` asks it to stop."""

    character: str
    progress: float = 0.0
    cancelled: bool = False
    doing: str = "animated"


@dataclass(frozen=True)
class Estimate:
    """The estimate of the next take's keys, '' for none, valid while ``settings.estimate_basis`` returns ``basis``."""

    basis: tuple[object, ...]
    text: str


@dataclass
class LiveStatus:
    """The state of the live panel while a face is live."""

    source: str
    is_recording: bool = False
    recorded_seconds: float = 0.0
    level: float = 0.0
    """0..1, from -60 dB to full scale."""
    text: str = ""
    trouble: str = ""


@dataclass
class Session:
    """State of this Blender session that no file should hold: the run in progress and the provider of the last one.

    Operators set the ``on_...`` hooks, because nothing here may import operators.
    """

    run: Run | None = None
    provider: str | None = None
    warned: set[str] = field(default_factory=set)
    on_slider: Callable[[Any], object] | None = None
    on_emotion: Callable[[Any], object] | None = None
    on_estimate: Callable[[Any], None] | None = None
    estimate: "Estimate | None" = None
    # The state that ``settings.sliders_differ`` has last compared, and what came of it, or empty.
    compared: list[tuple[Any, bool]] = field(default_factory=list)
    trouble: str = ""
    is_looking: bool = False
    live: LiveStatus | None = None
    live_trouble: str = ""
    """Why the last live session ended by itself."""
    lost_recordings: tuple[str, ...] = ()
    preview: float = 0.0
    swept: str = ""
    sheet: str = ""
    # Overviews for the waveform strip, by the take's record; None for a take that cannot be drawn. Undo brings takes back.
    overviews: OrderedDict[str, Overview | None] = field(default_factory=OrderedDict)
    on_missing_character: Callable[[Any], None] | None = None
    # Characters that the user took out of the field, by the names of scene and object; they are not found again.
    declined: set[tuple[str, str]] = field(default_factory=set)
    shown_characters: dict[str, str] = field(default_factory=dict)
    on_unseen_take: Callable[[Any], None] | None = None
    on_word: Callable[[Any, Any], None] | None = None
    on_word_moved: Callable[[Any, Any], None] | None = None
    lists_words: bool = False

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
        """Store the overview of a take; the oldest of many is dropped."""
        self.overviews[record] = overview
        self.overviews.move_to_end(record)
        while len(self.overviews) > 16:
            self.overviews.popitem(last=False)


session = Session()
