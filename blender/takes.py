# SPDX-License-Identifier: GPL-3.0-or-later
"""Write takes without losing any of the artist's keys: they are told from generated ones, kept, and bent to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from mathutils import Quaternion
from numpy.typing import NDArray

from ..animation.keys.artist_keys import (
    SAME_FRAME,
    Rows,
    bend_to_pins,
    fade_weights,
    find_artist_keys,
    no_rows,
    pack_rows,
    replace_rows,
    unpack_rows,
    with_outer_handles,
    with_pin_frames,
    without_frames,
)
from ..animation.keys.dense import DenseTake
from ..animation.keys.placing import place_keys
from ..animation.keys.reduction import KeyedCurve
from ..animation.keys.retiming import Retiming, move_edited
from ..animation.keys.stack import (
    Hold,
    Keys,
    Version,
    claim,
    cut,
    empty_version,
    frames_inside,
    merge,
    table_rows,
    withdraw,
)
from ..animation.rig.mapping import Target
from . import actions, compat, ledger, outputs, rigs
from .compare import show_take
from .compat import Place
from .outputs import Output
from .targets import rest_of

# The slope of a curve beside a seam is measured over this many frames.
_SLOPE_FRAMES = 0.05
# Less than this from rest on every frame is no movement: a thousandth of a shape that moves 5 cm is 0.05 mm.
_STILL = 1e-3


@dataclass(frozen=True)
class FoundCurve:
    """An F-Curve and its Action's record of it: a VOXRIG_PG_generated, or None."""

    fcurve: Any
    entry: Any


@dataclass(frozen=True)
class PresentKeys:
    """The current keys of an F-Curve: all of them, which are the artist's, and the fingerprint of the generated ones."""

    keys: Keys
    generated: Rows
    is_artists: NDArray[np.bool_]

    @property
    def rows(self) -> Rows:
        """The keys as rows ``[key, 14]`` (animation/keys/artist_keys.py)."""
        return table_rows(self.keys)

    def inside(self, first_frame: float, last_frame: float) -> NDArray[np.bool_]:
        """Mark the keys that a write to this range would replace."""
        return frames_inside(self.keys["co"][:, 0], first_frame, last_frame)


@dataclass(frozen=True)
class TakeReport:
    """The written targets, those left alone with the reasons, the number of the artist's keys that were kept, further
    notes, and how many of the artist's keys were moved in time."""

    curves: tuple[tuple[Target, KeyedCurve], ...]
    skipped: tuple[tuple[Target, str], ...]
    kept_count: int
    notes: tuple[str, ...] = ()
    moved_count: int = 0


def write_take(
    take: DenseTake,
    *,
    name: str = "",
    output: Output | None = None,
    fade_frames: float = 0.0,
    pin_reach: float = 4.0,
    replace_edited: bool = False,
    rests: Mapping[Target, float] | None = None,
    group_names: Mapping[Target, str] | None = None,
    still_keys: bool = True,
    retiming: Retiming | None = None,
) -> TakeReport:
    """Write the take ``name`` (a unique name) on its frames of its targets' F-Curves.

    Everything else stays exactly as it is; keys that it covers are kept beneath it (animation/keys/stack.py). The artist's
    own keys stay, and the take bends to them within ``pin_reach`` frames, unless ``replace_edited``. ``fade_frames`` is the
    length of the fades between the take and the animation before and after it, or of a new NLA strip's blends; there is no
    fade at a seam without anything beyond. A take that is written again is topmost (compare.show_take), and frames that it
    no longer covers are uncovered. ``rests`` are the values of targets at rest, to which layers add, if these differ from
    the targets' defaults. With ``retiming`` the artist's keys within the frames of an earlier recording are moved to those of
    the same words first. Without ``still_keys`` controls that rest throughout get no F-Curve if nothing animates them yet.
    Everything else is as in ``actions.write_target_curves``.
    """
    output = output or Output()
    _, unwritable = actions.check_writable(take.targets, output)
    left_alone = {target for target, _ in unwritable}
    owners = {target: rigs.resolve(target).owner for target in take.targets}
    for place in map(output.find, set(owners.values())):
        if place is not None:
            ledger.follow_renames(place)
    if output.home and any(outputs.find_home(owner, output.home) for owner in set(owners.values())):
        output.notes += show_take(take.targets, output.home, mute_action="GENERATED")
    if not still_keys:
        take = _without_still(take, owners, output, rests or {})
    layered = [i for i, target in enumerate(take.targets) if output.is_layer(owners[target])]
    take = _relative_to_rest(take, layered, rests or {})
    present_curves = {owner: find_curves_at(output.find(owner)) for owner in set(owners.values())}
    first, last = float(take.frames[0]), float(take.frames[-1])
    pins: dict[Target, Rows] = {}
    bent: dict[Target, NDArray[np.float64]] = {}
    outer: dict[Target, tuple[tuple[float, float] | None, tuple[float, float] | None]] = {}
    claims: dict[Target, _Claim | None] = {}
    moved_count = 0
    if retiming is not None:
        retiming = retiming.within(first, last)
    for column, target in enumerate(take.targets):
        found = present_curves[owners[target]].get((target.data_path, target.array_index))
        present = read_present(found) if found is not None else None
        moved = None
        if retiming is not None and present is not None and not replace_edited and target not in left_alone:
            present, moved = _without_edited(present, retiming)
        claims[target] = _claim(found, present, name, first, last)
        if found is not None and present is not None and moved is not None and moved.size:
            present, claims[target] = _put_moved(found, present, moved, claims[target], first, last)
            moved_count += moved.size
        if found is None or present is None or not present.keys.size:
            continue
        fcurve, rows = found.fcurve, present.rows
        values = take.values[:, column].astype(np.float64)
        if fade_frames > 0:
            before = rows[rows[:, 0] < first - SAME_FRAME, 0]
            after = rows[rows[:, 0] > last + SAME_FRAME, 0]
            weights = fade_weights(take.frames, fade_frames, at_start=before.size > 0, at_end=after.size > 0)
            faded = np.flatnonzero(weights < 1.0)
            old = np.array([fcurve.evaluate(float(frame)) for frame in take.frames[faded]])
            values[faded] += (1.0 - weights[faded]) * (old - values[faded])
            bent[target] = values
            outer[target] = (
                _seam(fcurve, first, float(before[-1]), -1.0) if before.size else None,
                _seam(fcurve, last, float(after[0]), 1.0) if after.size else None,
            )
        artists = rows[present.inside(first, last) & present.is_artists] if not replace_edited else rows[:0]
        if artists.size:
            pins[target] = artists
            bent[target] = values
    curves = _reduce_bent(take, bent, pins, pin_reach)
    curves = {target: with_outer_handles(curve, *outer.get(target, (None, None))) for target, curve in curves.items()}
    # If the artist has set every key of the range there is nothing left to write.
    given = [(target, curve) for target, curve in curves.items() if len(curve)]
    report = actions.write_target_curves(
        given,
        first,
        last,
        output=output,
        blend_frames=fade_frames,
        kept={target: rows[:, 0] for target, rows in pins.items()},
        placing=take.placing,
        group_names=group_names,
    )
    for target in report.written:
        place = output.ensure(owners[target])
        _note(place, owners[target], target, report.rows[target], claims[target], first, last)
    if name and output.home != name:
        output.notes += show_take(report.written, name, mute_action="GENERATED")
    elif any(claims.values()):
        for owner in set(owners.values()):
            outputs.fit_strip(owner, name)
    for owner in {owners[target] for target in report.written}:
        compat.show_new_keys(owner, output.ensure(owner).action)
    written = set(report.written)
    return TakeReport(
        tuple((target, curve) for target, curve in given if target in written),
        report.skipped,
        sum(rows.shape[0] for rows in pins.values()),
        tuple(output.notes),
        moved_count,
    )


def _without_still(take: DenseTake, owners: Mapping[Target, Any], output: Output, rests: Mapping[Target, float]) -> DenseTake:
    """Return the take without targets that rest on every frame and that neither an Action nor a strip animates; never none."""
    animated = {owner: outputs.animated_curves(owner, output.find(owner)) for owner in set(owners.values())}
    moving: list[int] = []
    for i, target in enumerate(take.targets):
        rest = rests.get(target, rest_of(target))
        # A control that was left elsewhere is keyed, so that it rests.
        values = np.append(take.values[:, i], rigs.resolve(target).value)
        is_still = float(np.abs(values - rest).max()) <= _STILL
        if not is_still or (target.data_path, target.array_index) in animated[owners[target]]:
            moving.append(i)
    return take if not moving or len(moving) == len(take.targets) else take.select(moving)


def _relative_to_rest(take: DenseTake, columns: Sequence[int], rests: Mapping[Target, float]) -> DenseTake:
    """Shift the targets of a take so that they rest at the defaults of their properties, to which layers add.

    Scales are divided and whole quaternions turned back, because Blender multiplies them.
    """
    values = take.values.astype(np.float64)
    turns: dict[tuple[str, str], list[int]] = {}
    for i in columns:
        target = take.targets[i]
        default = rest_of(target)
        rest = rests.get(target, default)
        if target.data_path.endswith("rotation_quaternion"):
            turns.setdefault((target.id_name, target.data_path), []).append(i)
        elif target.data_path.endswith("scale") and rest:
            values[:, i] *= default / rest
        else:
            values[:, i] += default - rest
    for quaternion in turns.values():
        if len(quaternion) == 4:
            quaternion.sort(key=lambda i: take.targets[i].array_index)
            back = Quaternion([rests.get(take.targets[i], rest_of(take.targets[i])) for i in quaternion]).conjugated()
            values[:, quaternion] = [back @ Quaternion(row) for row in values[:, quaternion]]
    if np.allclose(values, take.values, rtol=0.0, atol=1e-6):
        return take
    keyed = place_keys(take.frames, values, take.tolerances, take.placing, guards=take.guards)
    return replace(take, values=values.astype(np.float32), keyed=tuple(keyed))


@dataclass(frozen=True)
class _Claim:
    """The changes beside a take's own keys: those outside its range (None for unchanged), the fingerprint, the holds."""

    outside: Keys | None
    generated: Rows
    holds: tuple[Hold, ...]


def _claim(found: FoundCurve | None, present: PresentKeys | None, name: str, first: float, last: float) -> _Claim | None:
    """Find what a take covers when it is written, and what it uncovers; None if it is written again in the same place.

    Changes nothing.
    """
    stored: Any = found.entry.holds if found is not None and found.entry is not None else ()
    if not name or (len(stored) and stored[-1].name == name and (stored[-1].first, stored[-1].last) == (first, last)):
        return None
    if found is None or present is None:
        return _Claim(None, empty_version().generated, claim(empty_version(), (), name, first, last))
    shown, holds = Version(present.keys, present.generated), ledger.read_holds(found.entry)
    outside = None
    if holds and holds[-1].take == name:
        shown, held = withdraw(shown, holds[-1], first, last, present.is_artists)
        holds = (*holds[:-1], *([held] if held is not None else []))
        outside = cut(shown, first, last)[1].keys
    return _Claim(outside, shown.generated, claim(shown, holds, name, first, last))


def _without_edited(present: PresentKeys, retiming: Retiming) -> tuple[PresentKeys, Keys]:
    """Return the keys of a curve without the artist's of an earlier recording, and those at their new frames."""
    rest, moved = move_edited(Version(present.keys, present.generated), present.is_artists, retiming)
    stays = np.isin(present.keys["co"][:, 0], rest.keys["co"][:, 0])
    return PresentKeys(rest.keys, rest.generated, present.is_artists[stays]), moved


def _put_moved(
    found: FoundCurve, present: PresentKeys, moved: Keys, claimed: _Claim | None, first: float, last: float
) -> tuple[PresentKeys, _Claim | None]:
    """Put the artist's moved keys on a curve, and beside the take that is about to be written."""
    # A generated key gives way to one of the artist's on its frame.
    near = np.abs(present.keys["co"][:, :1] - moved["co"][None, :, 0]).min(axis=1) <= SAME_FRAME
    stays = present.is_artists | ~near
    keys = merge(Version(present.keys[stays], no_rows()), Version(moved, no_rows())).keys
    actions.write_keys(found.fcurve, keys)
    if claimed is not None and claimed.outside is not None:
        beyond = moved[~frames_inside(moved["co"][:, 0], first, last)]
        claimed = replace(claimed, outside=np.concatenate([claimed.outside, beyond]))
    is_artists = np.isin(keys["co"][:, 0], [*present.keys["co"][present.is_artists, 0], *moved["co"][:, 0]])
    return PresentKeys(keys, present.generated, is_artists), claimed


def _note(place: Place, owner: Any, target: Target, fresh: Rows, claimed: _Claim | None, first: float, last: float) -> None:
    """Record a take once its keys are written: its marks and its holds."""
    entry = ledger.ensure_entry(place, target)
    fcurve = compat.ensure_curves_at(place)[0].find(target.data_path, index=target.array_index)
    generated = unpack_rows(entry.keys)
    if claimed is not None:
        generated = claimed.generated
        ledger.store_holds(entry, claimed.holds, owner)
        if claimed.outside is not None:
            keys = actions.read_keys(fcurve)
            keys = np.concatenate([keys[frames_inside(keys["co"][:, 0], first, last)], claimed.outside])
            actions.write_keys(fcurve, keys[np.argsort(keys["co"][:, 0], kind="stable")])
    if entry.muted:
        fcurve.mute = entry.muted = False
    entry.keys = pack_rows(replace_rows(generated, fresh, first, last))


def _reduce_bent(
    take: DenseTake, bent: dict[Target, NDArray[np.float64]], pins: dict[Target, Rows], pin_reach: float
) -> dict[Target, KeyedCurve]:
    """Reduce every target to keys; curves that are bent away from the take are fitted again, together where possible."""
    curves = dict(zip(take.targets, take.keyed))
    tolerances = dict(zip(take.targets, take.tolerances))
    columns = {target: column for column, target in enumerate(take.targets)}
    together = [target for target in bent if target not in pins]
    if together:
        values = np.stack([bent[target] for target in together], axis=1)
        guards = take.guards.select([columns[target] for target in together]) if take.guards is not None else None
        fitted = place_keys(take.frames, values, [tolerances[target] for target in together], take.placing, guards=guards)
        curves.update(zip(together, fitted))
    for target, rows in pins.items():
        frames, values = with_pin_frames(take.frames, bent[target], rows[:, 0])
        values = bend_to_pins(frames, values, rows[:, 0], rows[:, 1], pin_reach)
        on_pin = np.abs(frames[:, None] - rows[None, :, 0]).min(axis=1) <= SAME_FRAME
        guards = take.guards.select([columns[target]]).on_frames(take.frames, frames) if take.guards is not None else None
        curve = place_keys(frames, values[:, None], tolerances[target], take.placing, required=on_pin, guards=guards)[0]
        curves[target] = without_frames(curve, rows[:, 0])
    return curves


def _seam(fcurve: Any, frame: float, neighbour: float, direction: float) -> tuple[float, float]:
    """Measure the slope of the curve into or out of a seam, seen from outside, and the distance to the next key."""
    step = direction * _SLOPE_FRAMES
    slope = (fcurve.evaluate(frame + step) - fcurve.evaluate(frame)) / step
    return float(slope), abs(neighbour - frame)


def find_curves(owner: Any, take: str = "") -> dict[tuple[str, int], FoundCurve]:
    """Find the F-Curves of a take on a data-block, by data path and index; if it is nowhere, those that it plays now."""
    home = outputs.find_home(owner, take) if take else None
    return find_curves_at(home.place if home is not None else compat.place_of(owner))


def find_curves_at(place: Place | None) -> dict[tuple[str, int], FoundCurve]:
    """Return the F-Curves at a place, by data path and index."""
    if place is None:
        return {}
    entries = ledger.entries_at(place)
    return {
        (fcurve.data_path, fcurve.array_index): FoundCurve(fcurve, entries.get((fcurve.data_path, fcurve.array_index)))
        for fcurve in compat.curves_at(place) or ()
    }


def read_present(found: FoundCurve) -> PresentKeys:
    """Read the keys of an F-Curve, and whose they are."""
    keys = actions.read_keys(found.fcurve)
    generated = unpack_rows(found.entry.keys if found.entry is not None else "")
    return PresentKeys(keys, generated, find_artist_keys(table_rows(keys), generated))


def find_edited(target: Target, take: str = "") -> list[tuple[float, float]]:
    """Return frame and value of the artist's own keys of a target where ``take`` is, in order. Raises RigError."""
    found = find_curves(rigs.resolve(target).owner, take).get((target.data_path, target.array_index))
    if found is None or not len(found.fcurve.keyframe_points):
        return []
    present = read_present(found)
    return [(float(frame), float(value)) for frame, value in present.rows[present.is_artists][:, :2]]


def select_artist_keys(targets: Sequence[Target], take: str = "") -> int:
    """Select the artist's keys on the targets' F-Curves where ``take`` is, and nothing else; returns how many."""
    count = 0
    for target in targets:
        found = find_curves(rigs.resolve(target).owner, take).get((target.data_path, target.array_index))
        if found is None or not len(found.fcurve.keyframe_points):
            continue
        chosen = read_present(found).is_artists
        for name in ("select_control_point", "select_left_handle", "select_right_handle"):
            found.fcurve.keyframe_points.foreach_set(name, chosen)
        found.fcurve.select = bool(chosen.any())
        count += int(chosen.sum())
    return count
