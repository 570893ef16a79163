# SPDX-License-Identifier: GPL-3.0-or-later
"""Training targets of the network: phones, lip contacts and face channels per frame, computed once and kept on disk.

The face is not recorded: it follows only from the phones and their times, by ``animation/face/articulation.py``, and from
the clip's loudness. Targets are stored under a name that changes with the rules and the phone times, so an edited rule
makes new targets and never uses old ones.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ...animation.face import articulation, lips
from ...animation.face.channels import face_channel_names
from ...animation.face.phones import PHONE_INDEX, PHONES
from ..corpora.clips import Clip, Corpus
from ..evaluation.baselines import loudness_db
from .network import FRAME_RATE, HOP

SEALED_GAP_CENTIMETRES = 0.02
LOUDNESS_SECONDS = 0.05
"""Window for which the rules were calibrated."""
SOFT_SHARE = 0.5
"""Share of the teacher's opinion in the targets of phones and contacts; where no text is known it is all of them."""
_PARTS = ("phones", "contacts", "channels")
_LABIODENTALS = (PHONE_INDEX["F"], PHONE_INDEX["V"])


@dataclass(frozen=True)
class ClipTargets:
    """Rows at i / 50 s: phone index ``[rows]``, contacts 0/1 ``[rows, 2]``, channels ``[rows, channel]`` float16."""

    phones: NDArray[np.int16]
    contacts: NDArray[np.uint8]
    channels: NDArray[np.float16]


def clip_targets(clip: Clip) -> ClipTargets:
    """Compute the targets of one clip with phones."""
    samples = clip.samples()
    rows = max(1, len(samples) // HOP)
    phones = clip.phones
    level = loudness_db(samples, FRAME_RATE, LOUDNESS_SECONDS)[:rows].astype(np.float32)
    curves = articulation.articulate(phones, FRAME_RATE, rows / FRAME_RATE, loudness_db=level, pitch_hz=None)
    values = curves.select(face_channel_names()).values[:rows]
    ends = np.array([phone.end for phone in phones])
    at = np.minimum(np.searchsorted(ends, np.arange(rows) / FRAME_RATE, side="right"), len(phones) - 1)
    index = np.array([PHONE_INDEX[phone.phone] for phone in phones], dtype=np.int16)[at]
    gap = lips.lip_gap(values, face_channel_names())
    labiodental = np.isin(index, _LABIODENTALS) & (lips.lower_lip_height(values, face_channel_names()) >= -0.15)
    # A closed mouth in a pause is at rest, not a contact made by speech.
    sealed = (gap < SEALED_GAP_CENTIMETRES) & (index != 0) & ~labiodental
    return ClipTargets(index, np.stack([sealed, labiodental], axis=1).astype(np.uint8), values.astype(np.float16))


def _digest(clips: list[Clip]) -> str:
    """Name a set of targets by a digest of the rules, their parameters and the phones' times."""
    folder = Path(articulation.__file__).parent
    digest = hashlib.sha256(",".join(PHONES).encode())
    for name in ("articulation.py", "articulation.json", "channels.json", "lips.py"):
        digest.update((folder / name).read_bytes())
    digest.update(Path(__file__).read_bytes())
    for clip in clips:
        digest.update(f"{clip.id} {clip.length}".encode())
        for times in (clip.phone, clip.start, clip.end, clip.stress):
            digest.update(np.ascontiguousarray(times).tobytes())
    return digest.hexdigest()[:16]


class TargetStore:
    """Targets of all clips of a corpus, one file each corpus, made when missing and memory-mapped."""

    def __init__(self, cache: Path, corpus: Corpus, progress: Callable[[str], None] = print) -> None:
        folder = Path(cache) / "targets"
        folder.mkdir(parents=True, exist_ok=True)
        self._rows: dict[int, tuple[ClipTargets, slice]] = {}
        for name, members in corpus.by_corpus.items():
            clips = [corpus[index] for index in members]
            path = folder / f"{name}-{_digest(clips)}"
            if not path.exists():
                _write(path, [clip_targets(clip) for clip in clips])
                progress(f"targets: {name}, {len(clips)} clips, {sum(clip.seconds for clip in clips) / 60:.1f} min")
            whole = ClipTargets(*(np.load(path / f"{part}.npy", mmap_mode="r") for part in _PARTS))
            offsets = np.load(path / "offsets.npy")
            for row, clip in enumerate(clips):
                self._rows[id(clip)] = (whole, slice(int(offsets[row]), int(offsets[row + 1])))

    def __getitem__(self, clip: Clip) -> ClipTargets:
        whole, rows = self._rows[id(clip)]
        return ClipTargets(whole.phones[rows], whole.contacts[rows], whole.channels[rows])


def _write(path: Path, made: list[ClipTargets]) -> None:
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    partial.mkdir()
    np.save(partial / "offsets.npy", np.concatenate(([0], np.cumsum([len(item.phones) for item in made]))))
    for part in _PARTS:
        np.save(partial / f"{part}.npy", np.concatenate([getattr(item, part) for item in made]))
    os.replace(partial, path)


def blend_labels(
    phones: Tensor, contacts: Tensor, known: Tensor, soft: Tensor | None, smoothing: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Blend labels with a teacher's opinion ``soft`` ``[..., row, phones + 2]`` (None: there is none).

    ``phones`` are indices and ``known`` 0 or 1 ``[..., row]``, ``contacts`` ``[..., row, 2]``. Returns the probabilities of
    phones ``[..., row, phone]``, smoothed by ``smoothing``, those of contacts, and the weight of each row ``[..., row]``.
    """
    count = len(PHONES)
    wanted = (1.0 - smoothing) * functional.one_hot(phones, count).float() + smoothing / count
    if soft is None:
        return wanted, contacts, known
    asked = (soft.sum(-1) > 0.5).float()
    share = (torch.where(known > 0, SOFT_SHARE, 1.0) * asked)[..., None]
    weight = torch.where(known > 0, 1.0, SOFT_SHARE * asked)
    return torch.lerp(wanted, soft[..., :count], share), torch.lerp(contacts, soft[..., count:], share), weight
