# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m voxrig.training.corpora.languages``: write animation/face/languages.json from the phones of the training clips.

Successive phones are counted in English and in all other languages of the cache, each of which has the same weight. Both
tables are conditional probabilities, drawn towards the phones' own frequencies where a pair is rare (as if each phone had
been seen ``PRIOR`` more times, followed by any phone in proportion to its frequency); their log ratio is stored.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...animation.face.phones import PHONE_INDEX, PHONES, SILENCE
from .clips import Clip, load_clips

OUTPUT = Path(__file__).resolve().parents[2] / "animation" / "face" / "languages.json"
PRIOR = 20.0
OTHERS_WEIGH = 280_000.0
"""Number of pairs that all other languages together count as."""


def count_pairs(clips: Iterable[Clip]) -> dict[str, NDArray[np.float64]]:
    """Count by language how often the second phone follows the first, ``[phone, phone]``, across silences, without
    repetitions."""
    counts: dict[str, NDArray[np.float64]] = {}
    for clip in clips:
        spoken = clip.phone[clip.phone != PHONE_INDEX[SILENCE]].astype(np.int64)
        spoken = spoken[np.diff(spoken, prepend=-1) != 0]
        table = counts.setdefault(clip.language, np.zeros((len(PHONES), len(PHONES))))
        np.add.at(table, (spoken[:-1], spoken[1:]), 1.0)
    return {language: np.delete(np.delete(table, PHONE_INDEX[SILENCE], 0), PHONE_INDEX[SILENCE], 1)
            for language, table in counts.items() if table.any()}  # fmt: skip


def log_ratios(counts: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the log of how much likelier the second phone follows the first in English, ``[phone, phone]`` without silence."""
    others = [table / table.sum() for language, table in counts.items() if language != "en"]
    return np.log(_following(counts["en"]) / _following(OTHERS_WEIGH * np.mean(others, axis=0)))


def _following(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    frequency = counts.sum(axis=0) + 1.0
    return (counts + PRIOR * frequency / frequency.sum()) / (counts.sum(axis=1, keepdims=True) + PRIOR)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the table from the cache of clips."""
    parser = argparse.ArgumentParser(prog="voxrig.training.corpora.languages", description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    options = parser.parse_args(arguments)
    counts = count_pairs(clip for clip in load_clips(options.cache) if clip.split == "train")
    rows = np.rint(100 * log_ratios(counts)).astype(int).tolist()
    names = [phone for phone in PHONES if phone != SILENCE]
    about = {
        "made by": "training/corpora/languages.py",
        "pairs": {name: int(table.sum()) for name, table in sorted(counts.items())},
    }
    text = json.dumps({"about": about, "phones": names})[:-1] + ',\n"hundredths": [\n'
    OUTPUT.write_text(text + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]}\n", encoding="utf-8")
    print(f"{OUTPUT}: {', '.join(f'{name} {int(table.sum())}' for name, table in sorted(counts.items()))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
