# SPDX-License-Identifier: GPL-3.0-or-later
"""Several takes on one F-Curve, each over a range of frames: the topmost is shown, and the keys that it covers are kept
beneath.

A take is brought to the top by exchanging keys with those beneath; an exchange loses nothing and, done twice, changes nothing.
Keys are tables of ``KEY``: all that Blender's RNA stores of a key.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .artist_keys import SAME_FRAME, Rows, no_rows

KEY = np.dtype(
    [
        ("co", np.float32, 2),
        ("handle_left", np.float32, 2),
        ("handle_right", np.float32, 2),
        ("back", np.float32),
        ("amplitude", np.float32),
        ("period", np.float32),
        ("interpolation", np.uint8),
        ("easing", np.uint8),
        ("handle_left_type", np.uint8),
        ("handle_right_type", np.uint8),
        ("type", np.uint8),
        ("select_control_point", np.bool_),
        ("select_left_handle", np.bool_),
        ("select_right_handle", np.bool_),
    ]
)
"""One key of an F-Curve, by the names of its RNA properties; enums are Blender's numbers."""

Keys = NDArray[Any]


@dataclass(frozen=True)
class Version:
    """The keys of a curve, a table of KEY in order of time, and the fingerprint (artist_keys.py) of the generated ones."""

    keys: Keys
    generated: Rows


@dataclass(frozen=True)
class Hold:
    """A take's hold on a curve between two frames (both included), and the keys that it covers there."""

    take: str
    first: float
    last: float
    beneath: Version

    def overlaps(self, other: Hold) -> bool:
        """Return whether a key may lie within both."""
        return self.first - 2 * SAME_FRAME <= other.last and other.first - 2 * SAME_FRAME <= self.last


def empty_version() -> Version:
    """Return a version without keys."""
    return Version(np.zeros(0, KEY), no_rows())


def frames_inside(frames: ArrayLike, first: float, last: float) -> NDArray[np.bool_]:
    """Mark the ``frames`` between two frames (both included, with Blender's tolerance)."""
    x = np.asarray(frames)
    return (x >= first - SAME_FRAME) & (x <= last + SAME_FRAME)


def cut(version: Version, first: float, last: float) -> tuple[Version, Version]:
    """Split a version into the part between two frames and the rest."""
    keys = frames_inside(version.keys["co"][:, 0], first, last)
    generated = frames_inside(version.generated[:, 0], first, last)
    return Version(version.keys[keys], version.generated[generated]), Version(
        version.keys[~keys], version.generated[~generated]
    )


def merge(one: Version, other: Version) -> Version:
    """Merge both versions' keys, in order of time."""
    keys = np.concatenate([one.keys, other.keys])
    generated = np.concatenate([one.generated, other.generated])
    return Version(keys[np.argsort(keys["co"][:, 0], kind="stable")], generated[np.argsort(generated[:, 0], kind="stable")])


def exchange(shown: Version, held: Hold) -> tuple[Version, Hold]:
    """Exchange the keys of a hold with those beneath it; returns the shown version and the hold."""
    inside, outside = cut(shown, held.first, held.last)
    return merge(outside, held.beneath), replace(held, beneath=inside)


def bring_to_top(shown: Version, holds: Sequence[Hold], take: str) -> tuple[Version, tuple[Hold, ...]]:
    """Put ``take`` above all others; returns the shown version and the holds in their new order, the lowest first.

    The exchange is exactly reversible. Without such a take nothing changes.
    """
    place = next((i for i, held in enumerate(holds) if held.take == take), None)
    if place is None:
        return shown, tuple(holds)
    below, chosen, above = holds[:place], holds[place], list(holds[place + 1 :])
    if not any(chosen.overlaps(held) for held in above):
        return shown, (*below, *above, chosen)
    for i in reversed(range(len(above))):
        shown, above[i] = exchange(shown, above[i])
    shown, chosen = exchange(shown, chosen)
    for i in range(len(above)):
        shown, above[i] = exchange(shown, above[i])
    shown, chosen = exchange(shown, chosen)
    return shown, (*below, *above, chosen)


def claim(shown: Version, holds: Sequence[Hold], take: str, first: float, last: float) -> tuple[Hold, ...]:
    """Return the holds once ``take`` is about to be written between two frames: its own on top, keeping what it will cover.

    A take that is written again must be on top (``bring_to_top``) and within the given frames (``withdraw``).
    """
    inside, _ = cut(shown, first, last)
    place = next((i for i, held in enumerate(holds) if held.take == take), None)
    if place is None:
        return (*holds, Hold(take, first, last, inside))
    old = holds[place]
    _, newly = cut(inside, old.first, old.last)
    grown = Hold(take, min(first, old.first), max(last, old.last), merge(old.beneath, newly))
    return (*holds[:place], *holds[place + 1 :], grown)


def withdraw(
    shown: Version, held: Hold, first: float, last: float, is_artists: NDArray[np.bool_]
) -> tuple[Version, Hold | None]:
    """Cut the topmost take back to two frames, as when its sound was moved or cut.

    Outside them its generated keys give way to those they cover; the artist's (bool ``[key]`` of ``shown``) stay. Returns the
    shown version and the remaining hold, or None for no hold.
    """

    def ends(frames: NDArray[np.float32]) -> NDArray[np.bool_]:
        return frames_inside(frames, held.first, held.last) & ~frames_inside(frames, first, last)

    frames, covered = shown.keys["co"][:, 0], held.beneath.keys["co"][:, 0]
    stay = Version(shown.keys[~ends(frames) | is_artists], shown.generated[~ends(shown.generated[:, 0])])
    theirs = frames[is_artists]
    taken = np.array([(np.abs(theirs - frame) <= SAME_FRAME).any() for frame in covered], bool)
    fresh = ends(held.beneath.generated[:, 0])
    uncovered = Version(held.beneath.keys[ends(covered) & ~taken], held.beneath.generated[fresh])
    low, high = max(first, held.first), min(last, held.last)
    left = Version(held.beneath.keys[~ends(covered)], held.beneath.generated[~fresh])
    return merge(stay, uncovered), Hold(held.take, low, high, left) if low <= high else None


def table_rows(keys: Keys) -> Rows:
    """Convert a table of keys to rows ``[key, 14]`` (artist_keys.py)."""
    names = ("co", "handle_left", "handle_right", "interpolation", "amplitude", "easing", "handle_left_type",
             "handle_right_type", "type", "back", "period")  # fmt: skip
    return np.column_stack([keys[name] for name in names]).astype(np.float32)


def pack_keys(keys: Keys) -> str:
    """Pack keys as text for a Blender property, which ``unpack_keys`` reverses exactly."""
    columns = [np.ascontiguousarray(keys[name]).tobytes() for name in KEY.names or ()]
    return base64.b64encode(zlib.compress(b"".join(columns), 1)).decode("ascii") if keys.size else ""


def unpack_keys(text: str) -> Keys:
    """Unpack the text of ``pack_keys``; damaged text yields no keys."""
    try:
        data = zlib.decompress(base64.b64decode(text, validate=True)) if text else b""
    except (ValueError, zlib.error, binascii.Error):
        data = b""
    count = len(data) // KEY.itemsize if len(data) % KEY.itemsize == 0 else 0
    keys = np.zeros(count, KEY)
    place = 0
    for name in KEY.names or ():
        column = keys[name]
        column[...] = np.frombuffer(data, column.dtype, column.size, place).reshape(column.shape)
        place += column.nbytes
    return keys
