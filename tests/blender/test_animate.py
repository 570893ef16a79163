# SPDX-License-Identifier: GPL-3.0-or-later
"""Animate from Audio in Blender: what is written is what the model says, the button is the function, errors change nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import model_packages
import numpy as np
import pytest
import soundfile
from characters import animate, choose, model_values
from file_state import curves_of, fingerprint
from keyframes import evaluate
from operator_reports import reported
from sound_strips import add_strip
from voxrig.animation.keys.placing import DENSITIES
from voxrig.animation.keys.reduction import largest_errors
from voxrig.errors import AudioError, Cancelled, ModelError, RigError

pytestmark = pytest.mark.usefixtures("registered")

ROOT = Path(__file__).resolve().parents[2]
SOUND_SECONDS = 2.0


# What is written


@pytest.mark.parametrize("start_frame", [1.0, 101.0])
def test_keys_follow_the_model_within_the_tolerance(
    scene: Any, face: Any, voice: Path, model_folder: Path, start_frame: float
) -> None:
    scene.render.fps = 50
    take = animate(scene, face, voice, model_folder, start_frame=start_frame)
    expected = model_values(voice, model_folder)
    first, last = take.sound_frames
    frames = np.arange(first, last + 1)
    assert first == start_frame
    assert len(frames) == round(SOUND_SECONDS * 50) + 1
    for channel in model_packages.CHANNELS:
        shown = evaluate(face.data.shape_keys, channel, frames)
        # The last frame is the instant at which the sound ends, after the model's last row.
        assert np.abs(shown[:-1] - expected.channel(channel)).max() <= 0.01 + 1e-4
        assert np.ptp(expected.channel(channel)) > 0.05


def test_a_higher_density_gives_more_keys_and_a_smaller_error(
    scene: Any, make_face: Any, voice: Path, model_folder: Path
) -> None:
    takes = [animate(scene, make_face(f"Face{i}"), voice, model_folder, density=i) for i in DENSITIES]
    counts = [take.key_count for take in takes]
    errors = [largest_errors(take.dense.keyed, take.dense.frames, take.dense.values).max() for take in takes]
    assert counts == sorted(counts) and 0 < counts[0] < counts[3] < counts[6]
    assert errors == sorted(errors, reverse=True) and errors[0] > errors[3] > errors[6] > 0


@pytest.mark.parametrize(("fps", "base"), [(1, 1.0), (24, 1.0), (24, 1.001), (30, 1.001), (240, 1.0)])
def test_any_frame_rate(scene: Any, face: Any, voice: Path, model_folder: Path, fps: int, base: float) -> None:
    scene.render.fps, scene.render.fps_base = fps, base
    take = animate(scene, face, voice, model_folder, start_frame=10)
    rate = fps / scene.render.fps_base
    first, last = take.sound_frames
    assert last == 10 + int(SOUND_SECONDS * rate)
    expected = model_values(voice, model_folder)
    frames = np.arange(first, last + 1)
    shown = evaluate(face.data.shape_keys, "mouthSmileLeft", frames)
    wanted = np.interp((frames - 10) / rate, expected.seconds(), expected.channel("mouthSmileLeft"))
    assert np.isfinite(shown).all()
    if rate == 240:
        # Every 24th frame is one of the model's own instants.
        assert np.abs(shown - wanted)[:480:24].max() <= 0.01 + 1e-4
    elif rate > 20:
        # Fewer frames than the model has rows: fast movement is filtered, its timing stays.
        centred = wanted - wanted.mean()
        lags = {lag: float(np.dot(np.roll(shown - shown.mean(), lag), centred)) for lag in range(-3, 4)}
        assert max(lags, key=lambda lag: lags[lag]) == 0


def test_strengths_scale_their_regions(scene: Any, make_face: Any, voice: Path, model_folder: Path) -> None:
    scene.render.fps = 50
    plain, changed = make_face("Plain"), make_face("Changed")
    for block in changed.data.shape_keys.key_blocks:
        block.value = 0.0  # new ones begin at 1 in later Blenders, and are keyed so that they rest
    frames = np.arange(1, 100)
    animate(scene, plain, voice, model_folder, keys="EVERY")
    animate(scene, changed, voice, model_folder, keys="EVERY", region_strengths={"brows": 0.5, "lips": 0.0})
    brows = [evaluate(item.data.shape_keys, "browInnerUp", frames) for item in (plain, changed)]
    np.testing.assert_allclose(brows[1], 0.5 * brows[0], atol=1e-3)
    smile = 'key_blocks["mouthSmileLeft"].value', 0
    assert smile in curves_of(plain.data.shape_keys) and smile not in curves_of(changed.data.shape_keys)


def test_what_rests_throughout_gets_no_keys_unless_asked(scene: Any, make_face: Any, voice: Path, model_folder: Path) -> None:
    smile = 'key_blocks["mouthSmileLeft"].value', 0

    def keyed(name: str, value: float = 0.0, **settings: Any) -> set[Any]:
        face = make_face(name)
        face.data.shape_keys.key_blocks["mouthSmileLeft"].value = value
        animate(scene, face, voice, model_folder, region_strengths={"lips": 0.0}, **settings)
        if name == "Again":
            animate(scene, face, voice, model_folder, region_strengths={"lips": 0.0})
            assert np.abs(evaluate(face.data.shape_keys, "mouthSmileLeft", np.arange(1, 49))).max() < 1e-3
        return set(curves_of(face.data.shape_keys))

    assert smile not in keyed("Still")
    assert smile in keyed("Asked", still_keys=True)
    assert smile in keyed("Posed", 0.4), "a control that was left elsewhere comes to rest"
    assert smile in keyed("Again", still_keys=True), "what is animated already is written"


def test_curves_of_shape_keys_are_grouped_by_face_part(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    from voxrig.blender import compat

    animate(scene, face, voice, model_folder)
    curves = compat.curves_of(face.data.shape_keys)
    groups = {curve.data_path.split('"')[1]: curve.group.name for curve in curves}
    assert groups == {"jawOpen": "Jaw", "mouthPucker": "Lips", "mouthSmileLeft": "Lips", "browInnerUp": "Brows"}


def test_actions_have_good_names(scene: Any, make_face: Any, voice: Path, model_folder: Path) -> None:
    face, teeth = make_face("Ann"), make_face("Teeth", ("jawOpen",))
    face.data.shape_keys.name, teeth.data.shape_keys.name = "Ann", "Teeth"
    teeth.parent = face
    animate(scene, face, voice, model_folder)
    names = {item.name: item.data.shape_keys.animation_data.action.name for item in (face, teeth)}
    second = "Ann Voice" if hasattr(bpy.types, "ActionSlot") else "Ann Voice Teeth"
    assert names == {"Ann": "Ann Voice", "Teeth": second}


def test_other_keys_stay_as_they_are(scene: Any, make_face: Any, voice: Path, model_folder: Path) -> None:
    face = make_face(keys=(*model_packages.CHANNELS, "somethingElse"))
    keys = face.data.shape_keys
    for name in ("somethingElse", "jawOpen"):
        for frame, value in ((-20, 0.3), (-10, 0.6), (20, 0.9), (300, 0.1), (320, 0.7)):
            keys.key_blocks[name].value = value
            keys.key_blocks[name].keyframe_insert("value", frame=frame)
    before = curves_of(keys)
    take = animate(scene, face, voice, model_folder)
    after = curves_of(keys)
    other, jaw = ('key_blocks["somethingElse"].value', 0), ('key_blocks["jawOpen"].value', 0)
    np.testing.assert_array_equal(before[other], after[other])
    outside = [after[jaw][i] for i in range(len(after[jaw])) if not take.first_frame <= after[jaw][i][0] <= take.last_frame]
    np.testing.assert_array_equal(np.array(outside), before[jaw][[0, 1, 3, 4]])
    assert len(after[jaw]) - len(outside) > 5


def test_all_meshes_and_bone_properties_of_a_character_move(
    scene: Any, make_face: Any, voice: Path, model_folder: Path
) -> None:
    armature = bpy.data.armatures.new("Rig")
    rig = bpy.data.objects.new("Rig", armature)
    scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    bone = armature.edit_bones.new("Controls")
    bone.tail = (0, 0, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    rig.pose.bones["Controls"]["jaw_open"] = 0.0
    face, beard = make_face("Face", ("MouthSmile_L", "browInnerUp")), make_face("Beard", ("jawOpen",))
    for item in (face, beard):
        item.parent = rig
    take = animate(scene, face, voice, model_folder)
    assert len(take.curves) == 4
    assert set(curves_of(rig)) == {('pose.bones["Controls"]["jaw_open"]', 0)}
    assert set(curves_of(face.data.shape_keys)) == {
        ('key_blocks["MouthSmile_L"].value', 0),
        ('key_blocks["browInnerUp"].value', 0),
    }
    assert set(curves_of(beard.data.shape_keys)) == {('key_blocks["jawOpen"].value', 0)}


# The button


def test_the_operator_is_the_function(scene: Any, make_face: Any, voice: Path, model_folder: Path) -> None:
    first, second = make_face("First"), make_face("Second")
    settings = choose(scene, first, voice, model_folder)
    settings.strength, settings.jaw_strength, settings.brows_strength = 0.8, 1.5, 0.5
    settings.smoothing, settings.density, settings.start_frame = 0.03, 3, 7
    settings.emotions["anger"].weight = 0.25
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    take = animate(
        scene,
        second,
        voice,
        model_folder,
        start_frame=7,
        strength=settings.strength,
        region_strengths={"jaw": settings.jaw_strength, "brows": 0.5},
        smoothing_seconds=settings.smoothing,
        density=settings.density,
        emotion={"anger": 0.25},
    )
    made, wanted = curves_of(first.data.shape_keys), curves_of(second.data.shape_keys)
    assert made.keys() == wanted.keys() and len(made) == 4
    for path, keys in wanted.items():
        np.testing.assert_array_equal(made[path], keys)
    assert sum(len(keys) for keys in made.values()) == take.key_count
    assert [link.channel for link in first.voxrig.links] == list(model_packages.CHANNELS)


def test_one_undo_takes_everything_back(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    choose(scene, face, voice, model_folder)
    bpy.ops.ed.undo_push(message="before")
    before = fingerprint()
    # With undo, as a button does it.
    assert bpy.ops.voxrig.animate_from_audio("EXEC_DEFAULT", True) == {"FINISHED"}
    after = fingerprint()
    assert after != before
    bpy.ops.ed.undo()
    assert fingerprint() == before
    bpy.ops.ed.redo()
    assert fingerprint() == after


def test_running_twice_replaces_instead_of_adding(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    choose(scene, face, voice, model_folder)
    bpy.ops.voxrig.animate_from_audio()
    once = fingerprint()
    bpy.ops.voxrig.animate_from_audio()
    assert fingerprint() == once


def test_the_button_says_why_it_is_grey(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    from voxrig.operators.animate import VOXRIG_OT_animate_from_audio
    from voxrig.properties.session import Run, session

    settings = choose(scene, face, voice, model_folder)

    def reason() -> str:
        text = VOXRIG_OT_animate_from_audio.disabled_reason(bpy.context)
        assert bpy.ops.voxrig.animate_from_audio.poll() is (text is None)
        return text or ""

    assert reason() == ""
    settings.model_folder = ""
    assert "model" in reason()
    settings.sound_file = ""
    assert "sound file" in reason()
    settings.sound_source = "STRIP"
    assert "strip" in reason()
    settings.character = None
    assert "character" in reason()
    session.run = Run("Face")
    assert "'Face' is being animated" in reason()
    session.run = None


def test_the_worker_gives_what_the_function_gives(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    from voxrig.operators.animate import gather_from_scene, write
    from voxrig.operators.background import Work
    from voxrig.properties.session import Run
    from voxrig.takes.job import compute

    choose(scene, face, voice, model_folder)
    job = gather_from_scene(scene)
    work = Work(job, Run(job.character), compute)
    work.start()
    work.join(60)
    assert work.state.progress == 1.0
    take, wanted = work.result(), compute(job)
    for (target, made), (other, keys) in zip(take.curves, wanted.curves):
        assert target == other
        np.testing.assert_array_equal(made.values, keys.values)
    assert write(scene, job, take).key_count == wanted.key_count


def test_the_worker_stops_soon_and_raises_its_errors_where_they_are_shown(
    scene: Any, face: Any, voice: Path, model_folder: Path, tmp_path: Path
) -> None:
    from voxrig.operators.animate import gather_from_scene
    from voxrig.operators.background import Work
    from voxrig.properties.session import Run
    from voxrig.takes.job import compute

    long = tmp_path / "long.wav"
    soundfile.write(long, model_packages.noise(600), model_packages.SAMPLE_RATE)
    choose(scene, face, long, model_folder)
    before = fingerprint()
    work = Work(gather_from_scene(scene), Run("Face"), compute)
    work.start()
    time.sleep(0.3)
    work.state.cancelled = True
    work.join(10)
    assert not work.is_alive()
    with pytest.raises(Cancelled):
        work.result()
    scene.voxrig.sound_file = str(tmp_path / "missing.wav")
    failing = Work(gather_from_scene(scene), Run("Face"), compute)
    failing.start()
    failing.join(60)
    with pytest.raises(AudioError):
        failing.result()
    assert fingerprint() == before


def test_cancelling_at_any_step_changes_nothing(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    from voxrig.operators.animate import animate_character
    from voxrig.takes.hearing import forget_heard
    from voxrig.takes.record import SoundFile
    from voxrig.takes.settings import TakeSettings

    before = fingerprint()
    asked = 0
    for last in range(1, 6):
        forget_heard()
        asked = 0

        def is_cancelled(limit: int = last) -> bool:
            nonlocal asked
            asked += 1
            return asked >= limit

        with pytest.raises(Cancelled):
            animate_character(scene, face, SoundFile(str(voice)), model_folder, TakeSettings(), None, is_cancelled)
        assert fingerprint() == before


# Sound strips


def use_strip(scene: Any, character: Any, path: Path, model_folder: Path, frame: int = 31) -> Any:
    settings = choose(scene, character, Path(), model_folder)
    strip = add_strip(scene, path, frame)
    settings.sound_file, settings.sound_source, settings.strip = "", "STRIP", strip.name
    return strip


def test_a_strip_is_animated_where_it_lies(scene: Any, make_face: Any, voice: Path, model_folder: Path) -> None:
    face, other = make_face(), make_face("Other")
    use_strip(scene, face, voice, model_folder, 31)
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    animate(scene, other, voice, model_folder, start_frame=31)
    made, wanted = curves_of(face.data.shape_keys), curves_of(other.data.shape_keys)
    for path, keys in wanted.items():
        assert made[path][0][0] == keys[0][0]
        frames = np.arange(31, 31 + int(SOUND_SECONDS * 24) - 1)
        shown, expected = (evaluate(item.data.shape_keys, path[0].split('"')[1], frames) for item in (face, other))
        assert np.abs(shown - expected).max() <= 0.02
        assert made[path][-1][0] <= keys[-1][0] + 1


def test_a_trimmed_strip_animates_only_its_part(
    scene: Any, make_face: Any, voice: Path, model_folder: Path, tmp_path: Path
) -> None:
    scene.render.fps = 50
    face, other = make_face(), make_face("Other")
    strip = use_strip(scene, face, voice, model_folder, 101)
    if hasattr(strip, "left_handle"):
        strip.left_handle, strip.right_handle = 126, 176
    else:
        strip.frame_final_start, strip.frame_final_end = 126, 176
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    samples, rate = soundfile.read(voice, dtype="float32")
    part = tmp_path / "part.wav"
    soundfile.write(part, samples[rate // 2 : rate + rate // 2], rate, subtype="FLOAT")
    animate(scene, other, part, model_folder, start_frame=126)
    made, wanted = curves_of(face.data.shape_keys), curves_of(other.data.shape_keys)
    for path, keys in wanted.items():
        np.testing.assert_allclose(made[path], keys, atol=2e-3)


def test_a_packed_sound_needs_no_file(scene: Any, face: Any, voice: Path, model_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(voice, tmp_path / "copy.wav"))
    strip = use_strip(scene, face, copy, model_folder)
    strip.sound.pack()
    copy.unlink()
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    assert len(curves_of(face.data.shape_keys)) == 4


@pytest.mark.parametrize("case", ["muted", "missing file", "gone"])
def test_a_strip_that_cannot_be_heard(
    case: str, scene: Any, face: Any, voice: Path, model_folder: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copy(voice, tmp_path / "copy.wav"))
    strip = use_strip(scene, face, copy, model_folder)
    if case == "muted":
        strip.mute = True
    elif case == "missing file":
        copy.unlink()
    else:
        scene.voxrig.strip = "Another"
    before = fingerprint()
    message = reported(lambda: bpy.ops.voxrig.animate_from_audio())
    assert {"muted": "muted", "missing file": "missing", "gone": "no sound strip 'Another'"}[case] in message
    assert fingerprint() == before


# What goes wrong: one sentence, nothing changed, and the panel works afterwards


def damage_sound(case: str, voice: Path, folder: Path) -> Path:
    path = folder / f"{case}.wav"
    rate = model_packages.SAMPLE_RATE
    if case == "empty file":
        path.write_bytes(b"")
    elif case == "a text":
        path.write_text("This is not a sound.\n" * 100, encoding="utf-8")
    elif case == "cut short":
        # Of a WAV what is there would be animated with a warning.
        soundfile.write(path, model_packages.noise(2.0), rate, format="FLAC")
        path.write_bytes(path.read_bytes()[:20_000])
    elif case == "no samples":
        soundfile.write(path, np.zeros(0, np.float32), rate)
    elif case == "not a number":
        samples = model_packages.noise(1.0)
        samples[500] = np.nan
        soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


@pytest.mark.parametrize("case", ["empty file", "a text", "cut short", "no samples", "not a number", "missing"])
def test_a_sound_that_cannot_be_used(case: str, scene: Any, face: Any, voice: Path, model_folder: Path, tmp_path: Path) -> None:
    settings = choose(scene, face, damage_sound(case, voice, tmp_path), model_folder)
    before = fingerprint()
    message = reported(lambda: bpy.ops.voxrig.animate_from_audio())
    assert f"{case}.wav" in message
    assert fingerprint() == before
    settings.sound_file = str(voice)
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}


@pytest.mark.parametrize("case", ["one sample", "silence", "eight channels", "strange name"])
def test_a_sound_that_is_only_unusual(case: str, scene: Any, face: Any, model_folder: Path, tmp_path: Path) -> None:
    samples = {
        "one sample": np.zeros(1, np.float32),
        "silence": np.zeros(16_000, np.float32),
        "eight channels": np.repeat(model_packages.noise(1.0)[:, None], 8, axis=1),
        "strange name": model_packages.noise(1.0),
    }[case]
    path = tmp_path / ("Zeile 1 – Größe 声音.wav" if case == "strange name" else "sound.wav")
    soundfile.write(path, samples, model_packages.SAMPLE_RATE, subtype="PCM_24")
    choose(scene, face, path, model_folder)
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    made = curves_of(face.data.shape_keys)
    assert len(made) == 4 and all(np.isfinite(keys).all() for keys in made.values())


@pytest.mark.parametrize("case", ["no folder", "not json", "wrong hash"])
def test_a_model_that_cannot_be_used(case: str, scene: Any, face: Any, voice: Path, model_folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    if case != "no folder":
        shutil.copytree(model_folder, broken)
    if case == "not json":
        (broken / "model.json").write_text("{", encoding="utf-8")
    if case == "wrong hash":
        description = json.loads((broken / "model.json").read_text(encoding="utf-8"))
        description["graph"]["sha256"] = "0" * 64
        (broken / "model.json").write_text(json.dumps(description), encoding="utf-8")
    choose(scene, face, voice, broken)
    before = fingerprint()
    message = reported(lambda: bpy.ops.voxrig.animate_from_audio())
    assert {"no folder": "no model.json", "not json": "damaged", "wrong hash": "sha256"}[case] in message
    assert fingerprint() == before


def test_a_character_without_a_matching_control(scene: Any, make_face: Any, voice: Path, model_folder: Path) -> None:
    for i, (keys, why) in enumerate(
        (((), "has neither shape keys nor custom properties"), (("unrelated", "Key 7"), "is named like a channel of 'Small 1'"))
    ):
        choose(scene, make_face(f"Face{i}", keys), voice, model_folder)
        before = fingerprint()
        assert why in reported(lambda: bpy.ops.voxrig.animate_from_audio())
        assert fingerprint() == before


def test_a_mapping_that_is_all_off(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    choose(scene, face, voice, model_folder)
    bpy.ops.voxrig.match_channels()
    for link in face.voxrig.links:
        link.enabled = False
    before = fingerprint()
    assert "No link" in reported(lambda: bpy.ops.voxrig.animate_from_audio())
    assert fingerprint() == before


@pytest.mark.parametrize("case", ["shape key", "all shape keys", "object", "object in the viewport"])
def test_a_target_deleted_between_mapping_and_running(
    case: str, scene: Any, make_face: Any, voice: Path, model_folder: Path
) -> None:
    face, beard = make_face("Face", ("jawOpen",)), make_face("Beard", ("mouthPucker", "browInnerUp"))
    beard.parent = face
    choose(scene, face, voice, model_folder)
    bpy.ops.voxrig.match_channels()
    assert len(face.voxrig.links) == 3
    if case == "shape key":
        beard.shape_key_remove(beard.data.shape_keys.key_blocks["mouthPucker"])
    elif case == "all shape keys":
        beard.shape_key_clear()
    elif case == "object":
        bpy.data.objects.remove(beard)
    else:
        with bpy.context.temp_override(selected_objects=[beard]):
            bpy.ops.object.delete()
    before = fingerprint()
    message = reported(lambda: bpy.ops.voxrig.animate_from_audio())
    assert "mouthPucker" in message
    assert fingerprint() == before
    # Matching again repairs it.
    bpy.ops.voxrig.match_channels()
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}


def test_a_target_deleted_while_the_model_runs(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    from voxrig.operators.animate import gather_from_scene, write
    from voxrig.takes.job import compute

    choose(scene, face, voice, model_folder)
    job = gather_from_scene(scene)
    take = compute(job)
    face.shape_key_remove(face.data.shape_keys.key_blocks["jawOpen"])
    before = fingerprint()
    with pytest.raises(RigError, match="jawOpen"):
        write(scene, job, take)
    assert fingerprint() == before
    bpy.data.objects.remove(face)
    before = fingerprint()
    with pytest.raises(RigError, match="no longer in scene"):
        write(scene, job, take)
    assert fingerprint() == before


def test_a_linked_character_is_refused_until_it_is_overridden(
    scene: Any, face: Any, voice: Path, model_folder: Path, tmp_path: Path
) -> None:
    library = tmp_path / "library.blend"
    collection = bpy.data.collections.new("Hero")
    scene.collection.children.link(collection)
    collection.objects.link(face)
    bpy.ops.wm.save_as_mainfile(filepath=str(library), copy=True)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene = bpy.context.scene
    with bpy.data.libraries.load(str(library), link=True) as (_source, wanted):
        wanted.objects = ["Face"]
    linked = wanted.objects[0]
    scene.collection.objects.link(linked)
    choose(scene, linked, voice, model_folder)
    before = fingerprint()
    message = reported(lambda: bpy.ops.voxrig.animate_from_audio())
    assert "linked" in message and "override" in message
    assert fingerprint() == before

    own = linked.override_create(remap_local_usages=True)
    own.data.override_create(remap_local_usages=True)
    choose(scene, own, voice, model_folder)
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    shot = tmp_path / "shot.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(shot))
    bpy.ops.wm.open_mainfile(filepath=str(shot))
    own = bpy.context.scene.voxrig.character
    assert own.override_library is not None
    assert [link.channel for link in own.voxrig.links] == list(model_packages.CHANNELS)
    assert len(curves_of(own.data.shape_keys)) == 4
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}


def test_a_local_object_with_a_linked_mesh_is_refused(
    scene: Any, face: Any, voice: Path, model_folder: Path, tmp_path: Path
) -> None:
    library = tmp_path / "library.blend"
    bpy.data.libraries.write(str(library), {face.data}, fake_user=True)
    with bpy.data.libraries.load(str(library), link=True) as (_source, wanted):
        wanted.meshes = ["Face"]
    local = bpy.data.objects.new("Local", wanted.meshes[0])
    scene.collection.objects.link(local)
    choose(scene, local, voice, model_folder)
    before = fingerprint()
    message = reported(lambda: bpy.ops.voxrig.animate_from_audio())
    assert "linked" in message
    assert fingerprint() == before


def test_controls_of_a_driver_are_left_alone_and_named(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    from voxrig.operators.mapping import match_character

    choose(scene, face, voice, model_folder)
    match_character(scene)
    face.data.shape_keys.driver_add('key_blocks["jawOpen"].value').driver.expression = "0.5"
    take = animate(scene, face, voice, model_folder)
    assert len(take.curves) == 3
    assert "jawOpen" in take.warnings[0] and "driver" in take.warnings[0]


@pytest.mark.parametrize(("emotion", "message"), [({"boredom": 0.5}, "no emotion 'boredom'"), ({"joy": 2.0}, "from 0 to 1")])
def test_an_emotion_the_model_cannot_show(
    emotion: dict[str, float], message: str, scene: Any, face: Any, voice: Path, model_folder: Path
) -> None:
    with pytest.raises(ModelError, match=message):
        animate(scene, face, voice, model_folder, emotion=emotion)


def test_an_emotion_changes_the_face(scene: Any, make_face: Any, voice: Path, model_folder: Path) -> None:
    plain, happy = make_face("Plain"), make_face("Happy")
    animate(scene, plain, voice, model_folder)
    animate(scene, happy, voice, model_folder, emotion={"joy": 1.0})
    frames = np.arange(1, 48)
    shown = [evaluate(item.data.shape_keys, "browInnerUp", frames) for item in (plain, happy)]
    assert np.abs(shown[0] - shown[1]).max() > 0.05


def test_a_failing_cuda_is_one_warning(scene: Any, make_face: Any, voice: Path, model_folder: Path) -> None:
    from voxrig.inference.session import available_providers
    from voxrig.operators.animate import animate_character
    from voxrig.takes.record import SoundFile
    from voxrig.takes.settings import TakeSettings

    if "CUDA" in available_providers():
        pytest.skip("this onnxruntime offers CUDA")
    settings = replace(TakeSettings(), provider="CUDA", life=0.0)
    take = animate_character(scene, make_face(), SoundFile(str(voice)), model_folder, settings)
    assert take.provider == "CPU" and len(take.warnings) == 1 and "CUDA" in take.warnings[0]


# The command line


def run_command(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": ""}
    command = [sys.executable, str(ROOT), "animate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment, cwd=ROOT.parent)


def test_the_command_line_animates_a_file(scene: Any, face: Any, voice: Path, model_folder: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "scene.blend", tmp_path / "out.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(source), copy=True)
    given = source.read_bytes()
    common = ("--blend", source, "--audio", voice, "--model", model_folder, "--provider", "cpu")
    result = run_command(*common, "--character", "Face", "--start-frame", 11, "--output", output)
    assert result.returncode == 0, result.stderr
    assert "4 controls" in result.stdout and str(output) in result.stdout
    assert source.read_bytes() == given
    animate(scene, face, voice, model_folder, start_frame=11, life=1.0)
    wanted = curves_of(face.data.shape_keys)
    bpy.ops.wm.open_mainfile(filepath=str(output))
    made = curves_of(bpy.data.objects["Face"].data.shape_keys)
    assert made.keys() == wanted.keys()
    for path, keys in wanted.items():
        np.testing.assert_array_equal(made[path], keys)
    assert len(bpy.data.objects["Face"].voxrig.links) == 4

    refused = run_command(*common, "--character", "Nobody", "--output", tmp_path / "other.blend")
    assert refused.returncode == 2
    assert refused.stderr.strip().splitlines()[-1].startswith("voxrig: scene 'Scene' has no object 'Nobody'")
    assert not (tmp_path / "other.blend").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"--output": "out.txt"}, "does not end in .blend"),
        ({"--output": "nowhere/out.blend"}, "no folder"),
        ({"--blend": "missing.blend"}, "no file"),
        ({"--model": "missing"}, "no bundled model"),
    ],
)
def test_the_command_line_refuses_in_one_line(
    changes: dict[str, str], message: str, voice: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from voxrig.cli import main as cli

    given = {"--blend": "scene.blend", "--character": "Face", "--audio": str(voice), "--model": str(model_folder)}
    given |= {"--output": "out.blend"} | changes
    words = [
        word
        for name, value in given.items()
        for word in (name, str(tmp_path / value) if "/" in value or "." in value else value)
    ]
    assert cli.main(["animate", *words]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and message in lines[0]


def test_the_command_line_says_how_sure_the_controls_are(
    scene: Any, face: Any, voice: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from voxrig.animation.rig.mapping import Link, Mapping, Target
    from voxrig.cli.main import main
    from voxrig.properties.links import store_mapping

    def link(channel: str, confidence: str, on: bool = True) -> Link:
        target = Target("KEY", face.data.shape_keys.name, f'key_blocks["{channel}"].value')
        return Link(channel, target, enabled=on, confidence=confidence)

    store_mapping(face, Mapping((link("jawOpen", "SURE"), link("mouthPucker", "LIKELY"), link("browInnerUp", "UNSURE", False))))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    words = {"--blend": tmp_path / "scene.blend", "--character": "Face", "--audio": voice, "--model": model_folder}
    words["--output"] = tmp_path / "out.blend"
    assert main(["animate", *(str(word) for pair in words.items() for word in pair)]) == 0
    assert "mapped controls: 1 sure, 1 likely, 1 unsure (off until you tick them" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("links", "words"),
    [
        ((("jawOpen", "UNSURE"), ("mouthPucker", "UNSURE")), "all 2 of them are unsure; look at them and tick"),
        ((("jawOpen", "SURE"),), "all of them are off; tick"),
        ((("tail", "SURE"),), "uses no channel of 'Small 1', such as 'jawOpen'"),
    ],
)
def test_links_that_drive_nothing_lead_on(
    links: tuple[tuple[str, str], ...], words: str, scene: Any, face: Any, voice: Path, model_folder: Path
) -> None:
    from voxrig.animation.rig.mapping import Link, Mapping, Target
    from voxrig.properties.links import store_mapping

    target = Target("KEY", face.data.shape_keys.name, 'key_blocks["jawOpen"].value')
    off = Mapping(tuple(Link(channel, target, enabled=False, confidence=confidence) for channel, confidence in links))
    store_mapping(face, off)
    with pytest.raises(RigError) as caught:
        animate(scene, face, voice, model_folder)
    assert words in str(caught.value) and "again" not in str(caught.value)


# What the sound says of itself


def test_channels_that_cancel_are_told(scene: Any, face: Any, model_folder: Path, tmp_path: Path) -> None:
    voice = model_packages.noise(1.0)
    path = tmp_path / "phase.wav"
    soundfile.write(path, np.stack([voice, -voice], axis=1), model_packages.SAMPLE_RATE)
    take = animate(scene, face, path, model_folder)
    assert any("cancel each other" in warning for warning in take.warnings)


def test_a_scene_that_stretches_time_says_so(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    scene.render.frame_map_new = 200
    with pytest.raises(AudioError, match="stretches time from 100 to 200"):
        animate(scene, face, voice, model_folder)
    assert curves_of(face.data.shape_keys) == {}


def test_a_wav_cut_short_is_animated_as_far_as_it_goes(
    scene: Any, face: Any, voice: Path, model_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "cut.wav"
    path.write_bytes(voice.read_bytes()[:20_000])
    take = animate(scene, face, path, model_folder)
    assert any("although its header says 2.00 s" in warning for warning in take.warnings)
    assert 1 < take.sound_frames[1] < 1 + SOUND_SECONDS * scene.render.fps
