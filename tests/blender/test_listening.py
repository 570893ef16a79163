# SPDX-License-Identifier: GPL-3.0-or-later
"""Dialogue: who speaks looks at whom it talks to, and who is silent looks at who speaks, blinks, nods and keeps its mouth."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from puppets import make_puppet, write_line
from voxrig.blender import compat
from voxrig.operators.dialogue import animate_dialogue, find_lines, find_listening
from voxrig.operators.takes import update_take
from voxrig.takes.record import Listening, read_record
from voxrig.takes.settings import TakeSettings

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def talk(scene: Any, make_face: Any, tmp_path: Path) -> tuple[Any, Any]:
    """Two puppets that face each other with one to the own right of the other; Ann says 8 s, then Bob, then Ann again."""
    if not bpy.app.build_options.audaspace:
        pytest.skip("this Blender is built without sound: no strip can be made")
    sound = write_line(tmp_path / "line.wav")
    scene.sequence_editor_create()
    strips = compat.new_strips(scene)
    for name, channel, frame in (("ann 1", 1, 1), ("bob 1", 2, 220), ("ann 2", 1, 440)):
        strips.new_sound(name, str(sound), channel, frame)
    ann = make_puppet(make_face, scene, "Ann")
    return ann, make_puppet(make_face, scene, "Bob", (-1.0, -1.0, 0.0), math.pi / 4)


def values_of(item: Any, path: str, index: int, frames: range) -> np.ndarray:
    """Return an F-Curve of an object at frames."""
    action = item.animation_data.action
    curve = next(one for one in compat.action_curves(action, item) if (one.data_path, one.array_index) == (path, index))
    return np.array([curve.evaluate(frame) for frame in frames])


def test_stretches_of_silence_are_found(scene: Any, talk: Any) -> None:
    ann, bob = talk
    lines = find_lines(scene, {1: ann, 2: bob})
    found = [(item.name, heard.strips, heard.start_frame, heard.end_frame) for item, heard in find_listening(scene, lines)]
    assert found == [("Ann", ("bob 1",), 194.0, 439.0), ("Bob", ("ann 1",), 1.0, 219.0), ("Bob", ("ann 2",), 413.0, 632.0)]


def test_who_is_silent_listens(scene: Any, talk: Any, model_folder: Path) -> None:
    ann, bob = talk
    settings = TakeSettings(provider="CPU", life_seed=2)
    spoken = animate_dialogue(scene, {1: ann, 2: bob}, model_folder, settings)
    assert [(line.strip, bool(line.take), line.trouble) for line in spoken] == [
        ("ann 1", True, ""),
        ("bob 1", True, ""),
        ("ann 2", True, ""),
    ]
    records = [read_record(take.record) for take in bob.voxrig.takes]
    assert [type(record.sound).__name__ for record in records] == ["SoundStrip", "Listening", "Listening"]
    assert records[0].settings.look_at == "Ann"
    assert records[1].sound == Listening(("ann 1",), ("Ann",), 1.0, 219.0)
    face = bpy.data.objects["Bob Face"]
    shut = values_of(face.data.shape_keys, 'key_blocks["eyeBlinkLeft"].value', 0, range(2, 215))
    blinks = np.flatnonzero((shut[1:] > 0.9) & (shut[:-1] <= 0.9)).size
    assert 1 <= blinks <= 6, "8 to 20 a minute, and some"
    lips = values_of(face.data.shape_keys, 'key_blocks["mouthPucker"].value', 0, range(2, 200))
    assert np.ptp(lips) < 0.1, "the mouth rests"
    smile = values_of(face.data.shape_keys, 'key_blocks["mouthSmileLeft"].value', 0, range(2, 200))
    assert 0.01 < np.ptp(smile) < 0.4, "and its corners live"
    # Ann is straight ahead of neither: Bob's eyes are 45 degrees off, to its own left, and so is its head in part.
    yaw = values_of(bob, 'pose.bones["head"].rotation_euler', 1, range(30, 200))
    away = values_of(face.data.shape_keys, 'key_blocks["eyeLookOutLeft"].value', 0, range(30, 200))
    assert np.abs(yaw).mean() > math.radians(5.0) or away.mean() > 0.2
    update_take(scene, bob, bob.voxrig.takes[1].name)
    again = values_of(face.data.shape_keys, 'key_blocks["eyeBlinkLeft"].value', 0, range(2, 215))
    assert np.abs(again - shut)[15:-15].max() < 1e-4, "the fades are the same but for rounding"


def test_nobody_listens_without_life(scene: Any, talk: Any, model_folder: Path) -> None:
    ann, bob = talk
    for settings in ({"life": 0.0}, {"life_listening": 0.0}):
        animate_dialogue(scene, {1: ann, 2: bob}, model_folder, TakeSettings(provider="CPU", **settings))
        assert all(not isinstance(read_record(take.record).sound, Listening) for take in bob.voxrig.takes)


def test_where_a_character_begins_to_listen_nothing_jumps(scene: Any, talk: Any, model_folder: Path) -> None:
    ann, bob = talk
    animate_dialogue(scene, {1: ann, 2: bob}, model_folder, TakeSettings(provider="CPU", life_seed=2))
    head = values_of(ann, 'pose.bones["head"].rotation_euler', 0, range(1, 620))
    steps = np.abs(np.diff(head))
    assert steps[185:200].max() < max(0.02, 1.5 * np.quantile(steps, 0.98))
