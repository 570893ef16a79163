# SPDX-License-Identifier: GPL-3.0-or-later
"""Styles of speech: presets of articulation that the sliders start from.

Imports no numpy, so that a command line may name them before it is loaded. The numbers are artistic choices, not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .keys.modes import Choice


class Style(NamedTuple):
    """One style: factors on the articulation and on the strengths of face parts, and seconds added to the smoothing."""

    choice: Choice
    articulation: float = 1.0
    regions: Mapping[str, float] = {}
    smoothing_seconds: float = 0.0


STYLES = (
    Style(Choice("NATURAL", "Natural", "As people talk to each other: the model's output")),
    Style(
        Choice("CLEAR", "Clear", "As to a camera: every sound is shown, lips first"),
        articulation=1.25,
        regions={"lips": 1.15},
    ),
    Style(
        Choice("BROAD", "Broad", "As on a stage or in a cartoon: the whole face speaks"),
        articulation=1.6,
        regions={"jaw": 1.1, "cheeks": 1.3, "brows": 1.3},
    ),
    Style(
        Choice("MUMBLE", "Mumble", "Through nearly closed teeth, soft and small. Lips still close"),
        articulation=0.7,
        regions={"jaw": 0.7, "lips": 0.85},
        smoothing_seconds=0.02,
    ),
)
SPEECH_STYLES = tuple(style.choice for style in STYLES)
