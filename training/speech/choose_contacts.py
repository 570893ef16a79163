# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the numbers of the contact rules: ``python -m voxrig.training.speech.choose_contacts --cache DIR --run DIR [--ear]``.

Runs the network once over clips of training speakers, clean and as they are hard to hear, and then changes ``ContactValues``
at random, keeping what finds more contacts while sounds sealed by mistake and jitter stay within ``ALLOWED``. The outcome goes
into ``export.py`` (``export_ear.py`` for ``--ear``). Development clips are left for scores.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...animation.curves import ChannelCurves
from ...animation.face.channels import face_channel_names
from ...animation.face.phones import SILENCE, TimedPhone
from ..corpora.augmentation import NoiseBank
from ..corpora.clips import load_corpus
from ..corpora.voices import Spoken, at_tempo
from ..evaluation.conditions import add_babble, add_room, add_white_noise, telephone
from ..evaluation.measures import Tally, measure_contacts, measure_jitter, ratio
from . import export, export_ear
from .amplitude import AMPLITUDE, FAST_AMPLITUDE, amplitude_gains
from .batches import learned_channels
from .ear import AFTER, BEFORE
from .network import FRAME_RATE, HOP, SAMPLE_RATE, ContactRules, ContactValues, Prediction

CORPORA = ("librispeech_subset", "kathleen_en", "ljspeech_part", "speechocean762")
SHOWN = ("closure_recall", "false_closure", "sealed_tongue", "labiodental_recall", "false_labiodental", "jitter")
CONDITIONS = ("clean", "tempo", "white", "babble", "room", "telephone")
ALLOWED = {
    "clean": (0.018, 0.025), "tempo": (0.03, 0.04), "white": (0.03, 0.055),
    "babble": (0.03, 0.055), "room": (0.03, 0.04), "telephone": (0.03, 0.04),
}  # fmt: skip
"""Vowels and tongue sounds that may be sealed; the small network, which hears less, may seal twice as many."""
FALSE_TEETH, JITTER = 0.01, 0.06
CLEAN_WEIGHT, TEETH_WEIGHT = 3.0, 0.6
"""Weight of clean speech beside each other condition, and of lip to teeth beside seals."""
TRIED: dict[str, tuple[Any, ...]] = {
    "threshold": tuple(product((0.01, 0.02, 0.03, 0.05, 0.08, 0.12), (0.002, 0.005, 0.01, 0.02, 0.04))),
    "certain": tuple(product((0.15, 0.2, 0.25, 0.35, 0.45, 0.55), (0.015, 0.03, 0.06, 0.1, 0.2))),
    "vowel_doubt": (0.3, 0.5, 0.8, 1.2, 1.6),
    "apart_centimetres": (0.22, 0.3, 0.36, 0.42, 0.46, 0.5, 0.55),
    "apart_likely": tuple((begin, end) for begin in (0.1, 0.15, 0.2, 0.3, 0.4) for end in (0.3, 0.4, 0.5, 0.7) if begin < end),
    "margin": (0.03, 0.05, 0.08, 0.12),
    "teeth_margin": (0.06, 0.09, 0.12),
    "teeth_frames": (1, 3, 5),
}  # fmt: skip

Heard = tuple[Tensor, Tensor, Tensor, Sequence[TimedPhone]]
Scores = dict[str, dict[str, float]]


def spoil(sound: Spoken, condition: str, others: Sequence[np.ndarray], bank: NoiseBank, number: int) -> Spoken:
    """Make a sound hard to hear in one of CONDITIONS."""
    if condition == "tempo":
        return at_tempo(sound, 1.6)
    made: dict[str, Callable[[], np.ndarray]] = {
        "clean": lambda: sound.samples,
        "white": lambda: add_white_noise(sound.samples),
        "babble": lambda: add_babble(sound.samples, others),
        "room": lambda: add_room(sound.samples, bank.boxes[number % len(bank.boxes)]),
        "telephone": lambda: telephone(sound.samples),
    }
    return Spoken(made[condition](), sound.phones)


def hear(run: Callable[[Tensor], Prediction], cache: Path, count: int, before: int, after: int) -> dict[str, list[Heard]]:
    """Return channels, contact logits, phones' probabilities and true phones of ``count`` clips in each condition."""
    clips = [clip for clip in load_corpus(cache, "train", corpora=CORPORA, minimum_quality=-24.0) if 2.0 < clip.seconds < 9.0]
    clips = [clips[int(index)] for index in np.random.default_rng(5).permutation(len(clips))[:count]]
    sounds, bank = [clip.samples() for clip in clips], NoiseBank.load(cache)
    heard: dict[str, list[Heard]] = {condition: [] for condition in CONDITIONS}
    for number, clip in enumerate(clips):
        others = [sounds[(number + 11 * step) % len(clips)] for step in range(1, 7)]
        for condition, found in heard.items():
            spoken = spoil(Spoken(sounds[number], clip.phones), condition, others, bank, number)
            samples = np.asarray(spoken.samples, np.float32)
            sound = np.pad(samples, (before * HOP, after * HOP + -len(samples) % HOP))
            with torch.no_grad():
                said = run(torch.from_numpy(sound)[None])
            rows = slice(before, said.channels.shape[1] - after)
            phones = torch.softmax(said.phone_logits[:, rows], dim=-1)
            found.append((said.channels[:, rows].clone(), said.contact_logits[:, rows].clone(), phones, spoken.phones))
    return heard


def measure(rules: ContactRules, gains: Tensor, names: list[str], heard: Sequence[Heard]) -> dict[str, float]:
    """Measure contacts and jitter of what the rules make."""
    tallies: dict[str, list[Tally]] = defaultdict(list)
    for channels, logits, probabilities, phones in heard:
        curves = ChannelCurves(tuple(names), FRAME_RATE, rules(channels * gains, logits, probabilities)[0].numpy())
        spoken = [phone for phone in phones if phone.phone != SILENCE]
        for name, tally in {**measure_contacts(curves, spoken), "jitter": measure_jitter(curves)}.items():
            tallies[name].append(tally)
    return {name: ratio(tallies[name]) for name in SHOWN}


def value_of(scores: Scores, lenience: float) -> float:
    """Sum the contacts found, less what goes beyond the allowed mistakes."""
    total = 0.0
    for condition, found in scores.items():
        vowels, tongue = (lenience * most for most in ALLOWED[condition])
        beyond = max(0.0, found["false_closure"] - vowels) + max(0.0, found["sealed_tongue"] - tongue)
        beyond += 0.5 * max(0.0, found["false_labiodental"] - FALSE_TEETH)
        value = found["closure_recall"] + TEETH_WEIGHT * found["labiodental_recall"] - 12.0 * beyond
        total += value * (CLEAN_WEIGHT if condition == "clean" else 1.0)
    return total - 6.0 * max(0.0, scores["clean"]["jitter"] - JITTER)


def search(
    heard: dict[str, list[Heard]], gains: Tensor, names: list[str], values: ContactValues, lenience: float, minutes: float
) -> ContactValues:
    """Change one to three numbers at a time for some minutes; prints what is better and returns the best."""
    random, until = np.random.default_rng(1), time.monotonic() + 60 * minutes
    fields = list(TRIED)

    def score(tried: ContactValues) -> Scores:
        rules = ContactRules(names, tried)
        return {condition: measure(rules, gains, names, parts) for condition, parts in heard.items()}

    best, scores = values, score(values)
    value = value_of(scores, lenience)
    while True:
        print(f"{value:.4f} {best}", flush=True)
        for condition, found in scores.items():
            print(f"    {condition:10}" + "  ".join(f"{name} {share:.3f}" for name, share in found.items()), flush=True)
        while True:
            if time.monotonic() > until:
                return best
            changed = random.choice(fields, int(random.integers(1, 4)), replace=False)
            tried = replace(best, **{name: TRIED[name][int(random.integers(len(TRIED[name])))] for name in changed})
            if any(low >= high for low, high in zip(tried.threshold, tried.certain, strict=True)):
                continue
            made = score(tried)
            if value_of(made, lenience) > value:
                best, scores, value = tried, made, value_of(made, lenience)
                break


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--run", type=Path, default=Path(".cache/training/runs/speech"))
    parser.add_argument("--ear", action="store_true", help="the run is of train_ear")
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=5.0)
    options = parser.parse_args()
    names = [face_channel_names()[column] for column in learned_channels()]
    checkpoint = options.run / "checkpoint.pt"
    if options.ear:
        ear, _ = export_ear.load_ear(checkpoint, options.cache)
        heard = hear(lambda sound: ear(sound)[0], options.cache, options.clips, BEFORE, AFTER)
        values, amplitude = export_ear.CONTACTS, AMPLITUDE
    else:
        network, _ = export.load_network(checkpoint)
        around = round(network.context_seconds * SAMPLE_RATE / HOP)
        heard = hear(network, options.cache, options.clips, around, around)
        values, amplitude = export.CONTACTS, FAST_AMPLITUDE
    gains = torch.tensor(amplitude_gains(names, amplitude))
    search(heard, gains, names, values, 1.0 if options.ear else 2.0, options.minutes)


if __name__ == "__main__":
    main()
