# SPDX-License-Identifier: GPL-3.0-or-later
"""Lip measures of ARKit channels in centimetres: gap, width and the lower lip's height.

The coefficients were measured on a scanned head with ARKit shapes (ICT-FaceKit): per unit of channel, with left and right
counted separately. 'mouthClose' is meant as in ARKit: 1 closes a jaw that is open by about 0.78. Channels that the curves
lack count as 0, so the functions also work for a model with fewer channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

GAP_CENTIMETRES: Mapping[str, float] = {
    "jawOpen": 2.89,
    "mouthClose": -3.72,
    "mouthFunnel": 1.08,
    "mouthPucker": -0.13,
    "mouthLowerDownLeft": 0.29,
    "mouthLowerDownRight": 0.29,
    "mouthUpperUpLeft": 0.35,
    "mouthUpperUpRight": 0.35,
    "mouthPressLeft": -0.11,
    "mouthPressRight": -0.11,
    "mouthRollLower": -0.25,
    "mouthRollUpper": 0.16,
    "mouthShrugLower": -0.64,
    "mouthShrugUpper": 0.46,
    "mouthDimpleLeft": -0.08,
    "mouthDimpleRight": -0.08,
    "jawForward": 0.11,
}
"""Gap between the inner lips, averaged over three pairs of points; a negative sum means pressed lips."""

WIDTH_CENTIMETRES: Mapping[str, float] = {
    "mouthPucker": -0.64,
    "mouthFunnel": -0.38,
    "jawOpen": -0.20,
    "mouthClose": 0.16,
    "mouthStretchLeft": 0.45,
    "mouthStretchRight": 0.45,
    "mouthSmileLeft": 0.50,
    "mouthSmileRight": 0.50,
    "mouthDimpleLeft": 0.125,
    "mouthDimpleRight": 0.125,
}
"""Change of the distance between the corners of the mouth."""

LOWER_LIP_CENTIMETRES: Mapping[str, float] = {
    "jawOpen": -3.52,
    "mouthClose": 3.82,
    "mouthLowerDownLeft": -0.34,
    "mouthLowerDownRight": -0.34,
    "mouthRollLower": 0.38,
    "mouthShrugLower": 0.69,
    "mouthFunnel": -0.83,
}
"""Height of the lower lip above its rest position."""

TEETH_HEIGHT_CENTIMETRES = -0.13
"""The lower lip meets the edge of the upper teeth when its height is this or more."""

SEALED_SHARE = 0.15
"""Lips are sealed where the gap is below this share of its own 95th percentile over the clip."""


_PIECE_ROWS = 1 << 14


def channel_weights(table: Mapping[str, float], names: Sequence[str]) -> NDArray[np.float64]:
    """Return the coefficients of ``table`` in the order of ``names``, ``[channel]``; 0 for channels that it lacks."""
    return np.array([table.get(name, 0.0) for name in names], dtype=np.float64)


def _measure(values: NDArray[np.floating[Any]], table: Mapping[str, float], names: Sequence[str]) -> NDArray[np.float64]:
    weights = channel_weights(table, names)
    measured = np.empty(len(values))
    # In double precision an hour of all channels at once would take 90 MB.
    for first in range(0, len(values), _PIECE_ROWS):
        rows = slice(first, first + _PIECE_ROWS)
        measured[rows] = np.asarray(values[rows], dtype=np.float64) @ weights
    return measured


def lip_gap(values: NDArray[np.floating[Any]], names: Sequence[str]) -> NDArray[np.float64]:
    """Compute the gap between the inner lips in centimetres, never negative, ``[time]`` from ``[time, channel]``."""
    return np.maximum(signed_lip_gap(values, names), 0.0)


def signed_lip_gap(values: NDArray[np.floating[Any]], names: Sequence[str]) -> NDArray[np.float64]:
    """Compute the gap like :func:`lip_gap`, but negative where the lips press on each other: how far a seal is from opening."""
    return _measure(values, GAP_CENTIMETRES, names)


def lip_width(values: NDArray[np.floating[Any]], names: Sequence[str]) -> NDArray[np.float64]:
    """Compute the change of the mouth's width from rest in centimetres, ``[time]`` from ``[time, channel]``."""
    return _measure(values, WIDTH_CENTIMETRES, names)


def lower_lip_height(values: NDArray[np.floating[Any]], names: Sequence[str]) -> NDArray[np.float64]:
    """Compute the height of the lower lip above rest in centimetres, ``[time]`` from ``[time, channel]``."""
    return _measure(values, LOWER_LIP_CENTIMETRES, names)


def seal_limit(values: NDArray[np.floating[Any]], names: Sequence[str]) -> float:
    """Return the gap in centimetres below which lips count as sealed: 15 % of its 95th percentile over all of ``values``."""
    gap = lip_gap(values, names)
    return SEALED_SHARE * float(np.percentile(gap, 95.0)) if gap.size else 0.0


def sealed_frames(values: NDArray[np.floating[Any]], names: Sequence[str]) -> NDArray[np.bool_]:
    """Find the frames with sealed lips, bool ``[time]``: their gap is below :func:`seal_limit`.

    A clip whose lips hardly ever part (95th percentile of 0) is sealed wherever the gap is 0.
    """
    gap = lip_gap(values, names)
    return (gap < seal_limit(values, names)) | (gap <= 0.0)


def labiodental_frames(values: NDArray[np.floating[Any]], names: Sequence[str]) -> NDArray[np.bool_]:
    """Find the frames in which the lower lip meets the upper teeth or is above their edge, bool ``[time]``."""
    return lower_lip_height(values, names) >= TEETH_HEIGHT_CENTIMETRES
