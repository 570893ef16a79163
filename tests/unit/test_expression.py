# SPDX-License-Identifier: GPL-3.0-or-later
"""Emotions: neutral at zero, monotone, within limits, and closures that survive any mix."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from voxrig.animation.face import expression, lips
from voxrig.animation.face.articulation import articulate
from voxrig.animation.face.channels import face_channels
from voxrig.animation.face.expression import apply_expression, build_expressions, load_expressions, voice_energy
from voxrig.animation.face.phones import TimedPhone

RULES = load_expressions()
COUNT = len(RULES.emotions)
TEXT = "B AE T M IY P UW B F IY V AA S P AE SH OW M AA M T AY K"


@pytest.fixture(scope="module")
def speech():
    """A spoken face [time, channel] full of closures."""
    phones = [TimedPhone(phone, 0.6 + 0.09 * i, 0.69 + 0.09 * i) for i, phone in enumerate(TEXT.split())]
    return articulate(phones, 50.0, phones[-1].end + 0.6).values


def blend(values, weights, energy=None):
    return apply_expression(values, np.tile(weights, (len(values), 1)), energy)


MIXES = arrays(np.float64, COUNT, elements=st.floats(0.0, 1.0))


def test_the_emotions_asked_for_are_there():
    assert {"joy", "sadness", "anger", "fear", "disgust", "surprise", "contempt", "tired"} <= set(RULES.emotions)


def test_zero_is_exactly_neutral(speech):
    assert np.array_equal(blend(speech, np.zeros(COUNT)), speech)
    assert blend(speech, np.zeros(COUNT)).dtype == speech.dtype


@settings(max_examples=80, deadline=None)
@given(weights=MIXES, energy=st.floats(0.0, 1.0))
def test_closures_keep_their_depth_under_any_mix(speech, weights, energy):
    moved = blend(speech, weights, np.full(len(speech), energy))
    before, after = lips.lip_gap(speech, RULES.names), lips.lip_gap(moved, RULES.names)
    spoken = speech[:, RULES.silent] < 0.5
    sealed = lips.sealed_frames(speech, RULES.names) & spoken
    assert sealed.sum() > 20
    depth_before = 1.0 - before / np.percentile(before, 95)
    depth_after = 1.0 - after / np.percentile(after, 95)
    assert np.all(depth_after[sealed] >= 0.9 * depth_before[sealed] - 1e-6)
    assert np.all(lips.sealed_frames(moved, RULES.names)[sealed & (before < 0.02)])
    bitten = lips.labiodental_frames(speech, RULES.names) & (speech[:, RULES.biting] > 0.8)
    assert bitten.sum() > 4
    assert np.all(lips.labiodental_frames(moved, RULES.names)[bitten])


@settings(max_examples=50, deadline=None)
@given(others=MIXES, emotion=st.integers(0, COUNT - 1), low=st.floats(0, 1), high=st.floats(0, 1))
def test_intensity_is_monotone_in_every_channel(speech, others, emotion, low, high):
    low, high = sorted((low, high))
    faces = []
    for weight in (0.0, low, high, 1.0):
        others[emotion] = weight
        faces.append(blend(speech.astype(np.float64), others))
    steps = np.diff(np.stack(faces), axis=0)
    whole = faces[-1] - faces[0]
    assert np.all(steps * np.sign(whole) >= -1e-12)


@settings(max_examples=50, deadline=None)
@given(weights=MIXES)
def test_values_stay_within_the_limits(speech, weights):
    moved = blend(speech, weights)
    for column, channel in enumerate(face_channels()):
        assert channel.minimum <= moved[:, column].min() <= moved[:, column].max() <= channel.maximum
    visemes = [index for index, channel in enumerate(face_channels()) if channel.group == "viseme"]
    assert np.allclose(moved[:, visemes].sum(axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("emotion", RULES.emotions)
def test_every_emotion_shows_at_rest_and_swells_with_the_voice(speech, emotion):
    weights = np.zeros(COUNT)
    weights[RULES.emotions.index(emotion)] = 1.0
    rest = np.array([[channel.rest for channel in face_channels()]])
    quiet, loud = blend(rest, weights, np.zeros(1)), blend(rest, weights, np.ones(1))
    assert np.abs(quiet - rest).max() > 0.1
    moved = np.abs(loud - rest) > 1e-9
    assert np.all(np.abs(loud - rest)[moved] > np.abs(quiet - rest)[moved])


def test_emotions_shape_articulation(speech):
    def of(emotion):
        weights = np.zeros(COUNT)
        weights[RULES.emotions.index(emotion)] = 1.0
        return blend(speech, weights)

    spoken = lips.lip_gap(speech, RULES.names) > 0.3
    neutral_width = lips.lip_width(speech, RULES.names)[spoken].mean()
    assert lips.lip_width(of("joy"), RULES.names)[spoken].mean() > neutral_width + 0.2
    jaw = RULES.names.index("jawOpen")
    assert of("sadness")[spoken, jaw].mean() < 0.95 * speech[spoken, jaw].mean()
    upper = RULES.names.index("mouthUpperUpLeft")
    assert of("anger")[spoken, upper].mean() > speech[spoken, upper].mean() + 0.03


def test_weights_may_change_from_frame_to_frame(speech):
    weights = np.zeros((len(speech), COUNT))
    weights[10:20, 0] = 1.0
    moved = apply_expression(speech, weights)
    changed = np.any(moved != speech, axis=1)
    assert changed[10:20].all()
    assert not changed[:10].any()
    assert not changed[20:].any()


def test_inputs_stay_as_they_are_and_weights_are_held(speech):
    values, weights, energy = speech.copy(), np.full((len(speech), COUNT), 3.0), np.full(len(speech), 2.0)
    moved = apply_expression(values, weights, energy)
    assert np.array_equal(values, speech)
    assert np.all(weights == 3.0)
    assert np.all(energy == 2.0)
    assert np.array_equal(moved, blend(speech, np.ones(COUNT)))


def test_shapes_that_do_not_fit_are_refused(speech):
    with pytest.raises(ValueError, match="time"):
        apply_expression(speech[:, :-1], np.zeros((len(speech), COUNT)))
    with pytest.raises(ValueError, match="time"):
        apply_expression(speech, np.zeros((len(speech) - 1, COUNT)))
    with pytest.raises(ValueError, match="energy"):
        apply_expression(speech, np.zeros((len(speech), COUNT)), np.zeros(3))


def test_files_that_make_no_sense_are_refused():
    path = Path(expression.__file__).with_name("expressions.json")
    settings_ = json.loads(path.read_text(encoding="utf-8"))
    settings_["emotions"]["joy"]["articulation"]["mouthSmile"] = -0.5
    with pytest.raises(ValueError, match="joy pushes mouthSmile"):
        build_expressions(settings_, face_channels())
    settings_ = json.loads(path.read_text(encoding="utf-8"))
    settings_["emotions"]["joy"]["action_units"]["99"] = 0.5
    with pytest.raises(KeyError):
        build_expressions(settings_, face_channels())


def test_every_emotion_has_action_units_and_a_source():
    entries = json.loads(Path(expression.__file__).with_name("expressions.json").read_text(encoding="utf-8"))["emotions"]
    for name, entry in entries.items():
        assert entry["action_units"], name
        assert entry["source"], name


def test_voice_energy_of_a_long_sound_is_the_one_of_all_running_sums():
    """It reads in pieces of 2**18 samples; eight of them and a bit, to the last bit, and what it holds stays small."""
    rate, count = 16_000, 2 * (1 << 20) + 4_321
    sound = np.random.default_rng(3).standard_normal(count).astype(np.float32) * np.linspace(0, 0.2, count, dtype=np.float32)
    tracemalloc.start()
    energy = voice_energy(sound, rate, 50.0)
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held < 10e6  # all running sums at once took 50 MB
    rules = load_expressions()
    total = np.concatenate(([0.0], np.cumsum(np.square(sound.astype(np.float64)))))
    reach = round(rules.window_seconds / 2 * 50.0) * rate / 50.0
    centre = np.arange(int(count * 50.0 / rate + 1e-6)) * rate / 50.0
    first = np.clip(np.round(centre - reach), 0, count).astype(np.int64)
    last = np.clip(np.round(centre + reach), 0, count).astype(np.int64)
    level = 10.0 * np.log10(np.maximum((total[last] - total[first]) / (2.0 * reach), 1e-10))
    wanted = np.clip((level - rules.quiet_db) / (rules.loud_db - rules.quiet_db), 0.0, 1.0).astype(np.float32)
    assert np.array_equal(energy, wanted)


def test_a_long_face_is_moved_in_pieces_row_by_row():
    rng = np.random.default_rng(2)
    count = (1 << 15) + 77
    face = rng.uniform(0, 0.4, (count, len(RULES.names))).astype(np.float32)
    weights, energy = rng.uniform(0, 1, (count, COUNT)).astype(np.float32), rng.uniform(0, 1, count).astype(np.float32)
    whole = apply_expression(face, weights, energy)
    for rows in (slice(0, 300), slice((1 << 15) - 100, (1 << 15) + 50), slice(count - 5, count)):
        part = apply_expression(face[rows], weights[rows], energy[rows])
        assert np.abs(whole[rows] - part).max() < 1e-6
    assert whole.dtype == np.float32


def test_voice_energy():
    rate = 16000
    assert np.all(voice_energy(np.zeros(rate), rate, 50.0) == 0.0)
    tone = np.sin(np.arange(2 * rate) * 0.1)
    assert voice_energy(tone, rate, 50.0).shape == (100,)
    assert np.all(voice_energy(tone, rate, 50.0)[20:80] == 1.0)
    middle = voice_energy(0.02 * tone, rate, 50.0)[50]
    # A sine of amplitude 0.02 is at -37 dB.
    assert middle == pytest.approx((50.0 - 36.99) / 32.0, abs=0.01)
    # A frame that has only begun is one of silence behind the last sample.
    assert np.array_equal(voice_energy(tone, rate, 50.0, frame_count=101)[:100], voice_energy(tone, rate, 50.0))
    padded = np.pad(tone[:-100], (0, 100))
    assert np.array_equal(voice_energy(tone[:-100], rate, 50.0, frame_count=100), voice_energy(padded, rate, 50.0))
