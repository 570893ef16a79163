# SPDX-License-Identifier: GPL-3.0-or-later
"""Emotions over time: points, intensity, a range with cross-fades, and presets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from voxrig.animation.face.emotions import (
    EmotionPreset,
    bundled_emotion_presets,
    emotion_weights,
    preset_from_json,
    preset_to_json,
    range_weights,
    sample_emotion,
)
from voxrig.animation.face.expression import apply_expression, voice_energy
from voxrig.errors import VoxrigError
from voxrig.inference.audio import read_sound
from voxrig.inference.generate import generate_curves
from voxrig.inference.package import load_package
from voxrig.inference.session import open_session

ROOT = Path(__file__).resolve().parents[2]
FRAMES = np.arange(0.0, 101.0)


def test_points_are_joined_and_held() -> None:
    assert sample_emotion(0.4, [1, 50]).tolist() == [0.4, 0.4]
    assert sample_emotion([(20, 1.0), (10, 0.0)], [0, 10, 15, 20, 99]) == pytest.approx([0.0, 0.0, 0.5, 1.0, 1.0])
    assert sample_emotion([], [1.0, 2.0]).tolist() == [0.0, 0.0]


def test_a_range_cuts_and_neighbouring_ranges_cross() -> None:
    hard = range_weights(FRAMES, 30, 60, 0.0)
    assert hard[30:61].min() == 1.0 and hard[:30].max() == 0.0 and hard[61:].max() == 0.0
    soft = range_weights(FRAMES, 30, 60, 10.0)
    assert soft[30] == soft[60] == 0.5 and soft[25] == 0.0 and soft[35] == soft[55] == 1.0
    assert np.all(np.diff(soft[25:36]) > 0) and np.all(np.diff(soft[55:66]) < 0)
    before, after = range_weights(FRAMES, None, 50, 20.0), range_weights(FRAMES, 50, None, 20.0)
    assert before + after == pytest.approx(np.ones(FRAMES.size))


def test_intensity_scales_the_whole_mix() -> None:
    mix = {"joy": 0.5, "anger": [(0.0, 0.0), (100.0, 1.0)]}
    full = emotion_weights(mix, ("anger", "fear", "joy"), FRAMES)
    assert full.dtype == np.float32 and full.shape == (101, 3)
    assert full[:, 2] == pytest.approx(0.5) and not full[:, 1].any() and full[50, 0] == pytest.approx(0.5)
    half = emotion_weights(mix, ("anger", "fear", "joy"), FRAMES, intensity=0.5)
    assert half == pytest.approx(0.5 * full)
    coming = emotion_weights(mix, ("joy",), FRAMES, intensity=[(0, 0.0), (50, 1.0)], last_frame=80)
    assert coming[[0, 25, 50, 80, 81], 0] == pytest.approx([0.0, 0.25, 0.5, 0.5, 0.0])


def test_presets_are_read_back_and_damaged_ones_refused() -> None:
    preset = EmotionPreset("Mild Joy", {"joy": 0.3})
    assert preset_from_json(preset_to_json(preset)) == preset
    for text, problem in (
        ("{", "damaged"),
        ("[]", "not an emotion preset"),
        (preset_to_json(preset).replace('"version": 1', '"version": 9'), "version 1"),
        (preset_to_json(EmotionPreset("", {})), "lacks its name"),
        (preset_to_json(EmotionPreset("Rage", {"anger": 2.0})), "not one from 0 to 1"),
        (preset_to_json(preset).replace("0.3", '"much"'), "not one from 0 to 1"),
    ):
        with pytest.raises(VoxrigError, match=problem):
            preset_from_json(text)


def test_the_presets_that_ship_go_with_the_model_that_ships() -> None:
    presets = bundled_emotion_presets()
    names = {preset.name for preset in presets}
    assert names >= {"Happy", "Sad", "Angry", "Scared", "Disgusted", "Surprised", "Tired", "Sarcastic"}
    emotions = set(load_package(ROOT / "models" / "speech").emotions)
    for preset in presets:
        assert preset.weights and set(preset.weights) <= emotions


def test_rules_on_neutral_channels_are_what_the_graph_gives() -> None:
    package = load_package(ROOT / "models" / "speech")
    assert package.expression_rules
    session = open_session(package, "CPU")
    sound = read_sound(ROOT / "tools" / "demo" / "speech" / "demo.flac", package.sample_rate)
    neutral = generate_curves(session, sound)
    weights = np.random.default_rng(2).random((neutral.frame_count, len(package.emotions))).astype(np.float32)
    samples = np.pad(sound.samples, (0, neutral.frame_count * package.hop - sound.samples.size))
    energy = voice_energy(samples, package.sample_rate, package.frame_rate)
    for emotion in (weights, np.broadcast_to(weights[0], weights.shape)):
        graph = generate_curves(session, sound, emotion).values
        assert np.abs(graph - neutral.values).max() > 0.3
        np.testing.assert_allclose(apply_expression(neutral.values, emotion, energy), graph, atol=1e-4)
