# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose the thresholds of contact evidence: ``python -m voxrig.training.speech.choose_contacts --data DIR --run DIR``.

Runs the network once over labelled development clips and then tries thresholds of the contact rules: closures found
against vowels and tongue sounds sealed by mistake, and jitter. Prints the trade-off; the choice goes into ``export.py``.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from ...animation.curves import ChannelCurves
from ...animation.face.channels import face_channel_names
from ..evaluation.evaluate import load_development
from ..evaluation.measures import measure_contacts, measure_jitter, ratio
from .batches import learned_channels
from .export import load_network
from .network import FRAME_RATE, HOP, SAMPLE_RATE, ContactRules

SEALS = ((2.0, 3.0), (0.3, 0.6), (0.2, 0.55), (0.12, 0.5), (0.08, 0.45), (0.05, 0.4), (0.02, 0.35))
"""(threshold, certain) to try; the first one never closes: the network alone."""


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--run", type=Path, default=Path(".cache/training/runs/speech"))
    parser.add_argument("--subset", default="fast")
    arguments = parser.parse_args()
    network, _ = load_network(arguments.run / "checkpoint.pt")
    names = [face_channel_names()[column] for column in learned_channels()]
    heard = []
    for clip in load_development(arguments.data, arguments.cache, arguments.subset).labelled:
        reach = round(network.context_seconds * SAMPLE_RATE / HOP) * HOP
        sound = np.pad(clip.waveform, (reach, reach + -len(clip.waveform) % HOP))
        with torch.no_grad():
            prediction = network(torch.from_numpy(sound)[None])
        rows = slice(reach // HOP, -(reach // HOP))
        phones = torch.softmax(prediction.phone_logits[:, rows], dim=-1)
        heard.append((prediction.channels[:, rows], prediction.contact_logits[:, rows], phones, clip.phones))
    for threshold, certain in SEALS:
        rules = ContactRules(names, (threshold, threshold), (certain, certain))
        tallies = defaultdict(list)
        for channels, logits, probabilities, phones in heard:
            values = rules(channels, logits, probabilities)[0].numpy()
            curves = ChannelCurves(tuple(names), FRAME_RATE, values)
            for name, tally in {**measure_contacts(curves, phones), "jitter": measure_jitter(curves)}.items():
                tallies[name].append(tally)
        shown = ("closure_recall", "false_closure", "sealed_tongue", "labiodental_recall", "jitter")
        print(
            f"{threshold:.2f} {certain:.2f}  " + "  ".join(f"{name} {ratio(tallies[name]):.3f}" for name in shown), flush=True
        )


if __name__ == "__main__":
    main()
