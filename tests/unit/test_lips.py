# SPDX-License-Identifier: GPL-3.0-or-later
"""The lip formulas against sums worked out by hand from the published coefficients."""

import numpy as np
import pytest
from voxrig.animation.face import lips
from voxrig.animation.face.channels import Channel, expand_sides, face_channel_names, face_channels, load_channels

NAMES = face_channel_names()


def face(**pose: float) -> np.ndarray:
    """Return one row of the whole face, [1, channel]."""
    values = np.zeros((1, len(NAMES)), np.float32)
    for name, value in expand_sides(pose, NAMES).items():
        values[0, NAMES.index(name)] = value
    return values


@pytest.mark.parametrize(
    ("pose", "gap", "width", "height"),
    [
        ({}, 0.0, 0.0, 0.0),
        ({"jawOpen": 0.2}, 0.578, -0.04, -0.704),
        ({"jawOpen": 0.2, "mouthClose": 0.1}, 0.206, -0.024, -0.322),
        ({"mouthLowerDown": 0.5, "mouthUpperUp": 0.2}, 0.43, 0.0, -0.34),
        ({"mouthSmile": 0.3, "mouthStretch": 0.2, "mouthDimple": 0.4}, 0.0, 0.58, 0.0),
        ({"mouthPucker": 0.5, "mouthFunnel": 0.5}, 0.475, -0.51, -0.415),
        ({"mouthRollLower": 0.4, "mouthShrugLower": 0.1}, 0.0, 0.0, 0.221),
    ],
)
def test_formulas(pose, gap, width, height):
    values = face(**pose)
    assert lips.lip_gap(values, NAMES)[0] == pytest.approx(gap, abs=1e-6)
    assert lips.lip_width(values, NAMES)[0] == pytest.approx(width, abs=1e-6)
    assert lips.lower_lip_height(values, NAMES)[0] == pytest.approx(height, abs=1e-6)


def test_signed_gap_tells_how_far_a_seal_is_from_opening():
    assert lips.signed_lip_gap(face(mouthClose=0.1), NAMES)[0] == pytest.approx(-0.372, abs=1e-6)


def test_channels_may_be_missing_or_in_another_order():
    values = np.array([[0.1, 0.2]])
    assert lips.lip_gap(values, ["mouthClose", "jawOpen"])[0] == pytest.approx(0.206)
    assert lips.lip_gap(values, ["headPitch", "browInnerUp"])[0] == 0.0


def test_sealed_is_relative_to_the_clip():
    jaw = np.array([[0.0], [0.01], [0.1], [0.2], [0.2]])
    assert lips.sealed_frames(jaw, ["jawOpen"]).tolist() == [True, True, False, False, False]
    assert lips.sealed_frames(0.05 * jaw, ["jawOpen"]).tolist() == [True, True, False, False, False]
    assert lips.sealed_frames(0.0 * jaw, ["jawOpen"]).all()
    assert lips.sealed_frames(np.zeros((0, 1)), ["jawOpen"]).shape == (0,)


def test_lower_lip_meets_the_teeth():
    assert lips.labiodental_frames(face(jawOpen=0.036), NAMES)[0]
    assert not lips.labiodental_frames(face(jawOpen=0.038), NAMES)[0]


def test_inputs_stay_as_they_are():
    values = face(jawOpen=0.3)
    before = values.copy()
    for function in (lips.lip_gap, lips.lip_width, lips.lower_lip_height, lips.sealed_frames, lips.labiodental_frames):
        function(values, NAMES)
    assert np.array_equal(values, before)


def test_the_list_of_channels():
    channels = face_channels()
    assert len(channels) == len({channel.name for channel in channels})
    visemes = [channel for channel in channels if channel.group == "viseme"]
    assert len(visemes) == 15
    assert sum(channel.rest for channel in visemes) == 1.0
    assert {channel.group for channel in channels} == {"face", "expression", "viseme"}
    assert all(channel.minimum <= channel.rest <= channel.maximum and channel.unit for channel in channels)


def test_a_wrong_list_is_refused(tmp_path):
    path = tmp_path / "channels.json"
    entry = '{"name": "a", "region": "%s", "group": "face", "rest": %s, "minimum": 0, "maximum": 1, "unit": "weight"}'
    path.write_text('{"channels": [' + entry % ("jaw", 0) + "]}")
    assert load_channels(path) == (Channel("a", "jaw", "face", 0, 0, 1, "weight"),)
    for bad in (entry % ("ear", 0), entry % ("jaw", 2), entry % ("jaw", 0) + "," + entry % ("lips", 0)):
        path.write_text('{"channels": [' + bad + "]}")
        with pytest.raises(ValueError, match="channels.json"):
            load_channels(path)
    with pytest.raises(KeyError):
        expand_sides({"mouthSneeze": 1.0}, NAMES)
