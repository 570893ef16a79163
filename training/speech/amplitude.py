# SPDX-License-Identifier: GPL-3.0-or-later
"""Factors that restore the size of movements, which regression shrinks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...animation.face import lips
from ...animation.face.articulation import APERTURE, default_rules
from ...animation.face.channels import expand_sides, face_channel_names

AMPLITUDE = {
    "opening": 1.12,
    "jawOpen": 1.53,
    "mouthFunnel": 0.66,
    "mouthPucker": 1.4,
    "mouthSmile": 1.33,
    "mouthStretch": 2.4,
}
"""Factors of Speech 2: 'opening' for all that parts and closes the lips and is
not named, the others by channel. Chosen on the tracked talker's training clips (choose_amplitude) and on training speakers
against BlendVOCA's spread."""
FAST_AMPLITUDE = {
    "opening": 1.5,
    "jawOpen": 1.55,
    "mouthFunnel": 0.72,
    "mouthPucker": 1.3,
    "mouthSmile": 1.4,
    "mouthStretch": 1.5,
}
"""Factors of Speech 1 Fast, chosen likewise."""


def amplitude_gains(names: Sequence[str], amplitude: Mapping[str, float]) -> list[float]:
    """Return the factor of every channel: its own, that of all that parts the lips, or 1; 0 where the rules never move it."""
    factors = [
        amplitude.get(
            name.removesuffix("Left").removesuffix("Right"), amplitude["opening"] if name in lips.GAP_CENTIMETRES else 1.0
        )
        for name in names
    ]
    moved = {name for group in default_rules().columns for column in group if column != APERTURE for name in sided(column)}
    moved |= {"mouthClose"} | {name for name in names if name.startswith("viseme")}
    # What the rules never move is left at rest: the regression only trembles there.
    return [factor if name in moved else 0.0 for name, factor in zip(names, factors, strict=True)]


def sided(column: str) -> set[str]:
    """Name the channels of a column of the rules, which is without side."""
    return set(expand_sides({column: 0.0}, face_channel_names()))
