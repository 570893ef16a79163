# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of a hundred languages to IPA, and speech, by espeak-ng from the wheel ``espeakng-loader``, called in C.

It is loaded at first use. The library has one state for the whole process, so calls take turns. Two quirks of its phone
events are corrected (seen in its source, synthesize.c, and measured on its sound): the closure of a voiceless stop is played
before the stop's event, and the event of a vowel after a liquid or nasal comes after the vowel has begun.
"""

from __future__ import annotations

import ctypes
import functools
import re
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..animation.face.phones import SILENCE, VOWELS, TimedPhone
from ..animation.script.ipa import ipa_to_arpabet
from ..errors import ScriptError

_VOICES = {"en": "en-us", "zh": "cmn", "pt": "pt", "es": "es", "no": "nb", "fil": "tl"}
"""Codes of languages that espeak-ng knows by another name."""
_PHONE_EVENT = 7
_RATE, _PITCH, _RANGE = 1, 3, 4
_IPA = 0x2
_VOICELESS_STOPS = frozenset(("P", "T", "K", "CH"))
_BEFORE_LATE_VOWELS = frozenset(("L", "R", "M", "N", "NG"))
_turn = threading.RLock()


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
_pieces: list[NDArray[np.int16]] = []
_events: list[tuple[int, str]] = []


def _receive(wave: Any, count: int, events: Any) -> int:
    """Take sound and its events from the library; return 0 to continue."""
    if wave and count > 0:
        _pieces.append(np.ctypeslib.as_array(wave, shape=(count,)).copy())
    index = 0
    while events[index].type:
        if events[index].type == _PHONE_EVENT:
            _events.append((int(events[index].sample), bytes(events[index].id.string).decode("utf-8", "ignore")))
        index += 1
    return 0


_receiver = _CALLBACK(_receive)


@functools.cache
def _library() -> tuple[Any, int]:
    """Load the library; return it and its sample rate. Raises ScriptError if the wheel is not there or does not load."""
    try:
        import espeakng_loader  # type: ignore[import-untyped]

        library = ctypes.CDLL(espeakng_loader.get_library_path())
        path = espeakng_loader.get_data_path()
    except (ImportError, OSError, RuntimeError):
        raise ScriptError(
            "Scratch voices and languages other than English need espeak-ng, which this installation lacks; reinstall Voxrig"
        ) from None
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    # Synchronous sound to the callback, phone events in IPA, and no exit of the process on errors.
    rate = int(library.espeak_Initialize(2, 0, str(path).encode("utf-8"), 0x1 | 0x2 | 0x8000))
    if rate <= 0:
        raise ScriptError(f"espeak-ng cannot read its data in {path}; reinstall Voxrig")
    library.espeak_SetSynthCallback(_receiver)
    return library, rate


def _select(language: str, variant: str = "") -> tuple[Any, int]:
    library, rate = _library()
    code = language.strip().replace("_", "-").lower()
    name = _VOICES.get(code, code) + (f"+{variant}" if variant else "")
    # An unknown name silently keeps the last voice unless the return value is checked.
    if not code or library.espeak_SetVoiceByName(name.encode("utf-8", "ignore")) != 0:
        raise ScriptError(f"espeak-ng has no language '{language}'; choose a code such as de, fr, es, it, nl, pl, ru, ja or zh")
    return library, rate


def transcribe(text: str, language: str) -> list[str]:
    """Transcribe a text into IPA, a string for each word that is said, with '_' between sounds. Raises ScriptError."""
    with _turn:
        library, _ = _select(language)
        return _transcribe(library, text)


def _transcribe(library: Any, text: str) -> list[str]:
    buffer = ctypes.create_string_buffer(text.replace("\0", " ").encode("utf-8", "ignore"))
    position = ctypes.c_void_p(ctypes.addressof(buffer))
    words: list[str] = []
    while position.value is not None:
        clause = library.espeak_TextToPhonemes(ctypes.byref(position), 1, _IPA | (ord("_") << 8))
        # Foreign words appear as '(en)...(de)'.
        words += re.sub(r"\([a-z-]+\)", "", (clause or b"").decode("utf-8", "ignore")).split()
    return words


_CLAUSE_WORDS = 40


def phonemise(words: Sequence[str], language: str) -> list[list[str]]:
    """Return the possible transcriptions of each word in IPA: as it is said in its clause, and alone. Raises ScriptError.

    This is a Phonemise of animation.script.pronouncing.
    """
    with _turn:
        library, _ = _select(language)
        alone: dict[str, str] = {}
        for word in words:
            if word not in alone:
                alone[word] = "_".join(_transcribe(library, word))
        found: list[list[str]] = []
        for first in range(0, len(words), _CLAUSE_WORDS):
            clause = list(words[first : first + _CLAUSE_WORDS])
            together = _transcribe(library, " ".join(clause))
            for place, word in enumerate(clause):
                # espeak-ng may join or split words; only if their number is that of the text is it clear which is which.
                both = [together[place], alone[word]] if len(together) == len(clause) else [alone[word]]
                found.append([one for one in dict.fromkeys(both) if one])
        return found


def speak(
    text: str, language: str, *, variant: str = "", words_per_minute: int = 165, pitch: int = 50
) -> tuple[NDArray[np.int16], int, tuple[TimedPhone, ...]]:
    """Speak a text: samples, their rate and the phones with their times in seconds. ``pitch`` is 0..99.

    ``language`` is a code, or the name of an accent in espeak-ng ('gmw/en-us-nyc'). Raises ScriptError for an unknown
    language or variant, and for a text that nothing is said for.
    """
    with _turn:
        library, rate = _select(language, variant)
        library.espeak_SetParameter(_RATE, int(words_per_minute), 0)
        library.espeak_SetParameter(_PITCH, int(pitch), 0)
        # The first sound after a transcription lacks its first event, so something else is spoken before.
        library.espeak_Synth(b"a", 2, 0, 0, 0, 1, None, None)
        library.espeak_Synchronize()
        _pieces.clear()
        _events.clear()
        data = text.replace("\0", " ").encode("utf-8", "ignore")
        library.espeak_Synth(data, len(data) + 1, 0, 0, 0, 1, None, None)
        library.espeak_Synchronize()
        if not _pieces or not any(token.strip("_ ") for _, token in _events):
            raise ScriptError(f"espeak-ng says nothing for '{text[:60]}'; write words")
        sound, events = np.concatenate(_pieces), list(_events)
    phones: list[TimedPhone] = []
    for index, (sample, token) in enumerate(events):
        stress = 1 if "ˈ" in token else 2 if "ˌ" in token else 0
        start = sample / rate
        end = (events[index + 1][0] if index + 1 < len(events) else sound.size) / rate
        try:
            names = ipa_to_arpabet(token, language.rpartition("/")[2]) or [SILENCE]
        except ValueError:
            names = [SILENCE]
        # The first part of a compound sound is the longer one.
        edges = np.linspace(0.0, 1.0, len(names) + 1) ** 0.75
        for name, low, high in zip(names, edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            begin, finish = start + (end - start) * low, start + (end - start) * high
            if finish > begin:
                phones.append(TimedPhone(name, begin, finish, stress if name in VOWELS else 0))
            stress = 0 if name in VOWELS else stress
    return sound, rate, tuple(_correct(phones, sound, rate, "klatt" in variant))


def _correct(phones: list[TimedPhone], sound: NDArray[np.int16], rate: int, is_klatt: bool) -> list[TimedPhone]:
    """Apply the two corrections of the module's docstring; neighbours yield or gain the time."""
    if not phones:
        return []
    block = max(1, rate // 1000)
    count = sound.size // block
    envelope = np.abs(sound[: count * block].astype(np.int32)).reshape(count, block).max(axis=1)
    quiet = envelope < 0.03 * max(1, int(envelope.max(initial=0)))
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
            starts[index] = min(phone.start, max(earliest, phone.start - (0.010 if is_klatt else 0.023)))
    ends = [*starts[1:], phones[-1].end]
    return [TimedPhone(p.phone, s, max(e, s), p.stress) for p, s, e in zip(phones, starts, ends, strict=True)]
