# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the numbers of the causal rules: ``python -m voxrig.training.speech.choose_stream --data DIR --cache DIR --run DIR``.

Runs the streaming network once over clips of training speakers, the tracked talker's among them, and over sounds in which
nobody speaks, and then tries values of ``StreamRuleValues`` in turn. Development clips are left for scores.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...animation.curves import ChannelCurves
from ...animation.face.channels import face_channel_names, face_channels
from ...animation.face.phones import SILENCE
from ..corpora.augmentation import NoiseBank, augment
from ..corpora.clips import Clip, load_corpus
from ..corpora.voices import Samples
from ..evaluation.conditions import still_sounds
from ..evaluation.measures import Tally, measure_contacts, measure_jitter, measure_tracked, ratio
from .batches import learned_channels
from .calibrate_articulation import FITTED_INITIALS, load_clips
from .choose_contacts import CORPORA, SHOWN
from .export_stream import VALUES, StreamRules, load_stream
from .network import FRAME_RATE, HOP
from .stream_network import StreamNetwork, mel_level, running_features

TRIED: list[dict[str, Any]] = [
    *(
        {"threshold": (low, low / 2), "certain": (high, teeth), "vowel_doubt": doubt}
        for low, high, teeth in ((0.1, 0.42, 0.25), (0.15, 0.45, 0.3), (0.2, 0.5, 0.3), (0.25, 0.55, 0.35), (0.3, 0.6, 0.4))
        for doubt in (1.0, 1.6)
    ),
    {"threshold": (0.08, 0.04), "certain": (0.36, 0.2)},
    {"apart_centimetres": 0.3},
    {"apart_centimetres": 0.36},
    {"seal_speed": (1.0, 0.5)},
    {"seal_speed": (0.7, 0.7)},
    {"steady_share": 0.5},
    {"steady_share": 1.0},
    *(
        {"speaks": speaks, "move_speed": speed}
        for speaks in ((0.4, 0.7), (0.25, 0.5), (0.15, 0.4), (0.1, 0.3))
        for speed in ((0.34, 0.08), (1.0, 0.04))
    ),
]
"""Values to try, each on top of the default."""


def hear(network: StreamNetwork, sounds: list[Samples], look_ahead: int) -> list[Tensor]:
    """Return channels, contact logits and phones of sounds ``[sound, row, ...]``, padded to the longest."""
    longest = max(-(-len(sound) // HOP) for sound in sounds) + look_ahead + 1
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for sound in sounds:
        padded = np.pad(sound, (0, longest * HOP - len(sound)))
        with torch.no_grad():
            features = network.hear(torch.from_numpy(running_features(mel_level(padded)).T.copy())[None])
            said = network.heads_of(look_ahead)(features)
        parts.append((said.channels[0], said.contact_logits[0], torch.softmax(said.phone_logits[0], dim=-1)))
    return [torch.stack(part) for part in zip(*parts, strict=True)]


def choose_clips(cache: Path, count: int) -> list[Clip]:
    """Draw clips of training speakers."""
    clips = [clip for clip in load_corpus(cache, "train", corpora=CORPORA, minimum_quality=-24.0) if 2.0 < clip.seconds < 7.0]
    return [clips[int(index)] for index in np.random.default_rng(5).permutation(len(clips))[:count]]


def cut_rows(rows: NDArray, names: list[str], look_ahead: int, samples: int) -> ChannelCurves:
    """Cut the rows of a sound from what the steps say: step k says row k + 1 - look-ahead."""
    first = look_ahead - 1
    return ChannelCurves(
        tuple(names), FRAME_RATE, rows[max(0, first) : first - 1 + -(-samples // HOP)], max(0, -first) / FRAME_RATE
    )


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
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--run", type=Path, default=Path(".cache/training/runs/stream"))
    parser.add_argument("--look-ahead", type=int, help="in steps of 20 ms (default: that of the layers)")
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--hard", action="store_true", help="clips that are hard to hear as well")
    options = parser.parse_args()
    names = [face_channel_names()[column] for column in learned_channels()]
    rest = [face_channels()[column].rest for column in learned_channels()]
    network, _ = load_stream(options.run / "checkpoint.pt")
    look_ahead = network.size.look_ahead if options.look_ahead is None else options.look_ahead
    clips = choose_clips(options.cache, options.clips)
    sounds = {"clean": [clip.samples() for clip in clips]}
    if options.hard:
        random, bank = np.random.default_rng(6), NoiseBank.load(options.cache)
        sounds["hard"] = [augment(sound, random, bank) for sound in sounds["clean"]]
    spoken = {clip.id: clip for clip in load_corpus(options.cache, "evaluation", corpora=("grid_lips",))}
    # The talker's clips that training has heard; those that begin with b are scored.
    tracked = load_clips(options.data, options.cache, FITTED_INITIALS)[: options.clips // 2]
    sounds["tracked"] = [spoken[clip.name].samples() for clip in tracked]
    sounds["still"] = [sound for kind in still_sounds([]).values() for sound in kind]
    heard = {kind: hear(network, of_kind, look_ahead) for kind, of_kind in sounds.items()}
    print(f"{len(clips)} clips, {sum(clip.seconds for clip in clips) / 60:.1f} min; {len(tracked)} tracked", flush=True)
    for tried in [{}, *TRIED]:
        rules = StreamRules(names, rest, replace(VALUES[look_ahead], **tried))
        speed = 1.0
        print(tried)
        for kind, parts in heard.items():
            tallies: dict[str, list[Tally]] = defaultdict(list)
            moved: list[float] = []
            for number, rows in enumerate(apply_rules(rules, *parts).numpy()):
                curves = cut_rows(rows, names, look_ahead, len(sounds[kind][number]))
                moved.append(float(np.mean(np.sum(np.diff(curves.values, axis=0) ** 2, axis=1))))
                if kind in ("clean", "hard"):
                    phones = [phone for phone in clips[number].phones if phone.phone != SILENCE]
                    found = {**measure_contacts(curves, phones), "jitter": measure_jitter(curves)}
                elif kind == "tracked":
                    found, _ = measure_tracked(curves, tracked[number].mouth)
                else:
                    found = {}
                for name, tally in found.items():
                    tallies[name].append(tally)
            shown = [f"{name} {ratio(tallies[name]):.3f}" for name in (*SHOWN, "opening_r", "jaw_r") if name in tallies]
            if kind == "clean":
                speed = float(np.mean(moved))
            if kind == "still":
                shown = [f"motion {100 * np.mean(moved) / speed:.2f} % of speech"]
            print(f"    {kind:8}{'  '.join(shown)}", flush=True)


if __name__ == "__main__":
    main()
