# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the numbers of the causal rules: ``python -m voxrig.training.speech.choose_stream --cache DIR --run DIR``.

Runs the streaming network once over clips of training speakers, clean and hard to hear, and then tries values of
``StreamRuleValues`` in turn. Development clips are left for scores.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...animation.curves import ChannelCurves
from ...animation.face.channels import face_channel_names, face_channels
from ...animation.face.phones import SILENCE
from ..corpora.augmentation import NoiseBank, augment
from ..corpora.clips import Clip, load_corpus
from ..evaluation.measures import measure_contacts, measure_jitter, ratio
from .batches import learned_channels
from .choose_contacts import CORPORA, SHOWN
from .export_stream import StreamRules, StreamRuleValues, load_stream
from .network import FRAME_RATE, HOP
from .stream_network import StreamNetwork, mel_level, running_features

TRIED: list[dict[str, Any]] = [
    *(
        {"threshold": (low, low / 2), "certain": (high, teeth), "vowel_doubt": doubt}
        for low, high, teeth in ((0.1, 0.42, 0.25), (0.15, 0.45, 0.3), (0.2, 0.5, 0.3), (0.25, 0.55, 0.35), (0.3, 0.6, 0.4))
        for doubt in (1.0, 1.6)
    ),
    {"apart_centimetres": 0.3},
    {"seal_speed": (1.0, 0.5)},
    {"seal_speed": (0.7, 0.7)},
    {"steady_share": 0.5},
    {"steady_share": 1.0},
    {"part_share": 0.35},
]
"""Values to try, each on top of the default."""


def hear(network: StreamNetwork, cache: Path, count: int, hard: bool) -> tuple[list[Clip], list[Tensor]]:
    """Return clips of training speakers, and channels, contact logits and phones of their rows ``[clip, row, ...]``, padded."""
    random = np.random.default_rng(5)
    bank = NoiseBank.load(cache) if hard else None
    clips = [clip for clip in load_corpus(cache, "train", corpora=CORPORA, minimum_quality=-24.0) if 2.0 < clip.seconds < 7.0]
    chosen = [clips[int(index)] for index in random.permutation(len(clips))[:count]]
    longest = max(-(-clip.length // HOP) for clip in chosen) + network.size.look_ahead + 1
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for clip in chosen:
        samples = clip.samples() if bank is None else augment(clip.samples(), random, bank)
        sound = np.pad(samples, (0, longest * HOP - len(samples)))
        with torch.no_grad():
            said = network(torch.from_numpy(running_features(mel_level(sound)).T.copy())[None])
        parts.append((said.channels[0], said.contact_logits[0], torch.softmax(said.phone_logits[0], dim=-1)))
    return chosen, [torch.stack(part) for part in zip(*parts, strict=True)]


def apply_rules(rules: StreamRules, channels: Tensor, contacts: Tensor, phones: Tensor) -> Tensor:
    """Apply the rules step by step to many clips at once."""
    state = torch.zeros(len(channels), rules.state_width)
    made: list[Tensor] = []
    with torch.no_grad():
        for step in range(channels.shape[1]):
            row, state = rules(channels[:, step], contacts[:, step], phones[:, step], state)
            made.append(row)
    return torch.stack(made, dim=1)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--run", type=Path, default=Path(".cache/training/runs/stream"))
    parser.add_argument("--clips", type=int, default=100)
    options = parser.parse_args()
    names = [face_channel_names()[column] for column in learned_channels()]
    rest = [face_channels()[column].rest for column in learned_channels()]
    network, _ = load_stream(options.run / "checkpoint.pt")
    for kind in ("clean", "hard"):
        clips, heard = hear(network, options.cache, options.clips, kind == "hard")
        print(f"{kind}: {len(clips)} clips, {sum(clip.seconds for clip in clips) / 60:.1f} min", flush=True)
        for tried in TRIED:
            values = apply_rules(StreamRules(names, rest, replace(StreamRuleValues(), **tried)), *heard)
            tallies = defaultdict(list)
            for clip, rows in zip(clips, values.numpy(), strict=True):
                # Step k says row k + 1 - look-ahead.
                first = network.size.look_ahead - 1
                curves = ChannelCurves(tuple(names), FRAME_RATE, rows[max(0, first) : first - 1 + -(-clip.length // HOP)],
                                       max(0, -first) / FRAME_RATE)  # fmt: skip
                spoken = [phone for phone in clip.phones if phone.phone != SILENCE]
                for name, tally in {**measure_contacts(curves, spoken), "jitter": measure_jitter(curves)}.items():
                    tallies[name].append(tally)
            figures = "  ".join(f"{name} {ratio(tallies[name]):.3f}" for name in SHOWN)
            print(f"{tried}\n    {figures}", flush=True)


if __name__ == "__main__":
    main()
