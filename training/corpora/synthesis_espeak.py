# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthesise speech with espeak-ng (formant synthesis) in many voices and languages, with sample-exact phone times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...animation.face.phones import TimedPhone
from ...errors import ScriptError
from ...inference import espeak

LICENCE = "synthetic output of espeak-ng (GPL-3.0-or-later program)"

ENGLISH_ACCENTS = (
    "en-us", "en-us", "en-us", "gmw/en", "gmw/en-GB-x-rp", "gmw/en-GB-scotland", "gmw/en-GB-x-gbclan",
    "gmw/en-GB-x-gbcwmd", "gmw/en-029", "gmw/en-US-nyc",
)  # fmt: skip
KLATT_VARIANTS = ("klatt", "klatt2", "klatt3", "klatt4", "klatt5", "klatt6")
# Variants in the order of their score under an acoustic model of real people; the best are drawn three times as often.
GOOD_VARIANTS = (
    "caleb", "adam", "benjamin", "edward", "michel", "miguel", "m6", "Diogo", "Denis", "f5", "f2",
)  # fmt: skip
OTHER_VARIANTS = (
    "Alex", "Gene", "Gene2", "Henrique", "Hugo", "Jacky", "Marco", "Mario", "Michael", "Mike", "Nguyen", "Storm",
    "anika", "announcer", "antonio", "aunty", "belinda", "croak", "david", "ed", "edward2", "f1", "f3", "f4",
    "grandma", "grandpa", "gustave", "iven", "iven2", "iven3", "iven4", "john", "linda", "m1", "m2", "m3", "m4", "m5",
    "m7", "m8", "max", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro", "steph", "steph2", "steph3",
    "victor", "whisper", "whisperf",
)  # fmt: skip


def draw_voice(group: str, rng: np.random.Generator) -> str:
    """Draw a voice name: an English accent with a variant of 'klatt' or 'variants', or a plain language."""
    accent = str(rng.choice(ENGLISH_ACCENTS))
    if group == "klatt":
        return f"{accent}+{rng.choice(KLATT_VARIANTS)}"
    if group == "variants":
        names = GOOD_VARIANTS * 3 + OTHER_VARIANTS
        return f"{accent}+{rng.choice(names)}"
    names = KLATT_VARIANTS * 3 + GOOD_VARIANTS
    return f"{group}+{rng.choice(names)}"


def phonemes(text: str, language: str) -> list[list[str]]:
    """Transcribe a text into IPA tokens per word, with stress marks. Raises ValueError for an unknown language."""
    try:
        words = espeak.transcribe(text, language)
    except ScriptError as error:
        raise ValueError(str(error)) from None
    return [tokens for tokens in ([token for token in word.split("_") if token] for word in words) if tokens]


def say(
    text: str, voice: str, *, words_per_minute: int = 175, pitch: int = 50
) -> tuple[NDArray[np.int16], int, tuple[TimedPhone, ...]]:
    """Speak a text: int16 samples, their rate and the phones. ``voice`` is like 'en-us+klatt2'; pitch is 0..99.

    Raises ValueError for an unknown voice and for text without sound.
    """
    language, _, variant = voice.partition("+")
    try:
        return espeak.speak(text, language, variant=variant, words_per_minute=words_per_minute, pitch=pitch)
    except ScriptError as error:
        raise ValueError(str(error)) from None
