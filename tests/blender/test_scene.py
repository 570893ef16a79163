# SPDX-License-Identifier: GPL-3.0-or-later
"""Seconds and frames."""

from __future__ import annotations

from typing import Any

import pytest
from voxrig.blender.scene import frame_of_seconds, frames_per_second, seconds_of_frame


@pytest.mark.parametrize(
    ("fps", "base", "rate"),
    [(24, 1.0, 24.0), (24, 1.001, 24000 / 1001), (30, 1.001, 30000 / 1001), (1, 1.0, 1.0), (240, 1.0, 240.0), (50, 2.0, 25.0)],
)
def test_the_rate_is_fps_over_base(scene: Any, fps: int, base: float, rate: float) -> None:
    scene.render.fps, scene.render.fps_base = fps, base
    assert frames_per_second(scene) == pytest.approx(rate, rel=1e-6)
    assert frame_of_seconds(scene, 10.0, 5.0) == pytest.approx(5 + 10 * rate, rel=1e-6)
    assert seconds_of_frame(scene, frame_of_seconds(scene, 3.7, -2.5), -2.5) == pytest.approx(3.7)
