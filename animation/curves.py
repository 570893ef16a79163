# SPDX-License-Identifier: GPL-3.0-or-later
"""Channel curves, the one value that crosses from inference to Blender: named channels, sampled evenly in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ChannelCurves:
    """Evenly sampled channels; row i is the instant ``start_seconds + i / frame_rate``.

    ``values`` is float32 ``[time, channel]`` and read-only: it is copied on construction, so that later changes to the
    caller's array have no effect, unless it is a read-only array of its own already. Raises ValueError when shape, names or
    rate do not fit together.
    """

    names: tuple[str, ...]
    frame_rate: float
    values: NDArray[np.float32]
    start_seconds: float = 0.0

    def __post_init__(self) -> None:
        names = tuple(self.names)
        values = np.asarray(self.values)
        if values.dtype != np.float32 or not values.flags.c_contiguous or values.flags.writeable or not values.flags.owndata:
            values = np.array(values, dtype=np.float32, order="C")
        if values.ndim != 2 or values.shape[1] != len(names):
            raise ValueError(f"values are {values.shape}, not [time, {len(names)}]")
        if len(set(names)) != len(names):
            raise ValueError("channel names repeat")
        if not (np.isfinite(self.frame_rate) and self.frame_rate > 0):
            raise ValueError(f"frame rate {self.frame_rate} is not positive")
        values.flags.writeable = False
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "values", values)

    @property
    def frame_count(self) -> int:
        """Number of samples in time."""
        return int(self.values.shape[0])

    @property
    def duration_seconds(self) -> float:
        """Time covered, counting the last sample as one frame long."""
        return self.frame_count / self.frame_rate

    def seconds(self) -> NDArray[np.float64]:
        """Return the instant of every row, in seconds, ``[time]``."""
        return self.start_seconds + np.arange(self.frame_count, dtype=np.float64) / self.frame_rate

    def channel(self, name: str) -> NDArray[np.float32]:
        """Return one channel, ``[time]``. Raises KeyError for an unknown name."""
        try:
            return self.values[:, self.names.index(name)]
        except ValueError:
            raise KeyError(name) from None

    def select(self, names: tuple[str, ...] | list[str]) -> ChannelCurves:
        """Return curves with only ``names``, in that order. Raises KeyError for an unknown name."""
        columns = [self.names.index(name) if name in self.names else -1 for name in names]
        if -1 in columns:
            raise KeyError(names[columns.index(-1)])
        return self.with_values(self.values[:, columns], tuple(names))

    def with_values(self, values: NDArray[np.floating[Any]], names: tuple[str, ...] | None = None) -> ChannelCurves:
        """Return curves with the same timing and other ``values``, ``[time, channel]``."""
        kept = self.names if names is None else names
        return ChannelCurves(kept, self.frame_rate, np.asarray(values, np.float32), self.start_seconds)
