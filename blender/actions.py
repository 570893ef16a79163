# SPDX-License-Identifier: GPL-3.0-or-later
"""Write keyed curves into Actions, touching only the keys in the range of the written curves."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..animation.keys.artist_keys import SAME_FRAME, Rows, make_marks, no_rows
from ..animation.keys.placing import Placing
from ..animation.keys.reduction import KeyedCurve
from ..animation.keys.stack import KEY, Keys, frames_inside, table_rows
from ..animation.rig.mapping import Target
from ..animation.rig.names import QUOTED, unescape
from ..errors import RigError
from . import compat, ledger, rigs
from .compat import Place
from .outputs import Output
from .targets import explain_obstacle

_EXTREME, _BREAKDOWN = 1, 2
_FREE, _ALIGNED = 0, 3


@dataclass(frozen=True)
class WriteReport:
    """The written targets, the number of keys, the targets left alone with a sentence each on the reason, and the written keys
    as rows (animation/keys/artist_keys.py)."""

    written: tuple[Target, ...]
    key_count: int
    skipped: tuple[tuple[Target, str], ...]
    rows: Mapping[Target, Rows]


def write_target_curves(
    curves: Sequence[tuple[Target, KeyedCurve]],
    first_frame: float,
    last_frame: float,
    *,
    action_name: str = "",
    output: Output | None = None,
    blend_frames: float = 0.0,
    kept: Mapping[Target, NDArray[Any]] | None = None,
    placing: Placing | None = None,
    group_names: Mapping[Target, str] | None = None,
) -> WriteReport:
    """Replace the keys between ``first_frame`` and ``last_frame`` (both included) of each target's F-Curve.

    Keys outside the range, those on ``kept`` frames of their target, other F-Curves and their handles stay exactly as they
    are. ``placing`` determines the interpolation of the keys and which are extremes or breakdowns. New F-Curves are grouped by
    ``group_names``, those of bones by their bones. ``output`` determines
    the place of the F-Curves; without it the keys go to the Actions of their owners. ``blend_frames`` is the blending in
    and out of a new NLA strip. Owners without an Action get a new one (``action_name``, or the owner's name): one for all
    of them if Actions have slots, else one each. Targets with a driver, and F-Curves that are locked, muted or baked, are
    skipped and reported. Everything is checked before the first change: RigError for a target that is gone or linked and if
    nothing is left to write, ValueError for keys outside the range, no keys or the same target twice.
    """
    if len({target for target, _ in curves}) != len(curves):
        raise ValueError("a target is given twice")
    for target, curve in curves:
        if len(curve) == 0:
            raise ValueError(f"{target.data_path} is given no keys")
        if curve.frames[0] < first_frame - SAME_FRAME or curve.frames[-1] > last_frame + SAME_FRAME:
            raise ValueError(f"keys of {target.data_path} lie outside the frames {first_frame} to {last_frame}")
    output = output or Output(action_name=action_name)
    free, skipped = check_writable([target for target, _ in curves], output)
    keyed = dict(curves)
    rows: dict[Target, Rows] = {}
    for owner, targets in free:
        fcurves, groups = compat.ensure_curves_at(output.ensure(owner))
        for target in targets:
            fcurve = find_or_add_curve(fcurves, groups, target, (group_names or {}).get(target, ""))
            fresh = _generated_keys(keyed[target], placing or Placing())
            rows[target] = _replace_keys(fcurve, fresh, first_frame, last_frame, (kept or {}).get(target))
    output.finish(dict(free), first_frame, last_frame, blend_frames)
    return WriteReport(tuple(rows), sum(len(keyed[target]) for target in rows), tuple(skipped), rows)


def check_writable(
    targets: Sequence[Target], output: Output
) -> tuple[list[tuple[Any, list[Target]]], list[tuple[Target, str]]]:
    """Find the targets that may be written, by owner, and those that may not, with the reason. Changes nothing.

    Raises RigError for a target that is gone or linked, if none may be written, and if ``output`` is impossible.
    """
    free, skipped = _split_writable(targets, output.find)
    if targets and not free:
        target, reason = skipped[0]
        raise RigError(f"None of the mapped controls can be animated; the first: {reason}")
    for owner, owned in free:
        output.check(owner, owned)
    return free, skipped


def _split_writable(
    targets: Sequence[Target], find_place: Callable[[Any], Place | None]
) -> tuple[list[tuple[Any, list[Target]]], list[tuple[Target, str]]]:
    """Split targets into those that may be written, by owner, and those that may not, with the reason. Changes nothing."""
    owners: dict[Any, list[Target]] = {}
    skipped: list[tuple[Target, str]] = []
    owned = {target: rigs.resolve(target).owner for target in targets}
    places = {owner: find_place(owner) for owner in set(owned.values())}
    empty = _find_needless(owned, places)
    for target, owner in owned.items():
        reason = explain_obstacle(owner, target) or curve_obstacle(owner, target, places[owner])
        if target in empty:
            reason = f"The shape key '{rigs.control_name(target)}' of '{owner.name}' moves nothing, so it gets no F-Curve"
        if reason:
            skipped.append((target, reason))
        else:
            owners.setdefault(owner, []).append(target)
    return list(owners.items()), skipped


def _find_needless(owned: Mapping[Target, Any], places: Mapping[Any, Place | None]) -> set[Target]:
    """Return the shape keys that move nothing and have no F-Curve yet, but none if nothing else would be written."""
    present = {owner: {curve.data_path for curve in compat.curves_at(place) or ()} for owner, place in places.items()}
    keys = {
        target: owner for target, owner in owned.items() if owner.id_type == "KEY" and target.data_path not in present[owner]
    }
    empty = rigs.empty_targets(keys)
    return empty if len(empty) < len(owned) else set()


def curve_obstacle(owner: Any, target: Target, place: Place | None) -> str:
    """Return why the F-Curve of a target at a place must be left alone, or ''. One that Compare has muted may be written."""
    if place is None:
        return ""
    if place.action.library is not None:
        return f"The Action of '{owner.name}' is linked from another file; give it an Action of this file"
    control = f"'{rigs.control_name(target)}' of '{owner.name}'"
    fcurves = compat.curves_at(place)
    fcurve = fcurves.find(target.data_path, index=target.array_index) if fcurves is not None else None
    if fcurve is None:
        return ""
    if fcurve.lock or (fcurve.group is not None and fcurve.group.lock):
        return f"The F-Curve of {control} is locked; unlock it in the Graph Editor"
    if (fcurve.mute and not ledger.is_muted(place, target)) or (fcurve.group is not None and fcurve.group.mute):
        return f"The F-Curve of {control} is muted; unmute it in the Graph Editor"
    if len(fcurve.sampled_points):
        return f"The F-Curve of {control} is baked to samples; convert it to keys in the Graph Editor"
    return ""


def find_or_add_curve(fcurves: Any, groups: Any, target: Target, group_name: str = "") -> Any:
    """Return the F-Curve of a target, made if missing and then put into a group.

    Those of a bone are grouped under the bone's name, as Blender does; others under ``group_name``, if there is one.
    """
    fcurve = fcurves.find(target.data_path, index=target.array_index)
    if fcurve is None:
        fcurve = fcurves.new(target.data_path, index=target.array_index)
        _put_in_group(fcurve, groups, target, group_name)
    return fcurve


def _put_in_group(fcurve: Any, groups: Any, target: Target, group_name: str) -> None:
    match = re.match(rf"pose\.bones\[{QUOTED}\]", target.data_path)
    name = unescape(match[1]) if match else group_name
    if name:
        fcurve.group = groups.get(name) or groups.new(name)


def _generated_keys(curve: KeyedCurve, placing: Placing) -> dict[str, NDArray[Any]]:
    """Return the columns of KEY that a keyed curve determines for its generated keys."""
    count = len(curve)
    handle_type = _handle_types(curve)
    kind = np.full(count, compat.generated_key_type(), np.uint8)
    kind[np.isin(curve.frames, placing.breakdowns)] = _BREAKDOWN
    kind[np.isin(curve.frames, placing.extremes)] = _EXTREME
    return {
        "co": np.stack([curve.frames, curve.values], axis=1),
        "handle_left": curve.left,
        "handle_right": curve.right,
        "interpolation": np.full(count, placing.interpolation, np.uint8),
        "handle_left_type": handle_type,
        "handle_right_type": handle_type,
        "type": kind,
    }


def _handle_types(curve: KeyedCurve) -> NDArray[np.uint8]:
    """Return ALIGNED where both handles are on one line, so that they turn together in the artist's hand, else FREE."""
    point = np.stack([curve.frames, curve.values], axis=1)
    left, right = point - curve.left, curve.right - point
    # Frames far from 0 are rounded to thousandths, and so are slopes.
    mismatch = np.abs(left[:, 1] * right[:, 0] - right[:, 1] * left[:, 0])
    size = np.maximum(np.abs(left[:, 1] * right[:, 0]), np.abs(right[:, 1] * left[:, 0]))
    return np.where(mismatch <= 0.02 * size + 1e-9, _ALIGNED, _FREE).astype(np.uint8)


def _replace_keys(
    fcurve: Any,
    fresh: dict[str, NDArray[Any]],
    first_frame: float,
    last_frame: float,
    kept_frames: NDArray[Any] | None = None,
) -> Rows:
    """Remove the keys of a range except those on ``kept_frames``, and insert ``fresh``, which get marks (artist_keys.py).

    Returns the rows of the fresh keys.
    """
    old = read_keys(fcurve)
    frames = old["co"][:, 0]
    outside = ~frames_inside(frames, first_frame, last_frame)
    if kept_frames is not None:
        outside |= np.isin(frames, kept_frames.astype(np.float32))
    if outside.all() and not fresh:
        return no_rows()
    kept = old[outside]
    # Properties that a fresh key does not set keep Blender's default, which is 0 for all but selection.
    fresh_keys = np.zeros(len(fresh["co"]) if fresh else 0, KEY)
    for name, column in fresh.items():
        fresh_keys[name] = column
    content = table_rows(fresh_keys)
    fresh_keys["amplitude"] = make_marks(content.tobytes(), fresh_keys.size, kept["amplitude"])
    points = fcurve.keyframe_points
    points.clear()
    points.add(fresh_keys.size + kept.size)
    if not kept.size:
        _set_columns(points, {name: fresh_keys[name] for name in (*fresh, "amplitude")} if fresh else {})
        return table_rows(fresh_keys)
    added = read_keys(fcurve)[: fresh_keys.size]
    for name in (*fresh, "amplitude"):
        added[name] = fresh_keys[name]
    keys = np.concatenate([kept, added])
    write_keys(fcurve, keys[np.argsort(keys["co"][:, 0], kind="stable")])
    return table_rows(added)


def read_keys(fcurve: Any) -> Keys:
    """Read all that RNA stores of the keys of an F-Curve."""
    points = fcurve.keyframe_points
    keys = np.zeros(len(points), KEY)
    for name in KEY.names or ():
        # foreach_get requires contiguous arrays.
        column = np.empty(keys[name].size, KEY[name].base)
        points.foreach_get(name, column)
        keys[name] = column.reshape(keys[name].shape)
    return keys


def write_keys(fcurve: Any, keys: Keys) -> None:
    """Replace the keys of an F-Curve with ``keys``.

    ``update()`` is not called: it would recompute the handles of the artist's keys, and all are given.
    """
    points = fcurve.keyframe_points
    # This also tells Blender that the curve has changed; foreach_set alone does not.
    points.clear()
    points.add(keys.size)
    _set_columns(points, {name: keys[name] for name in KEY.names or ()})


def _set_columns(points: Any, columns: dict[str, NDArray[Any]]) -> None:
    for name, column in columns.items():
        points.foreach_set(name, np.ascontiguousarray(column).ravel())
