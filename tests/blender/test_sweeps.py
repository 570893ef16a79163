# SPDX-License-Identifier: GPL-3.0-or-later
"""A keyed sweep shows each channel on the timeline, harms no key, and goes in one click."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy
import pytest
from file_state import curves_of, fingerprint

CHANNELS = ("jawOpen", "mouthSmileLeft", "mouthFunnel")


@pytest.fixture
def rig(make_face: Callable[..., Any], scene: Any, registered: None) -> Any:
    """A face and a rig with a custom property and a key of the artist's each, mapped."""
    armature = bpy.data.objects.new("Rig", bpy.data.armatures.new("Rig"))
    scene.collection.objects.link(armature)
    armature["mouthFunnel"] = 0.0
    head = make_face("Head", CHANNELS[:2])
    head.parent = armature
    keys = head.data.shape_keys
    keys.key_blocks["jawOpen"].value = 0.25
    keys.key_blocks["jawOpen"].keyframe_insert("value", frame=7)
    armature.location.x = 3.0
    armature.keyframe_insert("location", frame=9)
    scene.voxrig.character = armature
    scene.frame_start, scene.frame_end = 10, 40
    assert bpy.ops.voxrig.match_channels() == {"FINISHED"}
    assert {link.channel for link in armature.voxrig.links} == set(CHANNELS)
    return armature


def values(rig: Any) -> list[float]:
    blocks = bpy.data.objects["Head"].data.shape_keys.key_blocks
    return [round(blocks[name].value, 3) for name in CHANNELS[:2]] + [round(rig["mouthFunnel"], 3)]


def test_each_channel_has_its_turn_and_its_marker(rig: Any) -> None:
    scene = bpy.context.scene
    assert bpy.ops.voxrig.key_sweep() == {"FINISHED"}
    seen = []
    for frame in (10, 15, 20, 25, 30, 35, 40):
        scene.frame_set(frame)
        seen.append(values(rig))
    order = [link.channel for link in rig.voxrig.links]
    peaks = [[1.0 if name == channel else 0.0 for name in CHANNELS] for channel in order]
    rest = [0.0, 0.0, 0.0]
    assert seen == [rest, peaks[0], rest, peaks[1], rest, peaks[2], rest]
    marked = {(marker.name, marker.frame) for action in bpy.data.actions for marker in action.pose_markers}
    assert marked == {(channel, 10 + 10 * i) for i, channel in enumerate(order)}


def test_a_sweep_leaves_every_key_and_goes_without_a_trace(rig: Any) -> None:
    scene = bpy.context.scene
    scene.frame_set(7)
    bpy.data.objects["Head"].data.shape_keys.key_blocks["mouthSmileLeft"].value = 0.6  # posed, not keyed
    before, shown, kept = fingerprint(), values(rig), [action.use_fake_user for action in bpy.data.actions]
    bpy.ops.voxrig.key_sweep()
    assert fingerprint() != before
    bpy.ops.voxrig.key_sweep()  # again: one sweep takes the place of the other
    scene.frame_set(15)
    assert bpy.ops.voxrig.remove_sweep() == {"FINISHED"}
    scene.frame_set(7)
    assert fingerprint() == before and values(rig) == shown
    assert [action.use_fake_user for action in bpy.data.actions] == kept
    with pytest.raises(RuntimeError, match="no keyed sweep"):
        bpy.ops.voxrig.remove_sweep()


def test_only_solo_links_are_swept(rig: Any) -> None:
    link = next(link for link in rig.voxrig.links if link.channel == "mouthFunnel")
    link.solo = True
    bpy.ops.voxrig.key_sweep()
    assert len(curves_of(rig)) == 1
    assert len(curves_of(bpy.data.objects["Head"].data.shape_keys)) == 1  # the artist's own Action plays on


def test_a_range_that_is_too_short_is_refused(rig: Any) -> None:
    bpy.context.scene.frame_end = 15
    before = fingerprint()
    with pytest.raises(RuntimeError, match="3 channels need 6 frames"):
        bpy.ops.voxrig.key_sweep()
    assert fingerprint() == before


def test_an_action_that_the_artist_chose_meanwhile_stays(rig: Any) -> None:
    bpy.ops.voxrig.key_sweep()
    own = bpy.data.actions.new("Own")
    if not hasattr(own, "slots"):
        own.id_root = "OBJECT"
    rig.animation_data.action = own
    bpy.ops.voxrig.remove_sweep()
    assert rig.animation_data.action == own


def test_a_sweep_is_one_undo_step(rig: Any) -> None:
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.voxrig.key_sweep()
    bpy.ops.ed.undo_push(message="Key Sweep")
    assert any(len(action.voxrig.replaced) for action in bpy.data.actions)
    bpy.ops.ed.undo()
    assert not any(len(action.voxrig.replaced) for action in bpy.data.actions)
