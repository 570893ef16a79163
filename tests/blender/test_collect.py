# SPDX-License-Identifier: GPL-3.0-or-later
"""Collecting shots: what is collected is what Blender shows and plays, and nothing in the file changes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import bpy
import model_packages
import numpy as np
import pytest
import soundfile
from file_state import fingerprint
from sound_strips import add_strip
from voxrig.errors import AudioError, RigError, ShowError

pytestmark = pytest.mark.usefixtures("registered")

RATE = 16_000
HAS_AUDIO = bool(bpy.app.build_options.audaspace)
needs_audio = pytest.mark.skipif(not HAS_AUDIO, reason="this bpy was built without audio: it makes no sound strips")
# Where there are no strips, what does not test them is given the sound's file.
without_strips: dict[str, str] = {}
LAST = 48


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """Two seconds of quiet noise with one loud click at 1 s."""
    path = tmp_path / "line.wav"
    samples = 0.01 * model_packages.noise(2.0)
    samples[RATE : RATE + 16] = 0.8
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return path


def key_value(owner: Any, path: str, points: dict[int, float], index: int = -1) -> None:
    """Set keys on a Blender property by frame."""
    holder, _, name = path.rpartition(".")
    thing = owner.path_resolve(holder) if holder else owner
    for frame, value in points.items():
        if index < 0:
            setattr(thing, name, value)
        else:
            getattr(thing, name)[index] = value
        thing.keyframe_insert(name, index=index, frame=frame)


@pytest.fixture
def shot(scene: Any, make_rig: Any, make_face: Any, line: Path) -> Any:
    """A character with every kind of control, animated over two seconds, with its sound."""
    scene.frame_start, scene.frame_end = 1, LAST
    rig = make_rig("Hero", bones=("jaw", "lip.L", "brow_R", "hand"))
    face = make_face("Face", keys=("mouthSmileLeft", "mouthOpenDriven", "browInnerUp"))
    face.parent = rig
    keys = face.data.shape_keys
    jaw = rig.pose.bones["jaw"]
    jaw["jawOpen"] = 0.0
    jaw.id_properties_ui("jawOpen").update(min=0.0, max=1.0)
    for frame, value in ((1, 0.0), (24, 0.9), (48, 0.2)):
        jaw["jawOpen"] = value
        jaw.keyframe_insert('["jawOpen"]', frame=frame)
    variable = (driver := keys.key_blocks["mouthOpenDriven"].driver_add("value").driver).variables.new()
    driver.type = "SUM"
    variable.targets[0].id, variable.targets[0].data_path = rig, 'pose.bones["jaw"]["jawOpen"]'
    key_value(rig, 'pose.bones["jaw"].rotation_euler', {1: 0.0, 30: 0.4}, index=0)
    key_value(rig, 'pose.bones["hand"].location', {1: 0.0, 40: 2.0}, index=1)
    brow = rig.pose.bones["brow_R"]
    brow.rotation_mode = "QUATERNION"
    for frame, w in ((1, 1.0), (48, -1.0)):  # the same rotation twice, written with both signs
        brow.rotation_quaternion = (w, 0.2 * w, 0.0, 0.0)
        brow.keyframe_insert("rotation_quaternion", frame=frame)
    key_value(keys, 'key_blocks["mouthSmileLeft"].value', {1: 0.0, 12: 0.7, 40: 0.1})
    rig["cheek_puff"] = 0.0
    for frame, value in ((1, 0.0), (48, 3.0)):
        rig["cheek_puff"] = value
        rig.keyframe_insert('["cheek_puff"]', frame=frame)
    if HAS_AUDIO:
        add_strip(scene, line, 1)
    else:
        without_strips["sound"] = str(line)
    scene.voxrig.character = rig
    return rig


def collect(scene: Any, character: Any, **settings: Any) -> Any:
    from voxrig.operators.collect import CollectSettings, collect_shot

    return collect_shot(scene, character, "sh010", CollectSettings(**{**without_strips, **settings})).shot


def column(shot: Any, name: str) -> np.ndarray:
    return shot.values[:, shot.control_names.index(name)]


# What is collected


def test_every_kind_of_control_is_collected_as_blender_shows_it(scene: Any, shot: Any) -> None:
    scene.frame_set(7)
    before = fingerprint()
    collected = collect(scene, shot)
    assert scene.frame_current == 7 and fingerprint() == before
    assert collected.rig == "Hero" and collected.frame_rate == 24 and len(collected.values) == LAST
    regions = {control.name: control.region for control in collected.controls}
    assert regions["jawOpen"] == "jaw" and regions["mouthSmileLeft"] == "lips" and regions["cheek_puff"] == "cheeks"
    assert regions["browInnerUp"] == "brows" and regions["jaw Rotation X"] == "jaw"
    assert "hand Location Y" not in regions  # names no part of the face
    assert "mouthOpenDriven" not in regions  # its driver's input is collected instead
    frame = 17
    scene.frame_set(frame)
    layer = bpy.context.view_layer.depsgraph
    rig, keys = shot.evaluated_get(layer), shot.children[0].data.shape_keys.evaluated_get(layer)
    row = frame - 1
    assert column(collected, "jawOpen")[row] == pytest.approx(rig.pose.bones["jaw"]["jawOpen"])
    assert column(collected, "jaw Rotation X")[row] == pytest.approx(rig.pose.bones["jaw"].rotation_euler[0])
    assert column(collected, "mouthSmileLeft")[row] == pytest.approx(keys.key_blocks["mouthSmileLeft"].value)
    assert column(collected, "cheek_puff")[row] == pytest.approx(rig["cheek_puff"])
    assert np.ptp(column(collected, "jawOpen")) > 0.8
    target = collected.targets["jaw Rotation X"]
    assert (target.id_type, target.id_name, target.array_index) == ("OBJECT", "Hero", 0)
    jaw = next(control for control in collected.controls if control.name == "jawOpen")
    assert (jaw.minimum, jaw.maximum, jaw.unit) == (0.0, 1.0, "weight")


def test_everything_is_collected_where_asked_for(scene: Any, shot: Any) -> None:
    collected = collect(scene, shot, everything=True)
    assert np.ptp(column(collected, "hand Location Y")) == pytest.approx(2.0, abs=1e-4)
    names = {control.name: control.region for control in collected.controls}
    assert names["hand Location Y"] == "head" and "mouthOpenDriven" not in names


def test_what_is_mapped_is_collected_in_the_region_of_its_channel(scene: Any, shot: Any) -> None:
    from voxrig.animation.rig.mapping import Link, Mapping, Target
    from voxrig.properties.links import store_mapping

    hand = Target("OBJECT", "Hero", 'pose.bones["hand"].location', 1)
    store_mapping(shot, Mapping((Link("tongueOut", hand),)))
    regions = {control.name: control.region for control in collect(scene, shot).controls}
    assert regions["hand Location Y"] == "tongue"


def test_rotations_do_not_jump_where_only_their_sign_does(scene: Any, shot: Any) -> None:
    from voxrig.animation.rig.mapping import Target
    from voxrig.blender.collect import _keep_signs

    targets = [Target("OBJECT", "Hero", 'pose.bones["brow_R"].rotation_quaternion', i) for i in range(4)]
    angles = np.linspace(0.1, 1.0, 20)
    turns = np.stack([np.cos(angles), np.sin(angles), 0 * angles, 0 * angles], axis=1).astype(np.float32)
    signs = np.where(np.arange(20) % 3 == 0, -1.0, 1.0)[:, None].astype(np.float32)
    flipped = turns * signs
    _keep_signs(flipped, targets)
    np.testing.assert_allclose(flipped, turns, atol=1e-6)


def test_animation_in_the_nla_is_collected(scene: Any, shot: Any) -> None:
    keys = shot.children[0].data.shape_keys
    data = keys.animation_data
    action, plain = data.action, column(collect(scene, shot), "mouthSmileLeft")
    data.action = None
    data.nla_tracks.new().strips.new("smile", 11, action)
    moved = column(collect(scene, shot), "mouthSmileLeft")
    np.testing.assert_allclose(moved[10:], plain[:-10], atol=1e-4)
    assert np.ptp(moved) > 0.5


def test_shots_of_one_rig_have_the_same_names_whatever_copies_are_called(scene: Any, shot: Any) -> None:
    first = collect(scene, shot)
    shot.name, shot.children[0].name = "Hero.001", "Face.002"
    second = collect(scene, shot)
    assert second.rig == "Hero" and second.control_names == first.control_names
    assert second.targets["jawOpen"].id_name == "Hero.001"


def test_controls_of_the_same_name_are_told_apart(scene: Any, shot: Any, make_face: Any) -> None:
    other = make_face("Lashes", keys=("mouthSmileLeft",))
    other.parent = shot
    names = collect(scene, shot).control_names
    assert "Face: mouthSmileLeft" in names and "Lashes: mouthSmileLeft" in names and "browInnerUp" in names


# Sound


def click_seconds(collected: Any) -> np.ndarray:
    """Find the clicks, in seconds after the first frame."""
    loud = np.flatnonzero(np.abs(collected.waveform.samples) > 0.3)
    starts = loud[np.concatenate([[True], np.diff(loud) > 100])]
    return starts / RATE + collected.sound_start_seconds


@needs_audio
def test_the_sound_keeps_its_place_trim_and_volume(scene: Any, shot: Any, line: Path) -> None:
    assert click_seconds(collect(scene, shot)) == pytest.approx([1.0], abs=0.001)
    scene.render.fps = 25
    strip = next(iter(__import__("voxrig.blender.compat", fromlist=["x"]).sequencer_strips(scene)))
    strip.volume = 0.5
    scene.frame_start = 11
    collected = collect(scene, shot)
    assert click_seconds(collected) == pytest.approx([1.0 - 10 / 25], abs=0.001)
    assert np.abs(collected.waveform.samples).max() == pytest.approx(0.4, abs=0.02)


@needs_audio
def test_several_sounds_are_mixed_into_one_line_or_chosen(scene: Any, shot: Any, line: Path) -> None:
    from voxrig.operators.collect import CollectSettings, collect_shot

    add_strip(scene, line, 13, channel=2, name="second")
    muted = add_strip(scene, line, 5, channel=3, name="music")
    muted.mute = True
    collected = collect_shot(scene, shot, "sh010")
    assert click_seconds(collected.shot) == pytest.approx([1.0, 1.5], abs=0.001)
    assert any("2 sounds" in sentence for sentence in collected.warnings)
    assert click_seconds(collect(scene, shot, strips=("second",))) == pytest.approx([1.5], abs=0.001)
    assert collect_shot(scene, shot, "sh010", CollectSettings(strips=("second",))).warnings != collected.warnings
    with pytest.raises(AudioError, match="no sound strip 'third'"):
        collect(scene, shot, strips=("third",))


def test_a_sound_file_can_be_given(scene: Any, shot: Any, line: Path) -> None:
    assert click_seconds(collect(scene, shot, sound=str(line), sound_start_frame=7.0)) == pytest.approx([1.25], abs=0.001)
    assert click_seconds(collect(scene, shot, sound=str(line))) == pytest.approx([1.0], abs=0.001)


def test_a_sound_cut_short_is_told(scene: Any, shot: Any, line: Path, tmp_path: Path) -> None:
    from voxrig.operators.collect import CollectSettings, collect_shot

    cut = tmp_path / "cut.wav"
    cut.write_bytes(line.read_bytes()[:100_000])
    told = collect_shot(scene, shot, "sh010", CollectSettings(sound=str(cut))).warnings
    assert any("although its header says 2.00 s" in warning for warning in told)


# Emotions


def test_emotions_come_from_the_label_and_the_markers(scene: Any, shot: Any) -> None:
    for frame, name in ((13, "emotion: joy"), (25, "Emotion: Anger 0.5"), (37, "emotion: none"), (40, "camera 2")):
        scene.timeline_markers.new(name, frame=frame)
    collected = collect(scene, shot, emotion={"fear": 0.8})
    assert collected.emotions == ("fear", "joy", "anger")
    weights = collected.emotion_weights
    np.testing.assert_allclose(weights[0], [0.8, 0, 0])
    np.testing.assert_allclose(weights[12], [0, 1, 0])
    np.testing.assert_allclose(weights[24], [0, 0, 0.5])
    np.testing.assert_allclose(weights[36:], 0)
    scene.timeline_markers.new("emotion: joy 7", frame=30)
    with pytest.raises(ShowError, match="marker 'emotion: joy 7' on frame 30"):
        collect(scene, shot)


# Bad input


@needs_audio
def test_no_sound(scene: Any, shot: Any) -> None:
    from voxrig.blender import compat

    for strip in compat.sequencer_strips(scene):
        strip.mute = True
    with pytest.raises(ShowError, match="'sh010' has no sound between frames 1 and 48"):
        collect(scene, shot)


def test_a_sound_that_is_shorter_than_the_animation(scene: Any, shot: Any) -> None:
    from voxrig.learning.show import gather_show

    scene.frame_end = 96
    collected = collect(scene, shot)
    assert collected.common_seconds == pytest.approx(2.0, abs=0.01) and collected.duration_seconds == 4.0
    assert gather_show([collected]).warnings == ("Shot 'sh010' has 2.0 s of animation without sound, which are left out",)


def test_nothing_animated(scene: Any, make_face: Any, line: Path) -> None:
    scene.frame_start, scene.frame_end = 1, LAST
    with pytest.raises(ShowError, match="Nothing of 'Face' is animated in shot 'sh010'"):
        collect(scene, make_face(), sound=str(line))


def test_values_that_are_no_numbers(scene: Any, shot: Any) -> None:
    shot["brow_twist"] = float("nan")
    with pytest.raises(ShowError, match="values of 'brow_twist' that are not numbers, the first at frame 1"):
        collect(scene, shot)


def test_a_character_that_is_in_no_view_layer(scene: Any, shot: Any) -> None:
    hidden = bpy.data.collections.new("Off")
    scene.collection.children.link(hidden)
    hidden.objects.link(shot)
    scene.collection.objects.unlink(shot)
    bpy.context.view_layer.layer_collection.children["Off"].exclude = True
    with pytest.raises(RigError, match="in no view layer"):
        collect(scene, shot)


def test_a_range_without_frames(scene: Any, shot: Any) -> None:
    with pytest.raises(ShowError, match="has no frames from 20 to 20"):
        collect(scene, shot, first_frame=20, last_frame=20)


# The button and the command line


@needs_audio
def test_the_button_is_the_function(scene: Any, shot: Any, tmp_path: Path) -> None:
    from voxrig.learning.show import read_show

    folder = tmp_path / "show"
    assert not bpy.ops.voxrig.collect_shot.poll()
    scene.voxrig.show_folder = str(folder)
    assert bpy.ops.voxrig.collect_shot() == {"FINISHED"}
    show = read_show(folder)
    expected = collect(scene, shot)
    assert [item.name for item in show.shots] == [scene.name]
    np.testing.assert_array_equal(show.shots[0].values, expected.values)
    np.testing.assert_array_equal(show.shots[0].waveform.samples, expected.waveform.samples)
    assert show.targets["jawOpen"] == expected.targets["jawOpen"]
    assert "<svg" in (folder / "report.html").read_text()
    assert bpy.ops.voxrig.show_report() == {"FINISHED"}


def run(*arguments: str) -> int:
    from voxrig.cli import main as cli

    audio = ["--audio", without_strips["sound"]] if without_strips else []
    return cli.main(["collect", *audio, *arguments])


def save_shots(folder: Path, count: int) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"sh{number}.blend" for number in range(count)]
    for path in paths:
        bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True)
    return paths


def test_a_folder_of_files_is_collected_and_goes_on_where_it_stopped(
    scene: Any, shot: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from voxrig.learning.show import read_show

    for sound in bpy.data.sounds:
        sound.pack()
    paths = save_shots(tmp_path / "shots", 3)
    paths[1].write_bytes(b"BLENDER" + bytes(range(200)))
    (tmp_path / "shots" / "deep").mkdir()
    shutil.copy(paths[0], tmp_path / "shots" / "deep" / "sh0.blend")
    dataset = tmp_path / "dataset"
    arguments = (str(tmp_path / "shots"), "--character", "Hero", "--output", str(dataset))
    assert run(*arguments) == 2
    printed = capfd.readouterr()
    assert "sh1.blend" in printed.err and "never move, left out" in printed.out and "browInnerUp" in printed.out
    assert [item.name for item in read_show(dataset).shots] == ["deep_sh0", "shots_sh0", "shots_sh2"]
    assert (dataset / "report.html").is_file()
    stamp = (dataset / "shots_sh2.npz").stat().st_mtime_ns

    # What was damaged or has changed is collected again, and nothing else.
    (dataset / "shots_sh0.npz").write_bytes(b"gone")
    shutil.copy(paths[2], paths[1])
    assert run(*arguments) == 0
    printed = capfd.readouterr().out
    assert "shots_sh2: unchanged" in printed and "shots_sh0: 2.0 s" in printed and "shots_sh1: 2.0 s" in printed
    assert (dataset / "shots_sh2.npz").stat().st_mtime_ns == stamp
    assert len(read_show(dataset).shots) == 4
    assert run(*arguments, "--emotion", "joy=0.5") == 0
    assert read_show(dataset).emotions == ("joy",)


def test_the_file_that_blender_has_loaded(scene: Any, shot: Any, tmp_path: Path) -> None:
    from voxrig.learning.show import read_shot

    assert run("--character", "Hero", "--output", str(tmp_path / "dataset")) == 2
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "loaded.blend"))
    assert run("--character", "Hero", "--output", str(tmp_path / "dataset"), "--audio", str(tmp_path / "line.wav")) == 0
    collected = read_shot(tmp_path / "dataset" / "loaded.json")
    assert collected.sound_file == "line.wav" and collected.blend_file.endswith("loaded.blend")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--character", "Nobody"), "has no object 'Nobody'"),
        (("--character", "Hero", "--emotion", "joy=3"), "write NAME=WEIGHT"),
        (("--character", "Hero", "--audio", "{shots}"), "has no sounds named 'sh0'"),
        (("--character", "Hero", "--scene", "Two"), "the file has no scene 'Two'"),
    ],
)
def test_what_cannot_be_collected_is_said_in_one_line(
    scene: Any, shot: Any, tmp_path: Path, capfd: Any, arguments: tuple[str, ...], sentence: str
) -> None:
    paths = save_shots(tmp_path / "shots", 1)
    given = [argument.format(shots=tmp_path / "shots") for argument in arguments]
    assert run(str(paths[0]), *given, "--output", str(tmp_path / "dataset")) == 2
    assert sentence in capfd.readouterr().err
    assert not list(tmp_path.glob("dataset/*.json"))


def test_shots_that_do_not_go_together_are_named(scene: Any, shot: Any, tmp_path: Path, capfd: Any) -> None:
    from voxrig.learning.page import write_report
    from voxrig.learning.show import read_show, write_shot

    first = collect(scene, shot)
    shot.children[0].data.shape_keys.key_blocks["browInnerUp"].name = "browsUp"
    scene.render.fps = 30
    second = collect(scene, shot)
    shot.name = "Villain"
    third = collect(scene, shot)
    from dataclasses import replace

    for number, item in enumerate((first, replace(first, name="again"), second, third)):
        write_shot(tmp_path, replace(item, name=f"sh{number}"))
    with pytest.raises(ShowError, match="lacks the control 'browInnerUp' and has 'browsUp' instead"):
        read_show(tmp_path)
    quality = write_report(tmp_path).quality
    assert len(quality.shots) == 2 and len(quality.left_out) == 2
    assert "'browsUp' instead" in quality.left_out[0] and "rig 'Villain'" in quality.left_out[1]
    assert "counts twice" in quality.problems[0]
