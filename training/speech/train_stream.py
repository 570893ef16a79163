# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the streaming network: ``python -m voxrig.training.speech.train_stream --data DIR --cache DIR --run DIR --minutes M``.

It learns from lessons (``lessons.py``) what their phones and the rules say, and what Speech 2, which hears both sides, says of
them; plain lessons, ordinary clips with their phones, are cheap and know no more than their labels. It begins with the weights
of Speech 1 Fast. Lessons of its own numbers are made while it trains, one at a time, and kept in ``CACHE/stream_lessons`` and
``CACHE/stream_plain``. It resumes from ``RUN/checkpoint.pt``; the exported weights are an exponential average.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ...animation.face.phones import PHONES
from ..corpora.clips import load_corpus, training_record, write_whole
from ..corpora.voices import Samples
from .batches import learned_channels
from .ear import AFTER, BEFORE, EarNetwork
from .export_ear import load_ear
from .lesson_targets import make_targets
from .lessons import ROWS, Lessons, Scene, cut_clip
from .network import HOP
from .stream_network import FLOOR, StreamNetwork, StreamPrediction, StreamSize, load_average, mel_level, running_features
from .train import learning_rate, save_checkpoint
from .train_ear import Losses as EarLosses

FIRST_NUMBER, FIRST_PLAIN = 20_000, 40_000
"""Numbers of the first lesson and of the first plain one: none of the ear's."""
STEPS, BATCH = 800, 4
"""Length and number of the stretches of a training step."""
PEAK = 1e-3
KEEP = 0.99
WARM_UP = 130
"""Steps at the start of a stretch that are not learned from: what they would have heard before is missing."""
FAST_WEIGHTS = Path(__file__).with_name("speech_weights.pt")
_BANDS = 64
TAUGHT = 0.5
"""Share of a target that Speech 2 says where the lesson's own truth is known; it says all where that is not known."""
LOSS_WEIGHTS = {
    "phones": 1.5,
    "taught": 1.5,
    "contacts": 12.0,
    "position": 150.0,
    "jaw": 80.0,
    "motion": 300.0,
    "closed": 5.0,
    "lips": 4.0,
    "still": 100.0,
}
"""With the weights of ``train_ear`` channels were a thirtieth of a step's loss, and the jaw was learned least."""
OTHERS_WEIGHT = 0.2
"""Weight of a further look-ahead for that of the layers."""
PARTS = ("level", "phones", "contacts", "channels", "known", "taught_phones", "taught_contacts", "taught_channels")


@dataclass(frozen=True)
class StreamLesson:
    """A lesson: level ``[column, band]``, the rest ``[row, ...]``."""

    level: NDArray
    phones: NDArray
    contacts: NDArray
    channels: NDArray
    known: NDArray
    taught_phones: NDArray
    taught_contacts: NDArray
    taught_channels: NDArray


def read_lesson(path: Path) -> StreamLesson:
    """Read a lesson that was kept."""
    with np.load(path) as file:
        return StreamLesson(*(file[name] for name in PARTS))


class PlainLessons(Lessons):
    """Clips as they were spoken, half of them as a good or bad microphone records them: the most usual live sound."""

    def scene(self, random: np.random.Generator) -> Scene:
        """Draw a clip with phones, or with none and nothing said."""
        while True:
            clip = self.clips[int(np.searchsorted(self._cumulative, random.random()))]
            if clip.corpus != "grid_lips":
                return Scene(cut_clip(clip, random))

    def degrade(self, scene: Scene, random: np.random.Generator, number: int) -> Samples:
        """Degrade every second scene."""
        return super().degrade(scene, random, number) if random.random() < 0.5 else scene.spoken.samples


class LessonMaker:
    """A maker of lessons by number, kept on disk; without a teacher, labels take its place."""

    def __init__(self, folder: Path, lessons: Lessons, teacher: EarNetwork | None) -> None:
        self.folder, self.lessons, self.teacher = folder, lessons, teacher
        self.folder.mkdir(parents=True, exist_ok=True)

    def path_of(self, number: int) -> Path:
        """Return where a lesson is kept."""
        return self.folder / f"{number:05d}.npz"

    def __call__(self, number: int) -> StreamLesson:
        path = self.path_of(number)
        if not path.is_file():
            sound, _, truth = self.lessons.make(number)
            made = make_targets(truth)
            arrays = {
                "level": mel_level(sound).astype(np.float16),
                "phones": made["index"],
                "contacts": made["contacts"],
                "channels": made["channels"],
                "known": truth["known"],
                **(self.ask_teacher(sound) if self.teacher is not None else as_said(made)),
            }
            write_whole(path, partial(np.savez, **arrays))
        return read_lesson(path)

    def ask_teacher(self, sound: Samples) -> dict[str, NDArray]:
        """Return what Speech 2 says of every row of a lesson."""
        assert self.teacher is not None
        with torch.inference_mode():
            said, _ = self.teacher(torch.from_numpy(np.pad(sound, (BEFORE * HOP, AFTER * HOP)))[None])
        rows = slice(BEFORE, BEFORE + ROWS)
        return {
            "taught_phones": said.phone_logits[0, rows].numpy().astype(np.float16),
            "taught_contacts": said.contact_logits[0, rows].numpy().astype(np.float16),
            "taught_channels": said.channels[0, rows].numpy().astype(np.float16),
        }


def as_said(made: dict[str, NDArray]) -> dict[str, NDArray]:
    """Return labels as a teacher who knows them would say them, almost sure."""
    return {
        "taught_phones": (8.0 * np.eye(len(PHONES))[made["index"]]).astype(np.float16),
        "taught_contacts": (8.0 * made["contacts"] - 4.0).astype(np.float16),
        "taught_channels": made["channels"],
    }


def vary(level: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Vary loudness, tilt and vocal tract of a level ``[column, band]``, and mask some of it."""
    level = level.astype(np.float32)
    if random.random() < 0.5:
        at = np.clip(np.arange(_BANDS) * random.uniform(0.92, 1.09) + random.uniform(-1.0, 1.0), 0, _BANDS - 1.001)
        low = at.astype(int)
        share = (at - low).astype(np.float32)
        level = level[:, low] * (1 - share) + level[:, low + 1] * share
    gain = random.uniform(-18.0, 8.0) + random.uniform(-6.0, 6.0) * np.linspace(-1, 1, _BANDS)
    level = np.log(np.exp(4.0 * level) * 10 ** (gain / 10) + FLOOR).astype(np.float32) * np.float32(0.25)
    if random.random() < 0.4:
        first, count = random.integers(0, _BANDS - 10), random.integers(2, 10)
        level[:, first : first + count] = level[:, first : first + count].mean()
    return level


class Losses(EarLosses):
    """The terms of LOSS_WEIGHTS for a batch and one look-ahead."""

    def terms(self, said: StreamPrediction, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Compare what is said at each step with its row; both are cut to the same steps."""

        def rows(name: str) -> Tensor:
            return batch[name]

        known = rows("known")[..., None]
        share = TAUGHT + (1.0 - TAUGHT) * (1.0 - known)
        wanted = rows("channels") * (1.0 - share) + rows("taught_channels") * share
        error = said.channels - wanted
        motion = error[:, 1:] - error[:, :-1]
        mouth_error = error @ self.mouth
        gap = (wanted @ self.mouth[:, :1]).clamp(min=0.0)
        phones, taught = rows("phones"), torch.softmax(rows("taught_phones"), dim=-1)
        silent = taught[..., 0] > 0.8
        still = (silent[:, 1:] & silent[:, :-1]).float()[..., None]
        entropy = functional.cross_entropy(
            said.phone_logits.flatten(0, 1), phones.flatten(), label_smoothing=0.03, reduction="none"
        )
        learned = torch.log_softmax(said.phone_logits, dim=-1)
        contacts = rows("contacts") * (1.0 - share) + torch.sigmoid(rows("taught_contacts")) * share
        return {
            "phones": (entropy * known.flatten()).mean(),
            "taught": -(taught * learned).sum(-1).mean(),
            "contacts": functional.binary_cross_entropy_with_logits(
                said.contact_logits, contacts, pos_weight=torch.tensor([2.0, 2.0])
            ),
            "position": (error.square() * self.share).mean(),
            "jaw": error[..., self.jaw].square().mean(),
            "motion": (motion.square() * self.share).mean(),
            "closed": (mouth_error[..., :1].square() * torch.exp(-4.0 * gap)).mean(),
            "lips": mouth_error[..., 1:].square().mean(),
            "still": (motion.square() * self.share * still).mean(),
        }


def make_batch(
    lessons: list[StreamLesson], random: np.random.Generator, look_aheads: tuple[int, ...]
) -> tuple[Tensor, dict[int, dict[str, Tensor]]]:
    """Cut ``BATCH`` stretches of ``STEPS`` steps: features, and by look-ahead the labels of the rows that steps from
    ``WARM_UP`` on say."""
    features: list[NDArray] = []
    labels: dict[tuple[int, str], list[NDArray]] = {}
    for number in random.integers(0, len(lessons), BATCH):
        lesson = lessons[int(number)]
        # Some begin with the lesson, so that silence before a stream is known.
        first = int(random.integers(0, ROWS - STEPS - 1)) if random.random() < 0.9 else 0
        features.append(running_features(vary(lesson.level, random))[2 * first : 2 * (first + STEPS)].T.copy())
        for look_ahead in look_aheads:
            rows = slice(first + WARM_UP + 1 - look_ahead, first + STEPS + 1 - look_ahead)
            for name in PARTS[1:]:
                labels.setdefault((look_ahead, name), []).append(getattr(lesson, name)[rows])
    batches: dict[int, dict[str, Tensor]] = {}
    for (look_ahead, name), values in labels.items():
        value = torch.from_numpy(np.stack(values))
        batches.setdefault(look_ahead, {})[name] = value.long() if name == "phones" else value.float()
    return torch.from_numpy(np.stack(features)), batches


def train(
    data: Path,
    cache: Path,
    run: Path,
    *,
    teacher: Path,
    minutes: float,
    lessons: int,
    plain: int,
    seed: int,
    look_aheads: tuple[int, ...],
    start: Path | None = None,
    ready: int = 32,
) -> None:
    """Train for ``minutes`` (of all runs together) on ``lessons`` lessons and ``plain`` plain ones; starts once ``ready`` of
    them are made. A run that begins may ``start`` with the averaged weights of another."""
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    network = StreamNetwork(StreamSize(len(PHONES), len(learned_channels()), look_aheads[0], others=look_aheads[1:]))
    network.load_fast(torch.load(FAST_WEIGHTS, map_location="cpu", weights_only=False)["average"])
    optimiser = torch.optim.AdamW(network.parameters(), lr=PEAK, weight_decay=0.01)
    average = {name: value.detach().clone() for name, value in network.state_dict().items()}
    step, spent, before = 0, 0.0, 0.0
    checkpoint = run / "checkpoint.pt"
    if start is not None and not checkpoint.exists():
        begun = torch.load(start, map_location="cpu", weights_only=False)
        load_average(network, begun["average"])
        step, before = begun["step"], begun["spent"]
        average = {name: value.detach().clone() for name, value in network.state_dict().items()}
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=False)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        average, step, before = state["average"], state["step"], state["before"]
        spent = state["spent"] - before
    make = LessonMaker(cache / "stream_lessons", Lessons(data, cache), load_ear(teacher, cache)[0])
    make_plain = LessonMaker(cache / "stream_plain", PlainLessons(data, cache), None)
    numbers = [
        (maker, first + number)
        for number in range(max(lessons, plain))
        for maker, first, count in ((make, FIRST_NUMBER, lessons), (make_plain, FIRST_PLAIN, plain))
        if number < count
    ]
    numbers.sort(key=lambda one: not one[0].path_of(one[1]).is_file())  # those of an earlier run first
    ready = max(ready, sum(maker.path_of(number).is_file() for maker, number in numbers))
    corpora = training_record(load_corpus(cache, "train", minimum_quality=-32.0))
    pool: list[StreamLesson] = []
    losses = Losses()
    weights = sum(value.numel() for value in network.parameters())
    print(f"{weights} weights, {len(make.lessons.clips)} clips, step {step}", flush=True)
    started, sums, counted = time.monotonic(), {}, 0

    def save() -> None:
        save_checkpoint(
            checkpoint, network=network.state_dict(), average=average, optimiser=optimiser.state_dict(), step=step,
            spent=before + spent + time.monotonic() - started, before=before, size=network.size.as_dict(), seed=seed,
            lessons=len(pool), corpora=corpora,
        )  # fmt: skip

    network.train()
    while (done := (spent + time.monotonic() - started) / (60 * minutes)) < 1.0:
        while len(pool) < len(numbers) and (len(pool) < ready or step % 3 == 0):
            maker, number = numbers[len(pool)]
            pool.append(maker(number))
            if len(pool) >= ready:
                break
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(round(1000 * done), 1000, PEAK)
        features, batches = make_batch(pool, np.random.default_rng((seed, step)), look_aheads)
        heard = network.hear(features)
        total = torch.zeros(())
        for look_ahead, batch in batches.items():
            said = network.heads_of(look_ahead)(heard)
            said = StreamPrediction(*(getattr(said, name)[:, WARM_UP:] for name in StreamPrediction.__dataclass_fields__))
            terms = losses.terms(said, batch)
            loss = sum((LOSS_WEIGHTS[name] * value for name, value in terms.items()), torch.zeros(()))
            if look_ahead != look_aheads[0]:
                total = total + OTHERS_WEIGHT * loss
                continue
            total = total + loss
            speaks = (batch["phones"] > 0) & (batch["known"] > 0)
            right = (said.phone_logits.argmax(-1) == batch["phones"])[speaks].float().mean()
            for name, value in {**terms, "speech frames right": right}.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach())
        sums["total"] = sums.get("total", 0.0) + float(total.detach())
        counted += 1
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        step += 1
        with torch.no_grad():
            keep = min(KEEP, (1 + step) / (20 + step))
            for name, value in network.state_dict().items():
                if value.dtype.is_floating_point:
                    average[name].mul_(keep).add_(value, alpha=1 - keep)
                else:
                    average[name].copy_(value)
        if step % 25 == 0:
            line: dict[str, object] = {
                "step": step, "minutes": round((spent + time.monotonic() - started) / 60, 2), "lessons": len(pool)
            }  # fmt: skip
            line |= {name: round(value / counted, 4) for name, value in sums.items()}
            print(json.dumps(line), flush=True)
            with (run / "log.jsonl").open("a") as stream:
                stream.write(json.dumps(line) + "\n")
            sums, counted = {}, 0
        if step % 100 == 0:
            save()
    save()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--run", type=Path, default=Path(".cache/training/runs/stream"))
    parser.add_argument("--teacher", type=Path, default=Path(".cache/training/runs/ear/checkpoint.pt"))
    parser.add_argument("--start", type=Path, help="checkpoint of another run to begin with")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--lessons", type=int, default=800)
    parser.add_argument("--plain", type=int, default=400)
    parser.add_argument("--look-ahead", type=int, default=3, help="of the layers, steps of 20 ms: 0, 3 or 6")
    parser.add_argument("--others", type=int, nargs="*", default=[0, 6], help="further look-aheads with heads of their own")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's choice")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    train(options.data, options.cache, options.run, teacher=options.teacher, minutes=options.minutes,
          lessons=options.lessons, plain=options.plain, seed=options.seed, look_aheads=(options.look_ahead, *options.others),
          start=options.start)  # fmt: skip


if __name__ == "__main__":
    main()
