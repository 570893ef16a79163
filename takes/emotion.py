# SPDX-License-Identifier: GPL-3.0-or-later
"""The emotions of a take over its frames, from its settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..animation.curves import ChannelCurves
from ..animation.face.emotions import emotion_points, emotion_weights
from ..animation.face.expression import apply_expression
from .settings import TakeSettings

if TYPE_CHECKING:
    from ..animation.feeling.stretches import StyleTrack


@dataclass(frozen=True)
class EmotionTrack:
    """The emotions of ``settings`` for a sound that begins at ``start_frame`` of a scene.

    ``marks`` (second of the sound, words) are styles of stretches that the scene's markers say; ``styles`` are all styles of a
    take that has stretches, whose manner is not in the settings.
    """

    settings: TakeSettings
    start_frame: float
    frames_per_second: float
    marks: tuple[tuple[float, str], ...] = ()
    styles: StyleTrack | None = None

    def is_neutral(self) -> bool:
        """Return whether no emotion ever has a weight."""
        return not any(weight for emotion in self.settings.emotion.values() for _frame, weight in emotion_points(emotion))

    def _moves(self) -> bool:
        settings = self.settings
        has_range = settings.emotion_first is not None or settings.emotion_last is not None
        tracks = (*settings.emotion.values(), settings.emotion_intensity)
        return has_range or any(len(emotion_points(track)) > 1 for track in tracks)

    def key(self) -> tuple[object, ...]:
        """Return everything that the weights depend on; () for a neutral face."""
        if self.is_neutral():
            return ()
        settings = self.settings
        emotion = tuple(sorted((name, emotion_points(emotion)) for name, emotion in settings.emotion.items()))
        intensity = emotion_points(settings.emotion_intensity)
        # The place of the sound only matters to emotions that change over time.
        place = (self.start_frame, self.frames_per_second) if self._moves() else ()
        return emotion, intensity, settings.emotion_first, settings.emotion_last, settings.emotion_fade, place

    def at(self, names: tuple[str, ...], frames: ArrayLike) -> NDArray[np.float32]:
        """Return the weights of the emotions ``names`` at scene frames, ``[frame, emotion]``."""
        settings = self.settings
        return emotion_weights(
            settings.emotion,
            names,
            frames,
            intensity=settings.emotion_intensity,
            first_frame=settings.emotion_first,
            last_frame=settings.emotion_last,
            fade_frames=settings.emotion_fade,
        )

    def of_rows(self, names: tuple[str, ...], rows: int, frame_rate: float, rows_before: int = 0) -> NDArray[np.float32] | None:
        """Return the weights for a model's rows, ``[emotion]`` or ``[row, emotion]``, or None for a neutral face.

        The sound starts at row ``rows_before``.
        """
        if not names or self.is_neutral():
            return None
        moves = self._moves()
        frames = self.start_frame + (np.arange(rows if moves else 1) - rows_before) * (self.frames_per_second / frame_rate)
        weights = self.at(names, frames)
        return weights if moves else weights[0]


def put_on(
    curves: ChannelCurves, weights: NDArray[np.float32] | None, energy: NDArray[np.floating[Any]] | None
) -> ChannelCurves:
    """Apply emotions ``[emotion]`` or ``[time, emotion]`` to neutral curves; ``energy`` ``[time]`` is the voice's."""
    if weights is None or energy is None:
        return curves
    weights = np.broadcast_to(weights, (curves.frame_count, weights.shape[-1]))
    values = apply_expression(curves.values, weights, energy)
    values.flags.writeable = False  # handed over, not copied
    return curves.with_values(values)
