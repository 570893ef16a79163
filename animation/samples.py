# SPDX-License-Identifier: GPL-3.0-or-later
"""Mono sound that is read piece by piece, so that an hour of it need not be in memory at once."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Samples(Protocol):
    """Samples in -1..1: an array ``[n]``, or something that reads the slices of one from where they are stored."""

    @property
    def size(self) -> int:
        """Number of samples."""
        ...

    def __getitem__(self, part: slice[Any, Any, Any], /) -> NDArray[np.floating[Any]]:
        """Return the samples from ``part.start`` to ``part.stop``."""
        ...
