# SPDX-License-Identifier: GPL-3.0-or-later
"""A take whose head lives: shapes and bones move as the plan says, at any rotation mode, and an artist's head stays as it
is."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import model_packages
import numpy as np
import pytest
import soundfile
from characters import animate, choose
from file_state import curves_of
from keyframes import all_keys, evaluate
from mathutils import Euler, Matrix
from puppets import SHAPES, write_line
from voxrig.animation.life.events import of_part
from voxrig.animation.life.rendering import blink_frames
from voxrig.animation.rig.mapping import Target
from voxrig.animation.rig.names import names_in_path
from voxrig.blender.life import link_bones
from voxrig.blender.poses import end_preview, show_preview
from voxrig.blender.rigs import find_character
from voxrig.operators.takes import apply_settings, compare_take, update_take
from voxrig.properties.access import PACKAGE
from voxrig.takes.living import plan_take
from voxrig.takes.record import read_record
from voxrig.takes.settings import TakeSettings

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_line(tmp_path_factory.mktemp("sounds") / "line.wav")


@pytest.fixture
def puppet(make_face: Any, make_rig: Any) -> Any:
    """A face with ARKit's eye shapes below an armature with head and neck."""
    rig = make_rig("Puppet", ("head", "neck"))
    face = make_face("Face", SHAPES)
    face.parent = rig
    return rig


def head_turn(rig: Any, bone: str) -> Matrix:
    """Return how far a bone is turned from its rest, in the armature's axes."""
    pose = rig.pose.bones[bone]
    return pose.matrix.to_3x3() @ pose.bone.matrix_local.to_3x3().inverted()


def head_of(scene: Any, rig: Any, frame: int) -> Any:
    """Return how the head is turned on a frame."""
    scene.frame_set(frame)
    return rig.pose.bones["head"].matrix_basis.to_quaternion().copy()


def keys_in(action: Any) -> list[tuple[str, int, list[tuple[float, ...]]]]:
    """Return all keys of an Action on the head."""
    bags = action.layers[0].strips[0].channelbags if hasattr(action, "layers") else [action]
    curves = [curve for bag in bags for curve in bag.fcurves if '"head"' in curve.data_path]
    return [(curve.data_path, curve.array_index, [tuple(key.co) for key in curve.keyframe_points]) for curve in curves]


def marks_in(action: Any) -> list[tuple[str, int]]:
    """Return name and frame of an Action's pose markers."""
    return sorted((marker.name, marker.frame) for marker in action.pose_markers)


def test_a_mask_stays_a_mask(scene: Any, puppet: Any, line: Path, model_folder: Path) -> None:
    take = animate(scene, puppet, line, model_folder)
    assert not any("rotation" in target.data_path or "Blink" in target.data_path for target, _ in take.curves)
    assert not curves_of(puppet)


def test_blinks_shut_on_their_frames(scene: Any, puppet: Any, line: Path, model_folder: Path) -> None:
    from voxrig.operators.animate import gather
    from voxrig.takes.emotion import EmotionTrack
    from voxrig.takes.hearing import recall
    from voxrig.takes.record import SoundFile
    from voxrig.takes.settings import TakeSettings

    settings = TakeSettings(provider="CPU", life=1.0, life_seed=3)
    animate(scene, puppet, line, model_folder, life=1.0, life_seed=3)
    job = gather(scene, puppet, SoundFile(str(line), 1.0), model_folder, settings)
    heard = recall(job.parts[0].source)
    life = plan_take(heard, EmotionTrack(settings, 1.0, 24.0))
    blinks = of_part(life.events, "blinks")
    assert len(blinks) >= 2
    keys = bpy.data.objects["Face"].data.shape_keys
    for event in blinks:
        frames, _ = blink_frames(event, "blinkLeft", 24.0)
        if frames[0] >= 0 and frames[-1] < 190:
            assert evaluate(keys, "eyeBlinkLeft", [1 + frames[1]])[0] > 0.99
            assert evaluate(keys, "eyeBlinkLeft", [1 + frames[0], 1 + frames[-1]]).max() < 0.4


@pytest.mark.parametrize("mode", ["XYZ", "ZYX", "QUATERNION"])
def test_head_and_neck_share_the_turn(scene: Any, puppet: Any, line: Path, model_folder: Path, mode: str) -> None:
    for bone in puppet.pose.bones:
        bone.rotation_mode = mode
    links, notes = link_bones(find_character(puppet), ())
    assert not notes
    take = animate(scene, puppet, line, model_folder, life=1.0, life_head=2.0, life_seed=1)
    assert len([target for target, _ in take.curves if target.id_type == "OBJECT"]) == 6
    assert {link.channel for link in links} == {"headYaw", "headPitch", "headRoll"}
    angles = []
    for frame in range(take.first_frame, take.last_frame + 1, 4):
        scene.frame_set(frame)
        turn, neck = head_turn(puppet, "head"), head_turn(puppet, "neck")
        forward, neck_forward = turn @ Matrix.Identity(3).col[1] * -1.0, neck @ Matrix.Identity(3).col[1] * -1.0
        angles.append((-math.asin(forward.x), -math.asin(forward.z), -math.asin(neck_forward.x)))
    yaw, pitch, neck_yaw = np.array(angles).T
    assert yaw.std() > math.radians(0.5)
    assert pitch.std() > math.radians(0.5)
    assert neck_yaw.std() == pytest.approx(yaw.std() * 0.35 / 0.65, rel=0.1)


@pytest.mark.parametrize("mode", ["XYZ", "QUATERNION"])
@pytest.mark.parametrize("place", ["ACTION", "NLA"])
def test_life_is_a_layer_above_a_body(scene: Any, puppet: Any, line: Path, model_folder: Path, mode: str, place: str) -> None:
    bone = puppet.pose.bones["head"]
    bone.rotation_mode = mode
    for frame, degrees in ((1, 20.0), (60, 40.0)):
        turn = Euler((math.radians(degrees), 0.0, 0.0))
        bone.rotation_euler, bone.rotation_quaternion = turn, turn.to_quaternion()
        bone.keyframe_insert("rotation_quaternion" if mode == "QUATERNION" else "rotation_euler", frame=frame)
    body = puppet.animation_data.action
    if place == "NLA":
        track = puppet.animation_data.nla_tracks.new()
        track.strips.new("Walk", 1, body)
        puppet.animation_data.action = None
    before = keys_in(body)
    bare = [head_of(scene, puppet, frame) for frame in (1, 60)]
    shown = []
    for seed in (3, 4):
        take = animate(scene, puppet, line, model_folder, life=1.0, life_seed=seed)
        shown.append([tuple(head_of(scene, puppet, frame)) for frame in (30, 90, 150)])
    assert shown[0] != shown[1]
    compare_take(puppet, "1")
    assert [tuple(head_of(scene, puppet, frame)) for frame in (30, 90, 150)] == [pytest.approx(turn) for turn in shown[0]]
    compare_take(puppet, "2")
    take = animate(scene, puppet, line, model_folder, life=1.0, life_seed=4)
    assert any("'head' keep the body's animation" in warning for warning in take.warnings), take.warnings
    assert any('"head"' in target.data_path for target, _ in take.curves)
    assert keys_in(body) == before
    tracks = [track for track in puppet.animation_data.nla_tracks if track.name != "Walk"]
    layers = [track for track in tracks if track.name.endswith("Life")]
    assert len(layers) == 1, "all takes share a layer"
    moved = [head_of(scene, puppet, frame) for frame in range(1, take.last_frame, 7)]
    layers[0].mute = True
    for frame, turn in zip((1, 60), bare, strict=True):
        assert tuple(head_of(scene, puppet, frame)) == pytest.approx(tuple(turn), abs=1e-5)
    still = [head_of(scene, puppet, frame) for frame in range(1, take.last_frame, 7)]
    away = np.degrees([with_life.rotation_difference(without).angle for with_life, without in zip(moved, still)])
    assert 0.5 < away.max() < 15.0
    assert take.last_frame - 8 <= layers[0].strips[0].frame_end


def test_a_mask_after_life_rests(scene: Any, puppet: Any, line: Path, model_folder: Path) -> None:
    animate(scene, puppet, line, model_folder, life=1.0)
    take = animate(scene, puppet, line, model_folder, life=0.0)
    assert not take.warnings
    curve = next(curve for target, curve in take.curves if target.data_path.endswith('"head"].rotation_euler'))
    assert not curve.values.any()
    assert {tuple(head_of(scene, puppet, frame)) for frame in (20, 60, 100)} == {(1.0, 0.0, 0.0, 0.0)}


def test_life_is_that_of_the_preferences_until_it_is_set(scene: Any) -> None:
    settings = scene.voxrig
    assert settings.life == 1.0
    addon = bpy.context.preferences.addons.new()
    addon.module = PACKAGE
    try:
        addon.preferences.life = 0.25
        assert settings.life == 0.25
        settings.life = 0.5
        addon.preferences.life = 0.75
        assert settings.life == 0.5
    finally:
        bpy.context.preferences.addons.remove(addon)


def test_another_take_replaces_its_own_head(scene: Any, puppet: Any, line: Path, model_folder: Path) -> None:
    animate(scene, puppet, line, model_folder, life=1.0)
    take = animate(scene, puppet, line, model_folder, life=1.0, life_seed=5)
    assert not take.warnings
    assert len([target for target, _ in take.curves if target.id_type == "OBJECT"]) == 6


def test_aimed_and_driven_bones_are_explained(scene: Any, puppet: Any) -> None:
    aim = puppet.pose.bones["head"].constraints.new("DAMPED_TRACK")
    aim.target = bpy.data.objects["Face"]
    puppet.pose.bones["neck"].rotation_mode = "AXIS_ANGLE"
    links, notes = link_bones(find_character(puppet), ())
    assert not links
    assert [("aimed by the constraint" in note, "axis and angle" in note) for note in sorted(notes)] == [
        (True, False),
        (False, True),
    ]


def test_what_a_rig_lacks_is_said(scene: Any, face: Any, line: Path, model_folder: Path) -> None:
    take = animate(scene, face, line, model_folder, life=1.0)
    assert any("has no controls for blinks and gaze and head" in warning for warning in take.warnings)


def test_eyes_that_drivers_hold_are_explained(scene: Any, make_face: Any, line: Path, model_folder: Path) -> None:
    looks = [f"eyeLook{way}{side}" for way in ("Up", "Down", "In", "Out") for side in ("Left", "Right")]
    face = make_face(keys=("jawOpen", "mouthPucker", "eyeBlinkLeft", "eyeBlinkRight", *looks))
    for name in looks:
        face.data.shape_keys.key_blocks[name].driver_add("value").driver.expression = "0.1"
    take = animate(scene, face, line, model_folder, life=1.0)
    assert any("Drivers hold the controls of 'Face' for gaze, so" in warning for warning in take.warnings)
    assert any("has no controls for brows and head, which" in warning for warning in take.warnings)


def test_one_part_is_made_again(scene: Any, puppet: Any, line: Path, model_folder: Path) -> None:
    settings = choose(scene, puppet, line, model_folder)
    assert bpy.ops.voxrig.set_life(temperament="Lively") == {"FINISHED"}
    assert settings.life == 1.0
    assert settings.life_head > 1.2 and settings.articulation == 1.0
    assert bpy.ops.voxrig.set_life(temperament="Elderly") == {"FINISHED"}
    assert settings.life_head < 0.8 and settings.articulation == pytest.approx(0.85)
    assert bpy.ops.voxrig.roll_life(part="head") == {"FINISHED"}
    assert (settings.life_head_roll, settings.life_blinks_roll) == (1, 0)


def test_a_marker_that_is_moved_deleted_or_added_changes_its_event(
    scene: Any, puppet: Any, line: Path, model_folder: Path
) -> None:
    keys = bpy.data.objects["Face"].data.shape_keys
    settings = {"life": 1.0, "life_seed": 3, "life_markers": True, "look_at": "Ball"}
    ball = bpy.data.objects.new("Ball", None)
    scene.collection.objects.link(ball)
    ball.location = (1.0, -1.0, 0.5)
    animate(scene, puppet, line, model_folder, **settings)
    action = keys.animation_data.action
    theirs = action.pose_markers.new("chorus")
    theirs.frame = 40
    before = marks_in(action)
    lids, head = (all_keys(owner) for owner in (keys, puppet))
    assert {"blink", "beat", "brows"} <= {name for name, _ in before}
    update_take(scene, puppet)
    assert marks_in(action) == before
    assert (all_keys(keys), all_keys(puppet)) == (lids, head), "nothing happened to the markers"

    blinks = [marker for marker in action.pose_markers if marker.name == "blink"]
    was = blinks[0].frame
    free = next(frame for frame in range(was + 20, 180) if all(abs(frame - one.frame) > 14 for one in blinks))
    blinks[0].frame = free
    action.pose_markers.remove(blinks[1])
    action.pose_markers.new("look Ball").frame = 100
    lost = sorted(frame for name, frame in before if name == "blink")[1]
    update_take(scene, puppet)
    shut = evaluate(keys, "eyeBlinkLeft", [was, free, lost])
    assert shut[1] > 0.99
    assert max(shut[0], shut[2]) < 0.6
    assert all_keys(puppet) == head, "the head kept its keys"
    marks = marks_in(action)
    assert ("blink", free) in marks and ("blink", lost) not in marks and ("look Ball", 100) in marks and ("chorus", 40) in marks
    assert len(marks) == len(before)
    record = read_record(puppet.voxrig.takes[0].record)
    assert len(record.settings.cues) == 3
    update_take(scene, puppet)
    assert marks_in(action) == marks
    assert read_record(puppet.voxrig.takes[0].record).settings.cues == record.settings.cues


def test_another_take_brings_its_own_markers(scene: Any, puppet: Any, line: Path, model_folder: Path) -> None:
    animate(scene, puppet, line, model_folder, life=1.0, life_seed=3, life_markers=True)
    action = bpy.data.objects["Face"].data.shape_keys.animation_data.action
    first = marks_in(action)
    animate(scene, puppet, line, model_folder, life=1.0, life_seed=4, life_markers=True)
    assert marks_in(action) != first
    update_take(scene, puppet, "1")
    assert not read_record(puppet.voxrig.takes["1"].record).settings.cues
    assert marks_in(action) == first
    apply_settings(scene, puppet, replace(TakeSettings(provider="CPU"), life_seed=3), "1")
    assert not marks_in(action)


@pytest.mark.parametrize("settings", [{"keys": "STEP", "key_step": 3}, {"keys": "POSES"}, {"density": 1}, {"density": 7}])
def test_no_way_of_placing_keys_cuts_a_blink(
    scene: Any, puppet: Any, line: Path, model_folder: Path, settings: dict[str, Any]
) -> None:
    sure = {"life": 1.0, "life_seed": 3}
    animate(scene, puppet, line, model_folder, keys="EVERY", **sure)
    keys = bpy.data.objects["Face"].data.shape_keys
    frames = np.arange(1, 190)
    every = evaluate(keys, "eyeBlinkLeft", frames) > 0.98
    animate(scene, puppet, line, model_folder, **sure, **settings)
    shut = evaluate(keys, "eyeBlinkLeft", frames) > 0.98
    starts = np.flatnonzero(every[1:] & ~every[:-1])
    assert starts.size >= 2
    assert all(shut[max(at - 2, 0) : at + 5].any() for at in starts)
    assert shut.sum() < 14 * starts.size, "eyes do not stay shut"


def make_skull(make_rig: Any, *bones: str) -> Any:
    """Make an armature of bones without a face."""
    return make_rig("Skull", bones)


def test_a_rig_with_one_eye_and_no_neck_lives(
    scene: Any, make_rig: Any, make_face: Any, line: Path, model_folder: Path
) -> None:
    rig = make_skull(make_rig, "head", "LeftEye")
    make_face("Face", model_packages.CHANNELS).parent = rig
    links, notes = link_bones(find_character(rig), ())
    assert not notes
    assert {names_in_path(link.target.data_path)[0] for link in links} == {"head", "LeftEye"}
    assert {link.channel for link in links if "LeftEye" in link.target.data_path} == {"leftEyeYaw", "leftEyePitch"}
    take = animate(scene, rig, line, model_folder, life=1.0)
    assert not take.warnings or all("blinks" in warning for warning in take.warnings)
    moved = {names_in_path(target.data_path)[0] for target, curve in take.curves if np.ptp(curve.values) > 0.01}
    assert {"head", "LeftEye"} <= moved


def test_eyes_that_drivers_or_constraints_turn_are_explained(scene: Any, make_rig: Any) -> None:
    rig = make_skull(make_rig, "head", "LeftEye", "RightEye")
    for axis in range(3):
        rig.pose.bones["LeftEye"].driver_add("rotation_euler", axis)
    aim = rig.pose.bones["RightEye"].constraints.new("TRACK_TO")
    aim.target = bpy.data.objects.new("Ball", None)
    links, notes = link_bones(find_character(rig), ())
    assert {names_in_path(link.target.data_path)[0] for link in links} == {"head"}
    assert sorted(notes) == [
        "The bone 'LeftEye' is turned by a driver, so life leaves it alone; link what drives it in the Mapping panel",
        "The bone 'RightEye' is aimed by the constraint 'Track To', so life leaves it alone; animate 'Ball'",
    ]


@pytest.mark.parametrize("fps", [1, 240])
def test_any_frame_rate_has_blinks(scene: Any, puppet: Any, line: Path, model_folder: Path, fps: int) -> None:
    scene.render.fps = fps
    animate(scene, puppet, line, model_folder, life=1.0, life_seed=3)
    keys = bpy.data.objects["Face"].data.shape_keys
    assert evaluate(keys, "eyeBlinkLeft", np.arange(1, 8 * fps)).max() > 0.98


@pytest.mark.parametrize("seconds", [0.3, 4.0])
def test_short_and_silent_lines_live(scene: Any, puppet: Any, tmp_path: Path, model_folder: Path, seconds: float) -> None:
    soundfile.write(tmp_path / "still.wav", np.zeros(round(seconds * 16_000), np.float32), 16_000)
    take = animate(scene, puppet, tmp_path / "still.wav", model_folder, life=1.0)
    moved = {names_in_path(target.data_path)[0] for target, curve in take.curves if np.ptp(curve.values) > 0.002}
    assert "head" in moved or seconds < 1.0
    assert ("eyeBlinkLeft" in moved) == (seconds >= 2.5)


@pytest.mark.parametrize("mode", ["XYZ", "QUATERNION"])
def test_a_head_that_is_posed_without_a_key_moves_from_there(
    scene: Any, puppet: Any, line: Path, model_folder: Path, mode: str
) -> None:
    bone = puppet.pose.bones["head"]
    bone.rotation_mode = mode
    pose = Euler((0.3, 0.0, -0.2))
    bone.rotation_euler, bone.rotation_quaternion = pose, pose.to_quaternion()
    neck = Target("OBJECT", "Puppet", 'pose.bones["neck"].rotation_euler', 0)
    puppet.pose.bones["neck"].rotation_mode = "XYZ"
    show_preview({neck: 0.5})
    links, _ = link_bones(find_character(puppet), ())
    assert all(link.rest == 0.0 for link in links if link.target == neck), "a preview is no pose"
    end_preview()
    for seed in (3, 4):
        take = animate(scene, puppet, line, model_folder, life=1.0, life_seed=seed)
        turns = [head_of(scene, puppet, frame) for frame in range(1, take.last_frame, 5)]
        away = np.degrees([turn.rotation_difference(pose.to_quaternion()).angle for turn in turns])
        assert 0.3 < away.max() < 12.0
