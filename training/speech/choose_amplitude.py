# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure how far Speech 2 opens the mouth: ``python -m voxrig.training.speech.choose_amplitude --data DIR --run DIR``.

A regression takes from the size of what it is unsure of. On the tracked talker's training clips (names that begin with l,
p or s) this prints our opening's 95th percentile over his, and our width's deviation over his, for some factors of
``amplitude.AMPLITUDE``. Clips that begin with b are left for scores.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from ...animation.face import lips
from ...animation.face.channels import face_channel_names
from ..corpora.clips import load_corpus
from .amplitude import AMPLITUDE
from .ear import AFTER, BEFORE
from .export_ear import EarModel, load_ear
from .lessons import read_tracked
from .network import HOP
from .train_ear import TRACKED_CENTIMETRES

FACTORS = ((0.9, 0.9), (1.0, 1.0), (1.1, 1.2), (1.2, 1.4))
"""Factors on AMPLITUDE for opening and for the width of the mouth."""
WIDTH = ("mouthFunnel", "mouthPucker", "mouthSmile", "mouthStretch")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--run", type=Path, default=Path(".cache/training/runs/ear"))
    parser.add_argument("--clips", type=int, default=30)
    options = parser.parse_args()
    network, _ = load_ear(options.run / "checkpoint.pt", options.cache)
    names = face_channel_names()
    clips = [clip for clip in load_corpus(options.cache, "evaluation", corpora=("grid_lips",)) if clip.id[0] in "lps"]
    chosen = np.random.default_rng(0).permutation(len(clips))[: options.clips]
    heard = []
    for index in chosen:
        clip = clips[int(index)]
        sound = torch.from_numpy(np.pad(clip.samples(), (BEFORE * HOP, AFTER * HOP + -clip.length % HOP)))[None]
        with torch.no_grad():
            heard.append((clip, sound, network(sound)))
    for opening, width in FACTORS:
        tried = {name: factor * (width if name in WIDTH else opening) for name, factor in AMPLITUDE.items()}
        model = EarModel(network, amplitude=tried).eval()
        gaps, tracked_gaps, widths, tracked_widths = [], [], 0.0, 0.0
        for clip, sound, said in heard:
            emotion = torch.zeros(1, sound.shape[1] // HOP, len(model.expression.rules.emotions))
            with torch.no_grad():
                values = model.shape(*said, sound, emotion)[0][0, BEFORE:-AFTER].numpy()
            tracked = read_tracked(options.data / "grid_lips" / "lips" / f"{clip.id}.csv") * TRACKED_CENTIMETRES
            rows = min(len(values), len(tracked))
            gaps.append(lips.lip_gap(values[:rows], names))
            tracked_gaps.append(tracked[:rows, 0])
            widths += float(np.std(lips.lip_width(values[:rows], names)))
            tracked_widths += float(np.std(tracked[:rows, 1]))
        top, tracked_top = (float(np.percentile(np.concatenate(part), 95)) for part in (gaps, tracked_gaps))
        print(f"opening {opening:.2f}, width {width:.2f}: {top / tracked_top:.3f} {widths / tracked_widths:.3f}", flush=True)


if __name__ == "__main__":
    main()
