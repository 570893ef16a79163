# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches on .blend files: lines do not depend on one another, share files where they should, and are filmed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
import model_packages
import numpy as np
import pytest
import soundfile
from file_state import curves_of
from voxrig.animation.interchange import import_curves
from voxrig.batch.curves_line import Result
from voxrig.batch.jobs import Line, Unit
from voxrig.batch.perform import Performer
from voxrig.cli.main import main
from voxrig.takes.record import read_record

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def hero(scene: Any, face: Any, tmp_path: Path) -> Path:
    """A file with the character 'Face', whose brow the artist has animated by hand."""
    key = face.data.shape_keys.key_blocks["browInnerUp"]
    for frame, value in ((-50, 0.0), (-40, 1.0)):
        key.value = value
        key.keyframe_insert("value", frame=frame)
    face.rotation_euler.x = math.pi / 2  # seen from the front
    path = tmp_path / "hero.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    return path


@pytest.fixture
def make_line(hero: Path, model_folder: Path, tmp_path: Path) -> Callable[..., Line]:
    """Makes a line of its own sound on the character."""

    def make(number: int, seconds: float = 0.5, **cells: Any) -> Line:
        sound = tmp_path / f"{number}.wav"
        noise = model_packages.noise(seconds + number)[-round(seconds * model_packages.SAMPLE_RATE) :]
        soundfile.write(sound, noise, model_packages.SAMPLE_RATE)
        given = {"audio": str(sound), "blend": str(hero), "character": "Face", "model": str(model_folder)}
        return Line(number, **{**given, **cells})

    return make


@pytest.fixture
def openings() -> Iterator[list[str]]:
    """The files that Blender has opened."""
    opened: list[str] = []

    def note(*_arguments: Any) -> None:
        opened.append(bpy.data.filepath)

    bpy.app.handlers.load_post.append(bpy.app.handlers.persistent(note))
    yield opened
    bpy.app.handlers.load_post.remove(note)


def perform(performer: Performer, *lines: Line, folder: Path) -> list[Result]:
    """Perform one unit, whose outputs have their final names."""
    unit = Unit(lines)
    partials = {output: output for output in unit.outputs}
    partials |= {f"sheet {line.number} {i}": str(folder / f"sheet_{line.number}_{i}.jpg") for line in lines for i in range(6)}
    results, files = performer.perform(unit, partials, lambda _line, _share: None)
    assert all(Path(partials[file]).stat().st_size > 0 for file in files)
    return results


def keys_in(path: Path) -> dict[Any, np.ndarray]:
    bpy.ops.wm.open_mainfile(filepath=str(path))
    return curves_of(bpy.data.objects["Face"].data.shape_keys)


def same(first: dict[Any, np.ndarray], second: dict[Any, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[key], second[key]) for key in first)


def test_lines_do_not_depend_on_those_before_and_the_file_is_opened_once(
    make_line: Any, hero: Path, tmp_path: Path, openings: list[str], model_folder: Path
) -> None:
    def line(number: int, place: str) -> Line:
        folder = tmp_path / place
        folder.mkdir(exist_ok=True)
        return make_line(
            number, 0.4 * number, output_blend=str(folder / f"{number}.blend"), output_curves=str(folder / f"{number}.csv")
        )

    forwards = Performer("CPU")
    for number in (1, 2, 3):
        (result,) = perform(forwards, line(number, "a"), folder=tmp_path)
        assert result.why == "" and result.facts["keys"] > 0
    assert openings == [str(hero)]
    backwards = Performer("CPU")
    for number in (3, 2, 1):
        perform(backwards, line(number, "b"), folder=tmp_path)
    for number in (1, 2, 3):
        assert same(keys_in(tmp_path / "a" / f"{number}.blend"), keys_in(tmp_path / "b" / f"{number}.blend"))
        assert (tmp_path / "a" / f"{number}.csv").read_bytes() == (tmp_path / "b" / f"{number}.csv").read_bytes()
        assert len(bpy.data.objects["Face"].voxrig.takes) == 1 and len(bpy.data.texts) == 0
    # The single command yields the same.
    words = ["animate", "--blend", hero, "--character", "Face", "--audio", tmp_path / "2.wav", "--model", model_folder]
    assert main([str(word) for word in (*words, "--output", tmp_path / "single.blend")]) == 0
    assert same(keys_in(tmp_path / "single.blend"), keys_in(tmp_path / "a" / "2.blend"))
    brow = keys_in(tmp_path / "a" / "1.blend")['key_blocks["browInnerUp"].value', 0]
    assert brow[:2, 0].tolist() == [-50, -40]


def test_lines_that_share_a_file_all_end_up_in_it(make_line: Any, tmp_path: Path) -> None:
    output = str(tmp_path / "shot.blend")
    lines = [make_line(1, start_frame=1.0, output_blend=output), make_line(2, start_frame=101.0, output_blend=output)]
    broken = make_line(3, output_blend=output, character="Nobody")
    results = perform(Performer("CPU"), lines[0], broken, lines[1], folder=tmp_path)
    assert [bool(result.why) for result in results] == [False, True, False]
    assert "no object 'Nobody'" in results[1].why and "Face" in results[1].why
    frames = keys_in(tmp_path / "shot.blend")['key_blocks["jawOpen"].value', 0][:, 0]
    # Each line of half a second, with the mouth's way from rest and back.
    assert frames.min() == -5 and frames.max() == 121 and not ((frames > 21) & (frames < 95)).any()


def test_the_columns_reach_blender(make_line: Any, tmp_path: Path) -> None:
    line = make_line(
        1, 1.0, fps=24 / 1.001, start_frame=11.0, settings={"keys": "EVERY", "emotion": {"joy": [[11.0, 0.0], [20.0, 1.0]]}},
        output_blend=str(tmp_path / "out.blend"), output_curves=str(tmp_path / "out.csv"),
    )  # fmt: skip
    (result,) = perform(Performer("CPU"), line, folder=tmp_path)
    assert result.why == ""
    keys = keys_in(tmp_path / "out.blend")['key_blocks["jawOpen"].value', 0]
    assert keys[:, 0].tolist() == list(range(5, 44))  # 11 to 34, and the way from rest and back
    assert bpy.context.scene.render.fps == 24 and bpy.context.scene.render.fps_base == pytest.approx(1.001)
    assert import_curves(tmp_path / "out.csv").curves.frame_rate == pytest.approx(24 / 1.001)
    assert '"joy": [[11.0, 0.0], [20.0, 1.0]]' in bpy.data.objects["Face"].voxrig.takes[0].record


def test_what_is_not_mapped_is_said(make_line: Any, hero: Path, tmp_path: Path) -> None:
    bpy.data.objects["Face"].shape_key_remove(bpy.data.objects["Face"].data.shape_keys.key_blocks["mouthPucker"])
    bpy.ops.wm.save_as_mainfile(filepath=str(hero))
    (result,) = perform(Performer("CPU"), make_line(1, output_blend=str(tmp_path / "out.blend")), folder=tmp_path)
    assert result.why == ""
    assert any("unmapped: 1 channels move but drive nothing (mouthPucker)" in warning for warning in result.warnings)


def test_a_film_and_a_contact_sheet(make_line: Any, tmp_path: Path) -> None:
    film = tmp_path / "line.mp4"
    (result,) = perform(Performer("CPU"), make_line(1, 0.25, output_film=str(film), sheet=True), folder=tmp_path)
    assert result.why == "", result.why
    assert film.read_bytes()[4:8] == b"ftyp"
    silent = any("silent" in warning for warning in result.warnings)
    # Blender as a module of 4.2 was built without sound.
    assert silent == (bpy.app.version < (4, 3))
    assert silent or b"mp4a" in film.read_bytes()
    assert len(result.facts["sheet"]) == 6
    for i in range(6):
        picture = bpy.data.images.load(str(tmp_path / f"sheet_1_{i}.jpg"))
        pixels = np.empty(len(picture.pixels), np.float32)
        picture.pixels.foreach_get(pixels)
        assert tuple(picture.size) == (200, 200) and np.ptp(pixels.reshape(-1, 4)[:, 0]) > 0.05, "the face is to be seen"


def test_the_command_in_worker_processes(make_line: Any, hero: Path, model_folder: Path, tmp_path: Path, capsys: Any) -> None:
    for number in (1, 2):
        make_line(number)
    words = ["batch", tmp_path / "[12].wav", "--state", tmp_path / "state", "--blend", hero, "--character", "Face"]
    words += ["--model", model_folder, "--output-blend", tmp_path / "out" / "{character}_{name}.blend", "--workers", "1"]
    assert main([str(word) for word in words]) == 0, capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["Face_1.blend", "Face_2.blend"]
    performed = perform(Performer("CPU"), make_line(1, output_blend=str(tmp_path / "here.blend")), folder=tmp_path)
    assert performed[0].why == ""
    assert same(keys_in(tmp_path / "out" / "Face_1.blend"), keys_in(tmp_path / "here.blend"))


def test_a_file_that_cannot_be_opened_fails_its_lines_only(make_line: Any, tmp_path: Path) -> None:
    (tmp_path / "damaged.blend").write_bytes(b"BLENDER-v405" + b"rubbish" * 100)
    performer = Performer("CPU")
    output = str(tmp_path / "out.blend")
    for blend, what in (("damaged.blend", "not a file that this Blender can open"), ("gone.blend", "no file")):
        (result,) = perform(performer, make_line(1, blend=str(tmp_path / blend), output_blend=output), folder=tmp_path)
        assert what in result.why and not result.passing
    (result,) = perform(performer, make_line(1, output_blend=output), folder=tmp_path)
    assert result.why == ""


def test_a_line_has_several_takes(make_line: Callable[..., Line], tmp_path: Path) -> None:
    output = str(tmp_path / "takes.blend")
    line = make_line(1, seconds=2.0, takes=3, output_blend=output, settings={"life": 1.0, "life_seed": 4})
    (result,) = perform(Performer(), line, folder=tmp_path)
    assert not result.why
    bpy.ops.wm.open_mainfile(filepath=output)
    takes = bpy.data.objects["Face"].voxrig.takes
    assert [take.is_shown for take in takes] == [True, False, False]
    assert [read_record(take.record).settings.life_seed for take in takes] == [4, 5, 6]
    (result,) = perform(Performer(), make_line(2, takes=2, output_blend=output, settings={"life": 0.0}), folder=tmp_path)
    assert "set Life above 0" in result.why
