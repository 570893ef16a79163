# SPDX-License-Identifier: GPL-3.0-or-later
"""A style: what words and smileys ask of a face, as settings that are shown and can be changed."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from .words import EMOTIONS, LABELS, clean_text, find_smileys, load_smileys, load_word_model, split_words

_LEAST_WEIGHT = 0.12
_MOST_FEELINGS = 3
_LEAST_KNOWN = 0.5
_WEIGHT = re.compile(r"([a-z]+) (\d*\.?\d+)")
_USUAL = 0.75
"""Weight of the strongest feeling of a phrase that names no degree."""


@dataclass(frozen=True)
class Style:
    """A style: weights of ``emotions`` 0..1, the strongest first, and factors for settings of a take by field name.

    ``note`` is a sentence where the text was not understood; then everything is neutral.
    """

    emotions: dict[str, float] = field(default_factory=dict[str, float])
    factors: dict[str, float] = field(default_factory=dict[str, float])
    note: str = ""

    def describe(self) -> str:
        """Describe the style in one line: 'tired 0.75, joy 0.4; articulation x 0.85'."""
        feelings = ", ".join(f"{name} {weight:.2g}" for name, weight in self.emotions.items()) or "neutral"
        factors = ", ".join(f"{name.replace('_', ' ')} x {factor:.2g}" for name, factor in self.factors.items())
        return f"{feelings}; {factors}" if factors else feelings


@functools.cache
def _manners() -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(Path(__file__).with_name("styles.json").read_text(encoding="utf-8")))


@functools.lru_cache(maxsize=64)
def read_style(text: str) -> Style:
    """Read a style from a phrase of English words and from smileys; any other text is neutral and says so in ``note``.

    'joy 0.6, surprise 0.2' is taken literally, as ``write_weights`` writes it.
    """
    plain = clean_text(text)
    parts = [_WEIGHT.fullmatch(part.strip()) for part in plain.split(",")]
    if all(part is not None and part[1] in EMOTIONS for part in parts):
        return Style({part[1]: min(float(part[2]), 1.0) for part in parts if part is not None and float(part[2]) > 0.0})
    smileys, words = find_smileys(plain), split_words(plain)
    letters = [word for word in words if word[0].isalpha()]
    if not smileys and not letters:
        return Style(note="" if not plain.strip() else f"'{_short(text)}' says nothing of a feeling; the face stays neutral")
    weights: dict[str, float] = dict.fromkeys(EMOTIONS, 0.0)
    for smiley in smileys:
        for name, weight in load_smileys()[smiley].items():
            weights[name] += weight / len(smileys)
    if not letters:
        return Style(_order(weights))
    model = load_word_model()
    known = sum(word in model.vocabulary for word in letters) / len(letters)
    # Foreign letters are no words at all, so their share counts too.
    foreign = sum(sign.isalpha() and not sign.isascii() for sign in plain)
    english = known * sum(map(len, letters)) / (sum(map(len, letters)) + foreign)
    if english < _LEAST_KNOWN:
        note = "" if smileys else f"'{_short(text)}' is not in a language that styles are read in; the face stays neutral"
        return Style(_order(weights), note=note)
    degree, factors = _read_manner(plain)
    scores = dict(zip(LABELS, model.score(words).tolist(), strict=True))
    strongest = max(scores[name] for name in EMOTIONS)
    if strongest > scores["neutral"]:
        for name in EMOTIONS:
            read = scores[name] * _USUAL / strongest * min(1.0, 0.55 + strongest)
            weights[name] = max(weights[name], min(1.0, degree * read))
    return Style(_order(weights), factors)


def write_weights(emotions: Mapping[str, float]) -> str:
    """Write weights of emotions as a style that ``read_style`` reads back: 'joy 0.6, surprise 0.2'; 'neutral' for none."""
    return ", ".join(f"{name} {weight:.2g}" for name, weight in emotions.items() if weight >= 0.005) or "neutral"


def _read_manner(plain: str) -> tuple[float, dict[str, float]]:
    """Return the degree of the feeling, 1 as usual, and the factors that the words of a phrase ask for."""
    padded = f" {' '.join(split_words(plain.replace('-', ' ')))} "
    degree = 1.0
    factors: dict[str, float] = {}
    for entry in _manners()["manners"]:
        if any(f" {phrase} " in padded for phrase in entry["words"]):
            degree *= entry.get("degree", 1.0)
            for name, factor in entry.get("factors", {}).items():
                factors[name] = round(factors.get(name, 1.0) * factor, 3)
    return degree, factors


def _order(weights: dict[str, float]) -> dict[str, float]:
    """Return the strongest weights, the strongest first, without traces."""
    ordered = sorted(weights.items(), key=lambda item: -item[1])[:_MOST_FEELINGS]
    most = ordered[0][1]
    return {name: round(weight, 2) for name, weight in ordered if weight >= max(_LEAST_WEIGHT, 0.3 * most)}


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= 40 else f"{plain[:37]}..."
