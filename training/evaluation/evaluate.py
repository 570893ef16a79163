# SPDX-License-Identifier: GPL-3.0-or-later
"""Score a speech model on people that it never heard: ``python -m voxrig.training.evaluation.evaluate --data DIR``.

Anything that turns 16 kHz samples into ``ChannelCurves`` is scored by the same code: a network in training
(``score(predict, load_development(data))``), a package, a baseline, another program (``tools/reports/peers.py``). The
measures are defined in ``measures``, the sounds mixed in are in ``conditions``.

Figures carry a standard error: speakers are resampled 400 times (clips, if there is only one talker). Speakers,
not clips, because a model that fails on one voice fails on all of its clips.
"""

from __future__ import annotations

import argparse
import csv
import functools
import hashlib
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...animation.curves import ChannelCurves
from ...animation.face import lips
from ...animation.face.phones import SILENCE, TimedPhone
from ..corpora.alignment import ALIGNER_BIAS_SECONDS, Aligner, english_words, foreign_words, read_alignments
from ..corpora.clips import SAMPLE_RATE, fill_silence
from ..corpora.recordings import librispeech_development_talkers, name_fraction, read_index, read_phone_table, split_of
from . import conditions, measures, wider
from .measures import Tally, TrackedMouth

Samples = NDArray[np.float32]
Predict = Callable[[Samples], ChannelCurves]

LABELLED = ("librispeech_subset", "kathleen_en", "asterisk_en_AU", "speechocean762")
BUNDLED_MODEL = Path(__file__).resolve().parents[2] / "models" / "speech"
PEER_SCORES = Path(".cache/scores/peers")
OTHER_LANGUAGES = {"de": "kerstin_de", "nl": "nathalie_nl"}
CHILD_AGE = 15


@dataclass(frozen=True)
class Subset:
    """How much of the development data is scored: the clips with the smallest hash of their name."""

    per_speaker: Mapping[str, int]
    tracked: int
    languages: int
    takes: int
    degraded_share: float
    """Share of the labelled clips that are scored again under noise, in a room and over a telephone."""


SUBSETS: Mapping[str, Subset] = {
    "small": Subset(dict(zip(LABELLED, (6, 6, 10, 1), strict=True)), 16, 0, 0, 0.0),
    "fast": Subset(dict(zip(LABELLED, (10, 12, 20, 2), strict=True)), 30, 12, 0, 0.3),
    "standard": Subset(dict(zip(LABELLED, (60, 60, 70, 6), strict=True)), 66, 60, 5, 1.0),
    "whole": Subset(dict.fromkeys(LABELLED, 10_000), 66, 10_000, 5, 1.0),
}


@dataclass(frozen=True, eq=False)
class Recording:
    """One development clip: ``waveform`` float32 [samples] at 16 kHz and its known properties."""

    name: str
    speaker: str
    groups: tuple[str, ...]
    language: str
    text: str
    waveform: Samples
    phones: tuple[TimedPhone, ...] = ()
    tracked: TrackedMouth | None = None


@dataclass(frozen=True, eq=False)
class CapturedTake:
    """A take with recorded controls of a face: jaw control ``[time]`` at ``seconds``, and the times of pressed lips."""

    name: str
    waveform: Samples
    seconds: NDArray[np.float64]
    jaw: NDArray[np.float64]
    closures: tuple[tuple[float, float], ...]


@dataclass(frozen=True, eq=False)
class Development:
    """All data behind the scores, held in memory."""

    labelled: tuple[Recording, ...]
    tracked: tuple[Recording, ...]
    languages: tuple[Recording, ...]
    takes: tuple[CapturedTake, ...]
    room_noise: tuple[Samples, ...]
    subset: str
    labels: str
    """Source of the phone times, for the reader of the table."""

    def choose(self, subset: str) -> Development:
        """Choose the smaller ``subset`` of these clips."""
        if subset == self.subset:
            return self
        limits = SUBSETS[subset]
        labelled = _choose_per_speaker(self.labelled, lambda clip: limits.per_speaker[clip.name.split("/", 1)[0]])
        languages = [
            clip
            for language in OTHER_LANGUAGES
            for clip in _smallest_hashes([c for c in self.languages if c.language == language], limits.languages)
        ]
        tracked = _smallest_hashes(self.tracked, limits.tracked)
        takes = self.takes[: limits.takes]
        return Development(labelled, tracked, tuple(languages), takes, self.room_noise, subset, self.labels)


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _smallest_hashes(clips: Iterable[Recording], count: int) -> tuple[Recording, ...]:
    return tuple(sorted(clips, key=lambda clip: _hash(clip.name))[:count])


def _choose_per_speaker(clips: Iterable[Recording], limit: Callable[[Recording], int]) -> tuple[Recording, ...]:
    by_speaker: dict[str, list[Recording]] = {}
    for clip in clips:
        by_speaker.setdefault(clip.speaker, []).append(clip)
    return tuple(clip for group in by_speaker.values() for clip in _smallest_hashes(group, limit(group[0])))


def _groups_of(row: Mapping[str, str]) -> tuple[str, ...]:
    age = re.search(r"age=(\d+)", row["extra"])
    child = age is not None and int(age[1]) <= CHILD_AGE
    person = "children" if child else {"F": "women", "M": "men"}[row["gender"]]
    accent = {"speechocean762": "Mandarin accent", "asterisk_en_AU": "Australian accent"}.get(row["dataset"], "US readers")
    native = () if row["dataset"] == "speechocean762" else ("native adults",)
    return (person, accent, *native)


def load_development(data: Path | str, cache: Path | str | None = None, subset: str = "standard") -> Development:
    """Read the development clips of the data folder (its README's split).

    Phone times come from ``cache`` (``align_development`` and the preparation of training put them there), else from the
    lists beside the data, moved by the aligner's 7.5 ms; clips without either are left out and counted. Clips are chosen
    before their times are looked up, so better times never change which clips are scored. Raises FileNotFoundError if
    ``data`` has no speech/index.tsv.
    """
    root = Path(data)
    limits = SUBSETS[subset]
    index = read_index(root / "speech")
    aligned = _read_alignments(cache)
    counts: Counter[str] = Counter()
    labelled: list[Recording] = []
    for dataset in LABELLED:
        table = root / "speech" / "phones" / f"{dataset}.tsv"
        listed = read_phone_table(table, ALIGNER_BIAS_SECONDS) if table.is_file() else {}
        for row in _development_rows(index.get(dataset, []), dataset, limits.per_speaker[dataset]):
            phones = aligned.get((dataset, row["utt"]), listed.get(row["utt"], []))
            if not phones:
                counts["without"] += 1
                continue
            counts["aligned" if (dataset, row["utt"]) in aligned else "listed"] += 1
            filled = fill_silence(phones, int(row["length"]) / SAMPLE_RATE)
            labelled.append(_recording(root / "speech", row, filled, _groups_of(row)))
    languages: list[Recording] = []
    for dataset in OTHER_LANGUAGES.values():
        for row in _language_rows(index.get(dataset, []), dataset, limits.languages):
            phones = fill_silence(aligned.get((dataset, row["utt"]), ()), int(row["length"]) / SAMPLE_RATE)
            languages.append(_recording(root / "speech", row, phones, ()))
    noise = [
        _read(root / "speech", row)
        for dataset in ("noise_speech_commands", "noise_rir_speechbrain")
        for row in index.get(dataset, [])
        if row["extra"] != "RIR" and split_of(row, frozenset()) == "development"
    ]
    tracked = _read_tracked(root / "grid_lips", aligned, limits.tracked)
    takes = tuple(_read_take(path) for path in sorted((root / "rig_116").glob("*.csv"))[: limits.takes])
    labels = f"{counts['aligned']} clips aligned, {counts['listed']} listed, {counts['without']} without times, left out"
    return Development(tuple(labelled), tracked, tuple(languages), takes, tuple(noise), subset, labels)


def _read_alignments(cache: Path | str | None) -> dict[tuple[str, str], list[TimedPhone]]:
    """Read phones aligned so far by (corpus, name); an empty list for a clip whose text does not fit its sound."""
    found: dict[tuple[str, str], list[TimedPhone]] = {}
    if cache is None:
        return found
    for corpus in (*LABELLED, *OTHER_LANGUAGES.values(), "grid_lips"):
        for file in (f"development/{corpus}.jsonl", f"{corpus}.jsonl"):
            for name, (phones, _) in read_alignments(Path(cache) / "alignments" / file).items():
                found[(corpus, name)] = phones
    return found


def align_development(data: Path, cache: Path, subset: str) -> int:
    """Align the clips of a subset that have text but no aligned times in ``cache`` yet; returns their number.

    They are stored in ``alignments/development/`` of the cache, so that scores need no other preparation. Needs
    pocketsphinx and flite; about 20 times faster than the sound lasts.
    """
    index = read_index(data / "speech")
    known = _read_alignments(cache)
    limits = SUBSETS[subset]
    todo = [
        (row, english_words)
        for dataset in LABELLED
        for row in _development_rows(index.get(dataset, []), dataset, limits.per_speaker[dataset])
    ]
    for language, dataset in OTHER_LANGUAGES.items():
        words_of = functools.partial(foreign_words, language=language)
        todo += [(row, words_of) for row in _language_rows(index.get(dataset, []), dataset, limits.languages)]
    todo = [(row, words_of) for row, words_of in todo if (row["dataset"], row["utt"]) not in known]
    align = Aligner().align if todo else None
    for row, words_of in todo:
        assert align is not None
        try:
            phones, quality = align(_read(data / "speech", row), words_of(row["text"]))
        except ValueError:
            phones, quality = [], float("nan")
        listed = [(p.phone, round(p.start, 4), round(p.end, 4), p.stress) for p in phones]
        path = cache / "alignments" / "development" / f"{row['dataset']}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps({"id": row["utt"], "quality": round(quality, 3), "phones": listed}) + "\n")
    return len(todo)


def _language_rows(rows: Sequence[dict[str, str]], dataset: str, limit: int) -> list[dict[str, str]]:
    """Select the development rows of another language for a subset."""
    members = [row for row in rows if split_of(row, frozenset()) == "development"]
    return sorted(members, key=lambda row: _hash(f"{dataset}/{row['utt']}"))[:limit]


def _development_rows(rows: Sequence[dict[str, str]], dataset: str, limit: int) -> list[dict[str, str]]:
    """Select the rows with text of the development split for a subset: the smallest hashes of every speaker."""
    talkers = librispeech_development_talkers(list(rows)) if dataset == "librispeech_subset" else frozenset[str]()
    by_speaker: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        # Texts with digits, whose reading is unknown, cannot be aligned reliably.
        if row["text"] and not re.search("[0-9]", row["text"]) and split_of(row, talkers) == "development":
            by_speaker.setdefault(row["speaker"], []).append(row)
    return [
        row
        for members in by_speaker.values()
        for row in sorted(members, key=lambda row: _hash(f"{dataset}/{row['utt']}"))[:limit]
    ]


def _read(speech: Path, row: Mapping[str, str]) -> Samples:
    import soundfile

    with soundfile.SoundFile(str(speech / row["dataset"] / row["shard"])) as file:
        file.seek(int(row["start"]))
        return np.asarray(file.read(int(row["length"]), dtype="float32"))


def _recording(speech: Path, row: Mapping[str, str], phones: Sequence[TimedPhone], groups: tuple[str, ...]) -> Recording:
    name, speaker = f"{row['dataset']}/{row['utt']}", f"{row['dataset']}/{row['speaker']}"
    return Recording(name, speaker, groups, row["lang"], row["text"], _read(speech, row), tuple(phones))


def _read_tracked(folder: Path, aligned: Mapping[tuple[str, str], list[TimedPhone]], count: int) -> tuple[Recording, ...]:
    import soundfile

    names = sorted((path.stem for path in (folder / "audio").glob("b*.flac")), key=_hash)[:count]
    clips: list[Recording] = []
    for name in names:
        waveform, rate = soundfile.read(str(folder / "audio" / f"{name}.flac"), dtype="float32")
        if rate != SAMPLE_RATE:
            raise ValueError(f"{name}.flac is not at {SAMPLE_RATE} Hz")
        with open(folder / "lips" / f"{name}.csv", encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        column = {key: np.array([float(row[key]) for row in rows]) for key in ("inner_gap", "mouth_width", "subnasal_chin")}
        seconds = (np.arange(len(rows)) + 0.5) / 25.0
        tracked = TrackedMouth(seconds, column["inner_gap"], column["mouth_width"], column["subnasal_chin"])
        phones = tuple(fill_silence(aligned.get(("grid_lips", name), ()), len(waveform) / SAMPLE_RATE))
        if all(phone.phone == SILENCE for phone in phones):
            phones = ()
        clips.append(Recording(name, "grid_lips/s1", (), "en", "", waveform, phones, tracked))
    return tuple(clips)


def _read_take(path: Path) -> CapturedTake:
    """Read a take of the production rig, at 30 frames a second.

    Its lips are pressed while both 'mouth_suck' sliders of one side are above 0.05, the only sliders of that rig that the
    performer's p, b and m move.
    """
    import soundfile

    waveform, _ = soundfile.read(str(path.with_suffix(".flac")), dtype="float32")
    with open(path, encoding="utf-8", newline="") as stream:
        header = next(csv.reader(stream))
        values = np.array([[float(cell) for cell in row] for row in csv.reader(stream)])
    seconds = values[:, 0] / 30.0
    pressed = (values[:, header.index("mouth_suck_ul")] > 0.05) & (values[:, header.index("mouth_suck_dl")] > 0.05)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], pressed.astype(np.int8), [0]))))
    spans = zip(edges[::2], edges[1::2], strict=True)
    closures = tuple((float(seconds[first]), float(seconds[last - 1])) for first, last in spans)
    return CapturedTake(path.stem, waveform, seconds, values[:, header.index("mouth_stretch_c")], closures)


@dataclass(frozen=True)
class Estimate:
    """A figure, its standard error (nan if unknown) and the number of sounds, clips or frames behind it."""

    value: float
    error: float
    count: float


@dataclass(frozen=True)
class Scores:
    """All figures by name; ``name@group`` for a group of speakers, ``name/PHONE`` for one phone."""

    estimates: Mapping[str, Estimate]
    subset: str
    labels: str
    facts: Mapping[str, float] = field(default_factory=dict)
    """Clips, speakers, minutes of speech, and the speed as a multiple of real time."""

    def __getitem__(self, name: str) -> float:
        """Return the value of one figure. Raises KeyError if it was not measured."""
        return self.estimates[name].value

    def get(self, name: str) -> float:
        """Return the value of one figure, nan if it was not measured."""
        return self.estimates[name].value if name in self.estimates else float("nan")

    def to_json(self) -> str:
        """Write the scores as text that ``from_json`` reads."""
        estimates = {name: [e.value, e.error, e.count] for name, e in self.estimates.items()}
        stored = {"subset": self.subset, "labels": self.labels, "facts": dict(self.facts), "estimates": estimates}
        return json.dumps(stored, indent=1)

    @staticmethod
    def from_json(text: str) -> Scores:
        """Read the text of ``to_json``."""
        stored = json.loads(text)
        estimates = {name: Estimate(*entry) for name, entry in stored["estimates"].items()}
        return Scores(estimates, stored["subset"], stored["labels"], stored["facts"])


class _Collector:
    """Tallies by figure and by cluster (the unit that is resampled for the standard error)."""

    def __init__(self) -> None:
        self._tallies: dict[str, dict[str, list[Tally]]] = {}

    def add(self, name: str, cluster: str, tally: Tally) -> None:
        self._tallies.setdefault(name, {}).setdefault(cluster, []).append(tally)

    def estimates(self) -> dict[str, Estimate]:
        found: dict[str, Estimate] = {}
        for name, clusters in self._tallies.items():
            tallies = [tally for group in clusters.values() for tally in group]
            count = sum(tally.denominator for tally in tallies)
            found[name] = Estimate(measures.ratio(tallies), measures.bootstrap_error(clusters), count)
        return found


CONDITIONS: Mapping[str, Callable[[Samples], Samples]] = {
    "10 dB noise": conditions.add_noise,
    "small room": conditions.add_room,
    "telephone": conditions.telephone,
}
_GROUPED = ("closure_recall", "false_closure", "sealed_tongue", "labiodental_recall")


def score(
    predict: Callable[..., ChannelCurves],
    development: Development,
    subset: str | None = None,
    *,
    knows_phones: bool = False,
    degraded: bool = True,
    on_progress: Callable[[float], None] | None = None,
) -> Scores:
    """Run ``predict(waveform float32 [n] at 16 kHz) -> ChannelCurves`` over the development clips and measure.

    ``subset`` (a key of SUBSETS) may be smaller than the loaded data; None takes all of it. With ``knows_phones`` the call
    is ``predict(waveform, phones)``, for upper bounds, and clips without phones are left out. ``degraded`` False skips the
    noisy, reverberant and telephone copies. Deterministic. 'fast' is about 10 minutes of sound, 'standard' about 100, with
    the copies.
    """
    chosen = development if subset is None else development.choose(subset)
    limits = SUBSETS[chosen.subset]
    collector = _Collector()
    timer = _Timer(predict, knows_phones)
    still = {} if knows_phones else conditions.still_sounds(list(chosen.room_noise))
    tracked = [clip for clip in chosen.tracked if clip.phones or not knows_phones]
    languages = [clip for clip in chosen.languages if len(clip.phones) > 1 or not knows_phones]
    takes = () if knows_phones else chosen.takes
    total = len(chosen.labelled) + len(tracked) + len(languages) + len(takes) + len(still)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if on_progress:
            on_progress(done / total)

    speech_energy: list[Tally] = []
    for clip in chosen.labelled:
        curves = timer(clip.waveform, clip.phones)
        clean = measures.measure_contacts(curves, clip.phones)
        for name, tally in clean.items():
            collector.add(name, clip.speaker, tally)
            if name in _GROUPED:
                for group in clip.groups:
                    collector.add(f"{name}@{group}", clip.speaker, tally)
        collector.add("jitter", clip.speaker, measures.measure_jitter(curves))
        speech_energy.append(Tally(measures.motion_energy(curves) * len(clip.waveform), float(len(clip.waveform))))
        if degraded and name_fraction(f"degraded {clip.name}") < limits.degraded_share:
            for condition, degrade in CONDITIONS.items():
                worse = measures.measure_contacts(timer(degrade(clip.waveform), clip.phones), clip.phones)
                _add_losses(collector, condition, clip.speaker, clean, worse)
        _add_letter_proxy(collector, "en", clip, curves)
        step()
    by_lag: list[NDArray[np.float64]] = []
    for clip in tracked:
        assert clip.tracked is not None
        tallies, correlations = measures.measure_tracked(timer(clip.waveform, clip.phones), clip.tracked)
        by_lag.append(correlations)
        for name, tally in tallies.items():
            collector.add(name, clip.name, tally)
        step()
    for clip in languages:
        curves = timer(clip.waveform, clip.phones)
        _add_letter_proxy(collector, clip.language, clip, curves)
        # The English aligner's times for another language's sounds: rough, but p, b and m are the same sounds there.
        for name, tally in measures.measure_contacts(curves, clip.phones).items():
            if name in _GROUPED:
                collector.add(f"{name}/{clip.language}", clip.name, tally)
        step()
    for take in takes:
        _add_take(collector, take, timer(take.waveform, ()))
        step()
    speaking = measures.ratio(speech_energy)
    for kind, sounds in still.items():
        for number, sound in enumerate(sounds):
            moved = measures.motion_energy(timer(sound, ()))
            collector.add(f"still/{kind}", str(number), Tally(moved, speaking))
            collector.add("still", f"{kind} {number}", Tally(moved, speaking))
        step()
    estimates = collector.estimates()
    estimates |= _estimate_lag(np.array(by_lag)) if by_lag else {}
    facts = {
        "clips": float(len(chosen.labelled)),
        "speakers": float(len({clip.speaker for clip in chosen.labelled})),
        "minutes": sum(len(clip.waveform) for clip in chosen.labelled) / SAMPLE_RATE / 60,
        "tracked clips": float(len(tracked)),
        "times real time": timer.sound_seconds / max(timer.seconds, 1e-9),
    }
    return Scores(estimates, chosen.subset, chosen.labels, facts)


class _Timer:
    """A wrapper that calls ``predict`` and adds up sound and time."""

    def __init__(self, predict: Callable[..., ChannelCurves], knows_phones: bool) -> None:
        self._predict = predict
        self._knows_phones = knows_phones
        self.seconds = 0.0
        self.sound_seconds = 0.0

    def __call__(self, waveform: Samples, phones: Sequence[TimedPhone]) -> ChannelCurves:
        started = time.perf_counter()
        curves = self._predict(waveform, phones) if self._knows_phones else self._predict(waveform)
        self.seconds += time.perf_counter() - started
        self.sound_seconds += len(waveform) / SAMPLE_RATE
        return curves


def _add_losses(
    collector: _Collector, condition: str, speaker: str, clean: Mapping[str, Tally], worse: Mapping[str, Tally]
) -> None:
    for name in ("closure_recall", "labiodental_recall"):
        if name in clean:
            lost = clean[name].numerator - worse[name].numerator
            collector.add(f"{name}_loss/{condition}", speaker, Tally(lost, clean[name].denominator))
    for name in ("closure_recall", "false_closure", "sealed_tongue"):
        if name in worse:
            collector.add(f"{name}/{condition}", speaker, worse[name])


def expected_closures(text: str) -> int:
    """Count the closures that a text's spelling promises: runs of p, b, m letters, without ph, pf counting as p.

    A run across a space counts once ('um Berlin'), because one closure is spoken.
    """
    letters = re.sub(r"[^a-zäöüßéèëïáóúij]", "", text.lower().replace("ph", "f"))
    return len(re.findall(r"[pbm]+", letters))


def speech_span(waveform: Samples) -> tuple[float, float]:
    """Find the first and last instant at which 20 ms pieces are within 35 dB of the loudest."""
    count = len(waveform) // 320
    if count == 0:
        return 0.0, len(waveform) / SAMPLE_RATE
    power = np.mean(np.square(waveform[: count * 320].astype(np.float64)).reshape(count, 320), axis=1)
    loud = np.flatnonzero(power >= np.max(power) * 10**-3.5)
    return float(loud[0]) * 0.02, float(loud[-1] + 1) * 0.02


def _add_letter_proxy(collector: _Collector, language: str, clip: Recording, curves: ChannelCurves) -> None:
    """Add a closure proxy without phones: seals made against closures that the spelling promises, clip by clip.

    ``letters_recall`` is sum of min(seals, promised) over promised, ``letters_excess`` the seals beyond it. Seals made by a
    pause are included; the same proxy on English shows how reliable it is.
    """
    promised = expected_closures(clip.text)
    if promised == 0:
        return
    seals = measures.count_seals(curves, *speech_span(clip.waveform))
    group = "en native" if "native adults" in clip.groups else language
    for key in {language, group}:
        collector.add(f"letters_recall/{key}", clip.name, Tally(float(min(seals, promised)), float(promised)))
        collector.add(f"letters_excess/{key}", clip.name, Tally(float(max(seals - promised, 0)), float(promised)))


def _add_take(collector: _Collector, take: CapturedTake, curves: ChannelCurves) -> None:
    """Score a Mandarin take: lips sealed for 40 ms around each captured closure, and r of the jaw with the captured one."""
    fine = measures.fine_grid(curves)
    seconds = fine.seconds()
    seal = measures.sealed(fine)
    for number, (start, end) in enumerate(take.closures):
        window = seal[(seconds >= start - measures.BEFORE_SECONDS) & (seconds <= end + measures.AFTER_SECONDS)]
        hit = measures.longest_run(window) * measures.GRID_SECONDS >= measures.CONTACT_SECONDS - 1e-9
        collector.add("captured_closures/zh", f"{take.name} {number}", Tally(float(hit), 1.0))
    wide = take.jaw > 0.5 * np.percentile(take.jaw, 95)
    at = np.clip(np.searchsorted(seconds, take.seconds), 0, len(seconds) - 1)
    collector.add("captured_open_sealed/zh", take.name, Tally(float(np.sum(seal[at] & wide)), float(np.sum(wide))))
    jaw = fine.channel("jawOpen") if "jawOpen" in fine.names else np.zeros(len(seconds), np.float32)
    collector.add("captured_jaw_r/zh", take.name, Tally(measures.pearson(np.interp(take.seconds, seconds, jaw), take.jaw), 1.0))


def _estimate_lag(by_lag: NDArray[np.float64]) -> dict[str, Estimate]:
    random = np.random.default_rng(0)
    draws = np.array([measures.best_lag(by_lag[random.integers(0, len(by_lag), len(by_lag))]) for _ in range(200)])
    errors = np.std(draws, axis=0) if len(by_lag) > 1 else np.full(3, np.nan)
    values = measures.best_lag(by_lag)
    names = ("lag", "lag_median", "opening_r_best")
    return {name: Estimate(value, float(error), len(by_lag)) for name, value, error in zip(names, values, errors, strict=True)}


HARD_CONDITIONS = {
    "babble 10 dB": "0.09 / 0.05",
    "white 10 dB": "0.06 / 0.03",
    "music 10 dB": "0.06 / 0.03",
    "tempo 1.6": "0.08 / 0.04",
    "child": "0.04 / 0.02",
}
"""Conditions of ``wider``, and the recall that they may cost."""


@dataclass(frozen=True)
class Line:
    """One line of the table: its title, the floor and the aim of the project, and its format."""

    name: str
    title: str
    goal: str = ""
    style: str = "{:.2f}"
    factor: float = 1.0


LINES = (
    Line("closure_recall", "closure recall", "0.92 / 0.98", "{:.3f}"),
    Line("closure_recall_frames", "closure recall, counted in frames", "", "{:.3f}"),
    Line("false_closure", "false closure (vowels)", "<= 0.03", "{:.3f}"),
    Line("sealed_tongue", "sealed tongue consonants", "<= 0.06", "{:.3f}"),
    Line("labiodental_recall", "labiodental recall", "0.86 / 0.95", "{:.3f}"),
    Line("false_labiodental", "lower lip at teeth in vowels", "", "{:.3f}"),
    Line("phones_right", "phones: frames right in speech", "0.82 / 0.85", "{:.3f}"),
    Line("opening_r", "opening r at zero lag", "0.66 / 0.76"),
    Line("opening_r_best", "- at each clip's best lag"),
    Line("width_r", "width r", "0.35 / 0.60"),
    Line("jaw_r", "jaw r", "0.72 / 0.80"),
    Line("lag", "lag of best r, ms (+ late)", "-50..20 / -40..0", "{:.0f}", 1000.0),
    Line("lag_median", "- median of the clips' own", "", "{:.0f}", 1000.0),
    Line("mtm", "MTM of opening, ms", "60 / 45", "{:.0f}", 1000.0),
    Line("mtm_matched", "extrema matched"),
    Line("still", "motion when nobody speaks, %", "1 / 0.2", "{:.2f}", 100.0),
    *(
        Line(f"still/{kind}", f"- {kind}, %", "1 / 0.2", "{:.2f}", 100.0)
        for kind in ("digital silence", "room tone", "room noise", "breath", "hum", "music")
    ),
    Line("jitter", "jitter: motion above 10 Hz, %", "", "{:.1f}", 100.0),
    *(Line(f"closure_recall_loss/{name}", f"closure recall lost, {name}", "0.10 / 0.04", "{:.3f}") for name in CONDITIONS),
    *(Line(f"false_closure/{name}", f"false closure, {name}", "", "{:.3f}") for name in CONDITIONS),
    *(
        Line(f"{key}/{name}", f"{title}, {name}", goal if key == "closure_recall_loss" else "", "{:.3f}")
        for name, goal in HARD_CONDITIONS.items()
        for key, title in (
            ("closure_recall_loss", "closure recall lost"),
            ("closure_recall", "- closure recall"),
            ("false_closure", "- false closure (vowels)"),
            ("sealed_tongue", "- sealed tongue consonants"),
            ("labiodental_recall", "- labiodental recall"),
        )
    ),
    Line("sung_rest", "sung vowels over music at rest", "0.08 / 0.03", "{:.3f}"),
    Line("opening_p95", "opening p95 / tracked talker's", "0.8..1.25 / 0.9..1.1"),
    Line("width_spread", "width spread / tracked talker's", "0.7 / 0.9"),
    *(Line(f"spread/{name}", f"spread of {name} / BlendVOCA's", "0.8..1.25 / 0.9..1.1") for name in wider.BLENDVOCA_SPREAD),
    Line("jaw_p90/shouted", "jaw p90, angry / neutral (EmoDB)", "1.25"),
    Line("jaw_p90/whispered", "jaw p90, whispered / calm", "0.8"),
    Line("closure_recall/de", "closure recall, German (English aligner)", "within 0.05", "{:.3f}"),
    Line("closure_recall/nl", "closure recall, Dutch (English aligner)", "within 0.05", "{:.3f}"),
    Line("false_closure/de", "false closure, German", "", "{:.3f}"),
    Line("false_closure/nl", "false closure, Dutch", "", "{:.3f}"),
    Line("letters_recall/en", "seals for letters p b m, English", "", "{:.3f}"),
    Line("letters_recall/en native", "- native adults", "", "{:.3f}"),
    Line("letters_recall/de", "- German", "within 0.05", "{:.3f}"),
    Line("letters_recall/nl", "- Dutch", "within 0.05", "{:.3f}"),
    Line("letters_excess/en", "seals beyond the letters, English", "", "{:.3f}"),
    Line("letters_excess/de", "- German", "", "{:.3f}"),
    Line("letters_excess/nl", "- Dutch", "", "{:.3f}"),
    Line("captured_closures/zh", "captured closures sealed, Mandarin", "", "{:.3f}"),
    Line("captured_open_sealed/zh", "captured open frames sealed, Mandarin", "", "{:.3f}"),
    Line("captured_jaw_r/zh", "jaw r, Mandarin takes"),
    Line("captured_jaw_r/zh 05", "- take 05 alone", "loudness + 0.01 / + 0.05", "{:.3f}"),
    Line("captured_jaw_r/zh 05, loudness", "- take 05, of the loudness", "", "{:.3f}"),
)
FACT_LINES = (
    ("size MB", "size of the ONNX file, MB", "20 / 8", "{:.1f}"),
    ("times real time", "times faster than real time", "50 / 150", "{:.0f}"),
)
GROUPS = ("women", "men", "children", "native adults", "US readers", "Australian accent", "Mandarin accent")


def _cell(scores: Scores, name: str, style: str, factor: float) -> str:
    estimate = scores.estimates.get(name)
    if estimate is None or not np.isfinite(estimate.value):
        return "-"
    text = style.format(estimate.value * factor)
    return f"{text} ±{style.format(estimate.error * factor)}" if np.isfinite(estimate.error) else text


def format_table(columns: Mapping[str, Scores]) -> str:
    """Format Markdown: a line per measure and a column per system, then the groups of speakers, then the amount of data."""
    titles = list(columns)
    rows = [["measure", "floor / aim", *titles], ["---"] * (2 + len(titles))]
    for line in LINES:
        cells = [_cell(scores, line.name, line.style, line.factor) for scores in columns.values()]
        if any(cell != "-" for cell in cells):
            rows.append([line.title, line.goal, *cells])
    for fact, title, goal, style in FACT_LINES:
        if any(fact in scores.facts for scores in columns.values()):
            cells = [style.format(s.facts[fact]) if fact in s.facts else "-" for s in columns.values()]
            rows.append([title, goal, *cells])
    text = _markdown(rows)
    for measure in ("closure_recall", "false_closure", "sealed_tongue", "labiodental_recall"):
        rows = [[measure.replace("_", " ") + ", by group", "sounds", *titles], ["---"] * (2 + len(titles))]
        for group in GROUPS:
            key = f"{measure}@{group}"
            known = [scores.estimates[key] for scores in columns.values() if key in scores.estimates]
            if known:
                cells = [_cell(scores, key, "{:.3f}", 1.0) for scores in columns.values()]
                rows.append([group, f"{known[0].count:.0f}", *cells])
        text += "\n" + _markdown(rows)
    first = next(iter(columns.values()))
    facts = first.facts
    bilabials = first.estimates["closure_recall"].count
    return (
        f"{text}\n{facts['clips']:.0f} clips ({facts['minutes']:.0f} min) of {facts['speakers']:.0f} speakers, "
        f"{bilabials:.0f} p/b/m, subset '{first.subset}'; phone times: {first.labels}; tracked lips: "
        f"{facts['tracked clips']:.0f} clips of one talker. ± is one standard error over speakers drawn again (over clips "
        "for the tracked talker and other languages, over closures or takes for Mandarin).\n"
    )


def _markdown(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "".join(f"| {line} |\n" for line in lines)


def find_missed(
    predict: Callable[..., ChannelCurves], development: Development, limit: int = 40, *, knows_phones: bool = False
) -> str:
    """Find errors for analysis: per phone the recalls with the neighbours that fail most, per speaker the misses."""
    by_speaker: Counter[str] = Counter()
    all_speaker: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for clip in development.labelled:
        curves = predict(clip.waveform, clip.phones) if knows_phones else predict(clip.waveform)
        fine = measures.fine_grid(curves)
        flags = measures.sealed(fine), lips.labiodental_frames(fine.values, fine.names)
        seconds = fine.seconds()
        for number, phone in enumerate(clip.phones):
            if phone.phone not in measures.BILABIALS | measures.LABIODENTALS:
                continue
            flag = flags[0] if phone.phone in measures.BILABIALS else flags[1]
            before = clip.phones[number - 1].phone if number else SILENCE
            after = clip.phones[number + 1].phone if number + 1 < len(clip.phones) else SILENCE
            key = f"{before} [{phone.phone}] {after}"
            kind = "bilabial" if phone.phone in measures.BILABIALS else "labiodental"
            hit = measures.is_held(flag, seconds, phone)
            for counter, name in ((seen, key), (seen, f"[{phone.phone}]"), (all_speaker, f"{clip.speaker} {kind}")):
                counter[name] += 1
            if not hit:
                for counter, name in ((missed, key), (missed, f"[{phone.phone}]"), (by_speaker, f"{clip.speaker} {kind}")):
                    counter[name] += 1
    lines = ["missed of all, by phone and neighbours:"]
    lines += [f"  {name}: {count} of {seen[name]}" for name, count in missed.most_common(limit)]
    lines += ["missed of all, by speaker:"]
    lines += [f"  {name}: {count} of {all_speaker[name]}" for name, count in by_speaker.most_common(limit)]
    return "\n".join(lines)


def load_package_predict(folder: Path) -> tuple[Predict, float]:
    """Return the prediction of a model package (on the CPU, by the same path as in Blender), and the size of its graph in
    MB."""
    from ...inference.audio import Waveform
    from ...inference.generate import generate_curves
    from ...inference.package import load_package
    from ...inference.session import open_session
    from ...inference.stream import open_stream

    package = load_package(folder)
    if package.stream is None:
        session = open_session(package, provider="CPU")

        def predict(samples: Samples) -> ChannelCurves:
            return generate_curves(session, Waveform(samples, SAMPLE_RATE))
    else:
        stream = open_stream(package)

        def predict(samples: Samples) -> ChannelCurves:
            rows = [stream.push(samples), stream.finish()]
            values = np.concatenate([part.channels for part in rows])
            early = max(0, round(-rows[0].start_seconds * package.frame_rate))
            start = rows[0].start_seconds + early / package.frame_rate
            return ChannelCurves(package.channel_names, package.frame_rate, values[early:], start)

    sizes = [path.stat().st_size for path in Path(folder).glob("*.onnx")]
    return predict, sum(sizes) / 1e6


def score_hard(model: Path, predict: Predict, development: Development, data: Path) -> dict[str, Estimate]:
    """Score the figures of ``wider`` for a model package, with the share of frames whose phone it hears correctly."""
    collector = _Collector()
    wider.score_wider(predict, development, data, collector.add)
    for speaker, tally in wider.score_phones(model, development).items():
        collector.add("phones_right", speaker, tally)
    return collector.estimates()


def score_baselines(development: Development, degraded: bool = True) -> dict[str, Scores]:
    """Score the baselines beside every model: mean pose, loudness to jaw, and the articulation rules on true phones."""
    from . import baselines

    examples = [baselines.articulate_true_phones(clip.waveform, clip.phones) for clip in development.labelled[:40]]
    return {
        "mean pose": score(baselines.hold_mean_pose(examples), development, degraded=degraded),
        "loudness -> jaw": score(baselines.loudness_to_jaw, development, degraded=degraded),
        "articulation of true phones": score(
            baselines.articulate_true_phones, development, knows_phones=True, degraded=degraded
        ),
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m voxrig.training.evaluation.evaluate", description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with speech/, grid_lips/ and rig_116/")
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"), help="phone times are kept here")
    parser.add_argument("--model", type=Path, help="model package to score (models/speech where there is one)")
    parser.add_argument("--subset", choices=tuple(SUBSETS), default="standard")
    parser.add_argument("--no-alignment", action="store_true", help="use the phone times there are, align nothing")
    parser.add_argument("--clean", action="store_true", help="without noise, room and telephone: three times as fast")
    parser.add_argument("--no-baselines", action="store_true", help="only the model")
    parser.add_argument("--beside", type=Path, nargs="*", help="stored scores to show as columns (.cache/scores/peers/*.json)")
    parser.add_argument("--save", type=Path, help="folder to store each column's scores in")
    parser.add_argument("--errors", action="store_true", help="list the closures and contacts that the model misses")
    options = parser.parse_args(arguments)
    if not (options.data / "speech" / "index.tsv").is_file():
        print(f"{options.data} has no speech/index.tsv: give the data folder with --data", file=sys.stderr)
        return 2
    if not options.no_alignment:
        align_development(options.data, options.cache, options.subset)
    development = load_development(options.data, options.cache, options.subset)
    if not development.labelled:
        print("no development clip has phone times: leave out --no-alignment", file=sys.stderr)
        return 2
    columns: dict[str, Scores] = {}
    predict: Predict | None = None
    model: Path = options.model or BUNDLED_MODEL
    if options.model or (model / "model.json").is_file():
        predict, megabytes = load_package_predict(model)
        scores = score(predict, development, degraded=not options.clean)
        facts = {**scores.facts, "size MB": megabytes}
        estimates = {**scores.estimates, **({} if options.clean else score_hard(model, predict, development, options.data))}
        columns[f"model {model.name}"] = Scores(estimates, scores.subset, scores.labels, facts)
    if not options.no_baselines:
        columns |= score_baselines(development, degraded=not options.clean)
    for path in sorted(PEER_SCORES.glob("*.json")) if options.beside is None else options.beside:
        stored = Scores.from_json(path.read_text(encoding="utf-8"))
        columns[path.stem if stored.subset == options.subset else f"{path.stem} ('{stored.subset}')"] = stored
    if not columns:
        print("nothing to score: give --model or leave out --no-baselines", file=sys.stderr)
        return 2
    if options.save:
        options.save.mkdir(parents=True, exist_ok=True)
        for title, scores in columns.items():
            (options.save / f"{title.replace(' -> ', ' to ')}.json").write_text(scores.to_json(), encoding="utf-8")
    print(format_table(columns))
    if predict and options.errors:
        print(find_missed(predict, development))
    return 0


if __name__ == "__main__":
    sys.exit(main())
