# SPDX-License-Identifier: GPL-3.0-or-later
"""Say a sentence of the demo calmly, shouted and sung: ``python -m voxrig.tools.demo.make_voices DIR``. Needs PyPI pyworld.

The shout and the song are made of the calm voice (training/corpora/voices.py); they are for films, and not bundled.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ...animation.face.phones import TimedPhone
from ...training.corpora.clips import SAMPLE_RATE
from ...training.corpora.voices import Spoken, as_shout, as_song
from .speech import read_speech

SENTENCE = 2


def make_voices(folder: Path) -> None:
    """Write ``calm.flac``, ``shouted.flac`` and ``sung.flac`` into ``folder``."""
    import soundfile

    speech = read_speech()
    sentence = speech.sentences[SENTENCE]
    sound, _ = soundfile.read(speech.sound, dtype="float32")
    phones = [
        TimedPhone(phone.text, phone.start - sentence.start, phone.end - sentence.start)
        for phone in speech.phones
        if sentence.start <= phone.middle < sentence.end
    ]
    calm = Spoken(sound[round(sentence.start * SAMPLE_RATE) : round(sentence.end * SAMPLE_RATE)], phones)
    random = np.random.default_rng(1)
    folder.mkdir(parents=True, exist_ok=True)
    for name, spoken in (("calm", calm), ("shouted", as_shout(calm, random)), ("sung", as_song(calm, random))):
        loudest = max(float(np.abs(spoken.samples).max()), 1e-6)
        soundfile.write(folder / f"{name}.flac", spoken.samples * (0.7 / loudest), SAMPLE_RATE, subtype="PCM_16")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    make_voices(parser.parse_args().folder)
