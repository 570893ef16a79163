# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo character (blender/demo_character.py), and the sculpture that its stored points come from."""

from __future__ import annotations

import functools

from ...blender.demo_character import DRIVEN, UNITS_PER_CENTIMETRE, DemoCharacter, add_mesh, build_character
from .sculpt import Points
from .shapes import ARKIT_NAMES, FaceShapes
from .topology import build_surface


@functools.cache
def sculpt_face() -> tuple[FaceShapes, dict[str, Points]]:
    """Sculpt the neutral face and its shapes; always the same, so computed once."""
    shapes = FaceShapes(build_surface())
    return shapes, shapes.compute()


__all__ = [
    "ARKIT_NAMES",
    "DRIVEN",
    "UNITS_PER_CENTIMETRE",
    "DemoCharacter",
    "add_mesh",
    "build_character",
    "sculpt_face",
]
