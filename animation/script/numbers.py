# SPDX-License-Identifier: GPL-3.0-or-later
"""Read English numbers aloud: whole and decimal ones, years, ordinals, money, times and long runs of digits."""

from __future__ import annotations

import re

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen"
).split()
_TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
_GROUPS = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
             "twelve": "twelfth"}  # fmt: skip
_MONEY = {"$": ("dollar", "cent"), "\u20ac": ("euro", "cent"), "\u00a3": ("pound", "penny")}
_PATTERN = re.compile(r"([$\u20ac\u00a3])?([+-])?(\d[\d,]*)?((?:[.:]\d+)*)(st|nd|rd|th|s|'s|k|m|bn)?(%|\u00b0)?", re.IGNORECASE)


def read_number(token: str) -> list[list[str]]:
    """Return the ways to say a token with digits, each a list of words; none if it is not a number.

    A year is also read as a plain number and a number of three or four digits also digit by digit.
    """
    match = _PATTERN.fullmatch(token)
    if match is None or not any(letter.isdigit() for letter in token) or len(token) > 40:
        return []
    currency, sign, whole, rest, ending, unit = match.groups()
    digits = (whole or "").replace(",", "")
    before = {"-": ["minus"], "+": ["plus"]}.get(sign or "", [])
    after = {"%": ["percent"], "\u00b0": ["degrees"]}.get(unit or "", [])
    after = {"k": ["thousand"], "m": ["million"], "bn": ["billion"]}.get((ending or "").lower(), []) + after
    if rest and rest.count(":") == 1 and "." not in rest:
        return [before + _time(digits, rest[1:])]
    if rest.count(".") > 1 or ":" in rest:
        return [before + _digits(digits + re.sub(r"\D", "", rest))]
    if currency:
        return [before + _money(currency, digits or "0", rest[1:], after)]
    ways: list[list[str]] = []
    if rest:
        ways.append([*(whole_words(int(digits)) if digits else []), "point", *_digits(rest[1:])])
        if digits:
            ways[0] = [*_plain(digits)[0], "point", *_digits(rest[1:])]
    else:
        ways = _plain(digits)
    if (ending or "").lower() in ("st", "nd", "rd", "th"):
        ways = [ordinal(way) for way in ways[:1]]
    elif (ending or "").lower() in ("s", "'s"):
        ways = [[*way[:-1], _plural(way[-1])] for way in ways]
    return [before + way + after for way in ways]


def whole_words(number: int) -> list[str]:
    """Return a whole number in words: 342 is 'three hundred forty two'."""
    if number < 20:
        return [_SMALL[number]]
    if number < 100:
        return [_TENS[number // 10], *([_SMALL[number % 10]] if number % 10 else [])]
    for size, name in _GROUPS:
        if number >= size:
            left = number % size
            return [*whole_words(number // size), name, *(whole_words(left) if left else [])]
    raise ValueError(f"{number} is negative")


def ordinal(words: list[str]) -> list[str]:
    """Return the ordinal of a number in words."""
    last = words[-1]
    changed = _ORDINALS.get(last) or (last[:-1] + "ieth" if last.endswith("y") else last + "th")
    return [*words[:-1], changed]


def _digits(text: str) -> list[str]:
    return [_SMALL[int(digit)] for digit in text]


def _plain(digits: str) -> list[list[str]]:
    if len(digits) > 15 or (len(digits) > 1 and digits[0] == "0"):
        return [_digits(digits)]
    number = int(digits)
    plain = whole_words(number)
    ways = [plain]
    if number >= 100 and number % 1000 >= 1 and "hundred" in plain and plain[-1] != "hundred":
        place = len(plain) - 1 - plain[::-1].index("hundred")
        ways.append([*plain[: place + 1], "and", *plain[place + 1 :]])
    if len(digits) == 4 and digits[1:] != "000":
        high, low = number // 100, number % 100
        tail = ["hundred"] if low == 0 else ["oh", _SMALL[low]] if low < 10 else whole_words(low)
        way = [*whole_words(high), *tail]
        if 1100 <= number <= 2099 and not 2000 <= number <= 2009:
            ways.insert(0, way)
        else:
            ways.append(way)
    if len(digits) in (3, 4):
        ways.append(_digits(digits))
    return ways


def _time(hours: str, minutes: str) -> list[str]:
    words = whole_words(int(hours or 0))
    value = int(minutes)
    if value == 0:
        return [*words, "o'clock"] if int(hours or 0) <= 12 else [*words, "hundred"]
    return [*words, *(["oh", _SMALL[value]] if value < 10 else whole_words(min(value, 99)))]


def _money(currency: str, digits: str, cents: str, group: list[str]) -> list[str]:
    unit, part = _MONEY[currency]
    words = [*_plain(digits)[0 if len(digits) != 4 else -2 if len(_plain(digits)) > 2 else 0], *group]
    if len(digits) == 4:
        words = [*whole_words(int(digits)), *group]
    words.append(unit if digits == "1" and not group else f"{unit}s")
    if cents and int(cents):
        value = int(cents[:2].ljust(2, "0"))
        plural = "pence" if part == "penny" else f"{part}s"
        words += ["and", *whole_words(value), part if value == 1 else plural]
    return words


def _plural(word: str) -> str:
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}es" if word.endswith("x") else f"{word}s"
