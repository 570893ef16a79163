# SPDX-License-Identifier: GPL-3.0-or-later
"""Cues: what a script, a marker or a person wants a head to do at an instant, beside what chance plans.

This is the one way into the life of a head from outside. A source that knows more than the sound, such as a script with markup,
puts cues into ``Heard.cues`` (takes/sources.py); a person writes them as a setting (``TakeSettings.cues``, ``--cue``) or moves
the markers of a take. ``plan_life`` (planning.py) obeys both. This module imports nothing, so that the table of settings can.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

CUE_KINDS: dict[str, str] = {
    "accent": "a syllable is stressed, whatever the sound says: brows and head may go with it",
    "blink": "both eyes are shut",
    "look": "the eyes, and for a wide shift the head, turn to NAME: a target of the take, or 'ahead'",
    "nod": "the head is at its lowest",
    "beat": "the head is at its furthest to a side, as with a word that weighs",
    "brows": "the brows are up",
    "laugh": "a laugh begins: smile, cheeks, lids, a jaw that goes by its bursts",
    "gasp": "a startled breath begins",
    "sigh": "a long breath begins, and the head sinks",
    "shout": "a shout begins",
    "style": "from here to the next such cue it is played as NAME says in words or smileys, without NAME as the whole take",
}
"""The event at the instant of a cue, by kind. The names are those of the markers."""

SAME_SECONDS = 0.06
"""Cues and events that are this close are one: more than a frame at 24 frames a second."""
_UNCHANGED = 1e-4


@dataclass(frozen=True, slots=True)
class Cue:
    """Something that a head does at ``seconds`` from the start of the sound.

    ``kind`` is one of CUE_KINDS and ``name`` the target of a look or the words of a style; ``size`` 1 is usual, and scales all
    but blinks and looks. A cue with ``replaces`` stands for the planned event of its kind at that instant: it moves it to
    ``seconds``, or leaves it out where those are None. Raises ValueError for another kind, a look without a name, and numbers
    that are not finite.

    >>> Cue("look", 2.5, "Bob"), Cue("accent", 1.2, size=0.8), Cue("blink", 3.0, replaces=2.4), Cue("nod", None, replaces=4.1)
    """

    kind: str
    seconds: float | None
    name: str = ""
    size: float = 1.0
    replaces: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in CUE_KINDS:
            raise ValueError(f"'{self.kind}' is none of {', '.join(CUE_KINDS)}")
        if self.kind != "style" and (self.kind == "look") != bool(self.name):
            raise ValueError("a look needs the name of its target" if self.kind == "look" else f"a {self.kind} has no name")
        if self.seconds is None and self.replaces is None:
            raise ValueError(f"a {self.kind} without an instant replaces nothing")
        for number in (self.seconds, self.size, self.replaces):
            if number is not None and not (math.isfinite(number) and abs(number) <= 1e6):
                raise ValueError(f"{number} is not a number from -1000000 to 1000000")

    def __str__(self) -> str:
        """Write the cue as ``parse_cue`` reads it."""
        text = f"{self.kind} {self.name}".rstrip() + (f"*{self.size:g}" if self.size != 1.0 else "")
        moved = f"{_number(self.replaces)}>" if self.replaces is not None else ""
        return f"{text}@{moved}{_number(self.seconds) if self.seconds is not None else ''}"


def parse_cue(text: str) -> Cue:
    """Read 'nod@1.2', 'look Bob@2.5', 'style furious@2.5', 'brows*0.5@3', 'blink@2.4>3' (moved) or 'blink@2.4>' (left out).

    Raises ValueError.
    """
    match = re.fullmatch(r"(\w+)(?:\s+(.*?))?(?:\*([\d.]+))?\s*@\s*(?:([-+\d.e]+)\s*>)?\s*([-+\d.e]*)", text.strip())
    if match is None:
        raise ValueError(f"'{text[:60]}' is not KIND@SECONDS, 'look NAME@SECONDS' or 'style WORDS@SECONDS'")
    kind, name, size, replaces, seconds = match.groups()
    try:
        return Cue(
            kind,
            float(seconds) if seconds else None,
            name or "",
            float(size) if size else 1.0,
            float(replaces) if replaces else None,
        )
    except ValueError as error:
        raise ValueError(f"'{text[:60]}': {error}") from None


def revise_cues(
    cues: Sequence[Cue], written: Sequence[tuple[str, float]], present: Sequence[tuple[str, float]]
) -> tuple[Cue, ...]:
    """Return ``cues`` revised by what became of markers: those ``written`` and those ``present``, (name, seconds) each.

    A marker is unchanged if one of its name is still at its instant. Among the others, each present one takes the nearest
    missing one of its name as moved; further ones are new, and what is left was deleted. Names that are no cue are ignored.
    """
    missing, found = _unlike(written, present), [mark for mark in _unlike(present, written) if _kind(mark[0])[0]]
    pairs = sorted(
        (abs(was - now), i, k)
        for i, (old, was) in enumerate(missing)
        for k, (new, now) in enumerate(found)
        if old.strip().casefold() == new.strip().casefold()
    )
    moved: dict[int, int] = {}
    for _, i, k in pairs:
        if i not in moved and k not in moved.values():
            moved[i] = k
    revised = list(cues)
    for i, (name, was) in enumerate(missing):
        kind, target = _kind(name)
        now = found[moved[i]][1] if i in moved else None
        known = next((k for k, cue in enumerate(revised) if _is_at(cue, kind, was)), None)
        if known is None:
            if kind:
                revised.append(Cue(kind, now, target, replaces=was))
        elif now is None and revised[known].replaces is None:
            del revised[known]
        else:
            revised[known] = replace(revised[known], seconds=now)
    for k, (name, now) in enumerate(found):
        kind, target = _kind(name)
        if k not in moved.values() and not any(_is_at(cue, kind, now) and cue.name == target for cue in revised):
            revised.append(Cue(kind, now, target))
    return tuple(revised)


def _unlike(some: Sequence[tuple[str, float]], others: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Return those of some that have no partner of the same name and instant among others, each of which counts once."""
    left = list(others)
    result: list[tuple[str, float]] = []
    for name, at in some:
        same = next((one for one in left if one[0] == name and abs(one[1] - at) <= _UNCHANGED), None)
        if same is None:
            result.append((name, at))
        else:
            left.remove(same)
    return result


def is_mark(name: str) -> bool:
    """Return whether a marker of this name is a cue."""
    return bool(_kind(name)[0])


def _kind(name: str) -> tuple[str, str]:
    """Return the kind of a marker's name and its target; empty texts for a marker that is something else."""
    kind, _, target = name.strip().partition(" ")
    kind, target = kind.casefold(), target.strip()
    is_whole = kind == "style" or (kind == "look") == bool(target)
    return (kind, target) if kind in CUE_KINDS and is_whole else ("", "")


def _is_at(cue: Cue, kind: str, seconds: float) -> bool:
    return cue.kind == kind and cue.seconds is not None and abs(cue.seconds - seconds) <= SAME_SECONDS


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
