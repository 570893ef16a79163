# SPDX-License-Identifier: GPL-3.0-or-later
"""A new recording of a line: the keys that somebody edited follow its words, and nothing else of theirs moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
import soundfile
from voxrig.animation.rig.mapping import Link, Mapping, Target

pytestmark = pytest.mark.usefixtures("registered")

MODEL = Path(__file__).resolve().parents[2] / "models" / "speech_fast"
HALVES = ("My mum made a big map", "for Bobby and Pam.")
TEXT = " ".join(HALVES)
CONTROLS = ("shape", "bone", "property")


def record(path: Path, words_per_minute: int, lead: float, pause: float) -> tuple[Path, list[float]]:
    """Let a voice say the line with silence before it and between its halves; returns the starts of its phones."""
    from voxrig.inference.espeak import speak

    parts, starts, at = [], [], lead
    for half in HALVES:
        sound, rate, phones = speak(half, "en", words_per_minute=words_per_minute)
        heard = sound[round(phones[0].start * rate) : round(phones[-1].end * rate)]
        parts += [np.zeros(round((lead if not parts else pause) * rate), np.int16), heard]
        starts += [at + phone.start - phones[0].start for phone in phones]
        at += heard.size / rate + pause
    soundfile.write(path, np.concatenate([*parts, np.zeros(round(0.5 * rate), np.int16)]), rate)
    return path, starts


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[Path, list[float]], tuple[Path, list[float]]]:
    """The line spoken quickly, and slowly with a late start and a long pause."""
    folder = tmp_path_factory.mktemp("recordings")
    return record(folder / "scratch.wav", 170, 0.3, 0.02), record(folder / "final.wav", 115, 0.8, 0.7)


@pytest.fixture
def rig(scene: Any, make_face: Any) -> Any:
    """A face whose jaw is a shape key, a bone and a custom property."""
    from voxrig.properties.links import store_mapping

    face = make_face("Face")
    arm = bpy.data.objects.new("Rig", bpy.data.armatures.new("Rig"))
    scene.collection.objects.link(arm)
    bpy.context.view_layer.objects.active = arm
    bpy.ops.object.mode_set(mode="EDIT")
    arm.data.edit_bones.new("jaw").tail = (0, 0, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    arm.pose.bones["jaw"].rotation_mode = "XYZ"
    arm["Open"] = 0.0
    targets = (
        Target("KEY", face.data.shape_keys.name, 'key_blocks["jawOpen"].value'),
        Target("OBJECT", "Rig", 'pose.bones["jaw"].rotation_euler', 0),
        Target("OBJECT", "Rig", '["Open"]'),
    )
    store_mapping(arm, Mapping(tuple(Link("jawOpen", target) for target in targets)))
    return arm


def curves_of(rig: Any) -> dict[str, Any]:
    from voxrig.blender import compat

    found = [*(compat.curves_of(rig) or ()), *(compat.curves_of(bpy.data.objects["Face"].data.shape_keys) or ())]
    kind = {'key_blocks["jawOpen"].value': "shape", 'pose.bones["jaw"].rotation_euler': "bone", '["Open"]': "property"}
    return {kind[curve.data_path]: curve for curve in found}


def add_key(curve: Any, frame: float, value: float) -> None:
    key = curve.keyframe_points.insert(frame, value)
    key.handle_left_type = key.handle_right_type = "FREE"
    key.handle_left, key.handle_right = (frame - 1.0, value - 0.05), (frame + 2.0, value + 0.1)


def key_at(curve: Any, value: float) -> Any:
    return next(key for key in curve.keyframe_points if key.co[1] == pytest.approx(value, abs=1e-5))


def animate_line(scene: Any, rig: Any, path: Path, start_frame: float, **settings: Any) -> Any:
    from voxrig.operators.animate import animate_character
    from voxrig.takes.record import SoundFile
    from voxrig.takes.settings import TakeSettings

    chosen = TakeSettings(**{"script": TEXT, "provider": "CPU", "life": 0.0, **settings})
    return animate_character(scene, rig, SoundFile(str(path), start_frame), MODEL, chosen)


def test_edited_keys_follow_the_words_of_a_new_recording(scene: Any, rig: Any, recordings: Any) -> None:
    from voxrig.properties.access import character_settings

    (scratch, old), (final, new) = recordings
    assert len(old) == len(new), "both say the same phones"
    fps = scene.render.fps / scene.render.fps_base
    animate_line(scene, rig, scratch, 10.0)
    # In the vowels of 'made', 'map' and 'Pam', and beside the take on both sides.
    phones = (5, 12, len(old) - 2)
    edited = {kind: round(10 + (old[at] + 0.02) * fps) for kind, at in zip(CONTROLS, phones, strict=True)}
    for number, (kind, curve) in enumerate(curves_of(rig).items()):
        add_key(curve, edited[kind], 0.61 + 0.01 * number)
        add_key(curve, -50.0, 0.31)
        add_key(curve, 400.0, 0.41)
    values = {kind: 0.61 + 0.01 * number for number, kind in enumerate(curves_of(rig))}

    bpy.ops.ed.undo_push(message="edited")
    take = animate_line(scene, rig, final, 20.0)
    bpy.ops.ed.undo_push(message="new recording")

    assert take.moved_count == take.kept_count == 3
    assert "3 edited ones kept, 3 of them moved with the words of the new recording" in take.summary("Rig")
    for kind in CONTROLS:
        key = key_at(curves_of(rig)[kind], values[kind])
        wanted = 20 + np.interp((edited[kind] - 10) / fps, old, new) * fps
        assert abs(key.co[0] - wanted) <= 2.0, (kind, key.co[0], wanted, edited[kind])
        assert key.co[0] == round(key.co[0])
        # The slow recording takes longer for the same sounds, and so do the handles.
        assert -3.0 < key.handle_left[0] - key.co[0] < -1.0 and 2.0 < key.handle_right[0] - key.co[0] < 6.0
        assert key.handle_right[1] == pytest.approx(values[kind] + 0.1, abs=1e-5)
        for frame, value in ((-50.0, 0.31), (400.0, 0.41)):
            key = key_at(curves_of(rig)[kind], value)
            assert tuple(key.co) == (frame, pytest.approx(value)) and key.handle_right[0] == frame + 2.0
    assert len(character_settings(rig).takes) == 1, "the recording replaces the scratch voice"
    assert all(key.co[0] > 12.0 for key in curves_of(rig)["shape"].keyframe_points if key.co[0] > -40.0)

    bpy.ops.ed.undo()
    for kind, curve in curves_of(bpy.data.objects["Rig"]).items():
        assert key_at(curve, values[kind]).co[0] == edited[kind]


def test_other_words_another_place_and_a_favourite_are_other_lines(scene: Any, rig: Any, recordings: Any) -> None:
    from voxrig.properties.access import character_settings

    (scratch, _), (final, _) = recordings
    animate_line(scene, rig, scratch, 10.0)
    shape = curves_of(rig)["shape"]
    add_key(shape, 30.0, 0.61)
    takes = character_settings(rig).takes

    assert animate_line(scene, rig, final, 500.0).moved_count == 0, "said twice in a scene"
    assert len(takes) == 2 and key_at(curves_of(rig)["shape"], 0.61).co[0] == 30.0
    assert animate_line(scene, rig, final, 10.0, script=f"{TEXT} Yes").moved_count == 0
    assert len(takes) == 3 and key_at(curves_of(rig)["shape"], 0.61).co[0] == 30.0
    takes[2].is_favourite = True
    assert animate_line(scene, rig, scratch, 10.0, script=f"{TEXT} Yes").moved_count == 0
    assert len(takes) == 4


def test_a_recording_in_the_place_of_a_muted_scratch_voice(scene: Any, rig: Any, recordings: Any, tmp_path: Path) -> None:
    from voxrig.blender import compat
    from voxrig.operators.script import speak_script
    from voxrig.properties.access import character_settings

    if not bpy.app.build_options.audaspace:
        pytest.skip("this Blender is built without sound: no strip can be made")
    settings = scene.voxrig
    settings.character, settings.script, settings.life = rig, TEXT, 0.0
    settings.model, settings.model_folder, settings.sound_source = "FOLDER", str(MODEL), "STRIP"
    (settings.strip,) = speak_script(scene, TEXT, "en", tmp_path)
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    words = {word.name: (word.start, word.end) for word in settings.words}
    edited = round(sum(words["map"]) / 2)
    add_key(curves_of(rig)["bone"], edited, 0.61)
    inside = (edited - words["map"][0]) / (words["map"][1] - words["map"][0])

    compat.sequencer_strips(scene)[0].mute = True
    settings.strip = compat.new_strips(scene).new_sound("final", str(recordings[1][0]), 2, 500).name
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    start, end = next((word.start, word.end) for word in settings.words if word.name == "map")
    assert start > 500.0 and key_at(curves_of(rig)["bone"], 0.61).co[0] == pytest.approx(
        start + inside * (end - start), abs=0.51
    )
    assert len(character_settings(rig).takes) == 1
    assert all(key.co[0] > 480.0 for key in curves_of(rig)["shape"].keyframe_points), "the scratch take is gone"


def test_lines_of_a_dialogue_are_replaced_although_listening_meets_their_edges(
    scene: Any, make_face: Any, recordings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from puppets import make_puppet
    from voxrig.blender import compat
    from voxrig.operators.dialogue import fill_dialogue, find_lines, find_listening, read_speakers
    from voxrig.operators.script import script_to_dialogue, speak_script
    from voxrig.properties.access import character_settings
    from voxrig.properties.takes import read_take
    from voxrig.takes.record import Listening

    if not bpy.app.build_options.audaspace:
        pytest.skip("this Blender is built without sound: no strip can be made")
    for number, name in enumerate(("Anna", "Bob")):
        make_puppet(make_face, scene, name, (2.0 * number, 0.0, 0.0))
    settings = scene.voxrig
    settings.character = bpy.data.objects["Anna"]
    settings.model, settings.model_folder = "FOLDER", str(MODEL)
    page = f"ANNA: {TEXT}\nBOB: Maybe before five."
    first, _ = speak_script(scene, page, "en", tmp_path)
    assert bpy.ops.voxrig.animate_dialogue() == {"FINISHED"}
    curve = compat.curves_of(bpy.data.objects["Anna Face"].data.shape_keys).find('key_blocks["jawOpen"].value')
    add_key(curve, 30.0, 0.61)

    strips = compat.sequencer_strips(scene)
    compat.new_strips(scene).remove(next(strip for strip in strips if strip.name == first))
    compat.new_strips(scene).new_sound("Anna 1", str(recordings[1][0]), 1, 1)
    fill_dialogue(scene)
    script_to_dialogue(scene, page)
    assert bpy.ops.voxrig.animate_dialogue() == {"FINISHED"}
    curve = compat.curves_of(bpy.data.objects["Anna Face"].data.shape_keys).find('key_blocks["jawOpen"].value')
    assert key_at(curve, 0.61).co[0] > 40.0, "the slower recording says that word later"
    listening = find_listening(scene, find_lines(scene, read_speakers(scene)))
    takes = [read_take(stored).sound for stored in character_settings(bpy.data.objects["Bob"]).takes]
    assert [one for one in takes if isinstance(one, Listening)] == [sound for item, sound in listening if item.name == "Bob"]
    # Anna now speaks through Bob's line, so nothing takes the place of what she did there.
    assert "'Anna' has takes of listening to lines as they were" in capsys.readouterr().out
