# SPDX-License-Identifier: GPL-3.0-or-later
"""The record that Actions keep of their F-Curves: which keys were generated, and which takes cover one another.

It is stored on the Action itself, so that it accompanies the keys into copies, other files and undo.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..animation.keys.artist_keys import marks_in, pack_rows, unpack_rows
from ..animation.keys.stack import Hold, Version, pack_keys, unpack_keys
from ..animation.rig.mapping import Target
from . import compat
from .compat import Place


def find_entry(place: Place, target: Target) -> Any | None:
    """Return the record of a target's F-Curve (a VOXRIG_PG_generated), or None."""
    entries = place.action.voxrig.generated
    entry = entries.get(entry_name(place, target))
    if entry is None:
        number = positions_at(place).get((target.data_path, target.array_index))
        entry = entries[number] if number is not None else None
    return entry


def ensure_entry(place: Place, target: Target) -> Any:
    """Return the record of a target's F-Curve, made if missing."""
    entry = find_entry(place, target)
    if entry is None:
        entry = place.action.voxrig.generated.add()
    entry.name = entry_name(place, target)
    return entry


def is_muted(place: Place, target: Target) -> bool:
    """Return whether Compare has muted a target's F-Curve (compare.show_take)."""
    entry = find_entry(place, target)
    return entry is not None and entry.muted


def entries_at(place: Place) -> dict[tuple[str, int], Any]:
    """Return all records at a place, by data path and index."""
    entries = place.action.voxrig.generated
    return {curve: entries[number] for curve, number in positions_at(place).items()}


def positions_at(place: Place) -> dict[tuple[str, int], int]:
    """Return the numbers of a place's entries in its Action's collection, by data path and index."""
    own: dict[tuple[str, int], int] = {}
    inherited: dict[tuple[str, int], int] = {}
    alias = _alias(place)
    for number, entry in enumerate(place.action.voxrig.generated):
        slot, _, curve = entry.name.partition(" ")
        if slot in (str(place.slot), alias):
            path, _, index = curve.rpartition(" ")
            (own if slot == str(place.slot) else inherited)[path, int(index)] = number
    return {**inherited, **own}


def _alias(place: Place) -> str:
    """Return the slot, as text, under which a place was recorded in a Blender with other slots than this one; '' without one.

    Before 4.4 Actions have no slots, which is written as 0. A later Blender makes one slot of such an Action, always its
    oldest, and an earlier one reads only the curves of the oldest slot of an Action.
    """
    if compat.has_slots():
        return "0" if place.slot == _oldest_slot(place.action) else ""
    return str(_oldest_recorded(place.action))


def _oldest_slot(action: Any) -> int:
    return min((slot.handle for slot in action.slots), default=0)


def _oldest_recorded(action: Any) -> int:
    return min((int(entry.name.partition(" ")[0]) for entry in action.voxrig.generated), default=0)


def follow_renames(place: Place) -> None:
    """Rename the entries whose bone, shape key or property was renamed: Blender renames F-Curves then, but nothing else.

    An entry without an F-Curve belongs to the F-Curve without an entry that has most of its marks (artist_keys.py).
    """
    numbers = positions_at(place)
    curves = {(curve.data_path, curve.array_index): curve for curve in compat.curves_at(place) or ()}
    lost = {curve: number for curve, number in numbers.items() if curve not in curves}
    unknown = {curve: _marks_on(curves[curve]) for curve in curves if curve not in numbers} if lost else {}
    entries = place.action.voxrig.generated
    for number in lost.values():
        marks = marks_in(unpack_rows(entries[number].keys))
        shared = {curve: np.isin(marks, found).sum() for curve, found in unknown.items()}
        best = max(shared, key=lambda curve: shared[curve], default=None)
        if best is not None and shared[best]:
            entries[number].name = f"{place.slot} {best[0]} {best[1]}"
            unknown.pop(best)


def _marks_on(curve: Any) -> NDArray[np.float32]:
    marks = np.empty(len(curve.keyframe_points), np.float32)
    curve.keyframe_points.foreach_get("amplitude", marks)
    return marks


def slots_of_take(action: Any, take: str, owner: Any = None) -> list[int]:
    """List the slots of an Action in which a take was written, for a data-block or for any."""
    recorded = {
        int(entry.name.partition(" ")[0])
        for entry in action.voxrig.generated
        if take in entry.holds and (owner is None or entry.holds[take].owner == owner.name_full)
    }
    if compat.has_slots():
        return sorted({slot or _oldest_slot(action) for slot in recorded})
    return [0] if _oldest_recorded(action) in recorded else []


def entry_name(place: Place, target: Target) -> str:
    """Return the name under which a target's F-Curve at a place is recorded."""
    return f"{place.slot} {target.data_path} {target.array_index}"


def read_holds(entry: Any | None) -> tuple[Hold, ...]:
    """Read the takes on a curve, the lowest first."""
    if entry is None:
        return ()
    return tuple(
        Hold(stored.name, stored.first, stored.last, Version(unpack_keys(stored.keys), unpack_rows(stored.generated)))
        for stored in entry.holds
    )


def store_holds(entry: Any, holds: Sequence[Hold], owner: Any) -> None:
    """Replace the takes on a curve of ``owner``."""
    entry.holds.clear()
    for held in holds:
        stored = entry.holds.add()
        stored.name = held.take
        stored.owner = owner.name_full
        stored.first, stored.last = held.first, held.last
        stored.keys = pack_keys(held.beneath.keys)
        stored.generated = pack_rows(held.beneath.generated)
