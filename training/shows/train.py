# SPDX-License-Identifier: GPL-3.0-or-later
"""``voxrig-train RUN.toml``: learn a show and write a model package.

The folder of the run (beside the file, under its name) keeps everything needed to repeat it: ``config.toml``, ``run.json``
(versions, seed, digests of the shots and of the trunk), ``log.jsonl`` with a line per round, ``checkpoint.pt`` and, at the
end, ``package/`` and ``scores.json``. After an interruption at any moment, the same command resumes after the last complete
round; because all randomness follows from the seed and the round, the result is the same as without the interruption.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...animation.keys.placing import find_proposals
from ...errors import ShowError, VoxrigError
from ...inference.package import ModelPackage, bundled_packages, load_package
from ...inference.session import open_session
from ...learning.fit import Fit, Heard, fit_heard, predict, write_fit
from ...learning.show import Show, read_show
from ..evaluation.measures import pearson
from ..speech.network import FRAME_RATE
from ..speech.train import learning_rate, save_checkpoint
from .audio2rig import Audio2Rig
from .config import RunConfig, format_config, new_config, read_config
from .data import (
    Batch,
    Clip,
    Ear,
    Material,
    Scaling,
    Split,
    choose_controls,
    cut,
    dataset_digest,
    draw_batches,
    make_splits,
    measure_scaling,
    prepare,
)
from .diffusion import Diffusion, add_fitted, calibrate_styles, check_material
from .hearing import MelRows, SpectrumRows
from .learned import LearnedShow, Member, Record, export, trace_drawing
from .pham import CausalCnnRnn
from .tian import AttentionBiLstm
from .windows import STRIDE, ShowNetwork, Task

NETWORKS: dict[str, type[ShowNetwork]] = {
    "audio2rig": Audio2Rig,
    "tian": AttentionBiLstm,
    "pham": CausalCnnRnn,
    "diffusion": Diffusion,
}

MOVES = 0.01
"""A control counts in the score of held-out rows if its standard deviation there is above this share of its range."""

_PASSES = {"diffusion": 4}
"""Passes through the shots in one round, one by default."""

_AVERAGE_ROUNDS = {"diffusion": 2.0}
"""Weights are averaged over about this many rounds, half a round by default; the average is scored and kept."""

FIT_SHARES = (0.0, 0.25, 0.5, 0.75)
"""Shares of Fit in the model to try on the held-out rows."""

_SCORED_ROWS = 500
"""Held-out rows computed at once."""

_NOT_COMPARED = ("threads", "device")

Print = Callable[[str], None]


@dataclass
class Progress:
    """The state of a run: the current fold, and the best of those that are done.

    ``best`` and each of ``done`` hold 'weights', 'score' (mean r), 'epoch' and 'r' (by control, nan if it does not move).
    """

    fold: int = 0
    epoch: int = 0
    spent_seconds: float = 0.0
    cpu_seconds: float = 0.0
    network: dict[str, Tensor] | None = None
    average: dict[str, Tensor] | None = None
    optimiser: dict[str, Any] | None = None
    best: dict[str, Any] | None = None
    done: list[dict[str, Any]] = field(default_factory=list)


def run_training(config: RunConfig, folder: Path, say: Print = print) -> ModelPackage:
    """Train as ``config`` says in the run's ``folder``, resuming from its checkpoint, and export.

    Raises VoxrigError for problems that the user can fix; everything up to the last complete round is kept.
    """
    try:
        return _run(config, folder, say)
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise _out_of_memory(config) from error
    except RuntimeError as error:
        if "memory" not in str(error):
            raise
        raise _out_of_memory(config) from error
    except OSError as error:
        if not str(error.filename or "").startswith(str(folder)):
            raise
        raise ShowError(
            f"{error.filename} cannot be written ({error.strerror}); make room and start the same run again"
        ) from None


def _out_of_memory(config: RunConfig) -> ShowError:
    return ShowError(
        f"There is not enough memory for batches of {config.batch} x {config.stretch_seconds:g} s; make batch smaller in a new "
        "run's file. What this run had learned is kept"
    )


def _run(config: RunConfig, folder: Path, say: Print) -> ModelPackage:
    if config.threads:
        torch.set_num_threads(config.threads)
    device = choose_device(config)
    show = read_show(config.dataset)
    controls = choose_controls(show, config.regions)
    ear = make_ear(config)
    for warning in show.warnings:
        say(f"warning: {warning}")
    _open_run(config, folder, show, ear)
    if (folder / "scores.json").is_file():
        say(f"{folder} is complete; the model is in {folder / 'package'}")
        return load_package(folder / "package")

    def hearing(done: int, count: int) -> None:
        if done % max(1, len(show.shots)) == 0:
            say(f"hearing {done} of {count} ({len(show.shots)} shots, {config.copies} further copies)")

    material = prepare(show, controls, ear, config.copies, config.seed, folder.parent / "heard", hearing, with_keys=config.keys)
    # The border of two parts of one shot is heard from both sides.
    reach = math.ceil((config.reach_seconds + 0.1) * FRAME_RATE)
    if config.network == "diffusion":
        check_material(material)
        splits = [split_for_diffusion(material, config.held_out, reach)]
        unfitted, (material, splits[0]) = material, thin_out(with_fitted(material, splits[0]), splits[0])
    else:
        unfitted, splits = material, make_splits(material, config.held_out, config.folds, reach)
    if len(show.shots) == 1:
        say(f"warning: '{material.names[0]}' is the only shot, so parts of it are held out, which say little of other shots")
    say(f"{unfitted.minutes:.1f} minutes in {len(show.shots)} shots, {len(controls)} controls ({', '.join(material.regions)}), "
        f"{config.network} ({config.hearing}), {len(splits)} x up to {config.epochs} rounds on {device}")  # fmt: skip
    progress = _read_checkpoint(folder)
    while progress.fold < len(splits):
        train_fold(config, folder, material, splits[progress.fold], ear, device, progress, say)
    if config.network == "diffusion":
        return finish_diffusion(config, folder, show, unfitted, material, splits[0], ear, progress, say)
    return finish(config, folder, show, material, splits, ear, progress, say)


def choose_device(config: RunConfig) -> torch.device:
    """Choose the device to train on. Raises ShowError if CUDA is requested but unavailable."""
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ShowError("PyTorch finds no CUDA device; set device to 'auto' or 'cpu' in the run's file")
    return torch.device("cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu")


def make_ear(config: RunConfig) -> Ear:
    """Make the hearing of a run. Raises ModelError and ShowError."""
    if config.hearing == "scratch":
        return Ear((SpectrumRows() if config.network == "pham" else MelRows()).eval(), None)
    place = Path(config.trunk) if config.trunk else next((path for path in bundled_packages() if path.name == "speech"), None)
    if place is None:
        raise ShowError("No speech model is bundled; name the folder of one as trunk in the run's file")
    return Ear(None, open_session(load_package(place), "CPU", config.threads or None))


def _open_run(config: RunConfig, folder: Path, show: Show, ear: Ear) -> None:
    """Make the run's folder, or check that it was begun with the same settings, shots and trunk."""
    identity = {"config": config.as_dict(), "dataset": dataset_digest(show), "hearing": ear.digest}
    path = folder / "run.json"
    if path.is_file():
        try:
            begun = json.loads(path.read_text(encoding="utf-8"))["identity"]
            before = dict(begun["config"])
        except (ValueError, KeyError, TypeError):
            raise ShowError(f"{path} is damaged; choose another run folder, or delete this one to begin again") from None
        changed = [
            name for name, value in identity["config"].items() if value != before.get(name) and name not in _NOT_COMPARED
        ]
        if changed:
            raise ShowError(f"{folder} was begun with another {changed[0]} ({before.get(changed[0])!r}); restore it to resume, "
                            "or choose another run folder")  # fmt: skip
        for name, about in (("dataset", "the shots in the dataset"), ("hearing", "the trunk")):
            if begun.get(name) != identity[name]:
                raise ShowError(f"{about} changed since {folder} was begun; choose another run folder")
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(format_config(config), encoding="utf-8")
    about = {
        "identity": identity,
        "trunk": None if ear.trunk is None else f"{ear.trunk.title} {ear.trunk.version}",
        "versions": {"voxrig commit": read_commit(), "python": platform.python_version(), "torch": torch.__version__,
                     "numpy": np.__version__, "onnxruntime": importlib.metadata.version("onnxruntime")},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
    }  # fmt: skip
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(partial, path)


def read_commit() -> str:
    """Return Voxrig's commit, or 'unknown' outside a checkout."""
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    )
    return found.stdout.strip() or "unknown"


def _read_checkpoint(folder: Path) -> Progress:
    path = folder / "checkpoint.pt"
    if not path.is_file():
        return Progress()
    try:
        return Progress(**torch.load(path, map_location="cpu", weights_only=False))
    except Exception as error:  # torch.load and pickle raise all kinds of errors for a damaged file
        raise ShowError(f"{path} is damaged ({type(error).__name__}); delete it to begin the run again") from None


def train_fold(
    config: RunConfig, folder: Path, material: Material, split: Split, ear: Ear, device: torch.device, progress: Progress,
    say: Print,
) -> None:  # fmt: skip
    """Train one network until it stops, from ``progress`` on, which is updated and saved after each round."""
    scaling = measure_scaling(material, split)
    torch.manual_seed(config.seed * 1000 + progress.fold)
    network = build_network(config, ear, material, scaling).to(device)
    if isinstance(network, Diffusion):
        network.measure(material, split, scaling)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    if progress.network is not None:
        network.load_state_dict(progress.network)
        assert progress.optimiser is not None
        optimiser.load_state_dict(progress.optimiser)
        say(f"resumes with part {progress.fold + 1} after round {progress.epoch}")
    else:
        progress.average = {name: value.clone() for name, value in network.state_dict().items()}
    rows = round(config.stretch_seconds * FRAME_RATE / (STRIDE if config.network == "diffusion" else 1))
    shortest = min(last - first for _, first, last in split.learned)
    rows = max(2, min(rows, shortest))
    held_names = ", ".join(dict.fromkeys(material.names[number] for number, _, _ in split.held_out))

    while progress.epoch < config.epochs and not _stopped(progress, config.patience):
        started, cpu_started = time.monotonic(), time.process_time()
        seed = [config.seed, progress.fold, progress.epoch]
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        random = np.random.default_rng(seed)
        batches = [
            batch
            for _ in range(_PASSES.get(config.network, 1))
            for batch in draw_batches(material, split, scaling, network.reach, rows, config.batch, random)
        ]
        network.train()
        losses = _train_round(network, optimiser, batches, config, progress, device)
        average = build_network(config, ear, material, scaling).to(device)
        average.load_state_dict(progress.average or {})
        r = score_held_out(Member(average, scaling).to(device).eval(), material, split, device)
        # Diffusion is stopped by how well it tells controls from noise: its mean performance alone says little of the others.
        loss = held_out_loss(average, material, split, scaling) if isinstance(average, Diffusion) else None
        progress.epoch += 1
        progress.spent_seconds += time.monotonic() - started
        progress.cpu_seconds += time.process_time() - cpu_started
        score = mean_r(r) if loss is None else 1.0 - loss
        if progress.best is None or score > progress.best["score"]:
            weights = {name: value.detach().cpu().clone() for name, value in average.state_dict().items()}
            progress.best = {"weights": weights, "score": score, "epoch": progress.epoch, "r": r.tolist()}
        progress.network, progress.optimiser = network.state_dict(), optimiser.state_dict()
        save_checkpoint(folder / "checkpoint.pt", **vars(progress))
        line = {"part": progress.fold + 1, "held_out": held_names, "round": progress.epoch,
                "loss": round(sum(losses.values()), 4),
                **{name: round(value, 4) for name, value in losses.items()}, "mean_r": round(mean_r(r), 4),
                **({} if loss is None else {"held_out_loss": round(loss, 4)}),
                "seconds": round(progress.spent_seconds, 1)}  # fmt: skip
        with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line, ensure_ascii=False) + "\n")
        say(f"part {progress.fold + 1}, round {progress.epoch}: loss {line['loss']:.3f}, "
            f"mean r on {held_names} {mean_r(r):.3f} ({progress.spent_seconds / 60:.1f} min)")  # fmt: skip
    assert progress.best is not None
    progress.done.append(progress.best)
    progress.fold += 1
    progress.epoch = 0
    progress.network = progress.average = progress.optimiser = progress.best = None
    save_checkpoint(folder / "checkpoint.pt", **vars(progress))


def split_for_diffusion(material: Material, held_out: tuple[str, ...], apart_rows: int) -> Split:
    """Return the rows that diffusion learns: all but the named shots, or without names all but the last tenth of each shot.

    Raises ShowError like ``make_splits``.
    """
    if held_out:
        return make_splits(material, held_out, 1, apart_rows)[0]
    learned: list[tuple[int, int, int]] = []
    kept: list[tuple[int, int, int]] = []
    for number, clip in enumerate(material.copies[0]):
        edge = clip.last - (clip.last - clip.first) // 10
        if edge - apart_rows - clip.first < apart_rows:
            learned.append((number, clip.first, clip.last))
            continue
        learned.append((number, clip.first, edge - apart_rows))
        kept.append((number, edge, clip.last))
    if not kept:
        raise ShowError("All shots are too short to hold a part of them out; collect longer ones or name some as held_out")
    return Split(tuple(learned), tuple(kept))


def with_fitted(material: Material, split: Split) -> Material:
    """Return the material with the controls that Fit regresses for each shot, learned without the shot, as columns heard.

    Every second shot is regressed by the others, and they by it; a single shot in halves, each by the other. Raises ShowError
    if there is too little to fit.
    """
    numbers = sorted({number for number, _, _ in split.learned})
    if len(numbers) > 1:
        halves = [fit_rows(material, [part for part in split.learned if part[0] in numbers[half::2]]) for half in (1, 0)]
        fits = {number: halves[numbers.index(number) % 2 if number in numbers else 0] for number in range(len(material.names))}
        return add_fitted(material, fits, {})
    fits = dict.fromkeys(range(len(material.names)), fit_rows(material, split.learned))
    parts: dict[int, list[tuple[int, int, Fit]]] = {}
    for number, first, last in split.learned:
        middle = (first + last) // 2
        later, earlier = fit_rows(material, [(number, middle, last)]), fit_rows(material, [(number, first, middle)])
        parts.setdefault(number, []).extend([(first, middle, later), (middle, last, earlier)])
    return add_fitted(material, fits, parts)


def thin_out(material: Material, split: Split) -> tuple[Material, Split]:
    """Return every second row of the material, and the split in these rows."""
    copies = tuple(
        tuple(
            Clip(clip.heard[::STRIDE], clip.shown[::STRIDE], clip.emotion[::STRIDE], clip.keys[::STRIDE],
                 -(-clip.first // STRIDE), clip.last // STRIDE)
            for clip in clips
        )
        for clips in material.copies
    )  # fmt: skip

    def thin(parts: tuple[tuple[int, int, int], ...]) -> tuple[tuple[int, int, int], ...]:
        return tuple((number, -(-first // STRIDE), last // STRIDE) for number, first, last in parts)

    return replace(material, copies=copies), Split(thin(split.learned), thin(split.held_out))


def held_out_loss(network: Diffusion, material: Material, split: Split, scaling: Scaling) -> float:
    """Return the loss over the held-out rows, with the same levels, noise and pins each time."""
    network.eval()
    total, count = 0.0, 0
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(7)
        for number, first, last in split.held_out:
            clip = material.copies[0][number]
            for begin in range(first, last - 1, 100):
                heard, emotion, shown, keys = cut(clip, begin, min(begin + 100, last), 0)
                batch = Batch(
                    torch.from_numpy((heard - scaling.heard_mean) / scaling.heard_deviation)[None],
                    torch.from_numpy(emotion)[None],
                    torch.from_numpy((shown - scaling.shown_mean) / scaling.shown_deviation)[None],
                    torch.from_numpy(keys)[None],
                )
                several = Batch(*(value.repeat(3, 1, 1) for value in vars(batch).values()))
                device = next(network.parameters()).device
                terms = network.losses(Batch(*(value.to(device) for value in vars(several).values())))
                total += float(torch.stack(list(terms.values())).sum()) * len(shown)
                count += len(shown)
    return total / max(count, 1)


def build_network(config: RunConfig, ear: Ear, material: Material, scaling: Scaling) -> ShowNetwork:
    """Build a network with new weights."""
    task = Task.of(len(scaling.heard_mean), len(material.emotions), material.controls, ear.trunk is None, scaling)
    return NETWORKS[config.network](config, task)


def _stopped(progress: Progress, patience: int) -> bool:
    return progress.best is not None and progress.epoch - progress.best["epoch"] >= patience


def _train_round(
    network: ShowNetwork, optimiser: torch.optim.Optimizer, batches: list[Batch], config: RunConfig, progress: Progress,
    device: torch.device,
) -> dict[str, float]:  # fmt: skip
    """Train one round; returns the mean of each term of the loss. Raises ShowError if the loss is not a number."""
    sums: dict[str, float] = {}
    assert progress.average is not None
    for number, batch in enumerate(batches):
        step = progress.epoch * len(batches) + number
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, config.epochs * len(batches), config.learning_rate)
        terms = network.losses(Batch(*(value.to(device) for value in vars(batch).values())))
        total = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(total):
            raise ShowError(
                f"The loss is not a number any more in round {progress.epoch + 1}; make learning_rate smaller in a new file"
            )
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        keep = min(1.0 - 1.0 / (_AVERAGE_ROUNDS.get(config.network, 0.5) * len(batches) + 1.0), (1 + step) / (4 + step))
        with torch.no_grad():
            for name, value in network.state_dict().items():
                kept = progress.average[name]
                progress.average[name] = kept.to(device).lerp(value, 1.0 - keep) if value.is_floating_point() else value.clone()
        for name, value in terms.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
    return {name: value / len(batches) for name, value in sums.items()}


def score_held_out(member: Member, material: Material, split: Split, device: torch.device) -> NDArray[np.float64]:
    """Score r of every control over the held-out rows, ``[control]``: the mean over their parts; nan if it moves in none."""
    found: list[list[float]] = []
    for number, first, last in split.held_out:
        clip = material.copies[0][number]
        made, _ = predict_rows(member, clip, first, last, device)
        found.append(correlate(made, clip.shown[first:last], material))
    return mean_known(np.array(found))


def correlate(made: NDArray[np.float32], shown: NDArray[np.float32], material: Material) -> list[float]:
    """Compute r of every control over rows ``[row, control]``; nan if it does not move."""
    return [
        pearson(made[:, column], shown[:, column])
        if shown[:, column].std() > MOVES * (control.maximum - control.minimum) else math.nan
        for column, control in enumerate(material.controls)
    ]  # fmt: skip


def predict_rows(
    member: Member, clip: Clip, first: int, last: int, device: torch.device
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Predict rows of a clip, ``[row, control]``, and the logits of keys, ``[row, region or none]``."""
    shown: list[NDArray[np.float32]] = []
    keys: list[NDArray[np.float32]] = []
    reach = member.network.reach
    with torch.no_grad():
        for begin in range(first, last, _SCORED_ROWS):
            end = min(begin + _SCORED_ROWS, last)
            heard, emotion, _, _ = cut(clip, begin, end, reach)
            scaled = (torch.from_numpy(heard).to(device) - member.heard_mean) / member.heard_deviation
            made = member.network(scaled[None], torch.from_numpy(emotion).to(device)[None])
            shown.append((made.shown[0] * member.shown_deviation + member.shown_mean).cpu().numpy())
            keys.append(np.zeros((end - begin, 0), np.float32) if made.keys is None else made.keys[0].cpu().numpy())
    return np.concatenate(shown), np.concatenate(keys)


def calibrate_keys(member: Member, material: Material, split: Split) -> None:
    """Set the member's thresholds so that it proposes as many keys in the held-out rows as they contain."""
    wanted = np.zeros(len(material.regions), np.int64)
    heights: list[list[float]] = [[] for _ in material.regions]
    for number, first, last in split.held_out:
        clip = material.copies[0][number]
        logits = predict_rows(member, clip, first, last, torch.device("cpu"))[1]
        for column, found in enumerate(heights):
            wanted[column] += len(find_proposals(clip.keys[first:last, column]))
            # All local maxima.
            found += logits[find_proposals(logits[:, column] - logits[:, column].min() + 1.0), column].tolist()
    for column, found in enumerate(heights):
        if wanted[column] and found:
            member.key_threshold[column] = sorted(found, reverse=True)[min(int(wanted[column]), len(found)) - 1]


def mix_with_fit(
    members: list[Member], material: Material, splits: list[Split]
) -> tuple[Fit | None, float, NDArray[np.float64]]:
    """Fit all learned rows; returns Fit, its share in the model, and r of every control on held-out rows with that share.

    The share is the best on held-out rows, predicted by a network and a Fit that never saw them. None and 0 if there are too
    few rows for Fit or the networks alone are best.
    """
    found: dict[float, list[list[float]]] = {share: [] for share in FIT_SHARES}
    try:
        fit = fit_rows(material, (part for split in splits for part in split.learned))
        others = [fit_rows(material, split.learned) for split in splits]
    except ShowError:
        fit, others = None, [None] * len(splits)
    for member, other, split in zip(members, others, splits):
        for number, first, last in split.held_out:
            clip = material.copies[0][number]
            made, _ = predict_rows(member, clip, first, last, torch.device("cpu"))
            fitted = made if other is None else predict(other, clip.heard.astype(np.float32), clip.emotion)[first:last]
            for share, r in found.items():
                r.append(correlate(made + np.float32(share) * (fitted - made), clip.shown[first:last], material))
    by_share = {share: mean_known(np.array(r)) for share, r in found.items()}
    best = max(by_share, key=lambda share: mean_r(by_share[share]))
    return (fit, best, by_share[best]) if fit is not None and best > 0 else (None, 0.0, by_share[0.0])


def fit_rows(material: Material, parts: Iterable[tuple[int, int, int]]) -> Fit:
    """Fit these parts of the shots, in any order. Raises ShowError if they are too few."""
    usable = {number: np.zeros(len(clip.heard), np.bool_) for number, clip in enumerate(material.copies[0])}
    for number, first, last in parts:
        usable[number][first:last] = True
    shots = [
        Heard(clip.heard.astype(np.float32), clip.shown, clip.emotion, usable[number])
        for number, clip in enumerate(material.copies[0])
        if usable[number].any()
    ]
    return fit_heard(shots, material.controls, FRAME_RATE, emotions=material.emotions)


def mean_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average over the first axis without nan; nan where all are."""
    known = np.isfinite(values)
    return np.where(known.any(axis=0), np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1), math.nan)


def mean_r(r: NDArray[np.float64]) -> float:
    """Average over the controls that move; 0 if none does."""
    known = r[np.isfinite(r)]
    return float(known.mean()) if known.size else 0.0


def finish(
    config: RunConfig,
    folder: Path,
    show: Show,
    material: Material,
    splits: list[Split],
    ear: Ear,
    progress: Progress,
    say: Print,
) -> ModelPackage:
    """Average the networks, export them, measure the time of one pass over the shots, and write ``scores.json``."""
    members: list[Member] = []
    for split, done in zip(splits, progress.done):
        scaling = measure_scaling(material, split)
        network = build_network(config, ear, material, scaling)
        network.load_state_dict(done["weights"])
        member = Member(network, scaling).eval()
        if network.has_keys:
            calibrate_keys(member, material, split)
        members.append(member)
    by_control = mean_known(np.array([done["r"] for done in progress.done], np.float64))
    fit, share, trunk = None, 0.0, ear.trunk
    if config.with_fit and config.network == "audio2rig" and trunk is not None:
        fit, share, by_control = mix_with_fit(members, material, splits)
    scores = {
        "method": f"train, {config.network}, {config.hearing}",
        "trunk": None if trunk is None else {"name": trunk.name, "version": trunk.version, "sha256": trunk.graph_sha256},
        "held_out_r": {
            control.name: round(r, 3) if math.isfinite(r) else None
            for control, r in zip(material.controls, by_control.tolist())
        },
        "mean_held_out_r": round(mean_r(by_control), 3),
        "share_of_fit": share,
        "rounds": [done["epoch"] for done in progress.done],
        "minutes": {"training": round(progress.spent_seconds / 60, 2), "of one core": round(progress.cpu_seconds / 60, 2)},
    }
    learned = LearnedShow(members, material.controls, fit, share)
    record = Record(show.rig, material.minutes, material.emotions, show.targets, read_commit(), scores)
    package = export(folder / "package", learned, material.controls, material.regions, ear, config, record)
    started = time.monotonic()
    for clip in material.copies[0]:
        predict_rows(members[0], clip, clip.first, clip.last, torch.device("cpu"))
    scores["seconds of one pass of one network"] = round(time.monotonic() - started, 2)
    (folder / "scores.json").write_text(json.dumps(scores, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    say(f"mean r on held-out shots {scores['mean_held_out_r']:.3f} after {progress.spent_seconds / 60:.1f} min of training; "
        f"the model is in {package.folder}")  # fmt: skip
    return package


def finish_diffusion(
    config: RunConfig, folder: Path, show: Show, unfitted: Material, material: Material, split: Split, ear: Ear,
    progress: Progress, say: Print,
) -> ModelPackage:  # fmt: skip
    """Export Fit of all shots with the network that draws around it, and write ``scores.json``."""
    trunk = ear.trunk
    assert trunk is not None
    scaling = measure_scaling(material, split)
    network = build_network(config, ear, material, scaling)
    assert isinstance(network, Diffusion)
    done = progress.done[0]
    network.load_state_dict(done["weights"])
    whole = [(number, clip.first, clip.last) for number, clip in enumerate(unfitted.copies[0])]
    fit = replace(fit_rows(unfitted, whole), rig=show.rig, targets=show.targets, hold=show.hold)
    by_control = np.array(done["r"], np.float64)
    scores = {
        "method": "train, diffusion",
        "trunk": {"name": trunk.name, "version": trunk.version, "sha256": trunk.graph_sha256},
        "held_out_r": {
            control.name: round(r, 3) if math.isfinite(r) else None
            for control, r in zip(material.controls, by_control.tolist())
        },
        "mean_held_out_r": round(mean_r(by_control), 3),
        "held_out_loss": round(1.0 - float(done["score"]), 4),
        "rounds": [done["epoch"]],
        "minutes": {"training": round(progress.spent_seconds / 60, 2), "of one core": round(progress.cpu_seconds / 60, 2)},
    }
    usual = calibrate_styles(network.eval(), material, split, scaling, config.steps)
    scores["usual styles"] = [round(value, 3) for value in usual.tolist()]
    show_rate = float(np.median([shot.frame_rate for shot in show.shots]))
    drawing = trace_drawing(network, scaling, config.steps, usual, show_rate)
    training = {"seed": config.seed, "commit": read_commit(), "scores": scores}
    title = f"{show.rig or 'Show'}, diffusion"
    package = write_fit(fit, trunk, folder / "package", title=title, licence=config.licence, drawing=drawing, training=training)
    (folder / "scores.json").write_text(json.dumps(scores, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    say(f"mean r of the mean performance on held-out parts {scores['mean_held_out_r']:.3f} after "
        f"{progress.spent_seconds / 60:.1f} min of training; the model is in {package.folder}")  # fmt: skip
    return package


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="voxrig-train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path, help="the run's file (TOML)")
    parser.add_argument("--new", metavar="DATASET", help="write the file for these shots, with every entry and its default")
    parser.add_argument("--network", choices=list(NETWORKS), default="audio2rig", help="with --new: the network of the file")
    parser.add_argument("--run", type=Path, help="folder of the run (default: beside the file, under its name)")
    options = parser.parse_args(arguments)
    try:
        if options.new is not None:
            if options.config.exists():
                raise ShowError(f"{options.config} exists already; choose another name")
            options.config.parent.mkdir(parents=True, exist_ok=True)
            options.config.write_text(format_config(new_config(options.new, options.network)), encoding="utf-8")
            print(f"{options.config}: look through it, then run voxrig-train {options.config}")
            return 0
        folder = options.run or options.config.with_suffix("")
        run_training(read_config(options.config), folder.resolve(), lambda line: print(line, flush=True))
    except VoxrigError as error:
        print(f"voxrig-train: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("voxrig-train: stopped; run the same command to resume after the last complete round", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
