# SPDX-License-Identifier: GPL-3.0-or-later
"""Mix a tuned ear with the one that it began from: ``python -m voxrig.training.speech.mix_weights --start DIR --run DIR``.

Tuning on some hours makes an encoder forget what it had heard in many more. The line between the weights before and after
keeps most of both: WiSE-FT, Wortsman et al., Robust fine-tuning of zero-shot models, 2022.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .export_ear import load_ear
from .train import save_checkpoint

SHARE = 0.55
"""Share of the tuned weights."""


def mix_runs(start: Path, run: Path, output: Path, cache: Path, share: float) -> None:
    """Write ``checkpoint.pt`` into ``output``: ``share`` of the averaged weights of ``run``, the rest of those of ``start``."""
    before = load_ear(start / "checkpoint.pt", cache)[0].state_dict()
    tuned, state = load_ear(run / "checkpoint.pt", cache)
    after = tuned.state_dict()
    average = {
        name: torch.lerp(before[name], after[name], share) if after[name].is_floating_point() else after[name]
        for name in state["average"]
    }
    output.mkdir(parents=True, exist_ok=True)
    save_checkpoint(output / "checkpoint.pt", **{**state, "average": average})


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--start", type=Path, default=Path(".cache/training/runs/ear"), help="the run that --run began from")
    parser.add_argument("--run", type=Path, default=Path(".cache/training/runs/ear_tuned"))
    parser.add_argument("--output", type=Path, default=Path(".cache/training/runs/ear_mixed"))
    parser.add_argument("--share", type=float, default=SHARE, help="of the tuned weights")
    options = parser.parse_args()
    mix_runs(options.start, options.run, options.output, options.cache, options.share)


if __name__ == "__main__":
    main()
