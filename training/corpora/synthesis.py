# SPDX-License-Identifier: GPL-3.0-or-later
"""Assign sentences to synthetic voices, shard by shard, with a fixed seed.

The engines (``synthesis_flite``, ``synthesis_festival``, ``synthesis_espeak``) only turn sentences into sound and phones.
Here sentences are drawn so that rare phones and lip closures come often, and shards are ordered so that any beginning of
the list already has the mix of voices of the whole list.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache as memoise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import synthesis_espeak, synthesis_festival, synthesis_flite
from .clips import SAMPLE_RATE, ClipRecord, shard_exists, write_shard
from .recordings import read_index, split_of

SEED = 20261121
SHARD_SECONDS = 900.0

# How much more often a sentence is drawn for each such phone in it. OY, ZH, TH, CH and JH are under 0.6 % of the phones of the
# text; viewers look at lip phones and rounded ones.
PHONE_WEIGHTS: dict[str, float] = {
    "OY": 3.0, "ZH": 3.0, "TH": 1.0, "CH": 1.0, "JH": 1.0, "SH": 0.5, "B": 0.3, "P": 0.3, "F": 0.3, "V": 0.2,
    "M": 0.15, "W": 0.2, "UW": 0.3, "UH": 0.5, "AW": 0.5,
}  # fmt: skip

# Isolated lines for the rarest phones, in the manner of the conversational lines of the text corpus.
DRILLS: tuple[str, ...] = (
    "The boy enjoys his noisy toy.", "Oil the joints and avoid the moist soil.", "What a royal voice, full of joy.",
    "A loyal choice.", "Join the oyster party.", "Destroy the poison.", "He was annoyed by the noise of coins.",
    "It was a pleasure to measure the treasure.", "A usual vision of leisure.", "The garage was beige.",
    "An occasional collision causes confusion.", "Television is a great decision.", "Measure the explosion.",
    "Both thieves thought thirty thousand thoughts.", "Three thick thumbs.", "Cheap chips in the kitchen.",
    "Judge the major bridge.", "Each church chooses a cheerful teacher.", "Bob, Pam and Bobby pump up the bumper.",
    "Pop up, papa!", "Mama bought a baby lamb.", "My mum made me make more.", "Five fluffy fowls flew over four fields.",
    "Every valley gives a vivid view.", "Whoever would want one wonderful white wagon?", "You shoot through the moon.",
    "Would you push the wooden cookbook?", "How now, brown cow?", "Ah, the car is far from the park.",
)  # fmt: skip

SENTENCES = Path(__file__).parent / "sentences"
"""Voxrig's own lines in other languages, one file per espeak-ng voice."""
LANGUAGE_HOURS: dict[str, float] = {
    "de": 0.75, "nl": 0.5, "fr": 0.5, "es": 0.5, "cmn-latn-pinyin": 0.5, "it": 0.25, "pt": 0.25, "pl": 0.25,
    "sv": 0.25, "ru": 0.25, "ja": 0.25, "tr": 0.25, "hi": 0.25, "fi": 0.25,
}  # fmt: skip


Render = Callable[[Sequence[str], np.random.Generator], Iterator[ClipRecord | str]]


@dataclass(frozen=True)
class VoicePlan:
    """A voice and its intended number of hours; ``render`` turns sentences into clips or problems."""

    corpus: str
    name: str
    hours: float
    licence: str
    source: str
    language: str
    render: Render


def to_rate(samples: NDArray, rate: int) -> NDArray[np.float32]:
    """Resample to float32 samples -1..1 at 16 kHz through a low-pass; int16 is scaled."""
    sound = samples.astype(np.float32) / 32768.0 if samples.dtype == np.int16 else samples.astype(np.float32)
    if rate == SAMPLE_RATE:
        return sound
    from scipy.signal import resample_poly

    common = int(np.gcd(rate, SAMPLE_RATE))
    return resample_poly(sound, SAMPLE_RATE // common, rate // common).astype(np.float32)


@memoise
def _texts(path: Path) -> tuple[list[str], NDArray[np.float64]]:
    """Read sentences for an English engine, and the frequency with which each is drawn (sums to 1)."""
    sentences = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
    sentences = [sentence for sentence in sentences if re.search("[a-zA-Z]{2}", sentence) and len(sentence) < 220]
    sentences += DRILLS
    weights = np.ones(len(sentences))
    for index, sentence in enumerate(sentences):
        words = re.findall("[a-z']+", sentence.lower())
        counts = [phone for word in words for phone, _ in synthesis_flite.pronounce(word)]
        weights[index] += sum(PHONE_WEIGHTS.get(phone, 0.0) for phone in counts)
    return sentences, weights / weights.sum()


@memoise
def _foreign_texts(language: str, data: Path) -> list[str]:
    """Read sentences of another language: Voxrig's own, or the texts of training recordings."""
    path = SENTENCES / f"{language}.txt"
    if path.is_file():
        return path.read_text(encoding="utf-8").split("\n")[:-1]
    rows = [row for group in read_index(data / "speech").values() for row in group]
    return [row["text"] for row in rows if row["lang"] == language and split_of(row, frozenset()) == "train"]


def draw_sentences(language: str, data: Path, rng: np.random.Generator, count: int) -> list[str]:
    """Draw ``count`` lines of one to three sentences each; English ones with the weights above."""
    if language == "en":
        sentences, weights = _texts(data / "text" / "sentences.jsonl")
    else:
        sentences = _foreign_texts(language, data)
        weights = np.full(len(sentences), 1 / len(sentences))
    lines = []
    for size in rng.choice((1, 2, 3), size=count, p=(0.45, 0.35, 0.2)):
        chosen = [sentences[index] for index in rng.choice(len(sentences), size=size, p=weights)]
        lines.append(" ".join(chosen))
    return lines


def _render_flite(voice: str) -> Render:
    def render(lines: Sequence[str], rng: np.random.Generator) -> Iterator[ClipRecord | str]:
        gender = synthesis_flite.VOICES[voice].gender
        for number, line in enumerate(lines):
            stretch, pitch = float(rng.uniform(0.8, 1.25)), float(rng.uniform(0.85, 1.2))
            try:
                samples, rate, phones = synthesis_flite.say(line, voice, stretch=stretch, pitch_ratio=pitch)
            except ValueError as error:
                yield f"flite {voice}: {error}"
                continue
            extra = f"stretch={stretch:.2f};pitch={pitch:.2f}"
            sound = to_rate(samples, rate)
            yield ClipRecord(
                f"{number:04d}", voice, "train", "en", sound, phones, text=line, gender=gender, voice=voice, extra=extra
            )

    return render


def _render_festival(voice: str) -> Render:
    def render(lines: Sequence[str], rng: np.random.Generator) -> Iterator[ClipRecord | str]:
        gender = synthesis_festival.VOICES[voice].gender
        for number, result in enumerate(synthesis_festival.say_all(lines, voice, rng)):
            if isinstance(result, str):
                yield f"festival {voice}: {result}"
                continue
            samples, rate, phones, extra = result
            sound = to_rate(samples, rate)
            yield ClipRecord(
                f"{number:04d}", voice, "train", "en", sound, phones, text=lines[number], gender=gender, voice=voice,
                extra=extra,
            )  # fmt: skip

    return render


def _render_espeak(group: str, language: str = "en") -> Render:
    def render(lines: Sequence[str], rng: np.random.Generator) -> Iterator[ClipRecord | str]:
        for number, line in enumerate(lines):
            voice = synthesis_espeak.draw_voice(group, rng)
            rate, pitch = int(rng.uniform(130, 210)), int(rng.uniform(25, 75))
            try:
                samples, sample_rate, phones = synthesis_espeak.say(line, voice, words_per_minute=rate, pitch=pitch)
            except ValueError as error:
                yield f"espeak {voice}: {error}"
                continue
            extra = f"rate={rate};pitch={pitch}"
            sound = to_rate(samples, sample_rate)
            yield ClipRecord(
                f"{number:04d}", voice.partition("+")[2] or voice, "train", language, sound, phones, text=line, voice=voice,
                extra=extra,
            )  # fmt: skip

    return render


def voice_plans() -> list[VoicePlan]:
    """List all voices with their hours: a third flite, a fifth festival, a quarter espeak (klatt-type variants first)."""
    flite, festival, espeak = synthesis_flite, synthesis_festival, synthesis_espeak
    hours = {"rms": 4.0, "slt": 3.5, "awb": 3.5, "kal16": 1.5}
    plans = [
        VoicePlan("synthetic_flite", name, wanted, flite.LICENCE, "flite 2.2", "en", _render_flite(name))
        for name, wanted in hours.items()
    ]
    for name, wanted in {"slt_hts": 3.0, "kal": 2.0, "ked": 2.5}.items():
        voice = festival.VOICES[name]
        plans.append(VoicePlan("synthetic_festival", name, wanted, voice.licence, voice.source, "en", _render_festival(name)))
    for name, wanted in {"klatt": 3.5, "variants": 2.5}.items():
        plans.append(VoicePlan("synthetic_espeak", name, wanted, espeak.LICENCE, "espeak-ng 1.52", "en", _render_espeak(name)))
    for name, wanted in LANGUAGE_HOURS.items():
        language = name.partition("-")[0]
        render = _render_espeak(name, language)
        plans.append(VoicePlan("synthetic_languages", name, wanted, espeak.LICENCE, "espeak-ng 1.52", name, render))
    return plans


def shard_order(plans: Sequence[VoicePlan]) -> list[tuple[VoicePlan, str]]:
    """Order (plan, shard name) so that every beginning of the list holds the voices in the intended proportions."""
    listed: list[tuple[float, VoicePlan, str]] = []
    for plan in plans:
        count = max(1, round(plan.hours * 3600 / SHARD_SECONDS))
        for number in range(count):
            listed.append(((number + 0.5) / count, plan, f"{plan.name}_{number:03d}"))
    listed.sort(key=lambda item: (item[0], item[2]))
    return [(plan, shard) for _, plan, shard in listed]


def shard_seed(corpus: str, shard: str) -> int:
    """Derive the random seed of a shard from its name, so that shards do not depend on each other or on their order."""
    return int.from_bytes(hashlib.sha256(f"{SEED}/{corpus}/{shard}".encode()).digest()[:8], "big")


def render_shard(plan: VoicePlan, shard: str, data: Path, cache: Path) -> list[str]:
    """Render and write one shard of about SHARD_SECONDS; returns problems."""
    rng = np.random.default_rng(shard_seed(plan.corpus, shard))
    clips: list[ClipRecord] = []
    problems: list[str] = []
    seconds = 0.0
    for chunk in range(40):
        lines = draw_sentences(plan.language, data, rng, 60)
        for result in plan.render(lines, rng):
            if isinstance(result, str):
                problems.append(result)
                continue
            name = f"{shard}/{chunk:02d}{result.id}"
            clips.append(replace(result, id=name))
            seconds += len(result.samples) / SAMPLE_RATE
        if seconds >= SHARD_SECONDS:
            break
    if not clips:
        return [*problems, f"{plan.corpus} {shard}: no clip could be made"]
    write_shard(cache, plan.corpus, shard, plan.licence, plan.source, clips)
    return problems


def render_apart(plan: VoicePlan, shard: str, data: Path, cache: Path) -> list[str]:
    """Render a shard like render_shard in a child process, because a strange sentence can crash the C code of the engines."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def work() -> None:
        try:
            sender.send(render_shard(plan, shard, data, cache))
        except Exception as error:
            sender.send([f"{plan.corpus} {shard}: {error!r}"])

    started = time.monotonic()
    child = context.Process(target=work)
    child.start()
    sender.close()
    try:
        problems = receiver.recv()
    except EOFError:
        problems = [f"{plan.corpus} {shard}: the engine ended its process"]
    child.join()
    if shard_exists(cache, plan.corpus, shard):
        print(f"{plan.corpus} {shard}: {time.monotonic() - started:.0f} s", flush=True)
    return problems
