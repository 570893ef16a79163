# SPDX-License-Identifier: GPL-3.0-or-later
"""Exact phones of a scratch voice: kept in its file, and used in place of hearing."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest
from voxrig.animation.face.phones import SILENCE, TimedPhone
from voxrig.inference import espeak
from voxrig.inference.audio import read_sound
from voxrig.inference.package import find_model
from voxrig.inference.spoken import add_phones, read_phones
from voxrig.takes.record import SoundFile
from voxrig.takes.scripting import find_words
from voxrig.takes.settings import TakeSettings

TEXT = "Maybe five big pumpkins before the storm"


def spoken_file(phones: bool = True) -> tuple[bytes, tuple[TimedPhone, ...]]:
    sound, rate, known = espeak.speak(TEXT, "en", words_per_minute=175)
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(sound.astype("<i2").tobytes())
    return (add_phones(made.getvalue(), known) if phones else made.getvalue()), known


def test_phones_come_back_from_the_file_and_from_a_part_of_it() -> None:
    data, known = spoken_file()
    found = read_phones(data)
    assert found is not None and [phone.phone for phone in found] == [phone.phone for phone in known]
    assert np.abs([a.start - b.start for a, b in zip(found, known, strict=True)]).max() < 1e-4
    part = read_phones(data, 0.5, 1.0)
    assert part is not None and part[0].start >= 0.0 and part[-1].end <= 1.0 + 1e-9
    inside = [phone for phone in known if phone.end > 0.5 and phone.start < 1.5]
    assert [phone.phone for phone in part] == [phone.phone for phone in inside]
    plain, _ = spoken_file(phones=False)
    data = add_phones(plain, known)
    with wave.open(io.BytesIO(data)) as one, wave.open(io.BytesIO(plain)) as other:
        assert one.readframes(10**9) == other.readframes(10**9)
    assert read_sound(data, 16000).duration_seconds == pytest.approx(read_sound(plain, 16000).duration_seconds)


WRONG = (b"[[1]]", b'[["QQ",0,1,0]]', b'[["P",0,1e999,0]]', b"{", b"[" * 100_000, b'[["P","a",1,0]]')


@pytest.mark.parametrize("damage", WRONG, ids=range(len(WRONG)))
def test_a_file_that_does_not_tell_is_heard(damage: bytes, tmp_path: Path) -> None:
    plain, _ = spoken_file(phones=False)
    assert read_phones(plain) is None
    wrong = plain + b"vxph" + len(damage).to_bytes(4, "little") + damage
    assert read_phones(wrong) is None
    assert read_phones(b"") is None and read_phones(b"RIFF") is None
    assert read_phones(str(tmp_path / "missing.wav")) is None and read_phones(str(tmp_path)) is None


def test_the_words_of_a_scratch_voice_are_exactly_where_it_says_them(tmp_path: Path) -> None:
    errors = {}
    for name, with_phones in (("exact", True), ("heard", False)):
        data, known = spoken_file(with_phones)
        path = tmp_path / f"{name}.wav"
        path.write_bytes(data)
        heard = find_words(SoundFile(str(path)), find_model("speech_fast"), TakeSettings(script=TEXT, provider="CPU"))
        times = np.array([phone.start for phone in known if phone.phone != SILENCE])
        starts = [phone.start for word in heard.words for phone in word.phones]
        errors[name] = float(np.mean([np.abs(times - start).min() > 0.001 for start in starts]))
        assert heard.script_fit > 0.8
    assert errors["exact"] < 0.1 < 0.5 < errors["heard"], errors
