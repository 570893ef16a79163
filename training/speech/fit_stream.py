# SPDX-License-Identifier: GPL-3.0-or-later
"""Fit the heads of the streaming network: ``python -m voxrig.training.speech.fit_stream --cache DIR --run DIR --output DIR``.

A step of the heads on features that are computed once costs a fiftieth of a step of the whole network, so they can be learned
to the end where the network could not. The lessons are those of ``train_stream``, the last of which are kept back and scored.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .export_stream import load_stream
from .stream_network import StreamNetwork, StreamPrediction, load_average, running_features
from .train import learning_rate, save_checkpoint
from .train_stream import LOSS_WEIGHTS, PARTS, WARM_UP, Losses, read_lesson, vary

PEAK = 2e-3
STRETCH, BATCH = 400, 12
KEPT_BACK = 0.1
SHARE = 0.5
"""Share of the run's weights in a mixture with those it began with."""


def mix(network: StreamNetwork, before: Path, share: float) -> None:
    """Keep ``share`` of the weights, and take the rest from the checkpoint ``before``, whose heads stand for all look-aheads.

    As in ``mix_weights``: training on some hours forgets what was heard in many more.
    """
    other = StreamNetwork(network.size)
    load_average(other, torch.load(before, map_location="cpu", weights_only=False)["average"])
    first, second = other.state_dict(), network.state_dict()
    network.load_state_dict(
        {
            name: torch.lerp(first[name], second[name], share) if second[name].is_floating_point() else second[name]
            for name in second
        }
    )


@dataclass(frozen=True)
class Heard:
    """A lesson after the layers: features ``[width, step]``, and labels by name ``[row, ...]``."""

    features: Tensor
    labels: dict[str, NDArray]

    def rows(self, name: str, first: int, count: int, look_ahead: int) -> NDArray:
        """Return the labels of what ``count`` steps from ``first`` on say; step k says row k + 1 - look-ahead."""
        return self.labels[name][first + 1 - look_ahead : first + 1 - look_ahead + count]


def hear_lessons(network: StreamNetwork, paths: list[Path], seed: int) -> list[Heard]:
    """Run the trunk over lessons, each varied in its own way."""
    heard: list[Heard] = []
    random = np.random.default_rng(seed)
    for path in paths:
        lesson = read_lesson(path)
        columns = torch.from_numpy(running_features(vary(lesson.level, random)).T.copy())[None]
        with torch.inference_mode():
            features = network.hear(columns)[0, :, 0].half()
        heard.append(Heard(features, {name: getattr(lesson, name) for name in PARTS[1:]}))
    return heard


def make_batch(heard: list[Heard], random: np.random.Generator, look_ahead: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Cut ``BATCH`` stretches: features ``[batch, width, 1, step]`` and labels."""
    cuts: list[Tensor] = []
    parts: dict[str, list[NDArray]] = {}
    for number in random.integers(0, len(heard), BATCH):
        lesson = heard[int(number)]
        first = int(random.integers(WARM_UP, lesson.features.shape[1] - STRETCH - 1))
        cuts.append(lesson.features[:, None, first : first + STRETCH].float())
        for name in lesson.labels:
            parts.setdefault(name, []).append(lesson.rows(name, first, STRETCH, look_ahead))
    batch = {name: torch.from_numpy(np.stack(values)) for name, values in parts.items()}
    return torch.stack(cuts), {n: v.long() if n == "phones" else v.float() for n, v in batch.items()}


def measure(network: StreamNetwork, heard: list[Heard], look_ahead: int) -> dict[str, float]:
    """Measure on lessons: right phones of speech, and for seals at 85 % recall the share of other speech taken for one."""
    logits: list[Tensor] = []
    wanted: list[NDArray] = []
    right = count = 0
    for lesson in heard:
        with torch.inference_mode():
            said = network.heads_of(look_ahead)(lesson.features[None, :, None].float())
        steps = slice(WARM_UP, lesson.features.shape[1] - 1)
        phones, known, contacts = (
            lesson.rows(name, WARM_UP, steps.stop - WARM_UP, look_ahead) for name in ("phones", "known", "contacts")
        )
        spoken = (known > 0) & (phones > 0)
        right += int((said.phone_logits[0, steps].argmax(-1).numpy() == phones)[spoken].sum())
        count += int(spoken.sum())
        logits.append(said.contact_logits[0, steps, 0][torch.from_numpy(spoken)])
        wanted.append(contacts[spoken, 0] > 0)
    seals, truth = torch.cat(logits).numpy(), np.concatenate(wanted)
    threshold = float(np.quantile(seals[truth], 0.15))
    return {"phones right": right / max(1, count), "false at 85 %": float((seals[~truth] > threshold).mean())}


def fit(network: StreamNetwork, heard: list[Heard], look_ahead: int, steps: int, seed: int) -> None:
    """Learn the heads of a look-ahead."""
    heads = network.heads_of(look_ahead)
    optimiser = torch.optim.AdamW(heads.parameters(), lr=PEAK, weight_decay=0.01)
    losses = Losses()
    random = np.random.default_rng(seed)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, steps, PEAK)
        features, batch = make_batch(heard, random, look_ahead)
        said = heads(features)
        # The heads hear two steps before.
        said = StreamPrediction(*(getattr(said, name)[:, 2:] for name in StreamPrediction.__dataclass_fields__))
        terms = losses.terms(said, {name: value[:, 2:] for name, value in batch.items()})
        total = sum((LOSS_WEIGHTS[name] * value for name, value in terms.items()), torch.zeros(()))
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        optimiser.step()
        if step % 100 == 0:
            print(f"step {step}: {float(total.detach()):.3f}", flush=True)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--run", type=Path, default=Path(".cache/training/runs/stream"))
    parser.add_argument("--output", type=Path, default=Path(".cache/training/runs/stream_fitted"))
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--mix", type=Path, help="checkpoint that the run began with, to mix its weights with first")
    parser.add_argument("--share", type=float, default=SHARE, help="share of the run's own weights in the mixture")
    parser.add_argument("--look-aheads", type=int, nargs="*", help="in steps, whose heads are fitted (default: all)")
    parser.add_argument("--lessons", type=int, default=10_000, help="most lessons to hear")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's choice")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    network, state = load_stream(options.run / "checkpoint.pt")
    if options.mix is not None:
        mix(network, options.mix, options.share)
    paths = [path for kind in ("stream_lessons", "stream_plain") for path in sorted((options.cache / kind).glob("[0-9]*.npz"))]
    paths = [paths[int(number)] for number in np.random.default_rng(options.seed).permutation(len(paths))[: options.lessons]]
    kept_back = round(1 / KEPT_BACK)
    began = time.monotonic()
    back = hear_lessons(network, paths[kept_back - 1 :: kept_back], options.seed)
    learned = hear_lessons(network, [path for i, path in enumerate(paths) if (i + 1) % kept_back], options.seed)
    print(f"{len(learned)} lessons heard in {time.monotonic() - began:.0f} s, {len(back)} kept back")
    for look_ahead in options.look_aheads or network.size.look_aheads:
        print(f"look-ahead {20 * look_ahead} ms: {measure(network, back, look_ahead)}")
        fit(network, learned, look_ahead, options.steps, options.seed)
        print(f"after {time.monotonic() - began:.0f} s: {measure(network, back, look_ahead)}")
    options.output.mkdir(parents=True, exist_ok=True)
    average = {name: value.detach().clone() for name, value in network.state_dict().items()}
    save_checkpoint(options.output / "checkpoint.pt", **{**state, "average": average, "lessons": state["lessons"]})


if __name__ == "__main__":
    main()
