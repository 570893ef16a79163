# SPDX-License-Identifier: GPL-3.0-or-later
"""Calibrate: what the artist poses is what the channel does."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import bpy
import pytest
from file_state import fingerprint
from voxrig.animation.rig.mapping import Link, Mapping, Target
from voxrig.blender import compat, poses, rigs
from voxrig.errors import RigError

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def rig(scene: Any, make_rig: Callable[..., Any]) -> Any:
    """A rig of bones only, chosen as the character."""
    rig = make_rig()
    scene.voxrig.character = rig
    return rig


def show(character_object: Any, channel: str, amount: float) -> None:
    """Show the character with one channel of its mapping."""
    from voxrig.properties.links import preview_channel, read_mapping

    mapping = read_mapping(character_object)
    preview_channel(Mapping(tuple(link for link in mapping.links if link.channel == channel)), channel, amount)


def test_a_rig_of_bones_is_mapped_by_posing(rig: Any) -> None:
    jaw, left = rig.pose.bones["jaw"], rig.pose.bones["lip.L"]
    jaw.rotation_euler = (math.radians(25), 0, 0)
    jaw.location[2] = -0.01
    left.scale = (1.5, 1.0, 1.0)
    assert bpy.ops.voxrig.calibrate(channel="jawOpen") == {"FINISHED"}
    assert {(link.data_path, link.array_index) for link in rig.voxrig.links} == {
        ('pose.bones["jaw"].rotation_euler', 0),
        ('pose.bones["jaw"].location', 2),
        ('pose.bones["lip.L"].scale', 0),
    }
    # Back in neutral, nothing keyed.
    assert tuple(jaw.rotation_euler) == (0, 0, 0) and tuple(left.scale) == (1, 1, 1)
    assert rig.animation_data is None
    show(rig, "jawOpen", 1.0)
    assert jaw.rotation_euler[0] == pytest.approx(math.radians(25), rel=1e-5)
    assert jaw.location[2] == pytest.approx(-0.01, rel=1e-5) and left.scale[0] == pytest.approx(1.5)
    show(rig, "jawOpen", 0.5)
    assert jaw.rotation_euler[0] == pytest.approx(math.radians(12.5), rel=1e-5) and left.scale[0] == pytest.approx(1.25)


def test_quaternions_take_the_shorter_way(rig: Any) -> None:
    from mathutils import Euler

    jaw = rig.pose.bones["jaw"]
    jaw.rotation_mode = "QUATERNION"
    wanted = Euler((math.radians(30), 0, math.radians(10))).to_quaternion()
    jaw.rotation_quaternion = -wanted  # the same rotation, all signs turned
    bpy.ops.voxrig.calibrate(channel="jawOpen")
    assert tuple(jaw.rotation_quaternion) == (1, 0, 0, 0)
    show(rig, "jawOpen", 1.0)
    assert jaw.rotation_quaternion.rotation_difference(wanted).angle == pytest.approx(0, abs=1e-3)
    show(rig, "jawOpen", 0.5)
    half = jaw.rotation_quaternion.normalized()
    assert half.angle == pytest.approx(wanted.angle / 2, rel=0.02)
    assert half.axis.angle(wanted.axis) == pytest.approx(0, abs=1e-2)


def test_what_is_animated_is_the_pose(scene: Any, rig: Any, voice: Any, model_folder: Any) -> None:
    """From posing to keys: the curves go between the neutral pose and the calibrated one."""
    scene.voxrig.model, scene.voxrig.model_folder, scene.voxrig.sound_file = "FOLDER", str(model_folder), str(voice)
    rig.pose.bones["jaw"].scale[1] = 3.0
    bpy.ops.voxrig.calibrate(channel="jawOpen")
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    curves = list(compat.curves_of(rig))
    assert [(curve.data_path, curve.array_index) for curve in curves] == [('pose.bones["jaw"].scale', 1)]
    values = [curves[0].evaluate(frame) for frame in range(1, 49)]
    assert min(values) >= 1.0 - 0.05 and max(values) <= 3.0 + 0.05 and max(values) - min(values) > 0.1


def test_shape_keys_and_bones_in_one_pose(scene: Any, rig: Any, make_face: Callable[..., Any]) -> None:
    head = make_face("Head", ("pucker", "driven"))
    head.modifiers.new("Armature", "ARMATURE").object = rig
    blocks = head.data.shape_keys.key_blocks
    blocks["driven"].driver_add("value").driver.expression = "0.7"
    bpy.context.view_layer.update()
    rig["lips"] = 0
    rig.id_properties_ui("lips").update(min=0, max=10)
    blocks["pucker"].value, rig["lips"] = 0.8, 5
    scene.voxrig.character = head
    bpy.ops.voxrig.calibrate(channel="viseme_U")
    links = {link.data_path: link for link in head.voxrig.links}
    assert set(links) == {'key_blocks["pucker"].value', '["lips"]'}
    assert links['key_blocks["pucker"].value'].gain == pytest.approx(0.8) and links['["lips"]'].gain == 5.0
    assert links['["lips"]'].maximum == 10.0
    assert blocks["pucker"].value == 0.0 and rig["lips"] == 0 and isinstance(rig["lips"], int)


def test_calibrating_again_replaces_only_its_channel(rig: Any) -> None:
    jaw = rig.pose.bones["jaw"]
    jaw.location[0] = 0.1
    bpy.ops.voxrig.calibrate(channel="jawLeft")
    jaw.location[1] = 0.2
    bpy.ops.voxrig.calibrate(channel="jawOpen")
    jaw.location[2] = 0.3
    jaw.location[0] = 0.4
    bpy.ops.voxrig.calibrate(channel="jawLeft")
    assert [(link.channel, link.array_index, round(link.gain, 5)) for link in rig.voxrig.links] == [
        ("jawLeft", 0, 0.4),
        ("jawLeft", 2, 0.3),
        ("jawOpen", 1, 0.2),
    ]


def test_a_neutral_pose_of_ones_own(rig: Any) -> None:
    from voxrig.operators.calibrate import calibrate_channel, read_neutral_pose

    jaw = rig.pose.bones["jaw"]
    jaw.rotation_euler[0] = 0.2
    jaw.location[1] = 0.5
    assert bpy.ops.voxrig.store_neutral_pose() == {"FINISHED"}
    jaw.rotation_euler[0] = 0.7
    links = calibrate_channel(rig, "jawOpen")
    assert [(link.rest, link.gain) for link in links] == [(pytest.approx(0.2), pytest.approx(0.5))]
    assert jaw.rotation_euler[0] == pytest.approx(0.2)
    jaw.rotation_euler[0] = 0.9
    assert bpy.ops.voxrig.return_to_neutral() == {"FINISHED"}
    assert jaw.rotation_euler[0] == pytest.approx(0.2) and jaw.location[1] == 0.5
    # A new neutral pose reaches the other channels of the same target.
    jaw.rotation_euler[0] = 0.0
    bpy.ops.voxrig.store_neutral_pose()
    jaw.rotation_euler[0] = -0.3
    calibrate_channel(rig, "mouthClose")
    assert [(link.channel, link.rest) for link in rig.voxrig.links] == [("jawOpen", 0.0), ("mouthClose", 0.0)]
    # Bones that were renamed are at rest again.
    jaw.name = "chin"
    targets = [Target("OBJECT", "Rig", 'pose.bones["chin"].location', 1)]
    assert read_neutral_pose(rig, targets) == {targets[0]: 0.0}


def test_a_pose_from_a_frame_of_an_action(rig: Any, make_face: Callable[..., Any]) -> None:
    action = compat.new_action("Poses", rig)
    fcurves, _groups = compat.ensure_curves(rig, action)
    curve = fcurves.new('pose.bones["jaw"].rotation_euler', index=0)
    for frame, value in ((1, 0.0), (10, 0.6)):
        curve.keyframe_points.insert(frame, value).interpolation = "LINEAR"
    fcurves.new('pose.bones["gone"].location', index=0).keyframe_points.insert(1, 5.0)
    rig.animation_data.action = None
    rig.pose.bones["jaw"].location[0] = 1.0  # what the character does now is not asked
    assert bpy.ops.voxrig.calibrate_from_action(channel="jawOpen", action="Poses", frame=10.0) == {"FINISHED"}
    links = rig.voxrig.links
    assert [(link.data_path, link.array_index, round(link.gain, 5)) for link in links] == [
        ('pose.bones["jaw"].rotation_euler', 0, 0.6)
    ]
    assert rig.pose.bones["jaw"].location[0] == 1.0
    # An Action of something else says so.
    other = make_face("Other", ("a",))
    bpy.context.scene.voxrig.character = other
    before = fingerprint()
    for name, said in (("Poses", "moves no free control"), ("Nothing", "no Action 'Nothing'"), ("", "No Action is chosen")):
        with pytest.raises(RuntimeError, match=said):
            bpy.ops.voxrig.calibrate_from_action(channel="jawOpen", action=name, frame=10.0)
    assert fingerprint() == before


def test_a_pose_asset_is_offered_first_and_taken_where_its_pose_is(rig: Any) -> None:
    from voxrig.operators.calibrate import list_pose_sources

    for name, frame in (("A Walk", 1), ("Open Jaw", 31)):
        action = compat.new_action(name, rig)
        fcurves, _groups = compat.ensure_curves(rig, action)
        fcurves.new('pose.bones["jaw"].rotation_euler', index=0).keyframe_points.insert(frame, 0.4)
        rig.animation_data.action = None
    bpy.data.actions["Open Jaw"].asset_mark()
    assert list_pose_sources(None, None, "") == [("Open Jaw", "Pose Asset"), ("A Walk", "Action")]
    assert list_pose_sources(None, None, "walk") == [("A Walk", "Action")]
    assert bpy.ops.voxrig.calibrate_from_action(channel="jawOpen", action="Open Jaw") == {"FINISHED"}
    assert [(link.channel, round(link.gain, 5)) for link in rig.voxrig.links] == [("jawOpen", 0.4)]


def test_a_bone_that_turns_by_axis_and_angle(rig: Any) -> None:
    """About the axis that it has, a turn is one value; about another axis it cannot be blended."""
    jaw = rig.pose.bones["jaw"]
    jaw.rotation_mode = "AXIS_ANGLE"
    jaw.rotation_axis_angle = (0.3, 0.0, 1.0, 0.0)
    assert bpy.ops.voxrig.calibrate(channel="jawOpen") == {"FINISHED"}
    assert [(link.data_path, link.array_index, round(link.gain, 5)) for link in rig.voxrig.links] == [
        ('pose.bones["jaw"].rotation_axis_angle', 0, 0.3)
    ]
    assert jaw.rotation_axis_angle[0] == 0.0
    jaw.rotation_axis_angle = (0.3, 1.0, 0.0, 0.0)
    before = fingerprint()
    with pytest.raises(RuntimeError, match="cannot be blended"):
        bpy.ops.voxrig.calibrate(channel="jawOpen")
    assert fingerprint() == before


def test_one_undo_takes_a_calibration_back(rig: Any) -> None:
    rig.pose.bones["jaw"].location[0] = 0.1
    bpy.ops.ed.undo_push(message="posed")
    before = fingerprint()
    assert bpy.ops.voxrig.calibrate("EXEC_DEFAULT", True, channel="jawLeft") == {"FINISHED"}
    assert fingerprint() != before
    bpy.ops.ed.undo()
    assert fingerprint() == before
    rig = bpy.data.objects["Rig"]
    assert rig.pose.bones["jaw"].location[0] == pytest.approx(0.1)


def test_what_cannot_be_calibrated_says_so_and_changes_nothing(rig: Any, make_face: Callable[..., Any]) -> None:
    from voxrig.operators.calibrate import calibrate_channel

    before = fingerprint()
    with pytest.raises(RuntimeError, match="Nothing differs from the neutral pose"):
        bpy.ops.voxrig.calibrate(channel="jawOpen")
    rig.pose.bones["jaw"].location[0] = 0.1
    with pytest.raises(RuntimeError, match="No channel is chosen"):
        bpy.ops.voxrig.calibrate()
    with pytest.raises(RigError, match="no free control"):
        calibrate_channel(make_face("Bare", ()), "jawOpen")
    bpy.data.objects.remove(bpy.data.objects["Bare"])
    bpy.data.meshes.remove(bpy.data.meshes["Bare"])
    rig.pose.bones["jaw"].location[0] = 0.0
    assert fingerprint() == before
    links = poses.links_from_pose
    spin, axis = (Target("OBJECT", "Rig", 'pose.bones["jaw"].rotation_axis_angle', i) for i in (0, 1))
    with pytest.raises(RigError, match="axis and angle"):
        links("jawOpen", {spin: 0.0, axis: 0.0}, {spin: 1.0, axis: 1.0})


def test_links_and_previews_of_a_calibrated_pose_survive_the_file(rig: Any, tmp_path: Any) -> None:
    from voxrig.properties.links import read_mapping

    rig.pose.bones["jaw"].scale[0] = 2.0
    bpy.ops.voxrig.calibrate(channel="jawOpen")
    rig.voxrig.links[0].ease, rig.voxrig.links[0].confidence = 0.5, "LIKELY"
    before = read_mapping(rig)
    path = tmp_path / "rig.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.open_mainfile(filepath=str(path))
    assert read_mapping(bpy.data.objects["Rig"]) == before
    assert before.links[0] == Link(
        "jawOpen", Target("OBJECT", "Rig", 'pose.bones["jaw"].scale', 0), 1.0, rest=1.0, ease=0.5, confidence="LIKELY"
    )


def test_a_large_rig_is_read_quickly(make_rig: Callable[..., Any]) -> None:
    """A production rig has about a thousand bones; posing one of them must not make the artist wait."""
    import time

    from voxrig.operators.calibrate import calibrate_channel

    large = make_rig("Large", tuple(f"bone {i}" for i in range(1000)))
    large.pose.bones["bone 7"].location[0] = 1.0
    targets = rigs.list_bone_transforms(rigs.find_character(large))
    assert len(targets) == 9000
    started = time.process_time()
    assert len(calibrate_channel(large, "jawOpen")) == 1
    seconds = time.process_time() - started
    print(f"calibrating among 9000 values: {seconds:.2f} s")
    assert seconds < 5.0
