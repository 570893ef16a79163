# SPDX-License-Identifier: GPL-3.0-or-later
"""voxrig-train on small shows, where PyTorch is installed: what is learned is what is exported, and nothing gets lost."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is only in the training environment (make training)")

from model_packages import HOP, SAMPLE_RATE, build_graph, noise, write_package  # noqa: E402
from onnx import numpy_helper  # noqa: E402
from shows import make_linear_shot, make_shot  # noqa: E402
from voxrig.animation.keys.placing import find_proposals  # noqa: E402
from voxrig.errors import ShowError  # noqa: E402
from voxrig.inference.audio import Waveform  # noqa: E402
from voxrig.inference.generate import generate_outputs  # noqa: E402
from voxrig.inference.package import load_package  # noqa: E402
from voxrig.inference.session import open_session  # noqa: E402
from voxrig.learning.fit import predict  # noqa: E402
from voxrig.learning.show import gather_show, write_shot  # noqa: E402
from voxrig.training.shows.config import RunConfig, format_config, read_config  # noqa: E402
from voxrig.training.shows.data import change_shot, key_rows, make_splits, measure_scaling, prepare  # noqa: E402
from voxrig.training.shows.learned import LearnedShow, Member  # noqa: E402
from voxrig.training.shows.train import (  # noqa: E402
    build_network,
    calibrate_keys,
    fit_rows,
    main,
    make_ear,
    predict_rows,
    run_training,
)

CPU = torch.device("cpu")
SMALL = {"hidden": 8, "latent": 3, "epochs": 2, "folds": 2, "copies": 1, "batch": 2, "threads": 1, "reach_seconds": 0.12}


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
    return load_package(write_package(tmp_path_factory.mktemp("trunk") / "small"))


@pytest.fixture
def dataset(tmp_path):
    for number in range(2):
        write_shot(tmp_path / "shots", make_shot(f"sh0{number}", seconds=5.0, seed=number))
    return tmp_path / "shots"


def quiet(line: str) -> None:
    pass


def make_config(dataset, trunk, **changes) -> RunConfig:
    return RunConfig(**{"dataset": str(dataset), "trunk": str(trunk.folder)} | SMALL | changes)


def checkpoint(folder):
    return torch.load(folder / "checkpoint.pt", weights_only=False)


def same_weights(first, second) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first) and first.keys() == second.keys()


def test_the_file_of_a_run_says_everything_and_reads_back(tmp_path):
    config = RunConfig(dataset=str(tmp_path / "shots"), regions=("jaw", "lips"), held_out=('a "b"',), keys=False, dropout=0.25)
    (tmp_path / "run.toml").write_text(format_config(config), encoding="utf-8")
    assert read_config(tmp_path / "run.toml") == config
    (tmp_path / "run.toml").write_text('dataset = "shots"\nlearning_rate = 1\n', encoding="utf-8")
    assert read_config(tmp_path / "run.toml") == RunConfig(dataset=str(tmp_path / "shots"), learning_rate=1.0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has no dataset"),
        ('dataset = "x"\nepoch = 3', "unknown entry 'epoch'"),
        ('dataset = "x"\nepochs = 2.5', "epochs is 2.5"),
        ('dataset = "x"\nepochs = true', "epochs is True"),
        ('dataset = "x"\nkeys = 1', "keys is 1"),
        ('dataset = "x"\nnetwork = "lstm"', "choose one of audio2rig, tian, pham"),
        ('dataset = "x"\nregions = ["mouth"]', "regions names 'mouth'"),
        ('dataset = "x"\nheld_out = "sh01"', "not a list of texts"),
        ('dataset = "x"\ndropout = 1.0', "dropout is 1"),
        ('dataset = "x"\nlearning_rate = nan', "learning_rate is nan"),
        ('dataset = "x"\nfolds = 0', "folds is 0"),
        ("dataset = ", "not a TOML file"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path, text, problem):
    (tmp_path / "run.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ShowError, match=problem):
        read_config(tmp_path / "run.toml")


@pytest.mark.parametrize("network", ["audio2rig", "tian", "pham"])
@pytest.mark.parametrize("hearing", ["trunk", "scratch"])
def test_what_is_exported_is_what_was_trained(tmp_path, dataset, trunk, network, hearing):
    folder = tmp_path / "run"
    config = make_config(dataset, trunk, network=network, hearing=hearing)
    package = run_training(config, folder, quiet)
    assert package.channel_names == ("jaw_ctrl.rotation", "lip_corner_L")  # the third never moves
    assert package.key_regions == (("jaw", "lips") if network == "audio2rig" else ())
    assert package.phones == (trunk.phones if hearing == "trunk" else ())
    scores = json.loads((folder / "scores.json").read_text())
    assert set(scores["held_out_r"]) == set(package.channel_names) and len(scores["rounds"]) == 2
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [(line["part"], line["round"]) for line in log] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert read_config(folder / "config.toml") == config
    assert json.loads((folder / "run.json").read_text())["versions"]["torch"] == torch.__version__

    session = open_session(package, "CPU", 1)
    sound = Waveform(noise(7.0, seed=9), SAMPLE_RATE)
    outputs = ["channels", "keys"] if package.key_regions else ["channels"]
    made = generate_outputs(session, sound, outputs=outputs, window_seconds=30.0)
    # However the sound is cut, the same comes out.
    for seconds in (1.0, 2.3):
        other = generate_outputs(session, sound, outputs=outputs, window_seconds=seconds)
        assert all(np.abs(made[name] - other[name]).max() <= 1e-4 for name in outputs)

    # PyTorch gives the same as the graph.
    ear, done = make_ear(config), checkpoint(folder)["done"]
    show = gather_show([make_shot(f"sh0{number}", seconds=5.0, seed=number) for number in range(2)])
    material = prepare(show, show.controls, ear, 1, config.seed, tmp_path / "heard")
    members = []
    for split, state in zip(make_splits(material, (), 2, 11), done):
        scaling = measure_scaling(material, split)
        net = build_network(config, ear, material, scaling)
        net.load_state_dict(state["weights"])
        members.append(Member(net, scaling))
        if net.has_keys:
            calibrate_keys(members[-1].eval(), material, split)
            asked = [len(find_proposals(material.copies[0][n].keys[a:b, 0])) for n, a, b in split.held_out]
            logits = [predict_rows(members[-1], material.copies[0][n], a, b, CPU)[1][:, 0] for n, a, b in split.held_out]
            given = [len(find_proposals(torch.sigmoid(torch.tensor(x) - members[-1].key_threshold[0]))) for x in logits]
            assert sum(asked) > 0 and abs(sum(given) - sum(asked)) <= 1
    heard = ear.hear(sound)
    margin = 120
    with torch.no_grad():
        channels, keys, _ = LearnedShow(members, show.controls).eval()(torch.tensor(heard)[None], torch.zeros(1, len(heard), 0))
    inside = slice(margin, len(heard) - margin)
    assert np.abs(channels[0].numpy()[inside] - made["channels"][inside]).max() <= 1e-4
    if keys is not None:
        assert np.abs(keys[0].numpy()[inside] - made["keys"][inside]).max() <= 1e-4
        assert made["keys"].min() >= 0.0 and made["keys"].max() <= 1.0


class _Stop(KeyboardInterrupt):
    pass


@pytest.mark.parametrize("stop_at", ["part 1, round 1", "part 2, round 1", "part 2, round 2"])
def test_an_interrupted_run_ends_as_if_it_had_never_been(tmp_path, dataset, trunk, stop_at):
    config = make_config(dataset, trunk)
    run_training(config, tmp_path / "whole", quiet)

    def interrupt(line: str) -> None:
        if line.startswith(stop_at):
            raise _Stop

    with pytest.raises(_Stop):
        run_training(config, tmp_path / "cut", interrupt)
    # Killed while it wrote: half a checkpoint lies beside the whole one.
    (tmp_path / "cut" / "checkpoint.partial").write_bytes(b"half")
    lines: list[str] = []
    package = run_training(config, tmp_path / "cut", lines.append)
    rounds = [line.split(":")[0] for line in lines if line.startswith("part")]
    every = ["part 1, round 1", "part 1, round 2", "part 2, round 1", "part 2, round 2"]
    assert rounds == every[every.index(stop_at) + 1 :]
    whole = checkpoint(tmp_path / "whole")["done"]
    assert all(same_weights(a["weights"], b["weights"]) for a, b in zip(whole, checkpoint(tmp_path / "cut")["done"]))
    assert package.graph_path.read_bytes() == (tmp_path / "whole" / "package" / "model.onnx").read_bytes()


def test_a_killed_run_loses_no_more_than_the_round_it_was_in(tmp_path, dataset, trunk):
    config = make_config(dataset, trunk, epochs=3, patience=3)
    (tmp_path / "cut.toml").write_text(format_config(config), encoding="utf-8")
    command = [sys.executable, "-m", "voxrig.training.shows.train", str(tmp_path / "cut.toml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert any(line.startswith("part 1, round 2") for line in run.stdout)
        run.kill()
    lines: list[str] = []
    package = run_training(config, tmp_path / "cut", lines.append)
    assert not any(line.startswith(("part 1, round 1", "part 1, round 2")) for line in lines)
    whole = run_training(config, tmp_path / "whole", quiet)
    assert package.graph_path.read_bytes() == whole.graph_path.read_bytes()


def test_training_stops_when_held_out_shots_get_no_better(tmp_path, dataset, trunk):
    # The controls have nothing to do with the sound.
    config = make_config(dataset, trunk, epochs=40, patience=2, folds=1, keys=False)
    run_training(config, tmp_path / "run", quiet)
    (best,) = json.loads((tmp_path / "run" / "scores.json").read_text())["rounds"]
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == best + 2 < 40


def test_a_run_goes_on_only_with_what_it_was_begun_with(tmp_path, dataset, trunk):
    config = make_config(dataset, trunk, epochs=1, copies=0)
    folder = tmp_path / "run"
    run_training(config, folder, quiet)
    before = (folder / "checkpoint.pt").read_bytes()
    with pytest.raises(ShowError, match="begun with another dropout"):
        run_training(replace(config, dropout=0.5), folder, quiet)
    write_shot(dataset, make_shot("sh00", seconds=5.0, seed=7))
    with pytest.raises(ShowError, match="the shots in the dataset changed"):
        run_training(config, folder, quiet)
    assert (folder / "checkpoint.pt").read_bytes() == before
    write_shot(dataset, make_shot("sh00", seconds=5.0, seed=0))
    # As if it had been killed before it was complete.
    (folder / "scores.json").unlink()
    (folder / "checkpoint.pt").write_bytes(before[: len(before) // 2])
    with pytest.raises(ShowError, match="is damaged"):
        run_training(config, folder, quiet)
    (folder / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(ShowError, match="run.json is damaged"):
        run_training(config, folder, quiet)


def test_a_run_goes_on_with_a_model_that_hears_the_same(tmp_path, dataset):
    def write_trunk(weights: str, scale: float):
        graph = build_graph()
        tensor = next(tensor for tensor in graph.graph.initializer if tensor.name == weights)
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(scale), weights))
        return load_package(write_package(tmp_path / "small", graph=graph))

    config = make_config(dataset, write_trunk("move", 1.0), epochs=1, copies=0)
    run_training(config, tmp_path / "run", quiet)
    write_trunk("move", 0.5)  # what it makes of what it hears
    lines: list[str] = []
    run_training(config, tmp_path / "run", lines.append)
    assert len(lines) == 1 and "is complete" in lines[0]
    write_trunk("listen", 0.5)
    with pytest.raises(ShowError, match="the trunk changed"):
        run_training(config, tmp_path / "run", quiet)


def test_too_little_memory_is_said_and_loses_nothing(tmp_path, dataset, trunk):
    config = make_config(dataset, trunk, epochs=1, copies=0)
    run_training(config, tmp_path / "run", quiet)
    # Weights of 1.8 petabytes: the allocation fails at once, whatever the machine.
    with pytest.raises(ShowError, match="not enough memory"):
        run_training(replace(config, hidden=10_000_000), tmp_path / "large", quiet)
    assert (tmp_path / "large" / "run.json").is_file() and (tmp_path / "run" / "package" / "model.onnx").is_file()


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_its_rounds(tmp_path, dataset, trunk):
    config = make_config(dataset, trunk)
    folder = tmp_path / "run"

    def interrupt(line: str) -> None:
        if line.startswith("part 1, round 1"):
            raise _Stop

    with pytest.raises(_Stop):
        run_training(config, folder, interrupt)
    state = checkpoint(folder)
    next(iter(state["network"].values())).fill_(float("nan"))
    torch.save(state, folder / "checkpoint.pt")
    with pytest.raises(ShowError, match="The loss is not a number any more in round 2"):
        run_training(config, folder, quiet)
    assert checkpoint(folder)["epoch"] == 1 and checkpoint(folder)["best"]["epoch"] == 1


def test_one_shot_only_is_divided_by_time(tmp_path, trunk):
    write_shot(tmp_path / "shots", make_shot("only", seconds=12.0))
    lines: list[str] = []
    package = run_training(make_config(tmp_path / "shots", trunk, epochs=1), tmp_path / "run", lines.append)
    assert any("'only' is the only shot" in line for line in lines)
    assert len(package.channels) == 2
    write_shot(tmp_path / "short", make_shot("brief", seconds=1.5))
    with pytest.raises(ShowError, match="'brief', is too short"):
        run_training(make_config(tmp_path / "short", trunk), tmp_path / "run2", quiet)


def test_parts_that_are_held_out_are_not_learned(tmp_path, trunk):
    shots = [make_shot("only", seconds=20.0)]
    show = gather_show(shots)
    ear = make_ear(make_config("x", trunk))
    material = prepare(show, show.controls, ear, 0, 1, tmp_path / "heard")
    for split in make_splits(material, (), 4, 20):
        ((_, first, last),) = split.held_out
        assert all(end <= first - 20 or begin >= last + 20 for _, begin, end in split.learned)
    several = gather_show([make_shot(f"s{number}", seconds=2.0, seed=number) for number in range(3)])
    material = prepare(several, several.controls, ear, 0, 1, tmp_path / "heard")
    splits = make_splits(material, (), 2, 20)
    assert [[number for number, _, _ in split.held_out] for split in splits] == [[0, 2], [1]]
    assert [[number for number, _, _ in split.learned] for split in splits] == [[1], [0, 2]]
    (split,) = make_splits(material, ("s1",), 4, 20)
    assert [number for number, _, _ in split.held_out] == [1]
    with pytest.raises(ShowError, match="held_out names 's9'"):
        make_splits(material, ("s9",), 4, 20)
    with pytest.raises(ShowError, match="none is left"):
        make_splits(material, ("s0", "s1", "s2"), 4, 20)


def test_a_control_that_is_still_where_it_is_learned_does_no_harm(tmp_path, trunk):
    for number in range(2):
        shot = make_shot(f"s{number}", seconds=5.0, seed=number)
        values = shot.values.copy()
        if number == 0:
            values[:, 1] = 0.5
        write_shot(tmp_path / "shots", replace(shot, values=values))
    package = run_training(make_config(tmp_path / "shots", trunk), tmp_path / "run", quiet)
    values = generate_outputs(open_session(package, "CPU", 1), Waveform(noise(2.0, seed=4), SAMPLE_RATE), outputs=["channels"])
    assert np.isfinite(values["channels"]).all()
    with pytest.raises(ShowError, match="No control of the brows moves"):
        run_training(make_config(tmp_path / "shots", trunk, regions=("brows",)), tmp_path / "run2", quiet)


def test_a_region_by_itself_is_a_package_of_its_own(tmp_path, dataset, trunk):
    package = run_training(make_config(dataset, trunk, regions=("jaw",), epochs=1), tmp_path / "run", quiet)
    assert package.channel_names == ("jaw_ctrl.rotation",) and package.key_regions == ("jaw",)


def test_what_can_be_learned_is_learned(tmp_path, trunk):
    session = open_session(trunk, "CPU", 1)
    for number in range(3):
        write_shot(tmp_path / "shots", make_linear_shot(session, f"s{number}", 12.0, seed=number))
    # The controls follow from what is heard up to 0.26 s before.
    config = make_config(tmp_path / "shots", trunk, network="tian", epochs=20, patience=20, folds=1, reach_seconds=0.28,
                         hidden=16, dropout=0.0, learning_rate=0.01, copies=0, motion_weight=0.0)  # fmt: skip
    run_training(config, tmp_path / "run", quiet)
    # 0.54 was measured; a network that learned nothing is at 0.
    assert json.loads((tmp_path / "run" / "scores.json").read_text())["mean_held_out_r"] > 0.4


def test_emotion_moves_what_was_learned_with_it(tmp_path, trunk):
    session = open_session(trunk, "CPU", 1)
    for number in range(2):
        shot = make_linear_shot(session, f"s{number}", 12.0, number, ("joy",), lambda row: float(row // 100 % 2))
        write_shot(tmp_path / "shots", shot)
    config = make_config(tmp_path / "shots", trunk, epochs=12, patience=12, dropout=0.0, hidden=12)
    package = run_training(config, tmp_path / "run", quiet)
    assert package.emotions == ("joy",)
    session = open_session(package, "CPU", 1)
    sound = Waveform(noise(4.0, seed=8), SAMPLE_RATE)
    neutral, joyful = (generate_outputs(session, sound, [weight], outputs=["channels"])["channels"] for weight in (0.0, 1.0))
    assert np.mean(joyful[:, 1] - neutral[:, 1]) > 0.3  # the shots have 0.8


def test_fit_is_mixed_in_by_the_share_that_unseen_shots_like_best(tmp_path, trunk):
    session = open_session(trunk, "CPU", 1)
    shots = [
        make_linear_shot(session, f"s{number}", 12.0, number, ("joy",), lambda row: float(row // 100 % 2))
        for number in range(3)
    ]
    for shot in shots:
        write_shot(tmp_path / "shots", shot)
    config = make_config(tmp_path / "shots", trunk, copies=0, keys=False)
    packages, scores = [], []
    for with_fit in (False, True):
        folder = tmp_path / str(with_fit)
        packages.append(run_training(replace(config, with_fit=with_fit), folder, quiet))
        scores.append(json.loads((folder / "scores.json").read_text()))
    share = scores[1]["share_of_fit"]
    assert scores[0]["share_of_fit"] == 0.0 and share > 0.0
    assert scores[1]["mean_held_out_r"] > scores[0]["mean_held_out_r"] + 0.1
    assert packages[1].context_before_seconds > packages[0].context_before_seconds

    show = gather_show(shots)
    ear = make_ear(config)
    material = prepare(show, show.controls, ear, 0, config.seed, tmp_path / "heard")
    fit = fit_rows(material, [(number, clip.first, clip.last) for number, clip in enumerate(material.copies[0])])
    sound = Waveform(noise(5.0, seed=8), SAMPLE_RATE)
    alone, mixed = (
        generate_outputs(open_session(package, "CPU", 1), sound, [1.0], outputs=["channels"])["channels"]
        for package in packages
    )
    fitted = predict(fit, ear.hear(sound), np.ones((len(alone), 1), np.float32))
    inside = slice(60, len(alone) - 60)
    assert np.abs(alone + share * (fitted - alone) - mixed)[inside].max() <= 1e-3


def test_the_causal_network_hears_nothing_ahead(tmp_path, dataset, trunk):
    config = make_config(dataset, trunk, network="pham", hearing="scratch", epochs=1)
    session = open_session(run_training(config, tmp_path / "run", quiet), "CPU", 1)
    samples = noise(4.0, seed=2)
    changed = samples.copy()
    changed[100 * HOP :] = 0.0
    first, second = (
        generate_outputs(session, Waveform(part, SAMPLE_RATE), outputs=["channels"])["channels"] for part in (samples, changed)
    )
    assert np.array_equal(first[:101], second[:101]) and not np.array_equal(first[101:], second[101:])


def test_a_changed_copy_moves_with_its_sound(trunk):
    samples = np.zeros(4 * SAMPLE_RATE, np.float32)
    samples[2 * SAMPLE_RATE : 2 * SAMPLE_RATE + 1600] = noise(0.1, seed=1)
    shot = make_shot(seconds=4.0, waveform=Waveform(samples, SAMPLE_RATE), sound_start_seconds=0.5)
    changed = change_shot(shot, np.random.default_rng(4))
    ratio = changed.frame_rate / shot.frame_rate
    assert 0.9 <= ratio <= 1.1 and ratio != 1.0
    loudest = int(np.argmax(np.convolve(changed.waveform.samples**2, np.ones(1600), "same"))) / SAMPLE_RATE
    # The burst is at row 2.55 s * 24 of the animation in both.
    assert (loudest + changed.sound_start_seconds) * changed.frame_rate == pytest.approx(2.55 * 24.0, abs=0.5)
    assert np.array_equal(shot.waveform.samples, samples)


def test_keys_lie_where_the_motion_turns():
    rows = np.arange(100)
    shown = np.stack([np.sin(rows / 8.0), np.zeros(100)], axis=1).astype(np.float32)
    keys = key_rows(shown, make_shot().controls[:2])
    turns = 4.0 * np.pi * (1 + 2 * np.arange(4))
    assert all(keys[np.abs(rows - turn) <= 1.0, 0].max() == 1.0 for turn in turns if turn < 99)
    assert keys[:, 0].sum() < 40 and not keys[:, 1].any()


def test_the_command(tmp_path, dataset, capsys):
    assert main([str(tmp_path / "run.toml"), "--new", "shots"]) == 0
    assert read_config(tmp_path / "run.toml").dataset == str(dataset)
    assert main([str(tmp_path / "run.toml"), "--new", "shots"]) == 1
    assert main([str(tmp_path / "none.toml")]) == 1
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.toml").write_text('dataset = "empty"', encoding="utf-8")
    assert main([str(tmp_path / "bad.toml")]) == 1
    printed = capsys.readouterr().err
    assert "exists already" in printed and "cannot be read" in printed and "There is no shot in" in printed
    assert not (tmp_path / "bad").exists()
