# SPDX-License-Identifier: GPL-3.0-or-later
"""``voxrig curves``: files in, files out, one line and an exit code for everything that goes wrong."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from model_packages import CHANNELS, SAMPLE_RATE, noise, write_package
from voxrig.animation.interchange import write_curves
from voxrig.animation.life.channels import CHANNEL_NAMES
from voxrig.cli.main import main as run_main
from voxrig.inference.audio import read_sound
from voxrig.inference.generate import generate_curves
from voxrig.inference.package import bundled_packages, load_package
from voxrig.inference.session import open_session
from voxrig.takes.curves import find_source, make_curves
from voxrig.takes.record import SoundFile
from voxrig.takes.settings import TakeSettings
from voxrig.takes.shaping import Place

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_package(tmp_path_factory.mktemp("models") / "small"))


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    folder = tmp_path / "sounds"
    folder.mkdir()
    soundfile.write(folder / "a.wav", noise(1.0), SAMPLE_RATE)
    soundfile.write(folder / "b.flac", noise(2.0, 48_000), 48_000)
    return folder


def main(arguments: list[str]) -> int:
    """Run a command; ``curves`` writes the model's own channels alone, without those of life, unless a test asks for it."""
    asks = "--life" in arguments or arguments[:1] != ["curves"] or len(arguments) < 3
    return run_main(arguments if asks else [*arguments, "--life", "0"])


def read_csv(path: Path) -> tuple[list[str], np.ndarray]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return rows[0], np.array(rows[1:], float)


def expect_failure(capsys: pytest.CaptureFixture[str], arguments: list[str], *problems: str) -> None:
    """Exit code 2, and one line on stderr for each of ``problems``."""
    assert main(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(problems), lines
    for line, problem in zip(lines, problems):
        assert line.startswith("voxrig: ")
        assert problem in line


def test_several_sounds_to_a_new_folder(sounds: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = tmp_path / "out" / "deep"
    arguments = ["curves", str(sounds / "a.wav"), str(sounds / "b.flac"), "-o", f"{folder}/", "--model", model]
    assert main(arguments) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["a.csv", "b.csv"]
    output = capsys.readouterr()
    assert output.err == ""
    assert output.out.splitlines()[0].endswith("a.csv (50 frames, 4 channels, CPU)")


def test_a_csv_holds_the_curves(sounds: Path, model: str, tmp_path: Path):
    assert main(["curves", str(sounds / "b.flac"), "-o", str(tmp_path / "b.csv"), "--model", model]) == 0
    header, rows = read_csv(tmp_path / "b.csv")
    assert header == ["seconds", *CHANNELS]
    session = open_session(load_package(model), "CPU")
    curves = generate_curves(session, read_sound(sounds / "b.flac", SAMPLE_RATE))
    assert rows.shape == (100, 1 + len(CHANNELS))
    assert rows[:, 0] == pytest.approx(np.arange(100) / 50.0, abs=1e-6)
    assert np.abs(rows[:, 1:] - curves.values).max() < 1e-5
    assert (tmp_path / "b.csv").read_bytes().count(b"\r") == 0


def test_an_npz_holds_the_same(sounds: Path, model: str, tmp_path: Path):
    for suffix in ("csv", "npz"):
        assert main(["curves", str(sounds / "a.wav"), "-o", str(tmp_path / f"a.{suffix}"), "--model", model]) == 0
    _, rows = read_csv(tmp_path / "a.csv")
    with np.load(tmp_path / "a.npz") as arrays:
        assert tuple(arrays["names"]) == CHANNELS
        assert arrays["frame_rate"] == 50.0
        assert arrays["start_seconds"] == 0.0
        assert arrays["values"].dtype == np.float32
        assert np.abs(arrays["values"] - rows[:, 1:]).max() < 1e-5
        assert arrays["seconds"] == pytest.approx(rows[:, 0], abs=1e-6)


def test_the_format_of_a_folder(sounds: Path, model: str, tmp_path: Path):
    out = tmp_path / "out.d"
    out.mkdir()
    assert main(["curves", str(sounds / "a.wav"), "-o", str(out), "--format", "npz", "--model", model]) == 0
    assert [path.name for path in out.iterdir()] == ["a.npz"]


def test_emotions_reach_the_model(sounds: Path, model: str, tmp_path: Path):
    common = ["curves", str(sounds / "a.wav"), "--model", model]
    assert main([*common, "-o", str(tmp_path / "still.csv")]) == 0
    assert main([*common, "-o", str(tmp_path / "glad.csv"), "--emotion", "anger=0.25", "--emotion", "joy=1"]) == 0
    curves = generate_curves(open_session(load_package(model), "CPU"), read_sound(sounds / "a.wav", SAMPLE_RATE), [1.0, 0.25])
    still, glad = read_csv(tmp_path / "still.csv")[1], read_csv(tmp_path / "glad.csv")[1]
    assert np.abs(glad[:, 1:] - curves.values).max() < 1e-5
    assert np.abs(glad - still).max() > 0.05


def test_names_with_spaces_and_any_letters(model: str, tmp_path: Path):
    sound = tmp_path / "台詞 その一.v2.wav"
    soundfile.write(sound, noise(0.5), SAMPLE_RATE)
    assert main(["curves", str(sound), "-o", str(tmp_path / "出 力"), "--model", model]) == 0
    assert (tmp_path / "出 力" / "台詞 その一.v2.csv").is_file()


def test_writing_again_replaces(sounds: Path, model: str, tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    assert main(["curves", str(sounds / "a.wav"), "-o", str(path), "--model", model]) == 0
    assert read_csv(path)[0][0] == "seconds"
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == ["a.csv"]


# --- what goes wrong


def test_a_bad_sound_does_not_stop_the_others(sounds: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (sounds / "text.wav").write_text("no sound")
    names = ["text.wav", "a.wav", "nowhere.wav", "b.flac"]
    out = tmp_path / "out"
    expect_failure(
        capsys,
        ["curves", *(str(sounds / name) for name in names), "-o", str(out), "--model", model],
        "'text.wav' is damaged",
        "There is no sound file",
    )
    assert sorted(path.name for path in out.iterdir()) == ["a.csv", "b.csv"]


def test_a_bad_sound_leaves_its_old_file_alone(sounds: Path, model: str, tmp_path: Path):
    (sounds / "a.wav").write_bytes(b"")
    (tmp_path / "a.csv").write_text("old")
    assert main(["curves", str(sounds / "a.wav"), "-o", str(tmp_path / "a.csv"), "--model", model]) == 2
    assert (tmp_path / "a.csv").read_text() == "old"


def test_no_model_there(sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    common = ["curves", str(sounds / "a.wav"), "-o", str(tmp_path / "a.csv"), "--model"]
    expect_failure(capsys, [*common, str(tmp_path / "nowhere")], "nowhere and no bundled model of that name")
    expect_failure(capsys, [*common, str(sounds)], "There is no model.json")


def test_a_damaged_model(sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = write_package(tmp_path / "model")
    (folder / "model.onnx").write_bytes(b"damaged")
    common = ["curves", str(sounds / "a.wav"), "-o", str(tmp_path / "a.csv"), "--model"]
    expect_failure(capsys, [*common, str(folder)], "model.onnx is damaged or was changed")


@pytest.mark.parametrize(
    ("emotion", "problem"),
    [
        ("rage=1", "has no emotion 'rage' (it has: joy, anger)"),
        ("joy", "is not NAME=WEIGHT"),
        ("joy=much", "not a number from 0 to 1"),
        ("joy=1.5", "not a number from 0 to 1"),
        ("joy=nan", "not a number from 0 to 1"),
    ],
)
def test_emotions_that_cannot_be_meant(
    sounds: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], emotion: str, problem: str
):
    arguments = ["curves", str(sounds / "a.wav"), "-o", str(tmp_path / "a.csv"), "--model", model, "--emotion", emotion]
    expect_failure(capsys, arguments, problem)


def test_outputs_that_cannot_be_meant(sounds: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    a, b = str(sounds / "a.wav"), str(sounds / "b.flac")
    expect_failure(capsys, ["curves", a, b, "-o", "one.csv", "--model", model], "2 sounds do not fit into the one file")
    expect_failure(capsys, ["curves", a, "-o", "a.txt", "--model", model], "ends neither in .csv nor in .npz")
    expect_failure(
        capsys,
        ["curves", a, "-o", "a.csv", "--format", "npz", "--model", model],
        "--format npz does not go with the file a.csv",
    )
    shutil.copy(a, sounds / "B.wav")
    expect_failure(
        capsys, ["curves", str(sounds / "B.wav"), b, "-o", str(tmp_path), "--model", model], "would both be written to"
    )
    (tmp_path / "file").write_text("")
    expect_failure(capsys, ["curves", a, "-o", str(tmp_path / "file" / "a.csv"), "--model", model], "cannot be written")


def test_a_cuda_that_cannot_be_had_is_one_warning(sounds: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    if open_session(load_package(model), "CUDA").provider == "CUDA":
        pytest.skip("CUDA runs on this machine")
    arguments = ["curves", str(sounds / "a.wav"), str(sounds / "b.flac"), "-o", str(tmp_path), "--model", model]
    assert main([*arguments, "--provider", "CUDA"]) == 0
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert error.startswith("voxrig: CUDA cannot be used")


@pytest.mark.parametrize("arguments", [[], ["curves"], ["curves", "a.wav"], ["nonsense"], ["curves", "a.wav", "-o"]])
def test_a_wrong_command_line_is_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(arguments) == 2
    assert "usage: voxrig" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "limits"),
    [
        (["animate", "--start-frame", "1e9"], "--start-frame: '1e9' is not a number from -1048574 to 1048574"),
        (["convert", "a.csv", "b.csv", "--fps", "soon"], "--fps: 'soon' is not a number from 1 to 1000"),
        (["live", "--gate", "nan"], "--gate: 'nan' is not a number from -90 to 0"),
    ],
)
def test_a_number_out_of_reach_is_one_sentence(arguments: list[str], limits: str, capsys: pytest.CaptureFixture[str]):
    assert main(arguments) == 2
    assert capsys.readouterr().err == f"voxrig: {limits}\n"


def test_help_is_code_0(capsys: pytest.CaptureFixture[str]):
    assert main(["curves", "--help"]) == 0
    assert "--emotion NAME=WEIGHT" in capsys.readouterr().out


# --- as a program


def run_program(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=cwd, env=environment, check=False)


@pytest.mark.parametrize("name", ["voxrig", "checkout 1.0-β"])
def test_the_folder_runs_by_path_whatever_it_is_called(sounds: Path, model: str, tmp_path: Path, name: str):
    link = tmp_path / name
    try:
        link.symlink_to(ROOT, target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no symbolic links")
    result = run_program(str(link), "curves", "sounds/a.wav", "-o", "a.csv", "--model", model, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert read_csv(tmp_path / "a.csv")[0][: 1 + len(CHANNELS)] == ["seconds", *CHANNELS]


def test_the_root_itself_runs_as_dot(sounds: Path, model: str, tmp_path: Path):
    result = run_program(".", "curves", str(sounds / "a.wav"), "-o", str(tmp_path / "a.csv"), "--model", model, cwd=ROOT)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_bad_sound_is_one_line_and_code_2(model: str, tmp_path: Path):
    result = run_program(str(ROOT), "curves", "nowhere.wav", "-o", "a.csv", "--model", model, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.splitlines() == ["voxrig: There is no sound file nowhere.wav; choose it again"]
    assert list(tmp_path.iterdir()) == []


def test_help_loads_nothing_slow(tmp_path: Path):
    code = (
        "import runpy, sys\n"
        f"sys.argv = [{str(ROOT)!r}, 'curves', '--help']\n"
        f"try: runpy.run_path({str(ROOT)!r}, run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print('loaded:', sorted({'numpy', 'onnxruntime', 'soxr', 'soundfile', 'bpy'} & set(sys.modules)))"
    )
    result = run_program("-c", code, cwd=tmp_path)
    assert "usage: voxrig curves" in result.stdout
    assert result.stdout.splitlines()[-1] == "loaded: []"


@pytest.mark.skipif(not bundled_packages(), reason="models/ holds no package")
def test_the_bundled_model_is_the_default(sounds: Path, tmp_path: Path):
    assert main(["curves", str(sounds / "a.wav"), "-o", str(tmp_path / "a.csv")]) == 0
    assert "jawOpen" in read_csv(tmp_path / "a.csv")[0]
    assert main(["curves", str(sounds / "a.wav"), "-o", str(tmp_path / "b.csv"), "--model", bundled_packages()[0].name]) == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_memory_grows_with_the_curves_and_not_with_the_sound(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A further minute of a long sound takes 2.1 MB: the curves of 41 channels, their life in double precision, events."""
    monkeypatch.setattr("voxrig.inference.audio._MOST_HELD", 10 * SAMPLE_RATE, raising=False)
    monkeypatch.setattr("voxrig.animation.speech.voice._BLOCK_ROWS", 100)  # else half a minute at once outweighs the rest
    place, settings = Place(0.0, 50.0), TakeSettings()

    def measure_peak(minutes: float) -> int:
        path = tmp_path / "long.wav"
        soundfile.write(path, noise(60.0 * minutes), SAMPLE_RATE)
        source = find_source(SoundFile(str(path)), Path(model), settings, place)
        source.describe()
        tracemalloc.start()
        try:
            write_curves(tmp_path / "long.csv", make_curves(source, settings, place)[0])
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    measure_peak(0.1)
    assert measure_peak(3.0) - measure_peak(1.0) < 7.0e6


def test_curves_live_by_default_and_parts_are_chosen(sounds: Path, model: str, tmp_path: Path) -> None:
    words = ["curves", str(sounds / "a.wav"), "-o", str(tmp_path / "a.csv"), "--model", model]
    assert run_main(words) == 0
    header, rows = read_csv(tmp_path / "a.csv")
    assert header == ["seconds", *CHANNELS, *(name for name in CHANNEL_NAMES if name not in CHANNELS)]
    assert np.abs(rows[:, header.index("headPitch")]).max() > 0.003
    recording = tmp_path / "live.csv"
    assert run_main(["convert", str(tmp_path / "a.csv"), str(recording), "--to", "live-link-face", "--fps", "30"]) == 0
    with recording.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    for title, name in (("HeadPitch", "headPitch"), ("LeftEyeYaw", "leftEyeYaw"), ("EyeBlinkRight", "eyeBlinkRight")):
        written = np.array([float(row[title]) for row in table])
        assert written.max() == pytest.approx(rows[:, header.index(name)].max(), abs=0.02), "gaze and head are exported"
    assert run_main([*words, "--parts", "head,breath", "--seed", "4"]) == 0
    header, other = read_csv(tmp_path / "a.csv")
    assert header == ["seconds", "headYaw", "headPitch", "headRoll", "breath"]
    assert run_main([*words, "--parts", "ears"]) == 2


def test_a_calm_voice_that_is_missing_and_a_style_of_100_kb_are_one_short_line(sounds, model, tmp_path, capsys):
    for option, value, said in (
        ("--calm", str(tmp_path / "missing.wav"), "missing.wav"),
        ("--style", "sad " * 25_000, "not a text of at most"),
    ):
        output = tmp_path / "out.csv"
        wanted = ["curves", str(sounds / "a.wav"), "--model", model, "-o", str(output), "--feel", "1", option, value]
        assert run_main(wanted) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and said in error and len(error) < 300
        assert not output.exists()
