# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can speak is found and listed, who cannot is not; without anyone, a demo character is one click away."""

from __future__ import annotations

from typing import Any

import bpy
import pytest

pytestmark = pytest.mark.usefixtures("registered")

ARKIT = ("jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthSmileLeft", "mouthSmileRight", "browInnerUp")


def found_in(scene: Any) -> str:
    from voxrig.operators.find import find_speaker

    found = find_speaker(scene)
    return found.name if found is not None else ""


def activate(item: Any) -> None:
    for other in bpy.context.view_layer.objects:
        other.select_set(other == item)
    bpy.context.view_layer.objects.active = item
    bpy.context.view_layer.update()


def test_the_active_the_selected_and_the_only_rig_are_found(scene: Any, make_face: Any) -> None:
    assert found_in(scene) == ""
    ann = make_face("Ann", ARKIT)
    lamp = make_face("Lamp", ("open", "bright"))
    activate(None)
    assert found_in(scene) == "Ann", "the only one that matches"
    bob = make_face("Bob", ARKIT)
    activate(None)
    assert found_in(scene) == "", "it could be either"
    activate(bob)
    assert found_in(scene) == "Bob"
    activate(lamp)
    assert found_in(scene) == ""
    ann.select_set(True)
    assert found_in(scene) == "Ann", "of those selected, the only one that can speak"
    ann.hide_set(True)
    assert found_in(scene) == "Bob", "the only one in sight"


def test_the_panel_finds_once_and_leaves_an_emptied_field_empty(scene: Any, make_face: Any) -> None:
    from voxrig.operators.find import choose_speaker

    ann = make_face("Ann", ARKIT)
    assert choose_speaker(scene) and scene.voxrig.character == ann
    scene.voxrig.character = None
    bpy.context.view_layer.objects.active = ann
    assert not choose_speaker(scene), "the user took her out"
    bob = make_face("Bob", ARKIT)
    bpy.context.view_layer.objects.active = bob
    assert choose_speaker(scene) and scene.voxrig.character == bob


def test_add_demo_character_beside_the_cube_and_only_it_is_listed(scene: Any) -> None:
    from voxrig.blender.speakers import can_speak

    bpy.ops.mesh.primitive_cube_add(size=2)
    cube = bpy.context.object
    assert bpy.ops.voxrig.add_demo_character() == {"FINISHED"}
    rig = scene.voxrig.character
    assert rig.type == "ARMATURE" and scene.voxrig.sound_file.endswith("line.flac")
    assert sorted(item.name for item in scene.objects if can_speak(item)) == ["Face", "Vox"]
    bpy.context.view_layer.update()
    right = max((cube.matrix_world @ corner.co).x for corner in cube.data.vertices)
    for item in rig.children_recursive:
        assert min((item.matrix_world @ vertex.co).x for vertex in item.data.vertices) > right, item.name
    assert {item.name for item in bpy.context.selected_objects} == {"Face", "Vox"}
    # And it speaks at once.
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    assert len(rig.voxrig.takes) == 1 and len(rig.voxrig.links) > 45
    # A sound that is chosen stays.
    scene.voxrig.sound_file = "//mine.wav"
    bpy.ops.voxrig.add_demo_character()
    assert scene.voxrig.sound_file == "//mine.wav" and scene.voxrig.character != rig


def test_the_demo_head_is_the_sculpted_one() -> None:
    import numpy as np
    from voxrig.blender.demo_character import read_parts
    from voxrig.tools.demo.character import sculpt_face

    face = next(read_parts())
    shapes, motions = sculpt_face()
    assert face.name == "Face" and np.array_equal(face.positions, shapes.surface.positions.astype(np.float32))
    assert list(face.shapes) == list(motions)
    for name, motion in motions.items():
        assert np.abs(face.shapes[name] - motion).max() <= 1e-4, f"{name}: run python -m voxrig.tools.demo.head"
