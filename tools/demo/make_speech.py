# SPDX-License-Identifier: GPL-3.0-or-later
"""Record the demo's sentences again: ``python -m voxrig.tools.demo.make_speech``. Needs flite's libraries (Debian: libflite1).

The result is bundled, so the demo itself does not need flite. Beside the sound is a JSON file with the sentences, words and
phones that the engine spoke, with their times in seconds.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ...animation.face.phones import SILENCE, TimedPhone
from ...training.corpora.synthesis_flite import pronounce, say
from .speech import SPEECH_FOLDER

VOICE = "slt"
STRETCH = 1.08
SENTENCES = (
    "Bob's mum made a big pumpkin pie for the baby bumblebee.",
    "Vivian waved goodbye to five very fluffy wolves.",
    "Our father saw a far star fall out of the dark.",
)
PAUSE_SECONDS = 0.25
FULL_SCALE = 0.7


def word_times(text: str, phones: list[TimedPhone]) -> list[dict[str, str | float]]:
    """Return start and end of every word, from the number of sounds in the engine's lexicon.

    Raises ValueError if they differ.
    """
    spoken = [phone for phone in phones if phone.phone != SILENCE]
    counts = [len(pronounce(word)) for word in text.split()]
    if sum(counts) != len(spoken):
        raise ValueError(f"{text!r} has {len(spoken)} sounds, its words have {sum(counts)}")
    ends = np.cumsum(counts)
    return [
        {"text": word.strip(".,!?"), "start": spoken[end - count].start, "end": spoken[end - 1].end}
        for word, count, end in zip(text.split(), counts, ends)
    ]


def make_speech(folder: Path) -> None:
    """Write all sentences in turn as one FLAC file and one JSON file in ``folder``."""
    import soundfile

    pieces: list[np.ndarray] = []
    record: dict[str, list[dict[str, str | float]]] = {"sentences": [], "words": [], "phones": []}
    position, rate = 0.0, 16000
    for text in SENTENCES:
        samples, rate, phones = say(text, VOICE, stretch=STRETCH)
        timed: dict[str, list[dict[str, str | float]]] = {
            "sentences": [{"text": text, "start": 0.0, "end": len(samples) / rate}],
            "words": word_times(text, phones),
            "phones": [{"text": phone.phone, "start": phone.start, "end": phone.end} for phone in phones],
        }
        for kind, entries in timed.items():
            for entry in entries:
                start, end = float(entry["start"]) + position, float(entry["end"]) + position
                record[kind].append({"text": entry["text"], "start": round(start, 4), "end": round(end, 4)})
        pause = np.zeros(round(PAUSE_SECONDS * rate))
        pieces += [samples / np.abs(samples).max() * FULL_SCALE, pause]
        position += (len(samples) + len(pause)) / rate
    folder.mkdir(exist_ok=True)
    soundfile.write(folder / "demo.flac", np.concatenate(pieces), rate, subtype="PCM_16")
    lines = ",\n".join(
        f' "{kind}": [\n  ' + ",\n  ".join(map(json.dumps, entries)) + "\n ]" for kind, entries in record.items()
    )
    (folder / "demo.json").write_text(f'{{\n "voice": "flite 2.2, cmu_us_{VOICE}",\n{lines}\n}}\n', encoding="utf-8")
    print(f"{folder}: {position:.2f} s")


if __name__ == "__main__":
    make_speech(SPEECH_FOLDER)
