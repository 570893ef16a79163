# SPDX-License-Identifier: GPL-3.0-or-later
"""``make life``: what the life of eyes, brows, head and breath measures, beside the published bands and captured data.

Thirty minutes of speech by thirteen synthetic voices, whose stress and pauses are known, three seeds. With DATA also the
blinks of a captured talker (grid_face) and an actor's (face_motion), and more sentences. The speech is kept in build/life.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...animation.curves import ChannelCurves
from ...animation.face.lips import sealed_frames
from ...animation.keys.reduction import evaluate_keys, reduce_to_keys
from ...animation.life.events import Event, of_part
from ...animation.life.gaze import DEGREE, plan_shifts, saccade_seconds
from ...animation.life.planning import Life, plan_life
from ...animation.life.rendering import blink_frames, render_life
from ...animation.life.stage import LifeSettings
from ...animation.speech.events import SpeechEvents, find_events
from ...inference.audio import Waveform
from ...inference.generate import generate_all
from ...inference.package import find_model, load_package
from ...inference.session import open_session
from ...training.corpora.known_stress import VOICES, Line, make_lines, read_sentences

SECONDS = 1800.0
SEEDS = (1, 2, 3)
FPS = 24.0
NEAR = 0.08
"""Seconds within which a nod, a raise or an accent meets a stressed vowel's middle."""
_TOLERANCE = 0.01

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Heard:
    """A line with its events and the mouth's curves."""

    line: Line
    events: SpeechEvents
    mouth: ChannelCurves
    model_seconds: float
    event_seconds: float


def load_lines(folder: Path, data: Path | None, seconds: float) -> list[Line]:
    """The lines of all voices, made once and kept in ``folder``."""
    path = folder / f"lines_{round(seconds)}{'_data' if data else ''}.npz"
    if path.is_file():
        kept = np.load(path, allow_pickle=False)
        count = int(kept["count"])
        fields = ("voice", "samples", "stressed", "phrases")
        rows = [[kept[f"{field}_{index}"] for field in fields] for index in range(count)]
        return [
            Line(str(voice), samples.astype(np.float32) / 32767, stressed, phrases)
            for voice, samples, stressed, phrases in rows
        ]
    sentences = read_sentences(data)
    lines = [line for voice in VOICES for line in make_lines(voice, seconds / len(VOICES), sentences, 7)]
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {"count": len(lines)}
    for index, line in enumerate(lines):
        arrays |= {f"voice_{index}": line.voice, f"samples_{index}": np.rint(line.samples * 32767).astype(np.int16)}
        arrays |= {f"stressed_{index}": line.stressed, f"phrases_{index}": line.phrases}
    np.savez_compressed(path, **arrays)
    return lines


def hear(lines: Sequence[Line]) -> list[Heard]:
    """The events of each line, from the phones of the bundled model."""
    session = open_session(load_package(find_model(None)))
    found: list[Heard] = []
    for line in lines:
        start = time.process_time()
        made = generate_all(session, Waveform(line.samples, 16_000))
        phones = made.timed_phones()
        middle = time.process_time()
        events = find_events(line.samples, 16_000, phones)
        found.append(Heard(line, events, made.curves, middle - start, time.process_time() - middle))
    return found


def read_recordings(data: Path | None, count: int = 90) -> list[Line]:
    """Recorded lines of 8 s and more, one of each talker in turn (LibriSpeech), without known stress; phrases by forced
    alignment."""
    folder = None if data is None else data / "speech"
    if folder is None or not (folder / "index.tsv").is_file():
        return []
    import soundfile

    with (folder / "phones" / "librispeech_subset.tsv").open(encoding="utf-8") as file:
        aligned = {row["utt"]: row for row in csv.DictReader(file, delimiter="\t")}
    with (folder / "index.tsv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["dataset"] == "librispeech_subset"]
    rows = [row for row in rows if int(row["length"]) >= 8 * 16_000]
    talkers: dict[str, int] = {}
    order = []
    for row in rows:
        talkers[row["speaker"]] = talkers.get(row["speaker"], 0) + 1
        order.append((talkers[row["speaker"]], row["utt"] not in aligned, row["utt"], row))
    lines = []
    for _, _, utterance, row in sorted(order, key=lambda entry: entry[:3])[:count]:
        path = folder / "librispeech_subset" / row["shard"]
        sound: Any = soundfile.read(str(path), start=int(row["start"]), frames=int(row["length"]), dtype="float32")[0]
        lines.append(Line(row["speaker"], sound, np.zeros((0, 2)), _aligned_phrases(aligned.get(utterance))))
    return lines


def _aligned_phrases(row: dict[str, str] | None) -> Floats:
    """Start and end of what lies between silences of 0.18 s and more."""
    found: list[list[float]] = []
    for entry in [] if row is None else row["phones (ARPAbet:start_s:end_s ...)"].split():
        phone, start, end = entry.split(":")[0], *map(float, entry.split(":")[1:])
        if phone == "SIL":
            continue
        if found and start - found[-1][1] < 0.18:
            found[-1][1] = end
        else:
            found.append([start, end])
    return np.array(found, np.float64).reshape(-1, 2)


# Measures


def match_score(found: Floats, wanted: Floats, near: float = NEAR) -> float:
    """F-score of instants ``found`` against ``wanted``, each matched once, nearest first."""
    if not found.size or not wanted.size:
        return 0.0
    pairs = sorted((abs(a - b), i, j) for i, a in enumerate(found) for j, b in enumerate(wanted) if abs(a - b) <= near)
    first: set[int] = set()
    second: set[int] = set()
    for _, i, j in pairs:
        if i not in first and j not in second:
            first.add(i)
            second.add(j)
    return 2.0 * len(first) / (found.size + wanted.size)


def scores_against_chance(found: Sequence[Floats], wanted: Sequence[Floats], lengths: Sequence[float]) -> tuple[float, float]:
    """F-score over many lines, and that of the same instants shifted around the line."""
    rng = np.random.default_rng(0)

    def total(shift: bool) -> float:
        hits = size = 0.0
        for a, b, length in zip(found, wanted, lengths, strict=True):
            moved = np.sort((a + rng.uniform(0.5, length - 0.5)) % length) if shift else a
            score = match_score(moved, b)
            hits += score * (a.size + b.size)
            size += a.size + b.size
        return hits / max(size, 1.0)

    return total(False), float(np.mean([total(True) for _ in range(10)]))


def share_near(times: Floats, spans: Sequence[tuple[float, float]], reach: float = 0.4) -> float:
    """The share of ``times`` within ``reach`` seconds of one of ``spans``."""
    if not times.size:
        return 0.0
    return float(np.mean([any(a - reach <= at <= b + reach for a, b in spans) for at in times]))


def blink_spans(life: Life, around_pauses: bool) -> list[tuple[float, float]]:
    """Where blinks are expected, 0.4 s around: phrase ends, gaze shifts over 8 degrees, and pauses (only in them, unless
    ``around_pauses``)."""
    speech = life.stage.speech
    less = 0.0 if around_pauses else 0.4
    spans = [(pause.start + less, pause.end - less) for pause in speech.pauses]
    spans += [(phrase.end, phrase.end) for phrase in speech.phrases]
    return spans + [(event.seconds, event.seconds) for event in of_part(life.events, "gaze") if event.size > 8 * DEGREE]


def blink_shape(event: Event) -> tuple[float, float]:
    """Seconds above 15 % and opening over closing, of the left lid as it is rendered at 240 frames a second."""
    (start, _), (down, _), (held, _), (end, _) = event.tracks["blinkLeft"]
    # An eased movement is 15 % of its way at 0.244 of its time.
    return end - start - 0.244 * (down - start + end - held), (end - held) / (down - start)


def time_on_target(life: Life) -> tuple[float, float]:
    """Seconds on the target and in all."""
    away, total, last, on = 0.0, life.stage.seconds, 0.0, True
    for shift in plan_shifts(life.stage):
        if not on:
            away += shift.seconds - last
        on, last = not shift.is_away, shift.seconds
    return total - away - (0.0 if on else total - last), total


def reduce_life(life: Life, fps: float) -> tuple[ChannelCurves, list[Any], NDArray[np.bool_]]:
    """The rendered curves, their reduced keys and the frames that had to be keys."""
    rendered = render_life(life, fps)
    frames = np.arange(rendered.curves.frame_count, dtype=np.float64)
    keys = reduce_to_keys(frames, rendered.curves.values, _TOLERANCE, required=rendered.keys, coarser_steps=3)
    return rendered.curves, keys, rendered.keys


def check_keys(life: Life, fps: float = FPS) -> dict[str, float]:
    """How events fare after the reduction: lids that do not shut, keys of a blink and of a gaze shift, the largest error."""
    curves, keys, _ = reduce_life(life, fps)
    column = curves.names.index("eyeBlinkLeft")
    frames = np.arange(curves.frame_count)
    lid = evaluate_keys(keys[column], frames)
    cut = 0
    counts, gaze_counts = [], []
    for event in of_part(life.events, "blinks"):
        first, *_, last = blink_frames(event, "blinkLeft", fps)[0]
        if first < 0 or last >= curves.frame_count or lid[first:last].max() < 0.5:  # beyond the line, or at 1 fps left out
            continue
        cut += int(lid[first:last].max() < 0.99)
        counts.append(int(np.sum((keys[column].frames >= first) & (keys[column].frames <= last))))
    yaw = keys[curves.names.index("leftEyeYaw")].frames
    for event in of_part(life.events, "gaze"):
        first = round(event.seconds * fps)
        last = first + max(1, round(saccade_seconds(event.size) * fps))
        gaze_counts.append(int(np.sum((yaw >= first) & (yaw <= last))))
    error = max(float(np.abs(evaluate_keys(key, frames) - curves.values[:, i]).max()) for i, key in enumerate(keys))
    return {
        "cut": float(cut),
        "blink": float(np.mean(counts)) if counts else 0.0,
        "most": float(max(counts, default=0)),
        "gaze": float(np.mean(gaze_counts)) if gaze_counts else 0.0,
        "error": error,
        "keys": sum(len(key) for key in keys) / curves.duration_seconds / len(keys),
    }


def head_measures(lives: Sequence[Life]) -> dict[str, Floats]:
    """Deviation in degrees by axis, and shares of the power below 0.2, 1.8 and 3.1 Hz."""
    spread, powers = [], []
    for life in lives:
        curves = render_life(life, 50.0).curves
        head = np.stack([curves.channel(name) for name in ("headYaw", "headPitch", "headRoll")], axis=1) / DEGREE
        spread.append((head.std(axis=0), len(head)))
        centred = (head - head.mean(axis=0)) * np.hanning(len(head))[:, None]
        power = np.abs(np.fft.rfft(centred, axis=0)) ** 2
        hertz = np.fft.rfftfreq(len(head), 0.02)
        powers.append([power[(hertz > 0) & (hertz <= limit)].sum(axis=0) for limit in (0.2, 1.8, 3.1, 25.0)])
    total = np.sum(np.array(powers), axis=0)
    weights = np.array([count for _, count in spread], np.float64)
    deviation = np.sqrt(np.average(np.array([sd**2 for sd, _ in spread]), axis=0, weights=weights))
    return {"sd": deviation, "shares": total[:3] / total[3]}


def closures_kept(heard: Sequence[Heard], lives: Sequence[Life]) -> float:
    """Share of the sealed frames of the mouth that stay sealed with what life adds to jaw and lips."""
    kept = total = 0
    for item, life in zip(heard, lives, strict=True):
        mouth = item.mouth
        added = render_life(life, mouth.frame_rate, mouth.start_seconds, mouth.frame_count).curves
        values = mouth.values.copy()
        for index, name in enumerate(mouth.names):
            if name in added.names:
                values[:, index] = np.clip(values[:, index] + added.channel(name), 0.0, 1.0)
        said = np.zeros(mouth.frame_count, bool)
        for phrase in item.events.phrases:
            said[int(phrase.start * 50) : int(phrase.end * 50)] = True
        before = sealed_frames(mouth.values, mouth.names) & said
        after = sealed_frames(values, mouth.names)
        kept += int(np.sum(before & after))
        total += int(np.sum(before))
    return kept / max(total, 1)


# The table


class Table:
    """Rows of what is wanted, published or captured, and measured; Markdown."""

    def __init__(self) -> None:
        self.missed = 0
        print("| measure | wanted | published or captured | here | |\n|---|---|---|---|---|")

    def row(self, name: str, wanted: str, known: str, here: str, reached: bool | None) -> None:
        """Print one row at once."""
        self.missed += reached is False
        print(f"| {name} | {wanted} | {known} | {here} | {'' if reached is None else 'yes' if reached else 'NO'} |", flush=True)


def percentiles(values: ArrayLike) -> str:
    """Return 5, 25, 50, 75 and 95 %."""
    return " ".join(f"{value:.2f}" for value in np.percentile(np.asarray(values, np.float64), (5, 25, 50, 75, 95)))


def report_events(table: Table, heard: Sequence[Heard], recorded: Sequence[Heard]) -> None:
    """Rows on the speech events."""
    middles = [item.line.stressed.mean(axis=1) for item in heard]
    lengths = [item.events.duration for item in heard]
    accents = [np.array([accent.seconds for accent in item.events.accents]) for item in heard]
    score, chance = scores_against_chance(accents, middles, lengths)
    table.row("accents, F against known stress, +-80 ms", ">= 0.70", "", f"{score:.3f}, chance {chance:.3f}", score >= 0.70)
    by_ear = [find_events(item.line.samples, 16_000) for item in heard[::6]]
    alone = [np.array([accent.seconds for accent in events.accents]) for events in by_ear]
    score, chance = scores_against_chance(alone, middles[::6], lengths[::6])
    table.row("the same without phones, every sixth line", "", "", f"{score:.3f}, chance {chance:.3f}", None)
    for name, some in (("known pauses", heard), ("aligned pauses, recordings", recorded)):
        errors = []
        for item in some:
            ends = np.array([phrase.end for phrase in item.events.phrases])
            errors += [float(np.abs(ends - end).min()) if ends.size else 9.0 for end in item.line.phrases[:, 1]]
        if errors:
            share = float(np.mean(np.array(errors) <= 0.1))
            here = f"{share:.2f}, median {np.median(errors):.3f} s, {len(errors)}"
            table.row(f"phrase ends within 100 ms of {name}", "most", "", here, share >= 0.8)


def near_and_chance(lives: Sequence[Life], around_pauses: bool = False) -> tuple[float, float]:
    """The share of blinks near what draws them, and of the same blinks shifted around the line."""
    rng = np.random.default_rng(0)
    near = chance = total = 0.0
    for life in lives:
        at = np.array([event.anchor for event in of_part(life.events, "blinks")])
        spans, length = blink_spans(life, around_pauses), life.stage.seconds
        near += share_near(at, spans) * at.size
        moved = [(at + rng.uniform(0.5, length - 0.5)) % length for _ in range(8)]
        chance += float(np.mean([share_near(times, spans) for times in moved])) * at.size
        total += at.size
    return near / total, chance / total


def report_blinks(
    table: Table, lives: Sequence[Life], listeners: Sequence[Life], recorded: Sequence[Life], captured: dict[str, str]
) -> None:
    """Rows on blinks."""
    minutes = sum(life.stage.seconds for life in lives) / 60
    times = [np.array([event.anchor for event in of_part(life.events, "blinks")]) for life in lives]
    rate = sum(at.size for at in times) / minutes
    known = "conversation 10.5-32.5 (Doughty), talking 26 (Bentivoglio)" + captured.get("rate", "")
    table.row("blinks a minute, talking", "12 to 32", known, f"{rate:.1f}", 12 <= rate <= 32)
    heard = sum(len(of_part(life.events, "blinks")) for life in listeners) / (
        sum(life.stage.seconds for life in listeners) / 60
    )
    table.row("blinks a minute, listening", "8 to 20", "gazing 8-21 (Doughty), rest 17", f"{heard:.1f}", 8 <= heard <= 20)
    intervals = np.concatenate([np.diff(at) for at in times])
    inside = float(np.mean((intervals >= 0.4) & (intervals <= 7.6)))
    known = "0.40 0.90 1.40 2.90 7.60 (actor)" + captured.get("interval", "")
    table.row(
        "interval, s (5 25 50 75 95 %)", "90 % in 0.4-7.6", known, f"{percentiles(intervals)}; {inside:.0%} in", inside >= 0.9
    )
    shapes = np.array([blink_shape(event) for life in lives for event in of_part(life.events, "blinks")])
    inside = float(np.mean((shapes[:, 0] >= 0.13) & (shapes[:, 0] <= 0.57)))
    known = "0.13 0.17 0.20 0.28 0.57 (actor)"
    table.row("whole blink, s", "90 % in 0.13-0.57", known, f"{percentiles(shapes[:, 0])}; {inside:.0%} in", inside >= 0.9)
    ratio = float(np.median(shapes[:, 1]))
    table.row("opening / closing", "1.7 to 2.7", "1.7-2 (actor), 2.7 (coil)", percentiles(shapes[:, 1]), 1.7 <= ratio <= 2.7)
    for name, some, around in (
        ("", lives, False),
        (", 0.4 s around pauses too", lives, True),
        (", recordings", recorded, False),
    ):
        if some:
            near, chance = near_and_chance(some, around)
            here = f"{near:.0%}; {near / chance:.2f} (chance {chance:.0%}, so at most {1 / chance:.2f})"
            known = captured.get("near", "") if not name else ""
            text = f"blinks in pauses or 0.4 s from phrase ends and shifts > 8 deg; over the same shifted in time{name}"
            reached = near >= 0.7 and near / chance >= 1.8
            table.row(text, ">= 70 %; >= 1.8", known, here, None if around else reached)
    short = [life for life in lives if life.stage.seconds >= 2.5]
    every = all(of_part(life.events, "blinks") for life in short)
    table.row("lines of 2.5 s and more with a blink", "all", "", "all" if every else "not all", every)


def report_gaze(table: Table, lives: Sequence[Life], listeners: Sequence[Life]) -> None:
    """Rows on gaze."""
    worst = 0.0
    for life in lives[:4]:
        rendered = render_life(life, 500.0)
        names = rendered.curves.names
        marked = (
            np.flatnonzero(rendered.keys[:, names.index("leftEyeYaw")] | rendered.keys[:, names.index("leftEyePitch")]) / 500
        )
        for event in of_part(life.events, "gaze"):
            near = marked[np.abs(marked - event.seconds - 0.03) < 0.07]
            if event.size >= 2 * DEGREE and near.size == 2:
                wanted = 0.025 + 0.0024 * event.size / DEGREE
                worst = max(worst, abs(near[1] - near[0] - wanted) / wanted)
    table.row(
        "saccade duration off the main sequence, largest, at 500 fps",
        "<= 10 %",
        "25 ms + 2.4 ms/deg",
        f"{worst:.1%}",
        worst <= 0.1,
    )
    for name, some, low, high in (("talking", lives, 0.6, 0.8), ("listening", listeners, 0.9, 1.0)):
        pairs = [time_on_target(life) for life in some]
        share = sum(on for on, _ in pairs) / sum(total for _, total in pairs)
        wanted = "60 to 80 %" if name == "talking" else ">= 90 %"
        known = "41 % of picks, 3.1 s on, 0.93 s off" if name == "talking" else "75 % of picks, 7.9 s on, 0.43 s off"
        table.row(f"time on target, {name}", wanted, known + " (Eyes Alive)", f"{share:.0%}", low <= share <= high)
    sizes = [event.size / DEGREE for life in lives for event in of_part(life.events, "gaze")]
    rate = len(sizes) / sum(life.stage.seconds for life in lives)
    table.row(
        "gaze shifts: degrees (5 25 50 75 95 %), a second",
        "",
        "53 % < 5, 83 % < 15 (Malinov)",
        f"{percentiles(sizes)}; {rate:.1f}/s",
        None,
    )


def report_head(table: Table, lives: Sequence[Life], heard: Sequence[Heard], seeds: int) -> None:
    """Rows on head and brows."""
    measured = head_measures(lives)
    for name, value, low, high, known in zip(
        ("yaw", "pitch", "roll"), measured["sd"], (1, 1, 0.5), (4, 3, 2), (1.4, 1.2, 0.9), strict=True
    ):
        table.row(
            f"head deviation, {name}, degrees", f"{low} to {high}", f"{known} (one take)", f"{value:.2f}", low <= value <= high
        )
    low, usual, high = measured["shares"]
    table.row(
        "head power below 3.1 Hz (yaw pitch roll)",
        ">= 95 %",
        "95 %",
        " ".join(f"{x:.1%}" for x in high),
        bool(high.min() >= 0.95),
    )
    table.row(
        "head power below 0.2 and 1.8 Hz",
        "",
        "50 %; 84-96 %",
        f"{' '.join(f'{x:.0%}' for x in low)}; {' '.join(f'{x:.0%}' for x in usual)}",
        None,
    )
    middles = [item.line.stressed.mean(axis=1) for item in heard] * seeds
    lengths = [life.stage.seconds for life in lives]
    for name, part, kinds in (("nods and beats", "head", ("nod", "beat")), ("brow raises", "brows", ("raise",))):
        found = [np.array([event.anchor for event in of_part(life.events, part) if event.kind in kinds]) for life in lives]
        score, chance = scores_against_chance(found, middles, lengths)
        a_minute = sum(at.size for at in found) / sum(lengths) * 60
        here = f"{score:.3f} against {chance:.3f}: {score / max(chance, 1e-9):.2f}; {a_minute:.0f} a minute"
        table.row(f"{name}, F against known stress over chance", ">= 2", "", here, score >= 2 * chance)


def report_keys(table: Table, lives: Sequence[Life], heard: Sequence[Heard]) -> None:
    """Rows on keys, closures and cost."""
    checks = [check_keys(life) for life in lives]
    cut = sum(check["cut"] for check in checks)
    table.row("blinks that a key reducer keeps from shutting (24 fps)", "0", "", f"{cut:.0f}", cut == 0)
    most, mean = max(check["most"] for check in checks), np.mean([check["blink"] for check in checks])
    table.row("keys a blink after reduction", "3 to 4", "", f"mean {mean:.2f}, most {most:.0f}", bool(3 <= mean <= 4))
    gaze = float(np.mean([check["gaze"] for check in checks]))
    table.row("keys a gaze shift and control", "<= 2", "", f"{gaze:.2f}", gaze <= 2.05)
    table.row(
        "keys a second and channel; largest error",
        "",
        "",
        f"{np.mean([c['keys'] for c in checks]):.2f}; {max(c['error'] for c in checks):.4f}",
        None,
    )
    kept = closures_kept(heard, lives)
    table.row("sealed frames of speech that stay sealed", ">= 0.995", "", f"{kept:.4f}", kept >= 0.995)


def report_cost(table: Table, heard: Sequence[Heard]) -> None:
    """Rows on cost."""
    seconds = sum(item.events.duration for item in heard)
    model, events = (sum(getattr(item, name) for item in heard) / seconds for name in ("model_seconds", "event_seconds"))
    start = time.process_time()
    for item in heard:
        render_life(plan_life(item.events), FPS)
    life = (time.process_time() - start) / seconds
    here = f"{1e3 * life:.2f} ms a second of sound; speech events {1e3 * events:.2f}; model {1e3 * model:.2f}"
    table.row(
        "cost over the speech model's",
        "< 0.5",
        "",
        f"life {life / model:.2f}, with events {(life + events) / model:.2f}: {here}",
        life + events < 0.5 * model,
    )


def report_seeds(table: Table, heard: Sequence[Heard]) -> None:
    """Rows on what a seed and an amount change."""
    item = heard[0]

    def state(settings: LifeSettings) -> dict[str, str]:
        events = plan_life(item.events, settings).events
        return {part: repr(of_part(events, part)) for part in ("blinks", "gaze", "brows", "head", "breath", "face")}

    base = LifeSettings(5)
    same = state(base) == state(LifeSettings(5))
    same &= np.array_equal(
        render_life(plan_life(item.events, base), FPS).curves.values,
        render_life(plan_life(item.events, base), FPS).curves.values,
    )
    table.row("same seed, same bytes", "yes", "", "yes" if same else "no", same)
    apart = True
    for part in ("blinks", "gaze", "brows", "head", "breath", "face"):
        for settings in (LifeSettings(5, rolls={part: 1}), LifeSettings(5, amounts={part: 0.6})):
            changed = {name for name, text in state(settings).items() if text != state(base)[name]}
            apart &= changed <= {part}
    table.row("another part's seed or amount changes no other event", "yes", "", "yes" if apart else "no", apart)


def read_captured(data: Path | None) -> dict[str, str]:
    """Blinks of the captured talker, as text to stand beside ours."""
    if data is None or not (data / "grid_face" / "curves.npz").is_file():
        return {}
    import soundfile

    kept = np.load(data / "grid_face" / "curves.npz", allow_pickle=True)
    columns = [str(name) for name in kept["columns"]]
    lids = kept["values"][:, :, columns.index("eyeBlinkLeft")].astype(np.float64)
    index = list(csv.DictReader((data / "grid_face" / "index.tsv").open(encoding="utf-8"), delimiter="\t"))
    clips = [str(name) for name in kept["clips"]]
    rows = {row.get("clip") or row.get("utterance") or "": row for row in index}
    near = total = 0.0
    shifted = 0.0
    count = 0
    intervals: list[float] = []
    shards: dict[str, NDArray[np.float32]] = {}
    for number, clip in enumerate(clips[:300]):
        row = rows.get(clip)
        if row is None:
            continue
        if row["shard"] not in shards:
            name = row["shard"] if row["shard"].endswith(".ogg") else f"{row['shard']}.ogg"
            whole: Any = soundfile.read(str(data / "grid_face" / name), dtype="float32")[0]
            shards[row["shard"]] = whole
        sound = shards[row["shard"]][int(row["start"]) : int(row["start"]) + int(row["length"])]
        events = find_events(sound, 16_000)
        lid = lids[number] - np.median(lids[number])
        shut = lid > 0.25
        times = np.array([(first + 0.5) / 25 for first in np.flatnonzero(shut[1:] & ~shut[:-1]) + 1])
        count += times.size
        intervals += np.diff(times).tolist()
        spans = [(pause.start, pause.end) for pause in events.pauses] + [(phrase.end, phrase.end) for phrase in events.phrases]
        near += share_near(times, spans) * times.size
        shifted += np.mean([share_near((times + shift) % 3.0, spans) for shift in np.arange(0.3, 2.8, 0.3)]) * times.size
        total += times.size
    if not total:
        return {}
    return {
        "rate": f"; {count / (300 * 3.0) * 60:.0f} (GRID talker, reads)",
        "interval": f"; {percentiles(intervals)} (GRID talker)" if intervals else "",
        "near": f"{near / total:.0%}; {near / max(shifted, 1e-9):.2f} (GRID talker, no gaze known)",
    }


def main(argv: list[str] | None = None) -> int:
    """Print the table; 1 when something that must be reached is missed."""
    parser = argparse.ArgumentParser(prog="life", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with text/, grid_face/ and face_motion/")
    parser.add_argument("--output", type=Path, default=Path("build/life"), help="where speech is kept (default: build/life)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of speech in all (default: %(default)s)")
    arguments = parser.parse_args(argv)
    heard = hear(load_lines(arguments.output, arguments.data, arguments.seconds))
    silence = find_events(np.zeros(16_000, np.float32), 16_000)
    lives = [plan_life(item.events, LifeSettings(seed)) for seed in SEEDS for item in heard]
    listeners = [plan_life(silence, LifeSettings(seed), partner=item.events) for seed in SEEDS for item in heard]
    recorded = hear(read_recordings(arguments.data))
    recorded_lives = [plan_life(item.events, LifeSettings(seed)) for seed in SEEDS for item in recorded]
    print(f"{sum(item.events.duration for item in heard) / 60:.1f} minutes, {len(heard)} lines, seeds {SEEDS}\n")
    table = Table()
    captured = read_captured(arguments.data)
    steps: list[Callable[[], None]] = [
        lambda: report_events(table, heard, recorded),
        lambda: report_blinks(table, lives, listeners, recorded_lives, captured),
        lambda: report_gaze(table, lives, listeners),
        lambda: report_head(table, lives, heard, len(SEEDS)),
        lambda: report_keys(table, lives[: len(heard)], heard),
        lambda: report_cost(table, heard),
        lambda: report_seeds(table, heard),
    ]
    for step in steps:
        step()
    print(f"\n{table.missed} missed" if table.missed else "\nAll reached")
    return 1 if table.missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
