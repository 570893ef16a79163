# SPDX-License-Identifier: GPL-3.0-or-later
"""A take on every frame and as keyframes, as it crosses from the making of takes to Blender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..rig.mapping import Target
from .guards import Guards
from .placing import Placing
from .reduction import KeyedCurve


@dataclass(frozen=True)
class DenseTake:
    """A take on every frame, and as keys: ``frames`` float64 ``[time]``, ``values`` ``[time, target]``, a tolerance each."""

    targets: tuple[Target, ...]
    frames: NDArray[np.float64]
    values: NDArray[np.float32]
    tolerances: tuple[float, ...]
    keyed: tuple[KeyedCurve, ...]
    placing: Placing = Placing()
    guards: Guards | None = None

    def select(self, columns: Sequence[int]) -> DenseTake:
        """Return the take of some targets, by their numbers."""
        return replace(
            self,
            targets=tuple(self.targets[i] for i in columns),
            values=self.values[:, list(columns)],
            tolerances=tuple(self.tolerances[i] for i in columns),
            keyed=tuple(self.keyed[i] for i in columns),
            guards=self.guards.select(columns) if self.guards is not None else None,
        )
