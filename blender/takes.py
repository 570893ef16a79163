# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes takes so that no key of the artist's is lost: their keys are told from generated ones, kept, and bent to.

What was generated is remembered on the Action itself, so it goes where the keys go: into copies, other files and undo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..animation.keys import KeyedCurve
from ..animation.mapping import Target
from ..animation.placing import Placing, place_keys
from ..animation.retake import (
    SAME_FRAME,
    Rows,
    bend_to_pins,
    fade_weights,
    find_artist_keys,
    key_rows,
    pack_rows,
    replace_rows,
    unpack_rows,
    with_outer_handles,
    with_pin_frames,
    without_frames,
)
from . import actions, compat, rigs

# Blender's numbers for the key types that generated keys never have: an artist who sets one claims the key.
_KEYFRAME, _MOVING_HOLD = 0, 4
# The slope of a curve beside a seam is measured over this many frames.
_SLOPE_FRAMES = 0.05


@dataclass(frozen=True)
class PresentKeys:
    """The keys on a target's F-Curve now: rows ``[key, 7]`` (animation/retake.py) and which are the artist's."""

    rows: Rows
    is_artists: NDArray[np.bool_]

    def inside(self, first_frame: float, last_frame: float) -> NDArray[np.bool_]:
        """Which keys a write to this range would replace."""
        return (self.rows[:, 0] >= first_frame - SAME_FRAME) & (self.rows[:, 0] <= last_frame + SAME_FRAME)


@dataclass(frozen=True)
class DenseTake:
    """A take on every frame, and as keys: ``frames`` float64 ``[time]``, ``values`` ``[time, target]``, a tolerance each."""

    targets: tuple[Target, ...]
    frames: NDArray[np.float64]
    values: NDArray[np.float32]
    tolerances: tuple[float, ...]
    keyed: tuple[KeyedCurve, ...]
    placing: Placing = Placing()


@dataclass(frozen=True)
class TakeReport:
    """What was written, which targets were left alone and why, and how many keys of the artist's were kept."""

    curves: tuple[tuple[Target, KeyedCurve], ...]
    skipped: tuple[tuple[Target, str], ...]
    kept_count: int


def write_take(
    take: DenseTake,
    *,
    fade_frames: float = 0.0,
    pin_reach: float = 4.0,
    replace_edited: bool = False,
    action_name: str = "",
) -> TakeReport:
    """Put a take on its frames of its targets' F-Curves; everything else stays exactly as it is.

    Keys that the artist made or changed stay, and the take bends to them within ``pin_reach`` frames, unless
    ``replace_edited``. ``fade_frames`` is how long the take fades from and to what lies before and after it; at a seam without
    anything beyond there is no fade. What else may happen is as in ``actions.write_target_curves``.
    """
    first, last = float(take.frames[0]), float(take.frames[-1])
    pins: dict[Target, Rows] = {}
    bent: dict[Target, NDArray[np.float64]] = {}
    outer: dict[Target, tuple[tuple[float, float] | None, tuple[float, float] | None]] = {}
    for column, target in enumerate(take.targets):
        owner = rigs.resolve(target).owner
        fcurve = _find_curve(owner, target)
        if fcurve is None or not len(fcurve.keyframe_points):
            continue
        present = _read_present(owner, target, fcurve)
        inside = present.inside(first, last)
        values = take.values[:, column].astype(np.float64)
        if fade_frames > 0:
            before = present.rows[present.rows[:, 0] < first - SAME_FRAME, 0]
            after = present.rows[present.rows[:, 0] > last + SAME_FRAME, 0]
            weights = fade_weights(take.frames, fade_frames, at_start=before.size > 0, at_end=after.size > 0)
            faded = np.flatnonzero(weights < 1.0)
            old = np.array([fcurve.evaluate(float(frame)) for frame in take.frames[faded]])
            values[faded] += (1.0 - weights[faded]) * (old - values[faded])
            bent[target] = values
            outer[target] = (
                _seam(fcurve, first, float(before[-1]), -1.0) if before.size else None,
                _seam(fcurve, last, float(after[0]), 1.0) if after.size else None,
            )
        artists = present.rows[inside & present.is_artists] if not replace_edited else present.rows[:0]
        if artists.size:
            pins[target] = artists
            bent[target] = values
    curves = _reduce_bent(take, bent, pins, pin_reach)
    curves = {target: with_outer_handles(curve, *outer.get(target, (None, None))) for target, curve in curves.items()}
    # Where the artist has set every key of the range there is nothing left to write.
    given = [(target, curve) for target, curve in curves.items() if len(curve)]
    report = actions.write_target_curves(
        given,
        first,
        last,
        action_name=action_name,
        kept={target: rows[:, 0] for target, rows in pins.items()},
        placing=take.placing,
    )
    for target in report.written:
        remember(target, key_rows(curves[target], take.placing.interpolation), first, last)
    written = set(report.written)
    return TakeReport(
        tuple((target, curve) for target, curve in given if target in written),
        report.skipped,
        sum(rows.shape[0] for rows in pins.values()),
    )


def _reduce_bent(
    take: DenseTake, bent: dict[Target, NDArray[np.float64]], pins: dict[Target, Rows], pin_reach: float
) -> dict[Target, KeyedCurve]:
    """The keys of every target; those that do not follow the take itself are fitted anew, together where they can be."""
    curves = dict(zip(take.targets, take.keyed))
    tolerances = dict(zip(take.targets, take.tolerances))
    together = [target for target in bent if target not in pins]
    if together:
        values = np.stack([bent[target] for target in together], axis=1)
        fitted = place_keys(take.frames, values, [tolerances[target] for target in together], take.placing)
        curves.update(zip(together, fitted))
    for target, rows in pins.items():
        frames, values = with_pin_frames(take.frames, bent[target], rows[:, 0])
        values = bend_to_pins(frames, values, rows[:, 0], rows[:, 1], pin_reach)
        on_pin = np.abs(frames[:, None] - rows[None, :, 0]).min(axis=1) <= SAME_FRAME
        curve = place_keys(frames, values[:, None], tolerances[target], take.placing, required=on_pin)[0]
        curves[target] = without_frames(curve, rows[:, 0])
    return curves


def _seam(fcurve: Any, frame: float, neighbour: float, direction: float) -> tuple[float, float]:
    """The slope with which the curve comes into or leaves a seam, seen from outside, and how far the next key is."""
    step = direction * _SLOPE_FRAMES
    slope = (fcurve.evaluate(frame + step) - fcurve.evaluate(frame)) / step
    return float(slope), abs(neighbour - frame)


def read_present(target: Target) -> PresentKeys:
    """The keys on a target's F-Curve and whose they are; none where there is no F-Curve. Raises RigError for a lost target."""
    owner = rigs.resolve(target).owner
    return _read_present(owner, target, _find_curve(owner, target))


def _read_present(owner: Any, target: Target, fcurve: Any | None) -> PresentKeys:
    count = 0 if fcurve is None else len(fcurve.keyframe_points)
    rows = np.zeros((count, 7), np.float32)
    if fcurve is None or count == 0:
        return PresentKeys(rows, np.zeros(0, bool))
    points = fcurve.keyframe_points
    for name, column in (("co", 0), ("handle_left", 2), ("handle_right", 4)):
        pair = np.empty(2 * count, np.float32)
        points.foreach_get(name, pair)
        rows[:, column : column + 2] = pair.reshape(-1, 2)
    kinds = np.empty(count, np.uint8)
    points.foreach_get("interpolation", kinds)
    rows[:, 6] = kinds
    points.foreach_get("type", kinds)
    is_artists = find_artist_keys(rows, _remembered(owner, target)) | (kinds == _KEYFRAME) | (kinds == _MOVING_HOLD)
    return PresentKeys(rows, is_artists)


def count_artist_keys(targets: Sequence[Target], first_frame: float, last_frame: float) -> int:
    """How many keys of the artist's lie in a range of the targets' F-Curves."""
    count = 0
    for target in targets:
        present = read_present(target)
        count += int((present.is_artists & present.inside(first_frame, last_frame)).sum())
    return count


def select_artist_keys(targets: Sequence[Target]) -> int:
    """Select the artist's keys on the targets' F-Curves and nothing else there; returns how many."""
    count = 0
    for target in targets:
        owner = rigs.resolve(target).owner
        fcurve = _find_curve(owner, target)
        if fcurve is None or not len(fcurve.keyframe_points):
            continue
        chosen = _read_present(owner, target, fcurve).is_artists
        for name in ("select_control_point", "select_left_handle", "select_right_handle"):
            fcurve.keyframe_points.foreach_set(name, chosen)
        fcurve.select = bool(chosen.any())
        count += int(chosen.sum())
    return count


def remember(target: Target, fresh: Rows, first_frame: float, last_frame: float) -> None:
    """Note on the target's Action that ``fresh`` are the keys generated between two frames."""
    owner = rigs.resolve(target).owner
    remembered = replace_rows(_remembered(owner, target), fresh, first_frame, last_frame)
    stored = owner.animation_data.action.voxrig.generated
    name = _store_name(owner, target)
    item = stored.get(name)
    if item is None:
        item = stored.add()
        item.name = name
    item.keys = pack_rows(remembered)


def _remembered(owner: Any, target: Target) -> Rows:
    """The fingerprint of the keys that were generated on a target, ``[key, 7]``."""
    data = owner.animation_data
    item = data.action.voxrig.generated.get(_store_name(owner, target)) if data is not None and data.action else None
    return unpack_rows(item.keys if item is not None else "")


def _store_name(owner: Any, target: Target) -> str:
    return f"{compat.slot_handle(owner)} {target.data_path} {target.array_index}"


def _find_curve(owner: Any, target: Target) -> Any | None:
    fcurves = compat.curves_of(owner)
    return None if fcurves is None else fcurves.find(target.data_path, index=target.array_index)
