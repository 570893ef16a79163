# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes: a retake changes its range and regions and nothing else, no key of the artist's is lost, undo takes it all back."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import model_packages
import numpy as np
import pytest
from characters import animate, choose
from file_state import fingerprint
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from keyframes import all_keys, edit_key, evaluate, path_of
from operator_reports import reported
from voxrig.errors import AudioError, ModelError, RigError

pytestmark = pytest.mark.usefixtures("registered")

# The frames of a take of the voice, which plays from 1 to 49: its mouth comes from rest and returns to it.
FIRST, LAST = -5, 57

CHANNELS = model_packages.CHANNELS
REGIONS = {"jawOpen": "jaw", "mouthPucker": "lips", "mouthSmileLeft": "lips", "browInnerUp": "brows"}


def retake(
    scene: Any,
    face: Any,
    first: int,
    last: int,
    *,
    regions: tuple[str, ...] = (),
    fade: float = 4.0,
    replace: bool = False,
    **changes: Any,
) -> Any:
    from voxrig.operators.takes import retake as function
    from voxrig.takes.settings import Scope, TakeSettings

    scope = Scope(first, last, regions, fade, replace)
    return function(scene, face, scope, TakeSettings(provider="CPU", life=0.0, **changes))


# Retake


def test_a_retake_changes_its_range_and_regions_only(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    animate(scene, face, voice, model_folder)
    keys = face.data.shape_keys
    before = all_keys(keys)
    shown = {channel: evaluate(keys, channel, np.arange(1, 50)) for channel in CHANNELS}
    take = retake(scene, face, 15, 30, regions=("lips",), strength=0.0)
    after = all_keys(keys)
    assert (take.first_frame, take.last_frame) == (15, 30)
    for channel in CHANNELS:
        old, new = before[path_of(channel)], after[path_of(channel)]
        if REGIONS[channel] != "lips":
            assert new == old
            continue
        outside = {frame: key for frame, key in old.items() if not 15 <= frame <= 30}
        assert {frame: key for frame, key in new.items() if not 15 <= frame <= 30} == outside
        now = evaluate(keys, channel, np.arange(1, 50))
        assert np.abs(now[19:25]).max() < 0.011
        # Where the retake begins and ends it is where the curve was, and continues from there without a jump.
        assert now[14] == pytest.approx(shown[channel][14], abs=1e-3) and now[29] == pytest.approx(shown[channel][29], abs=1e-3)
        assert np.abs(now[:14] - shown[channel][:14]).max() < 0.08
        assert np.abs(now[30:] - shown[channel][30:]).max() < 0.08


def test_a_retake_with_the_same_settings_changes_what_is_shown_hardly(
    scene: Any, face: Any, voice: Path, model_folder: Path
) -> None:
    animate(scene, face, voice, model_folder)
    keys = face.data.shape_keys
    shown = {channel: evaluate(keys, channel, np.arange(1, 50)) for channel in CHANNELS}
    retake(scene, face, 10, 35)
    for channel in CHANNELS:
        assert np.abs(evaluate(keys, channel, np.arange(1, 50)) - shown[channel]).max() < 0.04


def test_a_retake_outside_the_sound_or_of_nothing_is_refused(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    with pytest.raises(RigError, match="has no take yet"):
        retake(scene, face, 1, 10)
    animate(scene, face, voice, model_folder)
    before = fingerprint()
    with pytest.raises(AudioError, match="300 to 400 lie outside the sound, which plays from 1 to 49"):
        retake(scene, face, 300, 400)
    with pytest.raises(RigError, match="follows the tongue"):
        retake(scene, face, 1, 10, regions=("tongue",))
    with pytest.raises(ModelError, match="rage"):
        retake(scene, face, 1, 10, emotion={"rage": 1.0})
    assert fingerprint() == before and len(face.voxrig.takes) == 1


# The artist's keys


def test_moved_and_added_keys_are_kept_and_the_curve_bends_to_them(
    scene: Any, face: Any, voice: Path, model_folder: Path
) -> None:
    animate(scene, face, voice, model_folder)
    keys = face.data.shape_keys
    moved = edit_key(keys, "jawOpen", 20, 0.95)
    keys.key_blocks["jawOpen"].value = 0.05
    keys.key_blocks["jawOpen"].keyframe_insert("value", frame=33)
    before = all_keys(keys)[path_of("jawOpen")]
    untouched = evaluate(keys, "mouthPucker", np.arange(1, 50))
    take = animate(scene, face, voice, model_folder)
    assert take.kept_count == 2 and "2 edited ones kept" in take.summary("Face")
    after = all_keys(keys)[path_of("jawOpen")]
    for frame in (moved, 33.0):
        assert after[frame] == before[frame]
    shown = evaluate(keys, "jawOpen", np.arange(1, 50))
    assert shown[round(moved) - 1] == pytest.approx(0.95, abs=1e-5) and shown[32] == pytest.approx(0.05, abs=1e-5)
    np.testing.assert_array_equal(evaluate(keys, "mouthPucker", np.arange(1, 50)), untouched)
    # Bending is the same every time: keys that stay are not taken for generated ones later.
    assert animate(scene, face, voice, model_folder).kept_count == 2
    assert all_keys(keys)[path_of("jawOpen")] == after


def test_replace_edited_replaces(scene: Any, make_face: Any, voice: Path, model_folder: Path) -> None:
    from voxrig.operators.animate import animate_character
    from voxrig.takes.record import SoundFile
    from voxrig.takes.settings import Scope, TakeSettings

    edited, plain = make_face("Edited"), make_face("Plain")
    for face in (edited, plain):
        animate(scene, face, voice, model_folder)
    edit_key(edited.data.shape_keys, "jawOpen", 20, 0.95)
    sound = SoundFile(str(voice), 1.0)
    settings = TakeSettings(provider="CPU", life=0.0)
    take = animate_character(scene, edited, sound, model_folder, settings, scope=Scope(replace_edited=True))
    assert take.kept_count == 0
    made, wanted = all_keys(edited.data.shape_keys), all_keys(plain.data.shape_keys)
    assert made == wanted


def test_a_key_claimed_by_its_type_is_kept(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    from voxrig.blender import compat

    animate(scene, face, voice, model_folder)
    curve = compat.curves_of(face.data.shape_keys).find(path_of("browInnerUp"))
    curve.keyframe_points[3].type = "KEYFRAME"
    frame = curve.keyframe_points[3].co[0]
    before = all_keys(face.data.shape_keys)[path_of("browInnerUp")][frame]
    take = animate(scene, face, voice, model_folder, strength=0.2)
    assert take.kept_count == 1
    assert all_keys(face.data.shape_keys)[path_of("browInnerUp")][frame] == before


def test_a_key_inserted_between_generated_ones_claims_only_itself(
    scene: Any, face: Any, voice: Path, model_folder: Path
) -> None:
    animate(scene, face, voice, model_folder, density=1)
    keys = face.data.shape_keys
    frames = sorted(all_keys(keys)[path_of("jawOpen")])
    free = next(frame for frame in range(10, 40) if frame not in frames)
    keys.key_blocks["jawOpen"].value = 0.7
    keys.key_blocks["jawOpen"].keyframe_insert("value", frame=free)
    assert animate(scene, face, voice, model_folder).kept_count == 1


def test_renaming_shape_keys_and_data_blocks_turns_no_key_into_an_edit(
    scene: Any, face: Any, voice: Path, model_folder: Path
) -> None:
    from voxrig.operators.mapping_check import repair_links
    from voxrig.operators.takes import update_take

    animate(scene, face, voice, model_folder)
    keys = face.data.shape_keys
    moved = edit_key(keys, "mouthPucker", 20, 0.95)
    keys.name, face.name, face.data.name = "Renamed", "Hero", "Hero"
    keys.key_blocks["mouthPucker"].name = "mouthPucker_new"
    keys.key_blocks["jawOpen"].name = "JawOpen"
    repair_links(face)
    for _ in range(2):
        take = update_take(scene, face)
        assert take.kept_count == 1 and len(take.curves) == 4
    assert moved in all_keys(keys)[path_of("mouthPucker_new")]
    assert len(bpy.data.actions) == 1 and len(face.voxrig.takes) == 1 and face.voxrig.takes[0].is_shown


def test_edited_keys_can_be_selected(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    from voxrig.blender import compat

    choose(scene, face, voice, model_folder)
    bpy.ops.voxrig.animate_from_audio()
    moved = edit_key(face.data.shape_keys, "jawOpen", 20, 0.95)
    assert bpy.ops.voxrig.select_edited_keys() == {"FINISHED"}
    chosen = [
        (curve.data_path, key.co[0])
        for curve in compat.curves_of(face.data.shape_keys)
        for key in curve.keyframe_points
        if key.select_control_point
    ]
    assert chosen == [(path_of("jawOpen"), moved)]


def test_a_copied_character_keeps_its_edits(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    animate(scene, face, voice, model_folder)
    keys = face.data.shape_keys
    edit_key(keys, "jawOpen", 20, 0.95)
    copied = keys.animation_data.action.copy()
    slot = getattr(keys.animation_data, "action_slot", None)
    keys.animation_data.action = copied
    if slot is not None:
        keys.animation_data.action_slot = next(s for s in copied.slots if s.handle == slot.handle)
    assert animate(scene, face, voice, model_folder).kept_count == 1


def test_a_duplicated_character_speaks_on_its_own_controls(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    from voxrig.operators.takes import apply_settings, compare_take, update_take
    from voxrig.properties.links import read_mapping
    from voxrig.takes.settings import TakeSettings

    animate(scene, face, voice, model_folder)
    animate(scene, face, voice, model_folder, strength=0.5)
    keys = face.data.shape_keys
    before = all_keys(keys)
    for item in scene.objects:
        item.select_set(item == face)
    bpy.context.view_layer.objects.active = face
    bpy.ops.object.duplicate()
    copy = bpy.context.view_layer.objects.active
    own = copy.data.shape_keys
    assert copy != face and own != keys and all_keys(own) == before
    assert {target.id_name for target in read_mapping(copy).targets()} == {own.name_full}
    compare_take(copy, "1")
    louder = all_keys(own)
    assert louder != before and all_keys(keys) == before
    update_take(scene, copy, "2")
    assert all_keys(own) == before == all_keys(keys)
    apply_settings(scene, copy, TakeSettings(provider="CPU", life=0.0), "2")
    assert all_keys(own) == louder and all_keys(keys) == before
    update_take(scene, face, "1")
    assert all_keys(keys) == louder


# The list of takes


def test_a_take_is_updated_from_what_it_was_made_from(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    from voxrig.operators.takes import update_take

    animate(
        scene, face, voice, model_folder, start_frame=5, strength=0.5, emotion={"joy": 0.5}, region_strengths={"brows": 2.0}
    )
    keys = face.data.shape_keys
    first = all_keys(keys)
    animate(scene, face, voice, model_folder, start_frame=5)
    assert all_keys(keys) != first
    assert [take.title for take in face.voxrig.takes] == ["Take 1", "Take 2"]
    assert face.voxrig.takes[0].about == "voice.wav, 5 to 53, joy 0.5"
    update_take(scene, face, "1")
    assert all_keys(keys) == first
    assert len(face.voxrig.takes) == 2 and face.voxrig.active_take == 0
    record = json.loads(face.voxrig.takes[0].record)
    assert record["settings"]["strength"] == 0.5 and record["settings"]["emotion"] == {"joy": 0.5}
    assert record["model"] == model_folder.name and len(record["sound_sha256"]) == 64


def test_a_changed_sound_is_said(scene: Any, face: Any, voice: Path, model_folder: Path, tmp_path: Path) -> None:
    import soundfile
    from voxrig.operators.takes import update_take

    path = tmp_path / "line.wav"
    soundfile.write(path, model_packages.noise(1.0), model_packages.SAMPLE_RATE)
    animate(scene, face, path, model_folder)
    assert not update_take(scene, face).warnings
    soundfile.write(path, model_packages.noise(1.5, seed=9), model_packages.SAMPLE_RATE)
    take = update_take(scene, face)
    assert any("has changed since" in warning for warning in take.warnings) and take.sound_frames == (1, 37)
    assert not update_take(scene, face).warnings


def test_buttons_do_what_the_functions_do(scene: Any, make_face: Any, voice: Path, model_folder: Path) -> None:
    first, second = make_face("First"), make_face("Second")
    settings_of = choose(scene, first, voice, model_folder)
    settings_of.live_update = False
    bpy.ops.voxrig.animate_from_audio()
    animate(scene, second, voice, model_folder)
    settings_of.retake_first, settings_of.retake_last, settings_of.retake_fade = 12, 30, 3
    settings_of.retake_regions = {"LIPS", "BROWS"}
    settings_of.strength = 0.25
    assert bpy.ops.voxrig.retake() == {"FINISHED"}
    retake(scene, second, 12, 30, regions=("lips", "brows"), fade=3, strength=0.25)
    assert all_keys(first.data.shape_keys) == all_keys(second.data.shape_keys)
    assert [take.about for take in first.voxrig.takes] == ["voice.wav, 1 to 49", "voice.wav, 12 to 30, lips, brows"]
    first.voxrig.active_take = 0
    assert bpy.ops.voxrig.update_take() == {"FINISHED"}
    assert bpy.ops.voxrig.remove_take() == {"FINISHED"}
    assert [take.title for take in first.voxrig.takes] == ["Take 2"]
    scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end = True, 7, 19
    bpy.ops.voxrig.retake_range()
    assert (settings_of.retake_first, settings_of.retake_last) == (7, 19)
    scene.use_preview_range = False
    bpy.ops.voxrig.retake_range()
    assert (settings_of.retake_first, settings_of.retake_last) == (12, 30)
    settings_of.retake_first = 40
    assert "ends before it begins" in reported(lambda: bpy.ops.voxrig.retake())


def test_a_damaged_take_is_refused(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    from voxrig.operators.takes import update_take

    animate(scene, face, voice, model_folder)
    good = face.voxrig.takes[0].record
    for text in ("", "{", "[]", '{"version": 1}'):
        face.voxrig.takes[0].record = text
        with pytest.raises(RigError, match="damaged"):
            update_take(scene, face)
    face.voxrig.takes[0].record = good.replace('"version": 1', '"version": 99', 1)
    with pytest.raises(RigError, match="version 99"):
        update_take(scene, face)


def test_takes_and_fingerprints_survive_a_file(scene: Any, face: Any, voice: Path, model_folder: Path, tmp_path: Path) -> None:
    from voxrig.operators.takes import update_take

    animate(scene, face, voice, model_folder)
    edit_key(face.data.shape_keys, "jawOpen", 20, 0.95)
    path = str(tmp_path / "scene.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    face = bpy.data.objects["Face"]
    assert update_take(bpy.context.scene, face).kept_count == 1


# Sliders


def test_sliders_apply_at_once_and_as_a_new_take_would(
    scene: Any, make_face: Any, voice: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voxrig.takes import sources as module

    first, second = make_face("First"), make_face("Second")
    settings_of = choose(scene, first, voice, model_folder)
    bpy.ops.voxrig.animate_from_audio()
    wanted: dict[str, Any] = {
        "strength": 0.8,
        "smoothing_seconds": 0.05,
        "density": 3,
        "lead_seconds": 0.06,
        "region_strengths": {"jaw": 1.5, "brows": 0.5},
        "articulation": 1.2,
        "region_offsets": {"jaw": 0.1},
        "region_smoothing": {"lips": 0.04},
        "channels": {"mouthPucker": (0.7, 0.0), "browInnerUp": (1.0, -0.05)},
    }
    animate(scene, second, voice, model_folder, **wanted)
    monkeypatch.setattr(module, "generate_all", None)  # no slider may run the model
    monkeypatch.setattr(module, "open_sound", None)
    settings_of.strength, settings_of.jaw_strength, settings_of.smoothing, settings_of.density = 0.8, 1.5, 0.05, 3
    settings_of.brows_strength, settings_of.lead, settings_of.jaw_offset = 0.5, 60.0, 0.1
    settings_of.articulation, settings_of.lips_smoothing = 1.2, 40.0
    for channel, gain, offset in (("mouthPucker", 0.7, 0.0), ("browInnerUp", 1.0, -0.05)):
        item = settings_of.channels.add()
        item.channel, item.gain, item.offset = channel, gain, offset
    assert settings_of.lead == 60.0
    for channel in CHANNELS:
        np.testing.assert_allclose(
            evaluate(first.data.shape_keys, channel, np.arange(1, 50)),
            evaluate(second.data.shape_keys, channel, np.arange(1, 50)),
            atol=1e-3,
        )
    assert len(first.voxrig.takes) == 1
    assert json.loads(first.voxrig.takes[0].record)["settings"]["lead_seconds"] == pytest.approx(0.06)
    made = all_keys(first.data.shape_keys)
    settings_of.live_update = False
    settings_of.strength = 0.1
    assert all_keys(first.data.shape_keys) == made


def test_sliders_leave_a_take_of_another_sound_alone(
    scene: Any, face: Any, voice: Path, model_folder: Path, tmp_path: Path
) -> None:
    settings_of = choose(scene, face, voice, model_folder)
    bpy.ops.voxrig.animate_from_audio()
    before = all_keys(face.data.shape_keys)
    settings_of.sound_file = str(tmp_path / "next_line.wav")
    settings_of.strength = 0.1
    assert all_keys(face.data.shape_keys) == before


def test_a_slider_that_cannot_be_followed_says_why(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    from voxrig.properties.session import session

    settings_of = choose(scene, face, voice, model_folder)
    bpy.ops.voxrig.animate_from_audio()
    face.shape_key_clear()
    settings_of.strength = 0.5
    assert session.trouble
    settings_of.live_update = False
    settings_of.strength = 0.6
    assert not session.trouble


def test_a_keyed_emotion_comes_and_goes(scene: Any, make_face: Any, voice: Path, model_folder: Path) -> None:
    from voxrig.properties.settings import read_emotion

    scene.render.fps = 50
    first, second, plain = make_face("First"), make_face("Second"), make_face("Plain")
    settings_of = choose(scene, first, voice, model_folder)
    for frame, weight in ((1, 0.0), (50, 0.0), (60, 1.0), (110, 1.0)):
        settings_of.emotions["joy"].weight = weight
        settings_of.emotions["joy"].keyframe_insert("weight", frame=frame)
    bpy.ops.voxrig.animate_from_audio()
    points = read_emotion(scene, settings_of.emotions["joy"])
    assert len(points) == 110 and points[0] == (1.0, 0.0) and points[-1][1] == pytest.approx(1.0)
    animate(scene, second, voice, model_folder, emotion={"joy": points})
    animate(scene, plain, voice, model_folder)
    assert all_keys(first.data.shape_keys) == all_keys(second.data.shape_keys)
    shown = [evaluate(face.data.shape_keys, "jawOpen", np.arange(1, 100)) for face in (first, plain)]
    assert np.abs(shown[0] - shown[1])[60:].max() > 0.03  # three times the tolerance
    with pytest.raises(ModelError, match="weight 2"):
        animate(scene, plain, voice, model_folder, emotion={"joy": [(1, 0.0), (5, 2.0)]})


@pytest.mark.parametrize(("mode", "interpolation"), [("EVERY", "BEZIER"), ("STEP", "BEZIER"), ("POSES", "CONSTANT")])
def test_keys_are_placed_as_chosen_and_keep_edits(
    scene: Any, face: Any, voice: Path, model_folder: Path, mode: str, interpolation: str
) -> None:
    from voxrig.blender import compat

    animate(scene, face, voice, model_folder, keys=mode, key_step=3, key_phase=1)
    curve = compat.curves_of(face.data.shape_keys).find(path_of("jawOpen"))
    frames = [key.co[0] for key in curve.keyframe_points]
    if mode == "EVERY":
        assert frames == list(range(FIRST, LAST + 1))
    if mode == "STEP":
        assert frames == [*range(FIRST, LAST + 1, 3), LAST]
    assert {key.interpolation for key in curve.keyframe_points} == {interpolation}
    assert {key.type for key in curve.keyframe_points} <= {"GENERATED", "JITTER", "EXTREME", "BREAKDOWN"}
    assert "/s" in face.voxrig.takes[0].density
    keyed = all_keys(face.data.shape_keys)
    assert animate(scene, face, voice, model_folder, keys=mode, key_step=3, key_phase=1).kept_count == 0
    assert all_keys(face.data.shape_keys) == keyed
    edit_key(face.data.shape_keys, "jawOpen", 20, 0.95)
    assert animate(scene, face, voice, model_folder, keys=mode, key_step=3, key_phase=1).kept_count == 1


def test_the_command_line_retakes(scene: Any, face: Any, voice: Path, model_folder: Path, tmp_path: Path) -> None:
    from voxrig.animation.keys.modes import KEY_MODES
    from voxrig.cli import main as cli
    from voxrig.operators.animate import animate_character
    from voxrig.takes.record import SoundFile
    from voxrig.takes.settings import Scope, TakeSettings, find_setting

    assert find_setting("keys").choices == KEY_MODES
    animate(scene, face, voice, model_folder)
    edit_key(face.data.shape_keys, "mouthPucker", 20, 0.95)
    source, output = tmp_path / "scene.blend", tmp_path / "out.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(source), copy=True)
    settings_of = TakeSettings(provider="CPU", life=0.0, strength=0.5, keys="STEP", key_step=2, key_phase=1, lead_seconds=0.04)
    scope = Scope(10, 30, ("lips",), 3.0)
    animate_character(scene, face, SoundFile(str(voice), 1.0), model_folder, settings_of, scope=scope)
    wanted = all_keys(face.data.shape_keys)
    words = f"--blend {source} --character Face --audio {voice} --model {model_folder} --provider cpu --output {output} "
    words += "--strength 0.5 --keys step --key-phase 1 --life 0 --lead 40 --first 10 --last 30 --region lips --fade 3"
    assert cli.main(["animate", *words.split()]) == 0
    bpy.ops.wm.open_mainfile(filepath=str(output))
    face = bpy.data.objects["Face"]
    assert all_keys(face.data.shape_keys) == wanted
    assert face.voxrig.takes[-1].about == "voice.wav, 10 to 30, lips"


# Anything in any order


def artist_keys(owner: Any) -> dict[tuple[str, float], bytes]:
    return {(path, frame): key for path, keys in all_keys(owner).items() for frame, key in keys.items()}


class Session(RuleBasedStateMachine):
    """An artist who edits, retakes, updates, compares, undoes and redoes in any order, and keeps takes in the NLA as well.

    What is theirs is remembered here by hand, not by asking Voxrig, and every key that was theirs must be there, byte for byte,
    after anything that Voxrig does: shown, or beneath the take that they look at (``covered``).
    """

    voice: Path
    model_folder: Path

    def __init__(self) -> None:
        super().__init__()
        bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
        bpy.context.scene.render.fps = 24
        mesh = bpy.data.meshes.new("Face")
        mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
        face = bpy.data.objects.new("Face", mesh)
        bpy.context.scene.collection.objects.link(face)
        face.shape_key_add(name="Basis")
        for name in ("jawOpen", "mouthPucker", "browInnerUp"):
            face.shape_key_add(name=name, from_mix=False)
        choose(bpy.context.scene, face, self.voice, self.model_folder).live_update = False
        self.theirs: set[tuple[str, float]] = set()
        self.covered: set[tuple[tuple[str, float], bytes]] = set()
        self.history: list[tuple[set[tuple[str, float]], Any, dict[tuple[str, float], bytes]]] = []
        self.now = -1

    @property
    def keys(self) -> Any:
        return bpy.data.objects["Face"].data.shape_keys

    def done(self, message: str) -> None:
        """Push an undo step, as for everything that one does in the window."""
        bpy.ops.ed.undo_push(message=message)
        del self.history[self.now + 1 :]
        self.history.append((set(self.theirs), set(self.covered), artist_keys(self.keys)))
        self.now = len(self.history) - 1

    def ours(self, call: Callable[[], Any], may_change: Callable[[str, float], bool]) -> None:
        """Let Voxrig work; check that nothing but what may change did."""
        before = artist_keys(self.keys)
        call()
        after = artist_keys(self.keys)
        for place, key in before.items():
            if place in self.theirs or not may_change(*place):
                assert after.get(place) == key, place
        for place in after:
            assert place in before or may_change(*place), place

    @initialize()
    def first_take(self) -> None:
        bpy.ops.ed.undo_push(message="Start")
        bpy.ops.voxrig.animate_from_audio()
        self.done("Animate")

    @rule(
        channel=st.sampled_from(["jawOpen", "mouthPucker", "browInnerUp"]),
        frame=st.one_of(st.integers(-5, 60), st.floats(1, 49, width=32)),
        value=st.floats(0, 1, width=32),
    )
    def insert(self, channel: str, frame: float, value: float) -> None:
        from voxrig.blender import compat

        curve = compat.curves_of(self.keys).find(path_of(channel))
        key = curve.keyframe_points.insert(frame, value)
        key.type = "KEYFRAME"
        # After update() the reference is to memory that is gone.
        at = float(key.co[0])
        curve.update()
        self.theirs.add((path_of(channel), at))
        self.done("Insert")

    @rule(
        channel=st.sampled_from(["jawOpen", "mouthPucker", "browInnerUp"]),
        index=st.integers(0, 1000),
        by=st.sampled_from([-0.4, -0.02, 0.0, 0.02, 0.3]),
        value=st.floats(1 / 64, 1, width=32),
    )
    def move(self, channel: str, index: int, by: float, value: float) -> None:
        from voxrig.blender import compat

        curve = compat.curves_of(self.keys).find(path_of(channel))
        key = curve.keyframe_points[index % len(curve.keyframe_points)]
        old = float(key.co[0])
        others = np.array([other.co[0] for other in curve.keyframe_points if other.co[0] != old])
        if abs(key.co[1] - value) < 1e-3 or np.abs(others - (old + by)).min(initial=1.0) < 0.02:
            return
        key.co_ui = (old + by, value)
        new = float(key.co[0])
        curve.update()
        self.theirs.discard((path_of(channel), old))
        self.theirs.add((path_of(channel), new))
        self.done("Move")

    @precondition(lambda self: self.theirs)
    @rule(index=st.integers(0, 1000))
    def delete(self, index: int) -> None:
        from voxrig.blender import compat

        path, frame = sorted(self.theirs)[index % len(self.theirs)]
        curve = compat.curves_of(self.keys).find(path)
        if len(curve.keyframe_points) > 1:
            curve.keyframe_points.remove(next(key for key in curve.keyframe_points if key.co[0] == frame))
            self.theirs.discard((path, frame))
            self.done("Delete")

    @rule(
        first=st.integers(-3, 55),
        length=st.integers(0, 60),
        regions=st.sets(st.sampled_from(["JAW", "LIPS", "BROWS"])),
        fade=st.sampled_from([0.0, 1.0, 4.0, 20.0]),
        strength=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
        density=st.sampled_from([1, 4, 7]),
    )
    def retake(self, first: int, length: int, regions: set[str], fade: float, strength: float, density: int) -> None:
        chosen = bpy.context.scene.voxrig
        chosen.retake_first, chosen.retake_last, chosen.retake_regions = first, first + length, regions
        chosen.retake_fade, chosen.strength, chosen.density = fade, strength, density
        low, high = max(first, FIRST), min(first + length, LAST)
        if low > high:
            with pytest.raises(RuntimeError, match="outside the sound"):
                self.ours(bpy.ops.voxrig.retake, lambda _path, _frame: False)
            return
        inside = {path_of(channel) for channel in REGIONS if not regions or REGIONS[channel].upper() in regions}
        inside = inside if self.choose_take(bpy.data.objects["Face"].voxrig.active_take) else set()
        self.ours(bpy.ops.voxrig.retake, lambda path, frame: path in inside and low - 0.01 <= frame <= high + 0.01)
        self.done("Retake")

    @rule(index=st.integers(0, 1000))
    def update(self, index: int) -> None:
        in_action = self.choose_take(index)
        self.ours(bpy.ops.voxrig.update_take, lambda _path, frame: in_action and FIRST - 0.01 <= frame <= LAST + 0.01)
        self.done("Update")

    @rule(strength=st.sampled_from([0.3, 1.0]))
    def animate(self, strength: float) -> None:
        bpy.context.scene.voxrig.strength = strength
        self.ours(bpy.ops.voxrig.animate_from_audio, lambda _path, frame: FIRST - 0.01 <= frame <= LAST + 0.01)
        self.done("Animate")

    @rule(output=st.sampled_from(["STRIP", "LAYER"]), blend=st.sampled_from([0.0, 5.0]))
    def animate_in_the_nla(self, output: str, blend: float) -> None:
        chosen = bpy.context.scene.voxrig
        chosen.output, chosen.output_blend = output, blend
        try:
            self.ours(bpy.ops.voxrig.animate_from_audio, lambda _path, _frame: False)
        except RuntimeError as error:
            # An Action over strips of the same controls cannot add to a layer.
            assert output == "LAYER" and "push it down" in str(error)
        chosen.output = "ACTION"
        self.done("Animate in the NLA")

    @rule(index=st.integers(0, 1000), other=st.integers(0, 1000))
    def compare(self, index: int, other: int) -> None:
        """Look at two takes in turn: what is the artist's is shown or kept beneath, and comes back as it was.

        A take shows its own frames; beyond them lies the take that was looked at before it.
        """
        takes = [take.name for take in bpy.data.objects["Face"].voxrig.takes]
        one, two = takes[index % len(takes)], takes[other % len(takes)]
        everywhere = self.all_versions()
        self.show(one)
        first = self.keys_of_whole_face(one)
        bpy.ops.voxrig.compare_take(take=two)
        bpy.ops.voxrig.compare_take(take=one)
        assert self.keys_of_whole_face(one) == first
        assert self.all_versions() == everywhere
        self.done("Compare")

    def keys_of_whole_face(self, take: str) -> dict[tuple[str, float], bytes]:
        """Return the keys within a take's frames; none for a take of some face parts only or one that is not in the Action."""
        record = json.loads(bpy.data.objects["Face"].voxrig.takes[take].record)
        first, last = record["first_frame"], record["last_frame"]
        if record["scope"]["regions"] or record["scope"]["output"] != "ACTION":
            return {}
        return {(path, frame): key for (path, frame), key in artist_keys(self.keys).items() if first <= frame <= last}

    def show(self, take: str) -> None:
        """Compare a take; what is theirs goes beneath it where it covers that, and what it covered of theirs comes back."""
        mine = {place: key for place, key in artist_keys(self.keys).items() if place in self.theirs}
        bpy.ops.voxrig.compare_take(take=take)
        now = artist_keys(self.keys)
        self.covered |= {(place, key) for place, key in mine.items() if now.get(place) != key}
        shown = {(place, key) for place, key in self.covered if now.get(place) == key}
        self.covered -= shown
        self.theirs = {place for place in mine if now.get(place) == mine[place]} | {place for place, _key in shown}

    def choose_take(self, index: int) -> bool:
        """Choose a take and show it; returns whether it is in the Action."""
        takes = bpy.data.objects["Face"].voxrig.takes
        chosen = takes[index % len(takes)]
        self.show(chosen.name)
        return json.loads(chosen.record)["scope"]["output"] == "ACTION"

    def all_versions(self) -> list[bytes]:
        """Return every key that is shown or kept beneath a take, in any Action."""
        from voxrig.animation.keys.stack import unpack_keys
        from voxrig.blender import actions, compat

        found: list[bytes] = []
        for action in bpy.data.actions:
            for slot in action.slots if compat.has_slots() else (None,):
                for curve in compat.curves_at(compat.Place(action, slot.handle if slot else 0)) or ():
                    found += [key.tobytes() for key in actions.read_keys(curve)]
            for entry in action.voxrig.generated:
                for held in entry.holds:
                    found += [key.tobytes() for key in unpack_keys(held.keys)]
        return sorted(found)

    @rule(strength=st.sampled_from([0.4, 1.6]), smoothing=st.sampled_from([0.0, 0.1]))
    def slide(self, strength: float, smoothing: float) -> None:
        chosen = bpy.context.scene.voxrig
        in_action = self.choose_take(bpy.data.objects["Face"].voxrig.active_take)
        chosen.live_update = True
        self.ours(
            lambda: setattr(chosen, "strength", strength),
            lambda _path, frame: in_action and FIRST - 0.01 <= frame <= LAST + 0.01,
        )
        self.ours(
            lambda: setattr(chosen, "smoothing", smoothing),
            lambda _path, frame: in_action and FIRST - 0.01 <= frame <= LAST + 0.01,
        )
        chosen.live_update = False
        self.done("Slide")

    @precondition(lambda self: self.now > 0)
    @rule()
    def undo(self) -> None:
        bpy.ops.ed.undo()
        self.now -= 1
        self.theirs, self.covered = (set(part) for part in self.history[self.now][:2])

    @precondition(lambda self: self.now < len(self.history) - 1)
    @rule()
    def redo(self) -> None:
        bpy.ops.ed.redo()
        self.now += 1
        self.theirs, self.covered = (set(part) for part in self.history[self.now][:2])

    @invariant()
    def no_key_of_the_artist_is_lost(self) -> None:
        if self.now < 0:
            return
        present = artist_keys(self.keys)
        assert self.theirs <= present.keys()
        assert present == self.history[self.now][2]
        # What is theirs on another take is kept beneath this one.
        assert {key for _place, key in self.covered} <= set(self.all_versions())


def test_no_key_of_the_artist_is_ever_lost(registered: None, voice: Path, model_folder: Path) -> None:
    Session.voice, Session.model_folder = voice, model_folder
    # VOXRIG_SEQUENCES=200 for the long run.
    run_state_machine_as_test(
        Session,
        settings=settings(
            max_examples=int(os.environ.get("VOXRIG_SEQUENCES", "12")),
            stateful_step_count=12,
            deadline=None,
            database=None,
            derandomize="VOXRIG_SEQUENCES" not in os.environ,
            suppress_health_check=list(HealthCheck),
        ),
    )
