# SPDX-License-Identifier: GPL-3.0-or-later
"""Score how well a show is learned: ``python -m voxrig.training.evaluation.score_learning --data DIR`` prints the table.

Two shows: the captured takes of a production rig (116 sliders, Mandarin; takes 01 to 04 are learned, take 05 is tested) and
a tracked talker's lips as a rig of five controls (clips l, p, s are learned, clips b tested). Nothing is ever chosen on the
test data: the regularisation comes from cross-validation over the learned shots, and training of the networks stops by
learned shots that each of them leaves out.

A figure is Pearson's r at zero lag at the instants of the animation: over the take for the production rig, per clip and
averaged for the talker. For the rig's jaw the lag with the best r is added, because the takes differ in the delay of their
animation; and because one tested take is few, r on the learned takes is shown too, each predicted from the others. Networks
are trained (``training/shows``) on the production rig where PyTorch is installed, which takes minutes to an hour; networks
already trained, in ``--runs``, are only scored. Beside them are the mean pose, which has no r; the same regression on
loudness alone; and for the production rig the model itself through a mapping by name.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...animation.curves import ChannelCurves
from ...animation.face.channels import Channel
from ...inference.audio import read_sound
from ...inference.generate import generate_curves
from ...inference.package import ModelPackage, bundled_packages, load_package
from ...inference.session import Session, open_session
from ...learning.fit import Fit, Heard, fit_heard, hear_shot, predict, write_fit
from ...learning.show import Shot, Show, gather_show, write_shot
from .baselines import loudness_db
from .measures import LAGS_SECONDS, find_extrema, match_extrema, pearson, sample_curves

RIG_FPS = 30.0
LIPS_FPS = 25.0
JAW = "mouth_stretch_c"
"""The production rig's slider that opens the jaw."""

MOVING = 0.02
"""A slider moves in a take if its standard deviation is above this: 20 do in all takes, 15 in the tested one."""

CURVE_MINUTES = (1.0, 2.0, 5.0, 9.0, math.inf)
FLOORS = {JAW: "0.84, trained 0.86", "moving mouth controls": "0.52, trained 0.56", "opening": "0.76",
          "width": "0.62", "jaw": "0.83", f"MTM of {JAW}, ms": "60"}  # fmt: skip

TRAINED: dict[str, dict[str, object]] = {
    "audio2rig": {"network": "audio2rig"},
    "tian": {"network": "tian"},
    "audio2rig-scratch": {"network": "audio2rig", "hearing": "scratch", "folds": 1},
    "pham": {"network": "pham", "hearing": "scratch", "folds": 1},
}
"""Entries of the run files of the networks that are compared; the rest are the defaults of ``training/shows``."""

# The meaning of the production rig's moving sliders, by their names.
RIG_CHANNELS = {
    JAW: ("jawOpen",),
    "mouth_oo_c": ("mouthPucker",),
    "mouth_oh_c": ("mouthFunnel",),
    "mouth_pucker_l": ("mouthPucker",),
    "mouth_pucker_r": ("mouthPucker",),
    "mouth_funnel_dl": ("mouthFunnel",),
    "mouth_funnel_dr": ("mouthFunnel",),
    "mouth_funnel_ul": ("mouthFunnel",),
    "mouth_funnel_ur": ("mouthFunnel",),
    "mouth_lowerLipDepress_l": ("mouthLowerDownLeft",),
    "mouth_lowerLipDepress_r": ("mouthLowerDownRight",),
    "mouth_upperLipRaise_l": ("mouthUpperUpLeft",),
    "mouth_upperLipRaise_r": ("mouthUpperUpRight",),
    "mouth_press_l": ("mouthPressLeft",),
    "mouth_press_r": ("mouthPressRight",),
    "mouth_suck_dl": ("mouthRollLower",),
    "mouth_suck_dr": ("mouthRollLower",),
    "mouth_suck_ul": ("mouthRollUpper",),
    "mouth_suck_ur": ("mouthRollUpper",),
    "tooth_d_d": ("jawOpen",),
}

_REGION_WORDS = {
    "brow": "brows", "eye": "eyes", "nose": "nose", "cheek": "cheeks", "tongue": "tongue", "tooth": "jaw", "jaw": "jaw",
    "head": "head", "neck": "head",
}  # fmt: skip


@dataclass(frozen=True)
class Material:
    """A show to learn and the shots to test on.

    ``score`` turns predicted curves of all tested shots into figures, and ``score_left_out`` is r by control on learned shots
    that were left out.
    """

    show: Show
    tested: tuple[Shot, ...]
    score: Callable[[Sequence[ChannelCurves]], dict[str, float]]
    score_left_out: Callable[[dict[str, float]], dict[str, float]]


def rig_region(slider: str) -> str:
    """Return the face part of a slider of the production rig."""
    if slider == JAW:
        return "jaw"
    return next((region for word, region in _REGION_WORDS.items() if slider.startswith(word)), "lips")


def read_rig(folder: Path) -> Material:
    """Read the production rig's takes."""
    shots = [_read_take(path) for path in sorted(folder.glob("*.csv"))]
    test = shots.pop()
    moving = _moving_mouth_sliders(shots, test)

    def score(predicted: Sequence[ChannelCurves]) -> dict[str, float]:
        curves = predicted[0]
        shown = dict(zip(test.control_names, test.values.T))
        r = {name: pearson(_at(curves, name, test), shown[name]) if name in curves.names else 0.0 for name in moving}
        by_lag = {lag: pearson(_at(curves, JAW, test, lag), shown[JAW]) for lag in LAGS_SECONDS.tolist()}
        best = max(by_lag, key=by_lag.__getitem__)
        return {
            JAW: r[JAW],
            "moving mouth controls": sum(r.values()) / len(r),
            f"MTM of {JAW}, ms": _turning_point_offset(curves, JAW, test),
            f"{JAW} at its best lag": by_lag[best],
            "that lag, above 0 late, ms": 1000.0 * best if by_lag[best] > 0 else math.nan,
        }

    def score_left_out(r: dict[str, float]) -> dict[str, float]:
        known = [r[name] for name in moving if math.isfinite(r[name])]
        return {
            f"{JAW}, learned takes left out": r[JAW],
            "moving mouth controls, learned takes left out": float(np.mean(known)),
        }

    return Material(gather_show(shots), (test,), score, score_left_out)


def _moving_mouth_sliders(learned: Sequence[Shot], test: Shot) -> list[str]:
    both = np.minimum(np.concatenate([shot.values for shot in learned]).std(axis=0), test.values.std(axis=0))
    mouth = [control.region in ("jaw", "lips") for control in test.controls]
    return [name for name, spread, counts in zip(test.control_names, both, mouth) if counts and spread > MOVING]


def _read_take(path: Path) -> Shot:
    with open(path, encoding="utf-8", newline="") as stream:
        rows = csv.reader(stream)
        names = next(rows)[1:]
        values = np.array([[float(cell) for cell in row] for row in rows])
    controls = tuple(Channel(name, rig_region(name), "face", 0.0, 0.0, 1.0, "weight") for name in names)
    # Row by row the column 'frame' counts up by one, from the start of the sound.
    start = values[0, 0] / RIG_FPS
    sound = read_sound(path.with_suffix(".flac"), 16_000)
    return Shot(path.stem, "rig_116", controls, values[:, 1:], RIG_FPS, sound, -start)


def read_lips(folder: Path) -> Material:
    """Read the tracked talker's clips."""
    columns = {"opening": "inner_gap", "width": "mouth_width", "jaw": "subnasal_chin", "height": "outer_height",
               "upper lip": "subnasal_upperlip"}  # fmt: skip
    # Each with its own regularisation.
    regions = {"opening": "lips", "width": "cheeks", "jaw": "jaw", "height": "head", "upper lip": "nose"}
    learned: list[Shot] = []
    tested: list[Shot] = []
    controls = tuple(Channel(name, regions[name], "face", 0.0, -math.inf, math.inf, "length") for name in columns)
    for path in sorted((folder / "lips").glob("*.csv")):
        with open(path, encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        values = np.array([[float(row[column]) for column in columns.values()] for row in rows])
        sound = read_sound(folder / "audio" / f"{path.stem}.flac", 16_000)
        # Row i is the picture at (i + 0.5) / 25 s.
        shot = Shot(path.stem, "talker", controls, values, LIPS_FPS, sound, -0.5 / LIPS_FPS)
        (tested if path.stem.startswith("b") else learned).append(shot)

    def score(predicted: Sequence[ChannelCurves]) -> dict[str, float]:
        return {
            name: float(np.mean([pearson(_at(curves, name, shot), shot.values[:, column])
                                 for curves, shot in zip(predicted, tested)]))
            for column, name in enumerate(columns)
        }  # fmt: skip

    return Material(gather_show(learned), tuple(tested), score, lambda r: {})


def _at(curves: ChannelCurves, name: str, shot: Shot, lag: float = 0.0) -> NDArray[np.float32]:
    """Sample one channel at ``lag`` seconds after the instants of a shot's animation; the curves count from the start of the
    sound."""
    instants = np.arange(len(shot.values)) / shot.frame_rate - shot.sound_start_seconds + lag
    sampled = sample_curves(curves.select([name]), instants)
    if sampled is None:
        raise ValueError(f"{shot.name} has no frames to measure at")
    return sampled.values[:, 0]


def _turning_point_offset(curves: ChannelCurves, name: str, shot: Shot) -> float:
    """Return the mean absolute offset of matched turning points, in milliseconds."""
    seconds = np.arange(len(shot.values)) / shot.frame_rate
    shown = shot.values[:, shot.control_names.index(name)].astype(np.float64)
    found = find_extrema(seconds, _at(curves, name, shot).astype(np.float64))
    offsets, _ = match_extrema(found, find_extrema(seconds, shown))
    return float(np.abs(offsets).mean() * 1000.0) if len(offsets) else math.nan


def hear_loudness(shot: Shot, heard: Heard, frame_rate: float) -> Heard:
    """Replace a shot's hearing with its loudness alone, on the same rows."""
    margin = (len(heard.heard) - math.ceil(shot.waveform.duration_seconds * frame_rate - 1e-6)) // 2
    loudness = loudness_db(shot.waveform.samples, frame_rate, 0.04).astype(np.float32)
    rows = np.full((len(heard.heard), 1), loudness.min(), np.float32)
    rows[margin : margin + len(loudness), 0] = loudness[: len(rows) - margin]
    return replace(heard, heard=rows)


def first_minutes(shots: Iterable[Heard], minutes: float, frame_rate: float) -> list[Heard]:
    """Take the shots' first ``minutes`` of usable rows, in order."""
    left = math.inf if math.isinf(minutes) else round(minutes * 60.0 * frame_rate)
    kept: list[Heard] = []
    for shot in shots:
        usable = shot.usable & (np.cumsum(shot.usable) <= left)
        left -= int(usable.sum())
        if usable.any():
            kept.append(replace(shot, usable=usable))
    return kept


def predict_curves(fit: Fit, heard: Sequence[Heard], shots: Sequence[Shot], frame_rate: float) -> list[ChannelCurves]:
    """Predict curves for heard shots, counted from the start of their sounds."""
    names = tuple(control.name for control in fit.controls)
    curves: list[ChannelCurves] = []
    for shot, item in zip(shots, heard):
        margin = (len(item.heard) - math.ceil(shot.waveform.duration_seconds * frame_rate - 1e-6)) // 2
        curves.append(ChannelCurves(names, frame_rate, predict(fit, item.heard), -margin / frame_rate))
    return curves


def train_networks(
    material: Material, trunk: ModelPackage, runs: Path, names: Sequence[str]
) -> dict[str, tuple[ModelPackage, dict[str, float]]]:
    """Train the networks of ``TRAINED`` on a show, or open them if their run in ``runs`` is complete.

    Returns packages and r by control on shots left out. Raises VoxrigError.
    """
    from ..shows.config import RunConfig
    from ..shows.data import hearing_digest
    from ..shows.train import run_training

    folder = runs / material.show.rig
    for shot in material.show.shots:
        write_shot(folder / "shots", shot)
    trained: dict[str, tuple[ModelPackage, dict[str, float]]] = {}
    for name in names:
        settings = TRAINED[name]
        place = "" if trunk.folder in bundled_packages() else str(trunk.folder.resolve())
        config = RunConfig(dataset=str((folder / "shots").resolve()), trunk=place, **settings)  # type: ignore[arg-type]
        heard_by = hearing_digest(trunk)[:8] if config.hearing == "trunk" else config.hearing
        run = folder / f"{config.network}-{heard_by}"
        package = run_training(config, run.resolve(), lambda line: print(f"  {line}", file=sys.stderr, flush=True))
        scores = json.loads((run / "scores.json").read_text(encoding="utf-8"))
        print(f"{name}: {len(scores['rounds'])} networks, best after rounds {scores['rounds']}; "
              f"{scores['minutes']['training']:.1f} min of training, {scores['minutes']['of one core']:.1f} of one core; "
              f"{scores['seconds of one pass of one network']:.1f} s for one pass of one network over the shots; "
              f"mean r on held-out shots {scores['mean_held_out_r']:.3f}")  # fmt: skip
        left_out = {control: math.nan if r is None else float(r) for control, r in scores["held_out_r"].items()}
        trained[name] = package, left_out
    return trained


def learn(
    session: Session, title: str, material: Material, save: Path | None, runs: Path, networks: Sequence[str]
) -> dict[str, object]:
    """Learn, test and print one show; returns the printed figures."""
    show, tested, rate = material.show, material.tested, session.package.frame_rate
    print(f"\n## {title}\n")
    print(f"{show.minutes:.1f} minutes in {len(show.shots)} shots are learned, {len(show.controls)} controls move "
          f"({len(show.still)} never do); tested on {len(tested)} other shots")  # fmt: skip
    started = time.perf_counter()
    learned = [hear_shot(session, shot, show.controls) for shot in show.shots]
    hearing = time.perf_counter() - started
    unseen = [hear_shot(session, shot, show.controls) for shot in tested]

    figures: dict[str, dict[str, float]] = {}
    loud = [hear_loudness(shot, item, rate) for shot, item in zip(show.shots, learned)]
    loud_unseen = [hear_loudness(shot, item, rate) for shot, item in zip(tested, unseen)]
    by_loudness = fit_heard(loud, show.controls, rate)
    pose = np.concatenate([item.shown[item.usable] for item in learned]).mean(axis=0)
    held = ChannelCurves(tuple(control.name for control in show.controls), rate, np.tile(pose, (2, 1)))
    figures["mean pose"] = material.score([held] * len(tested))
    figures["loudness regression"] = material.score(
        predict_curves(by_loudness, loud_unseen, tested, rate)
    ) | material.score_left_out(_held_out(by_loudness))
    if title == RIG_TITLE:
        figures["model by names"] = material.score([_by_names(session, shot) for shot in tested])
    fitting = math.nan
    for minutes in [minutes for minutes in CURVE_MINUTES if minutes < show.minutes or math.isinf(minutes)]:
        part = first_minutes(learned, minutes, rate)
        started = time.perf_counter()
        fit = fit_heard(part, show.controls, rate, rig=show.rig)
        fitting = time.perf_counter() - started
        if math.isinf(minutes):
            with tempfile.TemporaryDirectory() as temporary:
                package = write_fit(fit, session.package, save / show.rig if save else Path(temporary) / show.rig)
                column = f"Fit, {fit.minutes:.1f} min, as a package"
                figures[column] = material.score(_run_package(package, tested)) | material.score_left_out(_held_out(fit))
                print(f"chosen by {fit.folds[0]} folds of {fit.folds[1]}: {fit.projection.shape[1]} components, ridges "
                      f"{json.dumps(fit.ridges)}; mean r on held-out shots {fit.mean_held_out:.3f}; "
                      f"graph {package.graph_path.stat().st_size / 1e6:.1f} MB")  # fmt: skip
        else:
            figures[f"Fit, {minutes:g} min"] = material.score(predict_curves(fit, unseen, tested, rate))
    for name, (package, left_out) in train_networks(material, session.package, runs, networks).items() if networks else ():
        figures[name] = material.score(_run_package(package, tested)) | material.score_left_out(left_out)
    print(f"time: {hearing:.1f} s to hear {show.minutes:.1f} minutes of sound, {fitting:.1f} s to fit\n")
    print_table(figures)
    return {"figures": figures, "hearing_seconds": hearing, "fitting_seconds": fitting, "minutes": show.minutes}


def _held_out(fit: Fit) -> dict[str, float]:
    return {control.name: r for control, r in zip(fit.controls, fit.held_out)}


def _run_package(package: ModelPackage, shots: Sequence[Shot]) -> list[ChannelCurves]:
    session = open_session(package, "CPU")
    return [generate_curves(session, shot.waveform) for shot in shots]


def _by_names(session: Session, shot: Shot) -> ChannelCurves:
    """Run the model and name its channels like the rig's sliders."""
    curves = generate_curves(session, shot.waveform)
    sliders = {slider: [name for name in names if name in curves.names] for slider, names in RIG_CHANNELS.items()}
    sliders = {slider: names for slider, names in sliders.items() if names}
    values = np.stack([np.mean([curves.channel(name) for name in names], axis=0) for names in sliders.values()], axis=1)
    return curves.with_values(values, tuple(sliders))


def print_table(figures: dict[str, dict[str, float]]) -> None:
    """Print Markdown: a line per figure and a column per method."""
    print("| r | floor | " + " | ".join(figures) + " |")
    print("|---" * (len(figures) + 2) + "|")
    for name in dict.fromkeys(name for column in figures.values() for name in column):
        values = [column.get(name, math.nan) for column in figures.values()]
        digits = 0 if name.endswith("ms") else 2
        cells = [f"{value:.{digits}f}" if math.isfinite(value) else "" for value in values]
        print(f"| {name} | {FLOORS.get(name, '')} | " + " | ".join(cells) + " |")


RIG_TITLE = "Captured production rig"
LIPS_TITLE = "Tracked talker's lips"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with rig_116/ and grid_lips/")
    parser.add_argument("--model", type=Path, help="model package to build on (default: the bundled one)")
    parser.add_argument("--runs", type=Path, default=Path(".cache/learn"), help="folder of the trained networks")
    parser.add_argument("--networks", nargs="*", choices=list(TRAINED), help="networks to train and compare (default: all)")
    parser.add_argument("--save", type=Path, help="keep the learned packages and the figures in this folder")
    options = parser.parse_args(arguments)
    shows = {RIG_TITLE: ("rig_116", read_rig), LIPS_TITLE: ("grid_lips", read_lips)}
    for folder, _ in shows.values():
        if not (options.data / folder).is_dir():
            print(f"{options.data} has no folder {folder}: give the data folder with --data", file=sys.stderr)
            return 2
    folder = options.model or next((place for place in bundled_packages() if place.name == "speech"), None)
    if folder is None:
        print("no model is bundled: give one with --model", file=sys.stderr)
        return 2
    package = load_package(folder)
    session = open_session(package, "CPU")
    steps = json.loads((package.folder / "model.json").read_text(encoding="utf-8"))["training"].get("steps", "unknown")
    print(f"built on {package.title} {package.version}, graph {package.graph_sha256[:12]}, {steps} training steps")
    networks = list(TRAINED) if options.networks is None else options.networks
    if networks and importlib.util.find_spec("torch") is None:
        print("PyTorch is not installed here (make training), so no network is trained", file=sys.stderr)
        networks = []
    results: dict[str, dict[str, object]] = {}
    for title, (name, read) in shows.items():
        trained = networks if title == RIG_TITLE else []
        results[title] = learn(session, title, read(options.data / name), options.save, options.runs, trained)
    if options.save:
        options.save.mkdir(parents=True, exist_ok=True)
        (options.save / "learn.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
