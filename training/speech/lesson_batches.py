# SPDX-License-Identifier: GPL-3.0-or-later
"""Make training batches for the small network from the lessons' clean sound, their labels and the teacher's opinion.

A crop is heard as another microphone may record it (``augmentation.py``), while its soft labels are those of the clean sound:
the student learns in noise what a larger ear hears without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ...animation.face.phones import PHONES
from ..corpora.augmentation import NoiseBank, augment
from ..corpora.clips import load_corpus
from .batches import DOUBTFUL_ALIGNMENT, SECONDS, Batch, draw_warps, warped_filters
from .lesson_targets import LessonStore
from .lessons import CLEAN, ROWS
from .network import FRAME_RATE, HOP

_ROWS = round(SECONDS * FRAME_RATE)
CROWDED = 0.3
"""Share of the crops under babble or white noise."""


class LessonSet(torch.utils.data.IterableDataset):
    """A set that draws crops of lessons at random (by seed); see :class:`.batches.Batch`."""

    def __init__(self, cache: Path, seed: int, batch_size: int, mel_bands: int) -> None:
        super().__init__()
        self.seed, self.batch_size = seed, batch_size
        self.corpus = load_corpus(cache, "train", minimum_quality=DOUBTFUL_ALIGNMENT)
        self.noise = NoiseBank.load(cache)
        self.store = LessonStore(cache)
        self.clean = cache / CLEAN
        self.numbers = [n for n, path in enumerate(self.store.paths) if (self.clean / f"{path.stem}.npy").is_file()]
        self._filters = warped_filters(mel_bands)

    def __iter__(self) -> Iterator[Batch]:
        worker = torch.utils.data.get_worker_info()
        random = np.random.default_rng((self.seed, worker.id if worker else 0))
        while True:
            examples = [self._example(random) for _ in range(self.batch_size)]
            waveform, phones, contacts, channels, known, soft = (
                torch.from_numpy(np.stack(part)) for part in zip(*examples, strict=True)
            )
            filters = torch.from_numpy(self._filters[draw_warps(self.batch_size, random)])
            yield Batch(waveform, phones, contacts, channels, filters, known, soft)

    def _example(self, random: np.random.Generator) -> tuple[NDArray, ...]:
        number = self.numbers[int(random.integers(len(self.numbers)))]
        name = self.store.paths[number].stem
        first = int(random.integers(0, ROWS - _ROWS + 1))
        rows = slice(first, first + _ROWS)
        sound = np.load(self.clean / f"{name}.npy", mmap_mode="r")[first * HOP : (first + _ROWS) * HOP] / np.float32(32768.0)
        sound = augment(sound, random, self.noise, crowded=bool(random.random() < CROWDED))
        made = self.store.load_targets(number)
        opinion = self.store.soft / f"{name}.npy"
        soft = np.load(opinion)[rows] if opinion.is_file() else np.zeros((_ROWS, len(PHONES) + 2))
        return (
            sound,
            made["index"][rows].astype(np.int64),
            made["contacts"][rows].astype(np.float32),
            made["channels"][rows].astype(np.float32),
            made["known"][rows].astype(np.float32),
            soft.astype(np.float32),
        )
