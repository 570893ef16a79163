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


def add_empty(name: str, parent: Any = None, *, below: tuple[Any, ...] = ()) -> Any:
    empty = bpy.data.objects.new(name, None)
    bpy.context.scene.collection.objects.link(empty)
    empty.parent = parent
    for item in below:
        item.parent = empty
    return empty


def test_what_lies_below_one_empty_belongs_together(make_face: Callable[..., Any]) -> None:
    head, teeth, eye = (make_face(name, ("jawOpen",)) for name in ("Head", "Teeth", "Eye"))
    group = add_empty("Group", below=(head, teeth, eye))
    for chosen in (head, teeth, eye, group):
        assert names(rigs.find_character(chosen)) == {"Head", "Teeth", "Eye"}
    mapping = rigs.match_channels(rigs.find_character(head), ["jawOpen"]).mapping
    assert len(mapping.links) == 3


def test_nested_empties_belong_together_but_characters_beside_each_other_do_not(make_face: Callable[..., Any]) -> None:
    head, teeth, other = (make_face(name, ("jawOpen",)) for name in ("Head", "Teeth", "Other"))
    root = add_empty("Root", add_empty("Set"))
    for name, mesh in (("Skin", head), ("Mouth", teeth)):
        add_empty(name, root, below=(mesh,))
    other.location.x = 10.0
    add_empty("Second", root.parent, below=(other,))
    teeth.location.x = 20.0
    bpy.context.view_layer.update()
    assert names(rigs.find_character(head)) == names(rigs.find_character(teeth)) == {"Head", "Teeth"}
    assert names(rigs.find_character(other)) == {"Other"}


def test_what_hangs_on_a_skinned_mesh_or_lies_beside_the_armature_comes_along(make_face: Callable[..., Any]) -> None:
    rig = add_armature()
    body, teeth, lashes, stranger = (make_face(name, ("jawOpen",)) for name in ("Body", "Teeth", "Lashes", "Stranger"))
    body.modifiers.new("Armature", "ARMATURE").object = rig
    lashes.parent = body
    group = add_empty("Import", below=(rig, body, teeth))
    for chosen in (rig, body, lashes, teeth, group):
        assert names(rigs.find_character(chosen)) >= {"Rig", "Body", "Lashes"}, chosen.name
    assert names(rigs.find_character(group)) == {"Rig", "Body", "Lashes", "Teeth"}
    second = add_armature("Second")
    stranger.modifiers.new("Armature", "ARMATURE").object = second
    stranger.parent = second.parent = group
    assert names(rigs.find_character(rig)) == {"Rig", "Body", "Lashes", "Teeth"}
    assert names(rigs.find_character(second)) >= {"Second", "Stranger"}
    with pytest.raises(RigError, match="several armatures \\('Rig', 'Second'\\); choose"):
        rigs.find_character(group)


def test_an_instance_of_a_collection_is_explained(make_face: Callable[..., Any]) -> None:
    asset = bpy.data.collections.new("Hero")
    asset.objects.link(make_face("Head", ("jawOpen",)))
    instance = add_empty("Instance")
    instance.instance_type, instance.instance_collection = "COLLECTION", asset
    with pytest.raises(RigError, match="'Instance' is an instance of the collection 'Hero'.*library override"):
        rigs.find_character(instance)


def test_an_empty_can_be_chosen_as_the_character(registered: None, make_face: Callable[..., Any]) -> None:
    group = add_empty("Group", below=(make_face("Head", ("jawOpen",)),))
    bpy.context.scene.voxrig.character = group
    assert bpy.context.scene.voxrig.character == group
    from voxrig.properties.scene import _may_be_character

    assert _may_be_character(None, group) and not _may_be_character(None, add_empty("Alone"))


@pytest.mark.parametrize(
    ("low", "high", "gain"),
    [(0, 100, 100), (-100, 100, 100), (0, 1, 1), (0, 10, 1), (-10000, 10000, 1), (0, 1000, 1), (-2, 2, 1)],
)
def test_only_a_slider_to_100_is_a_percentage(make_face: Callable[..., Any], low: float, high: float, gain: float) -> None:
    rig = add_armature()
    rig["jawOpen"] = 0.0
    rig.id_properties_ui("jawOpen").update(min=low, max=high, soft_min=low, soft_max=high)
    head = make_face("Head", ("mouthClose",))
    head.modifiers.new("Armature", "ARMATURE").object = rig
    head.data.shape_keys.key_blocks["mouthClose"].slider_max = 10.0
    links = rigs.match_channels(rigs.find_character(rig), ["jawOpen", "mouthClose"]).mapping.links
    # The range of a shape key's slider says nothing on where its shape is whole.
    assert [(link.gain, link.maximum) for link in links] == [(gain, high), (1.0, 10.0)]


def test_shape_keys_that_move_nothing_are_left_out(make_face: Callable[..., Any]) -> None:
    head = make_face("Head", ("jawOpen", "mouthClose", "browInnerUp", "cheekPuff"))
    blocks = head.data.shape_keys.key_blocks
    for name in ("mouthClose", "browInnerUp", "cheekPuff"):
        blocks[name].data[2].co.z = 1e-9
    # What a driver reads does something.
    variable = add_empty("Reader").driver_add("location", 0).driver.variables.new()
    variable.targets[0].id_type, variable.targets[0].id = "KEY", head.data.shape_keys
    variable.targets[0].data_path = 'key_blocks["browInnerUp"].value'
    channels = ["jawOpen", "mouthClose", "browInnerUp", "cheekPuff"]
    found = rigs.match_channels(rigs.find_character(head), channels)
    assert [link.channel for link in found.mapping.links] == ["jawOpen", "browInnerUp"]
    assert found.notes == ("The shape keys 'cheekPuff', 'mouthClose' move nothing",)
    # A face that is still to be sculpted is mapped whole.
    blocks["jawOpen"].data[2].co.z = 0.0
    bpy.data.objects["Reader"].animation_data_clear()
    assert len(rigs.match_channels(rigs.find_character(head), channels).mapping.links) == 4


def test_a_family_whose_mouth_is_empty_is_not_chosen(make_face: Callable[..., Any]) -> None:
    visemes = ("Fcl_MTH_A", "Fcl_MTH_I", "Fcl_MTH_U", "Fcl_MTH_E", "Fcl_MTH_O", "Fcl_EYE_Close", "Fcl_BRW_Angry", "Fcl_ALL_Joy")
    dead = ("jawOpen", "mouthFunnel", "mouthPucker", "mouthClose", "mouthSmileLeft", "mouthSmileRight", "eyeBlinkLeft",
            "eyeBlinkRight", "browInnerUp", "mouthFrownLeft", "mouthFrownRight", "cheekPuff")  # fmt: skip
    head = make_face("Head", (*visemes, *dead))
    for name in dead:
        head.data.shape_keys.key_blocks[name].data[2].co.z = 0.0
    found = rigs.match_channels(rigs.find_character(head), [*dead, "viseme_aa", "viseme_I", "viseme_U", "viseme_E", "viseme_O"])
    assert "VRoid" in found.title or "VRM" in found.title, found.title
    driven = {link.target.data_path for link in found.mapping.links}
    assert 'key_blocks["Fcl_MTH_A"].value' in driven and not any(f'"{name}"' in path for name in dead for path in driven)


def test_no_f_curves_for_empty_shape_keys_of_a_stored_mapping(make_face: Callable[..., Any]) -> None:
    head = make_face("Head", ("jawOpen", "mouthClose"))
    head.data.shape_keys.key_blocks["mouthClose"].data[2].co.z = 0.0
    frames = np.arange(1.0, 20.0)
    keyed = reduce_to_keys(frames, np.sin(frames)[:, None], 0.01)[0]
    jaw, lips = (Target("KEY", "Key", f'key_blocks["{name}"].value') for name in ("jawOpen", "mouthClose"))
    report = actions.write_target_curves([(jaw, keyed), (lips, keyed)], 1, 19)
    assert report.written == (jaw,)
    assert report.skipped == ((lips, "The shape key 'mouthClose' of 'Key' moves nothing, so it gets no F-Curve"),)
    # One that has an F-Curve already is written as ever.
    head.data.shape_keys.key_blocks["mouthClose"].keyframe_insert("value", frame=1)
    assert actions.write_target_curves([(jaw, keyed), (lips, keyed)], 1, 19).written == (jaw, lips)


def test_what_is_no_character_says_so(scene: Any) -> None:
    for chosen in (None, add_empty("Empty")):
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
