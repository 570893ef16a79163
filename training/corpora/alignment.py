# SPDX-License-Identifier: GPL-3.0-or-later
"""Align recordings of known text with pocketsphinx's US English model.

Two passes over each clip: the first finds the words (and which pronunciation was spoken), the second the phones. The
settings were measured to align every clip: no best-path search, beams of 1e-80, cepstral mean of the whole clip, and a
noise floor 55 dB under the peak because digital silence breaks the scores. Boundaries are multiples of 10 ms and were
measured to be 5 to 10 ms early, hence ALIGNER_BIAS_SECONDS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...animation.face.phones import PHONE_INDEX, SILENCE, VOWELS, TimedPhone
from ...animation.script.ipa import ipa_to_arpabet
from .clips import SAMPLE_RATE, Clip, load_clips, rewrite_phones
from .synthesis_espeak import phonemes
from .synthesis_flite import pronounce

# Bias of the aligner's boundaries against the sound (measured on speech with exact times).
ALIGNER_BIAS_SECONDS = 0.0075
_FRAME_SECONDS = 0.01

# A word as the aligner gets it: its name in the dictionary and its (phone, stress) if the text has them.
Word = tuple[str, tuple[tuple[str, int], ...]]

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SPOKEN_SIGNS = {"&": " and ", "%": " percent ", "#": " hash ", "*": " star ", "+": " plus "}


def english_words(text: str) -> list[Word]:
    """Split an English text into words with their pronunciation by flite's lexicon.

    Single digits are read by their names. Raises ValueError for longer numbers, whose reading is ambiguous.
    """
    for sign, spoken in _SPOKEN_SIGNS.items():
        text = text.replace(sign, spoken)
    text = text.replace("’", "'").lower()
    text = re.sub(r"(?<![\w.])[0-9](?![\w]|\.\w)", lambda match: _DIGITS[int(match.group())], text)
    if re.search("[0-9]", text):
        raise ValueError(f"text has numbers: {text!r}")
    words: list[Word] = []
    for match in re.findall("[a-z']+", text):
        word = match.strip("'") if match.strip("'") else ""
        # Plural and elided forms keep their inner apostrophe; a leading one is only kept in 'em and the like.
        if word:
            words.append((word, pronounce(word)))
    return words


def foreign_words(text: str, language: str) -> list[Word]:
    """Split a text in a language of espeak-ng into words, with its sounds mapped to the nearest English ones.

    Each pronunciation is a separate word. Raises ValueError for sounds without a mapping.
    """
    words: list[Word] = []
    for tokens in phonemes(text, language):
        sounds: list[tuple[str, int]] = []
        for token in tokens:
            stress = 1 if "ˈ" in token else 2 if "ˌ" in token else 0
            for phone in ipa_to_arpabet(token, language):
                sounds.append((phone, stress if phone in VOWELS else 0))
                stress = 0 if phone in VOWELS else stress
        if sounds:
            words.append(("=" + ".".join(phone for phone, _ in sounds).lower(), tuple(sounds)))
    return words


class Aligner:
    """A decoder for many clips. Not thread-safe."""

    def __init__(self) -> None:
        import pocketsphinx

        self._decoder = pocketsphinx.Decoder(
            samprate=float(SAMPLE_RATE),
            bestpath=False,
            beam=1e-80,
            pbeam=1e-80,
            wbeam=1e-80,
            cmn="batch",
            loglevel="FATAL",
            lm=None,
        )
        self._rng = np.random.default_rng(0)

    def _know(self, word: Word) -> None:
        name, sounds = word
        if self._decoder.lookup_word(name) is None:
            if not sounds:
                raise ValueError(f"nobody knows how to say {name!r}")
            self._decoder.add_word(name, " ".join(phone for phone, _ in sounds), True)

    def _decode(self, data: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(data, full_utt=True)
        self._decoder.end_utt()

    def align(self, samples: NDArray[np.float32], words: Sequence[Word]) -> tuple[list[TimedPhone], float]:
        """Align words to a sound: phones with times in seconds, and the mean log score per frame apart from silence (0 is
        best).

        ``samples`` are -1..1 at 16 kHz. Raises ValueError if the words do not fit the sound.
        """
        if not words:
            raise ValueError("no words")
        peak = float(np.max(np.abs(samples))) if len(samples) else 0.0
        if peak < 1e-4:
            raise ValueError("no sound")
        sound = samples * (0.5 / peak) + self._rng.normal(0.0, 10 ** (-55 / 20), len(samples))
        data = np.clip(sound * 32767.0, -32768, 32767).astype(np.int16).tobytes()
        for word in words:
            self._know(word)
        try:
            self._decoder.set_align_text(" ".join(name for name, _ in words))
            self._decode(data)
            self._decoder.set_alignment()
            self._decode(data)
            aligned = self._decoder.get_alignment()
        except RuntimeError as error:
            raise ValueError(f"alignment failed: {error}") from error
        if aligned is None:
            raise ValueError("alignment failed")
        duration = len(samples) / SAMPLE_RATE
        phones: list[TimedPhone] = []
        score, frames, position = 0.0, 0, 0
        for entry in aligned:
            sounds = [(phone.name, phone.start, phone.duration, phone.score) for phone in entry]
            speaks = all(name in PHONE_INDEX and name != SILENCE for name, *_ in sounds)
            stresses = [0] * len(sounds)
            if speaks:
                if position >= len(words):
                    raise ValueError("more words aligned than given")
                stresses = match_stress([name for name, *_ in sounds], words[position][1])
                position += 1
            for (name, start, length, points), stress in zip(sounds, stresses, strict=True):
                first = start * _FRAME_SECONDS + (ALIGNER_BIAS_SECONDS if start else 0.0)
                last = min(duration, (start + length) * _FRAME_SECONDS + ALIGNER_BIAS_SECONDS)
                phones.append(TimedPhone(name if speaks else SILENCE, first, last, stress))
                if speaks:
                    score += points
                    frames += length
        if position != len(words):
            raise ValueError(f"only {position} of {len(words)} words aligned")
        return phones, score / max(frames, 1)


def match_stress(phones: Sequence[str], sounds: Sequence[tuple[str, int]]) -> list[int]:
    """Transfer stress from a dictionary form, which may have other phones, to the phones of a spoken word.

    Vowels are matched in order, or by their place in the word if their numbers differ.
    """
    marks = [stress for phone, stress in sounds if phone in VOWELS]
    places = [index for index, phone in enumerate(phones) if phone in VOWELS]
    stresses = [0] * len(phones)
    for number, place in enumerate(places):
        if not marks:
            break
        source = number if len(marks) == len(places) else min(len(marks) - 1, number * len(marks) // len(places))
        stresses[place] = marks[source]
    return stresses


def read_alignments(path: Path) -> dict[str, tuple[list[TimedPhone], float]]:
    """Read the stored alignments by clip id; a clip that could not be aligned has no phones."""
    known: dict[str, tuple[list[TimedPhone], float]] = {}
    if not path.is_file():
        return known
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue  # the last line of an interrupted run
        phones = [TimedPhone(phone, start, end, stress) for phone, start, end, stress in row.get("phones", ())]
        known[row["id"]] = (phones, row.get("quality", float("nan")))
    return known


def align_corpus(
    cache: Path,
    corpus: str,
    words_of: Callable[[Clip], list[Word]],
    *,
    wanted: Callable[[Clip], bool] = lambda clip: bool(clip.text),
    align: Callable[[NDArray[np.float32], Sequence[Word]], tuple[list[TimedPhone], float]] | None = None,
    clips_between_updates: int = 500,
) -> list[str]:
    """Align all clips of a corpus that have text and are not aligned yet; returns one sentence per failure.

    Every result is stored at once in ``alignments/<corpus>.jsonl``; the shards are updated from time to time and at
    the end, so training can read them meanwhile. Clips that cannot be aligned lose their older phones too.
    """
    path = cache / "alignments" / f"{corpus}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    known = read_alignments(path)
    todo = [clip for clip in load_clips(cache, (corpus,)) if wanted(clip) and clip.id not in known]
    if not todo:
        return []
    align = align or Aligner().align
    problems: list[str] = []
    with open(path, "a", encoding="utf-8") as stream:
        for number, clip in enumerate(todo, start=1):
            row: dict[str, object] = {"id": clip.id}
            try:
                phones, quality = align(clip.samples(), words_of(clip))
                row["quality"] = round(quality, 3)
                row["phones"] = [(p.phone, round(p.start, 4), round(p.end, 4), p.stress) for p in phones]
                known[clip.id] = (phones, quality)
            except ValueError as error:
                row["problem"] = str(error)
                problems.append(f"{corpus} {clip.id}: {error}")
                known[clip.id] = ([], float("nan"))
            stream.write(json.dumps(row) + "\n")
            stream.flush()
            if number % clips_between_updates == 0:
                store_alignments(cache, corpus, known)
    store_alignments(cache, corpus, known)
    return problems


def store_alignments(cache: Path, corpus: str, known: dict[str, tuple[list[TimedPhone], float]]) -> int:
    """Write alignments into the shards of a corpus; returns the number of clips found."""
    shards = sorted((cache / "corpora" / corpus).glob("*.json"))
    return sum(rewrite_phones(cache, corpus, shard.stem, known) for shard in shards)


def align_english(cache: Path, corpora: Iterable[str], *, only_unlabelled: bool = False) -> list[str]:
    """Align English corpora by their text; ``only_unlabelled`` leaves clips alone that already have phones."""
    problems: list[str] = []

    def is_wanted(clip: Clip) -> bool:
        return bool(clip.text) and not (only_unlabelled and len(clip.phone))

    for corpus in corpora:
        problems += align_corpus(cache, corpus, lambda clip: english_words(clip.text), wanted=is_wanted)
        print(f"aligned {corpus}", flush=True)
    return problems


def align_foreign(cache: Path, corpora: Iterable[str]) -> list[str]:
    """Align corpora of other languages with the English model through mapped sounds; poor fits lose their phones."""
    problems: list[str] = []
    for corpus in corpora:
        problems += align_corpus(cache, corpus, lambda clip: foreign_words(clip.text, clip.language))
        print(f"aligned {corpus}", flush=True)
    return problems
