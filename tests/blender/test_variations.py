# SPDX-License-Identifier: GPL-3.0-or-later
"""Several takes of a line by seed, mixes of them, parts drawn again, and their contact sheet."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import bpy
import drawing_graphs
import model_packages
import numpy as np
import pytest
import soundfile
from characters import choose
from file_state import curves_of
from voxrig.animation.life.channels import CHANNEL_NAMES
from voxrig.blender.takes import find_curves
from voxrig.cli.main import main
from voxrig.errors import RigError, SettingError
from voxrig.operators.animate import gather_from_scene
from voxrig.operators.takes import compare_take
from voxrig.operators.variations import make_variations, mix_takes, roll_take, write_contact_sheet
from voxrig.properties.access import character_settings
from voxrig.takes.job import compute
from voxrig.takes.record import SoundFile, read_record
from voxrig.takes.settings import Scope, TakeSettings

pytestmark = pytest.mark.usefixtures("registered")

SHAPES = (
    *model_packages.CHANNELS,
    *(name for name in CHANNEL_NAMES if name.startswith(("eyeBlink", "brow")) and name not in model_packages.CHANNELS),
)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of babble in three phrases."""
    path = tmp_path_factory.mktemp("sounds") / "line.wav"
    rate = model_packages.SAMPLE_RATE
    time = np.arange(8 * rate) / rate
    tone = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 12)) * 0.08
    spoken = (np.sin(2 * np.pi * 2.5 * time) > -0.3) & ((time % 3.0) > 0.8)
    soundfile.write(path, (tone * spoken).astype(np.float32), rate)
    return path


def values_of(face: Any, take: Any, name: str) -> np.ndarray:
    found = find_curves(face.data.shape_keys, take.mark)[(f'key_blocks["{name}"].value', 0)]
    return np.array([found.fcurve.evaluate(float(frame)) for frame in range(1, 190)])


@pytest.fixture
def face(make_face: Any) -> Any:
    return make_face("Face", SHAPES)


def make(face: Any, line: Path, model: Path, count: int = 3, **settings: Any) -> list[Any]:
    made = make_variations(
        bpy.context.scene, face, SoundFile(str(line)), model, count, TakeSettings(**{"life": 1.0} | settings)
    )
    assert len(made) == count
    return list(character_settings(face).takes)


def test_several_takes_share_the_mouth_and_differ_in_life(face: Any, line: Path, model_folder: Path) -> None:
    takes = make(face, line, model_folder)
    assert [take.is_shown for take in takes] == [True, False, False]
    brows: list[np.ndarray] = []
    for take in takes:
        compare_take(face, take.name)
        brows.append(values_of(face, take, "browInnerUp"))
    assert all(np.abs(a - b).max() > 0.02 for i, a in enumerate(brows) for b in brows[:i])

    before = len(takes)
    mix_takes(bpy.context.scene, face, {"brows": takes[1].name}, takes[0].name)
    mixed = character_settings(face).takes[before]
    assert np.abs(values_of(face, mixed, "browInnerUp") - brows[1]).max() < 0.02
    blinks = values_of(face, mixed, "eyeBlinkLeft")
    compare_take(face, takes[0].name)
    assert np.abs(values_of(face, takes[0], "eyeBlinkLeft") - blinks).max() < 0.02

    roll_take(bpy.context.scene, face, ["brows"], takes[0].name)
    rolled = character_settings(face).takes[before + 1]
    assert all(np.abs(values_of(face, rolled, "browInnerUp") - old).max() > 0.02 for old in brows)


def test_a_stretch_has_takes_of_its_own(face: Any, line: Path, model_folder: Path) -> None:
    make(face, line, model_folder, 1)
    scene = bpy.context.scene
    before = curves_of(face.data.shape_keys)
    make_variations(
        scene, face, SoundFile(str(line)), model_folder, 2, TakeSettings(life=1.0, life_seed=5), scope=Scope(40, 90, ("brows",))
    )
    after = curves_of(face.data.shape_keys)
    for path, keys in before.items():
        beyond = [rows[(rows[:, 0] < 39) | (rows[:, 0] > 91)] for rows in (keys, after[path])]
        assert np.allclose(beyond[0][:, :2], beyond[1][:, :2], atol=1e-5)
        assert np.array_equal(keys, after[path]) != ("brow" in path[0]), path
    assert len(character_settings(face).takes) == 3


def test_what_cannot_be_mixed_changes_nothing(face: Any, line: Path, model_folder: Path, tmp_path: Path) -> None:
    make(face, line, model_folder, 1)
    scene = bpy.context.scene
    with pytest.raises(SettingError, match="set Life above 0"):
        make_variations(scene, face, SoundFile(str(line)), model_folder, 2, TakeSettings(life=0.0))
    with pytest.raises(RigError, match="no take '9'"):
        mix_takes(scene, face, {"brows": "9"})
    other = tmp_path / "other.wav"
    other.write_bytes(line.read_bytes())
    make_variations(scene, face, SoundFile(str(other)), model_folder, 1, TakeSettings(life=1.0))
    with pytest.raises(RigError, match="different lines"):
        mix_takes(scene, face, {"brows": "1"}, "2")
    assert len(character_settings(face).takes) == 2


def test_the_buttons_make_keep_mix_and_roll(face: Any, line: Path, model_folder: Path) -> None:
    settings = choose(bpy.context.scene, face, line, model_folder)
    settings.life = 0.0
    assert not bpy.ops.voxrig.make_variations.poll()
    settings.life, settings.variation_count = 1.0, 2
    assert bpy.ops.voxrig.make_variations() == {"FINISHED"}
    group = character_settings(face)
    assert len(group.takes) == 2
    assert not bpy.ops.voxrig.mix_takes.poll()
    group.active_take = 1
    bpy.ops.voxrig.keep_part(part="BROWS")
    group.active_take = 0
    bpy.ops.voxrig.keep_part(part="HEAD")
    assert (group.takes[1].kept, group.takes[0].kept) == ({"BROWS"}, {"HEAD"})
    assert bpy.ops.voxrig.mix_takes() == {"FINISHED"}
    assert read_record(group.takes[2].record).settings.life_brows_roll == 1
    assert bpy.ops.voxrig.roll_take(part="EYES") == {"FINISHED"}
    assert len(group.takes) == 4


def test_the_contact_sheet_shows_every_take_and_leaves_the_scene_as_it_was(
    face: Any,
    line: Path,
    model_folder: Path,
    tmp_path: Path,
) -> None:
    takes = make(face, line, model_folder, 2)
    takes[1].is_favourite = True
    scene = bpy.context.scene
    scene.frame_set(12)
    face.rotation_euler.x = math.pi / 2  # seen from the front

    def state() -> list[object]:
        image, shading = scene.render.image_settings, scene.display.shading
        counts = [len(bpy.data.objects), len(bpy.data.scenes), len(bpy.data.cameras), scene.camera, scene.frame_current]
        render = [scene.render.engine, scene.render.resolution_x, scene.render.filepath, image.file_format]
        return [*counts, *render, scene.display.render_aa, shading.show_shadows]

    before = state()
    page = tmp_path / "takes.html"
    assert write_contact_sheet(scene, face, page, faces=2, size=48) == ["1", "2"]
    assert state() == before
    text = page.read_text(encoding="utf-8")
    pictures = re.findall(r'<img[^>]*src="([^"]+)"', text)
    assert len(pictures) == len(set(pictures)) == 4
    assert text.count("<polyline") >= 6
    assert text.count("&#9733;") == 1
    image = bpy.data.images.load(str(page.with_suffix(".png")))
    assert tuple(image.size) == (96, 96)
    assert [take.is_shown for take in takes] == [True, False]


def test_the_command_line_makes_and_mixes_takes(
    face: Any,
    line: Path,
    model_folder: Path,
    tmp_path: Path,
    capsys: Any,
) -> None:
    blend, made, mixed = (str(tmp_path / name) for name in ("face.blend", "made.blend", "mixed.blend"))
    bpy.ops.wm.save_as_mainfile(filepath=blend)
    common = ["--character", "Face", "--audio", str(line), "--model", str(model_folder)]
    assert main(["animate", "--blend", blend, *common, "--life", "1", "--takes", "2", "--output", made]) == 0
    assert main(["takes", "--blend", made, "--character", "Face", "--mix", "brows=2", "--take", "1", "--output", mixed]) == 0
    assert "3  Take 3" in capsys.readouterr().out
    assert main(["takes", "--blend", made, "--character", "Face", "--mix", "brows", "--output", mixed]) != 0
    assert "PART=NUMBER" in capsys.readouterr().err


def test_the_range_of_a_retake_has_several_takes(face: Any, line: Path, model_folder: Path) -> None:
    settings = choose(bpy.context.scene, face, line, model_folder)
    settings.life = 1.0
    bpy.ops.voxrig.animate_from_audio()
    settings.retake_first, settings.retake_last, settings.variation_count = 40, 80, 2
    assert bpy.ops.voxrig.make_variations(in_range=True) == {"FINISHED"}
    takes = character_settings(face).takes
    assert [(record.first_frame, record.last_frame) for record in map(read_record, (take.record for take in takes[1:]))] == [
        (40, 80),
        (40, 80),
    ]


@pytest.fixture(scope="module")
def drawing_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawing_graphs.write_drawing_package(tmp_path_factory.mktemp("models") / "drawing")


def test_a_model_that_draws_makes_takes_through_the_artists_keys(face: Any, line: Path, drawing_model: Path) -> None:
    settings = choose(bpy.context.scene, face, line, drawing_model)
    settings.life, settings.variation_count = 0.0, 2
    assert bpy.ops.voxrig.make_variations() == {"FINISHED"}
    takes = character_settings(face).takes
    first = values_of(face, takes[0], "mouthPucker")
    compare_take(face, takes[1].name)
    assert np.abs(values_of(face, takes[1], "mouthPucker") - first).max() > 0.05

    # A pose that the artist sets is met by every take that is made from then on, and approached from afar.
    compare_take(face, takes[0].name)
    shape = face.data.shape_keys.key_blocks["jawOpen"]
    shape.value = 0.97
    shape.keyframe_insert("value", frame=60)
    settings.life_seed = 7
    job = gather_from_scene(bpy.context.scene)
    assert [(pin.channel, pytest.approx(pin.value)) for pin in job.parts[0].source.variation.pins] == [("jawOpen", 0.97)]
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    made = compute(job)
    column = [target.data_path for target in made.dense.targets].index('key_blocks["jawOpen"].value')
    row = int(np.flatnonzero(made.dense.frames == 60)[0])
    assert made.dense.values[row, column] == pytest.approx(0.97, abs=1e-3)
