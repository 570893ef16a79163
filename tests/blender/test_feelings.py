# SPDX-License-Identifier: GPL-3.0-or-later
"""Emotions from the voice as keys of the sliders: sparse, beside the artist's own keys, and written again by another press."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np
import pytest
import soundfile
from voxrig.blender import compat
from voxrig.errors import VoxrigError
from voxrig.operators.feeling import write_feelings
from voxrig.properties.models import offer_emotions, shown_emotions
from voxrig.properties.settings import read_settings

RATE = 16_000


def voice(seconds: float, pitch: float, wobble: float, brightness: float) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    f0 = pitch * 2 ** (wobble * np.sin(2 * np.pi * 0.7 * time) / 12)
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    tone = sum(np.sin(k * phase) * k ** (brightness - 1.5) for k in range(1, 20))
    sound = tone * np.clip(np.sin(2 * np.pi * 2.2 * time) + 0.4, 0.02, 1.0)
    return (0.08 * sound / np.sqrt(np.mean(sound**2))).astype(np.float32)


@pytest.fixture
def scene(registered: None, tmp_path: Path) -> Iterator[bpy.types.Scene]:
    sound = np.concatenate([voice(6.0, 110.0, 1.0, 0.0), np.zeros(RATE // 2, np.float32), voice(4.0, 230.0, 5.0, 1.0)])
    soundfile.write(tmp_path / "line.wav", sound, RATE)
    scene = bpy.context.scene
    scene.animation_data_clear()
    scene.voxrig.sound_source = "FILE"
    scene.voxrig.sound_file = str(tmp_path / "line.wav")
    offer_emotions(scene.voxrig)
    yield scene
    scene.animation_data_clear()


def keys_of(scene: bpy.types.Scene) -> dict[str, list[tuple[float, float]]]:
    paths = {slider.path_from_id("weight"): slider.name for slider in shown_emotions(scene.voxrig)}
    return {
        paths[curve.data_path]: [(key.co.x, round(key.co.y, 4)) for key in curve.keyframe_points]
        for curve in compat.curves_of(scene) or ()
        if curve.data_path in paths and len(curve.keyframe_points)
    }


def test_a_press_writes_few_keys_and_a_second_one_the_same(scene: bpy.types.Scene) -> None:
    count = write_feelings(scene)
    keys = keys_of(scene)
    assert count == sum(map(len, keys.values())) and 0 < count < 40
    assert max(weight for track in keys.values() for _, weight in track) > 0.3
    assert write_feelings(scene) == count and keys_of(scene) == keys
    assert write_feelings(scene, amount=0.5) > 0
    assert max(weight for track in keys_of(scene).values() for _, weight in track) <= 0.5


def test_the_artists_keys_stay(scene: bpy.types.Scene) -> None:
    write_feelings(scene)
    name = next(iter(keys_of(scene)))
    slider = scene.voxrig.emotions[name]
    slider.weight = 0.77
    slider.keyframe_insert("weight", frame=30)
    write_feelings(scene, smoothing_seconds=1.0)
    track = keys_of(scene)[name]
    assert (30.0, 0.77) in track
    assert not [frame for frame, _ in track if frame != 30.0 and abs(frame - 30.0) <= 3.0]


def test_a_neutral_voice_writes_nothing(scene: bpy.types.Scene, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(2 * RATE, np.float32), RATE)
    scene.voxrig.sound_file = str(tmp_path / "silent.wav")
    with pytest.raises(VoxrigError, match="heard as neutral"):
        write_feelings(scene)
    assert keys_of(scene) == {}


def test_the_calm_voice_of_a_character_is_what_its_feelings_are_heard_beside(scene: bpy.types.Scene, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "calm.wav", voice(6.0, 110.0, 1.0, 0.0), RATE)
    soundfile.write(tmp_path / "loud.wav", voice(6.0, 230.0, 5.0, 1.0), RATE)
    scene.voxrig.sound_file = str(tmp_path / "loud.wav")
    character = bpy.data.objects.new("Anna", bpy.data.meshes.new("Anna"))
    scene.voxrig.character = character
    try:
        with pytest.raises(VoxrigError, match="nosuch"):
            character.voxrig.calm = str(tmp_path / "nosuch.wav")
            write_feelings(scene)
        assert read_settings(scene).calm == str(tmp_path / "nosuch.wav") and not keys_of(scene)
        found = []
        for own in ("calm", "loud"):
            character.voxrig.calm = str(tmp_path / f"{own}.wav")
            try:
                write_feelings(scene)
            except VoxrigError:
                scene.animation_data_clear()
            found.append(max((weight for track in keys_of(scene).values() for _, weight in track), default=0.0))
        assert found[0] > 0.3 > found[1], "beside itself a voice is calm"
    finally:
        bpy.data.objects.remove(character)
