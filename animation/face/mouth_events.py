# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the events of the mouth in channel curves: closures of the lips, and the apexes of vowels."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..curves import ChannelCurves
from ..keys.events import BREAKDOWN, EXTREME, Event, stretches
from .lips import GAP_CENTIMETRES, sealed_frames

MOUTH_REGIONS = ("jaw", "lips")
CLOSURE, VOWEL = "closure", "vowel"
_OPENING = "jawOpen"
# A jaw that opens less than this share of its largest opening beyond its surroundings says nothing that needs a pose.
_APEX_SHARE = 0.15


def find_closures(curves: ChannelCurves) -> NDArray[np.bool_] | None:
    """Return where the lips are sealed, bool ``[time]``, or None for curves without the channels that part them."""
    return sealed_frames(curves.values, curves.names) if _OPENING in curves.names else None


def closing_channels(curves: ChannelCurves) -> list[str]:
    """Return the names of the channels that take part in closing the lips."""
    return [name for name in curves.names if name in GAP_CENTIMETRES]


def find_mouth_events(curves: ChannelCurves, frames: ArrayLike, among: ArrayLike, mouth: Collection[str]) -> tuple[Event, ...]:
    """Return the closures and vowels in ``curves`` sampled at ``frames`` ``[time]``; ``mouth`` names the mouth's channels.

    Only frames ``among`` (bool ``[time]``) count. Curves without a jaw have no such events.
    """
    sealed = find_closures(curves)
    if sealed is None:
        return ()
    chosen = np.asarray(among, bool)
    closures, apexes = find_poses(np.asarray(frames)[chosen], curves.channel(_OPENING)[chosen], sealed[chosen])
    channels = frozenset(mouth)
    return Event(CLOSURE, EXTREME, closures, channels), Event(VOWEL, BREAKDOWN, apexes, channels)


def find_poses(frames: ArrayLike, jaw: ArrayLike, sealed: ArrayLike) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the frames of closures (the middle of each stretch of ``sealed``, bool ``[time]``) and of the vowels' apexes.

    An apex is a maximum of the ``jaw``'s opening ``[time]`` that stands out from the lows on both sides.
    """
    x, opening = np.asarray(frames, np.float64), np.asarray(jaw, np.float64)
    first, last = stretches(sealed)
    closures = tuple(x[(first + last) // 2].tolist())
    height = _APEX_SHARE * float(np.ptp(opening)) if opening.size else 0.0
    apexes: list[float] = []
    low, best = np.inf, -1
    for i, value in enumerate(opening.tolist()):
        if best >= 0 and value > opening[best]:
            best = i
        elif best >= 0 and opening[best] - value > height:
            apexes.append(float(x[best]))
            low, best = value, -1
        low = min(low, value)
        if best < 0 and height > 0 and value - low > height:
            best = i
    return closures, tuple(apexes)
