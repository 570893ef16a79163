# SPDX-License-Identifier: GPL-3.0-or-later
"""Print what Voxrig hears, reads and sees of feelings, as a table: ``make feeling DATA=<folder>``.

Voices are scored on speakers that the model was not trained on: it is trained again five times, each time without two of
EmoDB's ten speakers. The last rows are of the model as it ships. Each clip is one window of 1.5 s at one loudness.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from ...animation.curves import ChannelCurves
from ...animation.face.mouth_events import find_closures
from ...animation.feeling.styles import read_style
from ...animation.feeling.voice import divide_feelings, load_voice_model
from ...animation.feeling.words import LABELS as WORD_LABELS
from ...animation.feeling.words import hash_pieces, load_word_model, weigh_pieces
from ...animation.speech.phrases import stretches
from ...inference.package import bundled_packages
from ...takes.curves import find_source
from ...takes.emotion import EmotionTrack
from ...takes.feeling import with_feelings
from ...takes.living import with_life
from ...takes.record import SoundFile
from ...takes.settings import TakeSettings
from ...takes.shaping import Place, with_emotion
from ...takes.sources import Description, Heard
from ...training.feeling.train_voice import (
    CALM_SHARES,
    COPIES,
    LABELS,
    beside_calm,
    choose_sure,
    likelihoods,
    read_calm,
    read_emotional,
    train,
)
from ...training.feeling.train_words import EKMAN, choose_thresholds, f_scores, read_comments

FOUR = [LABELS.index(name) for name in ("anger", "joy", "sadness", "neutral")]
HIGH = [LABELS.index(name) for name in ("anger", "joy")]
NEUTRAL = LABELS.index("neutral")
PROMPTS = Path(__file__).resolve().parents[2] / "training" / "feeling" / "prompts.txt"


def recalls(found: np.ndarray, labels: np.ndarray) -> str:
    """Describe the share found of each of the four feelings, and their mean."""
    each = [float(np.mean(found[labels == label] == label)) for label in FOUR]
    named = ", ".join(f"{LABELS[label]} {share:.2f}" for label, share in zip(FOUR, each))
    return f"{np.mean(each):.3f} ({named})"


def decide(model: dict[str, Any], measures: np.ndarray, sure: float) -> np.ndarray:
    """Return the label of the strongest weight of each clip, neutral where none is above 0, as the product has it."""
    weights = divide_feelings(LABELS, likelihoods(model, measures), sure)
    return np.where(weights.max(axis=1) > 0, weights.argmax(axis=1), NEUTRAL)


def score_voices(data: Path) -> list[tuple[str, str, str]]:
    """Return rows (measure, floor, value) for voices."""
    clips = read_emotional(data, copies=COPIES)
    calm, calm_speakers = read_calm(data, 400)
    people = np.unique(clips.speakers)
    known = {name: np.full(len(clips.labels), -1) for name in ("alone", "beside", "alone sure", "beside sure")}
    for pair in (people[place::5] for place in range(5)):
        out = np.isin(clips.speakers, pair)
        models = train(clips.of(~out), calm, calm_speakers)
        mine = clips.of(out)
        relative = beside_calm(mine.measures, mine.speakers, mine.labels == NEUTRAL)
        calm_relative = beside_calm(calm, calm_speakers, np.ones(len(calm), bool))
        for name, measures, quiet in (("alone", mine.measures, calm), ("beside", relative, calm_relative)):
            four = np.array(FOUR)[likelihoods(models[name], measures, FOUR).argmax(axis=1)]
            known[name][out] = four
            known[f"{name} sure"][out] = decide(models[name], measures, choose_sure(models[name], quiet, CALM_SHARES[name]))
    of_four = np.isin(clips.labels, FOUR)
    labels = clips.labels[of_four]
    rows: list[tuple[str, str, str]] = []
    for name, title in (("alone", "alone"), ("beside", "beside the speaker's calm speech")):
        found = known[name][of_four]
        high = float(np.mean(np.isin(found, HIGH) == np.isin(labels, HIGH)))
        rows.append((f"anger and joy against sadness and neutral, {title}", "0.85", f"{high:.3f}"))
        rows.append((f"four feelings, balanced recall, {title}", "0.70", recalls(found, labels)))
        decided = recalls(known[f"{name} sure"][of_four], labels)
        rows.append((f"- decided as in a take: neutral unless sure, {title}", "", decided))
    model = load_voice_model()
    shipped = {
        name: {key: np.asarray(getattr(linear, key)) for key in ("middle", "spread", "weights", "bias")}
        for name, linear in (("alone", model.alone), ("beside", model.beside))
    }
    others = read_emotional(data, "cremad")
    relative = beside_calm(others.measures, others.speakers, others.labels == NEUTRAL)
    for name, measures, title, floor in (("alone", others.measures, "alone", "0.40"), ("beside", relative, "beside", "0.50")):
        four = np.isin(others.labels, FOUR)
        found = np.array(FOUR)[likelihoods(shipped[name], measures, FOUR).argmax(axis=1)]
        rows.append(
            (f"CREMA-D (English), {four.sum()} clips of 2 actors, {title}", floor, recalls(found[four], others.labels[four]))
        )
    quiet, speakers = read_calm(data, 150, development=True)
    for name, measures, sure in (
        ("alone", quiet, model.sure),
        ("beside", beside_calm(quiet, speakers, np.ones(len(quiet), bool)), model.sure_beside),
    ):
        flagged = float(np.mean(decide(shipped[name], measures, sure) != NEUTRAL))
        rows.append((f"calm reading called emotional, {len(quiet)} development windows, {name}", "<= 0.05", f"{flagged:.3f}"))
    return rows


_BROWS = ("browInnerUp", "browOuterUpLeft", "browOuterUpRight", "browDownLeft", "browDownRight")
_SENTENCES, _SEEDS, _RATE = 4, 4, 25.0


def score_takes(data: Path) -> list[tuple[str, str, str]]:
    """Return rows (measure, floor, value) for faces of takes from angry, sad and calm recordings of the same sentences.

    No slider is touched; for closures *From Voice* is at its most. Brow motion is the mean speed of five shapes over four
    seeds.
    """
    package = next(place for place in bundled_packages() if place.name == "speech")
    found: dict[tuple[str, str, str], tuple[float, float]] = {}
    kept = total = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, (speaker, text, emotion, samples) in enumerate(read_sentences(data, _SENTENCES)):
            sound = Path(folder) / f"{number}.wav"
            soundfile.write(sound, samples, 16_000)
            source = find_source(SoundFile(str(sound), 0.0), package, TakeSettings(), Place(0.0, _RATE))
            heard, description = source.produce(lambda _fraction: None), source.describe()

            def play(settings: TakeSettings, heard: Heard = heard, description: Description = description) -> ChannelCurves:
                track = with_feelings(EmotionTrack(settings, 0.0, _RATE), heard)
                return with_life(with_emotion(heard, description, track), heard, track)

            takes = [play(TakeSettings(life_seed=seed)) for seed in range(_SEEDS)]
            motion = [
                sum(float(np.abs(np.diff(take.channel(name))).mean()) * take.frame_rate for name in _BROWS) for take in takes
            ]
            found[speaker, text, emotion] = float(np.percentile(takes[0].channel("jawOpen"), 90)), float(np.mean(motion))
            if emotion == "anger":
                plain = find_closures(with_emotion(heard, description, EmotionTrack(TakeSettings(effort=0.0), 0.0, _RATE)))
                moved = find_closures(play(TakeSettings(life_seed=0, feel=2.0)))
                if plain is None or moved is None:
                    continue
                for first, after in stretches(plain):
                    total += 1
                    kept += bool(moved[max(first - 1, 0) : after + 1].any())
    rows: list[tuple[str, str, str]] = []
    for emotion, floors in (("anger", (">= 1.25", ">= 1.25")), ("sadness", ("<= 0.9", "<= 0.9"))):
        for index, (title, floor) in enumerate(zip(("jaw p90", "brow motion"), floors, strict=True)):
            pairs = [
                (value[index], found[speaker, text, "neutral"][index])
                for (speaker, text, name), value in found.items()
                if name == emotion and (speaker, text, "neutral") in found
            ]
            share = sum(one for one, _ in pairs) / max(sum(calm for _, calm in pairs), 1e-9)
            rows.append((f"{title}, {emotion} / calm, {len(pairs)} sentences of the same speakers", floor, f"{share:.2f}"))
    rows.append(
        (f"closures of {total} in angry lines that stay closed with From Voice at 2", ">= 0.99", f"{kept / max(total, 1):.3f}")
    )
    return rows


def read_sentences(data: Path, most: int) -> Iterator[tuple[str, str, str, np.ndarray]]:
    """Read sentences that EmoDB's speakers say calmly and with anger or sadness: speaker, text, emotion and samples."""
    folder = data / "emotion_speech"
    clips: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
    with open(folder / "index.tsv", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if (
                row["shard"].startswith("emodb")
                and "cut" not in row["note"]
                and row["emotion"] in ("anger", "neutral", "sadness")
            ):
                clips.setdefault((row["speaker"], row["text"]), {})[row["emotion"]] = row
    count: dict[str, int] = {}
    for (speaker, text), emotions in sorted(clips.items()):
        if "neutral" not in emotions or len(emotions) < 2 or count.get(speaker, 0) >= most:
            continue
        count[speaker] = count.get(speaker, 0) + 1
        for emotion, row in emotions.items():
            path = str(next(folder.glob(f"{row['shard']}*")))
            samples, _ = soundfile.read(path, start=int(row["start"]), frames=int(row["length"]), dtype="float32")
            yield speaker, text, emotion, samples


def score_words(data: Path) -> list[tuple[str, str, str]]:
    """Return rows (measure, floor, value) for words."""
    text = data / "text"
    names = (text / "goemotions_labels.txt").read_text(encoding="utf-8").split()
    model = load_word_model()
    folder = Path(__file__).resolve().parents[2] / "models" / "feeling"

    def score(words: list[list[str]]) -> np.ndarray:
        table = model.table.astype(np.float32)
        scores = []
        for one in words:
            rows, weights = weigh_pieces(hash_pieces(one), model.rarity) if one else (np.zeros(0, int), np.zeros(0, np.float32))
            scores.append(weights @ table[rows] * model.scale + model.bias)
        return 1.0 / (1.0 + np.exp(-np.array(scores)))

    # Thresholds from a tenth of the training part, as in train_words, which leaves these comments out.
    words, targets, _ = read_comments(text / "goemotions_train.tsv", names)
    held = np.random.default_rng(1).permutation(len(words)) < 0
    held[::10] = True
    thresholds = choose_thresholds(score([one for one, out in zip(words, held) if out]), targets[held])
    words, targets, _ = read_comments(text / "goemotions_dev.tsv", names)
    each = f_scores(score(words), targets, thresholds)
    mean = float(np.mean([each[WORD_LABELS.index(label)] for label in EKMAN]))
    listed = ", ".join(f"{label} {each[WORD_LABELS.index(label)]:.2f}" for label in EKMAN)
    size = (folder / "words.npz").stat().st_size / 1e6
    return [
        (f"GoEmotions development, macro F1 of seven, {size:.1f} MB", "0.50, aim 0.55", f"{mean:.3f} ({listed})"),
        score_prompts(),
    ]


def score_prompts() -> tuple[str, str, str]:
    """Return the row of the prompts, and print those that are read wrongly."""
    right, wrong = 0, []
    lines = [line for line in PROMPTS.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    for line in lines:
        expected, _, prompt = line.partition(": ")
        found = next(iter(read_style(prompt).emotions), "neutral")
        right += found == expected
        if found != expected:
            wrong.append(f"{prompt} ({expected}): {found}")
    print("read otherwise than expected: " + "; ".join(wrong) + "\n")
    return f"prompts: strongest feeling, {len(lines)} of them", "0.85", f"{right / len(lines):.3f}"


def score_faces(data: Path) -> list[tuple[str, str, str]]:
    """Return rows (measure, floor, value) for filmed faces beside the tables of MediaPipe in its mode for films."""
    from ...inference.faces.films import has_pyav
    from ...inference.faces.performance import ANGLE_NAMES, read_face

    films = sorted((data / "face_video").glob("*.flv"))
    if not films or not has_pyav():
        return []
    shapes, pitches = [], []
    for film in films:
        with film.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
            table = list(csv.DictReader(file))
        curves = read_face(film).curves
        count = min(len(table), curves.frame_count)
        names = [name for name in curves.names if name not in ANGLE_NAMES]
        wanted = np.array([[float(row[name]) for name in names] for row in table[:count]])
        shapes.append(np.abs(curves.values[:count, : len(names)] - wanted))
        for name in ("headPitch", "headRoll"):
            pitches.append(np.abs(np.degrees(curves.channel(name)[:count]) - [float(row[name]) for row in table[:count]]))
    return [
        (f"faces of {len(films)} films beside MediaPipe's tables, which are smoothed", "<= 0.01",
         f"{np.concatenate(shapes).mean():.4f}"),
        ("- pitch and roll of the head, degrees", "<= 0.5", f"{np.concatenate(pitches).mean():.2f}"),
    ]  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--part", choices=("voices", "words", "faces", "takes"), action="append")
    options = parser.parse_args()
    parts = {"voices": score_voices, "words": score_words, "faces": score_faces, "takes": score_takes}
    rows = [row for name, score in parts.items() if name in (options.part or parts) for row in score(options.data)]
    width = max(len(row[0]) for row in rows)
    print(f"| {'measure':{width}} | floor | value |\n| {'-' * width} | --- | --- |")
    for measure, floor, value in rows:
        print(f"| {measure:{width}} | {floor} | {value} |")


if __name__ == "__main__":
    main()
