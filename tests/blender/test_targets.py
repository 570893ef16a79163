# SPDX-License-Identifier: GPL-3.0-or-later
"""Any value as a target: pasted paths, limits and rest, what stands in the way, drivers, the other side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy
import pytest
from file_state import fingerprint
from voxrig.animation.rig.mapping import Link, Mapping, Target
from voxrig.blender import rigs
from voxrig.blender.targets import explain_obstacle, find_driver_source, limits_of, mirror_target, parse_data_path, rest_of
from voxrig.errors import RigError

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def rig(make_rig: Callable[..., Any]) -> Any:
    """An armature with properties of every kind."""
    rig = make_rig()
    rig.pose.bones["jaw"]["open"] = 0.25
    rig.pose.bones["jaw"].id_properties_ui("open").update(min=-0.5, max=2.0, default=0.25)
    rig["mood"] = 3
    rig["pair"] = [0.0, 1.0]
    rig.data["size"] = 1.5
    return rig


def drive(owner: Any, path: str, expression: str, *sources: tuple[Any, str]) -> None:
    driver = owner.driver_add(path).driver
    driver.type, driver.expression = "SCRIPTED", expression
    for block, source in sources:
        variable = driver.variables.new()
        variable.name = f"v{len(driver.variables)}"
        variable.targets[0].id, variable.targets[0].data_path = block, source


def test_what_copy_full_data_path_gives_is_understood(rig: Any, make_face: Callable[..., Any]) -> None:
    head = make_face("Head", ('we"ird',))
    material = bpy.data.materials.new("Skin")
    material.use_nodes = True
    material.node_tree.nodes.new("ShaderNodeValue").name = "Blush"
    head.data.materials.append(material)
    cases = {
        'bpy.data.objects["Rig"].pose.bones["jaw"]["open"]': Target("OBJECT", "Rig", 'pose.bones["jaw"]["open"]'),
        "bpy.data.objects['Rig'].pose.bones['jaw'].location[2]": Target("OBJECT", "Rig", 'pose.bones["jaw"].location', 2),
        ' bpy.data.objects["Rig"]["mood"]\n': Target("OBJECT", "Rig", '["mood"]'),
        'bpy.data.objects["Rig"]["pair"][1]': Target("OBJECT", "Rig", '["pair"]', 1),
        'bpy.data.armatures["Rig"]["size"]': Target("ARMATURE", "Rig", '["size"]'),
        'bpy.data.objects["Rig"].data["size"]': Target("ARMATURE", "Rig", '["size"]'),
        'bpy.data.shape_keys["Key"].key_blocks["we\\"ird"].value': Target("KEY", "Key", 'key_blocks["we\\"ird"].value'),
        'bpy.data.objects["Head"].data.shape_keys.key_blocks["we\\"ird"].value': Target(
            "KEY", "Key", 'key_blocks["we\\"ird"].value'
        ),
        'bpy.data.materials["Skin"].node_tree.nodes["Blush"].outputs[0].default_value': Target(
            "MATERIAL", "Skin", 'node_tree.nodes["Blush"].outputs[0].default_value'
        ),
        'D.objects["Head"].scale[1]': Target("OBJECT", "Head", "scale", 1),
    }
    for text, target in cases.items():
        assert parse_data_path(text) == target, text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a full data path"),
        ("jawOpen", "not a full data path"),
        ('pose.bones["jaw"].location', "not a full data path"),
        ('bpy.data.objects["Rig"]', "whole data-block"),
        ('bpy.data.objects["Nobody"].location[0]', "no 'Nobody'"),
        ('bpy.data.wigs["Rig"].location[0]', "called 'wigs'"),
        ('bpy.data.objects["Rig"].pose.bones["gone"]["open"]', "no longer has"),
        ('bpy.data.objects["Rig"].pose.bones["jaw"].location', "several components"),
        ('bpy.data.objects["Rig"].pose.bones["jaw"].location[7]', "not a number"),
        ('bpy.data.objects["Rig"].name', "not a number"),
        ('bpy.data.objects["Rig"].pose.bones["jaw"].matrix[0]', "not a number"),
        ('bpy.data.objects["Rig"].pass_index.__class__', "no longer has"),
        ('bpy.data.objects["Rig"].pose.bones["jaw"].length', "cannot be animated"),
        ('bpy.data.objects["Rig"].select_set(True)', "is not valid"),
        ('bpy.data.objects["Rig"]; __import__("os")', "is not valid"),
        ('bpy.data.objects[__import__("os").getcwd()].location[0]', "not a full data path"),
    ],
)
def test_other_texts_are_refused_in_a_sentence(text: str, said: str, rig: Any) -> None:
    before = fingerprint()
    with pytest.raises(RigError, match=said) as caught:
        parse_data_path(text)
    assert not str(caught.value).endswith(".") and "\n" not in str(caught.value).strip()
    assert fingerprint() == before


def test_limits_and_rest_come_from_the_property(rig: Any, make_face: Callable[..., Any]) -> None:
    head = make_face("Head", ("jawOpen",))
    head.data.shape_keys.key_blocks["jawOpen"].slider_min = -1.0
    jaw = 'pose.bones["jaw"]'
    cases: list[tuple[Target, tuple[float | None, float | None], float]] = [
        (Target("KEY", "Key", 'key_blocks["jawOpen"].value'), (-1.0, 1.0), 0.0),
        (Target("OBJECT", "Rig", f'{jaw}["open"]'), (-0.5, 2.0), 0.25),
        (Target("OBJECT", "Rig", '["mood"]'), (None, None), 0.0),
        (Target("OBJECT", "Rig", f"{jaw}.location", 1), (None, None), 0.0),
        (Target("OBJECT", "Rig", f"{jaw}.scale", 2), (None, None), 1.0),
        (Target("OBJECT", "Rig", f"{jaw}.rotation_quaternion", 0), (None, None), 1.0),
        (Target("OBJECT", "Rig", f"{jaw}.rotation_quaternion", 3), (None, None), 0.0),
    ]
    for target, limits, rest in cases:
        assert limits_of(target) == limits, target
        assert rest_of(target) == rest, target


def test_bone_transforms_are_listed_in_the_bones_own_mode(rig: Any) -> None:
    jaw, left, right = (rig.pose.bones[name] for name in ("jaw", "lip.L", "lip.R"))
    jaw.rotation_mode = "QUATERNION"
    left.lock_location = (True, False, True)
    left.lock_rotation = left.lock_scale = (True, True, True)
    right.driver_add("location", 0)
    found = dict(rigs.list_bone_transforms(rigs.find_character(rig)))
    assert [label for label in found if label.startswith("jaw")] == [
        "jaw: Location X",
        "jaw: Location Y",
        "jaw: Location Z",
        "jaw: Quaternion W",
        "jaw: Quaternion X",
        "jaw: Quaternion Y",
        "jaw: Quaternion Z",
        "jaw: Scale X",
        "jaw: Scale Y",
        "jaw: Scale Z",
    ]
    assert [label for label in found if label.startswith("lip.L")] == ["lip.L: Location Y"]
    assert found["lip.L: Location Y"] == Target("OBJECT", "Rig", 'pose.bones["lip.L"].location', 1)
    assert "lip.R: Location X" not in found and found["lip.R: Rotation Z"].array_index == 2


def test_what_stands_in_the_way_is_said(rig: Any, make_face: Callable[..., Any]) -> None:
    jaw = rig.pose.bones["jaw"]
    head = make_face("Head", ("jawOpen", "smile"))
    key = head.data.shape_keys
    drive(key.key_blocks["jawOpen"], "value", "v1 * 2", (rig, 'pose.bones["jaw"]["open"]'))
    jaw.lock_location[0] = True

    def said(owner: Any, path: str, index: int = 0) -> str:
        return explain_obstacle(owner, Target(owner.id_type, owner.name, path, index))

    assert said(key, 'key_blocks["jawOpen"].value') == (
        "'jawOpen' of 'Key' is controlled by a driver; map 'open' of 'Rig', which drives it"
    )
    assert said(key, 'key_blocks["smile"].value') == ""
    assert "X location" in said(rig, 'pose.bones["jaw"].location') and "locked" in said(rig, 'pose.bones["jaw"].location')
    assert said(rig, 'pose.bones["jaw"].location', 1) == ""
    assert "mode Euler" in said(rig, 'pose.bones["jaw"].rotation_quaternion', 1)
    jaw.rotation_mode = "QUATERNION"
    assert "mode Quaternion" in said(rig, 'pose.bones["jaw"].rotation_euler', 1)
    assert said(rig, 'pose.bones["jaw"].rotation_quaternion', 1) == ""


def test_the_source_of_a_driver(rig: Any, make_face: Callable[..., Any]) -> None:
    key = make_face("Head", ("a", "b", "c", "d")).data.shape_keys
    drive(key.key_blocks["a"], "value", "v1", (rig, 'pose.bones["jaw"].location[2]'))
    drive(key.key_blocks["b"], "value", "v1 + v2", (rig, '["mood"]'), (rig, '["mood"]'))
    drive(key.key_blocks["c"], "value", "v1", (rig, '["gone"]'))
    variable = key.key_blocks["d"].driver_add("value").driver.variables.new()
    variable.type = "TRANSFORMS"
    read = variable.targets[0]
    read.id, read.bone_target, read.transform_type, read.transform_space = rig, "lip.L", "ROT_Z", "LOCAL_SPACE"
    found = [find_driver_source(key, Target("KEY", "Key", f'key_blocks["{name}"].value')) for name in "abcd"]
    assert found == [
        Target("OBJECT", "Rig", 'pose.bones["jaw"].location', 2),
        None,
        None,
        Target("OBJECT", "Rig", 'pose.bones["lip.L"].rotation_euler', 2),
    ]


def test_a_link_follows_the_driver_of_its_target(scene: Any, rig: Any, make_face: Callable[..., Any]) -> None:
    """The target moves as far as it would have without a driver, and the pose is as before."""
    from voxrig.operators.mapping_edit import use_driver_source
    from voxrig.properties.links import active_mapping, link_status, preview_channel, store_mapping

    head = make_face("Head", ("jawOpen",))
    key = head.data.shape_keys
    jaw = Target("KEY", "Key", 'key_blocks["jawOpen"].value')
    drive(key.key_blocks["jawOpen"], "value", "v1 * 4", (rig, 'pose.bones["jaw"].location[1]'))
    rig.pose.bones["jaw"].location[1] = 0.01
    scene.voxrig.character = head
    store_mapping(head, Mapping((Link("jawOpen", jaw, gain=0.8),)))
    assert link_status(head.voxrig.links[0])[0] == "DRIVEN"
    assert bpy.ops.voxrig.use_driver_source() == {"FINISHED"}
    link = active_mapping(head).links[0]
    assert link.target == Target("OBJECT", "Rig", 'pose.bones["jaw"].location', 1)
    assert link.gain == pytest.approx(0.2, rel=1e-4)
    assert rig.pose.bones["jaw"].location[1] == pytest.approx(0.01)
    assert link_status(head.voxrig.links[0])[0] == "SURE"
    preview_channel(Mapping((link,)), "jawOpen", 1.0)
    bpy.context.view_layer.update()
    assert key.key_blocks["jawOpen"].value == pytest.approx(0.8, rel=1e-4)
    with pytest.raises(RigError, match="has no driver"):
        use_driver_source(head, 0)


def test_driven_and_locked_targets_are_left_alone_and_said(scene: Any, rig: Any, make_face: Callable[..., Any]) -> None:
    import numpy as np
    from voxrig.animation.keys.reduction import reduce_to_keys
    from voxrig.blender import actions

    rig.pose.bones["jaw"].lock_rotation[0] = True
    targets = [Target("OBJECT", "Rig", 'pose.bones["jaw"].rotation_euler', i) for i in (0, 1)]
    frames = np.arange(1.0, 20.0)
    curve = reduce_to_keys(frames, np.sin(frames / 3)[:, None], 0.01)[0]
    report = actions.write_target_curves([(target, curve) for target in targets], 1, 19)
    assert report.written == (targets[1],)
    assert [(target, "locked" in reason) for target, reason in report.skipped] == [(targets[0], True)]
    with pytest.raises(RigError, match="locked"):
        actions.write_target_curves([(targets[0], curve)], 1, 19)


def test_pasting_into_the_list(scene: Any, rig: Any) -> None:
    from voxrig.properties.links import read_mapping

    material = bpy.data.materials.new("Skin")
    scene.voxrig.character = rig
    bpy.ops.voxrig.add_link()
    rig.voxrig.links[0].channel = "cheekPuff"
    before = fingerprint()
    with pytest.raises(RuntimeError, match="clipboard is empty"):
        bpy.ops.voxrig.paste_target()
    with pytest.raises(RuntimeError, match="not a full data path"):
        bpy.ops.voxrig.paste_target(text="hello")
    assert fingerprint() == before
    assert bpy.ops.voxrig.paste_target(text='bpy.data.objects["Rig"].pose.bones["jaw"]["open"]') == {"FINISHED"}
    link = read_mapping(rig).links[0]
    assert link.target.data_path == 'pose.bones["jaw"]["open"]'
    assert (link.minimum, link.maximum, link.rest) == (-0.5, 2.0, 0.25)
    # A material is on no object: the link holds the data-block itself, and forgets it when it is removed.
    assert bpy.ops.voxrig.paste_target(text='bpy.data.materials["Skin"].diffuse_color[1]') == {"FINISHED"}
    material.name = "Renamed"
    assert read_mapping(rig).links[0].target == Target("MATERIAL", "Renamed", "diffuse_color", 1)
    bpy.data.materials.remove(material)
    with pytest.raises(RigError, match="was deleted"):
        read_mapping(rig)


def test_the_other_side_of_a_target(rig: Any, make_face: Callable[..., Any]) -> None:
    make_face("Head", ("smileLeft", "smileRight", "winkLeft"))

    def key(name: str) -> Target:
        return Target("KEY", "Key", f'key_blocks["{name}"].value')

    def bone(name: str, kind: str, index: int = 0) -> Target:
        return Target("OBJECT", "Rig", f'pose.bones["{name}"].{kind}', index)

    assert mirror_target(key("smileLeft")) == (key("smileRight"), 1.0)
    assert mirror_target(key("winkLeft")) is None
    signs = {"location": (-1, 1, 1), "rotation_euler": (1, -1, -1), "rotation_quaternion": (1, 1, -1, -1), "scale": (1, 1, 1)}
    for kind, expected in signs.items():
        for index, sign in enumerate(expected):
            assert mirror_target(bone("lip.L", kind, index)) == (bone("lip.R", kind, index), sign)
            assert mirror_target(bone("jaw", kind, index)) == (bone("jaw", kind, index), sign)


def test_mirroring_a_side(scene: Any, rig: Any, make_face: Callable[..., Any]) -> None:
    from voxrig.properties.links import read_mapping, store_mapping

    scene.voxrig.character = rig
    lip, jaw = 'pose.bones["lip.L"].location', 'pose.bones["jaw"].location'
    store_mapping(
        rig,
        Mapping(
            (
                Link("mouthSmileLeft", Target("OBJECT", "Rig", lip, 0), gain=0.3, maximum=0.25, ease=0.5),
                Link("mouthSmileLeft", Target("OBJECT", "Rig", lip, 2), gain=0.2),
                Link("mouthSmileRight", Target("OBJECT", "Rig", jaw, 2), gain=9.0),
                Link("jawLeft", Target("OBJECT", "Rig", jaw, 0), gain=0.1),
                Link("jawOpen", Target("OBJECT", "Rig", jaw, 1), gain=-0.1),
            )
        ),
    )
    assert bpy.ops.voxrig.mirror_links(scope="LEFT") == {"FINISHED"}
    links = {(link.channel, link.target): link for link in read_mapping(rig).links}
    assert len(links) == 7
    right = links["mouthSmileRight", Target("OBJECT", "Rig", 'pose.bones["lip.R"].location', 0)]
    assert (right.gain, right.minimum, right.maximum, right.ease) == (pytest.approx(-0.3), -0.25, None, 0.5)
    assert links["mouthSmileRight", Target("OBJECT", "Rig", 'pose.bones["lip.R"].location', 2)].gain == pytest.approx(0.2)
    assert links["jawRight", Target("OBJECT", "Rig", jaw, 0)].gain == pytest.approx(-0.1)
    rig.voxrig.active_link = next(i for i, link in enumerate(rig.voxrig.links) if link.channel == "jawOpen")
    before = fingerprint()
    with pytest.raises(RuntimeError, match="has no side"):
        bpy.ops.voxrig.mirror_links(scope="ACTIVE")
    assert fingerprint() == before
