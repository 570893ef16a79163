# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of controls and names in data paths: split, normalise and mirror them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

QUOTED = r'"((?:[^"\\]|\\.)*)"'
"""A regular expression for a double-quoted name in a data path, including its escapes; one group."""

# Words between separators and at changes of case: 'eyeBlink_L' -> eye Blink L, 'ARKitJawOpen' -> AR Kit Jaw Open.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")


def split_words(name: str) -> list[str]:
    """Return the words and numbers of a name in small letters: 'ARKitJawOpen_L' -> ar, kit, jaw, open, l."""
    return [word.lower() for word in _WORD.findall(name)]


def names_in_path(data_path: str) -> list[str]:
    """Return the bracketed, double-quoted names of a data path, escapes included."""
    return re.findall(rf"\[{QUOTED}\]", data_path)


def unescape(name: str) -> str:
    """Return a name of a data path without its escapes."""
    return re.sub(r"\\(.)", r"\1", name)


_SIDES = {"l": "l", "left": "l", "r": "r", "right": "r"}


def normalise_name(name: str) -> str:
    """Reduce a control's name to a form without case and separators, with its side as '.l' or '.r' at the end.

    'eyeBlinkLeft', 'EyeBlink_L', 'eye_blink.l', 'L_eyeBlink' and 'eyeblinkleft' all become 'eyeblink.l'. A name that is only a
    side ('L') stays unchanged, because it is a sound rather than a side.
    """
    words = split_words(name)
    side = ""
    if len(words) > 1:
        for i in (-1, 0):
            if words[i] in _SIDES:
                side = _SIDES[words.pop(i)]
                break
    joined = "".join(words)
    if not side:
        for word in ("left", "right"):
            if len(joined) > len(word):
                if joined.endswith(word):
                    joined, side = joined[: -len(word)], _SIDES[word]
                    break
                if joined.startswith(word):
                    joined, side = joined[len(word) :], _SIDES[word]
                    break
    return f"{joined}.{side}" if side else joined


# Sides as they are written: words that begin or end at a separator or a change of case, words at the end of a name in small
# letters (but not 'bright' or 'cleft'), single letters between separators, and a last capital after a small letter.
_SIDE = re.compile(
    r"(?:Left|Right)(?![a-z])|(?<![A-Za-z])(?:left|right|LEFT|RIGHT)(?![A-Za-z])|(?<![A-Za-z])(?:left|right)(?=[A-Z])"
    r"|(?<=[a-z])(?:(?<!c)left|(?<![bfw])right)$"
    r"|(?:^|(?<=[ ._:|/-]))[LlRr](?=[ ._:|/-]|[A-Z][a-z]|$)|(?<=[a-z])[LR](?=$|[ ._:|/-])"
)
_SIDE_PAIRS = (("left", "right"), ("Left", "Right"), ("LEFT", "RIGHT"), ("l", "r"), ("L", "R"))
_OTHER_SIDE = dict(_SIDE_PAIRS) | {right: left for left, right in _SIDE_PAIRS}


def mirror_name(name: str) -> str:
    """Return the name of the same control on the other side, or ``name`` where it has no side: 'eyeBlink_L' -> 'eyeBlink_R'.

    A name that is only a letter ('L') has no side, because it is a sound.
    """
    return name if len(name) == 1 else _SIDE.sub(lambda match: _OTHER_SIDE[match.group()], name)


def shared_prefix(names: Sequence[str]) -> str:
    """Return the longest prefix up to a separator that at least two and at least half of the names share, or ''."""
    counts = Counter(name[: match.end()] for name in names for match in _SEPARATORS.finditer(name))
    shared = [prefix for prefix, count in counts.items() if count >= 2 and 2 * count >= len(names)]
    return max(shared, key=len, default="")


_SEPARATORS = re.compile(r"(?<=.)[ ._:|/-]+(?=.)")
