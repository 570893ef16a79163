# SPDX-License-Identifier: GPL-3.0-or-later
"""Map sounds of the International Phonetic Alphabet to the phones that the model hears; all of it is in ``ipa.json``."""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from pathlib import Path
from typing import Any, cast

from ..face.phones import VOWELS


@functools.cache
def _table() -> dict[str, Any]:
    return json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))


@functools.cache
def _longest() -> int:
    return max(map(len, _table()["sounds"]))


_MANNERS = ("stop", "affricate", "fricative", "flap", "trill", "approximant", "lateral", "nasal")
# How far apart two manners look and sound: a trill is nearest to a flap and that to a short stop.
_MANNER_PLACES = {"stop": 0.0, "affricate": 1.0, "flap": 0.5, "fricative": 2.0, "trill": 1.0, "approximant": 3.0,
                  "lateral": 3.5, "nasal": 5.0}  # fmt: skip


def nearest_phone(features: list[Any]) -> str:
    """Return the phone with the nearest place, manner and rounding. What the lips do weighs most."""

    def distance(other: list[Any]) -> float:
        if (features[0] == "vowel") != (other[0] == "vowel"):
            return 1e3
        if features[0] == "vowel":
            return abs(features[1] - other[1]) + abs(features[2] - other[2]) + 4.0 * abs(features[3] - other[3])
        lips = 6.0 * ((features[0] <= 1) != (other[0] <= 1)) + 6.0 * (features[0] <= 1 and features[0] != other[0])
        manner = abs(_MANNER_PLACES[features[1]] - _MANNER_PLACES[other[1]])
        return lips + abs(features[0] - other[0]) + manner + 0.3 * abs(features[2] - other[2])

    phones: dict[str, list[Any]] = _table()["phones"]
    return min(phones, key=lambda name: distance(phones[name]))


@functools.lru_cache(maxsize=4096)
def _sounds_of(part: str, language: str) -> tuple[str, ...] | None:
    table = _table()
    found = table["languages"].get(language[:2], {}).get(part) or table["sounds"].get(part)
    if found:
        return tuple(found.split())
    features: Any = table["features"].get(part)
    return (nearest_phone(cast("list[Any]", features)),) if isinstance(features, list) else None


def ipa_to_arpabet(token: str, language: str = "en") -> list[str]:
    """Map one token in IPA to phones; empty for a token without sound. Raises ValueError for a letter that is not IPA."""
    phones: list[str] = []
    position = 0
    # A change of language within a text is announced as '(en)'.
    token = re.sub(r"\([a-z-]+\)", "", token)
    while position < len(token):
        for length in range(min(_longest(), len(token) - position), 0, -1):
            found = _sounds_of(token[position : position + length], language)
            if found:
                phones.extend(found)
                position += length
                break
        else:
            letter = token[position]
            if letter not in _table()["modifiers"] and not unicodedata.category(letter).startswith(("M", "Sk", "P", "Lm")):
                raise ValueError(f"IPA {letter!r} in {token!r} is not known")
            position += 1
    return phones


def ipa_to_sounds(text: str, language: str) -> tuple[tuple[str, int], ...]:
    """Map a word in IPA, its tokens separated by '_' or not, to phones with stress; letters that are not IPA are skipped."""
    sounds: list[tuple[str, int]] = []
    stress = 0
    for token in re.findall(r"[ˈˌ]?[^ˈˌ_\s]+", text):
        stress = 1 if token[0] == "ˈ" else 2 if token[0] == "ˌ" else stress
        try:
            phones = ipa_to_arpabet(token, language)
        except ValueError:
            phones = [phone for letter in token for phone in _sounds_of(letter, language) or ()]
        for phone in phones:
            sounds.append((phone, stress if phone in VOWELS else 0))
            stress = 0 if phone in VOWELS else stress
    return tuple(sounds)
