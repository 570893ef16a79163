# SPDX-License-Identifier: GPL-3.0-or-later
"""Train what hears feelings in a voice: ``python -m voxrig.training.feeling.train_voice --data FOLDER``, about ten minutes.

FOLDER holds ``emotion_speech/`` (EmoDB, CC0) and ``speech/`` (calm readers). From each clip of EmoDB one window of the same
length is taken from its middle, because some copies were cut and their length would tell the feeling. The thresholds
are the least at which calm reading of training speakers is called emotional in at most ``CALM_SHARES`` of its time.

The model that knows no speaker also learns from copies of the clips as other voices, microphones and rooms would make them
(``disturb``): one studio and ten actors are too few to tell a feeling from a recording.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...animation.feeling.voice import FRAME_RATE, MEASURES, WINDOW_SECONDS, measure_window
from ...animation.speech.voice import Floats, track_voice
from ..corpora.recordings import librispeech_development_talkers, read_index, split_of

LABELS = ("anger", "joy", "sadness", "neutral", "fear", "disgust", "tired")
_NAMES = {"happiness": "joy", "boredom": "tired"}
_AROUSAL = {"anger": 1.0, "joy": 0.8, "fear": 0.6, "disgust": 0.2, "neutral": 0.0, "tired": -0.7, "sadness": -0.9}
_VALENCE = {"anger": -0.8, "joy": 0.9, "fear": -0.6, "disgust": -0.6, "neutral": 0.0, "tired": -0.2, "sadness": -0.6}
DEVELOPMENT = ("15", "16")
"""Speakers of EmoDB that are scored apart."""


@dataclass(frozen=True, eq=False)
class Clips:
    """Measures ``[clip, MEASURES]`` of one window of each clip, with its speaker and its feeling.

    ``copies`` ``[clip, copy, MEASURES]`` are those of its disturbed copies, nan where too little of one is voiced.
    """

    measures: Floats
    speakers: np.ndarray
    labels: np.ndarray
    copies: Floats

    def of(self, chosen: np.ndarray) -> Clips:
        """Return the chosen clips."""
        return Clips(self.measures[chosen], self.speakers[chosen], self.labels[chosen], self.copies[chosen])


COPIES = 6
"""Disturbed copies of each clip."""


def disturb(samples: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return a clip at 16 kHz as another talker, microphone, room or line would make it.

    It is resampled by up to 12 % (pitch, formants and tempo change together), tilted by up to 3 dB an octave, cut above 3.4 to
    8 kHz and below 20 to 200 Hz, echoes by chance for up to 0.6 s, and has noise 12 to 45 dB below.
    """
    from scipy.signal import fftconvolve, resample_poly

    sound = resample_poly(samples, 100, int(random.integers(88, 113)))
    hertz = np.fft.rfftfreq(len(sound), 1 / 16_000)
    octaves = np.log2(np.maximum(hertz, 60.0) / 1000.0)
    decibels = random.uniform(-3, 3) * octaves + random.uniform(-1, 1) * np.abs(octaves)
    decibels -= 24 * np.maximum(np.log2(np.maximum(hertz, 1.0) / random.uniform(3400, 8000)), 0.0)
    decibels -= 12 * np.maximum(np.log2(random.uniform(20, 200) / np.maximum(hertz, 5.0)), 0.0)
    sound = np.fft.irfft(np.fft.rfft(sound) * 10 ** (decibels / 20), len(sound))
    if random.random() < 0.6:
        seconds = random.uniform(0.1, 0.6)
        time = np.arange(int(seconds * 16_000)) / 16_000
        echo = random.standard_normal(len(time)) * np.exp(-6.9 * time / seconds) * random.uniform(0.01, 0.06)
        echo[0] = 1.0
        sound = fftconvolve(sound, echo)[: len(sound)]
    level, ratio = float(np.sqrt(np.mean(sound**2))), random.uniform(12, 45)
    spectrum = np.fft.rfft(random.standard_normal(len(sound))) * np.maximum(hertz, 50.0) ** -random.uniform(0, 0.6)
    noise = np.fft.irfft(spectrum, len(sound))
    return (sound + noise * (level / noise.std() * 10 ** (-ratio / 20))).astype(np.float32)


def read_emotional(data: Path, shards: str = "emodb", copies: int = 0) -> Clips:
    """Measure the middle 1.5 s of each clip of the shards whose names begin so, and of disturbed copies of it."""
    import soundfile

    measures, speakers, labels, disturbed = [], [], [], []
    sounds: dict[str, np.ndarray] = {}
    with (data / "emotion_speech" / "index.tsv").open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t")):
            label = _NAMES.get(row["emotion"], row["emotion"])
            if not row["shard"].startswith(shards) or label not in LABELS:
                continue
            if row["shard"] not in sounds:
                path = data / "emotion_speech" / f"{row['shard']}.ogg"
                sounds = {row["shard"]: soundfile.read(path, dtype="float32")[0]}
            first = int(row["start"])
            samples = sounds[row["shard"]][first : first + int(row["length"])]
            found = measure_middle(samples)
            if found is not None:
                dice = [np.random.default_rng([number, copy]) for copy in range(copies)]
                made = [measure_middle(disturb(samples, random)) for random in dice]
                disturbed.append([np.full(len(MEASURES), np.nan) if one is None else one for one in made])
                measures.append(found)
                speakers.append(row["speaker"])
                labels.append(LABELS.index(label))
    shape = len(measures), copies, len(MEASURES)
    return Clips(np.array(measures), np.array(speakers), np.array(labels), np.array(disturbed).reshape(shape))


def measure_middle(samples: np.ndarray) -> Floats | None:
    """Measure the middle 1.5 s of a clip at one loudness."""
    level = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
    voice = track_voice(samples * (0.06 / max(level, 1e-6)), 16_000)
    rows = round(WINDOW_SECONDS * FRAME_RATE)
    first = max(0, (len(voice) - rows) // 2)
    return measure_window(voice, first, min(first + rows, len(voice)))


def read_calm(data: Path, count: int, development: bool = False) -> tuple[Floats, np.ndarray]:
    """Measure windows of calm readers: ``[window, MEASURES]`` and their speakers; of development clips with that flag."""
    import soundfile

    index = read_index(data / "speech")
    held_out = librispeech_development_talkers(index["librispeech_subset"])
    wanted = "development" if development else "train"
    rows = [row for name in CALM for row in index[name] if split_of(row, held_out) == wanted and int(row["length"]) > 32_000]
    # A few of each speaker, so that no single reader is what calm means.
    order = np.random.default_rng(7).permutation(len(rows))
    taken: dict[str, int] = {}
    chosen: list[dict[str, str]] = []
    for row in (rows[place] for place in order):
        name = f"{row['dataset']} {row['speaker']}"
        taken[name] = taken.get(name, 0) + 1
        if taken[name] <= _MOST_OF_ONE and len(chosen) < count:
            chosen.append(row)
    rows = sorted(chosen, key=lambda row: (row["dataset"], row["shard"], int(row["start"])))
    measures, speakers = [], []
    for row in rows:
        path = data / "speech" / row["dataset"] / row["shard"]
        with soundfile.SoundFile(path) as file:
            file.seek(int(row["start"]))
            found = measure_middle(file.read(int(row["length"]), dtype="float32"))
        if found is not None:
            measures.append(found)
            speakers.append(f"{row['dataset']} {row['speaker']}")
    return np.array(measures), np.array(speakers)


CALM_SHARES = {"alone": 0.04, "beside": 0.015}
"""Shares of calm windows of training speakers that may be called emotional."""
_MOST_OF_ONE = 40
CALM = ("librispeech_subset", "kathleen_en", "ljspeech_part", "kerstin_de", "nathalie_nl", "asterisk_en_AU")


def beside_calm(measures: Floats, speakers: np.ndarray, calm: np.ndarray) -> Floats:
    """Return measures less the median of each speaker's calm ones, ``[clip, MEASURES]``."""
    result = measures.copy()
    for speaker in np.unique(speakers):
        mine = speakers == speaker
        result[mine] -= np.median(measures[mine & calm], axis=0)
    return result


def fit(measures: Floats, labels: np.ndarray, weights: np.ndarray, penalty: float = 0.1) -> dict[str, Any]:
    """Fit a linear model of feelings and lines for arousal and valence; returns plain lists for the file."""
    from scipy.optimize import minimize

    middle, spread = measures.mean(0), measures.std(0) + 1e-6
    scaled = np.clip((measures - middle) / spread, -4.0, 4.0)
    width, count = scaled.shape[1], len(LABELS)
    known = np.eye(count)[labels]

    def cost(flat: np.ndarray) -> tuple[float, np.ndarray]:
        matrix, bias = flat[: width * count].reshape(width, count), flat[width * count :]
        scores = scaled @ matrix + bias
        scores -= scores.max(axis=1, keepdims=True)
        logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        error = (np.exp(logs) - known) * weights[:, None]
        value = -(logs * known).sum(axis=1) @ weights + penalty * (matrix**2).sum()
        return value, np.concatenate([(scaled.T @ error + 2 * penalty * matrix).ravel(), error.sum(axis=0)])

    flat = minimize(cost, np.zeros(width * count + count), jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    padded = np.concatenate([scaled, np.ones((len(scaled), 1))], axis=1)
    lines = {}
    for name, table in (("arousal", _AROUSAL), ("valence", _VALENCE)):
        aim = np.arctanh(np.clip([table[LABELS[label]] for label in labels], -0.95, 0.95))
        root = np.sqrt(weights)[:, None]
        lines[name] = np.linalg.solve(
            (padded * root).T @ (padded * root) + 0.05 * np.eye(width + 1), (padded * root).T @ (aim[:, None] * root)
        )[:, 0]
    numbers = {
        "middle": middle,
        "spread": spread,
        "weights": flat[: width * count].reshape(width, count),
        "bias": flat[width * count :],
        **lines,
    }
    return {name: np.round(value, 5).tolist() for name, value in numbers.items()}


def balance(labels: np.ndarray, is_reader: np.ndarray) -> np.ndarray:
    """Return weights ``[clip]`` with which each feeling counts as much as any other and all add up to 1.

    Readers count for a quarter of neutral, actors for the rest.
    """
    weights = np.zeros(len(labels))
    for label in range(len(LABELS)):
        for group, share in ((~is_reader, 0.75), (is_reader, 0.25)):
            mine = (labels == label) & group
            weights[mine] = (share if label == LABELS.index("neutral") else 1.0) / max(int(mine.sum()), 1)
    return weights / weights.sum()


_PENALTY_ALONE = 0.005


def train(emotional: Clips, calm: Floats, calm_speakers: np.ndarray) -> dict[str, Any]:
    """Train both models on emotional clips and on windows of calm readers, which are neutral too."""
    neutral = LABELS.index("neutral")
    all_measures = np.concatenate([emotional.measures, calm])
    speakers = np.concatenate([emotional.speakers, calm_speakers])
    labels = np.concatenate([emotional.labels, np.full(len(calm), neutral)])
    is_reader = np.arange(len(labels)) >= len(emotional.labels)
    # As they are, clips count half as much as their copies together.
    count = emotional.copies.shape[1]
    copies = emotional.copies.reshape(-1, all_measures.shape[1])
    heard = ~np.isnan(copies[:, 0])
    plain = max(1, count // 2)
    more = np.concatenate([*[emotional.measures] * plain, copies[heard], calm])
    named = [*[emotional.labels] * plain, np.repeat(emotional.labels, count)[heard], np.full(len(calm), neutral)]
    reads = np.arange(len(more)) >= len(more) - len(calm)
    more_labels = np.concatenate(named)
    models: dict[str, Any] = {"alone": fit(more, more_labels, balance(more_labels, reads), _PENALTY_ALONE)}
    has_calm = np.isin(speakers, speakers[labels == neutral])
    relative = beside_calm(all_measures[has_calm], speakers[has_calm], labels[has_calm] == neutral)
    models["beside"] = fit(relative, labels[has_calm], balance(labels[has_calm], is_reader[has_calm]))
    return models


def likelihoods(model: dict[str, Any], measures: Floats, kept: Sequence[int] = tuple(range(len(LABELS)))) -> Floats:
    """Return the likelihoods of the ``kept`` labels, ``[clip, label]``, as the product computes them."""
    scaled = np.clip((measures - np.array(model["middle"])) / np.array(model["spread"]), -4.0, 4.0)
    scores = (scaled @ np.array(model["weights"]) + np.array(model["bias"]))[:, list(kept)]
    grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    return grown / grown.sum(axis=1, keepdims=True)


def choose_sure(model: dict[str, Any], calm: Floats, share: float) -> float:
    """Return the likelihood of any feeling that calm windows exceed in that share of them."""
    emotional = 1.0 - likelihoods(model, calm)[:, LABELS.index("neutral")]
    return round(float(max(0.5, np.quantile(emotional, 1.0 - share))), 3)


def main() -> None:
    """Train on all speakers and write ``models/feeling/voice.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("models/feeling/voice.json"))
    options = parser.parse_args()
    emotional = read_emotional(options.data, copies=COPIES)
    calm, speakers = read_calm(options.data, 400)
    models = train(emotional, calm, speakers)
    relative = beside_calm(calm, speakers, np.ones(len(calm), bool))
    document = {
        "labels": list(LABELS),
        "measures": list(MEASURES),
        "sure": choose_sure(models["alone"], calm, CALM_SHARES["alone"]),
        "sure_beside": choose_sure(models["beside"], relative, CALM_SHARES["beside"]),
        **models,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in document.items())
    options.output.write_text("{\n " + lines + "\n}\n", encoding="utf-8")
    print(
        f"{len(emotional.labels)} clips, {len(calm)} calm windows, sure from {document['sure']} and {document['sure_beside']}"
    )


if __name__ == "__main__":
    main()
