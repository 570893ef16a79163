# SPDX-License-Identifier: GPL-3.0-or-later
"""Register classes with Blender, with types that a checker understands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import bpy


def make_registration(classes: Sequence[type[Any]]) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return the functions that register classes in order and unregister them in the reverse order."""
    return bpy.utils.register_classes_factory(classes)  # pyright: ignore[reportGeneralTypeIssues, reportReturnType]
