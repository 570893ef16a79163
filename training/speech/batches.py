# SPDX-License-Identifier: GPL-3.0-or-later
"""Make endless training batches: four seconds of augmented sound each, with targets on the network's frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...animation.face.channels import face_channels
from ..corpora.augmentation import NoiseBank, augment
from ..corpora.clips import Clip, load_corpus
from .network import FRAME_RATE, HOP, mel_filters
from .targets import TargetStore

SECONDS = 4.0
_ROWS = round(SECONDS * FRAME_RATE)
_SHORTEST = 10
DOUBTFUL_ALIGNMENT = -32.0
"""Mean aligner score per frame below which text and sound hardly agree."""
SPEED_RANGE = (0.85, 1.18)
WARP_RANGE = (0.86, 1.16)
"""Speed and vocal tract: ranges in which synthetic and real voices stay human (formants .86 to 1.2)."""


@dataclass(frozen=True)
class Batch:
    """``waveform [batch, samples]``, ``phones [batch, frame]``, ``contacts [batch, frame, 2]``, ``channels [batch, frame,
    learned]`` (see :func:`learned_channels`), ``filters [batch, bins, bands]``: the warped mel filters of each voice.

    Where lessons are the source, ``known [batch, frame]`` says where a text is known, and ``soft [batch, frame, phones + 2]``
    is the teacher's opinion of phones and contacts, 0 where it was not asked.
    """

    waveform: Tensor
    phones: Tensor
    contacts: Tensor
    channels: Tensor
    filters: Tensor
    known: Tensor | None = None
    soft: Tensor | None = None


def learned_channels() -> list[int]:
    """List the columns of the face channels that speech moves by itself; the rest only moves with emotion."""
    return [column for column, channel in enumerate(face_channels()) if channel.group != "expression"]


def warped_filters(mel_bands: int) -> NDArray[np.float32]:
    """Return the mel filters of 21 lengths of the vocal tract ``[length, bins, bands]``, the middle one unchanged."""
    return np.stack([mel_filters(mel_bands, warp) for warp in np.geomspace(*WARP_RANGE, 21)])


def draw_warps(count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Draw a length of the vocal tract for each of ``count`` voices, one in four of them their own."""
    return np.where(random.random(count) < 0.25, 10, random.integers(0, 21, count))


class TrainingSet(torch.utils.data.IterableDataset):
    """A set that draws clips at random (by seed), fills four seconds with them, and augments sound and targets alike."""

    def __init__(self, cache: Path, seed: int, batch_size: int, mel_bands: int, weights: dict[str, float]) -> None:
        super().__init__()
        self.seed, self.batch_size, self.mel_bands = seed, batch_size, mel_bands
        self.corpus = load_corpus(cache, "train", minimum_quality=DOUBTFUL_ALIGNMENT)
        self.targets = TargetStore(cache, self.corpus)
        self.noise = NoiseBank.load(cache)
        seconds = np.array([clip.seconds * weights.get(clip.corpus, 1.0) for clip in self.corpus])
        self._cumulative = np.cumsum(seconds / seconds.sum())
        self._learned = learned_channels()
        self._rest = np.array([face_channels()[column].rest for column in self._learned], dtype=np.float32)
        self._filters = warped_filters(mel_bands)

    def __iter__(self) -> Iterator[Batch]:
        worker = torch.utils.data.get_worker_info()
        random = np.random.default_rng((self.seed, worker.id if worker else 0))
        while True:
            yield self._batch(random)

    def _batch(self, random: np.random.Generator) -> Batch:
        examples = [self._example(random) for _ in range(self.batch_size)]
        waveform, phones, contacts, channels = (np.stack(part) for part in zip(*examples, strict=True))
        warps = draw_warps(self.batch_size, random)
        return Batch(
            torch.from_numpy(waveform),
            torch.from_numpy(phones.astype(np.int64)),
            torch.from_numpy(contacts),
            torch.from_numpy(channels),
            torch.from_numpy(self._filters[warps]),
        )

    def _draw(self, random: np.random.Generator) -> Clip:
        return self.corpus[int(np.searchsorted(self._cumulative, random.random()))]

    def _example(self, random: np.random.Generator) -> tuple[NDArray, ...]:
        sound = np.zeros(_ROWS * HOP, dtype=np.float32)
        phones = np.zeros(_ROWS, dtype=np.int16)
        contacts = np.zeros((_ROWS, 2), dtype=np.float32)
        channels = np.tile(self._rest, (_ROWS, 1))
        row = 0
        while row <= _ROWS - _SHORTEST:
            clip = self._draw(random)
            targets = self.targets[clip]
            speed = random.uniform(*SPEED_RANGE) if random.random() < 0.6 else 1.0
            available = int((len(targets.phones) - 1) / speed)
            count = min(_ROWS - row, available)
            if count < _SHORTEST:
                continue
            first = random.integers(0, available - count + 1) if available > count else 0
            at = (first + np.arange(count)) * speed
            below = at.astype(np.int64)
            share = (at - below).astype(np.float32)[:, None]
            learned = np.asarray(targets.channels)[:, self._learned].astype(np.float32)
            channels[row : row + count] = (
                learned[below] * (1 - share) + learned[np.minimum(below + 1, len(learned) - 1)] * share
            )
            nearest = np.minimum(np.rint(at).astype(np.int64), len(learned) - 1)
            phones[row : row + count] = targets.phones[nearest]
            contacts[row : row + count] = targets.contacts[nearest]
            start = int(first * speed * HOP)
            source = clip.samples(start, int(count * HOP * speed) + 2)
            instants = np.arange(count * HOP) * speed
            sound[row * HOP : (row + count) * HOP] = np.interp(instants, np.arange(len(source)), source, right=0.0)
            row += count
            # Now and then a stretch of silence with the face at rest, as between lines.
            if random.random() < 0.3:
                row += int(random.integers(5, 40))
        return augment(sound, random, self.noise), phones, contacts, channels


def loader(training_set: torch.utils.data.IterableDataset, workers: int) -> Iterator[Batch]:
    """Load batches made in ``workers`` background processes (0: here)."""
    return iter(
        torch.utils.data.DataLoader(training_set, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None)
    )
