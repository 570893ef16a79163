# SPDX-License-Identifier: GPL-3.0-or-later
"""Characters are found whole, and each control can be reached or says why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from voxrig.animation.keys.reduction import reduce_to_keys
from voxrig.animation.rig.mapping import Target
from voxrig.blender import actions, rigs
from voxrig.errors import RigError


def add_armature(name: str = "Rig", bones: tuple[str, ...] = ("face",)) -> Any:
    armature = bpy.data.objects.new(name, bpy.data.armatures.new(name))
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for bone in bones:
        armature.data.edit_bones.new(bone).tail = (0, 0, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    return armature


def names(character: rigs.Character) -> set[str]:
    return {item.name for item in character.objects}


def test_every_mesh_of_the_armature_belongs_to_the_character(make_face: Callable[..., Any]) -> None:
    rig = add_armature()
    head, teeth, brows, other = (make_face(name, ("jawOpen",)) for name in ("Head", "Teeth", "Brows", "Other"))
    head.modifiers.new("Armature", "ARMATURE").object = rig
    teeth.modifiers.new("Armature", "ARMATURE").object = rig
    brows.parent = head
    for chosen in (rig, head, teeth, brows):
        character = rigs.find_character(chosen)
        assert names(character) >= {"Rig", "Head", "Teeth"}
        assert character.name == "Rig"
        assert character.objects[0] == rig
    assert names(rigs.find_character(other)) == {"Other"}


def test_meshes_that_hang_on_a_mesh_belong_to_it(make_face: Callable[..., Any]) -> None:
    head, teeth, tongue = (make_face(name, ("jawOpen",)) for name in ("Head", "Teeth", "Tongue"))
    teeth.parent, tongue.parent = head, teeth
    for chosen in (head, teeth, tongue):
        assert names(rigs.find_character(chosen)) == {"Head", "Teeth", "Tongue"}


def test_what_is_no_character_says_so(scene: Any) -> None:
    empty = bpy.data.objects.new("Empty", None)
    scene.collection.objects.link(empty)
    for chosen in (None, empty):
        with pytest.raises(RigError):
            rigs.find_character(chosen)


def test_all_controls_are_listed_with_their_ranges(make_face: Callable[..., Any]) -> None:
    rig = add_armature(bones=("face", 'b"2'))
    head = make_face("Head", ("jawOpen", 'we"ird'))
    head.modifiers.new("Armature", "ARMATURE").object = rig
    head.data.shape_keys.key_blocks["jawOpen"].slider_max = 2.0
    rig.pose.bones["face"]["smile"] = 0.0
    rig.pose.bones["face"].id_properties_ui("smile").update(min=-1.0, max=1.0)
    rig.pose.bones['b"2']["steps"] = 3
    rig["mood"] = 0.5
    rig.data["size"] = 1.0
    head["label"] = "text"
    head["switch"] = True
    found = {label: (target, limits) for label, target, limits in rigs.list_targets(rigs.find_character(head))}
    assert set(found) == {"Head: jawOpen", 'Head: we"ird', "face: smile", 'b"2: steps', "Rig: mood", "Rig: size"}
    assert found["Head: jawOpen"] == (Target("KEY", "Key", 'key_blocks["jawOpen"].value'), (0.0, 2.0))
    assert found["face: smile"] == (Target("OBJECT", "Rig", 'pose.bones["face"]["smile"]'), (-1.0, 1.0))
    assert found["Rig: mood"] == (Target("OBJECT", "Rig", '["mood"]'), (None, None))
    assert found["Rig: size"][0] == Target("ARMATURE", "Rig", '["size"]')
    for target, _ in found.values():
        assert isinstance(rigs.resolve(target).value, float)


def test_channels_drive_every_control_of_their_name(make_face: Callable[..., Any]) -> None:
    rig = add_armature()
    head, teeth = make_face("Head", ("jawOpen", "EyeBlink_L", "jaw_left")), make_face("Teeth", ("JawOpen",))
    for mesh in (head, teeth):
        mesh.modifiers.new("Armature", "ARMATURE").object = rig
    rig.pose.bones["face"]["mouthSmileRight"] = 0.0
    rig.pose.bones["face"].id_properties_ui("mouthSmileRight").update(min=0.0, max=100.0)
    channels = ["jawOpen", "eyeBlinkLeft", "mouthSmileRight", "tongueOut"]
    mapping = rigs.match_channels(rigs.find_character(rig), channels).mapping
    pairs = [(link.channel, link.target.id_name, link.target.data_path) for link in mapping.links]
    assert pairs == [
        ("jawOpen", "Key", 'key_blocks["jawOpen"].value'),
        ("jawOpen", "Key.001", 'key_blocks["JawOpen"].value'),
        ("eyeBlinkLeft", "Key", 'key_blocks["EyeBlink_L"].value'),
        ("mouthSmileRight", "Rig", 'pose.bones["face"]["mouthSmileRight"]'),
    ]
    assert (mapping.links[0].minimum, mapping.links[0].maximum, mapping.links[0].gain) == (0.0, 1.0, 1.0)
    assert mapping.links[3].gain == 100.0


def test_driven_controls_are_left_to_their_driver(make_face: Callable[..., Any]) -> None:
    rig = add_armature()
    head = make_face("Head", ("jawOpen", "mouthClose"))
    head.modifiers.new("Armature", "ARMATURE").object = rig
    rig.pose.bones["face"]["jawOpen"] = 0.0
    head.data.shape_keys.key_blocks["jawOpen"].driver_add("value")
    mapping = rigs.match_channels(rigs.find_character(head), ["jawOpen", "mouthClose"]).mapping
    assert [link.target.id_name for link in mapping.links] == ["Rig", "Key"]


def test_a_rig_without_known_names_gives_an_empty_mapping(make_face: Callable[..., Any]) -> None:
    assert rigs.match_channels(rigs.find_character(make_face("Cube", ())), ["jawOpen"]).mapping.links == ()
    assert rigs.match_channels(rigs.find_character(make_face("Head", ("a", "b"))), ["jawOpen"]).mapping.links == ()


@pytest.fixture
def library(make_face: Callable[..., Any], tmp_path: Path) -> Path:
    """A file with a character in the collection 'Hero'; the open file is empty again."""
    rig = add_armature()
    rig.pose.bones["face"]["smile"] = 0.0
    head = make_face("Head", ("jawOpen",))
    head.modifiers.new("Armature", "ARMATURE").object = rig
    head.parent = rig
    hero = bpy.data.collections.new("Hero")
    bpy.context.scene.collection.children.link(hero)
    for item in (rig, head):
        bpy.context.scene.collection.objects.unlink(item)
        hero.objects.link(item)
    path = tmp_path / "hero.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    return path


def link_hero(path: Path) -> Any:
    with bpy.data.libraries.load(str(path), link=True) as (_, wanted):
        wanted.collections = ["Hero"]
    return wanted.collections[0]


def test_a_linked_character_says_what_to_do(library: Path) -> None:
    hero = link_hero(library)
    bpy.context.scene.collection.children.link(hero)
    character = rigs.find_character(hero.all_objects["Head"])
    mapping = rigs.match_channels(character, ["jawOpen", "smile"]).mapping
    assert len(mapping.links) == 2
    for link in mapping.links:
        with pytest.raises(RigError, match="library override"):
            rigs.resolve(link.target)
    frames = np.arange(1.0, 20.0)
    curve = reduce_to_keys(frames, np.sin(frames / 3)[:, None], 0.01)[0]
    with pytest.raises(RigError, match="library override"):
        actions.write_target_curves([(mapping.links[0].target, curve)], 1, 19)
    assert len(bpy.data.actions) == 0


def test_a_library_override_is_animated_and_survives_saving(library: Path, tmp_path: Path) -> None:
    hero = link_hero(library)
    override = hero.override_hierarchy_create(bpy.context.scene, bpy.context.view_layer, do_fully_editable=True)
    head = next(item for item in override.all_objects if item.name.startswith("Head"))
    mapping = rigs.match_channels(rigs.find_character(head), ["jawOpen", "smile"]).mapping
    assert rigs.resolve(mapping.links[1].target).owner.override_library is not None
    with pytest.raises(RigError, match="mesh data"):
        rigs.resolve(mapping.links[0].target)
    head.data.override_create(remap_local_usages=True)
    mapping = rigs.match_channels(rigs.find_character(head), ["jawOpen", "smile"]).mapping
    assert [link.channel for link in mapping.links] == ["jawOpen", "smile"]
    frames = np.arange(1.0, 20.0)
    values = 0.5 + 0.4 * np.sin(frames / 3)
    curve = reduce_to_keys(frames, values[:, None], 0.01)[0]
    report = actions.write_target_curves([(link.target, curve) for link in mapping.links], 1, 19)
    assert len(report.written) == 2
    path = tmp_path / "shot.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.open_mainfile(filepath=str(path))
    bpy.context.scene.frame_set(7)
    for link in mapping.links:
        assert rigs.resolve(link.target).value == pytest.approx(values[6], abs=0.0101)
