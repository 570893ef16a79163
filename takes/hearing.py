# SPDX-License-Identifier: GPL-3.0-or-later
"""Cache the output of sources, so that sliders need no model."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace

import numpy as np

from ..animation.resting import rest_outside
from ..errors import ModelError
from .sources import CancelCheck, Description, Heard, Progress, Source

_RESTING_REGIONS = frozenset({"jaw", "lips", "tongue"})

# Ten minutes of sound are 7 MB.
_REMEMBERED = 8
_heard: OrderedDict[tuple[object, ...], Heard] = OrderedDict()
_hearing = threading.Lock()


def hear(source: Source, advance: Progress, is_cancelled: CancelCheck | None = None) -> Heard:
    """Return the curves of a source, cached or produced now. Raises VoxrigError and Cancelled."""
    advance(0.0)
    known = recall(source)
    if known is not None:
        return known
    heard = source.produce(advance, is_cancelled)
    if source.sound is not None:  # a file of curves is shown as it is
        heard = with_rest(heard, source.describe())
    with _hearing:
        _heard[source.key()] = heard
        while len(_heard) > _REMEMBERED:
            _heard.popitem(last=False)
    return heard


def with_rest(heard: Heard, description: Description) -> Heard:
    """Return what was heard with a mouth that comes from rest before the sound and returns to it after it."""
    channels = {channel.name: channel for channel in description.channels}
    rest = np.array([channels[name].rest if name in channels else 0.0 for name in heard.curves.names])
    resting = [name for name in heard.curves.names if name in channels and channels[name].region in _RESTING_REGIONS]
    curves = rest_outside(heard.curves, rest, rest, resting=resting)
    before = round((heard.curves.start_seconds - curves.start_seconds) * curves.frame_rate)
    after = curves.frame_count - heard.curves.frame_count - before
    energy = heard.energy
    if energy is not None:
        energy = np.pad(energy, (before, after), mode="linear_ramp", end_values=0.0)
    return replace(heard, curves=curves, energy=energy, rows_before=before, rows_after=after)


def without_rest(heard: Heard) -> Heard:
    """Return what was heard with the rows of the sound alone, for files of curves."""
    rows = slice(heard.rows_before, heard.curves.frame_count - heard.rows_after)
    start = heard.curves.start_seconds + heard.seconds_before
    curves = replace(heard.curves, values=heard.curves.values[rows], start_seconds=start)
    energy = None if heard.energy is None else heard.energy[rows]
    return replace(heard, curves=curves, energy=energy, rows_before=0, rows_after=0)


def recall(source: Source) -> Heard | None:
    """Return the curves of a source if they are cached in this session; nothing runs. Never raises."""
    try:
        key = source.key()
    except (OSError, ModelError):
        return None
    with _hearing:
        return _heard.get(key)


def forget_heard() -> None:
    """Forget all curves: the next take runs its model again."""
    with _hearing:
        _heard.clear()
