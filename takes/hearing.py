# SPDX-License-Identifier: GPL-3.0-or-later
"""Cache the output of sources, so that sliders need no model."""

from __future__ import annotations

import threading
from collections import OrderedDict

from ..errors import ModelError
from .sources import CancelCheck, Heard, Progress, Source

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
    with _hearing:
        _heard[source.key()] = heard
        while len(_heard) > _REMEMBERED:
            _heard.popitem(last=False)
    return heard


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
