# SPDX-License-Identifier: GPL-3.0-or-later
"""Events that keyframes must not lose: closures and vowels of the mouth, and in time blinks, saccades and accents.

Placing and guards know an event by its name, its frames and the channels that it moves; which curves it was found in is the
business of those that find it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

EXTREME, BREAKDOWN = "EXTREME", "BREAKDOWN"
"""Blender's key types that events show as in the Dope Sheet."""


@dataclass(frozen=True)
class Event:
    """All events of one name: the frames on which they need keyframes, and the channels that take part in them."""

    name: str
    key_type: str
    frames: tuple[float, ...]
    channels: frozenset[str]


def frames_of(events: Sequence[Event], key_type: str) -> tuple[float, ...]:
    """Return the frames of all events with a key type, in the order of the events."""
    return tuple(frame for event in events if event.key_type == key_type for frame in event.frames)


def stretches(marked: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and the last sample of each stretch of ``marked``, bool ``[time]``."""
    padded = np.concatenate([[False], np.asarray(marked, bool), [False]])
    return np.flatnonzero(padded[1:] & ~padded[:-1]), np.flatnonzero(~padded[1:] & padded[:-1]) - 1
