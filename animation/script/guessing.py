# SPDX-License-Identifier: GPL-3.0-or-later
"""Guess the language of a text in Latin letters by its smallest words, to say so where another one was chosen."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from pathlib import Path

LEAST_WORDS = 4
"""A shorter text may be in any language."""
_LEAST_FOUND, _LEAST_SHARE, _LEAST_LEAD = 3, 0.25, 2.0


@functools.cache
def _common_words() -> dict[str, tuple[str, frozenset[str], frozenset[str]]]:
    table = json.loads(Path(__file__).with_name("common_words.json").read_text(encoding="utf-8"))
    return {
        code: (entry["name"], frozenset(entry["words"].split()), frozenset(entry.get("letters", "")))
        for code, entry in table.items()
        if code != "about"
    }


def guess_other_language(words: Iterable[str], language: str) -> tuple[str, str]:
    """Return the code and the name of the language that a text seems to be in instead of ``language``; ('', '') for none.

    It must have three of the words and a quarter of them at least, and twice as many as ``language`` has. Languages that the
    table lacks, and texts of fewer than four words, are never doubted.
    """
    known = _common_words()
    code = language.lower().replace("_", "-").split("-")[0]
    code = {"nb": "no", "nn": "no"}.get(code, code)
    plain = [word.lower().replace("\u2019", "'") for word in words]
    if code not in known or len(plain) < LEAST_WORDS:
        return "", ""

    def count(common: frozenset[str], letters: frozenset[str]) -> int:
        return sum(word in common or not letters.isdisjoint(word) for word in plain)

    found = {name: count(*rest) for name, (_, *rest) in known.items()}
    best = max(found, key=lambda name: found[name])
    if found[best] < max(_LEAST_FOUND, _LEAST_SHARE * len(plain), _LEAST_LEAD * found[code]):
        return "", ""
    return best, known[best][0]
