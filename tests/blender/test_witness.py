# SPDX-License-Identifier: GPL-3.0-or-later
"""After a take is written, one sentence says which controls do not follow it and why, and who else moves with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import pytest
from file_state import fingerprint
from model_packages import CHANNELS
from voxrig.animation.rig.mapping import Link, Mapping, Target

pytestmark = pytest.mark.usefixtures("registered")

ALL = "'browInnerUp', 'jawOpen', 'mouthPucker' and 1 more"


@pytest.fixture
def speak(scene: Any, voice: Path, model_folder: Path) -> Callable[..., tuple[str, ...]]:
    """Animates a character, with every frame a key, and returns what is warned of."""
    from voxrig.operators.animate import animate_character
    from voxrig.takes.record import SoundFile
    from voxrig.takes.settings import Scope, TakeSettings

    def animate(character: Any, output: str = "ACTION", **settings: Any) -> tuple[str, ...]:
        chosen = TakeSettings(provider="CPU", life=0.0, **{"keys": "EVERY", **settings})
        sound = SoundFile(str(voice), 1.0)
        return animate_character(scene, character, sound, model_folder, chosen, scope=Scope(output=output)).warnings

    return animate


def add_track(owner: Any, value: float = 0.4) -> Any:
    """Return an NLA track of the artist's whose strip holds every shape key."""
    from voxrig.blender import compat

    data = owner.animation_data or owner.animation_data_create()
    place = compat.new_place(compat.new_action("Strip", owner), owner)
    fcurves, _groups = compat.ensure_curves_at(place)
    for name in CHANNELS:
        fcurves.new(f'key_blocks["{name}"].value').keyframe_points.insert(0, value)
    track = data.nla_tracks.new()
    track.name = "Artist"
    compat.assign_to_strip(track.strips.new("Artist", 1, place.action), place)
    return track


@pytest.mark.parametrize("output", ["ACTION", "STRIP", "LAYER", "NEW_ACTION"])
def test_what_follows_needs_no_word_and_nothing_changes(speak: Any, scene: Any, face: Any, output: str) -> None:
    from voxrig.blender import witness

    scene.frame_set(7)
    assert not [word for word in speak(face, output) if "follow" in word]
    assert scene.frame_current == 7 and len(bpy.data.scenes) == 1
    if output != "ACTION":
        return
    # A pose that is not keyed yet stays, whatever is found.
    face.data.shape_keys.key_blocks["mouthPucker"].mute = True
    bpy.context.view_layer.update()
    face.data.shape_keys.key_blocks["jawOpen"].value = 0.123
    bpy.context.view_layer.update()
    before = fingerprint()
    found = witness.find_still([face], _written(face), face.voxrig.takes[0].mark)
    assert [target.data_path for target in found] == ['key_blocks["mouthPucker"].value']
    assert fingerprint() == before and face.data.shape_keys.key_blocks["jawOpen"].value == pytest.approx(0.123)


def _written(face: Any) -> list[Any]:
    from voxrig.animation.keys.reduction import KeyedCurve
    from voxrig.blender import actions, compat

    found: list[Any] = []
    for curve in compat.curves_of(face.data.shape_keys):
        keys = actions.read_keys(curve)
        keyed = KeyedCurve(keys["co"][:, 0], keys["co"][:, 1], keys["handle_left"], keys["handle_right"])
        found.append((Target("KEY", face.data.shape_keys.name_full, curve.data_path), keyed))
    return found


def test_muted_shape_keys_are_named(speak: Any, face: Any) -> None:
    for name in CHANNELS:
        face.data.shape_keys.key_blocks[name].mute = True
    assert speak(face) == (f"4 of 4 controls do not follow the take: {ALL} (muted; unmute them in the Shape Keys panel)",)
    for name in CHANNELS[1:]:
        face.data.shape_keys.key_blocks[name].mute = False
    assert speak(face)[0].startswith("1 of 4 controls do not follow the take: 'jawOpen' (muted")


def test_pinned_shape_keys_are_named(speak: Any, face: Any) -> None:
    face.show_only_shape_key = True
    (word,) = speak(face)
    assert (
        word.startswith("4 of 4 controls") and "'Face' shows its active shape key only; turn Solo Active Shape Key off" in word
    )


def test_shape_keys_that_move_nothing_are_named(speak: Any, face: Any) -> None:
    for name in CHANNELS:
        face.data.shape_keys.key_blocks[name].data[2].co.z = 0.0
    assert speak(face) == (f"4 of 4 controls do not follow the take: {ALL} (shape keys that move nothing)",)


def test_a_solo_track_is_named(speak: Any, face: Any) -> None:
    track = add_track(face.data.shape_keys)
    track.is_solo = True
    (word,) = speak(face)
    assert word.startswith("4 of 4 controls") and word.endswith("(the NLA track 'Artist' of 'Face' is solo; turn its star off)")


def test_influence_and_blending_of_the_action_are_named(speak: Any, face: Any) -> None:
    add_track(face.data.shape_keys)
    assert speak(face) == ()
    data = face.data.shape_keys.animation_data
    data.action_influence = 0.1
    (word,) = speak(face)
    assert word.endswith("(the Action of 'Face' has the influence 0.10; set it to 1 in the NLA Editor)")
    data.action_influence, data.action_blend_type = 1.0, "ADD"
    (word,) = speak(face)
    assert word.endswith("(the Action of 'Face' is blended by Add with its NLA; set it to Replace in the NLA Editor)")


def test_f_curve_modifiers_that_replace_or_clamp_are_named(speak: Any, face: Any) -> None:
    from voxrig.blender import compat

    speak(face)
    curves = {curve.data_path: curve for curve in compat.curves_of(face.data.shape_keys)}
    limits = curves['key_blocks["jawOpen"].value'].modifiers.new("LIMITS")
    limits.use_max_y, limits.max_y = True, 0.05
    replaced = curves['key_blocks["mouthPucker"].value'].modifiers.new("FNGENERATOR")
    replaced.use_additive = False
    curves['key_blocks["browInnerUp"].value'].modifiers.new("CYCLES")
    (word,) = speak(face)
    assert word.startswith("2 of 4 controls do not follow the take: ")
    assert "'jawOpen' (the F-Curve modifier Limits changes them" in word
    assert "'mouthPucker' (the F-Curve modifier " in word


@pytest.fixture
def rig(make_rig: Any) -> Any:
    """An armature with its jaw and a lip mapped."""
    from voxrig.properties.links import store_mapping

    rig = make_rig()
    links = [
        Link("jawOpen", Target("OBJECT", "Rig", 'pose.bones["jaw"].rotation_euler', 0), 0.5),
        Link("mouthPucker", Target("OBJECT", "Rig", 'pose.bones["lip.L"].location', 1), 0.2),
    ]
    store_mapping(rig, Mapping(tuple(links)))
    return rig


def test_an_armature_in_rest_position_is_named(speak: Any, rig: Any) -> None:
    assert speak(rig) == ()
    rig.data.pose_position = "REST"
    (word,) = speak(rig)
    assert word == (
        "2 of 2 controls do not follow the take: 'jaw', 'lip.L' "
        "(the armature 'Rig' is in rest position; set it to Pose Position)"
    )


def test_bone_constraints_that_hold_a_bone_are_named_and_others_are_not(speak: Any, rig: Any) -> None:
    limit = rig.pose.bones["jaw"].constraints.new("LIMIT_ROTATION")
    limit.owner_space, limit.use_limit_x = "LOCAL", True
    wide = rig.pose.bones["lip.L"].constraints.new("LIMIT_LOCATION")
    wide.owner_space, wide.use_max_y, wide.max_y = "LOCAL", True, 5.0
    (word,) = speak(rig)
    assert word.startswith("1 of 2 controls do not follow the take: 'jaw' (held by the bone's constraint 'Limit Rotation'")
    limit.influence = 0.0
    assert speak(rig) == ()


def test_two_characters_on_one_action_are_told_and_can_be_parted(speak: Any, scene: Any, make_face: Any) -> None:
    from voxrig.blender import compat
    from voxrig.operators.own_action import make_own_action

    face, other = make_face(), make_face("Other")
    speak(face)
    shared = compat.place_of(face.data.shape_keys)
    compat.assign(other.data.shape_keys, shared)
    (word,) = speak(face)
    assert word.startswith("'Other' plays the same Action") and word.endswith("move as well; use Make Own Action to part them")
    assert make_own_action(face) == 1
    mine, theirs = (compat.place_of(item.data.shape_keys) for item in (face, other))
    assert theirs == shared and mine.action != shared.action
    assert speak(face, strength=0.2) == () and len(face.voxrig.takes) == 3
    # What was remembered of the keys went along: nothing counts as edited, and the other one is as it was.
    from voxrig.operators.takes import update_take

    assert update_take(scene, face).kept_count == 0
    scene.voxrig.character = face
    with pytest.raises(RuntimeError, match="has its Action for itself"):
        bpy.ops.voxrig.make_own_action()


def test_parts_of_one_character_may_share_an_action(speak: Any, make_face: Any) -> None:
    from voxrig.blender import compat

    head, teeth = make_face("Head"), make_face("Teeth", ("jawOpen",))
    teeth.parent = head
    head.data.shape_keys.key_blocks["jawOpen"].keyframe_insert("value", frame=-5)
    compat.assign(teeth.data.shape_keys, compat.place_of(head.data.shape_keys))
    assert not [word for word in speak(head) if "same Action" in word]
