# SPDX-License-Identifier: GPL-3.0-or-later
"""Faces from pictures and films decoded by Blender itself."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest
from voxrig.blender.frames import decode_frames
from voxrig.errors import PictureError
from voxrig.operators import film

REFERENCE = Path(__file__).resolve().parents[1] / "data" / "face_reference.npz"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    with np.load(REFERENCE) as data:
        pixels = data["picture"]
    image = bpy.data.images.new("face", pixels.shape[1], pixels.shape[0])
    rgba = np.ones((*pixels.shape[:2], 4), np.float32)
    rgba[..., :3] = pixels[::-1] / 255.0
    image.pixels.foreach_set(rgba.ravel())
    image.file_format, image.filepath_raw = "PNG", str(tmp_path / "face.png")
    image.save()
    bpy.data.images.remove(image)
    return tmp_path / "face.png"


def test_a_picture_becomes_the_curves_of_the_next_take(registered: None, picture: Path, monkeypatch) -> None:
    monkeypatch.setattr(film, "has_pyav", lambda: False)
    scene, images = bpy.context.scene, len(bpy.data.images)
    output, read = film.read_film(scene, picture, calibrates=False)
    with np.load(REFERENCE) as data:
        assert np.abs(read.curves.values[0, :51] - data["scores"][1:]).mean() < 0.01
    assert output.is_file() and scene.voxrig.sound_source == "CURVES" and scene.voxrig.curves_file == str(output)
    assert len(bpy.data.images) == images
    scene.voxrig.sound_source, scene.voxrig.curves_file = "FILE", ""


def test_a_phone_film_is_read_upright(registered: None, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(film, "has_pyav", lambda: False)
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(REFERENCE.with_name("turned.mp4").read_bytes())
    _, read = film.read_film(bpy.context.scene, turned, calibrates=False, with_mouth=False)
    assert read.curves.frame_count == 3 and read.curves.frame_rate == 30.0
    assert abs(float(read.curves.channel("headRoll")[0])) < 0.1
    bpy.context.scene.voxrig.film = ""


def test_what_is_no_film_is_one_sentence_and_leaves_nothing(registered: None, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(film, "has_pyav", lambda: False)
    scenes = len(bpy.data.scenes)
    (tmp_path / "bad.mp4").write_bytes(b"no film")
    with pytest.raises(PictureError, match="can read"):
        list(decode_frames(tmp_path / "bad.mp4"))
    with pytest.raises(PictureError, match="can read"):
        film.read_film(bpy.context.scene, tmp_path / "bad.mp4")
    assert len(bpy.data.scenes) == scenes and [path.name for path in tmp_path.iterdir()] == ["bad.mp4"]


def test_a_profile_is_read_with_a_warning_or_refused(registered: None, tmp_path: Path) -> None:
    from voxrig.blender.demo_character import build_character
    from voxrig.blender.films import render_stills, set_preview_look

    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene = bpy.context.scene
    character = build_character()
    character.armature.rotation_euler.z = 1.25
    set_preview_look(scene, [item for item in scene.objects if item.type == "MESH"])
    render_stills(scene, [1], [tmp_path / "side.png"], 192)
    try:
        _, read = film.read_film(scene, tmp_path / "side.png", calibrates=False)
    except PictureError as error:
        assert "shows no face" in str(error) and not (tmp_path / "side.png.face.csv").exists()
    else:
        assert [sentence for sentence in read.warnings if "nearly from the side" in sentence]
