# SPDX-License-Identifier: GPL-3.0-or-later
"""Every preset on a rig that is built here: what is linked, and that bones then go where the face should."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import pytest
from mathutils import Vector
from voxrig.animation.face.channels import face_channel_names, face_channels
from voxrig.animation.rig.mapping import Link
from voxrig.animation.rig.recognition import choose_mouth
from voxrig.blender import rigs
from voxrig.tools.reports.rigs import LISTS, channels_of, read_list

NAMES = sorted(path.stem for path in LISTS.glob("*.tsv"))
# Where the bones of a face are, about: rigs have heads of 20 cm at 1.8 m that look to -Y.
PLACES = {
    "jaw": (0.0, -0.02, 1.80),
    "lips.l": (0.035, -0.15, 1.81),
    "lips.r": (-0.035, -0.15, 1.81),
    "corner.l": (0.035, -0.15, 1.81),
    "corner.r": (-0.035, -0.15, 1.81),
    "smile.l": (0.035, -0.15, 1.81),
    "smile.r": (-0.035, -0.15, 1.81),
    "lid.t": (0.03, -0.14, 1.87),
    "lid.b": (0.03, -0.14, 1.86),
}


def place_of(name: str) -> tuple[float, float, float]:
    return next((place for part, place in PLACES.items() if part in name.lower()), (0.01, -0.14, 1.84))


@pytest.fixture
def make_bones(scene: Any) -> Callable[..., Any]:
    """Makes an armature with bones of the given names, each rolled in another way, as rigs have them."""

    def make(*names: str, rotation_mode: str = "QUATERNION") -> Any:
        armature = bpy.data.armatures.new("Rig")
        rig = bpy.data.objects.new("Rig", armature)
        scene.collection.objects.link(rig)
        bpy.context.view_layer.objects.active = rig
        bpy.ops.object.mode_set(mode="EDIT")
        for i, name in enumerate(names):
            bone = armature.edit_bones.new(name)
            bone.head = place_of(name)
            bone.tail = Vector(bone.head) + (Vector((0, -0.1, -0.04)) if "jaw" in name.lower() else Vector((0.005, 0.01, 0.02)))
            bone.roll = 0.7 * i
        bpy.ops.object.mode_set(mode="OBJECT")
        for bone in rig.pose.bones:
            bone.rotation_mode = rotation_mode
        return rig

    return make


def move(rig: Any, links: list[Link], weights: dict[str, float]) -> None:
    """Pose a rig with channels at the given weights."""
    for link in links:
        owner, path = link.target.data_path.rsplit(".", 1)
        getattr(rig.path_resolve(owner), path)[link.target.array_index] += link.gain * weights.get(link.channel, 0.0)
    bpy.context.view_layer.update()


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_on_its_rig(name: str, make_face: Callable[..., Any], make_bones: Callable[..., Any]) -> None:
    names = read_list(LISTS / f"{name}.tsv")
    if any(control.is_bone for control in names.controls):
        item = make_bones(*(control.name for control in names.controls))
    else:
        item = make_face("Face", tuple(control.name for control in names.controls))
    match = rigs.match_channels(rigs.find_character(item), channels_of(names))
    linked: dict[str, set[str]] = {}
    for link in match.mapping.links:
        if link.confidence == "SURE":
            parts = link.target.data_path.split('"')
            linked.setdefault(link.channel, set()).add(parts[1])
        assert rigs.resolve(link.target).owner is not None
        assert link.enabled == (link.confidence != "UNSURE")
    assert match.title and linked == {channel: set(known) for channel, known in names.known.items()}


@pytest.mark.parametrize("rotation_mode", ["QUATERNION", "XYZ", "ZXY"])
@pytest.mark.parametrize(
    ("name", "jaw", "degrees"),
    [
        ("rigify_bones", "jaw_master", 22),
        ("blender_studio_rain_bones", "MSTR-Jaw", 18),
        ("blender_studio_snow_bones", "Jaw", 18),
    ],
)
def test_the_jaw_opens_downwards(
    name: str, jaw: str, degrees: float, rotation_mode: str, make_bones: Callable[..., Any]
) -> None:
    names = read_list(LISTS / f"{name}.tsv")
    rig = make_bones(*(control.name for control in names.controls), rotation_mode=rotation_mode)
    match = rigs.match_channels(rigs.find_character(rig), face_channel_names())
    head, before = rig.pose.bones[jaw].head.copy(), rig.pose.bones[jaw].tail.copy()
    move(rig, [link for link in match.mapping.links if link.channel == "jawOpen"], {"jawOpen": 1.0})
    after = rig.pose.bones[jaw].tail
    assert after.z < before.z - 0.01 and abs(after.x - before.x) < 0.002
    # Three Euler angles that stand for one turn about a slanted axis are right to a degree.
    assert math.degrees((before - head).angle(after - head)) == pytest.approx(degrees, abs=1.0)


def test_lips_move_by_parts_of_the_mouth(make_bones: Callable[..., Any]) -> None:
    rig = make_bones(*(control.name for control in read_list(LISTS / "rigify_bones.tsv").controls))
    links = list(rigs.match_channels(rigs.find_character(rig), face_channel_names()).mapping.links)
    before = {bone.name: bone.head.copy() for bone in rig.pose.bones}
    move(rig, links, {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0})
    left, right = (rig.pose.bones[name].head - before[name] for name in ("lips.L", "lips.R"))
    width = 0.07
    assert left.x == pytest.approx(0.13 * width, abs=0.001) and left.z == pytest.approx(0.17 * width, abs=0.001)
    assert right.x == pytest.approx(-left.x, abs=0.001) and right.z == pytest.approx(left.z, abs=0.001)
    still = [
        name for name, head in before.items() if not name.startswith("lip") and (rig.pose.bones[name].head - head).length > 1e-6
    ]
    assert still == []


def test_locked_driven_and_connected_bones_are_left_alone(make_bones: Callable[..., Any]) -> None:
    names = [control.name for control in read_list(LISTS / "rigify_bones.tsv").controls]
    rig = make_bones(*names)
    rig.pose.bones["jaw_master"].lock_rotation = (True, True, True)
    rig.pose.bones["lips.L"].driver_add("location")
    match = rigs.match_channels(rigs.find_character(rig), face_channel_names())
    paths = {(link.channel, link.target.data_path) for link in match.mapping.links}
    assert not [path for channel, path in paths if channel == "jawOpen" or "lips.L" in path]
    assert ("mouthSmileRight", 'pose.bones["lips.R"].location') in paths


def test_a_face_on_bones_is_animated(make_bones: Callable[..., Any], scene: Any, voice: Path, registered: None) -> None:
    """The bundled model, a Rigify face and the button: the jaw's rotation and the lips' location get keys."""
    rig = make_bones(*(control.name for control in read_list(LISTS / "rigify_bones.tsv").controls))
    scene.voxrig.character = rig
    scene.voxrig.sound_file = str(voice)
    assert bpy.ops.voxrig.match_channels() == {"FINISHED"}
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    assert rig.animation_data.action is not None


def test_unsure_links_are_off_and_said(make_face: Callable[..., Any], scene: Any, registered: None) -> None:
    face = make_face("Face", ("jawOpen", "Mouth_Smile_Sharp_L"))
    scene.voxrig.character = face
    bpy.ops.voxrig.match_channels()
    stored = {link.channel: (link.enabled, link.confidence) for link in face.voxrig.links}
    assert stored == {"jawOpen": (True, "SURE"), "mouthSmileLeft": (False, "UNSURE")}


def test_both_kinds_of_mouth_on_one_character(make_face: Callable[..., Any]) -> None:
    names = read_list(LISTS / "ready_player_me.tsv")
    face = make_face("Face", tuple(control.name for control in names.controls))
    found = rigs.match_channels(
        rigs.find_character(face), face_channel_names(), lambda found: choose_mouth(found, face_channels())
    )
    assert not any(channel.startswith("viseme") for channel in found.mapping.channels())
    assert "jawOpen" in found.mapping.channels()


def test_the_same_property_on_two_bones_is_asked_about(make_bones: Callable[..., Any], make_face: Callable[..., Any]) -> None:
    rig = make_bones("face", "helper")
    for bone in ("face", "helper"):
        rig.pose.bones[bone]["jawOpen"] = 0.0
    rig.pose.bones["face"]["mouthFunnel"] = 0.0
    meshes = [make_face(name, ("mouthPucker",)) for name in ("Head", "Beard")]
    for mesh in meshes:
        mesh.parent = rig
    links = rigs.match_channels(rigs.find_character(rig), ("jawOpen", "mouthFunnel", "mouthPucker")).mapping.links
    found = sorted((link.channel, link.confidence, link.enabled) for link in links)
    # Face and beard move together; which of two properties is meant, only the artist knows.
    assert found == [
        ("jawOpen", "UNSURE", False),
        ("jawOpen", "UNSURE", False),
        ("mouthFunnel", "SURE", True),
        ("mouthPucker", "SURE", True),
        ("mouthPucker", "SURE", True),
    ]


def test_a_jaw_by_axis_and_angle_says_what_to_do(make_bones: Callable[..., Any], scene: Any, registered: None) -> None:
    rig = make_bones(*(control.name for control in read_list(LISTS / "rigify_bones.tsv").controls))
    rig.pose.bones["jaw_master"].rotation_mode = "AXIS_ANGLE"
    match = rigs.match_channels(rigs.find_character(rig), face_channel_names())
    assert "jawOpen" not in match.mapping.channels() and "mouthSmileLeft" in match.mapping.channels()
    assert len(match.notes) == 1 and "'jaw_master'" in match.notes[0] and "rotation mode" in match.notes[0]
    scene.voxrig.character = rig
    assert bpy.ops.voxrig.match_channels() == {"FINISHED"}


def test_a_bone_goes_where_a_turn_about_another_would_take_it(make_bones: Callable[..., Any]) -> None:
    """The lower lip closes by the way that it goes with the jaw, whatever the size of the head."""
    rig = make_bones(*(control.name for control in read_list(LISTS / "rigify_bones.tsv").controls))
    links = list(rigs.match_channels(rigs.find_character(rig), ("mouthClose",)).mapping.links)
    before = {name: rig.pose.bones[name].head.copy() for name in ("lip.B", "lip.T", "jaw_master")}
    move(rig, links, {"mouthClose": 0.1})
    lower = rig.pose.bones["lip.B"].head - before["lip.B"]
    arm = before["lip.B"] - before["jaw_master"]
    assert lower.z > 0.0 and rig.pose.bones["lip.T"].head.z < before["lip.T"].z
    assert lower.length == pytest.approx(0.1 * math.radians(25) * Vector((0, arm.y, arm.z)).length, rel=0.05)
    assert abs(lower.dot(arm)) < 0.05 * lower.length * arm.length


def test_a_face_without_the_bones_that_it_is_measured_by_says_so(make_bones: Callable[..., Any]) -> None:
    names = [control.name for control in read_list(LISTS / "rigify_bones.tsv").controls]
    rig = make_bones(*(name for name in names if name != "lips.R"))
    match = rigs.match_channels(rigs.find_character(rig), face_channel_names())
    assert match.title and "jawOpen" in match.mapping.channels() and "mouthSmileLeft" not in match.mapping.channels()
    assert all("no bone 'lips.R'" in note and "calibrate" in note for note in match.notes) and match.notes
