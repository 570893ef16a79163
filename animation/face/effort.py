# SPDX-License-Identifier: GPL-3.0-or-later
"""Effort: how hard a voice works, whatever its level; a shout opens the mouth further than calm speech, a whisper less.

The speech model hears it (1 calm, 1.5 loud, 0.6 whispered) and says it beside its channels; here it acts on them, once. All
channels of jaw and lips go by the same factor, so that lips which touch go on touching: the formulas of
:mod:`.lips` are sums of channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .lips import GAP_CENTIMETRES, LOWER_LIP_CENTIMETRES, WIDTH_CENTIMETRES

LEAST, MOST = 0.55, 1.6
"""Efforts beyond are taken as these."""
_MOVED = frozenset(GAP_CENTIMETRES) | frozenset(WIDTH_CENTIMETRES) | frozenset(LOWER_LIP_CENTIMETRES)


def apply_effort(
    values: NDArray[np.floating[Any]], names: Sequence[str], effort: NDArray[np.floating[Any]], amount: float = 1.0
) -> NDArray[np.float32]:
    """Return channels ``[time, channel]`` of a calm voice as ``effort`` ``[time]`` moves them; ``amount`` 0 changes nothing."""
    gain = np.clip(np.asarray(effort, np.float32), LEAST, MOST) ** np.float32(amount)
    result = np.array(values)
    for column, name in enumerate(names):
        if name in _MOVED:
            result[:, column] *= gain
    return result.astype(np.float32, copy=False)
