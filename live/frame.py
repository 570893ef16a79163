# SPDX-License-Identifier: GPL-3.0-or-later
"""A face at one instant, as the protocols of trackers and engines send it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ..animation.interchange.arkit import ARKIT_NAMES, ROTATION_NAMES

LARGEST_WEIGHT, LARGEST_RADIANS = 2.0, math.pi
"""A tracker's values beyond these are held at them."""


@dataclass(frozen=True)
class FaceFrame:
    """Weights of ARKit's blend shapes and visemes by name, and rotations of head and eyes in radians (ROTATION_NAMES).

    Rotations have the signs of Live Link Face: yaw positive to the head's own right, pitch positive down, roll positive towards
    the own right shoulder. ``source`` names the sender where a packet does, and ``seconds`` is its own clock.
    """

    values: Mapping[str, float] = field(default_factory=lambda: MappingProxyType(dict[str, float]()))
    source: str = ""
    seconds: float | None = None


def hold_value(name: str, value: float) -> float | None:
    """Return a value within the limits of a channel of that name, None if it is not a finite number."""
    if not math.isfinite(value):
        return None
    limit = LARGEST_RADIANS if name in ROTATION_NAMES else LARGEST_WEIGHT
    return min(limit, max(-limit, value))


def clean_name(data: bytes, longest: int = 64) -> str | None:
    """Decode a name of a packet, None if it is empty, too long or not printable text."""
    if not 0 < len(data) <= longest:
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


FACE_NAMES = (*ARKIT_NAMES, *ROTATION_NAMES)
"""Every channel of a tracked face: 52 weights and 9 rotations."""
