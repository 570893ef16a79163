# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's bundled speech: a sound with the sentences, words and phones reported by the speech engine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

SPEECH_FOLDER = Path(__file__).parent / "speech"


@dataclass(frozen=True)
class Timed:
    """A sentence, word or phone (ARPAbet) and its time in the sound, in seconds."""

    text: str
    start: float
    end: float

    @property
    def middle(self) -> float:
        """The instant halfway through."""
        return 0.5 * (self.start + self.end)


@dataclass(frozen=True)
class Speech:
    """A sound and the words spoken in it."""

    sound: Path
    sentences: tuple[Timed, ...]
    words: tuple[Timed, ...]
    phones: tuple[Timed, ...]

    def word_at(self, seconds: float) -> str:
        """Return the word being spoken at ``seconds``, or ''."""
        return next((word.text for word in self.words if word.start <= seconds < word.end), "")


def read_speech(folder: Path = SPEECH_FOLDER) -> Speech:
    """Read the bundled speech."""
    record = json.loads((folder / "demo.json").read_text(encoding="utf-8"))
    kinds = [tuple(Timed(**entry) for entry in record[kind]) for kind in ("sentences", "words", "phones")]
    return Speech(folder / "demo.flac", *kinds)
