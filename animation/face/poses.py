# SPDX-License-Identifier: GPL-3.0-or-later
"""The space of poses that faces make: an autoencoder over the channels of one frame, and poses pulled into it.

A pose of ARKit's shapes and the weights of emotions become a short latent, and that a pose again::

latent = tanh([pose, emotion] @ enter + b1) @ encode + b2
pose'  = tanh([latent, emotion] @ widen + b3) @ decode + [latent, emotion] @ straight + b4

It was trained to find clean poses in disturbed ones (training/shows/poses.py), so that a pose which no face makes, such as a
smile and a frown at once, comes out as the nearest one that a face does make.

A show that was learned has a space of its own controls: the principal axes of its animation, as far as it went along them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PoseSpace:
    """The trained space: ``names`` of the channels, ``emotions``, and the arrays of the formula above."""

    names: tuple[str, ...]
    emotions: tuple[str, ...]
    arrays: dict[str, Floats]

    @property
    def latent_width(self) -> int:
        """Number of values of a latent."""
        return self.arrays["encode"].shape[1]

    def encode(self, poses: ArrayLike, emotion: ArrayLike | None = None) -> Floats:
        """Encode poses ``[time, name]`` under weights ``[time, emotion]`` (none by default) as latents ``[time, latent]``."""
        arrays = self.arrays
        values = np.asarray(poses, np.float64)
        given = np.concatenate([values, self._weights(emotion, len(values))], axis=1)
        return np.tanh(given @ arrays["enter"] + arrays["b1"]) @ arrays["encode"] + arrays["b2"]

    def decode(self, latents: ArrayLike, emotion: ArrayLike | None = None) -> Floats:
        """Decode latents ``[time, latent]`` under weights ``[time, emotion]`` as poses ``[time, name]`` in 0..1."""
        arrays = self.arrays
        values = np.asarray(latents, np.float64)
        given = np.concatenate([values, self._weights(emotion, len(values))], axis=1)
        bent = np.tanh(given @ arrays["widen"] + arrays["b3"]) @ arrays["decode"]
        return np.clip(bent + given @ arrays["straight"] + arrays["b4"], 0.0, 1.0)

    def pull(self, values: ArrayLike, names: Sequence[str], amount: float) -> Floats:
        """Pull poses ``[time, channel]`` of channels ``names`` into the space, by 0 (not at all) to 1 (all the way).

        Channels that the space lacks stay as they are; those that it has and ``names`` lack are taken to rest.
        """
        return _pull(
            values, names, amount, self.names, np.zeros(len(self.names)), lambda poses: self.decode(self.encode(poses))
        )

    def _weights(self, emotion: ArrayLike | None, rows: int) -> Floats:
        if emotion is None:
            return np.zeros((rows, len(self.emotions)))
        return np.asarray(emotion, np.float64)


@dataclass(frozen=True)
class ShowPoses:
    """The poses of a show: the principal ``axes`` ``[axis, control]`` of its animation, in deviations from the ``middle``.

    ``low`` and ``high`` ``[axis]`` are how far it went along them; ``spread`` ``[control]`` are the deviations.
    """

    names: tuple[str, ...]
    middle: Floats
    spread: Floats
    axes: Floats
    low: Floats
    high: Floats

    def pull(self, values: ArrayLike, names: Sequence[str], amount: float) -> Floats:
        """Pull poses ``[time, channel]`` of channels ``names`` towards the show's, by 0 (not at all) to 1 (all the way).

        Channels that the show lacks stay as they are; those that it has and ``names`` lack are taken to be at its middle.
        """

        def find_nearest(poses: Floats) -> Floats:
            along = np.clip((poses - self.middle) / self.spread @ self.axes.T, self.low, self.high)
            return along @ self.axes * self.spread + self.middle

        return _pull(values, names, amount, self.names, self.middle, find_nearest)


_KEPT_SHARE, _MOST_AXES = 0.98, 32
_REACH = 0.002
"""Share of the poses beyond either end of an axis, so that no single slip widens the space."""


def find_show_poses(names: Sequence[str], poses: ArrayLike) -> ShowPoses:
    """Find the space of a show's poses ``[time, control]``: the axes that hold 98 % of the variance, 32 at most."""
    shown = np.asarray(poses, np.float64)
    middle = shown.mean(axis=0)
    spread = np.maximum(shown.std(axis=0), 1e-6)
    scaled = (shown - middle) / spread
    sizes, vectors = np.linalg.eigh(scaled.T @ scaled / max(len(scaled), 1))
    sizes, vectors = np.maximum(sizes[::-1], 0.0), vectors[:, ::-1]
    count = int(np.searchsorted(np.cumsum(sizes) / max(float(sizes.sum()), 1e-12), _KEPT_SHARE)) + 1
    axes = np.ascontiguousarray(vectors[:, : min(count, _MOST_AXES, len(sizes))].T)
    low, high = np.quantile(scaled @ axes.T, (_REACH, 1.0 - _REACH), axis=0)
    return ShowPoses(tuple(names), middle, spread, axes, low, high)


@functools.cache
def load_pose_space() -> PoseSpace:
    """Load the trained space (read once, at first use)."""
    with np.load(Path(__file__).with_name("poses.npz"), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    names, emotions = tuple(map(str, arrays.pop("names"))), tuple(map(str, arrays.pop("emotions")))
    return PoseSpace(names, emotions, {name: array.astype(np.float64) for name, array in arrays.items()})


def _pull(
    values: ArrayLike,
    names: Sequence[str],
    amount: float,
    own: Sequence[str],
    absent: Floats,
    find_nearest: Callable[[Floats], Floats],
) -> Floats:
    """Pull ``values`` ``[time, channel]`` of ``names`` to the nearest poses ``[time, own]``.

    ``absent`` ``[own]`` stands for the channels that ``names`` lack.
    """
    given = np.asarray(values, np.float64)
    shared = [name for name in own if name in names]
    if amount <= 0.0 or not shared:
        return given.copy()
    columns = [list(names).index(name) for name in shared]
    places = [list(own).index(name) for name in shared]
    poses = np.tile(absent, (len(given), 1))
    poses[:, places] = given[:, columns]
    pulled = given.copy()
    pulled[:, columns] += amount * (find_nearest(poses)[:, places] - given[:, columns])
    return pulled
