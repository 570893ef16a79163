# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the text model: ``python -m voxrig.training.feeling.train_words --data FOLDER``, about a minute.

FOLDER holds ``text/goemotions_train.tsv`` (GoEmotions, Google, Apache-2.0) with its labels. It also learns from
``lexicon.json`` beside this file, through phrases made of its words. Thresholds come from a
tenth of the training part; the development part and ``prompts.txt`` are only scored.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from ...animation.feeling.words import BUCKETS, LABELS, clean_text, hash_pieces, split_words, weigh_pieces

HERE = Path(__file__).resolve().parent
EKMAN = {
    "anger": "anger annoyance disapproval",
    "disgust": "disgust",
    "fear": "fear nervousness",
    "joy": "joy amusement approval excitement gratitude love optimism relief pride admiration desire caring",
    "sadness": "sadness disappointment embarrassment grief remorse",
    "surprise": "surprise realization confusion curiosity",
    "neutral": "neutral",
}
"""The grouping of GoEmotions' 27 labels that its authors publish (ekman_mapping.json)."""
_TEMPLATES = (
    "{}", "{}", "{}", "very {}", "so {}", "really {}", "a bit {}", "slightly {}", "extremely {}", "feeling {}", "he is {}",
    "she is {}", "they are {}", "looks {}", "sounds {}", "{} face", "{} voice", "{} person", "says it in a {} way",
    "totally {}",
    "somewhat {}", "he feels {}", "i am {}", "she was {}", "a {} man", "a {} woman", "a {} child", "{} tone", "{}, quietly",
    "{}, loudly", "{} and quiet", "{} about the news", "{} at him", "suddenly {}", "more {}", "{}!", "still {}",
)  # fmt: skip


def read_comments(path: Path, names: list[str]) -> tuple[list[list[str]], np.ndarray, np.ndarray]:
    """Return words, Ekman targets ``[text, LABELS]`` and the 28 labels ``[text, 28]`` of a part of GoEmotions."""
    group = {label: ekman for ekman, labels in EKMAN.items() for label in labels.split()}
    words: list[list[str]] = []
    targets, all_labels = [], []
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            numbers = [int(number) for number in row["label"].split(",")]
            words.append(split_words(clean_text(row["text"].replace("[NAME]", "").replace("[RELIGION]", ""))))
            target, labels = np.zeros(len(LABELS), np.float32), np.zeros(28, np.float32)
            labels[numbers] = 1.0
            for number in numbers:
                target[LABELS.index(group[names[number]])] = 1.0
            targets.append(target)
            all_labels.append(labels)
    return words, np.array(targets), np.array(all_labels)


def make_phrases(random: np.random.Generator, count: int) -> tuple[list[list[str]], np.ndarray]:
    """Make phrases of the lexicon's words with their feelings: one, or two of which the first counts more."""
    lexicon = json.loads((HERE / "lexicon.json").read_text(encoding="utf-8"))
    known = [(word.replace("-", " "), label) for label in LABELS for word in lexicon[label].split()]
    weights = np.array([1.0 / len(lexicon[label].split()) for _, label in known])
    weights /= weights.sum()
    words, targets = [], []
    for _ in range(count):
        first, second = (known[index] for index in random.choice(len(known), 2, p=weights))
        target = np.zeros(len(LABELS), np.float32)
        text = _TEMPLATES[random.integers(len(_TEMPLATES))].format(first[0])
        target[LABELS.index(first[1])] = 1.0
        if random.random() < 0.3 and second[1] != "neutral" and first[1] != "neutral":
            text += (" but ", " and ", ", ")[random.integers(3)] + second[0]
            target[LABELS.index(second[1])] = max(target[LABELS.index(second[1])], 0.6)
        elif random.random() < 0.1 and first[1] != "neutral":
            text, target = f"not {first[0]}", np.zeros(len(LABELS), np.float32)
            target[LABELS.index("neutral")] = 0.7
        words.append(split_words(clean_text(text)))
        targets.append(target)
    return words, np.array(targets)


def make_matrix(rows: list[np.ndarray], rarity: np.ndarray) -> Any:
    """Return the weighted pieces of texts as a sparse matrix ``[text, bucket]``."""
    from scipy.sparse import csr_matrix

    weighed = [weigh_pieces(one, rarity) for one in rows]
    ends = np.concatenate([[0], np.cumsum([len(unique) for unique, _ in weighed])])
    columns, values = (np.concatenate(parts) for parts in zip(*weighed, strict=True))
    return csr_matrix((values, columns, ends), (len(rows), BUCKETS))


def fit_label(matrix: Any, targets: np.ndarray, counted: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Fit one label by logistic regression and return weights ``[bucket]`` and a bias; ``counted`` ``[text]`` weighs texts."""
    from scipy.optimize import minimize

    turned = matrix.T.tocsr()

    def cost(flat: np.ndarray) -> tuple[float, np.ndarray]:
        scores = matrix @ flat[:-1] + flat[-1]
        error = (1.0 / (1.0 + np.exp(-scores)) - targets) * counted
        value = float(np.sum((np.logaddexp(0.0, scores) - targets * scores) * counted) + 0.5 * penalty * flat[:-1] @ flat[:-1])
        return value, np.append(turned @ error + penalty * flat[:-1], error.sum())

    flat = minimize(cost, np.zeros(BUCKETS + 1), jac=True, method="L-BFGS-B", options={"maxiter": 60}).x
    return flat[:-1], float(flat[-1])


def f_scores(likely: np.ndarray, targets: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return F1 of each label, ``[label]``, a text having all labels above their thresholds, at least its likeliest."""
    chosen = likely > thresholds
    margins = np.where(np.isfinite(thresholds), likely / np.maximum(thresholds, 1e-6), -1.0)
    chosen[np.arange(len(likely)), margins.argmax(1)] = True
    right = (chosen & (targets > 0.5)).sum(0)
    return 2 * right / np.maximum(chosen.sum(0) + (targets > 0.5).sum(0), 1)


def choose_thresholds(likely: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the threshold of each label of GoEmotions that has the best F1, infinity for the others."""
    thresholds = np.full(len(LABELS), np.inf)
    for label in range(len(LABELS)):
        if targets[:, label].any():
            tried = np.linspace(0.05, 0.8, 61)
            hits = [((likely[:, label] > t) & (targets[:, label] > 0.5)).sum() for t in tried]
            sizes = [(likely[:, label] > t).sum() + (targets[:, label] > 0.5).sum() for t in tried]
            thresholds[label] = tried[int(np.argmax(2 * np.array(hits) / np.maximum(sizes, 1)))]
    return thresholds


def main() -> None:
    """Train, score and write the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--penalty", type=float, default=0.5)
    parser.add_argument("--output", type=Path, default=Path("models/feeling/words.npz"))
    options = parser.parse_args()
    random = np.random.default_rng(1)
    text = options.data / "text"
    names = (text / "goemotions_labels.txt").read_text(encoding="utf-8").split()
    words, targets, _ = read_comments(text / "goemotions_train.tsv", names)
    phrases, phrase_targets = make_phrases(random, 16_000)
    held = np.append(random.permutation(len(words)) < len(words) // 10, np.zeros(len(phrases), bool))
    is_comment = np.arange(len(held)) < len(words)
    rows = [hash_pieces(one) for one in (*words, *phrases)]
    aims = np.concatenate([targets, phrase_targets])
    # The bucket of a piece that few texts have weighs more; pieces that training never met weigh nothing.
    counts = np.zeros(BUCKETS)
    for one, out in zip(rows, held, strict=True):
        if not out:
            counts[np.unique(one)] += 1
    rarity = np.where(counts > 1, np.log(len(rows) / np.maximum(counts, 1.0)) + 1.0, 0.0).astype(np.float16)
    matrix = make_matrix(rows, rarity)
    table, bias = np.zeros((BUCKETS, len(LABELS))), np.zeros(len(LABELS))
    for column, label in enumerate(LABELS):
        # Comments say nothing of contempt and tiredness, which GoEmotions lacks, but they are mostly something else.
        counted = np.where(is_comment, 1.0 if label in EKMAN else 0.15, 1.0) * ~held
        table[:, column], bias[column] = fit_label(matrix, aims[:, column], counted, options.penalty)
        print(label, "fitted", flush=True)
    scale = np.abs(table).max(0) / 127.0
    whole = np.rint(table / scale).astype(np.int8)
    write_model(whole, scale, bias, rarity, words, phrases, options.output)

    def score(which: np.ndarray | Any) -> np.ndarray:
        return 1.0 / (1.0 + np.exp(-(which @ (whole * scale) + bias)))

    thresholds = choose_thresholds(score(matrix[np.flatnonzero(held)]), aims[held])
    dev_words, dev_targets, _ = read_comments(text / "goemotions_dev.tsv", names)
    scores = f_scores(score(make_matrix([hash_pieces(one) for one in dev_words], rarity)), dev_targets, thresholds)
    print("development:", {label: round(float(scores[LABELS.index(label)]), 3) for label in EKMAN})
    print("macro F1", round(float(np.mean([scores[LABELS.index(label)] for label in EKMAN])), 4))


def write_model(
    table: np.ndarray,
    scale: np.ndarray,
    bias: np.ndarray,
    rarity: np.ndarray,
    words: list[list[str]],
    phrases: list[list[str]],
    path: Path,
) -> None:
    """Write the weights, the table in whole numbers of 8 bits, and the words that it has met at least twice."""
    counts: dict[str, int] = {}
    for one in words:
        for word in one:
            counts[word] = counts.get(word, 0) + 1
    known = sorted({word for word, count in counts.items() if count > 1} | {word for one in phrases for word in one})
    arrays: dict[str, Any] = {
        "table": table,
        "scale": scale.astype(np.float32),
        "bias": bias.astype(np.float32),
        "rarity": rarity,
        "vocabulary": np.frombuffer("\n".join(known).encode("ascii"), np.uint8),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {len(known)} words")


if __name__ == "__main__":
    main()
