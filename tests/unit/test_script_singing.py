# SPDX-License-Identifier: GPL-3.0-or-later
"""Lyrics: vowels held for seconds over music belong to their words, and the mouth stays open in them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from voxrig.animation.face.lips import lip_gap
from voxrig.animation.face.phones import TimedPhone
from voxrig.inference.espeak import speak
from voxrig.inference.package import find_model
from voxrig.takes.record import SoundFile
from voxrig.takes.scripting import find_words
from voxrig.takes.settings import TakeSettings

LYRICS = "My mother loves a summer morning"
HELD_SECONDS = {0: 2.0, 3: 2.6, 7: 3.2}
"""How long vowels are held, by the number of the vowel."""
VOWELS = ("AY", "AH", "ER", "UH", "IY", "AO", "IH", "AX")


def hold(sound: NDArray[np.float64], rate: int, at: float, seconds: float) -> NDArray[np.float64]:
    """Return two periods around a second of a sound, repeated for some seconds with vibrato, as a singer holds a note."""
    middle = round(at * rate)
    near = sound[middle - rate // 50 : middle + rate // 25]
    lags = np.arange(rate // 400, rate // 70)
    period = int(lags[np.argmax([np.dot(near[: rate // 50], near[lag : lag + rate // 50]) for lag in lags])])
    grain = sound[middle - period : middle + period] * np.hanning(2 * period)
    held = np.zeros(round(seconds * rate) + 3 * period)
    place = 0.0
    while place < seconds * rate:
        held[round(place) : round(place) + 2 * period] += grain
        place += period * (1.0 + 0.03 * np.sin(2 * np.pi * 5.5 * place / rate))
    return held[: round(place)]


def sing(path: Path) -> list[TimedPhone]:
    """Write the lyrics sung over a chord; returns the phones with their times."""
    sound, rate, phones = speak(LYRICS, "en", words_per_minute=130, pitch=40)
    samples = sound.astype(np.float64) / 32768.0
    parts: list[NDArray[np.float64]] = []
    sung: list[TimedPhone] = []
    at = done = 0.0
    vowel = 0
    for phone in phones:
        length = phone.end - phone.start
        extra = 0.0
        if phone.stress or phone.phone in VOWELS:
            if vowel in HELD_SECONDS:
                middle = 0.5 * (phone.start + phone.end)
                note = hold(samples, rate, middle, HELD_SECONDS[vowel])
                parts += [samples[round(done * rate) : round(middle * rate)], note]
                done, extra = middle, note.size / rate
            vowel += 1
        sung.append(TimedPhone(phone.phone, at, at + length + extra, phone.stress))
        at += length + extra
    song = np.concatenate([*parts, samples[round(done * rate) :]])
    seconds = np.arange(song.size) / rate
    chord = sum(np.sin(2 * np.pi * hertz * seconds) for hertz in (130.8, 164.8, 196.0, 261.6))
    chord *= np.std(song) * 10 ** (-8 / 20) / np.std(chord)
    soundfile.write(path, 0.8 * (song + chord) / np.abs(song + chord).max(), rate)
    return sung


def sing_alone(path: Path) -> list[TimedPhone]:
    """Sing in a process of its own: espeak-ng's sound depends on what it has said before in the same one."""
    tests = Path(__file__).parents[1]
    program = (
        f"import json, sys; from pathlib import Path; sys.path[:0] = [{str(tests)!r}, {str(tests / 'unit')!r}]\n"
        f"import conftest; from test_script_singing import sing\n"
        f"print(json.dumps([[p.phone, p.start, p.end, p.stress] for p in sing(Path({str(path)!r}))]))"
    )
    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    return [TimedPhone(*phone) for phone in json.loads(printed)]


def test_held_vowels_belong_to_their_words_and_are_open(tmp_path: Path) -> None:
    sung = sing_alone(tmp_path / "song.wav")
    heard = find_words(SoundFile(str(tmp_path / "song.wav")), find_model(None), TakeSettings(script=LYRICS, provider="CPU"))
    assert heard.script_fit > 0.8
    found = [phone for word in heard.words for phone in word.phones if phone.end - phone.start > 1.5]
    held = [phone for phone in sung if phone.end - phone.start > 1.5]
    assert len(held) == len(HELD_SECONDS) == len(found)
    seconds = heard.curves.start_seconds + np.arange(heard.curves.frame_count) / heard.curves.frame_rate
    gap = lip_gap(heard.curves.values, heard.curves.names)
    for note, vowel in zip(found, held, strict=True):
        assert note.start == pytest.approx(vowel.start, abs=0.15) and note.end == pytest.approx(vowel.end, abs=0.2)
        inside = gap[(seconds > vowel.start + 0.1) & (seconds < vowel.end - 0.1)]
        assert inside.min() > 0.25, "the lips stay apart through the whole note"
    starts = {word.text: word.start for word in heard.words}
    for word, phone in (("mother", 2), ("summer", 11), ("morning", 15)):
        assert starts[word] == pytest.approx(sung[phone].start, abs=0.08)
