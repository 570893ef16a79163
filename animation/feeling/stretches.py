# SPDX-License-Identifier: GPL-3.0-or-later
"""Styles of stretches of a line: which style counts when, with cross-fades between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .styles import Style

FADE_SECONDS = 0.4
"""Length of a cross-fade; half of it lies on each side of an edge. Between near edges it is shorter."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class StyleTrack:
    """Styles over a line: ``styles[0]`` counts from the beginning, ``styles[i + 1]`` from ``edges[i]`` seconds on."""

    styles: tuple[Style, ...]
    edges: tuple[float, ...]

    def fades(self) -> Floats:
        """Return the length of the cross-fade at each edge in seconds, ``[edge]``, so that no two overlap."""
        edges = np.array(self.edges)
        gaps = np.concatenate([[np.inf], np.diff(edges), [np.inf]])
        return np.minimum(FADE_SECONDS, np.minimum(gaps[:-1], gaps[1:]))

    def weights(self, seconds: ArrayLike) -> Floats:
        """Return the share of each style at instants of the sound, ``[time, style]``; each row adds up to 1."""
        at = np.asarray(seconds, np.float64)[:, None]
        begun = np.clip((at - np.array(self.edges)) / np.maximum(self.fades(), 1e-6) + 0.5, 0.0, 1.0)
        one, none = np.ones((len(at), 1)), np.zeros((len(at), 1))
        return np.hstack([one, begun]) - np.hstack([begun, none])

    def corners(self) -> Floats:
        """Return the instants between which shares are straight lines, ``[time]``."""
        edges, half = np.array(self.edges), 0.5 * self.fades()
        return np.unique(np.concatenate([edges - half, edges + half]))

    def factor(self, name: str, seconds: ArrayLike) -> Floats:
        """Return the factor of a setting at instants of the sound, ``[time]``."""
        return self.weights(seconds) @ np.array([style.factors.get(name, 1.0) for style in self.styles])

    def factor_names(self) -> tuple[str, ...]:
        """Return the settings that any style changes."""
        return tuple(dict.fromkeys(name for style in self.styles for name in style.factors))

    def emotions(self) -> dict[str, tuple[tuple[float, float], ...]]:
        """Return (second, weight) points of each emotion, joined by straight lines."""
        corners = self.corners()
        shares = self.weights(corners)
        found: dict[str, tuple[tuple[float, float], ...]] = {}
        for name in dict.fromkeys(name for style in self.styles for name in style.emotions):
            track = shares @ np.array([style.emotions.get(name, 0.0) for style in self.styles])
            found[name] = tuple((float(second), round(float(weight), 4)) for second, weight in zip(corners, track, strict=True))
        return found


def place_styles(whole: Style, marks: Sequence[tuple[float, Style | None]]) -> StyleTrack | None:
    """Return the track of marks (second, style), each of which holds until the next one; None without marks.

    ``whole`` is the style of the whole line, to which a mark of None returns. Of marks at one instant the last counts.
    """
    placed = {round(second, 4): whole if style is None else style for second, style in sorted(marks, key=lambda one: one[0])}
    return StyleTrack((whole, *placed.values()), tuple(placed)) if placed else None
