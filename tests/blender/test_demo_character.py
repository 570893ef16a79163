# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo character: every shape there and doing what its name says, its rig mapped and animated by Voxrig."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs Blender as a module")

import model_packages  # noqa: E402
from file_state import curves_of  # noqa: E402
from voxrig.animation.face.lips import GAP_CENTIMETRES  # noqa: E402
from voxrig.blender import rigs  # noqa: E402
from voxrig.tools.demo.character import DRIVEN, DemoCharacter, build_character, sculpt_face  # noqa: E402
from voxrig.tools.demo.sculpt import EYE  # noqa: E402
from voxrig.tools.demo.shapes import ARKIT_NAMES, CLOSE_PER_JAW  # noqa: E402
from voxrig.tools.demo.speech import read_speech  # noqa: E402

TONGUE_NAMES = ("tongueTipUp", "tongueBackUp", "tongueWide")
EYES_ONLY = ("eyeLookIn", "eyeLookOut")


@pytest.fixture
def character(scene: Any) -> DemoCharacter:
    return build_character()


def keys_of(thing: Any) -> dict[str, Any]:
    keys = thing.data.shape_keys
    return {} if keys is None else {key.name: key for key in keys.key_blocks if key != keys.reference_key}


def lip_gaps(weights: dict[str, float]) -> np.ndarray:
    """Return the height of the upper inner lip over the lower, in centimetres, corner to corner."""
    shapes, motions = sculpt_face()
    positions = shapes.p + sum(weight * motions[name] for name, weight in weights.items())
    loop = shapes.surface.mouth.loop("seam_front")
    half = len(loop) // 2
    return positions[loop[1:half], 2] - positions[loop[:half:-1], 2]


def test_face_has_all_arkit_shapes(character: DemoCharacter) -> None:
    assert len(ARKIT_NAMES) == 52
    assert set(keys_of(character.face)) == set(ARKIT_NAMES)
    tongue = next(thing for thing in character.meshes if thing.name == "Tongue")
    assert set(TONGUE_NAMES) | {"tongueOut", "jawOpen"} <= set(keys_of(tongue))


def test_parts_that_must_follow_have_the_shapes_too(character: DemoCharacter) -> None:
    followers = {
        "Teeth Lower": "jawOpen jawLeft",
        "Brows": "browInnerUp browDownLeft",
        "Lashes": "eyeBlinkLeft",
        "Eyes": "eyeLookUpLeft",
    }
    by_name = {thing.name: thing for thing in character.meshes}
    for part, names in followers.items():
        assert set(names.split()) <= set(keys_of(by_name[part])), part
    assert "jawOpen" not in keys_of(by_name["Teeth Upper"])


@pytest.mark.parametrize("name", ARKIT_NAMES)
def test_shape_moves_its_own_side(name: str) -> None:
    shapes, motions = sculpt_face()
    length = np.linalg.norm(motions[name], axis=1)
    assert np.isfinite(length).all()
    assert length.max() > (0.03 if name.startswith(EYES_ONLY) else 0.15)
    x = shapes.p[:, 0]
    if name.endswith("Left") and not name.startswith(("jaw", "mouthLeft")):
        assert length[x > 1.5].max() > 10 * length[x < -1.5].max()
        mirrored = motions[name.removesuffix("Left") + "Right"]
        assert np.linalg.norm(mirrored, axis=1).max() == pytest.approx(length.max(), rel=1e-3)


@pytest.mark.parametrize("jaw", [0.05, 0.3, 0.6, 1.0])
def test_mouth_close_seals_the_opened_jaw(jaw: float) -> None:
    assert lip_gaps({"jawOpen": jaw}).max() > 2.5 * jaw
    sealed = lip_gaps({"jawOpen": jaw, "mouthClose": CLOSE_PER_JAW * jaw})
    assert np.abs(sealed).max() < 0.01


def test_lips_touch_at_rest_and_open_as_the_formula_says() -> None:
    assert np.abs(lip_gaps({})).max() < 1e-6
    names = {
        "jawOpen": "jawOpen",
        "mouthFunnel": "mouthFunnel",
        "mouthShrugUpper": "mouthShrugUpper",
        "mouthLowerDownLeft": "mouthLowerDownLeft",
    }
    for name, key in names.items():
        gaps = lip_gaps({name: 1.0})
        middle = len(gaps) // 2
        measured = gaps[[middle - 5, middle, middle + 5]].mean()
        assert measured == pytest.approx(GAP_CENTIMETRES[key], rel=0.25), name


def test_blink_closes_over_the_eyeball_without_touching_it() -> None:
    shapes, motions = sculpt_face()
    eye = shapes.surface.eye_left
    for weight in (0.0, 0.5, 1.0):
        positions = shapes.p + weight * motions["eyeBlinkLeft"]
        lids = positions[np.concatenate([eye.loop("lid_high"), eye.loop("lid_low"), eye.loop("margin_front")])]
        assert np.linalg.norm(lids - EYE.centre, axis=1).min() > EYE.radius
    margin = positions[eye.loop("margin_front")]
    half = len(margin) // 2
    assert (margin[1:half, 2] - margin[:half:-1, 2]).max() < 0.0


def test_bone_properties_drive_jaw_and_brows(character: DemoCharacter) -> None:
    bones = character.armature.pose.bones
    for bone, names in DRIVEN.items():
        for name in names:
            bones[bone][name] = 0.625
            ui = bones[bone].id_properties_ui(name).as_dict()
            assert (ui["min"], ui["max"]) == (0.0, 1.0)
    character.armature.update_tag()
    bpy.context.view_layer.update()
    found = set()
    for thing in character.meshes:
        for name, key in keys_of(thing).items():
            driven = any(name in names for names in DRIVEN.values())
            assert key.value == pytest.approx(0.625 if driven else 0.0), (thing.name, name)
            found |= {name} if driven else set()
    assert found == {name for names in DRIVEN.values() for name in names}


def test_matching_prefers_properties_to_what_they_drive(character: DemoCharacter) -> None:
    mapping = rigs.match_channels(rigs.find_character(character.face), [*ARKIT_NAMES, *TONGUE_NAMES]).mapping
    by_channel: dict[str, set[str]] = {}
    for link in mapping.links:
        by_channel.setdefault(link.channel, set()).add(link.target.id_type)
    assert set(by_channel) == {*ARKIT_NAMES, *TONGUE_NAMES}
    driven = {name for names in DRIVEN.values() for name in names}
    for channel, kinds in by_channel.items():
        assert kinds == ({"OBJECT"} if channel in driven else {"KEY"}), channel


def test_voxrig_animates_the_rig(registered: None, character: DemoCharacter, voice: Path, model_folder: Path) -> None:
    from voxrig.operators.animate import animate_character
    from voxrig.takes.record import SoundFile

    assert "jawOpen" in model_packages.CHANNELS
    take = animate_character(bpy.context.scene, character.armature, SoundFile(str(voice)), model_folder)
    assert not take.warnings
    assert ('pose.bones["jaw"]["jawOpen"]', 0) in curves_of(character.armature)
    assert not any("jawOpen" in path for path, _ in curves_of(character.face.data.shape_keys))


def test_bundled_speech_is_whole() -> None:
    import soundfile

    speech = read_speech()
    seconds = soundfile.info(speech.sound).duration
    assert [sentence.text for sentence in speech.sentences] == [
        "Bob's mum made a big pumpkin pie for the baby bumblebee.",
        "Vivian waved goodbye to five very fluffy wolves.",
        "Our father saw a far star fall out of the dark.",
    ]
    for kind in (speech.words, speech.phones):
        assert all(item.start < item.end <= seconds for item in kind)
        assert all(a.end <= b.start + 1e-6 for a, b in zip(kind, kind[1:]))
    assert " ".join(sentence.text.rstrip(".") for sentence in speech.sentences) == " ".join(word.text for word in speech.words)
