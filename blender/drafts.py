# SPDX-License-Identifier: GPL-3.0-or-later
"""A take in the file that follows sliders while they are dragged: its generated keys are moved in place.

Whatever the artist made or changed stays, exactly as when a take is written (blender/takes.py); the curves bend to it. Before
anything is moved, all keys are compared with those of the last move, so that no change in between is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..animation.keys.artist_keys import Rows, bend_to_pins, no_rows, pack_rows
from ..animation.keys.moving import KeyMover
from ..animation.keys.stack import frames_inside
from ..animation.rig.mapping import Target
from . import compat, ledger, outputs, rigs
from .takes import FoundCurve, read_present

# Keys must be placed again if moved ones miss the take by more than this many tolerances.
_LOOSE = 10.0
_PAIRS = (("co", 0), ("handle_left", 2), ("handle_right", 4))
"""RNA properties that are pairs, and their columns in rows (animation/keys/artist_keys.py)."""


@dataclass(frozen=True)
class _Keys:
    """The keys of several curves end to end, as in RNA: (frame, value) pairs by name, and numbers of enums."""

    pairs: dict[str, NDArray[np.float32]]
    kinds: dict[str, NDArray[np.uint8]]

    def is_same(self, other: _Keys) -> bool:
        same = all(np.array_equal(pair, other.pairs[name]) for name, pair in self.pairs.items())
        return same and all(np.array_equal(kind, other.kinds[name]) for name, kind in self.kinds.items())


@dataclass(frozen=True)
class _Place:
    """The place of an F-Curve: the name of its Action, its slot, and the numbers of the curve and of its ledger entry there."""

    action: str
    slot: int
    curve: int
    entry: int


class LiveTake:
    """A take as it is now on its F-Curves.

    ``targets`` are the take's, ``frames`` ``[time]`` its whole frames, ``pin_reach`` is as in ``takes.write_take``. F-Curves
    that are locked, or where another take covers this one, are left out. Raises RigError for a target that is gone or linked.
    """

    def __init__(self, take: str, targets: Sequence[Target], frames: NDArray[np.float64], pin_reach: float) -> None:
        self._take, self._frames, self._pin_reach = take, frames, pin_reach
        self._targets = tuple(targets)
        first, last = float(frames[0]), float(frames[-1])
        self._columns, self._places = self._locate()
        curves = self._find() or []
        self._bounds = np.cumsum([0, *(len(found.fcurve.keyframe_points) for found in curves)])
        self._keys = _read_keys(curves, self._bounds)
        self._pins: list[Rows] = []
        self._others: list[Rows] = []
        generated: list[Rows] = []
        places: list[NDArray[np.int64]] = []
        for found, start in zip(curves, self._bounds.tolist()):
            present = read_present(found)
            inside = present.inside(first, last)
            mine = np.flatnonzero(inside & ~present.is_artists)
            places.append(start + mine)
            generated.append(present.rows[mine])
            self._pins.append(present.rows[inside & present.is_artists])
            self._others.append(present.generated[~frames_inside(present.generated[:, 0], first, last)])
        self._mover = KeyMover(frames, generated)
        self._generated = np.concatenate([*generated, no_rows()])
        self._places_of_generated = np.concatenate([*places, np.zeros(0, np.int64)])
        self._curve_of_generated = np.repeat(np.arange(len(curves)), np.diff(self._mover.bounds))

    def _locate(self) -> tuple[list[int], list[_Place]]:
        """Locate the F-Curves on which the take is topmost; returns the numbers of their targets and their places."""
        owners = {(target.id_type, target.id_name): rigs.resolve(target).owner for target in self._targets}
        homes = {name: outputs.find_home(owner, self._take) for name, owner in owners.items()}
        columns: list[int] = []
        places: list[_Place] = []
        for name, home in homes.items():
            # A layer holds offsets rather than the take's values.
            if home is None or home.is_layer:
                continue
            here, noted = list(compat.curves_at(home.place) or ()), list(home.place.action.voxrig.generated)
            entries = ledger.positions_at(home.place)
            curves: dict[tuple[str, int], int] = {(curve.data_path, curve.array_index): i for i, curve in enumerate(here)}
            for column, target in enumerate(self._targets):
                curve = curves.get((target.data_path, target.array_index))
                entry = entries.get((target.data_path, target.array_index))
                if (target.id_type, target.id_name) != name or curve is None or entry is None:
                    continue
                if self._may_move(here[curve], noted[entry]):
                    columns.append(column)
                    places.append(_Place(home.place.action.name_full, home.place.slot, curve, entry))
        return columns, places

    def _find(self) -> list[FoundCurve] | None:
        """Return the F-Curves where they were located, or None if one is no longer there or may not be moved."""
        curves: dict[tuple[str, int], list[Any]] = {}
        entries: dict[str, list[Any]] = {}
        found: list[FoundCurve] = []
        for place, column in zip(self._places, self._columns):
            if (place.action, place.slot) not in curves:
                action: Any = bpy.data.actions.get(place.action)
                at = compat.curves_at(compat.Place(action, place.slot)) if action is not None else None
                curves[place.action, place.slot] = list(at or ())
                entries[place.action] = list(action.voxrig.generated) if action is not None else []
            here, noted = curves[place.action, place.slot], entries[place.action]
            if place.curve >= len(here) or place.entry >= len(noted):
                return None
            curve, entry = here[place.curve], noted[place.entry]
            if curve.data_path != self._targets[column].data_path or not self._may_move(curve, entry):
                return None
            found.append(FoundCurve(curve, entry))
        return found

    def _may_move(self, curve: Any, entry: Any) -> bool:
        holds = entry.holds
        if not len(holds) or holds[-1].name != self._take or curve.lock or curve.mute:
            return False
        return curve.group is None or not (curve.group.lock or curve.group.mute)

    def move(self, values: NDArray[np.float32], tolerances: NDArray[np.float64]) -> bool:
        """Move the generated keys to ``values`` ``[time, target]``, or return False, changing nothing.

        False means that keys must be placed again: other keys have appeared, a curve was locked or covered since, or moved keys
        would miss the take by far more than the ``tolerances`` ``[target]`` allow.
        """
        curves = self._find()
        if not curves:
            return False
        if [len(found.fcurve.keyframe_points) for found in curves] != np.diff(self._bounds).tolist():
            return False
        if not self._keys.is_same(_read_keys(curves, self._bounds)):
            return False
        dense = values[:, self._columns]
        is_free = np.array([not pins.size for pins in self._pins], bool)
        for column in np.flatnonzero(~is_free):
            pins = self._pins[column]
            dense[:, column] = bend_to_pins(self._frames, dense[:, column], pins[:, 0], pins[:, 1], self._pin_reach)
        moved, misses = self._mover.move(dense)
        if np.any(misses[is_free] > _LOOSE * tolerances[self._columns][is_free]):
            return False
        changed = np.unique(self._curve_of_generated[np.any(moved != self._generated, axis=1)]).tolist()
        for name, column in _PAIRS:
            self._keys.pairs[name][2 * self._places_of_generated + 1] = moved[:, column + 1]
        self._generated = moved
        moving: dict[tuple[str, str], tuple[Target, Any]] = {}
        for index in changed:
            points, entry = curves[index].fcurve.keyframe_points, curves[index].entry
            part = slice(2 * self._bounds[index], 2 * self._bounds[index + 1])
            for name, _column in _PAIRS:
                points.foreach_set(name, self._keys.pairs[name][part])
            rows = moved[self._mover.bounds[index] : self._mover.bounds[index + 1]]
            if self._others[index].size:
                rows = np.concatenate([self._others[index], rows])
                rows = rows[np.argsort(rows[:, 0], kind="stable")]
            entry.keys = pack_rows(rows, compress=False)
            target = self._targets[self._columns[index]]
            moving[target.id_type, target.id_name] = target, curves[index].fcurve.id_data
        for target, action in moving.values():
            compat.show_new_keys(rigs.resolve(target).owner, action)
        return True


def _read_keys(curves: Sequence[FoundCurve], bounds: NDArray[np.int64]) -> _Keys:
    """Read all keys of the F-Curves, end to end at ``bounds``."""
    count = int(bounds[-1])
    points = [found.fcurve.keyframe_points for found in curves]
    parts = list(zip(points, bounds[:-1].tolist(), bounds[1:].tolist()))
    pairs = {name: np.empty(2 * count, np.float32) for name, _column in _PAIRS}
    kinds = {name: np.empty(count, np.uint8) for name in ("interpolation", "type")}
    for name, pair in pairs.items():
        for here, first, last in parts:
            here.foreach_get(name, pair[2 * first : 2 * last])
    for name, kind in kinds.items():
        for here, first, last in parts:
            here.foreach_get(name, kind[first:last])
    return _Keys(pairs, kinds)
