# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence of the spoken language: do phones follow one another as in English, for which the list of phones is made?

``languages.json`` is written by ``training.corpora.languages``, which documents the method.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path

FEWEST_PHONES = 16
"""With fewer phones, about two seconds of speech, no verdict is given."""


@functools.cache
def _log_ratios() -> dict[tuple[str, str], float]:
    """Return the log likelihood ratio, English to other languages, of each pair of successive phones (natural logarithm)."""
    table = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    names: list[str] = table["phones"]
    return {
        (first, second): hundredths / 100
        for first, row in zip(names, table["hundredths"], strict=True)
        for second, hundredths in zip(names, row, strict=True)
    }


def english_evidence(phones: Sequence[str]) -> float | None:
    """Return how much likelier ``phones`` are in English than in other languages, as a natural logarithm: negative if less
    likely.

    Returns None if there are too few of them. Phones that are missing from the table, such as silence, are left out.
    """
    ratios = _log_ratios()
    known = [phone for phone in phones if (phone, phone) in ratios]
    if len(known) < FEWEST_PHONES:
        return None
    return sum(ratios[pair] for pair in zip(known, known[1:]) if pair[0] != pair[1])
