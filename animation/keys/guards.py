# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards of sparse keys: the poses of speech become keys, and sealed lips stay sealed between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..curves import ChannelCurves
from ..face.lips import GAP_CENTIMETRES, seal_limit, signed_lip_gap
from ..face.mouth_events import find_closures
from ..rig.mapping import Mapping, Target
from .events import Event

# A control that moves less than this share of its range around a pose does not take part in it.
_STILL = 0.01
_NEAR_SECONDS = 0.1
# A tighter limit than this share of a control's movement is an exact key.
_EXACT = 1e-4


@dataclass(frozen=True)
class Guards:
    """For dense curves ``[time, target]``: ``events`` (bool) become keys, and no curve strays further from its data than
    ``limits`` (float32, infinite where the tolerance alone counts). ``always`` (bool, None for nowhere) are keys that every
    way of placing keeps."""

    events: NDArray[np.bool_]
    limits: NDArray[np.float32]
    always: NDArray[np.bool_] | None = None

    def select(self, columns: Sequence[int]) -> Guards:
        """Return the guards of some targets."""
        always = None if self.always is None else self.always[:, columns]
        return Guards(self.events[:, columns], self.limits[:, columns], always)

    def on_frames(self, frames: ArrayLike, wanted: ArrayLike) -> Guards:
        """Return the guards on the ``wanted`` frames in place of ``frames``; frames that are new have none."""
        x, now = np.asarray(frames, np.float64), np.asarray(wanted, np.float64)
        row = np.minimum(np.searchsorted(x, now), x.size - 1)
        known = (x[row] == now)[:, None]
        always = None if self.always is None else self.always[row] & known
        return Guards(self.events[row] & known, np.where(known, self.limits[row], np.float32(np.inf)), always)


def join_guards(guards: Sequence[Guards]) -> Guards:
    """Join the guards of a take whose targets come from several sources."""
    always = None
    if any(part.always is not None for part in guards):
        known = [part.always if part.always is not None else np.zeros(part.events.shape, bool) for part in guards]
        always = np.concatenate(known, axis=1)
    return Guards(
        np.concatenate([part.events for part in guards], axis=1),
        np.concatenate([part.limits for part in guards], axis=1),
        always,
    )


def guard_poses(
    mapping: Mapping,
    targets: Sequence[Target],
    values: NDArray[np.float32],
    ranges: ArrayLike,
    sampled: ChannelCurves,
    *,
    events: Sequence[Event],
    frames: ArrayLike,
) -> Guards:
    """Find the guards of targets ``values`` ``[time, target]`` that a mapping makes from channels ``sampled`` on the same
    frames.

    On the frames of ``events``, which are among ``frames`` ``[time]``, every control that the event's channels drive, and that
    moves about then by a hundredth of its ``ranges`` ``[target]``, has a key. Where the lips are sealed, the controls may
    together stray so little that the gap between the lips (animation/face/lips.py) stays below the limit of a seal; that
    margin is divided by how far each control moves over the take.
    """
    keyed = np.zeros(values.shape, bool)
    limits = np.full(values.shape, np.inf, np.float32)
    place = {target: column for column, target in enumerate(targets)}
    opening = np.zeros(len(targets))  # centimetres of gap per unit of a target
    takes_part = np.zeros((len(events), len(targets)), bool)
    for link in mapping.links:
        column = place.get(link.target)
        if column is None or not link.enabled or not link.gain or link.channel not in sampled.names:
            continue
        takes_part[:, column] |= np.array([link.channel in event.channels for event in events], bool)
        # At its flattest, an eased link is 4 ** -|ease| as steep as a straight one.
        centimetres = abs(GAP_CENTIMETRES.get(link.channel, 0.0) / link.gain) * 4.0 ** abs(link.ease)
        opening[column] = max(opening[column], centimetres)
    near = max(2, round(_NEAR_SECONDS * sampled.frame_rate))
    for event, controls in zip(events, takes_part):
        for row in np.searchsorted(np.asarray(frames, np.float64), event.frames).tolist():
            around = values[max(row - near, 0) : row + near + 1]
            keyed[row] |= controls & (np.ptp(around, axis=0) > _STILL * np.asarray(ranges))
    movement = np.ptp(values, axis=0) if len(values) else np.zeros(len(targets))
    total = float(opening @ movement)
    closures = find_closures(sampled)
    if total > 0 and closures is not None:
        sealed = np.flatnonzero(closures)
        room = seal_limit(sampled.values, sampled.names) - signed_lip_gap(sampled.values[sealed], sampled.names)
        share = np.maximum(room, 0.0) / total
        moving = np.flatnonzero(opening * movement > 0)
        rows = np.ix_(sealed, moving)
        keyed[rows] |= (share < _EXACT)[:, None]
        limits[rows] = np.maximum(share, _EXACT)[:, None] * movement[moving]
    return Guards(keyed, limits)


def guard_channels(
    guards: Guards,
    mapping: Mapping,
    targets: Sequence[Target],
    names: Sequence[str],
    events: NDArray[np.bool_],
    always: Sequence[str] = (),
) -> Guards:
    """Return ``guards`` with keys on every target of ``names`` where ``events`` (bool ``[time, name]``) say so; those of the
    names in ``always`` are kept by every way of placing."""
    place = {target: column for column, target in enumerate(targets)}
    marked = guards.events.copy()
    kept = np.zeros(marked.shape, bool) if guards.always is None else guards.always.copy()
    for link in mapping.links:
        column = place.get(link.target)
        if column is not None and link.enabled and link.gain and link.channel in names:
            marked[:, column] |= events[:, names.index(link.channel)]
            if link.channel in always:
                kept[:, column] |= events[:, names.index(link.channel)]
    return Guards(marked, guards.limits, kept if kept.any() else guards.always)
