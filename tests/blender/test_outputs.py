# SPDX-License-Identifier: GPL-3.0-or-later
"""Where takes go: what Blender then shows, what it leaves exactly as it was, and how one take is compared with another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bpy
import model_packages
import numpy as np
import pytest
from characters import animate, choose
from keyframes import all_keys, edit_key, path_of
from operator_reports import reported
from voxrig.errors import RigError

pytestmark = pytest.mark.usefixtures("registered")

CHANNELS = model_packages.CHANNELS
FRAMES = range(1, 50)


def make(scene: Any, face: Any, voice: Path, model_folder: Path, output: str, **changes: Any) -> Any:
    """Animate into an output; every frame is a key, so that what is shown is what the model says."""
    from voxrig.operators.animate import animate_character
    from voxrig.takes.record import SoundFile
    from voxrig.takes.settings import Scope, TakeSettings

    blend = changes.pop("blend", 0.0)
    regions = changes.pop("regions", ())
    settings = TakeSettings(**{"provider": "CPU", "life": 0.0, "keys": "EVERY", **changes})
    scope = Scope(regions=regions, fade_frames=blend, output=output)
    return animate_character(scene, face, SoundFile(str(voice), 1.0), model_folder, settings, scope=scope)


def shown(scene: Any, face: Any, channel: str, frames: Any = FRAMES) -> np.ndarray:
    """Return a shape key as evaluated by the depsgraph, including the NLA, ``[frame]``."""
    values = []
    for frame in frames:
        scene.frame_set(frame)
        keys = face.data.shape_keys.evaluated_get(bpy.context.evaluated_depsgraph_get())
        values.append(keys.key_blocks[channel].value)
    return np.array(values)


def wanted(scene: Any, make_face: Any, voice: Path, model_folder: Path, **changes: Any) -> dict[str, np.ndarray]:
    """Return the same take as shown in the Action of a separate face."""
    face = make_face("Wanted")
    make(scene, face, voice, model_folder, "ACTION", **changes)
    values = {channel: shown(scene, face, channel) for channel in CHANNELS}
    bpy.data.objects.remove(face)
    return values


def artists_action(face: Any, channels: tuple[str, ...] = ("jawOpen",), value: float = 0.25) -> Any:
    """Add keys of the artist's, from -50 to 200, and return their Action."""
    for channel in channels:
        block = face.data.shape_keys.key_blocks[channel]
        for frame, height in ((-50, value), (200, value)):
            block.value = height
            block.keyframe_insert("value", frame=frame)
    action = face.data.shape_keys.animation_data.action
    action.name = "Artist"
    return action


def state_of(face: Any) -> Any:
    return all_keys(face.data.shape_keys)


@pytest.mark.parametrize("output", ["ACTION", "NEW_ACTION", "NEW_SLOT", "STRIP", "LAYER"])
def test_every_output_shows_the_take(scene: Any, make_face: Any, voice: Path, model_folder: Path, output: str) -> None:
    from voxrig.blender import compat

    face = make_face()
    if output == "NEW_SLOT" and not compat.has_slots():
        with pytest.raises(RigError, match="no slots"):
            make(scene, face, voice, model_folder, output)
        assert not bpy.data.actions
        return
    expected = wanted(scene, make_face, voice, model_folder)
    make(scene, face, voice, model_folder, output)
    for channel in CHANNELS:
        np.testing.assert_allclose(shown(scene, face, channel), expected[channel], atol=1e-5)
        assert np.ptp(expected[channel]) > 0.05
    take = face.voxrig.takes[0]
    assert take.is_shown and json.loads(take.record)["scope"]["output"] == output
    data = face.data.shape_keys.animation_data
    assert (len(data.nla_tracks) >= 1) == (output in ("STRIP", "LAYER"))
    assert (data.action is None) == (output in ("STRIP", "LAYER"))


@pytest.mark.parametrize("output", ["NEW_ACTION", "NEW_SLOT", "STRIP", "LAYER"])
def test_the_artists_action_stays_byte_for_byte_and_one_undo_takes_the_output_back(
    scene: Any, make_face: Any, voice: Path, model_folder: Path, output: str
) -> None:
    from voxrig.blender import compat

    if output == "NEW_SLOT" and not compat.has_slots():
        pytest.skip("this Blender has no slots")
    face = make_face(keys=(*CHANNELS, "somethingElse"))
    artists_action(face, ("jawOpen", "somethingElse"))
    before = state_of(face)
    values = {name: shown(scene, face, name, range(-60, 70)) for name in (*CHANNELS, "somethingElse")}
    choose(scene, face, voice, model_folder).output = output
    bpy.ops.ed.undo_push(message="Before")
    bpy.ops.voxrig.animate_from_audio()
    bpy.ops.ed.undo_push(message="Take")
    face = bpy.data.objects["Face"]
    keys = face.data.shape_keys
    if output in ("STRIP", "LAYER"):
        assert keys.animation_data.action.name == "Artist" and state_of(face) == before
        assert shown(scene, face, "mouthPucker").max() > 0.05
        np.testing.assert_array_equal(shown(scene, face, "mouthPucker", (-3, 55)), [0, 0])
    else:
        kept = bpy.data.actions["Artist"]
        assert kept.users >= 1 and (output == "NEW_SLOT" or kept.use_fake_user)
        artists = {path: found for path, found in _keys_of(kept).items() if found}
        assert {path: found for path, found in artists.items() if found == before.get(path)}.keys() == before.keys()
    bpy.ops.ed.undo()
    face = bpy.data.objects["Face"]
    assert state_of(face) == before and not face.voxrig.takes and len(bpy.data.actions) == 1
    assert not len(face.data.shape_keys.animation_data.nla_tracks)
    for name, curve in values.items():
        np.testing.assert_array_equal(shown(bpy.context.scene, face, name, range(-60, 70)), curve)


def _keys_of(action: Any) -> dict[str, dict[float, bytes]]:
    """Return the keys of the first slot of an Action."""
    from voxrig.blender import actions, compat

    place = compat.Place(action, action.slots[0].handle if compat.has_slots() else 0)
    found: dict[str, dict[float, bytes]] = {}
    for curve in compat.curves_at(place):
        keys = actions.read_keys(curve)
        found[curve.data_path] = dict(zip(keys["co"][:, 0].tolist(), (key.tobytes() for key in keys)))
    return found


def test_a_layer_adds_to_the_artists_action(scene: Any, make_face: Any, voice: Path, model_folder: Path) -> None:
    expected = wanted(scene, make_face, voice, model_folder, strength=0.4)
    face = make_face()
    artists_action(face, ("jawOpen",), 0.25)
    before = state_of(face)
    take = make(scene, face, voice, model_folder, "LAYER", strength=0.4)
    assert any("adds to the layers below" in warning for warning in take.warnings)
    assert state_of(face) == before
    np.testing.assert_allclose(shown(scene, face, "jawOpen"), expected["jawOpen"] + 0.25, atol=1e-5)
    np.testing.assert_allclose(shown(scene, face, "mouthPucker"), expected["mouthPucker"], atol=1e-5)
    np.testing.assert_allclose(shown(scene, face, "jawOpen", (-10, -6, 58, 90)), 0.25, atol=1e-6)
    # A second layer adds to both, a strip of the artist's with the same controls below is refused.
    make(scene, face, voice, model_folder, "LAYER", strength=0.2, regions=("jaw",))
    twice = wanted(scene, make_face, voice, model_folder, strength=0.2)
    np.testing.assert_allclose(shown(scene, face, "jawOpen"), expected["jawOpen"] + twice["jawOpen"] + 0.25, atol=1e-5)


def test_a_layer_adds_to_bones_and_properties_from_where_they_rest(
    scene: Any, make_rig: Any, voice: Path, model_folder: Path
) -> None:
    from voxrig.animation.rig.mapping import Link, Mapping, Target
    from voxrig.properties.links import store_mapping

    rig = make_rig()
    rig["open"] = 0.5
    rig.id_properties_ui("open").update(default=0.5, min=-4.0, max=4.0)
    rig.pose.bones["lip.L"].rotation_mode = "QUATERNION"
    jaw, lip = 'pose.bones["jaw"]', 'pose.bones["lip.L"]'
    rig.pose.bones["jaw"].scale = (3.0, 1.0, 1.0)
    rig.pose.bones["jaw"].keyframe_insert("scale", frame=1)
    rig.pose.bones["jaw"].rotation_euler = (0.3, 0.0, 0.0)
    rig.pose.bones["jaw"].keyframe_insert("rotation_euler", frame=1)
    rig["open"] = 1.5
    rig.keyframe_insert('["open"]', frame=1)
    turned = (0.8, 0.6, 0.0, 0.0)
    rig.pose.bones["lip.L"].rotation_quaternion = turned
    rig.pose.bones["lip.L"].keyframe_insert("rotation_quaternion", frame=1)

    def link(channel: str, path: str, index: int, gain: float, rest: float) -> Any:
        return Link(channel, Target("OBJECT", rig.name, path, index), gain, rest=rest)

    store_mapping(
        rig,
        Mapping(
            (
                link("jawOpen", f"{jaw}.rotation_euler", 0, 0.5, 0.1),  # at rest the jaw is turned by 0.1
                link("jawOpen", f"{jaw}.scale", 0, 1.0, 2.0),  # and twice as wide
                link("mouthPucker", '["open"]', 0, 1.0, 0.5),
                link("mouthPucker", f"{lip}.rotation_quaternion", 0, -0.1, 1.0),
                link("mouthPucker", f"{lip}.rotation_quaternion", 1, 0.4, 0.0),
                link("mouthPucker", f"{lip}.rotation_quaternion", 2, 0.0, 0.0),
                link("mouthPucker", f"{lip}.rotation_quaternion", 3, 0.0, 0.0),
            )
        ),
    )
    make(scene, rig, voice, model_folder, "LAYER")
    scene.render.fps = 24
    from mathutils import Quaternion

    plain = _dense(scene, rig, voice, model_folder)
    for frame in (1, 7, 20, 33, 49):
        scene.frame_set(frame)
        posed = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
        jaw_open, pucker = (plain[channel][frame - 1] for channel in ("jawOpen", "mouthPucker"))
        bone = posed.pose.bones["jaw"]
        assert bone.rotation_euler[0] == pytest.approx(0.3 + 0.5 * jaw_open, abs=1e-4)
        assert bone.scale[0] == pytest.approx(3.0 * (2.0 + jaw_open) / 2.0, abs=1e-4)
        assert posed["open"] == pytest.approx(1.5 + pucker, abs=1e-4)
        added = Quaternion((1.0 - 0.1 * pucker, 0.4 * pucker, 0.0, 0.0)).normalized()
        both = added @ Quaternion(turned)
        assert abs(posed.pose.bones["lip.L"].rotation_quaternion.normalized().dot(both)) == pytest.approx(1.0, abs=1e-4)


def _dense(scene: Any, rig: Any, voice: Path, model_folder: Path) -> dict[str, np.ndarray]:
    """Return the channels on every frame, through controls that do nothing but show them."""
    from voxrig.animation.rig.mapping import Link, Mapping, Target
    from voxrig.properties.links import store_mapping

    probe = bpy.data.objects.new("Probe", bpy.data.meshes.new("Probe"))
    scene.collection.objects.link(probe)
    for channel in CHANNELS:
        probe[channel] = 0.0
    store_mapping(probe, Mapping(tuple(Link(c, Target("OBJECT", "Probe", f'["{c}"]')) for c in CHANNELS)))
    make(scene, probe, voice, model_folder, "ACTION")
    found: dict[str, list[float]] = {channel: [] for channel in CHANNELS}
    for frame in FRAMES:
        scene.frame_set(frame)
        for channel in CHANNELS:
            found[channel].append(probe.evaluated_get(bpy.context.evaluated_depsgraph_get())[channel])
    return {channel: np.array(values) for channel, values in found.items()}


def test_strips_blend_in_and_out_and_bear_the_takes_name(scene: Any, make_face: Any, voice: Path, model_folder: Path) -> None:
    expected = wanted(scene, make_face, voice, model_folder)
    face = make_face()
    take = make(scene, face, voice, model_folder, "STRIP", blend=10.0)
    track = face.data.shape_keys.animation_data.nla_tracks[-1]
    assert track.name == face.voxrig.takes[0].title == "Take 1" and track.strips[0].name == "Take 1"
    assert (track.strips[0].blend_in, track.strips[0].blend_out) == (10.0, 10.0)
    values = shown(scene, face, "jawOpen")
    np.testing.assert_allclose(values[12:38], expected["jawOpen"][12:38], atol=1e-5)
    jaw = next(curve for target, curve in take.curves if "jawOpen" in target.data_path)
    for frame in (take.first_frame + 5, take.last_frame - 5):
        full = jaw.values[list(jaw.frames).index(frame)]
        np.testing.assert_allclose(shown(scene, face, "jawOpen", (frame,)), 0.5 * full, atol=1e-5)
    track.mute = True
    np.testing.assert_array_equal(shown(scene, face, "jawOpen", (10, 25)), [0, 0]) if len(
        face.data.shape_keys.animation_data.nla_tracks
    ) > 1 else None


def test_an_update_goes_where_the_take_lives_even_after_its_strip_was_moved(
    scene: Any, make_face: Any, voice: Path, model_folder: Path, tmp_path: Path
) -> None:
    import soundfile
    from voxrig.blender import compat
    from voxrig.operators.takes import apply_settings, update_take
    from voxrig.takes.settings import TakeSettings

    path = tmp_path / "line.wav"
    soundfile.write(path, model_packages.noise(2.0), model_packages.SAMPLE_RATE)
    face = make_face()
    artists_action(face, ("browInnerUp",))
    before = state_of(face)
    make(scene, face, path, model_folder, "STRIP")
    data = face.data.shape_keys.animation_data
    strip = data.nla_tracks[-1].strips[0]
    first = _keys_of(strip.action)
    strip.frame_start, strip.frame_end = 101, 163
    apply_settings(scene, face, TakeSettings(provider="CPU", life=0.0, keys="EVERY", strength=0.5))
    assert _keys_of(strip.action) != first and state_of(face) == before
    apply_settings(scene, face, TakeSettings(provider="CPU", life=0.0, keys="EVERY"))
    assert _keys_of(strip.action) == first and len(data.nla_tracks) == len({t.name for t in data.nla_tracks})
    assert (strip.frame_start, strip.frame_end) == (101, 163)
    soundfile.write(path, model_packages.noise(1.5, seed=9), model_packages.SAMPLE_RATE)
    take = update_take(scene, face)
    assert any("has changed since" in warning for warning in take.warnings)
    assert (strip.frame_start, strip.frame_end, strip.action_frame_end) == (101, 151, 45)
    # Of the longer sound nothing is left behind.
    assert all(max(frames) == 45 for frames in _keys_of(strip.action).values())
    # A retake goes into the same strip, beside nothing else.
    from voxrig.operators.takes import retake
    from voxrig.takes.settings import Scope

    retake(scene, face, Scope(10, 20, fade_frames=2.0), TakeSettings(provider="CPU", life=0.0, strength=0.0))
    assert len(bpy.data.actions) == 2 + (data.nla_tracks[0].name != "Take 1") and state_of(face) == before
    assert compat.strip_place(strip) is not None and (strip.action_frame_start, strip.action_frame_end) == (-5, 45)


def test_what_cannot_be_had_is_refused_and_nothing_changes(scene: Any, make_face: Any, voice: Path, model_folder: Path) -> None:
    from file_state import fingerprint

    face = make_face()
    artists_action(face)
    data = face.data.shape_keys.animation_data
    pushed = data.nla_tracks.new()
    pushed.strips.new("Artist", 1, data.action)
    before = fingerprint()
    with pytest.raises(RigError, match="push it down"):
        make(scene, face, voice, model_folder, "LAYER")
    data.use_tweak_mode = True
    for output in ("STRIP", "LAYER", "NEW_ACTION"):
        with pytest.raises(RigError, match="tweak"):
            make(scene, face, voice, model_folder, output)
    data.use_tweak_mode = False
    assert fingerprint() == before and len(data.nla_tracks) == 1 and not face.voxrig.takes
    choose(scene, face, voice, model_folder).output = "LAYER"
    assert "push it down" in reported(bpy.ops.voxrig.animate_from_audio)


# Compare


@pytest.mark.parametrize("first", ["ACTION", "NEW_ACTION", "NEW_SLOT", "STRIP"])
@pytest.mark.parametrize("second", ["ACTION", "NEW_ACTION", "NEW_SLOT", "STRIP"])
def test_comparing_shows_either_take_and_gives_back_exactly_the_same_keys(
    scene: Any, make_face: Any, voice: Path, model_folder: Path, first: str, second: str
) -> None:
    from voxrig.blender import compat
    from voxrig.operators.takes import compare_take

    if "NEW_SLOT" in (first, second) and not compat.has_slots():
        pytest.skip("this Blender has no slots")
    face = make_face()
    make(scene, face, voice, model_folder, first)
    one = {channel: shown(scene, face, channel) for channel in CHANNELS}
    make(scene, face, voice, model_folder, second, strength=0.3)
    expected = wanted(scene, make_face, voice, model_folder, strength=0.3)
    everything = _everything()
    assert "Compare Take" in bpy.types.VOXRIG_OT_compare_take.bl_label
    for _ in range(2):
        compare_take(face, "2")
        for channel in CHANNELS:
            np.testing.assert_allclose(shown(scene, face, channel), expected[channel], atol=1e-5)
        assert [take.is_shown for take in face.voxrig.takes] == [False, True]
        assert _everything() == everything
        compare_take(face, "1")
        for channel in CHANNELS:
            np.testing.assert_allclose(shown(scene, face, channel), one[channel], atol=1e-5)
        assert [take.is_shown for take in face.voxrig.takes] == [True, False]
        if "ACTION" not in (first, second):
            assert _everything() == everything


def _everything() -> dict[str, Any]:
    """Return the keys of all Actions."""
    from voxrig.blender import actions

    found: dict[str, Any] = {}
    for action in bpy.data.actions:
        bags = (
            [bag for layer in action.layers for strip in layer.strips for bag in strip.channelbags]
            if hasattr(action, "slots")
            else [action]
        )
        for bag in bags:
            for curve in bag.fcurves:
                found[f"{action.name} {getattr(bag, 'slot_handle', 0)} {curve.data_path}"] = actions.read_keys(curve).tobytes()
    return found


def test_what_the_artist_does_to_either_take_stays_with_it(scene: Any, make_face: Any, voice: Path, model_folder: Path) -> None:
    from voxrig.operators.takes import compare_take

    face = make_face()
    keys = face.data.shape_keys
    animate(scene, face, voice, model_folder)
    at_one = edit_key(keys, "jawOpen", 20, 0.95)
    animate(scene, face, voice, model_folder, strength=0.2)
    at_two = edit_key(keys, "mouthPucker", 30, 0.9)
    keys.key_blocks["jawOpen"].value = 0.33
    keys.key_blocks["jawOpen"].keyframe_insert("value", frame=300)
    second = all_keys(keys)
    compare_take(face, "1")
    first = all_keys(keys)
    assert first[path_of("mouthPucker")].get(at_two) != second[path_of("mouthPucker")][at_two]
    assert first[path_of("jawOpen")][at_one] and 300.0 in first[path_of("jawOpen")]
    moved = edit_key(keys, "browInnerUp", 12, 0.8)
    first = all_keys(keys)
    for _ in range(3):
        compare_take(face, "2")
        assert all_keys(keys) == second
        compare_take(face, "1")
        assert all_keys(keys) == first
    from voxrig.operators.takes import update_take

    # Each take knows its own edits when it is made again.
    assert update_take(scene, face, "1").kept_count == 2
    assert all_keys(keys)[path_of("browInnerUp")][moved] == first[path_of("browInnerUp")][moved]
    assert update_take(scene, face, "2").kept_count == 2
    assert all_keys(keys)[path_of("mouthPucker")][at_two] == second[path_of("mouthPucker")][at_two]


def test_takes_of_other_lines_and_a_retake_beneath(scene: Any, make_face: Any, voice: Path, model_folder: Path) -> None:
    from voxrig.operators.takes import compare_take, retake
    from voxrig.takes.settings import Scope, TakeSettings

    face = make_face()
    keys = face.data.shape_keys
    animate(scene, face, voice, model_folder)
    animate(scene, face, voice, model_folder, start_frame=101)
    whole = all_keys(keys)
    retake(scene, face, Scope(10, 30, ("lips",), 3.0), TakeSettings(provider="CPU", life=0.0, strength=0.0), take_name="1")
    patched = all_keys(keys)
    assert [take.is_shown for take in face.voxrig.takes] == [False, True, True]
    compare_take(face, "1")
    assert all_keys(keys) == whole
    assert [take.is_shown for take in face.voxrig.takes] == [True, True, False]
    compare_take(face, "2")
    assert all_keys(keys) == whole
    compare_take(face, "3")
    assert all_keys(keys) == patched


def test_a_strip_under_the_artists_keys_mutes_nothing_and_says_so(
    scene: Any, make_face: Any, voice: Path, model_folder: Path
) -> None:
    face = make_face()
    keys = face.data.shape_keys
    keys.key_blocks["jawOpen"].value = 0.9
    keys.key_blocks["jawOpen"].keyframe_insert("value", frame=1)
    settings_of = choose(scene, face, voice, model_folder)
    settings_of.output = "STRIP"
    bpy.ops.voxrig.animate_from_audio()
    assert shown(scene, face, "jawOpen").min() > 0.8, "the artist's keys stay what one sees"
    assert shown(scene, face, "browInnerUp").max() > 0.1, "the strip shows where nothing plays over it"
    assert not any(curve.mute for curve in compat_curves(keys))
    assert not any(track.is_solo or track.mute for track in keys.animation_data.nla_tracks)


def compat_curves(owner: Any) -> Any:
    from voxrig.blender import compat

    return compat.curves_of(owner)


def test_a_strip_is_shown_over_an_older_take_and_the_action_comes_back(
    scene: Any, make_face: Any, voice: Path, model_folder: Path
) -> None:
    face = make_face()
    settings_of = choose(scene, face, voice, model_folder)
    settings_of.live_update = False
    bpy.ops.voxrig.animate_from_audio()
    before = state_of(face)
    settings_of.output, settings_of.strength = "STRIP", 0.0
    bpy.ops.voxrig.animate_from_audio()
    assert shown(scene, face, "jawOpen").max() < 1e-3 and face.voxrig.active_take == 1
    bpy.ops.voxrig.compare_take(take="1")
    assert shown(scene, face, "jawOpen").max() > 0.1 and face.voxrig.active_take == 0
    assert state_of(face) == before
    bpy.ops.voxrig.compare_take(take="2")
    # Writing into the Action shows it again.
    settings_of.output, settings_of.strength = "ACTION", 1.0
    bpy.ops.voxrig.animate_from_audio()
    assert shown(scene, face, "jawOpen").max() > 0.1 and face.voxrig.takes[0].is_shown


def test_a_locked_curve_is_left_alone_when_comparing_and_said(
    scene: Any, make_face: Any, voice: Path, model_folder: Path
) -> None:
    from voxrig.blender import compat
    from voxrig.operators.takes import compare_take

    face = make_face()
    keys = face.data.shape_keys
    animate(scene, face, voice, model_folder)
    animate(scene, face, voice, model_folder, strength=0.3)
    second = all_keys(keys)
    compat.curves_of(keys).find(path_of("jawOpen")).lock = True
    notes = compare_take(face, "1")
    assert len(notes) == 1 and "locked" in notes[0]
    assert all_keys(keys)[path_of("jawOpen")] == second[path_of("jawOpen")]
    assert all_keys(keys)[path_of("mouthPucker")] != second[path_of("mouthPucker")]
    face.data.shape_keys.animation_data_clear()
    with pytest.raises(RigError, match="keyframes of this take are gone"):
        bpy.data.actions.remove(bpy.data.actions[0])
        compare_take(face, "1")


def test_the_command_line_chooses_outputs_and_compares(
    scene: Any, make_face: Any, voice: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from voxrig.blender.outputs import OUTPUTS
    from voxrig.cli import main as cli
    from voxrig.takes.settings import find_setting

    assert tuple(choice.name for choice in find_setting("output").choices) == OUTPUTS
    face = make_face()
    make(scene, face, voice, model_folder, "ACTION", keys="SPARSE")
    first = all_keys(face.data.shape_keys)
    source, second, third = (str(tmp_path / f"{name}.blend") for name in ("one", "two", "three"))
    bpy.ops.wm.save_as_mainfile(filepath=source, copy=True)
    words = f"animate --blend {source} --character Face --audio {voice} --model {model_folder} --provider cpu"
    assert cli.main([*words.split(), "--strength", "0.3", "--into", "new-action", "--output", second]) == 0
    assert cli.main(["takes", "--blend", second, "--character", "Face"]) == 0
    told = capsys.readouterr().out.splitlines()[-2:]
    assert told == ["  1  Take 1  voice.wav, 1 to 49", "* 2  Take 2  voice.wav, 1 to 49"]
    assert cli.main(["takes", "--blend", second, "--character", "Face", "--compare", "1", "--output", third]) == 0
    bpy.ops.wm.open_mainfile(filepath=third)
    face = bpy.data.objects["Face"]
    assert all_keys(face.data.shape_keys) == first and [take.is_shown for take in face.voxrig.takes] == [True, False]
    assert cli.main(["takes", "--blend", third, "--character", "Face", "--update", "2", "--output", second]) == 0
    bpy.ops.wm.open_mainfile(filepath=second)
    assert [take.is_shown for take in bpy.data.objects["Face"].voxrig.takes] == [False, True]
    assert cli.main(["takes", "--character", "Face", "--compare", "1"]) == 2
    assert cli.main(["takes", "--character", "Face", "--compare", "9", "--output", third]) == 2


def test_takes_survive_a_library_override(scene: Any, make_face: Any, voice: Path, model_folder: Path, tmp_path: Path) -> None:
    from voxrig.operators.takes import compare_take, update_take
    from voxrig.takes.record import read_record
    from voxrig.takes.settings import TakeSettings

    face = make_face()
    make(scene, face, voice, model_folder, "ACTION", emotion={"joy": 0.5}, region_strengths={"brows": 0.5}, keys="SPARSE")
    asset = bpy.data.collections.new("Hero")
    scene.collection.children.link(asset)
    asset.objects.link(face)
    library = str(tmp_path / "hero.blend")
    bpy.ops.wm.save_as_mainfile(filepath=library)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene = bpy.context.scene
    scene.render.fps = 24
    with bpy.data.libraries.load(library, link=True) as (_found, taken):
        taken.collections = ["Hero"]
    bpy.data.collections["Hero"].override_hierarchy_create(scene, bpy.context.view_layer, do_fully_editable=True)
    face = next(item for item in bpy.data.objects if item.library is None and item.name.startswith("Face"))
    assert face.override_library is not None and len(face.voxrig.takes) == 1
    face.data.override_create(remap_local_usages=True)
    record = read_record(face.voxrig.takes[0].record)
    assert record.settings.emotion == {"joy": 0.5} and record.settings.region_strengths == {"brows": 0.5}
    # The linked Action cannot be written: a take of this file goes to an Action, or a strip, of its own.
    make(scene, face, voice, model_folder, "NEW_ACTION", strength=0.3)
    path = str(tmp_path / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    scene = bpy.context.scene
    face = next(item for item in bpy.data.objects if item.library is None and item.name.startswith("Face"))
    assert [take.title for take in face.voxrig.takes] == ["Take 1", "Take 2"]
    stored = read_record(face.voxrig.takes[1].record)
    assert stored.settings == TakeSettings(keys="EVERY", strength=0.3, life=0.0) and stored.scope.output == "NEW_ACTION"
    assert len(stored.sound_hash) == 64 and stored.mapping.links and stored.model_folder == model_folder
    made = shown(scene, face, "jawOpen")
    compare_take(face, "1")
    assert np.abs(shown(scene, face, "jawOpen") - made).max() > 0.05
    compare_take(face, "2")
    np.testing.assert_array_equal(shown(scene, face, "jawOpen"), made)
    update_take(scene, face, "2")
    np.testing.assert_array_equal(shown(scene, face, "jawOpen"), made)
