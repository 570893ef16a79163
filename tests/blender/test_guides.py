# SPDX-License-Identifier: GPL-3.0-or-later
"""Guides: words, pictures and poses become sliders, presets, styles of stretches and keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from keyframes import evaluate
from voxrig.animation.curves import ChannelCurves
from voxrig.animation.face.expression import load_expressions
from voxrig.animation.interchange import write_curves
from voxrig.blender import compat
from voxrig.errors import VoxrigError
from voxrig.operators import emotions, guides
from voxrig.operators.animate import animate_character, styles_of
from voxrig.properties.models import offer_emotions, shown_emotions
from voxrig.takes.record import SoundFile
from voxrig.takes.settings import TakeSettings

REFERENCE = Path(__file__).resolve().parents[1] / "data" / "face_reference.npz"
RULES = load_expressions()


@pytest.fixture
def talker(registered: None, scene: Any, make_face: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setattr(emotions, "_user_folder", lambda create=False: tmp_path)
    item = make_face(keys=RULES.names)
    for key in item.data.shape_keys.key_blocks[1:]:
        key.value = 0.0  # Blender 5.2 adds them at 1
    scene.voxrig.character = item
    offer_emotions(scene.voxrig)
    return item


@pytest.fixture
def picture(tmp_path: Path) -> Iterator[Path]:
    with np.load(REFERENCE) as data:
        pixels = data["picture"]
    image: Any = bpy.data.images.new("face", pixels.shape[1], pixels.shape[0])
    rgba = np.ones((*pixels.shape[:2], 4), np.float32)
    rgba[..., :3] = pixels[::-1] / 255.0
    image.pixels.foreach_set(rgba.ravel())
    image.file_format, image.filepath_raw = "PNG", str(tmp_path / "face.png")
    image.save()
    yield tmp_path / "face.png"


def weights_of(scene: Any) -> dict[str, float]:
    return {slider.name: slider.weight for slider in shown_emotions(scene.voxrig) if slider.weight}


def test_a_picture_is_keyed_as_a_pose_without_the_mouth(scene: Any, talker: Any, picture: Path) -> None:
    scene.frame_set(30)
    assert bpy.ops.voxrig.guide_picture(filepath=str(picture), use="KEY") == {"FINISHED"}
    keys = talker.data.shape_keys
    curves = {curve.data_path: curve for curve in compat.curves_of(keys) or ()}
    with np.load(REFERENCE) as data:
        seen = float(dict(zip(data["names"].tolist(), data["scores"].tolist()))["browInnerUp"]) if "names" in data else None
    curve = curves['key_blocks["browInnerUp"].value']
    assert [key.co.x for key in curve.keyframe_points] == [30.0] and curve.keyframe_points[0].co.y > 0.5
    assert seen is None or curve.keyframe_points[0].co.y == pytest.approx(seen, abs=0.05)
    assert not [path for path in curves if "mouth" in path or "jaw" in path]


@pytest.mark.parametrize("emotion", ["joy", "sadness", "anger", "fear", "disgust", "surprise", "tired"])
def test_a_pose_of_the_artists_own_is_read_and_used(scene: Any, talker: Any, emotion: str) -> None:
    pose = RULES.poses[RULES.emotions.index(emotion)]
    for key in talker.data.shape_keys.key_blocks[1:]:
        key.value = 0.7 * float(pose[RULES.names.index(key.name)])
    assert bpy.ops.voxrig.guide_pose(use="SLIDERS") == {"FINISHED"}
    found = weights_of(scene)
    assert max(found, key=found.__getitem__) == emotion and found[emotion] == pytest.approx(0.7, abs=0.2)
    if emotion == "joy":
        assert bpy.ops.voxrig.guide_pose(use="PRESET", name="Glad") == {"FINISHED"}
        assert emotions.find_emotion_preset("Glad").weights["joy"] == pytest.approx(found["joy"], abs=0.01)
        scene.frame_set(12)
        assert bpy.ops.voxrig.guide_pose(use="STYLE") == {"FINISHED"}
        assert [(marker.frame, marker.name.split()[:2]) for marker in scene.timeline_markers] == [(12, ["style", "joy"])]


def test_a_smiley_is_keyed_as_a_pose_that_takes_pass_through(scene: Any, talker: Any) -> None:
    scene.frame_set(12)
    with pytest.raises(TypeError, match="not found"):
        bpy.ops.voxrig.guide_smiley(smiley="NO_SUCH_FACE")
    assert bpy.ops.voxrig.guide_smiley(smiley="WINKING_FACE") == {"FINISHED"}
    curves = {curve.data_path.split('"')[1]: curve for curve in compat.curves_of(talker.data.shape_keys) or ()}
    assert [tuple(key.co) for key in curves["eyeBlinkLeft"].keyframe_points] == [(12.0, 1.0)]
    assert curves["eyeBlinkRight"].keyframe_points[0].co.y < 0.2
    scene.frame_set(30)
    assert bpy.ops.voxrig.guide_smiley(smiley="FACE_WITH_TONGUE", mouth=False) == {"FINISHED"}
    assert [key.co.x for key in curves["tongueOut"].keyframe_points] == [12.0]
    assert [key.co.x for key in curves["eyeBlinkLeft"].keyframe_points] == [12.0, 30.0]


def test_a_face_without_emotion_changes_nothing(scene: Any, talker: Any, tmp_path: Path) -> None:
    with pytest.raises(VoxrigError, match="no emotion that is clear enough"):
        guides.use_emotions(scene, guides.emotions_of_pose(talker), "SLIDERS")
    with pytest.raises(VoxrigError, match="not in a language"):
        guides.mark_style(scene, "wahnsinnig verzweifelt und allein")
    with pytest.raises(VoxrigError, match="cannot be read"):
        guides.read_picture(tmp_path / "missing.png")
    assert weights_of(scene) == {} and not scene.timeline_markers and not (compat.curves_of(talker.data.shape_keys) or ())


def test_markers_style_the_characters_that_they_name(scene: Any, talker: Any, make_face: Callable[..., Any]) -> None:
    other = make_face("Anna")
    guides.mark_style(scene, "furious", 10)
    guides.mark_style(scene, "tired but relieved", 10)
    guides.mark_style(scene, "Anna: sad", 20)
    guides.mark_style(scene, "", 30)
    scene.timeline_markers.new("Stylish", frame=25)
    assert styles_of(scene, talker) == [(10, "tired but relieved"), (30, "")]
    assert styles_of(scene, other) == [(10, "tired but relieved"), (20, "sad"), (30, "")]


def test_a_style_moves_into_its_sliders_and_leaves_the_artists_emotions(scene: Any, talker: Any) -> None:
    settings = scene.voxrig
    settings.style, settings.articulation = "furious, shouting", 1.0
    assert bpy.ops.voxrig.spread_style() == {"FINISHED"}
    assert weights_of(scene)["anger"] > 0.5 and settings.articulation > 1.2 and settings.style == ""
    before = weights_of(scene)
    settings.style = "sad"
    guides.spread_style(scene)
    assert weights_of(scene) == before
    with pytest.raises(VoxrigError, match="no style"):
        guides.spread_style(scene)


def test_a_filmed_upper_face_goes_with_lips_from_the_sound(
    registered: None, scene: Any, make_face: Callable[..., Any], model_folder: Path, voice: Path, tmp_path: Path
) -> None:
    face = make_face(keys=("jawOpen", "mouthPucker", "browInnerUp", "eyeBlinkLeft"))
    rows = np.arange(241) / 60.0
    values = np.stack([np.ones(241), 0.5 + 0.4 * np.sin(4 * rows), 0.3 * np.ones(241)], axis=1).astype(np.float32)
    write_curves(tmp_path / "film.csv", ChannelCurves(("jawOpen", "browInnerUp", "eyeBlinkLeft"), 60.0, values))
    plain = animate_character(scene, face, SoundFile(str(voice), 1), model_folder, TakeSettings())
    jaw = evaluate(face.data.shape_keys, "jawOpen", np.arange(1, 40))
    take = animate_character(scene, face, SoundFile(str(voice), 1), model_folder, TakeSettings(film=str(tmp_path / "film.csv")))
    assert (take.first_frame, take.last_frame) == (plain.first_frame, plain.last_frame), "a longer film is cut"
    np.testing.assert_allclose(evaluate(face.data.shape_keys, "jawOpen", np.arange(1, 40)), jaw, atol=1e-5)
    brow = evaluate(face.data.shape_keys, "browInnerUp", np.arange(1, 40))
    np.testing.assert_allclose(brow, 0.5 + 0.4 * np.sin(4 * np.arange(39) / 24.0), atol=0.02)
    assert evaluate(face.data.shape_keys, "eyeBlinkLeft", np.arange(1, 40)) == pytest.approx(0.3, abs=1e-4)
