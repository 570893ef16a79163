# SPDX-License-Identifier: GPL-3.0-or-later
"""Dialogue: several strips, several characters, one go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import model_packages
import numpy as np
import pytest
import soundfile
from characters import choose
from file_state import fingerprint
from keyframes import all_keys
from operator_reports import reported
from voxrig.errors import AudioError, Cancelled, RigError

pytestmark = pytest.mark.usefixtures("registered")

LINES = (("anna_001", 1, 1), ("bob_001", 30, 2), ("anna_002", 70, 1), ("Reply", 95, 2))
"""Strip, first frame, channel: 30 to 49 and 95 to 118 two people speak at once."""


@pytest.fixture
def talk(scene: Any, make_face: Any, tmp_path: Path) -> Any:
    """Two characters and four strips of two seconds, each of another sound."""
    from voxrig.blender import compat

    if not bpy.app.build_options.audaspace:
        pytest.skip("this Blender is built without sound: no strip can be made")
    for i, (name, frame, channel) in enumerate(LINES):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, model_packages.noise(2.0, seed=i), model_packages.SAMPLE_RATE)
        compat.new_strips(scene).new_sound(name, str(path), channel, frame)
    return make_face("Anna"), make_face("Bob.001")


def settings_for(**changes: Any) -> Any:
    from voxrig.takes.settings import TakeSettings

    return TakeSettings(provider="CPU", life=0.0, **changes)


def test_each_speaker_is_animated_at_its_own_place(scene: Any, talk: Any, make_face: Any, model_folder: Path) -> None:
    from voxrig.operators.animate import animate_character
    from voxrig.operators.dialogue import animate_dialogue
    from voxrig.takes.record import SoundStrip

    anna, bob = talk
    progress: list[float] = []
    spoken = animate_dialogue(scene, {1: anna, "bob_001": bob, "Reply": bob}, model_folder, settings_for(), progress.append)
    assert [(line.strip, line.character, line.trouble) for line in spoken] == [
        ("anna_001", "Anna", ""),
        ("bob_001", "Bob.001", ""),
        ("anna_002", "Anna", ""),
        ("Reply", "Bob.001", ""),
    ]
    assert [line.take.sound_frames for line in spoken] == [(1, 49), (30, 78), (70, 118), (95, 143)]
    assert progress == sorted(progress) and progress[-1] == 1.0
    # Exactly what one makes line by line.
    for name, item, strips in (("Anna1", anna, ("anna_001", "anna_002")), ("Bob1", bob, ("bob_001", "Reply"))):
        other = make_face(name)
        for strip in strips:
            animate_character(scene, other, SoundStrip(strip), model_folder, settings_for())
        assert all_keys(other.data.shape_keys) == all_keys(item.data.shape_keys)
        assert [take.about for take in other.voxrig.takes] == [take.about for take in item.voxrig.takes]
        assert all(take.is_shown for take in item.voxrig.takes)


def test_one_bad_line_does_not_stop_the_rest(scene: Any, talk: Any, make_face: Any, model_folder: Path, tmp_path: Path) -> None:
    from voxrig.operators.dialogue import animate_dialogue

    anna, bob = talk
    (tmp_path / "anna_002.wav").unlink()
    (tmp_path / "bob_001.wav").write_bytes(b"RIFF this is no sound")
    spoken = animate_dialogue(scene, {1: anna, 2: bob, "Lost": bob, 7: anna}, model_folder, settings_for())
    assert [line.strip for line in spoken if line.take is not None] == ["anna_001", "Reply"]
    troubles = {line.strip: line.trouble for line in spoken if line.trouble}
    assert troubles.keys() == {"bob_001", "anna_002", "Lost", "Channel 7"}
    assert "bob_001" in troubles["bob_001"] and "missing" in troubles["anna_002"] and "no sound strip" in troubles["Lost"]
    before = fingerprint()
    with pytest.raises(RigError, match="No line of the dialogue can be animated"):
        animate_dialogue(scene, {"Lost": bob}, model_folder, settings_for())
    with pytest.raises(AudioError, match="choose who speaks"):
        animate_dialogue(scene, {}, model_folder, settings_for())
    assert fingerprint() == before


def test_a_muted_strip_is_not_spoken_by_its_channel(scene: Any, talk: Any, model_folder: Path) -> None:
    from voxrig.blender import sounds
    from voxrig.operators.dialogue import find_lines

    anna, bob = talk
    strips = {strip.name: strip for strip in sounds.list_sound_strips(scene)}
    strips["anna_001"].mute = True
    assert [line.strip for line in find_lines(scene, {1: anna, "bob_001": bob})] == ["bob_001", "anna_002"]
    assert [line.strip for line in find_lines(scene, {"anna_001": anna})] == ["anna_001"]


def test_esc_changes_nothing(scene: Any, talk: Any, model_folder: Path) -> None:
    from voxrig.operators.dialogue import animate_dialogue

    before = fingerprint()
    fractions: list[float] = []
    with pytest.raises(Cancelled):
        animate_dialogue(
            scene,
            {1: talk[0], 2: talk[1]},
            model_folder,
            settings_for(),
            fractions.append,
            lambda: bool(fractions) and fractions[-1] > 0.5,
        )
    assert fractions[-1] < 1.0 and fingerprint() == before


def test_speakers_are_guessed_by_name_and_channel(scene: Any, talk: Any) -> None:
    from voxrig.operators.dialogue import fill_dialogue, guess_speakers, list_characters

    anna, bob = talk
    plain = bpy.data.objects.new("Table", bpy.data.meshes.new("Table"))
    scene.collection.objects.link(plain)
    assert set(list_characters(scene)) == {anna, bob}
    # 'Reply' names nobody, but all other strips of its channel are Bob's.
    assert guess_speakers(scene, (anna, bob)) == {"anna_001": anna, "bob_001": bob, "anna_002": anna, "Reply": bob}
    assert fill_dialogue(scene) == 0
    assert [(line.strip, line.character) for line in scene.voxrig.dialogue] == [
        ("anna_001", anna),
        ("bob_001", bob),
        ("anna_002", anna),
        ("Reply", bob),
    ]
    scene.voxrig.dialogue[3].character = anna
    fill_dialogue(scene)
    assert scene.voxrig.dialogue[3].character == anna, "what a person has chosen stays"
    fill_dialogue(scene, by_channel=True)
    assert [(line.strip, line.channel, line.character) for line in scene.voxrig.dialogue] == [("", 1, anna), ("", 2, bob)]


def test_the_button_does_what_the_function_does_in_one_undo_step(
    scene: Any, talk: Any, make_face: Any, voice: Path, model_folder: Path, tmp_path: Path
) -> None:
    from voxrig.operators.dialogue import animate_dialogue

    choose(scene, None, voice, model_folder)
    assert not bpy.ops.voxrig.animate_dialogue.poll()
    bpy.ops.voxrig.fill_dialogue()
    spoken_by = {line.strip: line.character.name for line in scene.voxrig.dialogue}
    bpy.ops.ed.undo_push(message="Before")
    before = fingerprint()
    assert bpy.ops.voxrig.animate_dialogue() == {"FINISHED"}
    bpy.ops.ed.undo_push(message="Dialogue")
    scene = bpy.context.scene
    made = {name: all_keys(bpy.data.objects[name].data.shape_keys) for name in ("Anna", "Bob.001")}
    assert [len(bpy.data.objects[name].voxrig.takes) for name in made] == [2, 2]
    bpy.ops.ed.undo()
    assert fingerprint() == before
    scene = bpy.context.scene
    speakers = {strip: bpy.data.objects[name] for strip, name in spoken_by.items()}
    assert scene.voxrig.dialogue[0].character == speakers["anna_001"]
    animate_dialogue(scene, speakers, model_folder, settings_for())
    assert {name: all_keys(bpy.data.objects[name].data.shape_keys) for name in made} == made
    (tmp_path / "bob_001.wav").unlink()
    assert bpy.ops.voxrig.animate_dialogue() == {"FINISHED"}
    assert [bool(line.trouble) for line in scene.voxrig.dialogue] == [False, True, False, False]
    for path in tmp_path.glob("*.wav"):
        path.unlink()
    assert "No line of the dialogue" in reported(bpy.ops.voxrig.animate_dialogue)
    assert bpy.ops.voxrig.remove_line() == {"FINISHED"} and len(scene.voxrig.dialogue) == 3
    scene.sequence_editor_clear()
    assert "no sound strip" in reported(bpy.ops.voxrig.fill_dialogue)


def test_lines_become_strips_of_the_nla_as_well(scene: Any, talk: Any, model_folder: Path) -> None:
    from voxrig.operators.dialogue import animate_dialogue
    from voxrig.takes.settings import Scope

    animate_dialogue(scene, {1: talk[0], 2: talk[1]}, model_folder, settings_for(), scope=Scope(output="STRIP"))
    for item in talk:
        tracks = [track for track in item.data.shape_keys.animation_data.nla_tracks if track.name.startswith("Take")]
        assert len(tracks) == 2 and not any(track.mute for track in tracks)
        values = []
        for frame in range(1, 150):
            scene.frame_set(frame)
            keys = item.data.shape_keys.evaluated_get(bpy.context.evaluated_depsgraph_get())
            values.append(keys.key_blocks["jawOpen"].value)
        lines = [track.strips[0] for track in tracks]
        spoken = np.zeros(149, bool)
        for strip in lines:
            spoken[max(0, int(strip.frame_start) - 1) : int(strip.frame_end)] = True
        assert np.array(values)[spoken].max() > 0.1 and not np.array(values)[~spoken].any()


def test_the_command_line_animates_a_dialogue(
    scene: Any, talk: Any, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from voxrig.cli import main as cli
    from voxrig.operators.dialogue import animate_dialogue

    source, output = tmp_path / "scene.blend", tmp_path / "out.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(source), copy=True)
    animate_dialogue(scene, {1: talk[0], 2: talk[1]}, model_folder, settings_for())
    made = {item.name: all_keys(item.data.shape_keys) for item in talk}
    words = ["animate", "--blend", str(source), "--model", str(model_folder), "--provider", "cpu", "--output", str(output)]
    words += ["--life", "0"]
    for speakers in (["1=Anna", "bob_001=Bob.001", "Reply=Bob.001"], []):
        assert cli.main([*words, "--dialogue", *speakers]) == 0
        assert capsys.readouterr().out.count("animated from frame") == 4
        bpy.ops.wm.open_mainfile(filepath=str(output))
        assert {name: all_keys(bpy.data.objects[name].data.shape_keys) for name in made} == made
    (tmp_path / "Reply.wav").unlink()
    assert cli.main([*words, "--dialogue"]) == 2
    told = capsys.readouterr()
    assert told.out.count("animated from frame") == 3 and "'Reply'" in told.err
    assert cli.main([*words, "--dialogue", "1=Nobody"]) == 2
    assert cli.main([*words, "--dialogue", "--character", "Anna"]) == 2
