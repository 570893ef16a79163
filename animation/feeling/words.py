# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a feeling from words and smileys: 'tired but relieved', 'furious, holding it back', a smiley in any language.

Words, pairs of words and pieces of words are hashed to rows of a table (as fastText does: A. Joulin et al., "Bag of Tricks for
Efficient Text Classification", 2017), weighted by how rare they are, and scored by a linear model. It reads English.
"""

from __future__ import annotations

import functools
import json
import re
import unicodedata
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

EMOTIONS: tuple[str, ...] = ("joy", "sadness", "anger", "fear", "disgust", "surprise", "contempt", "tired")
"""The emotions of the face model, in its order."""
LABELS: tuple[str, ...] = (*EMOTIONS, "neutral")
BUCKETS = 1 << 17
"""Rows of the table of hashed pieces."""
LONGEST_TEXT = 2000
"""Characters that are read; a style is a phrase."""
_MOST_PIECES = 600
_WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*|[!?]+")
_LEAST_KNOWN = 0.5
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_JOINERS = ("\u200d", "\ufe0e", "\ufe0f")


@dataclass(frozen=True, eq=False)
class ReadFeeling:
    """Feelings of a text: weights 0..1 by emotion, the strongest first, and a sentence if it was not understood."""

    emotions: dict[str, float]
    note: str = ""


def clean_text(text: str) -> str:
    """Return the text in lower case and one spelling of each sign, cut to LONGEST_TEXT."""
    plain = unicodedata.normalize("NFKC", text[: 4 * LONGEST_TEXT]).replace("\u2019", "'").lower()
    return "".join(sign for sign in plain if sign.isprintable() or sign in " \n\t" or sign in _JOINERS)[:LONGEST_TEXT]


def split_words(text: str) -> list[str]:
    """Return the English words of a cleaned text, with runs of exclamation and question marks as words."""
    return _WORD.findall(text)


def hash_pieces(words: list[str]) -> NDArray[np.int64]:
    """Return the rows of the table that words, their pairs and their pieces of 3 to 5 letters stand in, ``[piece]``."""
    pieces: list[str] = []
    for index, word in enumerate(words):
        pieces.append(f"w{word}")
        if index:
            pieces.append(f"p{words[index - 1]} {word}")
        edged = f"<{word}>"
        pieces += [edged[at : at + size] for size in (3, 4, 5) for at in range(len(edged) - size + 1)]
    return np.array([zlib.crc32(piece.encode()) % BUCKETS for piece in pieces[:_MOST_PIECES]], np.int64)


def weigh_pieces(rows: NDArray[np.int64], rarity: NDArray[np.floating[Any]]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the rows of a text once each and their weights, whose squares add up to 1, both ``[row]``.

    ``rarity`` ``[bucket]`` is the logarithm of how few texts have a row, 0 for rows that none has.
    """
    unique, counts = np.unique(rows, return_counts=True)
    weights = (1.0 + np.log(counts)) * rarity[unique].astype(np.float64)
    return unique, (weights / max(float(np.sqrt(np.sum(weights**2))), 1e-9)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class WordModel:
    """The weights of the text model: ``table`` int8 ``[bucket, label]`` times ``scale`` ``[label]``, ``bias`` ``[label]``."""

    table: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]
    rarity: NDArray[np.float16]
    vocabulary: frozenset[str]

    def score(self, words: list[str]) -> NDArray[np.float32]:
        """Return the likelihood 0..1 of each of LABELS, ``[label]``; 0 for no words."""
        if not words:
            return np.zeros(len(LABELS), np.float32)
        rows, weights = weigh_pieces(hash_pieces(words), self.rarity)
        scores = weights @ self.table[rows].astype(np.float32) * self.scale + self.bias
        return (1.0 / (1.0 + np.exp(-scores))).astype(np.float32)


@functools.cache
def load_word_model() -> WordModel:
    """Read the text model of ``models/feeling`` (once)."""
    folder = Path(__file__).resolve().parents[2] / "models" / "feeling"
    with np.load(folder / "words.npz", allow_pickle=False) as data:
        arrays: dict[str, Any] = {name: data[name] for name in data.files}
    words = bytes(arrays.pop("vocabulary")).decode("ascii").split("\n")
    return WordModel(vocabulary=frozenset(words), **arrays)


@dataclass(frozen=True)
class Smiley:
    """A smiley: its name in Unicode's CLDR, weights of ``emotions`` 0..1, and the ARKit shapes of its ``pose`` beside them."""

    name: str
    emotions: dict[str, float]
    pose: dict[str, float]


@functools.cache
def load_smiley_faces() -> dict[str, Smiley]:
    """Return every smiley of ``emoji.json``, by its code points without joiners' variants."""
    document = cast("dict[str, Any]", json.loads(Path(__file__).with_name("emoji.json").read_text(encoding="utf-8")))
    return {
        face: Smiley(entry["name"], dict(entry["emotions"]), dict(entry.get("pose", {})))
        for face, entry in document["faces"].items()
    }


@functools.cache
def load_smileys() -> dict[str, dict[str, float]]:
    """Return the feelings of each smiley of ``emoji.json``, by the smiley without joiners' variants."""
    return {face: smiley.emotions for face, smiley in load_smiley_faces().items()}


def find_smileys(text: str) -> list[str]:
    """Return the smileys of a text that have a feeling, longest sequences first; skin tones and variants are left out."""
    known = load_smileys()
    plain = "".join(sign for sign in text if ord(sign) not in _SKIN_TONES and sign not in ("\ufe0e", "\ufe0f"))
    found: list[str] = []
    at = 0
    while at < len(plain):
        size = next((size for size in (3, 2, 1) if plain[at : at + size] in known), 0)
        if size:
            found.append(plain[at : at + size])
        at += max(size, 1)
    return found
