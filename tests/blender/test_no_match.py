# SPDX-License-Identifier: GPL-3.0-or-later
"""The sentence for a character without any matching control is true of it and helps."""

from __future__ import annotations

from typing import Any

import bpy
import pytest
from voxrig.animation.face.channels import face_channel_names
from voxrig.blender.rigs import find_character
from voxrig.blender.targets import explain_no_match


def explain(item: Any) -> str:
    return explain_no_match(find_character(item), face_channel_names(), "Speech")


def drive(item: Any, name: str, source: Any = None, path: str = "") -> None:
    """Hold a shape key by a driver, which reads a property where one is given."""
    driver = item.data.shape_keys.key_blocks[name].driver_add("value").driver
    if source is None:
        driver.expression = "0.5"
        return
    driver.type = "SUM"
    variable = driver.variables.new()
    variable.targets[0].id = source
    variable.targets[0].data_path = path


def test_keys_that_drivers_hold_are_named_with_what_drives_them(make_face: Any) -> None:
    face = make_face("Face", ("jawOpen", "mouthPucker", "wobble"))
    rig = bpy.data.objects.new("Rig", None)
    rig["Open Wide"] = 0.0
    drive(face, "jawOpen", rig, '["Open Wide"]')
    drive(face, "mouthPucker", rig, '["Open Wide"]')
    drive(face, "wobble")
    sentence = explain(face)
    assert sentence.startswith("Drivers hold 2 controls of 'Face' that match channels of 'Speech', such as")
    assert "jawOpen" in sentence and "map" in sentence and "Open Wide" in sentence


def test_keys_that_a_formula_holds_have_no_one_source(make_face: Any) -> None:
    face = make_face("Face", ("jawOpen",))
    drive(face, "jawOpen")
    assert "map the properties that drive them, or remove the drivers" in explain(face)


def test_absolute_keys_are_frames_of_one_morph(make_face: Any) -> None:
    face = make_face("Face", ("jawOpen", "mouthPucker"))
    face.data.shape_keys.use_relative = False
    assert "are absolute" in explain(face) and "tick Relative" in explain(face)


@pytest.mark.parametrize(
    ("keys", "words"), [((), "neither shape keys nor"), (("wobble",), "is named like a channel of 'Speech'")]
)
def test_other_names_or_none(make_face: Any, keys: tuple[str, ...], words: str) -> None:
    assert words in explain(make_face("Face", keys))
