# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts in Blender: words of a take, correcting one, lines for strips, the scratch voice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import pytest
from voxrig.animation.script.subtitles import ScriptLine
from voxrig.animation.script.text import replace_word
from voxrig.errors import ScriptError

pytestmark = pytest.mark.usefixtures("registered")

SOUND = Path(__file__).resolve().parents[2] / "tools" / "demo" / "speech" / "demo.flac"
TEXT = "Bob's mum made a big pumpkin pie for the baby bumblebee. Vivian *waved* goodbye to five very fluffy wolfes."


def test_words_of_a_take_are_listed_corrected_and_marked(scene: Any, make_face: Any) -> None:
    from voxrig.operators.animate import animate_character
    from voxrig.properties.access import scene_settings
    from voxrig.takes.record import SoundFile
    from voxrig.takes.settings import TakeSettings

    face = make_face("Anna")
    settings = scene_settings(scene)
    models = Path(__file__).resolve().parents[2] / "models" / "speech_fast"
    settings.script = TEXT
    animate_character(scene, face, SoundFile(str(SOUND), 1.0), models, TakeSettings(script=TEXT, provider="CPU", life=0.0))
    words = settings.words
    assert [word.name for word in words][:3] == ["Bob's", "mum", "made"] and len(words) == 19
    fps = scene.render.fps / scene.render.fps_base
    assert abs(words[1].start - (1.0 + 0.6095 * fps)) < 0.06 * fps
    assert all(a.start <= b.start for a, b in zip(words, list(words)[1:], strict=False))
    assert settings.script == TEXT

    words[18].name = "wolves"
    assert settings.script == TEXT.replace("wolfes", "wolves")
    words[0].name = "Rob's"
    assert settings.script.startswith("Rob's mum")

    words[0].name = ""
    assert settings.script.startswith("Rob's mum")
    words[0].name = "Bob's"

    # A boundary is moved, and only the words around it are found elsewhere; the model need not run.
    before = [word.start for word in words]
    words[4].start = before[4] + 2.0
    assert "a [at " in settings.script and "] big" in settings.script
    settings.character = face
    assert bpy.ops.voxrig.update_take(use_sliders=True) == {"FINISHED"}
    after = [word.start for word in settings.words]
    assert [word.name for word in settings.words][4] == "big" and after[4] == pytest.approx(before[4] + 2.0, abs=0.001 * fps)
    assert after[8:] == pytest.approx(before[8:], abs=0.01)
    assert settings.words[4].seconds == pytest.approx((after[4] - 1.0) / fps, abs=1e-3)

    scene.timeline_markers.new("mine", frame=3)
    assert bpy.ops.voxrig.word_markers() == {"FINISHED"}
    assert bpy.ops.voxrig.word_markers() == {"FINISHED"}
    assert [marker.name for marker in scene.timeline_markers].count('"mum"') == 1
    assert "mine" in scene.timeline_markers


def test_a_character_animates_its_own_lines_of_a_scene_in_one_sound(scene: Any, make_face: Any) -> None:
    from voxrig.operators.animate import animate_character
    from voxrig.takes.record import SoundFile, read_record
    from voxrig.takes.settings import TakeSettings

    models = Path(__file__).resolve().parents[2] / "models" / "speech_fast"
    first, second = TEXT.replace("*", "").replace("wolfes", "wolves").split(". ")
    settings = TakeSettings(script=f"ANNA: {first}.\nBOB: {second}", provider="CPU", life=0.0)
    fps = scene.render.fps / scene.render.fps_base
    jaws: list[list[float]] = []
    for name in ("Anna", "Bob.001"):
        face = make_face(name)
        take = animate_character(scene, face, SoundFile(str(SOUND), 1.0), models, settings)
        from voxrig.properties.takes import active_take

        assert read_record(active_take(face).record).settings.speaker == name[:4].strip(".").upper()
        column = next(i for i, target in enumerate(take.dense.targets) if "jawOpen" in target.data_path)
        values, frames = take.dense.values[:, column], take.dense.frames
        inside = [(frames > 1 + low * fps) & (frames < 1 + high * fps) for low, high in ((0.5, 3.5), (4.4, 6.9))]
        jaws.append([float(abs(values[rows]).max()) for rows in inside])
    assert jaws[0][0] > 0.1 > 0.02 > jaws[0][1] and jaws[1][1] > 0.1 > 0.02 > jaws[1][0], jaws


def test_phrases_and_accents_are_marked_on_request(scene: Any, make_face: Any) -> None:
    from voxrig.operators.animate import animate_character
    from voxrig.properties.access import scene_settings
    from voxrig.takes.record import SoundFile
    from voxrig.takes.settings import TakeSettings

    face = make_face("Anna")
    scene_settings(scene).character = face
    assert not bpy.ops.voxrig.speech_markers.poll()
    models = Path(__file__).resolve().parents[2] / "models" / "speech_fast"
    animate_character(scene, face, SoundFile(str(SOUND), 1.0), models, TakeSettings(provider="CPU", life=1.0))
    scene.timeline_markers.new("v:accent", frame=-40)
    for _again in range(2):
        assert bpy.ops.voxrig.speech_markers() == {"FINISHED"}
        names = [marker.name for marker in sorted(scene.timeline_markers, key=lambda marker: marker.frame)]
        assert names.count("v:phrase") == names.count("v:pause") >= 2
        assert 3 <= names.count("v:accent") - 1 <= 25
    spoken = [marker.frame for marker in scene.timeline_markers if marker.name == "v:phrase"]
    assert min(spoken) == pytest.approx(1 + 0.2 * 24, abs=6)
    assert bpy.ops.voxrig.clear_phone_markers() == {"FINISHED"}
    assert [(marker.name, marker.frame) for marker in scene.timeline_markers] == [("v:accent", -40)]


def test_a_word_is_replaced_where_it_stands() -> None:
    text = "[angry 0.6] Well, *never* mind\u2014that that. (whispers) Go!"
    assert replace_word(text, 0, "Oh") == text.replace("Well", "Oh")
    assert replace_word(text, 4, "this") == "[angry 0.6] Well, *never* mind\u2014that this. (whispers) Go!"
    assert replace_word(text, 5, "Stay") == text.replace("Go", "Stay")
    with pytest.raises(ScriptError, match="number 9"):
        replace_word(text, 8, "x")


def test_lines_go_to_strips_by_speaker_order_and_time() -> None:
    from voxrig.operators.script import assign_lines

    strips = [("a1", "Anna", 0.0, 2.0), ("b1", "Bob.001", 2.0, 4.0), ("a2", "Anna", 4.0, 6.0)]
    lines = [ScriptLine("Hi", "ANNA"), ScriptLine("Bye", "ANNA (O.S.)"), ScriptLine("Hm", "Bob")]
    assert assign_lines(lines, strips) == {"a1": 0, "a2": 1, "b1": 2}
    timed = [ScriptLine("x", "", 4.5, 5.0), ScriptLine("y", "", 0.5, 1.0), ScriptLine("z", "", 90.0, 91.0)]
    assert assign_lines(timed, strips) == {"a2": 0, "a1": 1}
    assert assign_lines([ScriptLine("x"), ScriptLine("y")], strips) == {"a1": 0, "b1": 1}


def test_a_scene_is_spoken_by_scratch_voices_into_strips(scene: Any, make_face: Any, tmp_path: Path) -> None:
    from voxrig.operators.script import script_to_dialogue, speak_script
    from voxrig.properties.access import scene_settings

    if not bpy.app.build_options.audaspace:
        pytest.skip("this Blender is built without sound: no strip can be made")
    anna, bob = make_face("Anna"), make_face("Bob.001")
    text = "ANNA: My map, please.\nBOB: (sighs) *Maybe* before five.\nANNA: Bob!"
    names = speak_script(scene, text, "en", tmp_path / "scratch voice")
    assert len(names) == 3 and len(list((tmp_path / "scratch voice").glob("*.wav"))) == 3
    lines = {line.strip: line for line in scene_settings(scene).dialogue}
    assert [lines[name].character for name in names] == [anna, bob, anna]
    assert lines[names[1]].script == "(sighs) *Maybe* before five."
    for line in lines.values():
        line.script = ""
    assert script_to_dialogue(scene, text) == (3, 3)
    assert lines[names[0]].script == "" or scene_settings(scene).dialogue[0].script == "My map, please."
    with pytest.raises(ScriptError, match="no words"):
        speak_script(scene, "", "en", tmp_path)


def test_a_script_is_read_from_a_text_or_a_file(scene: Any, tmp_path: Path) -> None:
    from voxrig.properties.access import scene_settings

    bpy.data.texts.new("page").from_string("ANNA: Hello.\nBob: Bye.\n")
    assert bpy.ops.voxrig.read_script(text="page") == {"FINISHED"}
    assert scene_settings(scene).script.startswith("ANNA: Hello.")
    path = tmp_path / "line.srt"
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\nGood morning.\n", encoding="utf-8")
    assert bpy.ops.voxrig.read_script(filepath=str(path)) == {"FINISHED"}
    assert scene_settings(scene).script == "Good morning."
    with pytest.raises(RuntimeError, match="cannot be read"):
        bpy.ops.voxrig.read_script(filepath=str(tmp_path / "missing.txt"))
