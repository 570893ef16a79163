# SPDX-License-Identifier: GPL-3.0-or-later
"""Fit the timing, dominance and poses of ``animation/face/articulation.json`` to the tracked lips of a real talker.

The talker is GRID's first (CC BY 4.0): 3 s sentences, lips tracked 25 times a second. Only clips whose name begins
with l, p or s are fitted; those with b stay unseen and are scored at the end (``--held-out``).

With the weights of :func:`..animation.face.articulation._blend` fixed, every track is linear in the poses, so poses come
from ridge regression towards the present poses (bounded, so that a jaw never closes too far), inside a coordinate search
over reaches, holds, leads and dominance. A candidate is kept if it raises the mean correlation on clips of an initial
letter that its poses were not fitted on. Sizes are the talker's, times ``AMPLITUDE``, with the distance between the outer
eye corners taken as 9 cm and the chin moving 2.65 cm for a whole 'jawOpen' (both measured on the scanned head behind the
lip formulas).

The file was then corrected by hand where one British talker should not speak for all: his fronted UW and the rare SH ZH CH
JH UH UX OE and W keep more rounding, W narrows the lips whatever its neighbours are, and the sibilants' jaw cap was raised
from 0.06 to his 0.10. The present poses are the ridge's prior, so a second run starts from the first one's result.

Run: python -m voxrig.training.speech.calibrate_articulation --data DATA --cache .cache/training --write
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...animation.curves import ChannelCurves
from ...animation.face import articulation, lips
from ...animation.face.articulation import APERTURE, GROUPS, ArticulationRules, build_rules
from ...animation.face.phones import SILENCE, TimedPhone
from ..corpora.clips import load_corpus
from ..evaluation.baselines import loudness_db
from ..evaluation.measures import TrackedMouth, best_lag, measure_contacts, measure_tracked, pearson

FRAME_RATE = 50.0
EYE_CORNERS_CENTIMETRES = 9.0
CHIN_CENTIMETRES = 2.65
AMPLITUDE = 0.75
"""Share of this talker's size that is the natural size here: his jaw moves a third more than BlendVOCA's speakers do."""
SPACING_SECONDS = 4.2
RIDGE = 3.0
FITTED_INITIALS = "lps"
HELD_OUT_INITIALS = "b"

Floats = NDArray[np.float64]

# Phones that move together in the search: there are too few clips to separate them.
FAMILIES = (
    ("SIL",),
    ("P", "B", "M"),
    ("F", "V"),
    ("TH", "DH"),
    ("T", "D", "N"),
    ("L",),
    ("S", "Z"),
    ("SH", "ZH", "CH", "JH"),
    ("R",),
    ("K", "G", "NG"),
    ("Y",),
    ("W",),
    ("AH",),
    ("UW", "UH", "OO", "AO", "UX", "OE", "OU"),
    ("IY", "IH", "EE"),
    ("AA", "AE", "EH"),
)
TIMING_LIMITS = {
    "jaw": {"before": (0.12, 0.45), "after": (0.09, 0.3), "lead": (0.0, 0.05)},
    "aperture": {"before": (0.1, 0.25), "after": (0.09, 0.25), "lead": (0.0, 0.05)},
    # Protrusion starts 150 ms early (JALI), regardless of this talker's width.
    "rounding": {"before": (0.15, 0.3), "after": (0.12, 0.4), "lead": (0.0, 0.05)},
    "spreading": {"before": (0.1, 0.3), "after": (0.1, 0.4), "lead": (0.0, 0.05)},
}
DOMINANCE_LIMITS = (0.15, 6.0)
TONGUE_ONLY = ("TH", "DH", "T", "D", "N", "L", "K", "G", "NG", "HH")
"""They leave the lips' shape alone (JALI): their dominance over rounding and spreading is not fitted."""
JAW_BOUNDS = (0.01, 0.42)
APERTURE_BOUNDS = (0.06, 0.95)
LABIODENTAL_APERTURE = (0.02, 0.12)
WIDTH_BOUNDS = (-0.5, 0.45)
JAW_MEAN, JAW_CONTRAST, APERTURE_CONTRAST = 0.15, 1.25, 1.15


@dataclass(frozen=True)
class TrackedClip:
    """One sentence: its phones, rows of loudness at 50 a second, and the mouth in centimetres of the scanned head."""

    name: str
    phones: list[TimedPhone]
    seconds: float
    loudness: Floats
    mouth: TrackedMouth


def load_clips(data: Path, cache: Path, initials: str) -> list[TrackedClip]:
    """Load the talker's clips whose name begins with one of ``initials``. Raises FileNotFoundError if they are not prepared."""
    clips: list[TrackedClip] = []
    for clip in load_corpus(cache, "evaluation", corpora=("grid_lips",)):
        if clip.id[0] not in initials or not len(clip.phone):
            continue
        with open(data / "grid_lips" / "lips" / f"{clip.id}.csv", encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        size = EYE_CORNERS_CENTIMETRES * AMPLITUDE
        column = {
            key: size * np.array([float(row[key]) for row in rows]) for key in ("inner_gap", "mouth_width", "subnasal_chin")
        }
        mouth = TrackedMouth(
            (np.arange(len(rows)) + 0.5) / 25.0, column["inner_gap"], column["mouth_width"], column["subnasal_chin"]
        )
        clips.append(TrackedClip(clip.id, clip.phones, clip.seconds, loudness_db(clip.samples(), FRAME_RATE, 0.05), mouth))
    if not clips:
        raise FileNotFoundError(f"no aligned clips of grid_lips in {cache}: run `make corpus` first")
    return clips


class Talker:
    """All clips on one time axis, with silence between them, as arrays to fit."""

    def __init__(self, clips: Sequence[TrackedClip]) -> None:
        self.phones: list[TimedPhone] = []
        rows: list[NDArray[np.int64]] = []
        for number, clip in enumerate(clips):
            offset = number * SPACING_SECONDS
            self.phones += [
                TimedPhone(phone.phone, phone.start + offset, phone.end + offset, phone.stress)
                for phone in clip.phones
                if phone.phone != SILENCE
            ]
            rows.append(np.round((clip.mouth.seconds + offset) * FRAME_RATE).astype(np.int64))
        self.clip = np.repeat(np.arange(len(clips)), [len(row) for row in rows])
        self.initial = np.array([clip.name[0] for clip in clips])[self.clip]
        self.rows = np.concatenate(rows)
        self.frame_count = int(len(clips) * SPACING_SECONDS * FRAME_RATE)
        self.counts = np.bincount(self.clip).astype(np.float64)
        self.gap = np.concatenate([clip.mouth.inner_gap for clip in clips])
        self.width = np.concatenate([clip.mouth.mouth_width for clip in clips])
        self.jaw = np.concatenate([clip.mouth.jaw for clip in clips])

    def centre(self, values: Floats) -> Floats:
        """Centre ``values`` [row, ...] on their clip's mean: distances have no zero that is the same in every clip."""
        if values.ndim == 1:
            return values - (np.bincount(self.clip, values) / self.counts)[self.clip]
        return np.stack([self.centre(values[:, column]) for column in range(values.shape[1])], axis=1)

    def mean_correlation(self, first: Floats, second: Floats) -> float:
        """Average Pearson's r per clip."""
        first, second = self.centre(first), self.centre(second)
        products = np.bincount(self.clip, first * second)
        energy = np.bincount(self.clip, first * first) * np.bincount(self.clip, second * second)
        return float(np.mean(products / np.sqrt(np.maximum(energy, 1e-12))))

    def shares(self, rules: ArticulationRules, group: str) -> Floats:
        """Compute the share of each phone's pose in the blend, ``[row, phone]``: the tracks are this times the poses."""
        timeline = articulation._read_timeline(self.phones, rules)
        segments = articulation._lay_segments(timeline, np.ones(len(timeline.names)), rules)
        reach = rules.settings["groups"][group]
        pairs = articulation._spread_frames(
            segments.start - reach["before"] - reach["lead"], segments.end + reach["after"], FRAME_RATE, self.frame_count
        )
        dominance = rules.dominance[segments.code, GROUPS.index(group)]
        spans, frames = pairs
        weights = articulation._weights(segments, spans, frames, dominance, reach, FRAME_RATE)
        count = len(rules.phones)
        table = np.bincount(frames * count + segments.code[spans], weights, self.frame_count * count)
        table = table.reshape(self.frame_count, count)[self.rows]
        return table / np.maximum(table.sum(axis=1, keepdims=True), 1e-9)

    def cross_correlation(self, design: Floats, target: Floats) -> float:
        """Return the mean r of ridge regression on clips whose initial letter was left out of the fit."""
        design, target = self.centre(design), self.centre(target)
        predicted = np.zeros(len(target))
        for initial in np.unique(self.initial):
            test = self.initial == initial
            train = design[~test]
            inverse = np.linalg.solve(train.T @ train + RIDGE * np.eye(design.shape[1]), train.T @ target[~test])
            predicted[test] = design[test] @ inverse
        return self.mean_correlation(predicted, target)


def solve_bounded(design: Floats, target: Floats, prior: Floats, low: Floats, high: Floats, ridge: float) -> Floats:
    """Solve least squares pulled towards ``prior`` by ``ridge`` and held within bounds, ``[column]``."""
    from scipy.optimize import lsq_linear

    size = design.shape[1]
    stacked = np.concatenate([design, np.sqrt(ridge) * np.eye(size)])
    wanted = np.concatenate([target, np.sqrt(ridge) * prior])
    return lsq_linear(stacked, wanted, bounds=(low - 1e-9, high + 1e-9)).x


def _design(talker: Talker, settings: dict[str, Any], group: str) -> tuple[Floats, Floats]:
    """Set up the fit of ``group``: (design [row, column], target [row])."""
    rules = build_rules(settings)
    if group == "jaw":
        return talker.shares(rules, "jaw"), talker.jaw / CHIN_CENTIMETRES
    if group == "aperture":
        return talker.shares(rules, "aperture") * _openness(talker, rules)[:, None], talker.gap
    both = np.concatenate([talker.shares(rules, "rounding"), talker.shares(rules, "spreading")], axis=1)
    return both, talker.width


def _openness(talker: Talker, rules: ArticulationRules) -> Floats:
    timeline = articulation._read_timeline(talker.phones, rules)
    return articulation._lip_openness(timeline, rules.settings["closure"], FRAME_RATE, talker.frame_count)[0][talker.rows]


def search_group(talker: Talker, settings: dict[str, Any], group: str, rounds: int) -> float:
    """Improve timing and dominance of ``group`` in ``settings`` (changed in place); returns the cross-validated r."""
    reach = settings["groups"][group]
    column = GROUPS.index(group)
    phones = settings["phones"]

    def score() -> float:
        return talker.cross_correlation(*_design(talker, settings, group))

    best = score()
    for _ in range(rounds):
        start = best
        for key, factors in (("before", (0.75, 1.33)), ("after", (0.75, 1.33)), ("sharpness", (0.8, 1.25))):
            low, high = TIMING_LIMITS[group].get(key, (1.2, 4.0))
            for factor in factors:
                kept = reach[key]
                reach[key] = round(float(np.clip(kept * factor, low, high)), 3)
                value = score() if reach[key] != kept else best
                best, reach[key] = (value, reach[key]) if value > best + 5e-4 else (best, kept)
        for key, steps, (low, high) in (
            ("hold", (-0.2, 0.2), (0.5, 1.0)),
            ("lead", (-0.01, 0.01), TIMING_LIMITS[group]["lead"]),
        ):
            for step in steps:
                kept = reach[key]
                reach[key] = round(float(np.clip(kept + step, low, high)), 3)
                value = score() if reach[key] != kept else best
                best, reach[key] = (value, reach[key]) if value > best + 5e-4 else (best, kept)
        for family in FAMILIES:
            if group in ("rounding", "spreading") and family[0] in TONGUE_ONLY:
                continue
            members = [phones[phone]["dominance"] for phone in family]
            for factor in (0.6, 1.6):
                kept = [member[column] for member in members]
                for member in members:
                    member[column] = round(float(np.clip(member[column] * factor, *DOMINANCE_LIMITS)), 3)
                value = score()
                if value > best + 5e-4:
                    best = value
                    break
                for member, old in zip(members, kept, strict=True):
                    member[column] = old
        if best < start + 1e-3:
            break
    return best


def fit_poses(talker: Talker, settings: dict[str, Any], group: str) -> None:
    """Set the poses of ``group`` in ``settings`` from the tracked mouth (changed in place); 'width' fits both shapes."""
    rules = build_rules(settings)
    phones = settings["phones"]
    design, target = _design(talker, settings, group)
    design, target = talker.centre(design), talker.centre(target)
    number = len(rules.phones)
    speech = np.array([kind not in ("silence", "pause") for kind in rules.kinds])
    kinds = np.array(rules.kinds)
    if group in ("jaw", "aperture"):
        name = "jawOpen" if group == "jaw" else APERTURE
        prior = np.array([phones[phone]["pose"].get(name, 0.0) for phone in rules.phones])
        track = design @ prior
        prior = prior * max(float(track @ target) / float(track @ track), 0.0)
        low, high = (np.full(number, bound) for bound in (JAW_BOUNDS if group == "jaw" else APERTURE_BOUNDS))
        if group == "aperture":
            low[kinds == "bilabial"] = high[kinds == "bilabial"] = 0.0
            low[kinds == "labiodental"], high[kinds == "labiodental"] = LABIODENTAL_APERTURE
        low[~speech] = high[~speech] = 0.0
        keep = speech
        fitted = np.zeros(number)
        fitted[keep] = solve_bounded(
            design[:, keep], target, np.clip(prior, low, high)[keep], low[keep], high[keep], ridge=40.0
        )
        for phone, value in zip(rules.phones, fitted, strict=True):
            if phones[phone]["kind"] not in ("silence", "pause"):
                phones[phone]["pose"][name] = round(float(value), 3)
        return
    # Width: each phone keeps its mixture of channels; its size is fitted, in centimetres of width.
    effect = np.zeros(2 * number)
    for index, phone in enumerate(rules.phones):
        pose = phones[phone]["pose"]
        for name, value in pose.items():
            if name in ("mouthPucker", "mouthFunnel"):
                effect[index] += lips.WIDTH_CENTIMETRES[name] * value
            elif name in ("mouthStretch", "mouthSmile"):
                effect[number + index] += 2.0 * lips.WIDTH_CENTIMETRES[f"{name}Left"] * value
    jaw = talker.shares(rules, "jaw") @ np.array([phones[phone]["pose"].get("jawOpen", 0.0) for phone in rules.phones])
    target = target - talker.centre(lips.WIDTH_CENTIMETRES["jawOpen"] * jaw)
    used = np.abs(effect) > 1e-6
    track = design @ effect
    prior = effect * np.clip(float(track @ target) / float(track @ track), 0.5, 2.0)
    low = np.where(effect < 0, WIDTH_BOUNDS[0], np.minimum(0.02, prior))
    high = np.where(effect < 0, np.maximum(-0.02, prior), WIDTH_BOUNDS[1])
    prior = np.clip(prior, low, high)
    fitted = solve_bounded(design[:, used], target, prior[used], low[used], high[used], ridge=40.0)
    ratio = np.ones(2 * number)
    ratio[used] = fitted / effect[used]
    for index, phone in enumerate(rules.phones):
        pose = phones[phone]["pose"]
        for name in pose:
            if name in ("mouthPucker", "mouthFunnel"):
                pose[name] = round(min(float(pose[name] * ratio[index]), 0.7), 3)
            elif name in ("mouthStretch", "mouthSmile"):
                pose[name] = round(min(float(pose[name] * ratio[number + index]), 0.4), 3)


def widen_range(settings: dict[str, Any]) -> None:
    """Undo the shrinking of a regression whose r is 0.85 (changed in place): jaws around their mean, apertures as a whole."""
    for entry in settings["phones"].values():
        pose = entry["pose"]
        if entry["kind"] in ("silence", "pause"):
            continue
        pose["jawOpen"] = round(float(np.clip(JAW_MEAN + JAW_CONTRAST * (pose["jawOpen"] - JAW_MEAN), 0.03, 0.45)), 3)
        if entry["kind"] not in ("bilabial", "labiodental"):
            pose[APERTURE] = round(min(APERTURE_CONTRAST * pose[APERTURE], 1.05), 3)


def animate(clip: TrackedClip, rules: ArticulationRules) -> ChannelCurves:
    """Animate one clip with the rules, driven by its true phones and loudness."""
    return articulation.articulate(clip.phones, FRAME_RATE, clip.seconds, clip.loudness, rules=rules)


def search_emphasis(clips: Sequence[TrackedClip], settings: dict[str, Any]) -> None:
    """Choose how far loudness and stress open the mouth (changed in place) by the mean r of opening and jaw."""
    emphasis = settings["emphasis"]

    def score() -> float:
        rules = build_rules(settings)
        total = 0.0
        for clip in clips:
            curves = animate(clip, rules)
            seconds = curves.seconds()
            gap = lips.lip_gap(curves.values, curves.names)
            at = clip.mouth.seconds
            total += pearson(np.interp(at, seconds, gap), clip.mouth.inner_gap)
            total += pearson(np.interp(at, seconds, curves.channel("jawOpen").astype(np.float64)), clip.mouth.jaw)
        return total / len(clips) / 2

    results = {}
    for loudness in (0.0, 0.1, 0.2, 0.3):
        emphasis["loudness"] = loudness
        results[loudness] = score()
    print("loudness", {key: round(value, 4) for key, value in results.items()})
    # Loudness visibly moves the mouth even if this talker's figures hardly show it: it is kept at 0.1 or more (JALI).
    emphasis["loudness"] = max(max(results, key=lambda key: results[key]), 0.1)


def report(clips: Sequence[TrackedClip], settings: dict[str, Any]) -> dict[str, float]:
    """Score the rules on ``clips``: correlations, lag, MTM, and the contacts."""
    rules = build_rules(settings)
    sums: dict[str, list[float]] = {}
    lags: list[Floats] = []
    gaps: list[Floats] = []
    jaws: list[Floats] = []
    for clip in clips:
        curves = animate(clip, rules)
        tallies, by_lag = measure_tracked(curves, clip.mouth)
        tallies |= measure_contacts(curves, clip.phones)
        lags.append(by_lag)
        gaps.append(lips.lip_gap(curves.values, curves.names))
        jaws.append(curves.channel("jawOpen").astype(np.float64))
        for key, tally in tallies.items():
            if "/" not in key:
                entry = sums.setdefault(key, [0.0, 0.0])
                entry[0] += tally.numerator
                entry[1] += tally.denominator
    scores = {key: top / bottom for key, (top, bottom) in sums.items() if bottom}
    scores["lag"] = best_lag(np.array(lags))[0]
    scores["gap_p95"] = float(np.percentile(np.concatenate(gaps), 95))
    scores["jaw_deviation"] = float(np.concatenate(jaws).std())
    return {key: round(value, 3) for key, value in scores.items()}


def measure_b_timing(clips: Sequence[TrackedClip], settings: dict[str, Any] | None) -> str:
    """Tabulate the gap around the end of /b/ before a vowel, every 10 or 40 ms as a share of its largest, averaged.

    ``settings`` None takes the tracked lips, else the rules' face.
    """
    offsets = np.arange(-0.24, 0.2401, 0.02)
    rules = None if settings is None else build_rules(settings)
    rows: list[Floats] = []
    for clip in clips:
        if rules is None:
            seconds, gap = clip.mouth.seconds, clip.mouth.inner_gap
        else:
            curves = animate(clip, rules)
            seconds, gap = curves.seconds(), lips.lip_gap(curves.values, curves.names)
        for phone, following in zip(clip.phones, clip.phones[1:], strict=False):
            if phone.phone == "B" and following.phone in articulation.default_rules().vowels():
                rows.append(np.interp(phone.end + offsets, seconds, gap))
    mean = np.mean(rows, axis=0)
    low, high = float(np.min(mean)), float(np.max(mean[offsets >= 0]))
    shares = [f"{round(1000 * at):+d}:{(gap - low) / (high - low):.2f}" for at, gap in zip(offsets, mean, strict=True)]
    return f"{len(rows)} /b/: " + " ".join(shares)


def format_settings(settings: dict[str, Any], depth: int = 0) -> str:
    """Format ``articulation.json`` with one line for each phone, group and rule, so that changes are readable."""
    nested = depth < 2 and any(isinstance(value, dict) for value in settings.values())
    if not nested:
        return json.dumps(settings, ensure_ascii=False)
    pad = "  " * (depth + 1)
    lines = [
        f"{pad}{json.dumps(key)}: "
        + (format_settings(value, depth + 1) if isinstance(value, dict) else json.dumps(value, ensure_ascii=False))
        for key, value in settings.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n" + "  " * depth + "}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m voxrig.training.speech.calibrate_articulation", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with grid_lips/")
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"), help="where the aligned clips are")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the search over timing and dominance; 0 only scores")
    parser.add_argument("--write", action="store_true", help="write animation/face/articulation.json")
    parser.add_argument("--held-out", action="store_true", help="score the clips that nothing is fitted on")
    options = parser.parse_args(arguments)
    settings = articulation.load_settings()
    clips = load_clips(options.data, options.cache, FITTED_INITIALS)
    print("before:", report(clips, settings), flush=True)
    if options.rounds:
        talker = Talker(clips)
        for group in ("jaw", "aperture", "rounding", "spreading"):
            found = search_group(talker, settings, group, options.rounds)
            print(f"{group}: r {found:.3f} on left-out initials, {settings['groups'][group]}", flush=True)
        for group in ("jaw", "aperture", "width"):
            fit_poses(talker, settings, group)
        widen_range(settings)
        search_emphasis(clips, settings)
        print("after:", report(clips, settings), flush=True)
    print("tracked:", measure_b_timing(clips, None))
    print("rules:  ", measure_b_timing(clips, settings))
    if options.held_out:
        print("held out:", report(load_clips(options.data, options.cache, HELD_OUT_INITIALS), settings))
    if options.write:
        path = Path(articulation.__file__).with_name("articulation.json")
        path.write_text(format_settings(settings) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
