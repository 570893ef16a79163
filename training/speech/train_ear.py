# SPDX-License-Identifier: GPL-3.0-or-later
"""Train Speech 2: ``python -m voxrig.training.speech.train_ear --cache DIR --run DIR --minutes M``, after ``lessons``.

The heads learn from lessons that Whisper's encoder has already heard; with ``--tune`` its layers learn with them. It
starts from nothing or from the averaged weights of another run (``--start``), resumes from ``RUN/checkpoint.pt`` and runs until
``--steps`` steps or ``--minutes`` minutes (of all runs together) are done; the learning rate is a one-cycle over whichever
comes first. An exponential average of the weights is exported. The recipe is in the constants below.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ...animation.face import lips
from ...animation.face.channels import face_channel_names, face_channels
from ...animation.face.phones import PHONES
from .amplitude import AMPLITUDE, amplitude_gains
from .batches import learned_channels
from .ear import BEFORE, LAYERS, LEVEL_REACH, TUNED, EarNetwork
from .lesson_targets import Lesson, LessonStore
from .lessons import ROWS
from .network import Prediction
from .targets import blend_labels
from .train import learning_rate, save_checkpoint
from .whisper import fetch_whisper, read_encoder

PEAK, EAR_PEAK = 2e-3, 2e-4
"""Highest learning rate of the heads, and of Whisper's layers."""
LESSONS_A_STEP = 1
SETTLED = 150
"""Steps after which normalisations keep their statistics: a lesson's own are not there when the model runs."""
KEEP = 0.995
"""Share of the averaged weights that is kept at each step."""

LOSS_WEIGHTS = {
    "phones": 3.0,
    "contacts": 4.0,
    "position": 25.0,
    "motion": 150.0,
    "closed": 1.5,
    "lips": 0.8,
    "still": 100.0,
    "tracked": 2.0,
    "effort": 0.5,
}
"""Phones: cross-entropy; contacts: binary cross-entropy; channels by position, by motion, and where nobody speaks; the lips in
centimetres, closed ones most (weight exp(-4 gap)); captured mouths; the logarithm of effort."""
TRACKED_CENTIMETRES = 8.5
"""Distance between the outer eye corners: the unit of the tracked mouth."""
CHIN_CENTIMETRES = 2.65
"""Movement of the chin for a whole jawOpen."""
TRACKED_KEEPS = 0.3
"""Share of the weight of the rules' channels that remains where a captured mouth is known."""


class Losses:
    """The terms of LOSS_WEIGHTS, each a mean over the frames for which it is known."""

    def __init__(self) -> None:
        names = [face_channel_names()[column] for column in learned_channels()]
        tables = (lips.GAP_CENTIMETRES, lips.WIDTH_CENTIMETRES, lips.LOWER_LIP_CENTIMETRES)
        self.mouth = torch.tensor(
            np.stack([lips.channel_weights(table, names) for table in tables], axis=1), dtype=torch.float32
        )
        share = np.array([0.3 if face_channels()[column].group == "viseme" else 1.0 for column in learned_channels()])
        self.share = torch.tensor(share / share.mean(), dtype=torch.float32)
        self.jaw = names.index("jawOpen")
        # What was captured is compared with the size that the model has in the end.
        self.gain = torch.tensor(amplitude_gains(names, AMPLITUDE))

    def __call__(self, prediction: Prediction, effort: Tensor, lesson: Lesson, take_scale: float) -> dict[str, Tensor]:
        channels = prediction.channels[0]
        known = lesson.known[:, None]
        captured = torch.isfinite(lesson.mouth[:, :1])
        weight = known * torch.where(captured, TRACKED_KEEPS, 1.0)
        error = channels - lesson.channels
        motion = error[1:] - error[:-1]
        mouth_error = error @ self.mouth
        gap = (lesson.channels @ self.mouth[:, :1]).clamp(min=0.0)
        still = ((lesson.phones[1:] == 0) & (lesson.phones[:-1] == 0)).float()[:, None] * known[1:]

        def mean(value: Tensor, of: Tensor) -> Tensor:
            return (value * of).sum() / (of.sum() * value.shape[-1]).clamp(min=1.0)

        wanted, touching, heeded = blend_labels(lesson.phones, lesson.contacts, lesson.known, lesson.soft, 0.05)
        entropy = functional.cross_entropy(prediction.phone_logits[0], wanted, reduction="none")
        contacts = functional.binary_cross_entropy_with_logits(
            prediction.contact_logits[0], touching, pos_weight=torch.tensor([2.0, 4.0]), reduction="none"
        )
        heard = torch.isfinite(lesson.effort)
        wanted = torch.log(torch.where(heard, lesson.effort, torch.ones_like(lesson.effort)))[:, None]
        return {
            "phones": mean(entropy[:, None], heeded[:, None]),
            "contacts": mean(contacts, heeded[:, None]),
            "position": mean(error.square() * self.share, weight),
            "motion": mean(motion.square() * self.share, weight[1:]),
            "closed": mean(mouth_error[:, :1].square() * torch.exp(-4.0 * gap), known),
            "lips": mean(mouth_error[:, 1:].square(), weight),
            "still": mean(motion.square() * self.share, still),
            "tracked": self.tracked(channels, lesson.mouth, take_scale),
            "effort": mean((effort[0] - wanted).square(), heard.float()[:, None]),
        }

    def tracked(self, channels: Tensor, mouth: Tensor, take_scale: float) -> Tensor:
        """Compute the squared errors of gap, width (both cm) and jaw (fifths) against captured mouths, without each scene's
        mean."""
        total = torch.zeros(())
        channels = channels * self.gain
        made = torch.stack([(channels @ self.mouth[:, 0]), channels @ self.mouth[:, 1], channels[:, self.jaw] * 5.0], dim=1)
        face_known = torch.isfinite(mouth[:, 0])
        for rows in (*_runs(face_known), *_runs(torch.isfinite(mouth[:, 2]) & ~face_known)):
            truth = mouth[rows]
            face = bool(torch.isfinite(truth[0, 0]))
            truth = truth * torch.tensor(
                [
                    TRACKED_CENTIMETRES,
                    TRACKED_CENTIMETRES,
                    5.0 * (TRACKED_CENTIMETRES / CHIN_CENTIMETRES if face else take_scale),
                ]
            )
            columns = slice(0, 3) if face else slice(2, 3)
            error = (made[rows] - truth)[:, columns]
            total = total + (error - error.mean(0)).square().mean(1).sum() * (2.0 if face else 1.0)
        return total / len(mouth)


def _runs(flags: Tensor) -> list[slice]:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.numpy().astype(np.int8), [0]))))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 25]


def new_network(cache: Path, width: int = 256) -> EarNetwork:
    """Make a network with Whisper's encoder and untrained heads."""
    network = EarNetwork(len(PHONES), len(learned_channels()), width)
    network.ear.load_whisper(read_encoder(fetch_whisper(cache)))
    return network


def trained_names(network: EarNetwork, tune: bool) -> set[str]:
    """List the names of the learned weights: the heads, and with ``tune`` also the ear's tuned layers."""
    last = (*(f"ear.layers.{number}." for number in range(LAYERS - TUNED, LAYERS)), "ear.norm.") if tune else ()
    return {name for name in network.state_dict() if not name.startswith("ear.") or name.startswith(last)}


def train(
    cache: Path,
    run: Path,
    *,
    steps: int,
    minutes: float | None,
    seed: int,
    tune: bool = False,
    start: Path | None = None,
    peaks: tuple[float, float] = (PEAK, EAR_PEAK),
) -> None:
    """Train the heads (see the module's docstring)."""
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    network = new_network(cache)
    if start is not None:
        weights = torch.load(start, weights_only=False)["average"]
        network.load_state_dict({name: value.float() for name, value in weights.items()}, strict=False)
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all lessons so far
    learned = trained_names(network, tune)
    parameters = dict(network.named_parameters())
    ear = [value for name, value in parameters.items() if name in learned and name.startswith("ear.")]
    heads = [value for name, value in parameters.items() if name in learned and not name.startswith("ear.")]
    groups = [{"params": heads, "peak": peaks[0]}, *([{"params": ear, "peak": peaks[1]}] if ear else [])]
    optimiser = torch.optim.AdamW(groups, lr=peaks[0], weight_decay=0.01, fused=True)
    average = {name: value.detach().clone() for name, value in network.state_dict().items() if name in learned}
    step, spent = 0, 0.0
    checkpoint = run / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=False)
        network.load_state_dict(state["network"], strict=False)
        optimiser.load_state_dict(state["optimiser"])
        average, step, spent = state["average"], state["step"], state["spent"]
    store, losses = LessonStore(cache, None if tune else network.ear), Losses()
    take_scale = 0.1 / take_deviation(store)
    print(f"{len(store)} lessons, step {step}", flush=True)
    started, sums, counted = time.monotonic(), {}, 0

    def save() -> None:
        kept = {name: value for name, value in network.state_dict().items() if name in learned}
        save_checkpoint(
            checkpoint,
            network=kept,
            average=average,
            optimiser=optimiser.state_dict(),
            step=step,
            spent=spent + time.monotonic() - started,
            seed=seed,
            width=network.width,
            lessons=len(store),
        )

    network.train()

    def done() -> float:
        """Return the finished share of the run: by steps, or by minutes if that is larger."""
        return max(step / steps, 0.0 if minutes is None else (spent + time.monotonic() - started) / (60 * minutes))

    while done() < 1.0:
        random = np.random.default_rng((seed, step))
        if step >= SETTLED:
            for norm in norms:
                norm.eval()
        if step % 100 == 0:
            store = LessonStore(cache, None if tune else network.ear)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(round(1000 * done()), 1000, group["peak"])
        optimiser.zero_grad(set_to_none=True)
        for number in random.integers(0, len(store), LESSONS_A_STEP):
            lesson = store.load(int(number))
            heard = network.ear.finish(lesson.windows) if tune else lesson.windows
            prediction, effort = network.decide(heard)
            rows = slice(BEFORE - LEVEL_REACH, BEFORE - LEVEL_REACH + ROWS)
            prediction = Prediction(*(getattr(prediction, name)[:, rows] for name in Prediction.__dataclass_fields__))
            terms = losses(prediction, effort[:, rows], lesson, take_scale)
            total = sum((LOSS_WEIGHTS[name] * value for name, value in terms.items()), torch.zeros(()))
            (total / LESSONS_A_STEP).backward()
            speaks = (lesson.phones > 0) & (lesson.known > 0)
            right = (prediction.phone_logits[0].argmax(-1) == lesson.phones)[speaks].float().mean()
            for name, value in {**terms, "total": total, "speech frames right": right}.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach())
            counted += 1
        torch.nn.utils.clip_grad_norm_([*heads, *ear], 1.0)
        optimiser.step()
        step += 1
        with torch.no_grad():
            keep = min(KEEP, (1 + step) / (20 + step))
            for name, value in network.state_dict().items():
                if name in average:
                    if value.dtype.is_floating_point:
                        average[name].mul_(keep).add_(value, alpha=1 - keep)
                    else:
                        average[name].copy_(value)
        if step % 50 == 0:
            line: dict[str, object] = {"step": step, "minutes": round((spent + time.monotonic() - started) / 60, 2)}
            line |= {name: round(value / counted, 4) for name, value in sums.items()}
            print(json.dumps(line), flush=True)
            with (run / "log.jsonl").open("a") as stream:
                stream.write(json.dumps(line) + "\n")
            sums, counted = {}, 0
        if step % 100 == 0:
            save()
    save()


def take_deviation(store: LessonStore) -> float:
    """Compute the standard deviation of the captured rig's jaw over the first lessons that have some."""
    found: list[NDArray] = []
    for path in store.paths[:40]:
        with np.load(path) as file:
            mouth = file["mouth"]
        found.append(mouth[np.isnan(mouth[:, 0]) & np.isfinite(mouth[:, 2]), 2])
    return float(np.concatenate(found).std())


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--run", type=Path, default=Path(".cache/training/runs/ear"))
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=Path, help="begin with the averaged weights of this checkpoint")
    parser.add_argument("--tune", action="store_true", help="Whisper's encoder learns too: five times as slow")
    parser.add_argument("--peaks", type=float, nargs=2, default=(PEAK, EAR_PEAK), help="highest learning rates: heads, encoder")
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's choice")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    train(
        options.cache,
        options.run,
        steps=options.steps,
        minutes=options.minutes,
        seed=options.seed,
        tune=options.tune,
        start=options.start,
        peaks=tuple(options.peaks),
    )


if __name__ == "__main__":
    main()
