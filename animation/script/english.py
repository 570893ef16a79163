# SPDX-License-Identifier: GPL-3.0-or-later
"""How English words are said: the CMU Pronouncing Dictionary, rules for endings and initials, and a net for the rest."""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from .alignment import Pronunciation
from .letters import letter_net

MOST_VARIANTS = 6
"""Pronunciations of one written word."""

Dictionary = Mapping[str, tuple[Pronunciation, ...]]
"""An artist's own pronunciations by word in lower case."""


@functools.cache
def _entries() -> bytes:
    """Return the dictionary as text, a line for each word: it is searched as it is, which costs 4 MB instead of 100."""
    return gzip.decompress(Path(__file__).with_name("english.txt.gz").read_bytes())


@functools.cache
def english_data() -> dict[str, Any]:
    """Return the contents of ``english.json``: abbreviations, hesitations, signs and reduced forms."""
    return json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))


def parse_sounds(text: str) -> Pronunciation:
    """Read sounds such as 'K AE1 T'."""
    return tuple((sound.rstrip("012"), int(sound[-1]) if sound[-1].isdigit() else 0) for sound in text.split())


@functools.lru_cache(maxsize=65536)
def look_up(word: str) -> tuple[Pronunciation, ...]:
    """Return the pronunciations of a word in lower case by the dictionary, none if it is unknown."""
    extra = english_data()["words"].get(word)
    found: list[Pronunciation] = [parse_sounds(one) for one in extra or ()]
    key = b"\n" + word.encode() + b"\t"
    at = _entries().find(key)
    if at >= 0 and "\t" not in word and "\n" not in word:
        line = _entries()[at + len(key) : _entries().index(b"\n", at + 1)].decode()
        found += [one for one in map(parse_sounds, line.split("\t")) if one not in found]
    return tuple(found)


def pronounce_english(word: str, own: Dictionary | None = None) -> tuple[Pronunciation, ...]:
    """Return the pronunciations of one spoken word, the usual one first; none for what has no letters."""
    bare = word.replace("\u2019", "'").strip("'").lower()
    if own and bare in own:
        return own[bare]
    known = look_up(word.replace("\u2019", "'").lower()) or look_up(bare)
    if known:
        return known
    if not bare:
        return ()
    if _is_initials(word):
        return tuple(_join([look_up(f"{letter}.")[:1] for letter in bare if letter.isalpha()]))
    for split in _splits(bare):
        parts = [(own or {}).get(part) or look_up(part) for part in split]
        if all(parts):
            return tuple(_join(parts))
    ended = _with_ending(bare)
    if ended:
        return ended
    return (parse_sounds(" ".join(letter_net().pronounce(_plain_letters(bare)))),)


def _is_initials(word: str) -> bool:
    letters = [letter for letter in word if letter.isalpha()]
    return 1 < len(letters) <= 5 and all(letter.isupper() and letter.isascii() for letter in letters)


def _plain_letters(word: str) -> str:
    import unicodedata

    replaced = "".join(english_data()["letters"].get(letter, letter) for letter in word)
    return "".join(c for c in unicodedata.normalize("NFD", replaced) if c.isascii() and (c.isalpha() or c == "'"))


def _join(parts: list[tuple[Pronunciation, ...]]) -> Iterator[Pronunciation]:
    for number, chosen in enumerate(product(*parts)):
        if number == MOST_VARIANTS:
            return
        yield tuple(sound for part in chosen for sound in part)


def _splits(word: str) -> Iterator[list[str]]:
    """Split a compound in two known words of three letters or more, the longest first part first."""
    for place in range(len(word) - 3, 2, -1):
        yield [word[:place], word[place:]]


_VOICELESS = frozenset(("P", "T", "K", "F", "TH"))
_SIBILANT = frozenset(("S", "Z", "SH", "ZH", "CH", "JH"))


def _with_ending(word: str) -> tuple[Pronunciation, ...]:
    """Say a known word with an ending that the dictionary lacks: 's, s, es, 'd, ed, ing, in'."""
    for ending in ("'s", "s'", "es", "s", "'d", "ed", "ing", "in'", "in", "'ll", "'ve", "'re"):
        if not word.endswith(ending) or len(word) - len(ending) < 2:
            continue
        stem = word[: -len(ending)]
        for base in (stem, stem + "e", stem[:-1] if stem[-1:] == stem[-2:-1] else stem):
            known = look_up(base)
            if known:
                return tuple(one + _ending_of(ending, one[-1][0]) for one in known)
    return ()


def _ending_of(ending: str, last: str) -> Pronunciation:
    if ending in ("'s", "s'", "es", "s"):
        if last in _SIBILANT:
            return (("IH", 0), ("Z", 0))
        return (("S", 0),) if last in _VOICELESS else (("Z", 0),)
    if ending in ("'d", "ed"):
        if last in ("T", "D"):
            return (("IH", 0), ("D", 0))
        return (("T", 0),) if last in _VOICELESS | {"S", "SH", "CH"} else (("D", 0),)
    return {
        "ing": (("IH", 0), ("NG", 0)),
        "in'": (("IH", 0), ("N", 0)),
        "in": (("IH", 0), ("N", 0)),
        "'ll": (("AH", 0), ("L", 0)),
        "'ve": (("AH", 0), ("V", 0)),
        "'re": (("ER", 0),),
    }[ending]
