# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves from another program in the place of a sound and a model: imported, mapped, keyed and updated like any take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bpy
import model_packages
import numpy as np
import pytest
from file_state import curves_of, fingerprint
from keyframes import evaluate
from voxrig.animation.curves import ChannelCurves
from voxrig.animation.face.channels import face_channel_names
from voxrig.animation.interchange import FORMATS, write_curves
from voxrig.cli.main import main
from voxrig.errors import InterchangeError
from voxrig.operators.animate import animate_character
from voxrig.operators.takes import update_take
from voxrig.takes.record import CurvesFile, read_record
from voxrig.takes.settings import TakeSettings

pytestmark = pytest.mark.usefixtures("registered")

RATE = 30.0


def make_curves(names: tuple[str, ...] = ("jawOpen", "mouthPucker")) -> ChannelCurves:
    """Make two seconds of slow movement, different on every channel."""
    seconds = np.arange(61) / RATE
    return ChannelCurves(names, RATE, np.stack([0.5 - 0.4 * np.cos((2 + i) * seconds) for i in range(len(names))], axis=1))


def test_keys_follow_the_file_from_the_start_frame_on(scene: Any, face: Any, model_folder: Path, tmp_path: Path) -> None:
    curves = make_curves()
    write_curves(tmp_path / "take.csv", curves)
    scene.render.fps = 60
    take = animate_character(scene, face, CurvesFile(str(tmp_path / "take.csv"), 11), model_folder, TakeSettings())
    assert (take.first_frame, take.last_frame) == (11, 131)
    for name in curves.names:
        found = evaluate(face.data.shape_keys, name, 11 + 2 * np.arange(61))
        assert np.abs(found - curves.channel(name)).max() < 0.011
    assert "take.csv" in take.summary("Face")


@pytest.mark.parametrize("file_format", FORMATS)
def test_every_format_becomes_keys(file_format: str, scene: Any, make_face: Any, model_folder: Path, tmp_path: Path) -> None:
    from voxrig.animation.interchange import import_curves

    path = tmp_path / "take.file"
    write_curves(path, make_curves(face_channel_names()), file_format)
    face = make_face(keys=import_curves(path).curves.names)
    take = animate_character(scene, face, CurvesFile(str(path)), model_folder, TakeSettings())
    assert take.key_count > 0
    assert len(curves_of(face.data.shape_keys)) == len(take.curves) > 0


def test_a_take_of_a_file_is_updated_from_it(scene: Any, face: Any, model_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "take.csv"
    write_curves(path, make_curves())
    animate_character(scene, face, CurvesFile(str(path), 5.0), model_folder, TakeSettings(strength=0.5))
    stored = face.voxrig.takes[0]
    assert read_record(stored.record).sound == CurvesFile(str(path), 5.0)
    first = curves_of(face.data.shape_keys)
    assert not update_take(scene, face).warnings
    again = curves_of(face.data.shape_keys)
    assert all(np.array_equal(first[key], again[key]) for key in first)
    write_curves(path, make_curves().with_values(make_curves().values * 0.5))
    assert "has changed" in update_take(scene, face).warnings[0]
    halved = evaluate(face.data.shape_keys, "jawOpen", [30])[0]
    assert halved == pytest.approx(0.25 * make_curves().channel("jawOpen")[round(25 / 24 * RATE)], abs=0.02)


def test_the_button_takes_the_panels_file(scene: Any, face: Any, model_folder: Path, tmp_path: Path) -> None:
    write_curves(tmp_path / "take.csv", make_curves())
    settings = scene.voxrig
    settings.character, settings.model_folder = face, str(model_folder)
    settings.sound_source = "CURVES"
    assert not bpy.ops.voxrig.animate_from_audio.poll()
    settings.curves_file = str(tmp_path / "take.csv")
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    assert len(curves_of(face.data.shape_keys)) == 2


@pytest.mark.parametrize("case", ["missing", "damaged", "no such channels"])
def test_a_file_that_cannot_be_used_changes_nothing(
    case: str, scene: Any, face: Any, model_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "take.csv"
    if case == "damaged":
        path.write_text("seconds,jawOpen\n0,0.1\n0.1,what\n0.2,0.3\n", encoding="utf-8")
    elif case == "no such channels":
        write_curves(path, make_curves(("elbow", "knee")))
    before = fingerprint()
    with pytest.raises(Exception) as raised:
        animate_character(scene, face, CurvesFile(str(path)), model_folder)
    assert {"missing": "cannot be read", "damaged": "line 3", "no such channels": "take.csv"}[case] in str(raised.value)
    assert case == "no such channels" or isinstance(raised.value, InterchangeError)
    assert fingerprint() == before


def test_the_command_line(scene: Any, face: Any, model_folder: Path, tmp_path: Path, capsys: Any) -> None:
    write_curves(tmp_path / "take.json", make_curves(), "audio2face-json")
    blend, output = tmp_path / "face.blend", tmp_path / "out.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    command = ["animate", "--blend", blend, "--character", "Face", "--curves", tmp_path / "take.json"]
    assert main([str(word) for word in (*command, "--start-frame", 10, "--output", output)]) == 0, capsys.readouterr().err
    bpy.ops.wm.open_mainfile(filepath=str(output))
    keys = curves_of(bpy.data.objects["Face"].data.shape_keys)
    assert min(found[0, 0] for found in keys.values()) == 10
    record = json.loads(bpy.data.objects["Face"].voxrig.takes[0].record)
    assert record["sound"]["kind"] == "curves"
    assert set(model_packages.CHANNELS) >= {path.split('"')[1] for path, _ in keys}
