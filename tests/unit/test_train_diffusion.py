# SPDX-License-Identifier: GPL-3.0-or-later
"""voxrig-train with diffusion, where PyTorch is installed: what is learned is what draws, and an interruption costs nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is only in the training environment (make training)")

from model_packages import SAMPLE_RATE, noise, write_package  # noqa: E402
from shows import make_shot  # noqa: E402
from voxrig.errors import ShowError  # noqa: E402
from voxrig.inference.audio import Waveform  # noqa: E402
from voxrig.inference.diffusion import Pin, Variation, open_drawer  # noqa: E402
from voxrig.inference.generate import generate_curves, generate_drawn  # noqa: E402
from voxrig.inference.package import load_package  # noqa: E402
from voxrig.inference.session import open_session  # noqa: E402
from voxrig.learning.show import write_shot  # noqa: E402
from voxrig.training.shows.config import RunConfig, new_config, read_config  # noqa: E402
from voxrig.training.shows.data import Scaling  # noqa: E402
from voxrig.training.shows.diffusion import Diffusion, find_row_taps, measure_style  # noqa: E402
from voxrig.training.shows.learned import trace_drawing  # noqa: E402
from voxrig.training.shows.train import main, run_training  # noqa: E402
from voxrig.training.shows.windows import Task  # noqa: E402

SMALL = {"hidden": 4, "epochs": 2, "copies": 0, "batch": 4, "threads": 1, "stretch_seconds": 2.0}


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
    return load_package(write_package(tmp_path_factory.mktemp("trunk") / "small"))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("show") / "shots"
    for number in range(2):
        write_shot(folder, make_shot(f"sh0{number}", seconds=20.0, seed=number))
    return folder


def make_config(dataset, trunk, **changes) -> RunConfig:
    config = new_config(str(dataset), "diffusion")
    return replace(config, **({"trunk": str(trunk.folder)} | SMALL | changes))


class _Stop(KeyboardInterrupt):
    pass


def test_a_show_learned_by_diffusion_draws_takes_and_an_interruption_costs_nothing(tmp_path, dataset, trunk):
    config = make_config(dataset, trunk)
    lines: list[str] = []
    package = run_training(config, tmp_path / "whole", lines.append)
    assert package.drawing is not None
    assert package.channel_names == ("jaw_ctrl.rotation", "lip_corner_L")
    log = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert [line["round"] for line in log] == [1, 2]
    assert log[1]["held_out_loss"] < log[0]["held_out_loss"]
    assert package.training.scores["method"] == "train, diffusion"

    def interrupt(line: str) -> None:
        if line.startswith("part 1, round 1"):
            raise _Stop

    with pytest.raises(_Stop):
        run_training(config, tmp_path / "cut", interrupt)
    again = run_training(config, tmp_path / "cut", lines.append)
    assert again.drawing is not None
    assert again.drawing.graph_sha256 == package.drawing.graph_sha256
    assert again.graph_sha256 == package.graph_sha256

    session, drawer = open_session(package, "CPU", 1), open_drawer(package.folder, package.drawing, package.name, 1)
    sound = Waveform(noise(4.0, seed=9), SAMPLE_RATE)

    def draw(**changes) -> np.ndarray:
        return np.array(generate_drawn(session, drawer, sound, None, Variation(**changes)).curves.values)

    first = draw(seed=1)
    assert first.tobytes() == draw(seed=1).tobytes()
    # It has learned for seconds only, but the seed already counts.
    assert np.abs(first - draw(seed=2)).max() > 1e-4
    pinned = draw(seed=1, pins=(Pin(2.0, "lip_corner_L", 0.4),))
    assert pinned[100, 1] == pytest.approx(0.4, abs=1e-3)
    # The package without a seed is Fit's.
    assert generate_curves(session, sound).values.shape == first.shape


def test_the_graph_draws_what_the_network_does(trunk):
    config = replace(new_config("shots", "diffusion"), hidden=4)
    controls = make_shot().controls[:2]
    scaling = Scaling(
        np.full(12, 0.3, np.float32), np.full(12, 0.7, np.float32), np.zeros(2, np.float32), np.ones(2, np.float32)
    )
    torch.manual_seed(3)
    network = Diffusion(config, Task.of(12, 3, controls, False, scaling)).eval()
    graph, about = trace_drawing(network, scaling, 5)
    assert (about["steps"], about["stride"], about["reach_rows"]) == (5, 2, network.spread_rows)
    import onnxruntime

    random = np.random.default_rng(1)
    sizes = {"noisy": 2, "known": 2, "mask": 2, "heard": 12, "felt": 5}
    feeds = {name: random.standard_normal((3, 150, width)).astype(np.float32) for name, width in sizes.items()}
    feeds |= {"level": np.array([0.1, 0.8, 1.5], np.float32), "kept": np.array([[1, 1], [1, 0], [0, 0]], np.float32)}
    drawn = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"]).run(["drawn"], feeds)[0]
    tensors = {name: torch.from_numpy(value) for name, value in feeds.items()}
    with torch.no_grad():
        made = network.denoise(
            tensors["noisy"], tensors["known"], tensors["mask"], tensors["level"], (tensors["heard"] - 0.3) / 0.7,
            tensors["felt"], tensors["kept"],
        ).numpy()  # fmt: skip
    assert np.abs(made - drawn).max() < 1e-4
    # A row depends on no more rows than the package says.
    changed = {**feeds, "noisy": feeds["noisy"].copy()}
    changed["noisy"][:, 0] += 1.0
    other = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"]).run(["drawn"], changed)[0]
    difference = np.abs(other - drawn).max(axis=(0, 2))
    assert difference[: network.spread_rows].max() > 1e-6
    assert difference[network.spread_rows + 1 :].max() < 1e-6


def test_style_is_how_much_further_and_faster_controls_move_than_regressed():
    time = torch.arange(200)[None, :, None] / 25.0
    fitted = torch.sin(3.0 * time)
    still, larger = measure_style(fitted, fitted), measure_style(2.0 * fitted, fitted)
    faster = measure_style(torch.sin(9.0 * time), fitted)
    assert still.abs().max() < 1e-6
    assert larger[0, 50:150, 0].min() > 0.5
    assert faster[0, 50:150, 0].abs().max() < 0.1
    assert faster[0, 50:150, 1].min() > 0.5


def test_what_straight_lines_between_frames_took_is_returned():
    rows, frames = np.arange(0, 40, 0.04), np.arange(0, 40, 1 / 30)
    taps = find_row_taps(30.0)
    assert sum(taps) == pytest.approx(1.0, abs=1e-4)
    for hertz in (1.0, 4.0, 7.0):
        laid = np.interp(rows, frames, np.sin(2 * np.pi * hertz * frames))
        assert np.convolve(laid, taps, mode="valid").std() == pytest.approx(np.sqrt(0.5), rel=0.06)


def test_a_single_shot_is_regressed_in_halves(tmp_path, trunk):
    write_shot(tmp_path / "shots", make_shot("only", seconds=40.0))
    package = run_training(make_config(tmp_path / "shots", trunk, epochs=1), tmp_path / "run", lambda line: None)
    assert package.drawing is not None


def test_too_little_animation_is_refused(tmp_path, trunk):
    write_shot(tmp_path / "shots", make_shot("short", seconds=10.0))
    with pytest.raises(ShowError, match="too few for diffusion"):
        run_training(make_config(tmp_path / "shots", trunk), tmp_path / "run", lambda line: None)


def test_the_file_of_a_diffusion_run_has_its_own_defaults(tmp_path, capsys):
    path = tmp_path / "run.toml"
    assert main([str(path), "--new", "shots", "--network", "diffusion"]) == 0
    config = read_config(path)
    assert (config.network, config.folds, config.keys) == ("diffusion", 1, False)
    assert config.stretch_seconds > 2.0
    path.write_text(path.read_text().replace('hearing = "trunk"', 'hearing = "scratch"'), encoding="utf-8")
    with pytest.raises(ShowError, match="set 'trunk'"):
        read_config(path)


def test_a_show_in_which_nothing_moves_is_refused(tmp_path, trunk):
    shot = make_shot("still", seconds=40.0)
    write_shot(tmp_path / "shots", replace(shot, values=np.tile(shot.values[:1], (len(shot.values), 1))))
    with pytest.raises(ShowError) as caught:
        run_training(make_config(tmp_path / "shots", trunk), tmp_path / "run", lambda line: None)
    assert "mov" in str(caught.value) and not str(caught.value).endswith(".")
