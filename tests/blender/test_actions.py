# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys go where they belong, evaluate as computed, and nothing of the artist's moves by a bit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import bpy
import numpy as np
import pytest
from voxrig.animation.keys.reduction import KeyedCurve, evaluate_keys, reduce_to_keys
from voxrig.animation.rig.mapping import Target
from voxrig.blender import actions, compat
from voxrig.errors import RigError

KEYS = ("jawOpen", "mouthClose", "mouthFunnel")
JAW, CLOSE, FUNNEL = (Target("KEY", "Key", f'key_blocks["{name}"].value') for name in KEYS)


@pytest.fixture
def head(make_face: Callable[..., Any]) -> Any:
    """A head on an armature with a bone that carries a number."""
    head = make_face("Head", KEYS)
    armature = bpy.data.objects.new("Rig", bpy.data.armatures.new("Rig"))
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    bone = armature.data.edit_bones.new('jaw "ü"')
    bone.tail = (0, 0, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    armature.pose.bones[0]["open"] = 0.0
    head.modifiers.new("Armature", "ARMATURE").object = armature
    head["gaze"] = 0.0
    return head


BONE = Target("OBJECT", "Rig", 'pose.bones["jaw \\"ü\\""]["open"]')
GAZE = Target("OBJECT", "Head", '["gaze"]')


def wave(frames: np.ndarray, phase: float = 0.0) -> np.ndarray:
    return 0.4 + 0.3 * np.sin(frames / 3.1 + phase) * np.sin(frames / 17.0)


def keyed(first: int, last: int, phase: float = 0.0) -> KeyedCurve:
    frames = np.arange(first, last + 1.0)
    return reduce_to_keys(frames, wave(frames, phase)[:, None], 0.01)[0]


def fcurve_of(target: Target) -> Any:
    owner = {"KEY": bpy.data.shape_keys, "OBJECT": bpy.data.objects}[target.id_type][target.id_name]
    curves = compat.curves_of(owner)
    return None if curves is None else curves.find(target.data_path, index=target.array_index)


def key_bytes(fcurve: Any, outside: tuple[float, float] | None = None) -> str:
    """Hash everything that RNA stores of the keys (outside a range), and of the curve's own settings."""
    properties = [p for p in bpy.types.Keyframe.bl_rna.properties if p.identifier not in ("rna_type", "co_ui")]
    digest = hashlib.sha256(repr((fcurve.data_path, fcurve.array_index, fcurve.extrapolation, fcurve.mute)).encode())
    for key in fcurve.keyframe_points:
        if outside is None or not outside[0] <= key.co[0] <= outside[1]:
            for prop in properties:
                value = getattr(key, prop.identifier)
                digest.update(np.array(value, np.float32).tobytes() if prop.type == "FLOAT" else repr(value).encode())
    return digest.hexdigest()


def all_curves() -> dict[tuple[str, str, int], str]:
    owners = [*bpy.data.shape_keys, *bpy.data.objects, *bpy.data.armatures]
    return {
        (owner.name_full, fcurve.data_path, fcurve.array_index): key_bytes(fcurve)
        for owner in owners
        for fcurve in compat.curves_of(owner) or ()
    }


@pytest.mark.parametrize("first", [1, 30_000])
def test_blender_evaluates_what_was_computed(head: Any, first: int) -> None:
    targets = [JAW, CLOSE, BONE, GAZE]
    curves = [(target, keyed(first, first + 400, phase)) for phase, target in enumerate(targets)]
    report = actions.write_target_curves(curves, first, first + 400)
    assert report.written == (JAW, CLOSE, BONE, GAZE)
    assert report.skipped == ()
    assert report.key_count == sum(len(curve) for _, curve in curves)
    frames = np.arange(first, first + 401.0)
    for phase, (target, curve) in enumerate(curves):
        fcurve = fcurve_of(target)
        shown = np.array([fcurve.evaluate(frame) for frame in frames])
        assert np.max(np.abs(shown - wave(frames, phase))) <= 0.01 + 1e-5
        between = np.linspace(first - 3, first + 403, 1500)
        shown = np.array([fcurve.evaluate(frame) for frame in between])
        # Blender solves for t in float32: far from frame 0 that is worth some 1e-4.
        assert np.max(np.abs(shown - evaluate_keys(curve, between))) < (1e-5 if first == 1 else 1e-3)
        assert {key.interpolation for key in fcurve.keyframe_points} == {"BEZIER"}


def test_the_rig_moves_when_the_frame_is_set(head: Any) -> None:
    actions.write_target_curves([(JAW, keyed(1, 50)), (BONE, keyed(1, 50, 1.0))], 1, 50)
    for frame in (1, 20, 37):
        bpy.context.scene.frame_set(frame)
        assert head.data.shape_keys.key_blocks["jawOpen"].value == pytest.approx(wave(frame), abs=0.0101)
        assert bpy.data.objects["Rig"].pose.bones[0]["open"] == pytest.approx(wave(frame, 1.0), abs=0.0101)


def test_blender_evaluates_handles_as_we_do(head: Any) -> None:
    """Handles that overlap, cross the neighbour or point backwards, as an artist may leave them."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        frames = np.cumsum(rng.uniform(1, 9, 12))
        values = rng.uniform(-1, 1, 12)
        left = np.stack([frames - rng.uniform(0, 14, 12), rng.uniform(-2, 2, 12)], axis=1)
        right = np.stack([frames + rng.uniform(0, 14, 12), rng.uniform(-2, 2, 12)], axis=1)
        curve = KeyedCurve(frames, values, left, right)
        actions.write_target_curves([(JAW, curve)], 0, 200)
        fcurve = fcurve_of(JAW)
        at = np.linspace(frames[0] - 2, frames[-1] + 2, 400)
        assert np.max(np.abs(evaluate_keys(curve, at) - [fcurve.evaluate(frame) for frame in at])) < 2e-4


def test_recomputing_the_handles_changes_nothing(head: Any) -> None:
    """Blender does that whenever the artist touches a key."""
    actions.write_target_curves([(JAW, keyed(1, 300))], 1, 300)
    fcurve = fcurve_of(JAW)
    before = np.array([fcurve.evaluate(frame) for frame in range(1, 301)])
    fcurve.update()
    assert np.max(np.abs(before - [fcurve.evaluate(frame) for frame in range(1, 301)])) < 1e-4
    assert {key.handle_left_type for key in fcurve.keyframe_points[1:-1]} == {"ALIGNED"}


def test_generated_keys_are_marked(head: Any) -> None:
    actions.write_target_curves([(JAW, keyed(1, 50))], 1, 50)
    assert {key.type for key in fcurve_of(JAW).keyframe_points} == {"GENERATED"}


def artists_keys(target: Target) -> Any:
    """Return an F-Curve with keys of every kind from frame 1 to 100, as an artist's."""
    owner = {"KEY": bpy.data.shape_keys, "OBJECT": bpy.data.objects}[target.id_type][target.id_name]
    fcurve = fcurve_of(target)
    if fcurve is None:
        data = owner.animation_data
        action = data.action if data and data.action else compat.new_action("Artist", owner)
        fcurve = compat.ensure_curves(owner, action)[0].new(target.data_path, index=target.array_index)
    rng = np.random.default_rng(2)
    for i, frame in enumerate((1, 5.5, 12, 20, 33.25, 47, 60, 71, 88, 100)):
        key = fcurve.keyframe_points.insert(frame, rng.uniform(-1, 1))
        key.interpolation = ("BEZIER", "CONSTANT", "LINEAR", "ELASTIC", "BACK")[i % 5]
        key.handle_left_type = ("FREE", "AUTO", "VECTOR", "ALIGNED", "AUTO_CLAMPED")[i % 5]
        key.handle_right_type = ("AUTO_CLAMPED", "FREE", "FREE", "ALIGNED", "AUTO")[i % 5]
        key.type = ("KEYFRAME", "EXTREME", "BREAKDOWN", "MOVING_HOLD", "JITTER")[i % 5]
        key.easing = ("AUTO", "EASE_IN", "EASE_OUT")[i % 3]
        key.back, key.amplitude, key.period = rng.uniform(0.1, 3, 3)
        key.select_control_point, key.select_left_handle = i % 2 == 0, i % 3 == 0
        key.handle_left[1] += 0.1
        key.handle_right[1] -= 0.2
    return fcurve


def test_keys_outside_the_range_and_other_curves_stay_byte_identical(head: Any) -> None:
    for target in (JAW, CLOSE, BONE, GAZE):
        artists_keys(target)
    before = all_curves()
    kept = key_bytes(fcurve_of(JAW), outside=(20, 71)), key_bytes(fcurve_of(BONE), outside=(20, 71))
    actions.write_target_curves([(JAW, keyed(20, 71)), (BONE, keyed(20, 71)), (FUNNEL, keyed(20, 71))], 20, 71)
    assert (key_bytes(fcurve_of(JAW), outside=(20, 71)), key_bytes(fcurve_of(BONE), outside=(20, 71))) == kept
    after = all_curves()
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {("Key", JAW.data_path, 0), ("Rig", BONE.data_path, 0), ("Key", FUNNEL.data_path, 0)}
    frames = [key.co[0] for key in fcurve_of(JAW).keyframe_points]
    assert frames == sorted(frames)
    assert [frame for frame in frames if not 20 <= frame <= 71] == [1, 5.5, 12, 88, 100]
    inside = [key for key in fcurve_of(JAW).keyframe_points if 20 <= key.co[0] <= 71]
    assert {key.type for key in inside} == {"GENERATED"}
    assert len(inside) == len(keyed(20, 71))
    shown = [fcurve_of(JAW).evaluate(frame) for frame in range(20, 72)]
    assert np.max(np.abs(shown - wave(np.arange(20, 72.0)))) <= 0.01 + 1e-5


def test_writing_twice_gives_the_same(head: Any) -> None:
    artists_keys(JAW)
    actions.write_target_curves([(JAW, keyed(20, 71))], 20, 71)
    once = all_curves()
    actions.write_target_curves([(JAW, keyed(20, 71))], 20, 71)
    assert all_curves() == once


def test_a_new_action_serves_all_owners_where_actions_have_slots(head: Any) -> None:
    actions.write_target_curves([(JAW, keyed(1, 9)), (GAZE, keyed(1, 9)), (BONE, keyed(1, 9))], 1, 9, action_name="Line 12")
    used = {owner.animation_data.action for owner in (head.data.shape_keys, head, bpy.data.objects["Rig"])}
    assert len(used) == len(bpy.data.actions) == (1 if compat.has_slots() else 3)
    assert all(action.name.startswith("Line 12") for action in used)
    assert fcurve_of(BONE).group.name == 'jaw "ü"'


def test_an_action_of_the_owner_is_used(head: Any) -> None:
    artists_keys(JAW)
    action = head.data.shape_keys.animation_data.action
    actions.write_target_curves([(CLOSE, keyed(1, 9))], 1, 9)
    assert head.data.shape_keys.animation_data.action == action
    assert list(bpy.data.actions) == [action]


def test_driven_locked_and_muted_curves_are_left_alone_and_reported(registered: None, head: Any) -> None:
    head.data.shape_keys.key_blocks["jawOpen"].driver_add("value")
    artists_keys(CLOSE).lock = True
    artists_keys(BONE).mute = True
    before = all_curves()
    report = actions.write_target_curves([(t, keyed(1, 9)) for t in (JAW, CLOSE, BONE, FUNNEL)], 1, 9)
    assert report.written == (FUNNEL,)
    reasons = dict(report.skipped)
    assert "driver" in reasons[JAW]
    assert "locked" in reasons[CLOSE]
    assert "muted" in reasons[BONE]
    after = all_curves()
    assert {name for name in after if after[name] != before.get(name)} == {("Key", FUNNEL.data_path, 0)}
    with pytest.raises(RigError, match="driver"):
        actions.write_target_curves([(JAW, keyed(1, 9))], 1, 9)


@pytest.mark.parametrize(
    "missing",
    [
        Target("KEY", "Gone", JAW.data_path),
        Target("KEY", "Key", 'key_blocks["gone"].value'),
        Target("OBJECT", "Rig", 'pose.bones["gone"]["open"]'),
        Target("OBJECT", "Head", '["gone"]'),
        Target("SPEAKER", "Head", "volume"),
        Target("OBJECT", "Head", "name"),
        Target("OBJECT", "Head", "location", 3),
        Target("OBJECT", "Head", "location.."),
    ],
)
def test_a_target_that_is_gone_stops_everything_before_the_first_change(head: Any, missing: Target) -> None:
    artists_keys(JAW)
    before, count = all_curves(), len(bpy.data.actions)
    with pytest.raises(RigError) as caught:
        actions.write_target_curves([(JAW, keyed(1, 9)), (GAZE, keyed(1, 9)), (missing, keyed(1, 9))], 1, 9)
    assert str(caught.value).count("\n") == 0
    assert all_curves() == before
    assert len(bpy.data.actions) == count
    assert head.animation_data is None


def test_callers_mistakes_are_refused(head: Any) -> None:
    with pytest.raises(ValueError, match="outside"):
        actions.write_target_curves([(JAW, keyed(1, 9))], 2, 9)
    with pytest.raises(ValueError, match="twice"):
        actions.write_target_curves([(JAW, keyed(1, 9)), (JAW, keyed(1, 9))], 1, 9)
    assert actions.write_target_curves([], 1, 9).written == ()
    assert len(bpy.data.actions) == 0
