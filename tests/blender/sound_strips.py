# SPDX-License-Identifier: GPL-3.0-or-later
"""Add sound strips to the sequencer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import pytest


def add_strip(scene: Any, path: Path, frame: int, channel: int = 1, name: str = "Line") -> Any:
    """Add a sound strip, or skip the test in a Blender that is built without sound."""
    from voxrig.blender import compat

    if not bpy.app.build_options.audaspace:
        pytest.skip("this Blender is built without sound: no strip can be made")
    return compat.new_strips(scene).new_sound(name, str(path), channel, frame)
