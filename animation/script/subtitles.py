# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the lines of a scene: plain text with speakers ('ANNA: ...'), Fountain screenplays, SRT and VTT subtitles.

Fountain: https://fountain.io/syntax. A character's name stands alone in capitals (or after '@') after an empty line, and what
follows up to the next empty line is said; scene headings, action, notes and transitions are not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import ScriptError
from ...storage.reading import read_bytes
from .text import find_word_spans

LARGEST_SCRIPT = 8 << 20
"""Bytes of a script file."""
SCRIPT_ENDINGS = (".txt", ".fountain", ".srt", ".vtt", ".md")

_SPEAKER = re.compile(r"\s*([^\W\d_][\w .'\u2019#-]{0,40}?)\s*(?:\(([^()]{0,60})\))?\s*:\s+(.*)")
_TIMES = re.compile(
    r"\s*(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})\s*-->\s*(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
)
_HEADING = re.compile(r"\s*(?:INT|EXT|EST|INT\./EXT|INT/EXT|I/E)[. ]", re.IGNORECASE)
_CUE = re.compile(r"\s*(?:@\s*(?P<forced>[^\n(^]+)|(?P<name>[^a-z\n(^]*[A-Z\u00c0-\u00de\u0410-\u042f][^a-z\n(^]*))"
                  r"(?P<extension>\([^()\n]*\)\s*)*\^?\s*$")  # fmt: skip


@dataclass(frozen=True, slots=True)
class ScriptLine:
    """The words of a speaker at a stretch; ``speaker`` is '' if unknown, ``start`` and ``end`` are seconds, None if unknown."""

    text: str
    speaker: str = ""
    start: float | None = None
    end: float | None = None


def read_script_file(path: str | Path) -> str:
    """Return the text of a script file, in UTF-8, UTF-16 or Windows' Western code. Raises ScriptError."""
    try:
        content = read_bytes(path, LARGEST_SCRIPT)
    except OSError as error:
        raise ScriptError(f"The script {path} cannot be read ({error.strerror}); choose another file") from None
    encodings = ("utf-16",) if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise ScriptError(f"The script {path} is not text; save it as UTF-8")


def find_lines(text: str, ending: str = "") -> list[ScriptLine]:
    """Return the lines of a scene. ``ending`` is that of the file's name, '' if the form must be told from the text.

    Raises ScriptError for subtitles without a single line.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    ending = ending.lower()
    if ending in (".srt", ".vtt") or text.lstrip().startswith("WEBVTT") or re.match(r"\s*\d+\n\s*[\d:,. ]+-->", text):
        lines = _read_subtitles(text)
        if not lines:
            raise ScriptError("The subtitles hold no line with times such as 00:00:01,000 --> 00:00:02,500; correct the file")
        return lines
    if ending == ".fountain" or _is_fountain(text):
        return _read_fountain(text)
    return _read_speakers(text)


def write_lines(text: str) -> str:
    """Return a script as plain text: subtitles and screenplays become a line each, 'ANNA: ...'; plain text stays as it is."""
    lines = find_lines(text)
    return _plain(text) if lines == _read_speakers(_plain(text)) else _join_lines(lines)


def _join_lines(lines: Sequence[ScriptLine]) -> str:
    return "\n".join(f"{line.speaker}: {' '.join(line.text.split())}" if line.speaker else line.text for line in lines)


def find_spoken_words(text: str) -> list[tuple[int, int, str]]:
    """Return the words that are said in a plain text (see ``write_lines``): begin and end in the text, and the speaker."""
    found: list[tuple[int, int, str]] = []
    speaker, at = "", 0
    for line in _plain(text).split("\n"):
        match = _SPEAKER.fullmatch(line)
        begin = 0
        if match is not None and _is_name(match[1]):
            speaker, begin = match[1].strip(), match.start(3)
        found += [(at + begin + start, at + begin + end, speaker) for start, end in find_word_spans(line[begin:])]
        at += len(line) + 1
    return found


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def _read_speakers(text: str) -> list[ScriptLine]:
    found: list[ScriptLine] = []
    for line in text.split("\n"):
        match = _SPEAKER.fullmatch(line)
        if match is not None and _is_name(match[1]):
            direction = f"({match[2]}) " if match[2] else ""
            found.append(ScriptLine(direction + match[3].strip(), match[1].strip()))
        elif line.strip() and found:
            found[-1] = ScriptLine(f"{found[-1].text}\n{line.strip()}".strip(), found[-1].speaker)
        elif line.strip():
            found.append(ScriptLine(line.strip()))
    return [line for line in found if line.text.strip()]


def _is_name(text: str) -> bool:
    """Return whether the words before a colon are a speaker: all capitals, or one to three words with capitals."""
    words = text.split()
    return len(words) <= 4 and (text.upper() == text or (len(words) <= 3 and all(word[:1].isupper() for word in words)))


def _is_fountain(text: str) -> bool:
    lines = text.split("\n")
    cues = sum(
        _CUE.match(line) is not None and not lines[i - 1].strip() and bool(lines[i + 1].strip())
        for i, line in enumerate(lines[:-1])
        if i and line.strip() and ":" not in line
    )
    return any(_HEADING.match(line) for line in lines) and cues > 0


def _read_fountain(text: str) -> list[ScriptLine]:
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"\[\[.*?\]\]", "", text, flags=re.DOTALL)
    found: list[ScriptLine] = []
    speaker, said = "", list[str]()
    blank_before = True
    for line in [*text.split("\n"), ""]:
        stripped = line.strip()
        if speaker:
            if stripped:
                said.append(_unmark(stripped))
                continue
            if said:
                found.append(ScriptLine("\n".join(said), speaker))
            speaker, said = "", []
        elif (
            blank_before
            and stripped
            and not _HEADING.match(line)
            and stripped[0] not in "!>=#.~"
            and not stripped.endswith("TO:")
        ):
            match = _CUE.match(line)
            if match is not None:
                speaker = " ".join((match["forced"] or match["name"]).split())
        blank_before = not stripped
    return found


def _unmark(text: str) -> str:
    """Turn Fountain's bold and underlined text into emphasis."""
    return re.sub(r"\*{2,3}|_", "*", text) if text.count("*") or text.count("_") else text


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = parts
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0) + int((fraction or "0").ljust(3, "0")) / 1000


def _read_subtitles(text: str) -> list[ScriptLine]:
    found: list[ScriptLine] = []
    for block in re.split(r"\n\s*\n", text):
        rows = block.strip("\n").split("\n")
        at = next((i for i, row in enumerate(rows) if _TIMES.match(row)), None)
        match = _TIMES.match(rows[at]) if at is not None else None
        if at is None or match is None:
            continue
        start, end = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
        speaker, said = "", list[str]()
        for row in rows[at + 1 :]:
            voice = re.match(r"<v(?:\.[^ >]*)? ([^>]*)>", row)
            speaker = voice[1].strip() if voice else speaker
            row = re.sub(r"<[^>]*>|\{\\[^}]*\}", "", row).strip().lstrip("-\u2013 ").strip()
            named = _SPEAKER.fullmatch(row)
            if named and _is_name(named[1]):
                speaker, row = named[1].strip(), named[3]
            if row:
                said.append(row)
        if said:
            found.append(ScriptLine("\n".join(said), speaker, start, max(start, end)))
    return found


def normal_name(speaker: str) -> str:
    """Return a speaker's name without what stands in brackets, in lower case: 'ANNA (O.S.)' is 'anna'."""
    return " ".join(re.sub(r"\([^)]*\)", "", speaker).split()).casefold()


def lines_of(lines: Sequence[ScriptLine], speaker: str) -> list[ScriptLine]:
    """Return what one speaker says."""
    return [line for line in lines if normal_name(line.speaker) == normal_name(speaker)]


def is_speaker(character: str, name: str, known: Collection[str]) -> bool:
    """Return whether a character's name is that of a speaker: 'Anna.001' or 'rig_anna' speaks the lines of 'anna'.

    ``known`` are the normal names of all speakers.
    """
    plain = normal_name(re.sub(r"\.\d{3}$", "", character))
    if plain in known:
        return plain == name
    return name in plain or not any(other in plain for other in known)


def find_speaker(text: str, character: str) -> str:
    """Return whose lines of a script a character speaks, by its name; '' if only one speaks or nobody of that name."""
    try:
        lines = find_lines(text)
    except ScriptError:
        return ""
    names = {normal_name(line.speaker): line.speaker for line in reversed(lines) if line.speaker}
    plain = normal_name(re.sub(r"\.\d{3}$", "", character))
    if len(names) < 2:
        return ""
    return names.get(plain) or next((names[name] for name in sorted(names, key=len, reverse=True) if name in plain), "")


def read_script(choice: str) -> str:
    """Return the text of a script that is given as the path of a file, or the text itself. Raises ScriptError."""
    looks_like_path = len(choice) < 1000 and "\n" not in choice and choice.lower().endswith(SCRIPT_ENDINGS)
    if not looks_like_path:
        return choice
    text = read_script_file(choice)
    return _join_lines(find_lines(text, Path(choice).suffix)) or text
