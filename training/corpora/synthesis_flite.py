# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthesise speech with flite's four English voices and the engine's own phone times, and look words up in its lexicon.

flite 2.2 is called through its shared libraries (Debian: libflite1), licence BSD-like (CMU). The times of the
clustergen voices (rms, slt, awb) are exact to their 5 ms frame; kal16's were measured to be 6 ms early.
"""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ...animation.face.phones import PHONE_INDEX, SILENCE, VOWELS, TimedPhone

LICENCE = "BSD-like (CMU), flite 2.2 voice"


@dataclass(frozen=True)
class FliteVoice:
    """A voice: its library, the talker's sex, the mean pitch in Hz, and the correction of its times in seconds."""

    name: str
    gender: str
    pitch_hz: float
    shift_seconds: float = 0.0
    takes_pitch: bool = True


# Pitch settings have no effect on rms.
VOICES: dict[str, FliteVoice] = {
    "rms": FliteVoice("rms", "M", 105.0, takes_pitch=False),
    "slt": FliteVoice("slt", "F", 170.0),
    "awb": FliteVoice("awb", "M", 130.0),
    "kal16": FliteVoice("kal16", "M", 105.0, shift_seconds=0.006),
}

# Function words carry no sentence stress although the dictionary marks their one vowel.
UNSTRESSED_WORDS = frozenset(
    """a an and are as at be been but by can could did do does for from had has have he her him his i if in is it its
    me my nor of on or our shall she should so some than that the their them then there they this to us was we were
    what when which who will with would you your""".split()
)


class _Wave(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


class _Voice(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("features", ctypes.c_void_p))


@cache
def _flite() -> ctypes.CDLL:
    """Load the library, initialised once. Raises OSError if flite is not installed."""
    library = ctypes.CDLL("libflite.so.1", mode=ctypes.RTLD_GLOBAL)
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    signatures = {
        "flite_synth_text": (pointer, [text, pointer]),
        "utt_wave": (ctypes.POINTER(_Wave), [pointer]),
        "utt_relation": (pointer, [pointer, text]),
        "relation_head": (pointer, [pointer]),
        "item_next": (pointer, [pointer]),
        "item_feat_float": (ctypes.c_float, [pointer, text]),
        "item_feat_string": (text, [pointer, text]),
        "ffeature_string": (text, [pointer, text]),
        "delete_utterance": (None, [pointer]),
        "feat_set_float": (None, [pointer, text, ctypes.c_float]),
        "lex_lookup": (pointer, [pointer, text, text, pointer]),
        "val_car": (pointer, [pointer]),
        "val_cdr": (pointer, [pointer]),
        "val_string": (text, [pointer]),
        "delete_val": (None, [pointer]),
    }
    for name, (result, parameters) in signatures.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = parameters
    library.flite_init()
    return library


# flite keeps the pointers of feature names, so these buffers must live as long as the process.
_DURATION_STRETCH = ctypes.create_string_buffer(b"duration_stretch")
_PITCH_MEAN = ctypes.create_string_buffer(b"int_f0_target_mean")


@cache
def _voice(name: str) -> ctypes.c_void_p:
    _flite()
    for dependency in ("libflite_usenglish.so.1", "libflite_cmulex.so.1"):
        ctypes.CDLL(dependency, mode=ctypes.RTLD_GLOBAL)
    register = getattr(ctypes.CDLL(f"libflite_cmu_us_{name}.so.1"), f"register_cmu_us_{name}")
    register.restype = ctypes.c_void_p
    register.argtypes = [ctypes.c_char_p]
    return ctypes.c_void_p(register(None))


def arpabet_of(flite_phone: str) -> str:
    """Convert a 'radio' phone name of flite and festival to ARPAbet without digits."""
    name = flite_phone.upper()
    if name in ("PAU", "H#", "BRTH", "SSIL", "#"):
        return SILENCE
    name = {"AX": "AH", "AXR": "ER", "IX": "IH", "EL": "L", "EM": "M", "EN": "N", "DX": "D"}.get(name, name)
    if name not in PHONE_INDEX:
        raise ValueError(f"flite phone {flite_phone!r} is not known")
    return name


def say(
    text: str, voice: str, *, stretch: float = 1.0, pitch_ratio: float = 1.0
) -> tuple[NDArray[np.int16], int, list[TimedPhone]]:
    """Speak one sentence: int16 samples, their rate and the phones; ``stretch`` above 1 is slower.

    Raises ValueError for text without sound.
    """
    library = _flite()
    described = VOICES[voice]
    handle = _voice(voice)
    assert handle.value is not None
    features = ctypes.cast(handle, ctypes.POINTER(_Voice)).contents.features
    library.feat_set_float(features, _DURATION_STRETCH, stretch)
    if described.takes_pitch:
        library.feat_set_float(features, _PITCH_MEAN, described.pitch_hz * pitch_ratio)
    utterance = library.flite_synth_text(text.encode("ascii", "ignore"), handle)
    if not utterance:
        raise ValueError(f"flite cannot say {text!r}")
    try:
        wave = library.utt_wave(utterance).contents
        samples = np.ctypeslib.as_array(wave.samples, shape=(wave.num_samples,)).copy()
        rate = wave.sample_rate
        phones: list[TimedPhone] = []
        position = 0.0
        item = library.relation_head(library.utt_relation(utterance, b"Segment"))
        while item:
            end = library.item_feat_float(item, b"end") + described.shift_seconds
            phone = arpabet_of(library.item_feat_string(item, b"name").decode())
            stress = 0
            if phone in VOWELS:
                word = library.ffeature_string(item, b"R:SylStructure.parent.parent.name").decode().lower()
                marked = library.ffeature_string(item, b"R:SylStructure.parent.stress").decode()
                stress = int(marked == "1" and word not in UNSTRESSED_WORDS)
            phones.append(TimedPhone(phone, position, end, stress))
            position = end
            item = library.item_next(item)
    finally:
        library.delete_utterance(utterance)
    if not len(samples) or not np.any(samples):
        raise ValueError(f"flite says nothing for {text!r}")
    return samples, rate, phones


@cache
def _lexicon() -> ctypes.c_void_p:
    _flite()
    ctypes.CDLL("libflite_usenglish.so.1", mode=ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL("libflite_cmulex.so.1", mode=ctypes.RTLD_GLOBAL)
    library.cmulex_init.restype = ctypes.c_void_p
    return ctypes.c_void_p(library.cmulex_init())


@cache
def pronounce(word: str) -> tuple[tuple[str, int], ...]:
    """Look up (phone, stress) of one English word in flite's lexicon, or by its letter-to-sound rules."""
    library = _flite()
    spelled = re.sub(r"[^a-z']", "", word.lower())
    if not spelled:
        return ()
    first = library.lex_lookup(_lexicon(), spelled.encode(), None, None)
    sounds: list[tuple[str, int]] = []
    cell = first
    while cell:
        name = library.val_string(library.val_car(cell)).decode()
        digit = name[-1] if name[-1].isdigit() else ""
        sounds.append((arpabet_of(name[: len(name) - len(digit)]), int(digit or 0)))
        cell = library.val_cdr(cell)
    library.delete_val(first)
    if spelled in UNSTRESSED_WORDS:
        sounds = [(phone, 0) for phone, _ in sounds]
    return tuple(sounds)
