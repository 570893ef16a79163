# SPDX-License-Identifier: GPL-3.0-or-later
"""A face that Blender's own Rigify add-on generates, beside the one that test_recognition.py builds in code."""

from __future__ import annotations

from typing import Any

import bpy
import pytest
from voxrig.animation.face.channels import face_channel_names
from voxrig.animation.rig.presets import bundled_presets
from voxrig.blender import rigs
from voxrig.errors import RigError
from voxrig.tools.demo.rigify import generate_rigify_face


def test_a_generated_face_is_recognised_whole(scene: Any) -> None:
    try:
        rig = generate_rigify_face()
    except RigError as error:
        pytest.skip(str(error))
    preset = next(preset for preset in bundled_presets() if preset.family == "rigify")
    match = rigs.match_channels(rigs.find_character(rig), face_channel_names())
    assert (match.title, match.share, match.notes) == (preset.title, 1.0, ())
    known = {
        (channel, name)
        for channel, controls in preset.links.items()
        if channel in face_channel_names()
        for control in controls
        for name in control.names
    }
    # Every control of every channel is there, free to move, and nothing else is linked.
    linked = {(link.channel, link.target.data_path.split('"')[1]) for link in match.mapping.links}
    assert linked == known
    assert {link.confidence for link in match.mapping.links} == {"SURE"}
    for link in match.mapping.links:
        assert rigs.resolve(link.target).owner == rig
    check_that_the_face_moves(rig, list(match.mapping.links))


def check_that_the_face_moves(rig: Any, links: list[Any]) -> None:
    """Check jaw down, lips together, corners in and up on the bones that deform the skin."""
    width = (place(rig, "lips.L") - place(rig, "lips.R")).length
    rest = {name: place(rig, name) for name in ("lip.T", "lip.B", "lips.L", "lips.R")}

    def moved(**weights: float) -> dict[str, Any]:
        for link in links:
            owner, path = link.target.data_path.rsplit(".", 1)
            getattr(rig.path_resolve(owner), path)[link.target.array_index] += link.gain * weights.get(link.channel, 0.0)
        bpy.context.view_layer.update()
        found = {name: (place(rig, name) - rest[name]) / width for name in rest}
        for bone in rig.pose.bones:
            bone.location, bone.rotation_quaternion, bone.rotation_euler = (0, 0, 0), (1, 0, 0, 0), (0, 0, 0)
        return found

    opened = moved(jawOpen=0.5)
    assert opened["lip.B"].z < -0.2 and abs(opened["lip.T"].z) < 0.05
    closed = moved(jawOpen=0.5, mouthClose=0.5 * 2.89 / 3.72)
    gap = (closed["lip.T"] - closed["lip.B"]).z
    assert abs(gap) < 0.1 * (opened["lip.T"] - opened["lip.B"]).z
    puckered = moved(mouthPucker=1.0)
    assert puckered["lips.L"].x < -0.2 and puckered["lips.R"].x > 0.2 and puckered["lip.B"].y < -0.1
    smiling = moved(mouthSmileLeft=1.0)
    assert smiling["lips.L"].z > 0.15 and smiling["lips.L"].x > 0.1 and smiling["lips.R"].length < 1e-3


def place(rig: Any, control: str) -> Any:
    """Return where a control is now, in the armature's space."""
    bpy.context.view_layer.update()
    return rig.pose.bones[control].head.copy()
