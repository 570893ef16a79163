# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of controls: their words, sides and spellings, and the names in data paths."""

from __future__ import annotations

import pytest
from voxrig.animation.rig.names import mirror_name, names_in_path, normalise_name, shared_prefix, split_words, unescape


def test_words_end_at_separators_and_changes_of_case() -> None:
    assert split_words("ARKitJawOpen_L.001") == ["ar", "kit", "jaw", "open", "l", "001"]


def test_names_in_a_data_path() -> None:
    path = r'pose.bones["jaw \"x\" ü"]["open"]'
    assert [unescape(name) for name in names_in_path(path)] == ['jaw "x" ü', "open"]
    assert names_in_path("rotation_euler") == []


def test_a_prefix_that_half_of_the_names_share() -> None:
    assert shared_prefix(["blendShape1.jawOpen", "blendShape1.eyeBlink_L", "belly"]) == "blendShape1."
    assert shared_prefix(["old_jawOpen", "smile", "frown"]) == ""


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("eyeBlinkLeft", "eyeBlinkRight"),
        ("EyeBlink_L", "EyeBlink_R"),
        ("L_eye", "R_eye"),
        ("lip.T.L.001", "lip.T.R.001"),
        ("eyeblinkleft", "eyeblinkright"),
        ("BROW_LEFT", "BROW_RIGHT"),
        ("leftEye", "rightEye"),
        ("lEye", "rEye"),
        ("eyeBlinkL", "eyeBlinkR"),
    ],
)
def test_names_of_the_other_side(name: str, other: str) -> None:
    assert mirror_name(name) == other
    assert mirror_name(other) == name


@pytest.mark.parametrize("name", ["L", "R", "jawOpen", "bright", "cleft", "leftover", "mouthRollUpper", "viseme_RR", "あ", ""])
def test_names_without_a_side(name: str) -> None:
    assert mirror_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "eyeBlinkLeft",
        "EyeBlinkLeft",
        "EyeBlink_L",
        "eye_blink.l",
        "L_eyeBlink",
        "eyeblinkleft",
        "EYE_BLINK_LEFT",
        "eyeBlinkL",
        "left eye-blink",
    ],
)
def test_spellings_of_one_control(name: str) -> None:
    assert normalise_name(name) == "eyeblink.l"


def test_names_that_must_stay_apart() -> None:
    names = [
        "eyeBlinkRight",
        "jawLeft",
        "jawRight",
        "jawOpen",
        "mouthLeft",
        "mouthUpperUpLeft",
        "viseme_L",
        "L",
        "R",
        "あ",
        "い",
        "jawOpen.001",
        "left",
        "A",
        "viseme_aa",
    ]
    assert len({normalise_name(name) for name in names}) == len(names)
    assert normalise_name("L") == "l"
