# SPDX-License-Identifier: GPL-3.0-or-later
"""Move the artist's keys of a line to where a new recording says the same words.

Between the beginnings and ends of the words that both recordings say, time is mapped piecewise linearly; outside them it is
shifted with the nearest of these edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .artist_keys import ALIGNED, SAME_FRAME
from .stack import Keys, Version, frames_inside

Floats = NDArray[np.float64]
TimedWord = tuple[float, float, str, float]
"""First and last frame of a word, its text, and how surely it is said, 0..1."""

_LEAST_GAP = 0.05
"""Edges that lie closer in either recording, in frames, are taken for one."""
_ASIDE = 0.5


@dataclass(frozen=True, eq=False)
class Retiming:
    """The way of the frames ``first`` to ``last`` of an old take to a new one; ``old`` and ``new`` ``[edge]`` both rise."""

    old: Floats
    new: Floats
    first: float
    last: float

    def map(self, frames: ArrayLike) -> Floats:
        """Return where frames of the old take are in the new one, ``[frame]``."""
        x = np.asarray(frames, np.float64)
        inside = np.interp(x, self.old, self.new)
        # Beyond the ends interp holds its first or last value.
        return inside + np.minimum(x - self.old[0], 0.0) + np.maximum(x - self.old[-1], 0.0)

    def within(self, first: float, last: float) -> Retiming:
        """Return the way with edges between which no key of the old take leaves the frames ``first`` to ``last``."""
        ends = self.map([self.first, self.last])
        old, new = list(self.old), list(self.new)
        if ends[0] < first < new[0] and self.first < old[0]:
            old, new = [self.first, *old], [first, *new]
        if ends[1] > last > new[-1] and self.last > old[-1]:
            old, new = [*old, self.last], [*new, last]
        return replace(self, old=np.array(old), new=np.array(new))

    def move(self, keys: Keys, taken: ArrayLike = ()) -> Keys:
        """Return keys, a table of KEY, at their new frames, their handles longer or shorter with the time around them.

        Values stay. Keys on whole frames come to whole frames, and none to a frame of another or of ``taken``.
        """
        moved = keys.copy()
        at = keys["co"][:, 0].astype(np.float64)
        exact = self.map(at)
        frames = _settle(at, exact, np.asarray(taken, np.float64))
        reach = {side: keys[side][:, 0] - at for side in ("handle_left", "handle_right")}
        scaled = {side: self.map(at + width) - exact for side, width in reach.items()}
        # An aligned pair is one line through the key, so both sides take the same scale.
        span = reach["handle_right"] - reach["handle_left"]
        scale = np.divide(scaled["handle_right"] - scaled["handle_left"], span, out=np.ones_like(at), where=span > 0)
        is_line = (keys["handle_left_type"] == ALIGNED) & (keys["handle_right_type"] == ALIGNED)
        moved["co"][:, 0] = frames
        for side, width in reach.items():
            moved[side][:, 0] = frames + np.where(is_line, scale * width, scaled[side])
        return moved


def make_retiming(
    old: Sequence[TimedWord], new: Sequence[TimedWord], first: float, last: float, least: float
) -> Retiming | None:
    """Return the way of a take's frames ``first`` to ``last`` from the words of one recording to those of another.

    None if these are not the same words in the same order, or if no word is said in both with the confidence ``least``.
    """
    if not is_same_text([word[2] for word in old], [word[2] for word in new]):
        return None
    edges: list[tuple[float, float]] = []
    for was, now in zip(old, new, strict=True):
        if min(was[3], now[3]) < least:
            continue
        for edge in ((was[0], now[0]), (was[1], now[1])):
            if not edges or min(edge[0] - edges[-1][0], edge[1] - edges[-1][1]) >= _LEAST_GAP:
                edges.append(edge)
    if not edges:
        return None
    return Retiming(np.array([edge[0] for edge in edges]), np.array([edge[1] for edge in edges]), first, last)


def is_same_text(one: Sequence[str], other: Sequence[str]) -> bool:
    """Return whether two texts have the same words in the same order, whatever their case and punctuation."""
    return bool(one) and [_plain(word) for word in one] == [_plain(word) for word in other]


def _plain(word: str) -> str:
    return "".join(letter for letter in word.casefold() if letter.isalnum()) or word


def move_edited(shown: Version, is_artists: NDArray[np.bool_], retiming: Retiming) -> tuple[Version, Keys]:
    """Return a curve without the artist's keys (bool ``[key]``) of the old take, and these at their new frames."""
    chosen = is_artists & frames_inside(shown.keys["co"][:, 0], retiming.first, retiming.last)
    rest = replace(shown, keys=shown.keys[~chosen])
    return rest, retiming.move(shown.keys[chosen], shown.keys["co"][is_artists & ~chosen, 0])


def _settle(at: Floats, exact: Floats, taken: Floats) -> Floats:
    """Return whole frames for keys that were on whole frames, where two of them do not meet."""
    whole = np.abs(at - np.rint(at)) < SAME_FRAME
    frames = np.where(whole, np.rint(exact), exact)
    used = sorted(taken.tolist())
    for key in range(frames.size):
        before = frames[key - 1] if key else -np.inf
        if frames[key] - before <= 2 * SAME_FRAME:
            frames[key] = max(exact[key], before + 3 * SAME_FRAME)
        while used and min(abs(frames[key] - other) for other in used) <= 2 * SAME_FRAME:
            frames[key] += _ASIDE
    return frames
