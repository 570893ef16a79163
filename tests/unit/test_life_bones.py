# SPDX-License-Identifier: GPL-3.0-or-later
"""Head, neck, eye and chest bones are found by the names of rig families, and turned about the right axes."""

from __future__ import annotations

import pytest
from voxrig.animation.life.bones import ROLES, find_bones, load_bones, turn_bones
from voxrig.animation.life.channels import CHANNEL_NAMES

RIGIFY = ("root", "spine_fk", "chest", "neck", "head", "eyes", "eye.L", "eye.R", "master_eye.L", "master_eye.R", "DEF-head")
FAMILIES = {
    "Mixamo": ("mixamorig:Head", "mixamorig:Neck", "mixamorig:LeftEye", "mixamorig:RightEye", "mixamorig:Spine2"),
    "VRoid": ("J_Bip_C_Head", "J_Bip_C_Neck", "J_Adj_L_FaceEye", "J_Adj_R_FaceEye", "J_Bip_C_UpperChest"),
    "MMD": ("頭", "首", "左目", "右目", "上半身2"),
    "Character Creator": (
        *("CC_Base_Head", "CC_Base_NeckTwist01", "CC_Base_NeckTwist02"),
        *("CC_Base_L_Eye", "CC_Base_R_Eye", "CC_Base_Spine02"),
    ),
    "Daz Genesis 8": ("head", "neckLower", "neckUpper", "lEye", "rEye", "chestUpper"),
    "MetaHuman": ("head", "neck_01", "neck_02", "FACIAL_L_Eye", "FACIAL_R_Eye", "spine_05"),
    "MPFB": ("head", "neck01", "neck02", "neck03", "eye.L", "eye.R", "spine02"),
    "Auto-Rig Pro": ("c_head.x", "c_neck.x", "c_eye.l", "c_eye.r", "c_spine_02.x"),
    "Ready Player Me": ("Head", "Neck", "LeftEye", "RightEye", "Spine2"),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_all_roles(family: str) -> None:
    names = FAMILIES[family]
    found = find_bones(("Hips", "Jaw", *names))
    assert set(found) == set(ROLES) - {"lookTarget"}
    assert {bone for bones in found.values() for bone in bones} == set(names)


def test_rigify_looks_by_its_target() -> None:
    turns = turn_bones(RIGIFY, ())
    assert {turn.bone for turn in turns} == {"head", "neck", "eyes", "chest"}
    looks = [turn for turn in turns if turn.bone == "eyes"]
    assert all(turn.target_of == ("master_eye.L", "master_eye.R") for turn in looks)
    assert sum(turn.degrees[2] for turn in looks) == pytest.approx(-57.2958, abs=1e-3)


@pytest.mark.parametrize("names", [("head",), ("neck",), ("head", "neck"), FAMILIES["Character Creator"]])
def test_shares_of_a_turn_add_up_to_the_whole(names: tuple[str, ...]) -> None:
    turns = turn_bones(names, ())
    for channel, axis, sign in (("headYaw", 2, -1), ("headPitch", 0, 1), ("headRoll", 1, -1)):
        parts = [turn.degrees for turn in turns if turn.channel == channel]
        assert sum(part[axis] for part in parts) == pytest.approx(sign * 57.2958, abs=1e-3)
        assert all(sum(abs(value) for i, value in enumerate(part) if i != axis) == 0 for part in parts)


def test_shapes_of_the_eyes_win_over_their_bones() -> None:
    turns = turn_bones(FAMILIES["Ready Player Me"], ("eyeLookOutLeft", "headYaw"))
    assert not [turn for turn in turns if "Eye" in turn.bone]
    assert "headYaw" not in {turn.channel for turn in turns}
    assert turn_bones(("Bone", "Bone.001"), ()) == []


def test_the_table_turns_known_channels_only() -> None:
    assert set(ROLES) <= set(load_bones())
    for names in (RIGIFY, *FAMILIES.values()):
        assert {turn.channel for turn in turn_bones(names, ())} <= set(CHANNEL_NAMES)
