# SPDX-License-Identifier: GPL-3.0-or-later
"""The mouth before and after a line: it comes from rest and returns to it, where the sound itself does not."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .curves import ChannelCurves

OPENING_SECONDS = 0.16
"""How long before the first sound a mouth leaves its rest, as lips anticipate a vowel."""

CLOSING_SECONDS = 0.26
"""How long a mouth takes to come to rest after the last sound. The speech model itself, given silence, takes 0.1 s for most of
the way and 0.4 s for all of it."""

HOLD_SECONDS = 0.1
"""Rest that stands beyond both, so that the filter that samples frames hears nothing but rest on the outermost."""

AT_REST = 0.01
"""A channel that is off its rest by less still counts as resting."""


def rest_outside(
    curves: ChannelCurves,
    before: ArrayLike,
    after: ArrayLike,
    *,
    resting: Collection[str] | None = None,
    seconds_before: float = math.inf,
    seconds_after: float = math.inf,
) -> ChannelCurves:
    """Return the curves with rows before and after them in which channels ease from and to rest.

    ``before`` and ``after`` ``[channel]`` are the rest at either end. The channels ``resting`` (all by default) take part, the
    others hold their first or last value. An end whose channels all rest already stays as it is, and so does one with less
    than two rows of room: ``seconds_before`` and ``seconds_after`` say how much time is free there, and with less than
    OPENING_SECONDS or CLOSING_SECONDS, and HOLD_SECONDS, the mouth moves faster. The rows of ``curves`` are unchanged; the
    outermost new row is exactly the rest, and the movement starts and ends without speed. Raises ValueError for rests of
    another length, KeyError for an unknown channel.
    """
    rests = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if any(rest.shape != (len(curves.names),) for rest in rests):
        raise ValueError(f"rests {[rest.shape for rest in rests]} do not go with {len(curves.names)} channels")
    if curves.frame_count == 0:
        return curves
    unknown = sorted(set(resting or ()) - set(curves.names))
    if unknown:
        raise KeyError(unknown[0])
    moves = np.array([resting is None or name in resting for name in curves.names], bool)
    opening = _ease(curves.values[0], rests[0], moves, OPENING_SECONDS, seconds_before, curves.frame_rate)[::-1]
    closing = _ease(curves.values[-1], rests[1], moves, CLOSING_SECONDS, seconds_after, curves.frame_rate)
    if not len(opening) and not len(closing):
        return curves
    values = np.concatenate([opening, curves.values, closing])
    start = curves.start_seconds - len(opening) / curves.frame_rate
    return replace(curves, values=values.astype(np.float32), start_seconds=start)


def _ease(
    edge: NDArray[np.float32],
    rest: NDArray[np.float64],
    moves: NDArray[np.bool_],
    seconds: float,
    room: float,
    frame_rate: float,
) -> NDArray[np.float64]:
    """Return the rows from one behind ``edge`` to ``rest``, ``[time, channel]``; none where there is no need or no room."""
    goal = np.where(moves, rest, edge)
    needed = round(seconds * frame_rate), math.ceil(HOLD_SECONDS * frame_rate)
    free = sum(needed) if math.isinf(room) else min(sum(needed), math.floor(room * frame_rate + 1e-6))
    if free < 2 or np.abs(goal - edge).max(initial=0.0) <= AT_REST:
        return np.zeros((0, len(edge)))
    held = min(needed[1], free // 2)
    moving = min(needed[0], free - held)
    way = np.minimum(np.arange(1, moving + held + 1) / moving, 1.0)
    share = way * way * (3.0 - 2.0 * way)
    return edge + share[:, None] * (goal - edge)
