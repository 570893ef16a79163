# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether phones follow one another as they do in English, for which the list of phones is made, or as in other languages.

``languages.json`` is written by ``training.corpora.languages``, which also says how it is found.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path

FEWEST_PHONES = 16
"""Of fewer phones nothing is said: about two seconds of speech."""


@functools.cache
def _log_ratios() -> dict[tuple[str, str], float]:
    """For each pair of phones, how much likelier the second comes after the first in English: a natural logarithm."""
    table = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    names: list[str] = table["phones"]
    return {
        (first, second): hundredths / 100
        for first, row in zip(names, table["hundredths"], strict=True)
        for second, hundredths in zip(names, row, strict=True)
    }


def english_evidence(phones: Sequence[str]) -> float | None:
    """How much likelier these ``phones`` are in English than in other languages, as a natural logarithm: below 0 they are not.

    None for too few of them. Phones that the table does not know, such as silence, are left out.
    """
    ratios = _log_ratios()
    known = [phone for phone in phones if (phone, phone) in ratios]
    if len(known) < FEWEST_PHONES:
        return None
    return sum(ratios[pair] for pair in zip(known, known[1:]) if pair[0] != pair[1])
