# SPDX-License-Identifier: GPL-3.0-or-later
"""Mix tuned networks with the one that they began from: ``python -m voxrig.training.speech.mix_weights --start RUN --run RUN``.

Tuning on some hours makes an encoder forget what it had heard in many more. The line between the weights before and after
keeps most of both: WiSE-FT, Wortsman et al., Robust fine-tuning of zero-shot models, 2022. Runs that differ by their seed are
averaged first: Model soups, Wortsman et al., 2022.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from .export import load_network
from .export_ear import load_ear
from .train import save_checkpoint

SHARE = 0.55
"""Share of the tuned weights."""
Loader = Callable[[Path], tuple[torch.nn.Module, dict[str, Any]]]


def mix_runs(start: Path, runs: Sequence[Path], output: Path, share: float, load: Loader) -> None:
    """Write ``checkpoint.pt`` into ``output``: ``share`` of the mean weights of ``runs``, the rest of those of ``start``."""
    before = load(find_checkpoint(start))[0].state_dict()
    tuned = [load(find_checkpoint(run)) for run in runs]
    afters = [network.state_dict() for network, _ in tuned]
    state = tuned[0][1]
    average = {
        name: torch.lerp(before[name], torch.stack([after[name] for after in afters]).mean(0), share)
        if afters[0][name].is_floating_point()
        else afters[0][name]
        for name in state["average"]
    }
    for total in ("step", "spent"):
        state[total] = sum(part[total] for _, part in tuned)
    output.mkdir(parents=True, exist_ok=True)
    save_checkpoint(output / "checkpoint.pt", **{**state, "average": average})


def find_checkpoint(path: Path) -> Path:
    """Return the checkpoint in a run's folder, or the file of released weights that ``path`` already is."""
    return path / "checkpoint.pt" if path.is_dir() else path


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument(
        "--start", type=Path, default=Path(".cache/training/runs/ear"), help="the run that the others began from"
    )
    parser.add_argument("--run", type=Path, nargs="+", default=[Path(".cache/training/runs/ear_tuned")])
    parser.add_argument("--output", type=Path, default=Path(".cache/training/runs/ear_mixed"))
    parser.add_argument("--share", type=float, default=SHARE, help="of the tuned weights")
    parser.add_argument("--small", action="store_true", help="runs of the small network (train) instead of the ear's")
    options = parser.parse_args()
    load: Loader = load_network if options.small else partial(load_ear, cache=options.cache)
    mix_runs(options.start, options.run, options.output, options.share, load)


if __name__ == "__main__":
    main()
