# SPDX-License-Identifier: GPL-3.0-or-later
"""Place keys: sparsely, on every frame, on every second frame, or only on the poses of speech."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .artist_keys import BEZIER, CONSTANT
from .events import BREAKDOWN, EXTREME, Event, frames_of, stretches
from .guards import Guards
from .modes import DEFAULT_DENSITY, DENSITIES, MODES
from .reduction import STEP_SHARE, KeyedCurve, reduce_to_keys

# How far curves may stray at the lowest density, as a share of a channel's range; at 7 it is a hundredth of that.
_COARSEST = 0.1


@dataclass(frozen=True)
class Placing:
    """How keys are placed.

    'SPARSE' sets as few as ``density`` (one of DENSITIES) allows, 'EVERY' one on each frame, 'STEP' one on every ``step``-th
    frame counted from ``phase`` (on twos: step 2), 'POSES' holds the face from one of the ``events`` to the next; keys on the
    frames of events show in the Dope Sheet with the events' key types. Keys of 'STEP'
    that are ``is_held`` keep their value until the next one. 'SHOW' sets them on the frames ``proposed`` by a learned model,
    where its show's animators would. Raises ValueError for another mode, density or step.
    """

    mode: str = "SPARSE"
    density: int = DEFAULT_DENSITY
    step: int = 2
    phase: int = 0
    events: tuple[Event, ...] = ()
    is_held: bool = False
    proposed: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"keys are placed by {', '.join(MODES)}, not {self.mode}")
        if self.density not in DENSITIES:
            raise ValueError(f"a density of {self.density} is not one of {DENSITIES[0]} to {DENSITIES[-1]}")
        if self.step < 1:
            raise ValueError(f"a step of {self.step} frames is not positive")

    @property
    def extremes(self) -> tuple[float, ...]:
        """The frames of events that are extremes, such as closures."""
        return frames_of(self.events, EXTREME)

    @property
    def breakdowns(self) -> tuple[float, ...]:
        """The frames of events that are breakdowns, such as the apexes of vowels."""
        return frames_of(self.events, BREAKDOWN)

    @property
    def tolerance(self) -> float:
        """How far curves may stray from the data at any frame, as a share of a channel's range."""
        return _COARSEST * STEP_SHARE ** (self.density - 1)

    @property
    def interpolation(self) -> int:
        """Blender's number for the interpolation of the keys."""
        return CONSTANT if self.mode == "POSES" or self.is_held else BEZIER

    def frames_among(self, frames: ArrayLike) -> NDArray[np.bool_]:
        """Mark the ``frames`` that may carry keys, bool ``[time]``; the first and last always may."""
        x = np.asarray(frames, np.float64)
        if self.mode == "STEP":
            chosen = np.mod(np.rint(x) - self.phase, self.step) == 0
        elif self.mode == "POSES":
            chosen = np.isin(x, self.extremes + self.breakdowns)
        elif self.mode == "SHOW":
            chosen = np.isin(x, self.proposed)
        else:
            chosen = np.ones(x.size, bool)
        chosen[[0, -1]] = True
        return chosen


@dataclass(frozen=True)
class Hold:
    """A show that is animated on twos, threes, ...: poses change on every ``frames``-th frame counted from ``phase``, at
    ``frame_rate`` frames a second, and are held between."""

    frames: int
    phase: int
    frame_rate: float


def place_keys(
    frames: ArrayLike,
    values: ArrayLike,
    tolerance: float | Sequence[float],
    placing: Placing,
    *,
    required: NDArray[np.bool_] | None = None,
    guards: Guards | None = None,
) -> list[KeyedCurve]:
    """Place keys on dense curves ``[time, channel]``.

    ``required`` (bool ``[time]``) marks frames that must become keys. ``guards`` are for 'SPARSE', but for those that are
    kept ``always``: 'POSES' and 'SHOW' have these, too, and 'STEP' has its own way (``keep_events_on_steps``).

    ``tolerance`` is that of the placing, in each channel's own unit. Only 'SPARSE' keeps to it at every frame; the others pass
    through the curve on each of their frames. A higher density of 'SPARSE' never results in fewer keys or a larger error.
    """
    x, y = np.asarray(frames, np.float64), np.asarray(values)
    if placing.mode == "SPARSE":
        needed = np.zeros(y.shape, bool) if guards is None else guards.events
        if required is not None:
            needed = needed | required[:, None]
        limits = None if guards is None else guards.limits
        return reduce_to_keys(x, y, tolerance, required=needed, limits=limits, coarser_steps=placing.density - 1)
    chosen = placing.frames_among(x)
    if required is not None:
        chosen |= required
    kept = guards.always if guards is not None and placing.mode in ("POSES", "SHOW") else None
    curves = reduce_to_keys(x[chosen], y[chosen], tolerance, required=np.ones(int(chosen.sum()), bool))
    if kept is None:
        return curves
    for column in np.flatnonzero((kept & ~chosen[:, None]).any(axis=0)).tolist():
        own = chosen | kept[:, column]
        reach = np.broadcast_to(np.asarray(tolerance, np.float64), y.shape[1])[[column]].tolist()
        curves[column] = reduce_to_keys(x[own], y[own][:, [column]], reach, required=np.ones(int(own.sum()), bool))[0]
    return curves


def keep_events_on_steps(values: ArrayLike, events: ArrayLike, carries_key: ArrayLike) -> NDArray[np.float32]:
    """Move events onto frames with keys: no stretch of ``events`` (bool ``[time]``) of the result falls between them.

    Where a stretch of ``values`` ``[time, channel]`` contains none of the frames of ``carries_key`` (bool ``[time]``, at
    least one), the nearest of them takes the values of the middle of the stretch; the other frames stay as they are.
    """
    kept, keyed = np.array(values, np.float32), np.flatnonzero(carries_key)
    first, last = stretches(events)
    missed = np.searchsorted(keyed, first) == np.searchsorted(keyed, last, side="right")
    middle = (first[missed] + last[missed]) // 2
    nearest = np.rint(np.interp(middle, keyed, np.arange(keyed.size))).astype(np.int64)
    kept[keyed[nearest]] = kept[middle]
    return kept


def find_proposals(likelihood: ArrayLike) -> NDArray[np.int64]:
    """Find the samples ``[time]`` on which a key is proposed: local maxima of the likelihood of at least 0.5."""
    p = np.pad(np.asarray(likelihood, np.float64), 1, constant_values=-1.0)
    return np.flatnonzero((p[1:-1] >= 0.5) & (p[1:-1] > p[:-2]) & (p[1:-1] >= p[2:]))
