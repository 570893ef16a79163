# SPDX-License-Identifier: GPL-3.0-or-later
"""The manual's pictures: every panel of the tab, each by itself. `make pictures` puts them into docs/images/manual."""

from __future__ import annotations

from real_blender import PICTURES, RealBlender


def test_every_panel_has_its_picture(real_blender: RealBlender) -> None:
    for old in PICTURES.glob("panel_pictures-*.png"):
        old.unlink()
    seen = real_blender.play("panel_pictures", str(real_blender.inside / "scene.blend"))
    pictures = sorted(PICTURES.glob("panel_pictures-*.png"))
    assert len(pictures) == len(seen["taken"]) > 8
    for picture in pictures:
        size = picture.stat().st_size
        assert 1000 < size < 300_000, f"{picture.name} has {size} bytes"
    assert "Traceback" not in seen["printed"]
