# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a line: its parts planned in turn, each from the speech and its own random numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from numpy.typing import ArrayLike

from ..speech.events import Accent, SpeechEvents
from .blinks import SHORTEST, make_blink, plan_blinks
from .breath import plan_breath
from .brows import make_raise, plan_brows
from .cues import SAME_SECONDS, Cue
from .events import Event
from .face import plan_face
from .gaze import plan_gaze, plan_shifts
from .head import make_nod, plan_head
from .outbursts import KINDS, make_outburst, plan_outbursts
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
    cues: Sequence[Cue] = (),
    seconds: float | None = None,
    amounts: Mapping[str, ArrayLike] | None = None,
    tension: ArrayLike = 0.0,
) -> Life:
    """Plan the life of a head in a line.

    ``emotion`` are weights by name, one number or ``[time]`` at ``emotion_rate`` rows a second, ``partner`` is the speech
    of another character on the same clock, ``targets`` are things to look at and ``looks`` (seconds, name) the times to
    look at them; ``cues`` add single events, move them and leave them out; ``seconds`` lets the head live longer than the
    sound; ``amounts`` are factors for parts by name, ``[time]`` at ``emotion_rate``, as styles of stretches have them;
    ``tension`` is how far a raised voice presses the brows, 0..1, likewise. The
    same arguments return the same events, the seed or amount of a part changes that part's events only, a cue changes its
    own event only, and a line that is edited at its end keeps the events of its beginning. Raises KeyError for an emotion or
    a target that does not exist.
    """
    known = tuple(targets) if any(target.name == AHEAD.name for target in targets) else (*targets, AHEAD)
    looks = _with_look_cues(looks, cues)
    for _, name in looks:
        if name not in {target.name for target in known}:
            raise KeyError(name)
    stage = set_stage(
        _with_accents(speech, cues),
        settings or LifeSettings(),
        emotion=emotion,
        emotion_rate=emotion_rate,
        partner=partner,
        seconds=seconds,
        amounts=amounts,
        tension=tension,
    )
    shifts = plan_shifts(stage)
    parts = (
        plan_blinks(stage, shifts),
        plan_gaze(stage, shifts, looks),
        plan_brows(stage),
        plan_head(stage),
        plan_breath(stage),
        plan_face(stage),
        plan_outbursts(stage),
    )
    return Life(stage, _in_order(_with_cues(stage, [event for part in parts for event in part], cues)), known)


def find_marks(events: Iterable[Event]) -> tuple[tuple[str, float], ...]:
    """Return (name, seconds) of the markers of events, in order of time; those without a kind of cue have none."""
    found = ((mark, instant_of(event)) for event in events if (mark := mark_of(event)))
    return tuple(sorted(found, key=lambda mark: (mark[1], mark[0])))


def mark_of(event: Event) -> str:
    """Return the name of an event's marker, which is that of its cue, or ''."""
    if event.kind == "look":
        return f"look {event.label}"
    if event.kind in KINDS:
        return event.kind
    return {"blink": "blink", "nod": "nod", "beat": "beat", "raise": "brows"}.get(event.kind, "")


def instant_of(event: Event) -> float:
    """Return the seconds at which an event is furthest: lids shut, head down, brows up; for a look or a laugh, its start."""
    if event.kind == "look" or event.kind in KINDS:
        return event.seconds
    return event.seconds + min((keys[1][0] for keys in event.tracks.values() if len(keys) > 1), default=0.0)


def _with_look_cues(looks: Sequence[tuple[float, str]], cues: Sequence[Cue]) -> list[tuple[float, str]]:
    wanted = [cue for cue in cues if cue.kind == "look"]
    moved = [cue.replaces for cue in wanted if cue.replaces is not None]
    kept = [look for look in looks if not any(abs(look[0] - at) <= SAME_SECONDS for at in moved)]
    return sorted([*kept, *((max(cue.seconds, 0.0), cue.name) for cue in wanted if cue.seconds is not None)])


def _with_accents(speech: SpeechEvents, cues: Sequence[Cue]) -> SpeechEvents:
    """Return the speech with the accents that cues ask for; one that the voice has there already becomes as strong."""
    wanted = [cue for cue in cues if cue.kind == "accent"]
    if not wanted:
        return speech
    accents = list(speech.accents)
    for cue in wanted:
        at = cue.seconds
        said = next((one for one in accents if at is not None and one.start <= at <= one.end), None)
        for gone in (cue.replaces, at):
            accents = [one for one in accents if gone is None or not one.start - SAME_SECONDS <= gone <= one.end + SAME_SECONDS]
        if at is None:
            continue
        vowel = next((one for one in speech.syllables if one.start <= at <= one.end), None)
        start, end = (at - 0.06, at + 0.06) if vowel is None else (vowel.nucleus_start, vowel.nucleus_end)
        size, rise = (0.0, 0.0) if said is None else (said.size, said.rise)
        accents.append(Accent(at, start, end, max(min(cue.size, 1.0), size), rise))
    return replace(speech, accents=tuple(sorted(accents, key=lambda one: one.seconds)))


def _with_cues(stage: Stage, events: list[Event], cues: Sequence[Cue]) -> list[Event]:
    """Return planned events with those of cues; a blink of a cue takes the place of planned ones that it would run into."""
    made: list[Event] = []
    for cue in cues:
        if cue.kind in ("accent", "look", "style"):
            continue
        same = [event for event in events if mark_of(event) == cue.kind]
        replaced: Event | None = None
        if cue.replaces is not None and same:
            nearest = min(same, key=lambda event: abs(instant_of(event) - (cue.replaces or 0.0)))
            replaced = nearest if abs(instant_of(nearest) - cue.replaces) <= SAME_SECONDS else None
            events = [event for event in events if event is not replaced]
        if cue.seconds is None or cue.seconds > stage.seconds:
            continue
        if replaced is not None:
            event = replaced.moved(max(replaced.seconds + cue.seconds - instant_of(replaced), 0.0))
        else:
            event = _make_event(stage, cue, cue.seconds)
        if event is None:
            continue
        if cue.kind == "blink":
            events = [one for one in events if one.kind != "blink" or abs(one.seconds - event.seconds) >= SHORTEST]
        made.append(event)
    return [*events, *made]


def _make_event(stage: Stage, cue: Cue, seconds: float) -> Event | None:
    """Make the event of a cue; None where the amount of its part is 0."""
    if cue.kind == "blink":
        return make_blink(stage, seconds) if stage.settings.amount("blinks") > 0.0 else None
    if cue.kind in KINDS:
        return make_outburst(stage, cue.kind, seconds, cue.size)
    if cue.kind == "brows":
        return make_raise(stage, seconds, cue.size) if stage.settings.amount("brows") > 0.0 else None
    return make_nod(stage, cue.kind, seconds, cue.size) if stage.settings.amount("head") > 0.0 else None


def _in_order(events: Iterable[Event]) -> tuple[Event, ...]:
    return tuple(sorted(events, key=lambda event: (event.seconds, event.part, event.kind)))
