# SPDX-License-Identifier: GPL-3.0-or-later
"""Sliders: dragging moves keys and is settled exactly, emotions need no second run, presets, and looking at a frame."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy
import model_packages
import numpy as np
import pytest
import soundfile
from characters import choose
from demo_speech import MODEL, SPEECH
from file_state import fingerprint
from keyframes import all_keys, edit_key, evaluate, path_of
from operator_reports import reported
from voxrig.animation.face.expression import load_expressions
from voxrig.errors import VoxrigError

pytestmark = pytest.mark.usefixtures("registered")

CHANNELS = model_packages.CHANNELS
FRAMES = np.arange(1, 50)
TOLERANCE = 0.01


@pytest.fixture
def dragging() -> Iterator[None]:
    """Sliders are followed as in a window, where keys are only moved while one is dragged."""
    from voxrig.operators import live
    from voxrig.properties.session import session

    def follow(scene: Any) -> bool:
        return live.drag(scene) or live.place_again(scene)

    before = session.on_slider, session.on_emotion
    session.on_slider = session.on_emotion = follow
    yield
    session.on_slider, session.on_emotion = before


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """Three seconds of the demo's speech."""
    samples, rate = soundfile.read(SPEECH)
    path = tmp_path / "speech.wav"
    soundfile.write(path, samples[: 3 * rate], rate)
    return path


def fresh_take(scene: Any, face: Any) -> dict[str, dict[float, bytes]]:
    """Make the first take of a face with the scene's settings, and return its keys."""
    scene.voxrig.character = face
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    return all_keys(face.data.shape_keys)


def shown(face: Any) -> np.ndarray:
    return np.stack([evaluate(face.data.shape_keys, channel, FRAMES) for channel in CHANNELS], axis=1)


# Dragging


def test_a_dragged_take_is_nearly_and_a_settled_one_exactly_what_generating_gives(
    scene: Any, make_face: Callable[..., Any], voice: Path, model_folder: Path, dragging: None
) -> None:
    from voxrig.operators import live

    face, plain = make_face("Face"), make_face("Plain")
    settings = choose(scene, face, voice, model_folder)
    bpy.ops.voxrig.animate_from_audio()
    frames_of_keys = {path: sorted(keys) for path, keys in all_keys(face.data.shape_keys).items()}
    for amount in np.linspace(1.0, 0.6, 9):
        settings.strength = amount
        settings.jaw_strength = 2.0 - amount
        settings.brows_offset = 0.2 * amount
    stored = face.voxrig.takes[0]
    assert stored.is_draft
    assert {path: sorted(keys) for path, keys in all_keys(face.data.shape_keys).items()} == frames_of_keys
    dragged = shown(face)
    live.settle(scene)
    assert not stored.is_draft and json.loads(stored.record)["settings"]["strength"] == pytest.approx(0.6)
    settled = all_keys(face.data.shape_keys)
    assert np.abs(dragged - shown(face)).max() < 8 * TOLERANCE
    assert settled == fresh_take(scene, plain)


def test_what_is_dragged_is_seen_at_once(scene: Any, face: Any, voice: Path, model_folder: Path, dragging: None) -> None:
    from voxrig.operators import live

    settings = choose(scene, face, voice, model_folder)
    bpy.ops.voxrig.animate_from_audio()
    scene.frame_set(20)
    depsgraph = bpy.context.evaluated_depsgraph_get()

    def seen() -> float:
        bpy.context.view_layer.update()
        return float(face.evaluated_get(depsgraph).data.shape_keys.key_blocks["jawOpen"].value)

    before = seen()
    settings.strength = 0.5
    assert face.voxrig.takes[0].is_draft and seen() == pytest.approx(0.5 * before, abs=3 * TOLERANCE)
    live.place_again(scene)
    settings.live_update = False
    assert seen() == pytest.approx(0.5 * before, abs=3 * TOLERANCE)
    settings.live_update, settings.keys = True, "EVERY"
    settings.strength = 1.0
    live.place_again(scene)
    assert seen() == pytest.approx(before, abs=2 * TOLERANCE)


def test_dragging_never_touches_the_artists_keys(
    scene: Any, face: Any, voice: Path, model_folder: Path, dragging: None
) -> None:
    from voxrig.operators import live

    settings = choose(scene, face, voice, model_folder)
    bpy.ops.voxrig.animate_from_audio()
    keys = face.data.shape_keys
    moved = edit_key(keys, "jawOpen", 20, 0.95)
    theirs = all_keys(keys)[path_of("jawOpen")][moved]
    for amount in (0.9, 0.8, 0.7):
        settings.strength = amount
        assert all_keys(keys)[path_of("jawOpen")][moved] == theirs
    assert face.voxrig.takes[0].is_draft
    near = evaluate(keys, "jawOpen", np.array([moved - 1, moved, moved + 1]))
    assert near[1] == pytest.approx(0.95, abs=1e-5) and np.abs(near - 0.95).max() < 0.3
    # Edited in the middle of dragging.
    other = edit_key(keys, "mouthPucker", 30, 0.9)
    also = all_keys(keys)[path_of("mouthPucker")][other]
    for amount in (0.65, 0.6):
        settings.strength = amount
    live.settle(scene)
    after = all_keys(keys)
    assert after[path_of("jawOpen")][moved] == theirs and after[path_of("mouthPucker")][other] == also
    assert scene.voxrig.replace_edited is False


def test_a_drag_that_the_keys_cannot_follow_places_them_anew(
    scene: Any, face: Any, voice: Path, model_folder: Path, dragging: None
) -> None:
    settings = choose(scene, face, voice, model_folder)
    settings.strength = 0.0
    bpy.ops.voxrig.animate_from_audio()
    assert all(len(keys) == 2 for keys in all_keys(face.data.shape_keys).values())
    settings.strength = 1.0
    assert np.ptp(shown(face)[:, 0]) > 0.1 and not face.voxrig.takes[0].is_draft
    settings.strength = 0.9
    assert face.voxrig.takes[0].is_draft
    # Moving keys does not change where they are.
    settings.keys = "EVERY"
    assert not face.voxrig.takes[0].is_draft
    assert sorted(all_keys(face.data.shape_keys)[path_of("jawOpen")]) == list(range(-5, 58))  # rest included


def test_locked_curves_stay_while_the_others_follow(
    scene: Any, face: Any, voice: Path, model_folder: Path, dragging: None
) -> None:
    from voxrig.blender import compat

    settings = choose(scene, face, voice, model_folder)
    bpy.ops.voxrig.animate_from_audio()
    keys = face.data.shape_keys
    compat.curves_of(keys).find(path_of("jawOpen")).lock = True
    before = all_keys(keys)
    settings.strength = 0.7
    assert face.voxrig.takes[0].is_draft
    assert all_keys(keys)[path_of("jawOpen")] == before[path_of("jawOpen")]
    assert all_keys(keys)[path_of("mouthPucker")] != before[path_of("mouthPucker")]


def test_undo_redo_and_saving_finish_a_draft(
    scene: Any, face: Any, voice: Path, model_folder: Path, dragging: None, tmp_path: Path
) -> None:
    def state() -> tuple[dict[str, Any], bool, float]:
        face = bpy.data.objects["Face"]
        return all_keys(face.data.shape_keys), face.voxrig.takes[0].is_draft, bpy.context.scene.voxrig.strength

    settings = choose(scene, face, voice, model_folder)
    bpy.ops.ed.undo_push(message="Start")
    bpy.ops.voxrig.animate_from_audio()
    bpy.ops.ed.undo_push(message="Animate")
    first = state()
    for amount in (0.9, 0.8, 0.7):
        settings.strength = amount
    bpy.ops.ed.undo_push(message="Drag")  # as Blender does when the slider is let go
    assert state()[1]
    bpy.ops.ed.undo()
    assert state() == first
    bpy.ops.ed.redo()
    settled, is_draft, strength = state()
    assert not is_draft and strength == pytest.approx(0.7) and settled != first[0]
    scene = bpy.context.scene
    scene.voxrig.strength = 0.65
    assert state()[1]
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert not state()[1]
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    keys, is_draft, strength = state()
    assert not is_draft and strength == pytest.approx(0.65)
    scene = bpy.context.scene
    other = bpy.data.objects["Face"].copy()
    other.data = other.data.copy()
    other.data.shape_keys.animation_data_clear()
    other.voxrig.takes.clear()
    scene.collection.objects.link(other)
    assert fresh_take(scene, other) == keys


# Emotions


def test_emotions_of_the_speech_model_follow_without_running_it(
    scene: Any, make_face: Callable[..., Any], speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voxrig.takes import hearing, sources

    names = load_expressions().names
    face, plain = make_face("Face", names), make_face("Plain", names)
    settings = choose(scene, face, speech, MODEL)
    bpy.ops.voxrig.animate_from_audio()
    neutral = all_keys(face.data.shape_keys)
    with monkeypatch.context() as patched:
        patched.setattr(sources, "generate_all", None)
        patched.setattr(sources, "open_sound", None)
        settings.emotions["joy"].weight = 0.8
        settings.emotions["surprise"].weight = 0.3
        settings.emotion_intensity = 0.5
        settings.emotion_first, settings.emotion_last, settings.emotion_fade = 20, 50, 6.0
        settings.use_emotion_range = True
    joyful = all_keys(face.data.shape_keys)
    hearing.forget_heard()
    assert fresh_take(scene, plain) == joyful
    smile = evaluate(face.data.shape_keys, "mouthSmileLeft", np.arange(1, 73))
    other = make_face("Neutral", names)
    settings.emotion_intensity = 0.0
    assert fresh_take(scene, other) == neutral
    difference = np.abs(smile - evaluate(other.data.shape_keys, "mouthSmileLeft", np.arange(1, 73)))
    assert difference[:15].max() < 2 * TOLERANCE and difference[55:].max() < 2 * TOLERANCE
    assert difference[25:40].min() > 0.08


def test_a_keyed_intensity_comes_and_goes(scene: Any, make_face: Callable[..., Any], speech: Path) -> None:
    names = load_expressions().names
    face = make_face("Face", names)
    settings = choose(scene, face, speech, MODEL)
    settings.emotions["joy"].weight = 1.0
    for frame, amount in ((1, 0.0), (30, 0.0), (40, 1.0)):
        settings.emotion_intensity = amount
        settings.keyframe_insert("emotion_intensity", frame=frame)
    bpy.ops.voxrig.animate_from_audio()
    smile = evaluate(face.data.shape_keys, "mouthSmileLeft", np.arange(1, 73))
    assert smile[:28].max() + 0.2 < smile[42:].min()
    record = json.loads(face.voxrig.takes[0].record)
    assert len(record["settings"]["emotion_intensity"]) == 40


def test_presets_are_saved_applied_and_removed(
    scene: Any, make_face: Callable[..., Any], speech: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from voxrig.operators import emotions, live

    monkeypatch.setattr(emotions, "_user_folder", lambda *, create=False: tmp_path)
    names = load_expressions().names
    face, plain = make_face("Face", names), make_face("Plain", names)
    settings = choose(scene, face, speech, MODEL)
    bpy.ops.voxrig.animate_from_audio()
    calls: list[Any] = []
    place = live.place_again
    monkeypatch.setattr(live, "place_again", lambda scene: calls.append(scene) or place(scene))
    assert bpy.ops.voxrig.apply_emotion_preset(preset="Sarcastic") == {"FINISHED"}
    weights = {slider.name: round(slider.weight, 4) for slider in settings.emotions if slider.weight}
    assert weights == dict(emotions.find_emotion_preset("Sarcastic").weights)
    assert len(calls) == 1  # the take follows the mix, not every slider of it
    assert all_keys(face.data.shape_keys) == fresh_take(scene, plain)
    settings.emotions["anger"].weight = 0.25
    assert bpy.ops.voxrig.save_emotion_preset(preset="Bitter, very") == {"FINISHED"}
    assert len(list(tmp_path.glob("*.json"))) == 1
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)  # it outlives the file
    scene = bpy.context.scene
    emotions.apply_emotion_preset(scene, "Bitter, very")
    assert scene.voxrig.emotions["anger"].weight == pytest.approx(0.25)
    assert scene.voxrig.emotions["contempt"].weight == pytest.approx(weights["contempt"])
    emotions.apply_emotion_preset(scene, "Happy")
    assert scene.voxrig.emotions["anger"].weight == 0.0
    assert bpy.ops.voxrig.remove_emotion_preset(preset="Bitter, very") == {"FINISHED"}
    assert not list(tmp_path.glob("*.json"))
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    assert "Happy" in emotions.emotion_presets()
    for call, problem in (
        (lambda: emotions.apply_emotion_preset(scene, "Nobody"), "no emotion preset 'Nobody'"),
        (lambda: emotions.remove_emotion_preset("Happy"), "ships with Voxrig"),
        (lambda: emotions.save_emotion_preset(scene, " "), "has no name"),
    ):
        with pytest.raises(VoxrigError, match=problem):
            call()
    for slider in scene.voxrig.emotions:
        slider.weight = 0.0
    assert "All emotions are at 0" in reported(lambda: bpy.ops.voxrig.save_emotion_preset(preset="Nothing"))


def test_user_presets_are_kept_outside_of_files_and_of_the_extension(scene: Any) -> None:
    from voxrig.operators import emotions
    from voxrig.properties.access import PACKAGE

    folder = emotions._user_folder()
    assert not folder.is_relative_to(Path(emotions.__file__).resolve().parents[1]) or PACKAGE.startswith("bl_ext.")
    assert folder.name == "emotions"


# Channels


def test_channels_are_added_and_removed(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    brow = CHANNELS.index("browInnerUp")
    settings = choose(scene, face, voice, model_folder)
    bpy.ops.voxrig.animate_from_audio()
    before = shown(face)
    bpy.ops.voxrig.add_channel()
    settings.channels[0].channel = "browInnerUp"  # nothing of closures, which a gain may make or unmake
    settings.channels[0].gain, settings.channels[0].offset = 0.5, 0.1
    assert shown(face)[:, brow] == pytest.approx(0.1 + 0.5 * before[:, brow], abs=2 * TOLERANCE)
    assert bpy.ops.voxrig.remove_channel() == {"FINISHED"}
    np.testing.assert_allclose(shown(face), before, atol=1e-6)


# Looking at a frame


def test_a_frame_is_looked_at_and_everything_goes_back(
    scene: Any, face: Any, voice: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voxrig.properties.session import session
    from voxrig.takes import sources

    settings = choose(scene, face, voice, model_folder)
    scene.frame_set(20)
    before = fingerprint()
    posed = {channel: face.data.shape_keys.key_blocks[channel].value for channel in CHANNELS}
    assert bpy.ops.voxrig.look_at_frame() == {"FINISHED"}  # nothing was animated yet
    assert session.is_looking and face.data.shape_keys.animation_data is None
    looked = {channel: face.data.shape_keys.key_blocks[channel].value for channel in CHANNELS}
    bpy.ops.voxrig.end_preview()
    assert not session.is_looking
    after = {channel: face.data.shape_keys.key_blocks[channel].value for channel in CHANNELS}
    assert after == posed and looked["jawOpen"] > 0.05
    assert fingerprint() == before
    bpy.ops.voxrig.animate_from_audio()
    for channel in CHANNELS:
        assert evaluate(face.data.shape_keys, channel, np.array([20]))[0] == pytest.approx(looked[channel], abs=0.011)
    # With a take: sliders move what is looked at and no key.
    scene.frame_set(20)
    keys, record = all_keys(face.data.shape_keys), face.voxrig.takes[0].record
    monkeypatch.setattr(sources, "generate_all", None)
    bpy.ops.voxrig.look_at_frame()
    settings.strength = 0.5
    block = face.data.shape_keys.key_blocks["jawOpen"]
    assert block.value == pytest.approx(0.5 * looked["jawOpen"], abs=1e-4)
    assert all_keys(face.data.shape_keys) == keys and face.voxrig.takes[0].record == record
    scene.frame_set(21)
    assert not session.is_looking
    assert block.value == pytest.approx(evaluate(face.data.shape_keys, "jawOpen", np.array([21]))[0], abs=1e-5)
    assert all_keys(face.data.shape_keys) == keys


def test_looking_says_what_is_missing(scene: Any, face: Any, voice: Path, model_folder: Path, tmp_path: Path) -> None:
    from voxrig.operators.preview_frame import VOXRIG_OT_look_at_frame, look_at_frame

    assert "Choose a character" in VOXRIG_OT_look_at_frame.disabled_reason(bpy.context)
    settings = choose(scene, face, voice, model_folder)
    assert VOXRIG_OT_look_at_frame.disabled_reason(bpy.context) is None
    settings.sound_file = str(tmp_path / "gone.wav")
    with pytest.raises(VoxrigError):
        look_at_frame(scene)


# The command line


def test_the_command_line_has_the_sliders(scene: Any, make_face: Callable[..., Any], speech: Path, tmp_path: Path) -> None:
    from voxrig.cli import main as cli
    from voxrig.operators.animate import animate_character
    from voxrig.operators.emotions import find_emotion_preset
    from voxrig.takes.record import SoundFile
    from voxrig.takes.settings import TakeSettings

    face = make_face("Face", load_expressions().names)
    source, output = tmp_path / "scene.blend", tmp_path / "out.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(source), copy=True)
    settings = TakeSettings(
        provider="CPU",
        articulation=1.4,
        region_strengths={"brows": 0.5},
        region_smoothing={"lips": 0.03},
        region_offsets={"eyes": 0.2, "lips": 0.1},
        channels={"mouthSmileLeft": (1.2, 0.05)},
        emotion={**find_emotion_preset("Happy").weights, "fear": 0.2},
        emotion_intensity=0.6,
        emotion_first=10.0,
        emotion_last=50.0,
        emotion_fade=8.0,
    )
    animate_character(scene, face, SoundFile(str(speech), 1.0), MODEL, settings)
    wanted = all_keys(face.data.shape_keys)
    words = f"--blend {source} --character Face --audio {speech} --model {MODEL} --provider cpu --output {output} "
    words += "--articulation 1.4 --region-strength brows=0.5 --region-smoothing lips=0.03 --region-offset eyes=0.2 "
    words += "--region-offset lips=0.1 --channel mouthSmileLeft=1.2,0.05 --emotion-preset Happy --emotion fear=0.2 "
    words += "--intensity 0.6 --emotion-first 10 --emotion-last 50 --emotion-fade 8"
    assert cli.main(["animate", *words.split()]) == 0
    bpy.ops.wm.open_mainfile(filepath=str(output))
    assert all_keys(bpy.data.objects["Face"].data.shape_keys) == wanted
    for wrong in ("--region-offset ears=1", "--region-smoothing lips=-1", "--channel nose=1", "--emotion-preset Nobody"):
        assert cli.main(["animate", *words.split(), *wrong.split()]) == 2


def test_keys_on_an_emotion_are_followed(scene: Any, face: Any, voice: Path) -> None:
    from voxrig.operators import live
    from voxrig.properties.settings import sliders_differ

    settings = scene.voxrig
    settings.character, settings.sound_file = face, str(voice)
    settings.model = "speech_fast"
    bpy.ops.voxrig.animate_from_audio()
    calm = all_keys(face.data.shape_keys)
    assert not sliders_differ(scene)
    joy = settings.emotions["joy"]
    with live_paused():
        for frame, weight in ((1, 0.0), (40, 1.0)):
            joy.weight = weight
            joy.keyframe_insert("weight", frame=frame)
    assert sliders_differ(scene), "a key calls no function of the slider, so the panel offers Update"
    live.follow_keys(scene)
    happy = all_keys(face.data.shape_keys)
    assert happy != calm and not sliders_differ(scene)
    live.follow_keys(scene)
    assert all_keys(face.data.shape_keys) == happy, "once"


def test_update_brings_sliders_into_a_take_that_did_not_follow(
    scene: Any, make_face: Callable[..., Any], voice: Path, model_folder: Path
) -> None:
    from voxrig.properties.settings import sliders_differ

    face, plain = make_face("Face"), make_face("Plain")
    settings = choose(scene, face, voice, model_folder)
    bpy.ops.voxrig.animate_from_audio()
    settings.live_update = False
    settings.speech_style = "BROAD"
    settings.still_keys = True
    assert sliders_differ(scene)
    assert bpy.ops.voxrig.update_take() == {"FINISHED"} and sliders_differ(scene), "from what is stored"
    assert bpy.ops.voxrig.update_take(use_sliders=True) == {"FINISHED"} and not sliders_differ(scene)
    assert all_keys(face.data.shape_keys) == fresh_take(scene, plain)
    # The sliders are those of another sound now.
    settings.start_frame, settings.strength = 50, 0.1
    settings.character = face
    assert not sliders_differ(scene)


@contextmanager
def live_paused() -> Iterator[None]:
    """Set sliders as an undo or a script of another add-on does, without their functions."""
    from voxrig.properties.session import session

    with session.hooks_paused():
        yield
