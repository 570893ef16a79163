# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of learned shows: how shots are read, cut and measured."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from model_packages import HOP, SAMPLE_RATE, noise, write_package
from shows import make_shot
from voxrig.animation.curves import ChannelCurves
from voxrig.inference.package import load_package
from voxrig.inference.session import open_session
from voxrig.learning.fit import hear_shot
from voxrig.training.evaluation.score_learning import first_minutes, hear_loudness, main, read_lips, read_rig


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return load_package(write_package(tmp_path_factory.mktemp("trunk") / "small"))


def write_data(folder, seconds=4.0):
    """Write two learned takes and a tested one, two learned clips and a tested one, whose mouths swing."""
    rig, lips = folder / "rig_116", folder / "grid_lips"
    for place in (rig, lips / "audio", lips / "lips"):
        place.mkdir(parents=True)
    time = np.arange(round(seconds * 30)) / 30
    for number in (1, 2, 3):
        table = np.stack([np.arange(len(time)), np.sin(4 * time + number), np.cos(3 * time), np.zeros(len(time))], axis=1)
        np.savetxt(rig / f"take_{number}.csv", table, delimiter=",", comments="",
                   header="frame,mouth_stretch_c,mouth_oo_c,tongue_u")  # fmt: skip
        soundfile.write(rig / f"take_{number}.flac", noise(seconds, seed=number), SAMPLE_RATE)
    columns = "inner_gap,outer_height,mouth_width,subnasal_chin,lip_z,subnasal_upperlip"
    time = (np.arange(round(seconds * 25)) + 0.5) / 25
    for name in ("l1", "p1", "b1"):
        table = np.stack([np.sin(3 * time), time, np.cos(4 * time), np.sin(2 * time), time, time], axis=1)
        np.savetxt(lips / "lips" / f"{name}.csv", table, delimiter=",", header=columns, comments="")
        soundfile.write(lips / "audio" / f"{name}.flac", noise(seconds, seed=ord(name[0])), SAMPLE_RATE)


def test_the_truth_itself_scores_one(tmp_path):
    write_data(tmp_path)
    rig = read_rig(tmp_path / "rig_116")
    assert [shot.name for shot in rig.show.shots] == ["take_1", "take_2"] and [shot.name for shot in rig.tested] == ["take_3"]
    assert [control.name for control in rig.show.controls] == ["mouth_stretch_c", "mouth_oo_c"]
    test = rig.tested[0]
    figures = rig.score([ChannelCurves(test.control_names, 30.0, test.values)])
    assert figures["mouth_stretch_c"] == pytest.approx(1.0) and figures["moving mouth controls"] == pytest.approx(1.0)
    assert figures["MTM of mouth_stretch_c, ms"] == pytest.approx(0.0, abs=1e-3)
    assert figures["that lag, above 0 late, ms"] == 0.0
    figures = rig.score([ChannelCurves(test.control_names, 30.0, test.values, 0.05)])
    assert figures["mouth_stretch_c"] < 0.99 < figures["mouth_stretch_c at its best lag"]
    assert figures["that lag, above 0 late, ms"] == pytest.approx(50.0)
    left_out = rig.score_left_out({"mouth_stretch_c": 0.8, "mouth_oo_c": 0.4, "tongue_u": 0.0})
    assert list(left_out.values()) == pytest.approx([0.8, 0.6])

    lips = read_lips(tmp_path / "grid_lips")
    assert [shot.name for shot in lips.tested] == ["b1"]
    clip = lips.tested[0]
    # The first picture is half a picture after the start of the sound.
    figures = lips.score([ChannelCurves(clip.control_names, 25.0, clip.values, 0.02)])
    assert list(figures.values()) == pytest.approx([1.0] * 5)
    late = lips.score([ChannelCurves(clip.control_names, 25.0, clip.values, 0.22)])
    assert max(late[name] for name in ("opening", "width", "jaw")) < 0.95  # the other two are ramps here


def test_minutes_are_counted_in_rows_with_animation(package):
    shot = make_shot(seconds=4.0)
    session = open_session(package, "CPU", 1)
    heard = hear_shot(session, shot, shot.controls)
    kept = first_minutes([heard, heard, heard], 6.0 / 60.0, 50.0)
    assert sum(int(item.usable.sum()) for item in kept) == 300
    assert len(kept) == 2 and int(kept[0].usable.sum()) == int(heard.usable.sum())
    assert len(first_minutes([heard, heard], np.inf, 50.0)) == 2


def test_loudness_is_heard_on_the_rows_of_its_sound(package):
    samples = np.zeros(2 * SAMPLE_RATE, np.float32)
    samples[40 * HOP : 44 * HOP] = 0.5
    shot = make_shot(seconds=2.0)
    shot = make_shot(seconds=2.0, waveform=type(shot.waveform)(samples, SAMPLE_RATE))
    heard = hear_shot(open_session(package, "CPU", 1), shot, shot.controls)
    loud = hear_loudness(shot, heard, 50.0)
    first = np.flatnonzero(heard.usable)[0]
    peak = np.flatnonzero(loud.heard[:, 0] > loud.heard.max() - 3.0)
    assert first + 40 <= peak[0] <= first + 41 and first + 43 <= peak[-1] <= first + 44


def test_the_table_is_printed_for_both_shows(package, tmp_path, capsys):
    write_data(tmp_path / "data", seconds=12.0)
    assert (
        main(["--data", str(tmp_path / "data"), "--model", str(package.folder), "--save", str(tmp_path / "out"), "--networks"])
        == 0
    )
    printed = capsys.readouterr().out
    assert printed.count("| r | floor | mean pose | loudness regression |") == 2
    assert load_package(tmp_path / "out" / "rig_116").channel_names == ("mouth_stretch_c", "mouth_oo_c")
    assert load_package(tmp_path / "out" / "talker").channel_names == ("opening", "width", "jaw", "height", "upper lip")
    assert main(["--data", str(tmp_path / "nothing")]) == 2
