# SPDX-License-Identifier: GPL-3.0-or-later
"""What a character looks at: cameras with cuts, objects, bones, other characters; and targets that lead nowhere."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from characters import animate
from file_state import curves_of
from mathutils import Vector
from puppets import make_puppet, write_line
from voxrig.animation.rig.mapping import Mapping
from voxrig.blender.rigs import find_character
from voxrig.blender.sight import Eyes, find_eyes, find_targets
from voxrig.operators.life import find_other_eyes

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_line(tmp_path_factory.mktemp("sounds") / "line.wav")


@pytest.fixture
def puppet(make_face: Any, scene: Any) -> Any:
    """A face 1.6 m up on an armature with chest, neck and head, that looks along -Y."""
    return make_puppet(make_face, scene, "Puppet")


def put(scene: Any, name: str, data: Any, at: tuple[float, float, float]) -> Any:
    item = bpy.data.objects.new(name, data)
    item.location = at
    scene.collection.objects.link(item)
    bpy.context.view_layer.update()
    return item


def see(
    scene: Any, rig: Any, *names: str, frames: tuple[float, float] = (1.0, 97.0), others: dict[Any, Any] | None = None
) -> Any:
    eyes = find_eyes(find_character(rig), Mapping(()))
    return find_targets(scene, eyes, names, frames, others or {})


def test_directions_have_the_signs_of_the_channels(scene: Any, puppet: Any) -> None:
    eyes = find_eyes(find_character(puppet), Mapping(()))
    assert tuple(eyes.point) == pytest.approx((0.0, 0.0, 1.6))
    assert eyes.base == "spine"
    put(scene, "Right", None, (-1.0, -1.0, 1.6))
    put(scene, "Low", None, (0.0, -2.0, 1.6 - 2.0))
    (right, low), cuts, notes = see(scene, puppet, "Right", "Low")
    assert (cuts, notes) == ((), [])
    assert (right.yaw.tolist(), right.pitch.tolist()) == ([pytest.approx(math.pi / 4)], [pytest.approx(0.0, abs=1e-6)])
    assert right.distance[0] == pytest.approx(math.sqrt(2.0))
    assert (low.yaw[0], low.pitch[0]) == (pytest.approx(0.0, abs=1e-6), pytest.approx(math.pi / 4))
    puppet.rotation_euler = (0.0, 0.0, -math.pi / 4)
    bpy.context.view_layer.update()
    assert see(scene, puppet, "Right")[0][0].yaw[0] == pytest.approx(0.0, abs=1e-6)
    scene.unit_settings.scale_length = 0.01
    assert see(scene, puppet, "Right")[0][0].distance[0] == pytest.approx(0.05), "at the nearest that eyes converge"


def test_a_moving_target_and_a_moving_body_are_followed(scene: Any, puppet: Any) -> None:
    ball = put(scene, "Ball", None, (-2.0, -2.0, 1.6))
    ball.keyframe_insert("location", frame=1)
    ball.location = (2.0, -2.0, 1.6)
    ball.keyframe_insert("location", frame=97)
    scene.frame_set(30)
    (target,), _, _ = see(scene, puppet, "Ball")
    assert scene.frame_current == 30
    assert target.at(0.0)[0] == pytest.approx(math.pi / 4)
    assert target.at(4.0)[0] == pytest.approx(-math.pi / 4)
    assert target.at(2.0)[0] == pytest.approx(0.0, abs=1e-2)
    spine = puppet.pose.bones["spine"]
    spine.rotation_euler = (0.0, math.pi / 4, 0.0)  # along the bone: the body turns to its left
    spine.keyframe_insert("rotation_euler", frame=1)
    (turned,), _, _ = see(scene, puppet, "Ball")
    assert turned.at(2.0)[0] == pytest.approx(math.pi / 4, abs=1e-2)
    head = puppet.pose.bones["head"]
    head.rotation_euler = (0.0, 1.0, 0.0)
    head.keyframe_insert("rotation_euler", frame=1)
    (same,), _, _ = see(scene, puppet, "Ball")
    assert np.allclose(same.yaw, turned.yaw), "what the head does itself is left out"


@pytest.mark.parametrize("mode", ["XYZ", "QUATERNION"])
def test_a_head_that_is_posed_without_a_key_looks_from_there(
    scene: Any, puppet: Any, line: Path, model_folder: Path, mode: str
) -> None:
    put(scene, "Ball", None, (1.0, -1.0, 1.6))  # to its left, where the posed head points
    head = puppet.pose.bones["head"]
    head.rotation_mode = mode
    head.rotation_euler = (0.0, math.pi / 4, 0.0)
    head.rotation_quaternion = head.rotation_euler.to_quaternion()
    assert see(scene, puppet, "Ball")[0][0].yaw[0] == pytest.approx(0.0, abs=1e-5)
    for seed in (3, 4):  # the second take finds keys on the head
        take = animate(scene, puppet, line, model_folder, life=1.0, life_gaze=0.0, look_at="Ball", life_seed=seed)
        values = {target.data_path: column for target, column in zip(take.dense.targets, take.dense.values.T, strict=True)}
        assert values['key_blocks["eyeLookOutLeft"].value'].max() < 0.3
        assert values['key_blocks["eyeLookOutRight"].value'].max() < 0.3


def test_a_head_that_the_body_turns_carries_the_eyes(scene: Any, puppet: Any, line: Path, model_folder: Path) -> None:
    put(scene, "Ball", None, (1.0, -1.0, 1.6))
    head = puppet.pose.bones["head"]
    for frame, turn in ((1, 0.0), (60, math.pi / 4)):  # along the bone: to its left, where the ball is
        head.rotation_euler = (0.0, turn, 0.0)
        head.keyframe_insert("rotation_euler", frame=frame)
    animate(scene, puppet, line, model_folder, life=1.0, life_head=2.0)
    layer = next(track for track in puppet.animation_data.nla_tracks if track.name.endswith("Life"))
    eyes = find_eyes(find_character(puppet), Mapping(()), goes_with_head=True)
    (target,), _, _ = find_targets(scene, eyes, ["Ball"], (1.0, 97.0), {})
    assert target.at(0.0)[0] == pytest.approx(-math.pi / 4, abs=2e-2)
    assert target.at(3.0)[0] == pytest.approx(0.0, abs=4e-2), "but for the neck's small share of life"
    assert not layer.mute
    take = animate(scene, puppet, line, model_folder, life=1.0, life_head=0.0, life_gaze=0.0, look_at="Ball")
    values = {target.data_path: column for target, column in zip(take.dense.targets, take.dense.values.T, strict=True)}
    left = values['key_blocks["eyeLookOutLeft"].value']
    assert left[2:20].max() > 0.3
    assert left[90:].max() < 0.12


def test_the_camera_is_looked_at_across_its_cuts(scene: Any, puppet: Any) -> None:
    left = put(scene, "A", bpy.data.cameras.new("A"), (1.0, -1.0, 1.6))
    right = put(scene, "B", bpy.data.cameras.new("B"), (-1.0, -1.0, 1.6))
    for frame, camera in ((-10, left), (50, right), (60, right), (300, left)):
        scene.timeline_markers.new(camera.name, frame=frame).camera = camera
    (target,), cuts, notes = see(scene, puppet, "camera")
    assert (cuts, notes) == ((50,), [])
    assert target.at(48 / 24)[0] == pytest.approx(-math.pi / 4)
    assert target.at(49 / 24)[0] == pytest.approx(math.pi / 4)
    assert see(scene, puppet, "A")[1] == ()


def test_two_characters_look_at_each_other(scene: Any, puppet: Any, make_face: Any) -> None:
    bob = make_puppet(make_face, scene, "Bob", (0.0, -1.0, 0.3), math.pi)
    eyes = find_other_eyes(bob)
    assert eyes is not None
    assert find_other_eyes(bpy.data.objects["Bob Face"]).holder == bob
    (target,), _, notes = see(scene, puppet, "Bob", others={bob: eyes})
    assert not notes
    away = bob.matrix_world @ eyes.point - Vector((0.0, 0.0, 1.6))
    assert target.pitch[0] == pytest.approx(math.atan2(-away.z, -away.y), abs=1e-4)
    head = Eyes(puppet, Vector((0.0, 0.0, 1.6)), "spine")
    theirs, _, _ = see(scene, bob, "Puppet", others={puppet: head})
    assert theirs[0].pitch[0] == pytest.approx(math.atan(0.3), abs=1e-4)
    assert theirs[0].yaw[0] == pytest.approx(0.0, abs=1e-4)
    assert find_other_eyes(put(scene, "Lamp", bpy.data.lights.new("Lamp", "POINT"), (1, 1, 1))) is None


@pytest.mark.parametrize(
    ("name", "word"),
    [("Nobody", "does not exist"), ("Elsewhere", "in another scene"), ("Deleted", "in no scene"),
     ("Puppet", "itself"), ("camera", "no camera"),
     ("Other:hand", "no bone 'hand'")],
)  # fmt: skip
def test_a_target_that_leads_nowhere_is_told(scene: Any, puppet: Any, make_rig: Any, name: str, word: str) -> None:
    bpy.data.scenes.new("Second").collection.objects.link(bpy.data.objects.new("Elsewhere", None))
    bpy.data.objects.new("Deleted", None)
    make_rig("Other", ("bone",))
    eyes = find_other_eyes(puppet)
    targets, _, notes = see(scene, puppet, name, others={puppet: eyes})
    assert not targets
    assert len(notes) == 1 and word in notes[0]


def test_a_take_looks_at_its_target(scene: Any, puppet: Any, line: Path, model_folder: Path) -> None:
    put(scene, "Ball", None, (-1.0, -1.0, 1.6))
    ahead = animate(scene, puppet, line, model_folder, life=1.0)
    state = {curve: points.tobytes() for curve, points in curves_of(puppet).items()}
    take = animate(scene, puppet, line, model_folder, life=1.0, look_at="Ball")
    assert not take.warnings
    means = []
    for one in (ahead, take):
        values = dict(zip(one.dense.targets, one.dense.values.T, strict=True))
        named = {target.data_path: column for target, column in values.items() if target.id_type == "KEY"}
        means.append(named['key_blocks["eyeLookOutRight"].value'].mean())
    assert means[1] > means[0] + 0.2
    lost = animate(scene, puppet, line, model_folder, life=1.0, look_at="Gone")
    assert any("'Gone' does not exist" in warning for warning in lost.warnings)
    assert {curve: points.tobytes() for curve, points in curves_of(puppet).items()} == state
    assert len(bpy.data.scenes) == 1
