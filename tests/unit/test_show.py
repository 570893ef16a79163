# SPDX-License-Identifier: GPL-3.0-or-later
"""Show datasets: written and read back, and every kind of bad shot told from the others in one sentence."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace

import numpy as np
import pytest
from model_packages import SAMPLE_RATE, noise
from shows import CONTROLS, make_shot
from voxrig.errors import ShowError
from voxrig.inference.audio import Waveform
from voxrig.learning.show import Shot, gather_show, read_shot, read_show, write_shot


def test_a_shot_comes_back_as_it_was_written(tmp_path):
    weights = np.linspace(0, 1, 96, dtype=np.float32)[:, None]
    shot = make_shot(
        "sc01 sh010", sound_start_seconds=-0.25, emotions=("joy",), emotion=weights, first_frame=101.0,
        blend_file="sh010.blend", sound_file="line.wav",
    )  # fmt: skip
    path = write_shot(tmp_path / "show", shot)
    read = read_shot(path)
    np.testing.assert_array_equal(read.values, shot.values)
    np.testing.assert_array_equal(read.waveform.samples, shot.waveform.samples)
    np.testing.assert_array_equal(read.emotion_weights, weights)
    for name in (
        "name",
        "rig",
        "controls",
        "frame_rate",
        "sound_start_seconds",
        "emotions",
        "first_frame",
        "blend_file",
        "sound_file",
    ):
        assert getattr(read, name) == getattr(shot, name), name
    assert read.controls[0].maximum == math.inf
    description = json.loads(path.read_text())
    assert description["controls"][0]["maximum"] is None and "Infinity" not in path.read_text()
    assert description["sound"]["sha256"] == shot.sound_sha256
    assert sorted(os.listdir(tmp_path / "show")) == ["sc01 sh010.json", "sc01 sh010.npz"]


def test_the_show_finds_what_moves_and_gives_it_limits(tmp_path):
    for number in (1, 2):
        write_shot(tmp_path, make_shot(f"sh{number}", seed=number))
    show = read_show(tmp_path)
    assert [shot.name for shot in show.shots] == ["sh1", "sh2"]
    assert [control.name for control in show.controls] == ["jaw_ctrl.rotation", "lip_corner_L"]
    assert show.still == ("ear_twitch",)
    jaw, corner = show.controls
    assert jaw.minimum == pytest.approx(-1.4, abs=0.02) and jaw.maximum == pytest.approx(1.4, abs=0.02)
    assert (corner.minimum, corner.maximum) == (-5.0, 5.0)
    assert show.minutes == pytest.approx(8 / 60)
    assert show.warnings == ()


def test_a_control_beyond_its_own_limits_keeps_what_it_does():
    shot = make_shot()
    narrow = replace(shot, controls=(replace(CONTROLS[0], minimum=-0.5, maximum=0.5, rest=0.4), *CONTROLS[1:]))
    jaw = gather_show([narrow]).controls[0]
    assert jaw.minimum < -1.0 < 1.0 < jaw.maximum
    assert jaw.rest == 0.4


def test_shots_may_list_their_controls_in_another_order_and_rate():
    shot = make_shot("a")
    turned = replace(shot, name="b", controls=shot.controls[::-1], values=shot.values[:, ::-1], frame_rate=30.0)
    assert [control.name for control in gather_show([shot, turned]).controls] == ["jaw_ctrl.rotation", "lip_corner_L"]


def test_copies_and_missing_sound_are_warned_of():
    shot = make_shot("a")
    short = make_shot("c", waveform=Waveform(noise(2.5), SAMPLE_RATE))
    warnings = gather_show([shot, replace(shot, name="b"), short]).warnings
    assert warnings[0] == "Shot 'b' is the same as shot 'a', so it counts twice"
    assert warnings[1] == "Shot 'c' has 1.5 s of animation without sound, which are left out"
    assert len(warnings) == 2


def broken_values() -> np.ndarray:
    values = np.array(make_shot().values)
    values[30, 1] = np.nan
    return values


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"waveform": Waveform(np.zeros(0, np.float32), SAMPLE_RATE)}, "has no sound"),
        ({"waveform": Waveform(np.full(90_000, np.nan, np.float32), SAMPLE_RATE)}, "sound samples that are not numbers"),
        ({"waveform": Waveform(noise(0.4), SAMPLE_RATE)}, "0.40 s of animation with sound"),
        ({"sound_start_seconds": 20.0}, "0.00 s of animation with sound"),
        ({"values": broken_values()}, "values of 'lip_corner_L' that are not numbers, the first at frame 31"),
        ({"frame_rate": 0.0}, "0.0 frames a second"),
        ({"controls": (CONTROLS[0], CONTROLS[0], CONTROLS[2])}, "two controls named 'jaw_ctrl.rotation'"),
        ({"controls": (), "values": np.zeros((96, 0))}, "has no controls"),
        ({"controls": (replace(CONTROLS[0], region="chin"), *CONTROLS[1:])}, "unknown region 'chin'"),
        ({"emotions": ("joy",), "emotion": np.full((96, 1), 2.0, np.float32)}, "not between 0 and 1"),
    ],
)
def test_a_shot_that_teaches_nothing_is_refused(changes, message):
    with pytest.raises(ShowError, match=message) as raised:
        make_shot("bad", **changes)
    assert "'bad'" in str(raised.value) and "\n" not in str(raised.value)


def still(name: str) -> Shot:
    return make_shot(name, values=np.full((96, 3), 0.5))


@pytest.mark.parametrize(
    ("shots", "message"),
    [
        ([], "no shot to learn from"),
        ([still("a"), still("b")], "None of the controls moves"),
        ([make_shot("a"), make_shot("b", rig="villain")], "of the rig 'villain', shot 'a' of 'hero'"),
        ([make_shot("a"), make_shot("a", seed=9)], "Two shots are named 'a'"),
        (
            [make_shot("a"), make_shot("b", controls=(CONTROLS[0], replace(CONTROLS[1], name="lip.L"), CONTROLS[2]))],
            "'b' lacks the control 'lip_corner_L' and has 'lip.L' instead, unlike shot 'a'",
        ),
        (
            [make_shot("a"), make_shot("b", controls=CONTROLS[:2], values=make_shot().values[:, :2])],
            "lacks the control 'ear_twitch'",
        ),
    ],
)
def test_shots_that_do_not_go_together_are_refused(shots, message):
    with pytest.raises(ShowError, match=message):
        gather_show(shots)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "a.npz").unlink(), "No such file"),
        (lambda folder: (folder / "a.npz").write_bytes((folder / "a.npz").read_bytes()[:-100]), "have changed"),
        (lambda folder: (folder / "a.json").write_text("{"), "damaged on disk"),
        (lambda folder: (folder / "a.json").write_text("[]"), "not of format 1"),
        (lambda folder: (folder / "a.json").write_bytes(b"\xff\xfe\x00"), "damaged on disk"),
        (lambda folder: edit(folder, lambda text: text.pop("controls")), "controls is missing"),
        (lambda folder: edit(folder, lambda text: text["controls"].pop()), "values are"),
        (lambda folder: edit(folder, lambda text: text.update(format=2)), "not of format 1"),
        (lambda folder: edit(folder, lambda text: text["sound"].update(sample_rate="much")), "much"),
    ],
)
def test_a_damaged_dataset_names_the_shot(tmp_path, damage, message):
    write_shot(tmp_path, make_shot("a"))
    write_shot(tmp_path, make_shot("b"))
    damage(tmp_path)
    with pytest.raises(ShowError, match=message) as raised:
        read_show(tmp_path)
    assert "Shot 'a' is damaged on disk" in str(raised.value) and "\n" not in str(raised.value)


def edit(folder, change):
    path = folder / "a.json"
    description = json.loads(path.read_text())
    change(description)
    path.write_text(json.dumps(description))


def test_a_shot_whose_writing_was_interrupted_is_not_there(tmp_path, monkeypatch):
    write_shot(tmp_path, make_shot("a"))

    def stop(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("voxrig.storage.writing.os.replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_shot(tmp_path, make_shot("b"))
    assert [shot.name for shot in read_show(tmp_path).shots] == ["a"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.npz"]


@pytest.mark.parametrize("name", ["../b", "a/b", "", ".hidden", "a:b", "x" * 200])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path, name):
    with pytest.raises(ShowError, match="cannot be named"):
        write_shot(tmp_path, make_shot(name))
    assert not list(tmp_path.iterdir())


def test_no_folder_and_no_shot_are_said(tmp_path):
    with pytest.raises(ShowError, match="no folder"):
        read_show(tmp_path / "nothing")
    with pytest.raises(ShowError, match="no shot in"):
        read_show(tmp_path)
