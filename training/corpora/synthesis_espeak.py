# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthesise speech with espeak-ng (formant synthesis) in many voices and languages, with sample-exact phone times.

espeak-ng 1.51 is called through its library. Its phone events have two systematic quirks (seen in its source,
synthesize.c, and measured on its sound), both corrected here: the closure of a voiceless stop is played before the
stop's event, and the event of a vowel after a liquid or nasal comes after the vowel has begun.
"""

from __future__ import annotations

import ctypes
import difflib
import re
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ...animation.face.phones import SILENCE, VOWELS, TimedPhone
from ...animation.script.ipa import ipa_to_arpabet

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

_VOICELESS_STOPS = frozenset(("P", "T", "K", "CH"))
_BEFORE_LATE_VOWELS = frozenset(("L", "R", "M", "N", "NG"))


class _Union(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Union),
    )


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
_PHONE_EVENT = 7
_RATE, _PITCH = 1, 3
_pieces: list[NDArray[np.int16]] = []
_events: list[tuple[int, str]] = []


@_CALLBACK
def _receive(wave, count: int, events) -> int:
    """Receive sound and its events from the library; returns 0 to continue."""
    if wave and count > 0:
        _pieces.append(np.ctypeslib.as_array(wave, shape=(count,)).copy())
    index = 0
    while events[index].type:
        if events[index].type == _PHONE_EVENT:
            _events.append((events[index].sample, bytes(events[index].id.string).decode("utf-8", "ignore")))
        index += 1
    return 0


@cache
def _espeak() -> tuple[ctypes.CDLL, int]:
    """Load the library; returns it and its sample rate. Raises OSError if espeak-ng is not installed."""
    library = ctypes.CDLL("libespeak-ng.so.1")
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    # Synchronous sound to the callback; phone events, in IPA, and no exit of the process on errors.
    rate = library.espeak_Initialize(2, 0, None, 0x1 | 0x2 | 0x8000)
    if rate <= 0:
        raise OSError("espeak-ng cannot be initialised")
    library.espeak_SetSynthCallback(_receive)
    return library, rate


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


def _select(voice: str) -> tuple[ctypes.CDLL, int]:
    library, rate = _espeak()
    # An unknown name silently keeps the last voice unless the return value is checked.
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ValueError(f"espeak-ng has no voice {voice!r}")
    return library, rate


def phonemes(text: str, voice: str) -> list[list[str]]:
    """Transcribe a text in the language of a voice into IPA tokens per word, with stress marks."""
    library, _ = _select(voice)
    buffer = ctypes.create_string_buffer(text.encode("utf-8"))
    position = ctypes.c_void_p(ctypes.addressof(buffer))
    words: list[list[str]] = []
    while position.value is not None:
        clause = library.espeak_TextToPhonemes(ctypes.byref(position), 1, 0x2 | (ord("_") << 8))
        # Foreign words appear as '(en)...(de)'.
        for word in re.sub(r"\([a-z-]+\)", "", clause.decode("utf-8", "ignore")).split():
            tokens = [token for token in word.split("_") if token]
            if tokens:
                words.append(tokens)
    return words


def _stress_of_events(tokens: list[str], text: str, voice: str) -> list[int]:
    """Find the stress of each event by matching the events with the transcription, which has it."""
    marked = [token for word in phonemes(text, voice) for token in word]
    bare = [token.replace("ˈ", "").replace("ˌ", "") for token in marked]
    stresses = [0] * len(tokens)
    for first, second, size in difflib.SequenceMatcher(None, tokens, bare, autojunk=False).get_matching_blocks():
        for offset in range(size):
            token = marked[second + offset]
            stresses[first + offset] = 1 if "ˈ" in token else 2 if "ˌ" in token else 0
    return stresses


def _correct(phones: list[TimedPhone], sound: NDArray[np.int16], rate: int, klatt: bool) -> list[TimedPhone]:
    """Apply the two corrections of the module's docstring; neighbours yield or gain the time."""
    block = max(1, rate // 1000)
    count = len(sound) // block
    envelope = np.abs(sound[: count * block].astype(np.int32)).reshape(count, block).max(axis=1)
    quiet = envelope < 0.03 * max(1, int(envelope.max()))
    starts = [phone.start for phone in phones]
    for index in range(1, len(phones)):
        before, phone = phones[index - 1], phones[index]
        earliest = starts[index - 1] + 0.015
        if phone.phone in _VOICELESS_STOPS and before.phone != SILENCE:
            at = min(int(phone.start * 1000), count)
            while at > 0 and quiet[at - 1] and phone.start - (at - 1) / 1000 < 0.07:
                at -= 1
            starts[index] = max(earliest, min(phone.start, at / 1000))
        elif phone.phone in VOWELS and before.phone in _BEFORE_LATE_VOWELS:
            starts[index] = min(phone.start, max(earliest, phone.start - (0.010 if klatt else 0.023)))
    ends = [*starts[1:], phones[-1].end]
    return [TimedPhone(p.phone, s, e, p.stress) for p, s, e in zip(phones, starts, ends, strict=True)]


def say(
    text: str, voice: str, *, words_per_minute: int = 175, pitch: int = 50
) -> tuple[NDArray[np.int16], int, list[TimedPhone]]:
    """Speak a text: int16 samples, their rate and the phones. ``voice`` is like 'en-us+klatt2'; pitch is 0..99.

    Raises ValueError for an unknown voice, unknown sounds or text without sound.
    """
    library, rate = _select(voice)
    language = voice.rpartition("/")[2][:2].lower()
    library.espeak_SetParameter(_RATE, words_per_minute, 0)
    library.espeak_SetParameter(_PITCH, pitch, 0)
    _pieces.clear()
    _events.clear()
    data = text.encode("utf-8")
    library.espeak_Synth(data, len(data) + 1, 0, 0, 0, 1, None, None)
    library.espeak_Synchronize()
    if not _pieces or not _events:
        raise ValueError(f"espeak-ng says nothing for {text!r}")
    sound = np.concatenate(_pieces)
    events = list(_events)
    stresses = _stress_of_events([token for _, token in events], text, voice)
    phones: list[TimedPhone] = []
    for index, ((sample, token), stress) in enumerate(zip(events, stresses, strict=True)):
        start = sample / rate
        end = (events[index + 1][0] if index + 1 < len(events) else len(sound)) / rate
        names = ipa_to_arpabet(token, language) or [SILENCE]
        # The first part of a compound sound is the longer one.
        edges = np.linspace(0.0, 1.0, len(names) + 1) ** 0.75
        marked = False
        for name, low, high in zip(names, edges[:-1], edges[1:], strict=True):
            takes = name in VOWELS and not marked
            marked = marked or takes
            begin, finish = start + (end - start) * low, start + (end - start) * high
            phones.append(TimedPhone(name, float(begin), float(finish), stress if takes else 0))
    phones = [phone for phone in phones if phone.end > phone.start]
    return sound, rate, _correct(phones, sound, rate, "klatt" in voice)
