# SPDX-License-Identifier: GPL-3.0-or-later
"""Find where contact evidence is believed: ``python -m voxrig.training.speech.choose_contacts --cache DIR --run DIR [--ear]``.

Runs the network once over clips of training speakers, clean and hard to hear, and then tries thresholds of the contact rules:
contacts found against vowels and tongue sounds sealed by mistake, and jitter. Prints the trade-off; the choice goes into
``export.py`` (``export_ear.py`` for ``--ear``). Development clips are left for scores.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...animation.curves import ChannelCurves
from ...animation.face.channels import face_channel_names
from ...animation.face.phones import SILENCE, TimedPhone
from ..corpora.augmentation import NoiseBank, augment
from ..corpora.clips import load_corpus
from ..evaluation.measures import measure_contacts, measure_jitter, ratio
from .amplitude import AMPLITUDE, amplitude_gains
from .batches import learned_channels
from .ear import AFTER, BEFORE
from .export import load_network
from .export_ear import APART_CENTIMETRES, APART_LIKELY, VOWEL_DOUBT, load_ear
from .network import FRAME_RATE, HOP, SAMPLE_RATE, ContactRules, Prediction

SEALS = ((2.0, 3.0), (0.3, 0.6), (0.2, 0.55), (0.12, 0.5), (0.08, 0.45), (0.05, 0.4), (0.02, 0.35))
TEETH = ((2.0, 3.0), (0.2, 0.6), (0.12, 0.4), (0.06, 0.3), (0.04, 0.2), (0.02, 0.12), (0.01, 0.06))
"""(threshold, certain) to try for lips sealed and, beside each, for the lip on the teeth; the first never acts."""
CORPORA = ("librispeech_subset", "kathleen_en", "ljspeech_part", "speechocean762")
SHOWN = ("closure_recall", "false_closure", "sealed_tongue", "labiodental_recall", "false_labiodental", "jitter")

Heard = tuple[Tensor, Tensor, Tensor, Sequence[TimedPhone]]


def hear(
    run: Callable[[Tensor], Prediction],
    cache: Path,
    count: int,
    before: int,
    after: int,
    hard: bool,
    shape: Callable[[Tensor], Tensor],
) -> list[Heard]:
    """Return channels, contact logits, phones' probabilities and true phones of ``count`` clips of training speakers."""
    random = np.random.default_rng(5)
    bank = NoiseBank.load(cache) if hard else None
    clips = [clip for clip in load_corpus(cache, "train", corpora=CORPORA, minimum_quality=-24.0) if 2.0 < clip.seconds < 9.0]
    heard: list[Heard] = []
    for index in random.permutation(len(clips))[:count]:
        clip = clips[int(index)]
        samples = clip.samples() if bank is None else augment(clip.samples(), random, bank)
        sound = np.pad(samples, (before * HOP, after * HOP + -len(samples) % HOP))
        with torch.no_grad():
            prediction = run(torch.from_numpy(sound)[None])
        rows = slice(before, prediction.channels.shape[1] - after)
        phones = torch.softmax(prediction.phone_logits[:, rows], dim=-1)
        heard.append((shape(prediction.channels[:, rows]), prediction.contact_logits[:, rows], phones, clip.phones))
    return heard


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--run", type=Path, default=Path(".cache/training/runs/speech"))
    parser.add_argument("--ear", action="store_true", help="the run is of train_ear")
    parser.add_argument("--clips", type=int, default=120)
    options = parser.parse_args()
    names = [face_channel_names()[column] for column in learned_channels()]
    checkpoint = options.run / "checkpoint.pt"
    shape: Callable[[Tensor], Tensor] = lambda channels: channels  # noqa: E731
    if options.ear:
        network, _ = load_ear(checkpoint, options.cache)
        run: Callable[[Tensor], Prediction] = lambda sound: network(sound)[0]  # noqa: E731
        before, after = BEFORE, AFTER
        gain = torch.tensor(amplitude_gains(names, AMPLITUDE))
        shape = lambda channels: channels * gain  # noqa: E731
    else:
        run, _ = load_network(checkpoint)
        before = after = round(run.context_seconds * SAMPLE_RATE / HOP)
    for kind in ("clean", "hard"):
        heard = hear(run, options.cache, options.clips, before, after, kind == "hard", shape)
        frames = sum(int(phones.shape[1]) for _, _, phones, _ in heard)
        print(f"{kind}: {len(heard)} clips, {frames / FRAME_RATE / 60:.1f} min", flush=True)
        for (seal, sealed), (tooth, toothed) in zip(SEALS, TEETH, strict=True):
            own = (APART_CENTIMETRES, APART_LIKELY, VOWEL_DOUBT) if options.ear else ()
            rules = ContactRules(names, (seal, tooth), (sealed, toothed), *own)
            tallies = defaultdict(list)
            for channels, logits, probabilities, phones in heard:
                curves = ChannelCurves(tuple(names), FRAME_RATE, rules(channels, logits, probabilities)[0].numpy())
                spoken = [phone for phone in phones if phone.phone != SILENCE]
                for name, tally in {**measure_contacts(curves, spoken), "jitter": measure_jitter(curves)}.items():
                    tallies[name].append(tally)
            figures = "  ".join(f"{name} {ratio(tallies[name]):.3f}" for name in SHOWN)
            print(f"{seal:.2f} {sealed:.2f} / {tooth:.2f} {toothed:.2f}  {figures}", flush=True)


if __name__ == "__main__":
    main()
