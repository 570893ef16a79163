# SPDX-License-Identifier: GPL-3.0-or-later
"""Aligned words as text for other programs: CSV, Praat's TextGrid and SRT subtitles."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from ..face.phones import TimedPhone

EXPORT_ENDINGS = (".csv", ".textgrid", ".srt")

_LONGEST_SUBTITLE = 80
_LONGEST_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A written word in the sound: seconds from the sound's start, and how surely it is said there, 0..1.

    ``ends`` is the sign that closes a phrase after it. ``phones`` are those that it was found by.
    """

    text: str
    start: float
    end: float
    confidence: float
    phones: tuple[TimedPhone, ...] = ()
    ends: str = ""
    is_emphasised: bool = False


def write_words_csv(words: Sequence[SpokenWord]) -> str:
    """Return a row for each word: start, end, word, confidence."""
    rows = [(f"{w.start:.3f}", f"{w.end:.3f}", w.text, f"{w.confidence:.2f}") for w in words]
    return _csv(("start", "end", "word", "confidence"), rows)


def write_phones_csv(words: Sequence[SpokenWord]) -> str:
    """Return a row for each phone that is said: start, end, phone, its word, confidence."""
    rows = [(f"{p.start:.3f}", f"{p.end:.3f}", p.phone, w.text, f"{w.confidence:.2f}") for w in words for p in w.phones]
    return _csv(("start", "end", "phone", "word", "confidence"), rows)


def _csv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()


def write_textgrid(words: Sequence[SpokenWord], duration: float) -> str:
    """Return Praat's TextGrid with the tiers 'words' and 'phones'; words that are not said are left out."""
    said = [word for word in words if word.confidence > 0.0]
    tiers = (
        ("words", [(w.start, w.end, w.text) for w in said]),
        ("phones", [(p.start, p.end, p.phone) for w in said for p in w.phones]),
    )
    duration = max([duration, *(word.end for word in said)])
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {duration:.4f}",
             "tiers? <exists>", f"size = {len(tiers)}", "item []:"]  # fmt: skip
    for number, (name, spans) in enumerate(tiers, 1):
        filled = _fill(spans, duration)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"', "        xmin = 0",
                  f"        xmax = {duration:.4f}", f"        intervals: size = {len(filled)}"]  # fmt: skip
        for place, (start, end, text) in enumerate(filled, 1):
            escaped = text.replace('"', '""')
            lines += [f"        intervals [{place}]:", f"            xmin = {start:.4f}", f"            xmax = {end:.4f}",
                      f'            text = "{escaped}"']  # fmt: skip
    return "\n".join(lines) + "\n"


def _fill(spans: Sequence[tuple[float, float, str]], duration: float) -> list[tuple[float, float, str]]:
    """Fill the gaps between spans with empty ones; a tier has no gaps and no overlaps."""
    filled: list[tuple[float, float, str]] = []
    now = 0.0
    for start, end, text in spans:
        start = max(start, now)
        if end - start < 1e-4:
            continue
        if start - now > 1e-4:
            filled.append((now, start, ""))
        filled.append((start if start - now > 1e-4 else now, end, text))
        now = end
    if duration - now > 1e-4 or not filled:
        filled.append((now, duration, ""))
    return filled


def write_srt(words: Sequence[SpokenWord]) -> str:
    """Return SRT subtitles: a sentence each, or less where it is long."""
    blocks: list[list[SpokenWord]] = [[]]
    for word in words:
        block = blocks[-1]
        length = sum(len(one.text) + 1 for one in block) + len(word.text)
        if block and (
            block[-1].ends in tuple(".!?")
            or length > _LONGEST_SUBTITLE
            or word.end - block[0].start > _LONGEST_SECONDS
            or word.start - block[-1].end > 1.0
        ):
            blocks.append([])
        blocks[-1].append(word)
    lines: list[str] = []
    for number, block in enumerate((block for block in blocks if block), 1):
        text = " ".join(word.text + word.ends for word in block)
        lines += [str(number), f"{_stamp(block[0].start)} --> {_stamp(block[-1].end)}", text, ""]
    return "\n".join(lines)


def _stamp(seconds: float) -> str:
    thousandths = round(max(seconds, 0.0) * 1000)
    return (
        f"{thousandths // 3_600_000:02}:{thousandths // 60_000 % 60:02}:{thousandths // 1000 % 60:02},{thousandths % 1000:03}"
    )
