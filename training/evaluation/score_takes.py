# SPDX-License-Identifier: GPL-3.0-or-later
"""Score drawn takes: ``python -m voxrig.training.evaluation.score_takes --data DIR`` prints the table.

On the captured takes of a production rig (116 sliders, Mandarin; takes 01 to 04 are learned, take 05 is tested, and nothing is
chosen on it) the moving controls of the mouth are compared with the real ones, 30 frames a second: those that diffusion draws,
those of Fit and of the trained network audio2rig, those of the speech model through a mapping by names with life (the event
engine), and as controls real takes among themselves, a real take shifted against its sound, and takes drawn for the sound in
shuffled pieces.

- r of the jaw: of the mean of all seeds, and the mean of single ones; at zero lag.
- Frechet distance: between normal distributions of position and speed of all controls, each over the deviation of the learned
  takes: ``|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2)``.
- Spread: deviation between seeds where a phone has the same neighbours as in the learned takes, over the deviation between
  these real cases; phones are those that the speech model hears.
- Bands: power of the speed in 0.3 to 2, 2 to 5 and 5 to 10 Hz over that of the real take.
- Closures: share of the real take's closures of the jaw (local minima below a tenth of its range) at which it is below a fifth.
- Still: mean speed where the sound is silent over that of the real take's whole.
- Pins, seams, seconds and memory as they are named. The last minute of a long sound is drawn once with all and once alone.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...animation.curves import ChannelCurves
from ...animation.face.phones import TimedPhone, decode_phones
from ...animation.life.planning import plan_life
from ...animation.life.rendering import render_life
from ...animation.life.stage import LifeSettings
from ...animation.speech.events import find_events
from ...inference import diffusion
from ...inference.audio import Waveform
from ...inference.diffusion import Drawer, Pin, Variation, open_drawer
from ...inference.generate import generate_curves, generate_drawn, generate_outputs
from ...inference.package import ModelPackage, bundled_packages, load_package
from ...inference.session import Session, open_session
from ...learning.fit import fit_heard, hear_shot, write_fit
from ...learning.show import Shot, write_shot
from .measures import pearson, sample_curves
from .score_learning import JAW, MOVING, RIG_CHANNELS, RIG_FPS, Material, read_rig, train_networks

Floats = NDArray[np.float64]
BANDS = ((0.3, 2.0), (2.0, 5.0), (5.0, 10.0))
STEPS = (1, 2, 4, 8, 16)


class Figures:
    """The measures of takes ``[take][frame, control]`` against the real one."""

    def __init__(self, material: Material, phones: dict[str, tuple[TimedPhone, ...]]) -> None:
        self.test = material.tested[0]
        learned = material.show.shots
        both = np.minimum(np.concatenate([shot.values for shot in learned]).std(axis=0), self.test.values.std(axis=0))
        self.names = [
            control.name
            for control, spread in zip(self.test.controls, both)
            if control.region in ("jaw", "lips") and spread > MOVING
        ]
        self.real = {shot.name: _columns(shot, self.names) for shot in (*learned, self.test)}
        self.deviation = np.concatenate([self.real[shot.name] for shot in learned]).std(axis=0)
        self.jaw = self.names.index(JAW)
        self.shown = self.real[self.test.name]
        self.phones = phones
        self.silent = _silent_frames(self.test)
        self.closures = self._find_closures()
        self.cases = self._find_cases([shot.name for shot in learned])

    def measure(self, takes: Sequence[Floats]) -> dict[str, float]:
        """Return all figures of takes of the tested sound."""
        mean = np.mean(takes, axis=0)
        found = {
            "r of the jaw, mean of takes": pearson(mean[:, self.jaw], self.shown[:, self.jaw]),
            "r of the jaw, single takes": float(np.mean([pearson(t[:, self.jaw], self.shown[:, self.jaw]) for t in takes])),
            "r of the mouth, mean of takes": float(
                np.mean([pearson(mean[:, i], self.shown[:, i]) for i in range(len(self.names)) if mean[:, i].std() > 0])
            ),
            "Frechet distance": float(np.mean([self.frechet(take, self.shown) for take in takes])),
            "spread between takes": self.spread(takes) if len(takes) > 1 else math.nan,
        }
        for band in BANDS:
            ratio = float(np.mean([self.band_power(take, band) for take in takes])) / self.band_power(self.shown, band)
            found[f"power {band[0]:g} to {band[1]:g} Hz"] = ratio
        found["closures"] = float(np.mean([self.closure_recall(take) for take in takes]))
        found["speed in silence"] = float(np.mean([self.stillness(take) for take in takes]))
        return found

    def frechet(self, first: Floats, second: Floats) -> float:
        """Return the distance of position and speed of two takes."""
        moments = [self._moments(take) for take in (first, second)]
        (mean1, cov1), (mean2, cov2) = moments
        values, vectors = np.linalg.eigh(cov1)
        root = vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
        cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cov2 @ root), 0.0)).sum()
        return float(np.square(mean1 - mean2).sum() + np.trace(cov1) + np.trace(cov2) - 2.0 * cross)

    def _moments(self, take: Floats) -> tuple[Floats, Floats]:
        scaled = take / self.deviation
        speed = np.gradient(scaled, 1.0 / RIG_FPS, axis=0) / 8.0  # about as large as the positions
        rows = np.concatenate([scaled, speed], axis=1)
        return rows.mean(axis=0), np.cov(rows.T)

    def band_power(self, take: Floats, band: tuple[float, float]) -> float:
        """Return the power of the speed in a band, over all controls."""
        speed = np.diff(take / self.deviation, axis=0)
        power = np.square(np.abs(np.fft.rfft(speed * np.hanning(len(speed))[:, None], axis=0))).sum(axis=1)
        hertz = np.fft.rfftfreq(len(speed), 1.0 / RIG_FPS)
        return float(power[(hertz >= band[0]) & (hertz < band[1])].sum())

    def spread(self, takes: Sequence[Floats]) -> float:
        """Return the deviation between takes at known cases over that between real cases."""
        real, drawn = [], []
        stack = np.stack(takes) / self.deviation
        for frame, others in self.cases:
            real.append(others.std(axis=0, ddof=1))
            drawn.append(stack[:, frame].std(axis=0, ddof=1))
        return float(np.mean(drawn) / np.mean(real)) if real else math.nan

    def closure_recall(self, take: Floats) -> float:
        """Return the share of real closures at which the jaw is nearly closed within two frames."""
        jaw = take[:, self.jaw]
        low, high = np.quantile(jaw, (0.02, 0.95))
        near = [jaw[max(0, frame - 2) : frame + 3].min() < low + 0.2 * (high - low) for frame in self.closures]
        return float(np.mean(near)) if near else math.nan

    def stillness(self, take: Floats) -> float:
        """Return the mean speed in silence over the real take's mean speed."""
        speed = np.abs(np.diff(take / self.deviation, axis=0)).mean(axis=1)
        whole = np.abs(np.diff(self.shown / self.deviation, axis=0)).mean()
        return float(speed[self.silent[1:]].mean() / whole) if self.silent[1:].any() else math.nan

    def _find_closures(self) -> list[int]:
        jaw = self.shown[:, self.jaw]
        low, high = np.quantile(jaw, (0.02, 0.95))
        below = jaw < low + 0.1 * (high - low)
        found: list[int] = []
        for frame in range(2, len(jaw) - 2):
            around = jaw[max(0, frame - 6) : frame + 7]
            is_lowest = below[frame] and jaw[frame] == jaw[frame - 2 : frame + 3].min()
            if is_lowest and around.max() > low + 0.25 * (high - low) and (not found or frame - found[-1] > 3):
                found.append(frame)
        return found

    def _find_cases(self, learned: Sequence[str]) -> list[tuple[int, Floats]]:
        """Return frames of the tested take with the poses of the same phone between the same neighbours in learned ones."""
        known: dict[tuple[str, str, str], list[Floats]] = {}
        for name in learned:
            for key, frame in _triphones(self.phones[name]):
                if frame < len(self.real[name]):
                    known.setdefault(key, []).append(self.real[name][frame] / self.deviation)
        return [
            (frame, np.stack(known[key]))
            for key, frame in _triphones(self.phones[self.test.name])
            if len(known.get(key, ())) > 2 and frame < len(self.shown)
        ]


def _columns(shot: Shot, names: Sequence[str]) -> Floats:
    return shot.values[:, [shot.control_names.index(name) for name in names]].astype(np.float64)


def _triphones(phones: Sequence[TimedPhone]) -> list[tuple[tuple[str, str, str], int]]:
    return [
        ((a.phone, b.phone, c.phone), round(0.5 * (b.start + b.end) * RIG_FPS))
        for a, b, c in zip(phones, phones[1:], phones[2:])
        if b.phone != "SIL"
    ]


def _silent_frames(shot: Shot) -> NDArray[np.bool_]:
    """Mark frames in the middle of at least 0.6 s below -50 dB."""
    rate = shot.waveform.sample_rate
    hop = round(rate / RIG_FPS)
    count = len(shot.values)
    samples = np.pad(shot.waveform.samples, (0, max(0, count * hop - shot.waveform.samples.size)))[: count * hop]
    quiet = np.sqrt(np.square(samples.reshape(count, hop)).mean(axis=1)) < 10 ** (-50 / 20)
    size = round(0.6 * RIG_FPS)
    padded = np.pad(quiet, (size // 2, size - 1 - size // 2))
    return np.lib.stride_tricks.sliding_window_view(padded, size).all(axis=1)


def at_frames(curves: ChannelCurves, names: Sequence[str], shot: Shot) -> Floats:
    """Sample curves at the frames of a shot, 0 for channels that they lack, ``[frame, name]``."""
    instants = np.arange(len(shot.values)) / shot.frame_rate - shot.sound_start_seconds
    known = [name for name in names if name in curves.names]
    sampled = sample_curves(curves.select(known), instants)
    made = np.zeros((len(shot.values), len(names)))
    if sampled is not None:
        made[:, [names.index(name) for name in known]] = sampled.values
    return made


def draw_seeds(session: Session, drawer: Drawer, waveform: Waveform, count: int, **options: Any) -> list[ChannelCurves]:
    """Draw takes with the seeds 0, 1, ..."""
    return [generate_drawn(session, drawer, waveform, None, Variation(seed, **options)).curves for seed in range(count)]


def shuffle_sound(waveform: Waveform, piece_seconds: float = 4.0) -> Waveform:
    """Return a sound whose pieces are in another order."""
    size = round(piece_seconds * waveform.sample_rate)
    samples = np.asarray(waveform.samples[:])
    pieces = [samples[first : first + size] for first in range(0, samples.size, size)]
    order = np.random.default_rng(1).permutation(len(pieces))
    return Waveform(np.concatenate([pieces[place] for place in order]), waveform.sample_rate)


def live_by_names(session: Session, shot: Shot, count: int) -> list[ChannelCurves]:
    """Return takes of the event engine: the speech model's channels with life, on the rig's controls by their names."""
    curves = generate_curves(session, shot.waveform)
    events = find_events(shot.waveform.samples, shot.waveform.sample_rate)
    made: list[ChannelCurves] = []
    for seed in range(count):
        life = render_life(plan_life(events, LifeSettings(seed)), curves.frame_rate, curves.start_seconds, curves.frame_count)
        lived = dict(zip(life.curves.names, life.curves.values.T))
        known = dict(zip(curves.names, curves.values.T))
        columns = {
            slider: np.clip(np.mean([known[name] + lived.get(name, 0.0) for name in names], axis=0), 0.0, 1.0)
            for slider, names in RIG_CHANNELS.items()
            if all(name in known for name in names)
        }
        values = np.stack(list(columns.values()), axis=1).astype(np.float32)
        made.append(ChannelCurves(tuple(columns), curves.frame_rate, values, curves.start_seconds))
    return made


def place_pins(seconds: float) -> tuple[Pin, ...]:
    """Place three pins of the jaw in a take of that length."""
    return tuple(Pin(share * seconds, JAW, value) for share, value in ((0.2, 0.5), (0.45, 0.05), (0.7, 0.35)))


def draw_pins(draw: Callable[[Variation], ChannelCurves], seconds: float, path: Path) -> None:
    """Draw the jaw of three takes with and without pins around each of three pins."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    pins = place_pins(seconds)
    figure, axes = plt.subplots(1, len(pins), figsize=(13, 3.2), sharey=True, constrained_layout=True)
    for colour, seed in zip(("#b5533c", "#3b6ea5", "#6a8f3c"), range(3), strict=True):
        for style, given in (("-", pins), (":", ())):
            curves = draw(Variation(seed, pins=given))
            at = np.arange(curves.frame_count) / curves.frame_rate
            for axis, pin in zip(axes, pins, strict=True):
                near = np.abs(at - pin.seconds) < 1.0
                label = f"seed {seed}{'' if given else ', no pin'}"
                axis.plot(at[near], curves.channel(JAW)[near], style, color=colour, linewidth=1.1, label=label)
    for axis, pin in zip(axes, pins, strict=True):
        axis.plot(pin.seconds, pin.value, "D", color="black", markersize=6)
        axis.set_xlabel("seconds")
    axes[0].set_ylabel(JAW)
    axes[0].legend(fontsize=7, ncols=2)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def check_pins(draw: Callable[[Variation], ChannelCurves], seconds: float) -> dict[str, float]:
    """Pin three poses of the jaw in several takes; returns the largest error and the largest speed over the take's p99."""
    pins = place_pins(seconds)
    errors, speeds = [], []
    for seed in range(3):
        curves = draw(Variation(seed, pins=pins))
        jaw = curves.values[:, curves.names.index(JAW)].astype(np.float64)
        rows = np.arange(len(jaw))
        errors += [abs(float(np.interp(pin.seconds * curves.frame_rate, rows, jaw)) - pin.value) for pin in pins]
        speed = np.abs(np.diff(jaw))
        reach = round(0.4 * curves.frame_rate)
        around = [speed[max(0, round(p.seconds * curves.frame_rate) - reach) :][: 2 * reach].max() for p in pins]
        speeds.append(max(around) / np.quantile(speed, 0.99))
    return {"largest error at pins": max(errors), "largest speed around pins, in p99": max(speeds)}


def check_seams(draw: Callable[[Variation], ChannelCurves]) -> dict[str, float]:
    """Draw a take in short pieces; returns the power of the second difference at their edges over that elsewhere."""
    whole = draw(Variation(0)).values
    usual = diffusion._PIECE_ROWS  # pyright: ignore[reportPrivateUsage]
    diffusion._PIECE_ROWS = 125  # pyright: ignore[reportPrivateUsage]
    try:
        pieces = draw(Variation(0)).values
    finally:
        diffusion._PIECE_ROWS = usual  # pyright: ignore[reportPrivateUsage]
    bend = np.square(np.diff(pieces, n=2, axis=0)).sum(axis=1)
    edges = np.zeros(len(bend), bool)
    for edge in range(250, len(bend), 250):
        edges[edge - 3 : edge + 2] = True
    return {
        "whole against pieces": float(np.abs(whole - pieces).max()),
        "second difference at seams": float(bend[edges].mean() / bend[~edges].mean()),
        "second difference there, whole": float(
            np.square(np.diff(whole, n=2, axis=0)).sum(axis=1)[edges].mean()
            / np.square(np.diff(whole, n=2, axis=0)).sum(axis=1)[~edges].mean()
        ),
    }


def check_costs(session: Session, drawer: Drawer, waveform: Waveform) -> dict[str, float]:
    """Time five takes of ten seconds, and measure the memory of one of a minute and of four beside that of the result."""
    rate = waveform.sample_rate
    ten = Waveform(waveform.samples[: 10 * rate], rate)
    started, cpu_started = time.perf_counter(), time.process_time()
    draw_seeds(session, drawer, ten, 5)
    found = {
        "seconds for five takes of 10 s": time.perf_counter() - started,
        "processor seconds for them": time.process_time() - cpu_started,
    }
    for minutes in (1, 4):
        long = Waveform(np.resize(waveform.samples, minutes * 60 * rate), rate)
        _, found[f"MB for {minutes} min"], found[f"MB of the result of {minutes} min"] = draw_traced(session, drawer, long)
    return found


def draw_traced(session: Session, drawer: Drawer, waveform: Waveform) -> tuple[ChannelCurves, float, float]:
    """Draw a take; returns its curves, the most memory that this took, and that of all results, in MB."""
    tracemalloc.start()
    try:
        made = generate_drawn(session, drawer, waveform, None, Variation(0))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    kept = sum(curves.values.nbytes for curves in (made.curves, made.keys, made.phones) if curves is not None)
    return made.curves, peak / 1e6, kept / 1e6


def check_long(session: Session, drawer: Drawer, waveform: Waveform, minutes: float) -> dict[str, float]:
    """Compare the last minute of a long sound (the given one, repeated) with the same minute drawn without what comes before.

    The minute alone is heard with as much sound before it as the model and the steps of drawing depend on.
    """
    package, rate = session.package, waveform.sample_rate
    rows = round(minutes * 60 * package.frame_rate)
    long = Waveform(np.resize(waveform.samples, rows * package.hop), rate)
    started = time.perf_counter()
    whole, peak, result = draw_traced(session, drawer, long)
    seconds = time.perf_counter() - started
    drawing = drawer.drawing
    lead = package.context_before_seconds + drawing.steps * drawing.reach_rows * drawing.stride / package.frame_rate
    grid = package.grid_seconds or 1.0
    start = grid * math.floor(max(0.0, minutes * 60 - 60 - lead) / grid)
    late = Waveform(long.samples[round(start * rate) :], rate)
    alone = generate_drawn(session, drawer, late, None, Variation(0), start_seconds=start).curves
    last = round(60 * package.frame_rate)
    apart = np.abs(whole.values[-last:] - alone.values[-last:]) / np.ptp(whole.values, axis=0).clip(1e-6)
    return {
        "minutes of the long sound": minutes,
        "seconds for it": seconds,
        "MB for it": peak,
        "MB of its result": result,
        "its last minute against the same alone, share of the range": float(apart.max()),
    }


def print_table(figures: dict[str, dict[str, float]]) -> None:
    """Print a row for each figure, a column for each method."""
    print("| | " + " | ".join(figures) + " |")
    print("|---|" + "---|" * len(figures))
    for name in dict.fromkeys(name for values in figures.values() for name in values):
        cells = [values.get(name, math.nan) for values in figures.values()]
        print(f"| {name} | " + " | ".join(f"{cell:.3f}" if math.isfinite(cell) else "" for cell in cells) + " |", flush=True)


def train(material: Material, trunk: ModelPackage, runs: Path, entries: dict[str, Any]) -> ModelPackage:
    """Train diffusion on the learned takes, or open it if its run is complete. Raises VoxrigError."""
    from dataclasses import replace

    from ..shows.config import new_config
    from ..shows.train import run_training

    folder = runs / material.show.rig
    for shot in material.show.shots:
        write_shot(folder / "shots", shot)
    config = replace(new_config(str((folder / "shots").resolve()), "diffusion"), trunk=str(trunk.folder.resolve()), **entries)
    return run_training(
        config, (folder / f"diffusion-{trunk.name}").resolve(), lambda line: print(f"  {line}", file=sys.stderr)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with rig_116/")
    parser.add_argument("--model", help="model package to build on (default: the bundled one)")
    parser.add_argument("--package", type=Path, help="a trained diffusion package, instead of training one")
    parser.add_argument("--runs", type=Path, default=Path(".cache/takes"), help="folder of the runs")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to train")
    parser.add_argument("--seeds", type=int, default=8, help="number of takes to draw")
    parser.add_argument("--no-audio2rig", action="store_true", help="leave out audio2rig, whose training takes 20 minutes")
    parser.add_argument("--audio2rig", type=Path, help="a trained package of audio2rig, instead of training one")
    parser.add_argument("--minutes", type=float, default=8.0, help="length of the long sound (default: 8)")
    parser.add_argument("--picture", type=Path, help="also draw curves of takes through three pins to this PNG file")
    parser.add_argument("--save", type=Path, help="also write the figures to this JSON file")
    options = parser.parse_args(arguments)
    if not (options.data / "rig_116").is_dir():
        print(f"{options.data} has no folder rig_116: give the data folder with --data", file=sys.stderr)
        return 2
    if options.picture and importlib.util.find_spec("matplotlib") is None:
        print("matplotlib is not installed here; leave --picture out, or give --package and use .venv", file=sys.stderr)
        return 2
    places = {place.name: place for place in bundled_packages()}
    trunk = load_package(places.get(options.model or "speech") or Path(options.model))
    material = read_rig(options.data / "rig_116")
    session = open_session(trunk, "CPU", 2)
    shots = (*material.show.shots, material.tested[0])
    phones: dict[str, tuple[TimedPhone, ...]] = {}
    for shot in shots:
        rows = generate_outputs(session, shot.waveform, outputs=("phones",))["phones"]
        phones[shot.name] = decode_phones(rows, trunk.phones, trunk.frame_rate)
    measures = Figures(material, phones)
    test = material.tested[0]
    print(f"built on {trunk.title} {trunk.version}; {len(measures.names)} moving controls of the mouth, tested on {test.name}; "
          f"{len(measures.closures)} closures, {len(measures.cases)} phones with known neighbours, "
          f"{measures.silent.mean():.0%} of it silent")  # fmt: skip

    figures: dict[str, dict[str, float]] = {}
    real = {"Frechet distance": float(np.mean([
        measures.frechet(measures.real[shot.name], measures.shown) for shot in material.show.shots
    ]))}  # fmt: skip
    for band in BANDS:
        powers = [measures.band_power(measures.real[shot.name], band) / len(shot.values) for shot in material.show.shots]
        real[f"power {band[0]:g} to {band[1]:g} Hz"] = float(np.mean(powers)) / (
            measures.band_power(measures.shown, band) / len(measures.shown)
        )
    figures["other real takes"] = real
    figures["real, shifted 7 s"] = measures.measure([np.roll(measures.shown, 210, axis=0)])

    learned = [hear_shot(session, shot, material.show.controls) for shot in material.show.shots]
    fit = fit_heard(learned, material.show.controls, trunk.frame_rate, rig="rig_116")
    package = write_fit(fit, trunk, options.runs / "rig_116" / "fit")
    fitted = generate_curves(open_session(package, "CPU", 2), test.waveform)
    figures["Fit"] = measures.measure([at_frames(fitted, measures.names, test)])
    trained: ModelPackage | None = None
    if options.audio2rig:
        trained = load_package(options.audio2rig)
    elif not options.no_audio2rig and importlib.util.find_spec("torch") is not None:
        trained, _ = train_networks(material, trunk, options.runs, ["audio2rig"])["audio2rig"]
    if trained is not None:
        curves = generate_curves(open_session(trained, "CPU", 2), test.waveform)
        figures["audio2rig"] = measures.measure([at_frames(curves, measures.names, test)])
    lived = live_by_names(session, test, options.seeds)
    figures["event engine, by names"] = measures.measure([at_frames(curves, measures.names, test) for curves in lived])

    if options.package is None and importlib.util.find_spec("torch") is None:
        print("PyTorch is not installed here (make training), so no diffusion is trained", file=sys.stderr)
        print_table(figures)
        return 1
    drawn = load_package(options.package) if options.package else train(
        material, trunk, options.runs, {"device": options.device}
    )  # fmt: skip
    if drawn.drawing is None:
        print(f"{drawn.folder} draws no takes", file=sys.stderr)
        return 2
    opened, drawer = open_session(drawn, "CPU", 2), open_drawer(drawn.folder, drawn.drawing, drawn.name, 2)

    def draw(variation: Variation) -> ChannelCurves:
        return generate_drawn(opened, drawer, test.waveform, None, variation).curves

    takes = [at_frames(curves, measures.names, test) for curves in draw_seeds(opened, drawer, test.waveform, options.seeds)]
    figures["diffusion"] = measures.measure(takes)
    shuffled = shuffle_sound(test.waveform)
    wrong = draw_seeds(opened, drawer, shuffled, max(2, options.seeds // 4))
    figures["diffusion, sound shuffled"] = measures.measure([at_frames(curves, measures.names, test) for curves in wrong])
    again = at_frames(draw(Variation(0)), measures.names, test)
    print_table(figures)
    distance = figures["diffusion"]["Frechet distance"]
    gains = [
        f"{1.0 - distance / figures[name]['Frechet distance']:.0%} below {name}'s"
        for name in ("Fit", "audio2rig", "event engine, by names")
        if name in figures
    ]
    print(f"\nFrechet distance {', '.join(gains)}; the same seed draws the same bytes: {np.array_equal(again, takes[0])}\n")
    checks = check_pins(draw, test.waveform.duration_seconds) | check_seams(draw) | check_costs(opened, drawer, test.waveform)
    checks |= check_long(opened, drawer, test.waveform, options.minutes)
    for name, value in checks.items():
        print(f"{name}: {value:.4g}", flush=True)
    print("\n| steps | Frechet distance | r of the jaw, single | seconds for 10 s |\n|---|---|---|---|")
    for steps in STEPS:
        started = time.perf_counter()
        take = at_frames(draw(Variation(0, steps=steps)), measures.names, test)
        spent = (time.perf_counter() - started) * 10.0 / test.waveform.duration_seconds
        r = pearson(take[:, measures.jaw], measures.shown[:, measures.jaw])
        print(f"| {steps} | {measures.frechet(take, measures.shown):.3f} | {r:.3f} | {spent:.2f} |", flush=True)
    if options.picture:
        draw_pins(draw, test.waveform.duration_seconds, options.picture)
    if options.save:
        options.save.write_text(json.dumps({"figures": figures, "checks": checks}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
