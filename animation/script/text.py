# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a written line: its words as they are written, and the marks between them.

====================  =========================================================================================
``[angry 0.6]``       an emotion with its weight (1 if none is given) from here to the next one or ``[neutral]``
``[sad but smiling]`` a style in words or smileys from here to the next one, ``[style]`` or ``[neutral]``; one that
                      begins with no word for an emotion is written ``[style worn out]``
``[look Bob]``        the eyes go to somebody or something
``[nod] [shake]``     the head says yes or no
``[laugh] [sigh]``    the face laughs, sighs or gasps (``[gasp]``), here
``[beat] [pause]``    nothing is said for a moment, here
``[at 1.25]``         the next word begins at this second of the sound
``*word*``            emphasis on one or more words
``(whispers)``        a direction: it is not said
====================  =========================================================================================
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import ScriptError
from ..feeling.words import find_smileys

LONGEST_TEXT = 2_000_000
"""Characters: a novel has a million."""
EMOTIONS = {
    "happy": "joy", "joy": "joy", "joyful": "joy", "glad": "joy", "laughing": "joy", "smiling": "joy", "amused": "joy",
    "sad": "sadness", "sadness": "sadness", "crying": "sadness", "angry": "anger", "anger": "anger", "furious": "anger",
    "annoyed": "anger", "afraid": "fear", "scared": "fear", "fear": "fear", "fearful": "fear", "nervous": "fear",
    "disgusted": "disgust", "disgust": "disgust", "surprised": "surprise", "surprise": "surprise", "amazed": "surprise",
    "contempt": "contempt", "contemptuous": "contempt", "smug": "contempt", "sarcastic": "contempt", "tired": "tired",
    "exhausted": "tired", "sleepy": "tired",
}  # fmt: skip
"""Words for emotions in brackets, with the model's emotion that each means."""
EVENTS = ("look", "nod", "shake", "beat", "pause", "blink", "laugh", "gasp", "sigh")
NEUTRAL = ("neutral", "calm")

_LONGEST_TAG = 200
_TOKEN = re.compile(r"\[[^\[\]\n]{0,200}\]|\([^()\n]{0,400}\)|\*+|[\[\]()]|[^\s\[\]()*]+")
_IDEOGRAPH = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class ScriptWord:
    """A word as it is written, without the signs around it; ``ends`` is the sign that closes a phrase after it, or ''."""

    text: str
    is_emphasised: bool = False
    is_whispered: bool = False
    ends: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark before the word ``before`` (the number of words for one at the end).

    ``kind`` is 'emotion' (``name`` one of the model's or 'neutral', ``amount`` its weight), 'style' (``name`` its words or
    ''), one of EVENTS (``name`` is what is looked at, ``amount`` seconds or size), 'direction' or 'unknown'.
    """

    kind: str
    before: int
    name: str = ""
    amount: float = 1.0


@dataclass(frozen=True)
class Script:
    """A written line: its words and marks in order, and sentences about what was not understood."""

    words: tuple[ScriptWord, ...]
    marks: tuple[Mark, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def plain(self) -> str:
        """The words alone, with the signs that close phrases."""
        return " ".join(word.text + word.ends for word in self.words)

    @property
    def times(self) -> dict[int, float]:
        """The seconds of the sound at which words are set to begin, by their number."""
        return {mark.before: mark.amount for mark in self.marks if mark.kind == "at" and mark.before < len(self.words)}


def parse_line(text: str) -> Script:
    """Read a line with its marks. Raises ScriptError for a text without words or beyond any length."""
    if len(text) > LONGEST_TEXT:
        raise ScriptError(f"The text has {len(text)} characters; give at most {LONGEST_TEXT}, a scene at a time")
    words: list[ScriptWord] = []
    marks: list[Mark] = []
    warnings: list[str] = []
    emphasis = whispered = False
    for match in _TOKEN.finditer(unicodedata.normalize("NFC", text)):
        token = match[0]
        if token[0] == "[" and len(token) > 1:
            marks.append(_read_tag(token[1:-1], len(words), warnings))
        elif token[0] == "(" and len(token) > 1:
            direction = " ".join(token[1:-1].split())
            marks.append(Mark("direction", len(words), direction))
            lowered = direction.lower()
            whispered = lowered.startswith(("whisper", "flüster")) or (
                whispered and not lowered.startswith(("normal", "aloud"))
            )
        elif token in "[]()":
            _warn(warnings, f"A bracket '{token}' in the text has no partner; it is read as if it were not there")
        elif token[0] == "*":
            emphasis = not emphasis
        else:
            for word, ends in _words_of(token):
                words.append(ScriptWord(word, emphasis, whispered, ends))
            if not _has_sound(token) and words and (closing := _closing(token)):
                last = words[-1]
                words[-1] = ScriptWord(last.text, last.is_emphasised, last.is_whispered, last.ends or closing)
    if emphasis:
        _warn(warnings, "An asterisk in the text has no partner; the emphasis runs to the end")
    if not words:
        raise ScriptError("The text has no words; write what is said")
    return Script(tuple(words), tuple(marks), tuple(warnings))


def _has_sound(text: str) -> bool:
    return any(unicodedata.category(letter)[0] in "LN" or letter in "%&@€£$+=°" for letter in text)


def _words_of(token: str) -> list[tuple[str, str]]:
    """Split a token without spaces at long dashes and between ideographs: (word, sign that closes a phrase)."""
    found: list[tuple[str, str]] = []
    for piece in re.split(r"(\u2014|--+|\u2026|\.{2,}|/)", token):
        if not piece:
            continue
        if not _has_sound(piece):
            if found and (closing := _closing(piece)):
                found[-1] = (found[-1][0], found[-1][1] or closing)
            continue
        parts = [piece]
        if _IDEOGRAPH.search(piece):
            parts = [part for part in re.split(r"([\u3400-\u4dbf\u4e00-\u9fff])", piece) if _has_sound(part)]
        for part in parts:
            word = part.strip('"“”„«»‹›‚‘`´,;:!?¿¡。、，！？：；।·_~|<>{}^\\') or part
            word = word.rstrip(".") if word.count(".") == 1 and word.endswith(".") else word
            word = word.strip("'’") if word[:1] in "'’" and word[-1:] in "'’" and len(word) > 2 else word
            found.append((word, _closing(part)))
    return found


def _closing(piece: str) -> str:
    tail = piece.rstrip("\"“”«»'’)")[-1:]
    return {"…": ".", "。": ".", "！": "!", "？": "?", "，": ",", "、": ",", "।": ".", "—": ",", "-": ","}.get(
        tail, tail if tail in ".,;:!?" and tail else ""
    )


def _read_tag(content: str, before: int, warnings: list[str]) -> Mark:
    parts = content.strip().split()
    name = parts[0].lower().rstrip(":=,") if parts else ""
    amount, rest = 1.0, " ".join(parts[1:])
    number = re.fullmatch(r"(?:.*\s)?([\d.]+)\s*(%|s)?", rest) if rest else None
    if number and number[1].count(".") <= 1 and number[1] != ".":
        amount = float(number[1]) / (100.0 if number[2] == "%" else 1.0)
    if name == "style":
        return Mark("style", before, rest)
    if name in NEUTRAL:
        return Mark("emotion", before, "neutral", 0.0)
    if (name in EMOTIONS and re.search(r"[^\W\d_]{2,}", rest)) or find_smileys(content):
        return Mark("style", before, content.strip())
    if name in EMOTIONS:
        if not 0.0 <= amount <= 1.0:
            _warn(warnings, f"The mark '[{content}]' has a weight outside 0 to 1; the nearest of them is used")
        return Mark("emotion", before, EMOTIONS[name], min(max(amount, 0.0), 1.0))
    if name == "at" and number and not number[2]:
        return Mark("at", before, "", amount)
    if name in EVENTS:
        target = rest.removeprefix("at ").removeprefix("to ") if name == "look" else ""
        return Mark(name, before, target, min(amount, 60.0))
    _warn(warnings, f"Nothing is known of the mark '[{content[:60]}]'; it is kept and has no effect")
    return Mark("unknown", before, content)


def _warn(warnings: list[str], sentence: str) -> None:
    if sentence not in warnings and len(warnings) < 20:
        warnings.append(sentence)


def find_writing(text: str) -> str:
    """Return the system of writing of most letters, such as 'Latin' or 'Cyrillic'; '' for a text without letters."""
    counts: Counter[str] = Counter()
    for letter, count in Counter(text).items():
        if letter.isalpha():
            first = unicodedata.name(letter, "?").split()[0].title()
            first = {"Cjk": "Chinese", "Hiragana": "Japanese", "Katakana": "Japanese", "Hangul": "Korean"}.get(first, first)
            counts[first] += count
    if counts["Japanese"]:
        return "Japanese"
    return counts.most_common(1)[0][0] if counts else ""


def find_word_spans(text: str) -> list[tuple[int, int]]:
    """Return where each word of a line begins and ends in its text (NFC), without the signs around it."""
    spans: list[tuple[int, int]] = []
    for match in _TOKEN.finditer(text):
        token = match[0]
        if (token[0] in "[(" and len(token) > 1) or token in "[]()" or token[0] == "*":
            continue
        at = 0
        for word, _ in _words_of(token):
            at = token.index(word, at)
            spans.append((match.start() + at, match.start() + at + len(word)))
            at += len(word)
    return spans


Spans = Sequence[tuple[int, int]]


def replace_word(text: str, index: int, new: str, spans: Spans | None = None) -> str:
    """Return a text with its word number ``index`` replaced; marks and signs stay. Raises ScriptError for no such word.

    ``spans`` are those of its words, by default those of a line. Nothing, signs and brackets are refused as a word.
    """
    start, end = _span_of(text, index, spans)
    new = new.strip()
    if not find_word_spans(new) or re.search(r"[\[\]()*\n]", new):
        raise ScriptError(f"'{new[:40]}' is not a word; write what is said")
    return text[:start] + new + text[end:]


def set_word_time(text: str, index: int, seconds: float, spans: Spans | None = None) -> str:
    """Return a text whose word number ``index`` begins at a second of the sound: with the mark '[at 1.25]' before it.

    Raises ScriptError for no such word.
    """
    start, _ = _span_of(text, index, spans)
    # Signs such as an opening quotation mark and the asterisk of an emphasis stay with the word.
    while start and not text[start - 1].isspace() and text[start - 1] not in "])\u2014":
        start -= 1
    before = re.sub(r"\[at [\d.]+\]\s*$", "", text[:start])
    return f"{before}[at {max(seconds, 0.0):.3f}] {text[start:]}"


def _span_of(text: str, index: int, spans: Spans | None) -> tuple[int, int]:
    known = find_word_spans(text) if spans is None else spans
    if not 0 <= index < len(known):
        raise ScriptError(f"The script has no word number {index + 1}; animate again")
    return known[index]
