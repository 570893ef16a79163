# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthesis and alignment: what can be checked without the engines, and flite where it is installed."""

from __future__ import annotations

import ctypes.util

import numpy as np
import pytest
from voxrig.animation.face.phones import PHONES, SILENCE, VOWELS, TimedPhone
from voxrig.animation.script.ipa import ipa_to_arpabet
from voxrig.inference import espeak
from voxrig.training.corpora import alignment, synthesis, synthesis_espeak, synthesis_flite, synthesis_revoicing

needs_flite = pytest.mark.skipif(ctypes.util.find_library("flite") is None, reason="flite is not installed")


@pytest.mark.parametrize(
    ("token", "language", "phones"),
    [
        ("tʃ", "en", ["CH"]),
        ("aɪɚ", "en", ["AY", "ER"]),
        ("ɑːɹ", "en", ["AA", "R"]),
        ("a", "en", ["AE"]),
        ("a", "de", ["AA"]),
        ("pf", "de", ["P", "F"]),
        ("y", "fr", ["UW"]),
        ("ɑ̃", "fr", ["AA"]),
        ("ʁ", "fr", ["HH"]),
        ("(en)", "de", []),
        ("", "en", []),
    ],
)
def test_ipa_goes_to_phones_with_the_same_lips(token: str, language: str, phones: list[str]) -> None:
    assert ipa_to_arpabet(token, language) == phones


def test_unknown_ipa_is_named() -> None:
    with pytest.raises(ValueError, match="☃"):
        ipa_to_arpabet("a☃")


def test_a_stop_takes_the_silence_before_its_event() -> None:
    rate = 16000
    sound = np.full(rate, 8000, dtype=np.int16)
    sound[int(0.46 * rate) : int(0.5 * rate)] = 0
    phones = [TimedPhone("AA", 0.0, 0.5), TimedPhone("P", 0.5, 0.55), TimedPhone("M", 0.55, 0.7), TimedPhone("IY", 0.7, 1.0)]
    corrected = espeak._correct(phones, sound, rate, is_klatt=False)
    assert corrected[1].start == corrected[0].end == pytest.approx(0.46, abs=0.002)
    assert corrected[3].start == corrected[2].end == pytest.approx(0.7 - 0.023)
    assert corrected[-1].end == 1.0


def test_stress_is_kept_where_pronunciations_differ() -> None:
    assert alignment.match_stress(["B", "AH", "T", "ER"], (("B", 0), ("AH", 1), ("T", 0), ("ER", 0))) == [0, 1, 0, 0]
    assert alignment.match_stress(["F", "AY", "R"], (("F", 0), ("AY", 1), ("ER", 0))) == [0, 1, 0]
    assert alignment.match_stress(["S"], ()) == [0]


def test_every_beginning_of_the_shards_has_the_mix_of_the_whole() -> None:
    plans = synthesis.voice_plans()
    order = synthesis.shard_order(plans)
    assert len({(plan.corpus, shard) for plan, shard in order}) == len(order)
    total = sum(plan.hours for plan in plans)
    assert total >= 30.0
    third = [plan.corpus for plan, _ in order[: len(order) // 3]]
    for corpus in {plan.corpus for plan in plans}:
        wanted = sum(plan.hours for plan in plans if plan.corpus == corpus) / total
        assert third.count(corpus) / len(third) == pytest.approx(wanted, abs=0.08), corpus
    natural = sum(plan.hours for plan in plans if plan.corpus in ("synthetic_flite", "synthetic_festival"))
    assert natural > total / 2


def test_shards_have_seeds_of_their_own() -> None:
    seeds = {synthesis.shard_seed("synthetic_flite", f"rms_{number:03d}") for number in range(50)}
    assert len(seeds) == 50


def test_a_shorter_vocal_tract_moves_every_formant_up() -> None:
    frames = np.zeros((3, 513))
    frames[:, 100] = 1.0
    warped = synthesis_revoicing.warp_frequencies(frames, 1.2)
    assert warped.shape == frames.shape
    assert np.argmax(warped, axis=1).tolist() == [120, 120, 120]
    assert np.argmax(synthesis_revoicing.warp_frequencies(frames, 0.9), axis=1).tolist() == [90, 90, 90]
    assert frames.sum() == 3.0


def test_a_new_voice_is_never_the_old_one() -> None:
    random = np.random.default_rng(0)
    voices = [synthesis_revoicing.draw_revoicing(random) for _ in range(300)]
    assert all(abs(voice.formants - 1.0) > 0.02 for voice in voices)
    assert all(0.6 <= voice.pitch <= 1.7 for voice in voices)
    assert {voice.formants > 1 for voice in voices} == {True, False}


@needs_flite
def test_flite_says_a_sentence_with_its_phones() -> None:
    samples, rate, phones = synthesis_flite.say("Bob put a mop away.", "kal16", stretch=1.2)
    assert rate == 16000 and samples.dtype == np.int16 and np.abs(samples).max() > 3000
    spoken = [phone.phone for phone in phones if phone.phone != SILENCE]
    assert spoken[:3] == ["B", "AA", "B"] and spoken.count("P") == 2
    assert set(spoken) <= set(PHONES)
    assert all(after.start == before.end for before, after in zip(phones, phones[1:], strict=False))
    assert {phone.phone for phone in phones if phone.stress} <= VOWELS
    slow = synthesis_flite.say("Bob put a mop away.", "kal16", stretch=0.8)[0]
    assert len(slow) < 0.75 * len(samples)


@needs_flite
def test_words_of_a_text_come_with_sounds_and_numbers_are_refused() -> None:
    words = alignment.english_words("Press 1, don't wait -- \u2018now\u2019.")
    assert [name for name, _ in words] == ["press", "one", "don't", "wait", "now"]
    assert words[1][1] == (("W", 0), ("AH", 1), ("N", 0))
    with pytest.raises(ValueError, match="numbers"):
        alignment.english_words("Dial 500.")


def test_espeak_gives_phones_stress_and_other_languages() -> None:
    samples, rate, phones = synthesis_espeak.say("Happy people.", "en-us+klatt2")
    spoken = [(phone.phone, phone.stress) for phone in phones if phone.phone != SILENCE]
    assert [name for name, _ in spoken[:5]] == ["HH", "AE", "P", "IY", "P"]
    assert ("AE", 1) in spoken
    assert phones[-1].end == pytest.approx(len(samples) / rate, abs=1e-6)
    german = [phone.phone for phone in synthesis_espeak.say("Pferd", "de+m6")[2]]
    assert german.count("P") == 1 and german[german.index("P") + 1] == "F"
    with pytest.raises(ValueError, match="no language"):
        synthesis_espeak.say("hello", "xx-nowhere")
