# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognising rigs: the name lists that their makers publish, mixtures, and names that no rig should have."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voxrig.animation.face.channels import face_channel_names, face_channels
from voxrig.animation.rig.presets import bundled_presets
from voxrig.animation.rig.recognition import (
    LIKELY,
    SURE,
    UNSURE,
    Control,
    FoundLink,
    Recognition,
    choose_mouth,
    read_meaning,
    recognise,
)
from voxrig.tools.reports.rigs import LISTS, channels_of, judge, read_list, recognise_list

CHANNELS = face_channel_names()
FAMILIES = {
    "arkit_apple": "arkit",
    "arkit_halves": "arkit",
    "arkit_live_link": "arkit",
    "arkit_prefixed": "arkit",
    "arkit_sides": "arkit",
    "arkit_snake": "arkit",
    "auto_rig_pro_bones": "auto_rig_pro",
    "blender_studio_rain_bones": "blender_studio",
    "blender_studio_snow_bones": "blender_studio",
    "character_creator_3": "character_creator_3",
    "character_creator_4_extended": "character_creator_4",
    "character_creator_visemes": "character_creator_visemes",
    "control_properties": "custom_properties",
    "daz_genesis_8_1": "daz_facs",
    "daz_genesis_8_visemes": "daz_genesis_8",
    "mb_lab": "mb_lab",
    "meta_face": "meta_face",
    "metahuman": "metahuman",
    "mixamo": "mixamo",
    "mmd": "mmd",
    "mpfb_microsoft_visemes": "microsoft_visemes",
    "oculus_bare": "oculus",
    "oculus_vrchat": "oculus",
    "preston_blair": "preston_blair",
    "ready_player_me": "ready_player_me",
    "rhubarb": "rhubarb",
    "rigify_bones": "rigify",
    "sranipal": "sranipal",
    "unified_expressions": "unified_expressions",
    "vrm_1": "vrm",
    "vroid": "vroid",
}


def find(*names: str, channels: tuple[str, ...] = CHANNELS) -> Recognition:
    return recognise(channels, [Control(name) for name in names], bundled_presets())


def named(found: Recognition, names: tuple[str, ...]) -> dict[str, list[tuple[str, str]]]:
    """Return the controls of each channel and the certainty of each."""
    table: dict[str, list[tuple[str, str]]] = {}
    for link in found.links:
        table.setdefault(link.channel, []).append((names[link.control], link.confidence))
    return table


def test_every_list_is_tested() -> None:
    assert {path.stem for path in LISTS.glob("*.tsv")} == set(FAMILIES)


@pytest.mark.parametrize("name", FAMILIES)
def test_published_names_are_recognised(name: str) -> None:
    names = read_list(LISTS / f"{name}.tsv")
    found = recognise_list(names, bundled_presets())
    outcome = judge(names, found)
    assert found.family == FAMILIES[name]
    assert outcome.sure == outcome.total and outcome.wrong_sure == 0


@pytest.mark.parametrize("name", FAMILIES)
def test_nothing_sure_is_wrong_without_the_preset(name: str) -> None:
    """Rigs that no preset knows: as if this one was such a rig."""
    names = read_list(LISTS / f"{name}.tsv")
    for presets in (tuple(preset for preset in bundled_presets() if preset.family != FAMILIES[name]), ()):
        assert judge(names, recognise_list(names, presets)).wrong_sure == 0


@pytest.mark.parametrize("name", [name for name in FAMILIES if name.startswith("arkit")])
def test_arkit_needs_no_preset(name: str) -> None:
    names = read_list(LISTS / f"{name}.tsv")
    assert judge(names, recognise_list(names, ())).right == 52


def test_families_with_many_shapes_are_mostly_understood_without_their_preset() -> None:
    total = right = 0
    for name in ("metahuman", "unified_expressions", "meta_face", "daz_genesis_8_1", "mixamo", "character_creator_4_extended"):
        names = read_list(LISTS / f"{name}.tsv")
        outcome = judge(names, recognise_list(names, [p for p in bundled_presets() if p.family != FAMILIES[name]]))
        total, right = total + outcome.total, right + outcome.right
    assert right >= 0.8 * total


@pytest.mark.parametrize(
    ("name", "channel"),
    [
        ("Lips_Kiss", "mouthPucker"),
        ("mouth corner up left", "mouthSmileLeft"),
        ("LipCornerPuller_R", "mouthSmileRight"),
        ("Lip Corner Down.L", "mouthFrownLeft"),
        ("eyeClose_R", "eyeBlinkRight"),
        ("Wink_L", "eyeBlinkLeft"),
        ("Lower Lip Down Right", "mouthLowerDownRight"),
        ("nose_wrinkle.L", "noseSneerLeft"),
        ("MouthOpen", "jawOpen"),
        ("Jaw_Drop", "jawOpen"),
        ("eyebrow_outer_raise_L", "browOuterUpLeft"),
        ("cheeks_blow", "cheekPuff"),
        ("vrc.blink_left", "eyeBlinkLeft"),
        ("V_PP", "viseme_PP"),
    ],
)
def test_words_that_mean_the_same(name: str, channel: str) -> None:
    found = named(find(name), (name,))
    assert [target for target, _ in found[channel]] == [name]
    assert read_meaning(name) == read_meaning(channel)
    assert list(found) == [channel]


def test_one_shape_for_both_sides_takes_half_of_each() -> None:
    found = recognise(CHANNELS, [Control("Mouth_Smile")], ()).links
    assert {(link.channel, link.gain, link.confidence) for link in found} == {
        ("mouthSmileLeft", 0.5, LIKELY),
        ("mouthSmileRight", 0.5, LIKELY),
    }


def test_the_channels_own_name_beats_every_preset() -> None:
    names = read_list(LISTS / "character_creator_4_extended.tsv")
    controls = [*names.controls, Control("mouthPucker")]
    links = [link for link in recognise(CHANNELS, controls, bundled_presets()).links if link.channel == "mouthPucker"]
    assert [(controls[link.control].name, link.confidence) for link in links] == [("mouthPucker", SURE)]


def test_the_same_name_on_many_meshes_is_one_control() -> None:
    places = ("Face", "Teeth", "Tongue", "Beard")
    controls = [Control("jawOpen", place) for place in places] + [Control("JawOpen", "Lashes")]
    links = [link for link in recognise(CHANNELS, controls, bundled_presets()).links if link.channel == "jawOpen"]
    assert [controls[link.control].place for link in links] == [*places, "Lashes"]
    controls = [Control("JawOpen", "Face"), Control("jaw_open", "Teeth")]
    links = recognise(("jawOpen",), controls, ()).links
    assert [(link.control, link.confidence) for link in links] == [(0, SURE), (1, SURE)]


def test_two_that_fit_equally_well_are_unsure() -> None:
    names = ("JawOpen", "jaw_open", "mouthPucker", "MouthPucker")
    found = named(find(*names), names)
    assert [how for _, how in found["jawOpen"]] == [UNSURE, UNSURE]
    assert found["mouthPucker"] == [("mouthPucker", SURE)]


def test_letters_of_another_set_are_not_taken_for_mouths() -> None:
    """Vowels are no Rhubarb set, half a set is none, and meshes full of other letters are none either."""
    assert find("A", "I", "U", "E", "O").family == "vrm"
    assert find("A", "E").family == ""
    assert find(*"ABCDEF").family == "rhubarb"
    assert all(link.confidence == UNSURE for link in find("A", "E", "L", "R", "X1", "Key 1").links)


def test_shapes_and_visemes_never_speak_together() -> None:
    names = read_list(LISTS / "ready_player_me.tsv")
    found = recognise_list(names, bundled_presets())
    chosen = {link.channel for link in choose_mouth(found, face_channels())}
    assert "jawOpen" in chosen and not any(channel.startswith("viseme") for channel in chosen)


def test_a_mouth_of_visemes_keeps_the_smile_that_goes_with_it() -> None:
    names = read_list(LISTS / "vroid.tsv")
    found = recognise_list(names, bundled_presets())
    chosen = choose_mouth(found, face_channels())
    table = {link.channel: names.controls[link.control].name.split("Fcl_")[1] for link in chosen}
    assert table["viseme_aa"] == "MTH_A" and table["mouthSmileLeft"] == "MTH_Fun" and table["mouthFrownLeft"] == "MTH_Angry"
    assert table["browDownLeft"] == "BRW_Angry" and "jawOpen" not in table
    assert {link.confidence for link in chosen if link.is_made_up} == {LIKELY}


def test_visemes_alone_and_shapes_alone() -> None:
    only = find("viseme_PP", "browInnerUp")
    assert {link.channel for link in choose_mouth(only, face_channels())} == {"viseme_PP", "browInnerUp"}
    few = find("jawOpen", "viseme_PP")
    assert {link.channel for link in choose_mouth(few, face_channels())} == {"jawOpen"}


def test_a_mesh_and_a_bone_rig_together() -> None:
    """Shapes lead; the rig's bones only do what no shape does, and nobody is sure of that."""
    face, bones = read_list(LISTS / "arkit_apple.tsv"), read_list(LISTS / "rigify_bones.tsv")
    controls = (*face.controls, *bones.controls)
    found = recognise(CHANNELS, controls, bundled_presets())
    assert found.family == "arkit"
    by_bones = {link.channel: link.confidence for link in found.links if controls[link.control].is_bone}
    assert by_bones == {"tongueTipUp": LIKELY, "tongueBackUp": LIKELY}


def test_bones_bring_their_direction_and_their_measure() -> None:
    names = read_list(LISTS / "rigify_bones.tsv")
    table = {(link.channel, names.controls[link.control].name): link for link in recognise_list(names, bundled_presets()).links}
    assert table["jawOpen", "jaw_master"].turn == (22.0, 0.0, 0.0) and table["jawOpen", "jaw_master"].unit is None
    left, right = table["mouthSmileLeft", "lips.L"], table["mouthSmileRight", "lips.R"]
    assert left.unit == ("lips.L", "lips.R") and left.move is not None and right.move is not None
    assert left.move[0] == -right.move[0] > 0 and left.move[1:] == right.move[1:]
    assert left.move[2] > 0  # up


def test_models_with_channels_of_their_own() -> None:
    names = ("Kiefer auf", "kiefer_zu", "L", "")
    found = named(find(*names, channels=("kieferAuf", "Kiefer zu", "zunge")), names)
    assert found == {"kieferAuf": [("Kiefer auf", SURE)], "Kiefer zu": [("kiefer_zu", SURE)]}


def test_names_that_no_rig_should_have() -> None:
    found = find("", " ", "\n", "a\nb", "口", "ω□", "∧", "L", ".", "<L|R>", "(", "x" * 5000)
    assert found.family == "" and found.links == () and set(found.missing) == set(CHANNELS)
    assert find().links == () and recognise((), [Control("jawOpen")], bundled_presets()).links == ()


def test_other_controls_are_left_alone() -> None:
    """A body with 500 keys and no face has nothing that is sure or likely."""
    words = ("Belly", "Breast", "Muscle", "Fist", "Grip", "Skirt", "Hair", "Collar", "Elbow", "Height")
    names = [f"{word}_{side}_{i:03d}" for i in range(25) for word in words for side in ("L", "R")]
    found = find(*names)
    assert len(names) == 500 and not [link for link in found.links if link.confidence != UNSURE]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=30), st.lists(st.sampled_from(CHANNELS), max_size=5, unique=True))
def test_any_names_whatever(names: list[str], channels: list[str]) -> None:
    """No name breaks it, links point where they should, and what cannot be told apart is not called sure."""
    controls = [Control(name, str(i)) for i, name in enumerate(names)]
    found = recognise(channels, controls, bundled_presets())
    linked = {link.channel for link in found.links}
    assert linked.isdisjoint(found.missing) and linked | set(found.missing) == set(channels)
    assert all(0 <= link.control < len(names) and names[link.control].strip() for link in found.links)


def test_a_big_character_takes_no_time() -> None:
    """20 meshes of 200 keys. Processor time, so that what else runs on the machine does not count."""
    names = [*CHANNELS, *(f"Body_Morph_{i:03d}" for i in range(200))][:200]
    controls = [Control(name, f"mesh {mesh}") for mesh in range(20) for name in names]
    presets = bundled_presets()
    spent: list[float] = []
    for _ in range(3):
        start = time.process_time()
        found = recognise(CHANNELS, controls, presets)
        spent.append(time.process_time() - start)
    assert len(found.links) >= 20 * 55
    assert min(spent) < 0.15


def test_what_a_link_says_of_itself() -> None:
    (link,) = recognise(("jawOpen",), [Control("Jaw Drop")], ()).links
    assert link == FoundLink("jawOpen", 0, LIKELY, "means the same")
    names = read_list(LISTS / "vroid.tsv")
    reasons = {link.why for link in recognise_list(names, bundled_presets()).links}
    assert "named so by the preset VRoid Studio" in reasons
    assert all(reason for reason in reasons)


def test_lists_are_well_formed() -> None:
    for path in sorted(Path(LISTS).glob("*.tsv")):
        names = read_list(path)
        assert names.known and set(names.known) <= set(channels_of(names))


@pytest.mark.parametrize("others", [(), ("Mouth_Open",), ("Mouth_Open", "Mouth_Pucker", "Mouth_Smile_L", "Mouth_Smile_R")])
def test_fifteen_visemes_speak_though_a_shape_opens_the_mouth(others: tuple[str, ...]) -> None:
    visemes = ("AE", "Ah", "B_M_P", "Ch_J", "EE", "Er", "F_V", "Ih", "K_G_H_NG", "Oh", "R", "S_Z", "T_L_D_N", "Th", "W_OO")
    names = (*visemes, *others)
    found = find(*names)
    assert found.family == "character_creator_visemes"
    used = {names[link.control]: link.channel for link in choose_mouth(found, face_channels())}
    assert set(visemes) <= set(used) and used["B_M_P"] == "viseme_PP" and "Mouth_Open" not in used


def test_either_end_of_an_expression_of_mb_lab_has_its_key() -> None:
    names = read_list(LISTS / "mb_lab.tsv")
    found = recognise_list(names, bundled_presets())
    used = {link.channel: names.controls[link.control].name for link in choose_mouth(found, face_channels())}
    assert used["jawOpen"] == "Expressions_mouthOpen_max"
    assert used["eyeBlinkLeft"] == "Expressions_eyeClosedL_max" and used["eyeWideLeft"] == "Expressions_eyeClosedL_min"
