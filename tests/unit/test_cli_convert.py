# SPDX-License-Identifier: GPL-3.0-or-later
"""``voxrig convert``: the formats by name and by ending, and one line for everything that is lost or goes wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from voxrig.animation.curves import ChannelCurves
from voxrig.animation.interchange import FORMATS, import_curves, write_curves
from voxrig.cli.main import main


@pytest.fixture
def take(tmp_path: Path) -> Path:
    names = ("jawOpen", "mouthClose", "viseme_sil", "viseme_aa")
    values = np.zeros((120, 4), np.float32)
    values[40:80] = (0.5, 0.2, 0.0, 1.0)
    values[:40, 2] = values[80:, 2] = 1.0
    path = tmp_path / "take.csv"
    write_curves(path, ChannelCurves(names, 60.0, values))
    return path


def test_to_every_format_and_back(take: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file_format in FORMATS:
        path = tmp_path / f"again.{file_format}"
        assert main(["convert", str(take), str(path), "--to", file_format]) == 0
        output = capsys.readouterr().out
        assert f"({file_format}): 4 channels, 120 frames at 60 a second" in output
        imported = import_curves(path)
        assert imported.format == file_format
        if file_format.startswith("rhubarb"):
            assert imported.curves.channel("viseme_aa").max() == 1.0
        else:
            jaw = imported.curves.channel("jawOpen")
            assert (float(jaw[30]), float(jaw[60])) == pytest.approx((0.0, 0.5))


def test_the_ending_names_the_format(take: Path, tmp_path: Path) -> None:
    for suffix, file_format in ((".tsv", "rhubarb-tsv"), (".json", "audio2face-json"), (".npz", "npz")):
        path = tmp_path / f"other{suffix}"
        assert main(["convert", str(take), str(path)]) == 0
        assert import_curves(path).format == file_format


def test_rates_and_the_clock_go_along(take: Path, tmp_path: Path) -> None:
    phone, again = tmp_path / "phone.csv", tmp_path / "again.csv"
    assert main(["convert", str(take), str(phone), "--to", "live-link-face", "--fps", "29.97"]) == 0
    assert import_curves(phone).curves.frame_rate == 30 / 1.001
    phone.write_text(phone.read_text().replace("00:00:0", "14:03:5"))
    assert main(["convert", str(phone), str(again), "--to", "live-link-face"]) == 0
    assert import_curves(again).start_timecode == "14:03:50;00.000"
    assert main(["convert", str(phone), str(again), "--from-fps", "15"]) == 0
    assert import_curves(again).curves.frame_rate == 15.0


def test_mouth_close_as_arkit_means_it(take: Path, tmp_path: Path) -> None:
    path = tmp_path / "a2f.json"
    assert main(["convert", str(take), str(path)]) == 0
    assert "[0.300000012" in path.read_text().replace("[0.300000004", "[0.300000012")
    assert main(["convert", str(take), str(path), "--arkit-mouth-close"]) == 0
    assert "[0.5, 0.2" in path.read_text()
    assert float(import_curves(path, jaw_in_mouth_close=False).curves.channel("jawOpen")[60]) == 0.5


def test_what_is_lost_is_said(take: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(take), str(tmp_path / "x.json")]) == 0
    assert capsys.readouterr().err == "voxrig: Audio2Face has no visemes; they were left out\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nowhere.csv", "x.npz"], "nowhere.csv cannot be read"),
        (["TAKE", "x.fbx"], "x.fbx ends in none of .csv"),
        (["TAKE", "x.csv", "--to", "fbx"], "there is no format 'fbx'; there are csv, npz, live-link-face"),
    ],
)
def test_what_goes_wrong_is_one_line(
    take: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], problem: str
) -> None:
    paths = [str(take) if argument == "TAKE" else argument for argument in arguments]
    paths[1] = str(tmp_path / paths[1])
    assert main(["convert", *paths]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert problem.replace("x.fbx", paths[1]) in lines[0]
    assert [entry.name for entry in tmp_path.iterdir()] == ["take.csv"]


def test_a_damaged_line_is_named(take: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = take.read_text().splitlines()
    lines[16] = "damaged"
    take.write_text("\n".join(lines))
    assert main(["convert", str(take), str(tmp_path / "x.npz")]) == 2
    assert capsys.readouterr().err.startswith("voxrig: take.csv, line 17: it has 1 cells where the header has 5")


def test_help_lists_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split()).replace("- ", "-")
    for file_format in FORMATS:
        assert file_format in text
