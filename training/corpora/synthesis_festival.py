# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthesise speech with festival's English voices and the engine's own phone times.

One ``festival -b`` process renders a batch into a temporary folder. Corrections of the times were measured against the
sound: the diphone voices are 7 to 15 ms late, the HMM voice 4 ms on average.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...animation.face.phones import VOWELS, TimedPhone
from .synthesis_flite import UNSTRESSED_WORDS, arpabet_of


@dataclass(frozen=True)
class FestivalVoice:
    """A voice: festival's command for it, the talker's sex, mean pitch in Hz (0: cannot be set), time correction."""

    command: str
    gender: str
    pitch_hz: float
    shift_seconds: float
    licence: str
    source: str


VOICES: dict[str, FestivalVoice] = {
    "kal": FestivalVoice("voice_kal_diphone", "M", 105.0, 0.008, "BSD-like (CMU)", "festival 2.5, festvox-kallpc16k"),
    "ked": FestivalVoice("voice_ked_diphone", "M", 105.0, 0.008, "BSD-like (CMU)", "festival 2.5, festvox-kdlpc16k"),
    "slt_hts": FestivalVoice(
        "voice_cmu_us_slt_arctic_hts", "F", 0.0, 0.004, "BSD-like (CMU, HTS)", "festival 2.5, festvox-us-slt-hts"
    ),
}

# One line per phone: utterance, name, end in seconds, stress of its syllable, word.
_DUMP = """
(define (voxrig_dump number utt)
  (mapcar
    (lambda (seg)
      (format t "PHONE %s %s %f %s %s\\n" number (item.name seg) (item.feat seg 'end)
        (item.feat seg "R:SylStructure.parent.stress") (item.feat seg "R:SylStructure.parent.parent.name")))
    (utt.relation.items utt 'Segment)))
"""


def _quote(text: str) -> str:
    return '"' + text.replace("\\", " ").replace('"', " ") + '"'


def say_all(
    lines: Sequence[str], voice: str, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.int16], int, list[TimedPhone], str] | str]:
    """Speak lines in order, yielding for each (int16 samples, rate, phones, settings), or a sentence about the failure.

    Speed and pitch are drawn per line.
    """
    import soundfile

    described = VOICES[voice]
    with tempfile.TemporaryDirectory() as folder:
        script = [_DUMP, f"({described.command})"]
        if not described.pitch_hz:
            script.append("(set! voxrig_params hts_engine_params)")
        settings: list[str] = []
        for number, line in enumerate(lines):
            stretch, pitch = float(rng.uniform(0.8, 1.25)), float(rng.uniform(0.85, 1.25))
            spread = float(rng.uniform(8.0, 24.0))
            if described.pitch_hz:
                script.append(f"(Parameter.set 'Duration_Stretch {stretch:.3f})")
                script.append(
                    f"(set! int_lr_params '((target_f0_mean {described.pitch_hz * pitch:.1f}) (target_f0_std "
                    f"{spread:.1f}) (model_f0_mean 170) (model_f0_std 34)))"
                )
                settings.append(f"stretch={stretch:.2f};pitch={pitch:.2f}")
            else:
                rate = 1.0 / stretch
                script.append(f'(set! hts_engine_params (append voxrig_params \'(("-r" {rate:.3f}))))')
                settings.append(f"stretch={stretch:.2f}")
            script.append(
                f"(unwind-protect (begin (set! utt1 (utt.synth (Utterance Text {_quote(line)})))"
                f" (utt.save.wave utt1 {_quote(f'{folder}/{number}.wav')} 'riff) (voxrig_dump {number} utt1))"
                f' (format t "FAILED {number}\\n"))'
            )
        path = Path(folder) / "batch.scm"
        path.write_text("\n".join(script), encoding="ascii", errors="ignore")
        finished = subprocess.run(
            ["festival", "-b", str(path)], capture_output=True, text=True, errors="replace", timeout=1800, check=False
        )
        phones: dict[int, list[TimedPhone]] = {}
        for row in finished.stdout.splitlines():
            parts = row.split()
            if len(parts) < 6 or parts[0] != "PHONE":
                continue
            said = phones.setdefault(int(parts[1]), [])
            name = arpabet_of(parts[2])
            begin = said[-1].end if said else 0.0
            stressed = name in VOWELS and parts[4] == "1" and parts[5].lower() not in UNSTRESSED_WORDS
            said.append(TimedPhone(name, begin, float(parts[3]) + described.shift_seconds, int(stressed)))
        for number, line in enumerate(lines):
            sound = Path(folder) / f"{number}.wav"
            if number not in phones or not sound.is_file():
                yield f"cannot say {line!r}"
                continue
            samples, rate = soundfile.read(str(sound), dtype="int16")
            yield samples, rate, phones[number], settings[number]
