# SPDX-License-Identifier: GPL-3.0-or-later
"""Read lessons with their targets: what the present rules make of their labels, and what the teacher says of their sound."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...animation.face import articulation, lips
from ...animation.face.channels import face_channel_names, face_channels
from ...animation.face.phones import PHONES, TimedPhone
from ..corpora.clips import write_whole
from .batches import learned_channels
from .ear import Ear
from .lessons import LESSONS, ROWS, SOFT
from .network import FRAME_RATE
from .targets import SEALED_GAP_CENTIMETRES


@dataclass(frozen=True)
class Lesson:
    """A lesson with the targets of the present rules; rows are frames."""

    windows: Tensor
    """The ear's frames, before its tuned layers or (LessonStore with an ear) after them."""
    phones: Tensor
    contacts: Tensor
    channels: Tensor
    known: Tensor
    effort: Tensor
    mouth: Tensor
    soft: Tensor | None
    """Probabilities of phones and contacts ``[row, phones + 2]`` by the teacher, who heard the clean sound; None: not asked."""


def make_targets(truth: dict[str, NDArray]) -> dict[str, NDArray]:
    """Compute the targets of a lesson: phone index ``[row]``, contacts ``[row, 2]`` and learned channels ``[row, channel]``."""
    names = face_channel_names()
    index = np.zeros(ROWS, np.int16)
    contacts = np.zeros((ROWS, 2), np.uint8)
    rest = np.array([channel.rest for channel in face_channels()], np.float32)
    values = np.tile(rest, (ROWS, 1))
    for first, last in truth["scenes"]:
        begin = first / FRAME_RATE
        rows = truth["phones"]
        rows = rows[(rows[:, 2] > begin) & (rows[:, 1] < last / FRAME_RATE) & (rows[:, 0] > 0)]
        if not len(rows):
            continue
        phones = [TimedPhone(PHONES[int(code)], max(0.0, float(a) - begin), float(b) - begin, int(s)) for code, a, b, s in rows]
        level = truth["loudness"][first:last].astype(np.float32)
        made = articulation.articulate(phones, FRAME_RATE, (last - first) / FRAME_RATE, loudness_db=level)
        made_values = made.select(names).values[: last - first]
        seconds = np.arange(last - first) / FRAME_RATE
        starts, ends = np.array([p.start for p in phones]), np.array([p.end for p in phones])
        at = np.clip(np.searchsorted(starts, seconds, side="right") - 1, 0, len(phones) - 1)
        inside = (seconds >= starts[at]) & (seconds < ends[at])
        said = np.where(inside, np.array([int(code) for code in rows[:, 0]])[at], 0)
        gap = lips.lip_gap(made_values, names)
        teeth = np.isin(said, (PHONES.index("F"), PHONES.index("V"))) & (lips.lower_lip_height(made_values, names) >= -0.15)
        sealed = (gap < SEALED_GAP_CENTIMETRES) & (said != 0) & ~teeth
        index[first:last] = said
        contacts[first:last] = np.stack([sealed, teeth], axis=1)
        values[first:last] = made_values
    return {"index": index, "contacts": contacts, "channels": values[:, learned_channels()].astype(np.float16)}


class LessonStore:
    """The lessons of a cache; targets are stored under a name that changes with the rules.

    With ``ear``, whose layers are then not learned, their output is stored as well, under a name that changes with them.
    """

    def __init__(self, cache: Path, ear: Ear | None = None) -> None:
        self.ear = ear
        weights = b"" if ear is None else b"".join(value.numpy().tobytes() for value in ear.state_dict().values())
        self.heard = cache / "lesson_heard" / hashlib.sha256(weights).hexdigest()[:12]
        self.heard.mkdir(parents=True, exist_ok=True)
        self.soft = cache / SOFT
        self.paths = sorted((cache / LESSONS).glob("[0-9]*.npz"))
        folder = Path(articulation.__file__).parent
        digest = hashlib.sha256(
            b"".join((folder / name).read_bytes() for name in ("articulation.py", "articulation.json", "lips.py"))
        )
        self.folder = cache / "lesson_targets" / f"{LESSONS}_{digest.hexdigest()[:12]}"
        self.folder.mkdir(parents=True, exist_ok=True)

    def __len__(self) -> int:
        return len(self.paths)

    def load(self, number: int) -> Lesson:
        """Read a lesson whole."""
        heard = self.heard / f"{self.paths[number].stem}.npy"
        with np.load(self.paths[number]) as file:
            known = self.ear is not None and heard.is_file()
            truth = {name: file[name] for name in file.files if not (known and name == "windows")}
        if self.ear is not None and not known:
            with torch.no_grad():
                np.save(
                    heard, self.ear.finish(torch.from_numpy(truth["windows"].astype(np.float32))).numpy().astype(np.float16)
                )
        made = self.load_targets(number)
        soft = self.soft / f"{self.paths[number].stem}.npy"
        return Lesson(
            torch.from_numpy((truth["windows"] if self.ear is None else np.load(heard)).astype(np.float32)),
            torch.from_numpy(made["index"].astype(np.int64)),
            torch.from_numpy(made["contacts"].astype(np.float32)),
            torch.from_numpy(made["channels"].astype(np.float32)),
            torch.from_numpy(made["known"].astype(np.float32)),
            torch.from_numpy(truth["effort"].astype(np.float32)),
            torch.from_numpy(truth["mouth"]),
            torch.from_numpy(np.load(soft).astype(np.float32)) if soft.is_file() else None,
        )

    def load_targets(self, number: int) -> dict[str, NDArray]:
        """Read the targets of a lesson (see :func:`make_targets`), made the first time, and where they are known ``[row]``."""
        kept = self.folder / self.paths[number].name
        with np.load(self.paths[number]) as file:
            known = file["known"]
            if not kept.is_file():
                truth = {name: file[name] for name in file.files if name != "windows"}
                write_whole(kept, partial(np.savez, **make_targets(truth)))
        with np.load(kept) as file:
            return {"known": known, **{name: file[name] for name in file.files}}
