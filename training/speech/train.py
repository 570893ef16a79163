# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the speech network: ``python -m voxrig.training.speech.train --cache DIR --run DIR [--minutes M | --steps N]``.

It resumes by itself from ``RUN/checkpoint.pt`` and uses CUDA if available. With ``--data`` the averaged weights are scored
at regular steps on the evaluation's 'fast' development clips, in the form of the exported model. The learning rate follows
a one-cycle over ``--steps``; the exported weights are an exponential average. Losses: phones (cross-entropy), lip contacts
(binary cross-entropy), channels by position and by motion, the lip gap with weight exp(-gap) so that closed lips count most
(NVIDIA's lip distance loss, arXiv 2508.16401), and stillness where nobody speaks.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...animation.face import lips
from ...animation.face.channels import face_channel_names, face_channels
from ...animation.face.phones import PHONES
from ..corpora.clips import training_record
from ..evaluation.evaluate import Development, align_development, load_development, load_package_predict, score
from .batches import Batch, TrainingSet, learned_channels, loader
from .export import export
from .lesson_batches import LessonSet
from .network import NetworkSize, Prediction, SpeechNetwork
from .targets import blend_labels

CORPUS_WEIGHTS = {
    "noise_synthetic": 0.8,
    "noise_speech_commands": 5.0,
    "synthetic_flite": 0.6,
    "synthetic_festival": 0.6,
    "synthetic_revoiced": 0.8,
    "synthetic_espeak": 0.4,
    "synthetic_languages": 0.5,
}
"""How often a corpus is drawn for its hours, if not once: recordings before synthesis, however much of it there is."""

SCORED = ("closure_recall", "false_closure", "sealed_tongue", "labiodental_recall", "opening_r", "width_r", "jaw_r")
"""Figures of the evaluation that are logged while training."""


class Losses:
    """The weighted sum of the network's errors; all terms are means over batch and frames."""

    def __init__(self, device: torch.device) -> None:
        names = [face_channel_names()[column] for column in learned_channels()]
        gap = lips.channel_weights(lips.GAP_CENTIMETRES, names)
        width = lips.channel_weights(lips.WIDTH_CENTIMETRES, names)
        height = lips.channel_weights(lips.LOWER_LIP_CENTIMETRES, names)
        self.mouth = torch.tensor(np.stack([gap, width, height], axis=1), dtype=torch.float32, device=device)
        group = [face_channels()[column].group for column in learned_channels()]
        share = np.array([0.3 if kind == "viseme" else 1.0 for kind in group])
        self.share = torch.tensor(share / share.mean(), dtype=torch.float32, device=device)
        self.contact_weight = torch.tensor([2.0, 2.0], device=device)

    def __call__(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        error = prediction.channels - batch.channels
        motion = error[:, 1:] - error[:, :-1]
        mouth_error = error @ self.mouth
        gap = (batch.channels @ self.mouth[:, :1]).clamp(min=0.0)
        still = ((batch.phones[:, 1:] == 0) & (batch.phones[:, :-1] == 0)).float()[..., None]
        known = torch.ones_like(batch.phones, dtype=torch.float32) if batch.known is None else batch.known
        wanted, touching, heeded = blend_labels(batch.phones, batch.contacts, known, batch.soft, 0.03)
        entropy = functional.cross_entropy(prediction.phone_logits.flatten(0, 1), wanted.flatten(0, 1), reduction="none")
        entropy = entropy.view_as(heeded)
        contacts = functional.binary_cross_entropy_with_logits(
            prediction.contact_logits, touching, pos_weight=self.contact_weight, reduction="none"
        )

        def mean(value: Tensor, of: Tensor) -> Tensor:
            return (value * of).sum() / of.sum().clamp(min=1.0)

        return {
            "phones": mean(entropy, heeded),
            "contacts": 2.0 * mean(contacts.mean(-1), heeded),
            "position": 25.0 * mean((error.square() * self.share).mean(-1), known),
            "motion": 150.0 * mean((motion.square() * self.share).mean(-1), known[:, 1:]),
            "lips": 1.5 * mean(mouth_error[..., 0].square() * torch.exp(-4.0 * gap[..., 0]), known)
            + mean(mouth_error[..., 1:].square().mean(-1), known) * 0.8,
            "still": 150.0 * mean((motion.square() * self.share * still).mean(-1), known[:, 1:]),
        }


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Warm up over 3 % of the run, then follow a cosine down to a hundredth."""
    warm = max(1, int(0.03 * steps))
    if step < warm:
        return peak * (step + 1) / warm
    return peak * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - warm) / max(1, steps - warm)))))


def save_checkpoint(path: Path, **state: object) -> None:
    """Write beside the file and rename, so that an interrupted run never leaves a partial checkpoint."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def score_checkpoint(checkpoint: Path, development: Development) -> dict[str, float]:
    """Score a checkpoint's averaged weights on clean sound, without figures that were not measured."""
    with tempfile.TemporaryDirectory() as folder:
        export(checkpoint, Path(folder), {})
        predict, _ = load_package_predict(Path(folder))
        scores = score(predict, development, degraded=False)
    return {name: round(scores[name], 4) for name in SCORED if name in scores.estimates}


def train(cache: Path, run: Path, *, steps: int, batch_size: int, peak: float, seed: int, width: int = 160, workers: int = 1,
          minutes: float | None = None, from_weights: Path | None = None, development: Development | None = None,
          score_every: int = 1000, lessons: bool = False) -> None:  # fmt: skip
    """Train until ``steps`` or ``minutes``; leaves ``checkpoint.pt`` and ``log.jsonl`` in ``run``.

    A line of the log is the mean loss by term since the line before it, or, every ``score_every`` steps, the result of
    :func:`score_checkpoint` on ``development``.
    """
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    size = NetworkSize(phones=len(PHONES), channels=len(learned_channels()), width=width)
    network = SpeechNetwork(size).to(device, memory_format=torch.channels_last)
    average = {name: value.detach().clone() for name, value in network.state_dict().items()}
    optimiser = torch.optim.AdamW(network.parameters(), lr=peak, weight_decay=0.01)
    step, spent = 0, 0.0
    checkpoint = run / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=False)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        average, step, spent = state["average"], state["step"], state["spent"]
        print(f"resumed at step {step}")
    elif from_weights is not None:
        weights = torch.load(from_weights, map_location=device, weights_only=False)["average"]
        network.load_state_dict(weights)
        average = {name: value.clone() for name, value in weights.items()}
    if lessons:
        training_set = LessonSet(cache, seed + 1000 * step, batch_size, size.mel_bands)
    else:
        training_set = TrainingSet(cache, seed + 1000 * step, batch_size, size.mel_bands, CORPUS_WEIGHTS)
    print(f"{training_set.corpus.hours:.2f} h of speech, {len(training_set.corpus)} clips, on {device}", flush=True)
    losses = Losses(device)
    batches = loader(training_set, workers)
    started, sums, counted = time.monotonic(), {}, 0

    def save() -> None:
        save_checkpoint(checkpoint, network=network.state_dict(), average=average, optimiser=optimiser.state_dict(),
                        step=step, spent=spent + time.monotonic() - started, size=size.as_dict(), seed=seed,
                        hours=training_set.corpus.hours, corpora=training_record(training_set.corpus))  # fmt: skip

    def log(line: dict[str, object]) -> None:
        print(json.dumps(line), flush=True)
        with (run / "log.jsonl").open("a") as stream:
            stream.write(json.dumps(line) + "\n")

    network.train()
    while step < steps and (minutes is None or time.monotonic() - started < minutes * 60):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, steps, peak)
        batch = next(batches)
        parts = (getattr(batch, name) for name in Batch.__dataclass_fields__)
        batch = Batch(*(None if part is None else part.to(device) for part in parts))
        prediction = network(batch.waveform, batch.filters)
        terms = losses(prediction, batch)
        total = sum(terms.values(), torch.zeros((), device=device))
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        step += 1
        with torch.no_grad():
            keep = min(0.998, (1 + step) / (20 + step))
            for name, value in network.state_dict().items():
                if value.dtype.is_floating_point:
                    average[name].mul_(keep).add_(value, alpha=1 - keep)
                else:
                    average[name].copy_(value)
        correct = (prediction.phone_logits.argmax(-1) == batch.phones).float().mean()
        for name, value in {**terms, "total": total, "frames right": correct}.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        counted += 1
        if step % 50 == 0:
            line = {"step": step, "minutes": round((spent + time.monotonic() - started) / 60, 2)}
            line |= {name: round(value / counted, 4) for name, value in sums.items()}
            log(line)
            sums, counted = {}, 0
        if development is not None and step % score_every == 0:
            save()
            log({"step": step, "scores": score_checkpoint(checkpoint, development)})
        elif step % 250 == 0:
            save()
    save()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--run", type=Path, default=Path(".cache/training/runs/speech"))
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--peak", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--width", type=int, default=160)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's choice")
    parser.add_argument("--from-weights", type=Path, help="start from the averaged weights of another run's checkpoint")
    parser.add_argument("--lessons", action="store_true", help="learn from the lessons' clean sound and the teacher's opinion")
    parser.add_argument("--data", type=Path, help="folder of the development sets, to score while training")
    parser.add_argument("--score-every", type=int, default=1000, help="steps from one scoring to the next")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    development = None
    if arguments.data:
        align_development(arguments.data, arguments.cache, "fast")
        development = load_development(arguments.data, arguments.cache, "fast")
    train(arguments.cache, arguments.run, steps=arguments.steps, batch_size=arguments.batch_size, peak=arguments.peak,
          seed=arguments.seed, width=arguments.width, workers=arguments.workers, minutes=arguments.minutes,
          from_weights=arguments.from_weights, development=development, score_every=arguments.score_every,
          lessons=arguments.lessons)  # fmt: skip


if __name__ == "__main__":
    main()
