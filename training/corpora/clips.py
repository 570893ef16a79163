# SPDX-License-Identifier: GPL-3.0-or-later
"""Store speech with phone times, so that training can read any stretch of it at once.

A cache holds one folder per corpus and any number of shards in it, each made of three files:

``<shard>.samples.npy`` int16 ``[samples]``, 16 kHz mono, all clips one after the other (memory-mapped when read);
``<shard>.phones.npz`` ``offsets [clips + 1]`` into ``phone``, ``start``, ``end``, ``stress`` ``[phones]``, and ``quality
[clips]``; ``<shard>.json`` the corpus, its licence and source, and one record per clip. It is written last, so a shard
without it does not exist for the reader, and an interrupted run repeats only the shard that it was writing.

Phone times can be replaced later (better alignment) without touching the sound. This module only knows the
storage; which recordings go in, and under which split, is decided in ``prepare``.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ...animation.face.phones import PHONE_INDEX, PHONES, SILENCE, TimedPhone

SAMPLE_RATE = 16000

# 'train' and 'development' clips carry phones; the other two do not, or must not be learned from.
SPLITS = ("train", "development", "evaluation", "unlabelled", "unlabelled_development")


@dataclass(frozen=True)
class ClipRecord:
    """A clip on its way into the cache: float samples -1..1 at 16 kHz and phones (None if unknown)."""

    id: str
    speaker: str
    split: str
    language: str
    samples: NDArray[np.float32] | NDArray[np.int16]
    phones: Sequence[TimedPhone] | None
    text: str = ""
    gender: str = ""
    voice: str = ""
    extra: str = ""
    quality: float = float("nan")


def fill_silence(phones: Iterable[TimedPhone], duration: float) -> list[TimedPhone]:
    """Cut phones to 0..duration and fill every gap with silence, so that each instant has one phone.

    Overlaps go to the later phone; neighbouring silences become one. ``duration`` is in seconds.
    """
    filled: list[TimedPhone] = []
    position = 0.0
    for phone in sorted(phones, key=lambda item: item.start):
        start, end = max(0.0, phone.start), min(duration, phone.end)
        if end - start < 1e-4:
            continue
        if filled and start < position:
            last = filled[-1]
            if start - last.start < 1e-4:
                filled.pop()
                start = last.start
            else:
                filled[-1] = TimedPhone(last.phone, last.start, start, last.stress)
        elif start > position + 1e-4:
            filled.append(TimedPhone(SILENCE, position, start))
        else:
            start = position
        filled.append(TimedPhone(phone.phone, start, end, phone.stress))
        position = end
    if position < duration - 1e-4:
        filled.append(TimedPhone(SILENCE, position, duration))
    merged: list[TimedPhone] = []
    for phone in filled:
        if merged and phone.phone == SILENCE and merged[-1].phone == SILENCE:
            merged[-1] = TimedPhone(SILENCE, merged[-1].start, phone.end)
        else:
            merged.append(phone)
    return merged


def as_int16(samples: NDArray[np.float32] | NDArray[np.int16]) -> NDArray[np.int16]:
    """Convert samples to their stored form; floats are rounded and clamped to the range."""
    if samples.dtype == np.int16:
        return samples  # type: ignore[return-value]
    return np.clip(np.rint(np.asarray(samples, dtype=np.float32) * 32767.0), -32768, 32767).astype(np.int16)


def pack_phones(clips: Sequence[Sequence[TimedPhone] | None], quality: Sequence[float]) -> dict[str, NDArray]:
    """Flatten the phones of a shard into arrays; a clip without phones has an empty range."""
    offsets = np.zeros(len(clips) + 1, dtype=np.int64)
    flat: list[TimedPhone] = []
    for index, phones in enumerate(clips):
        flat.extend(phones or ())
        offsets[index + 1] = len(flat)
    return {
        "offsets": offsets,
        "phone": np.array([PHONE_INDEX[item.phone] for item in flat], dtype=np.uint8),
        "start": np.array([item.start for item in flat], dtype=np.float32),
        "end": np.array([item.end for item in flat], dtype=np.float32),
        "stress": np.array([item.stress for item in flat], dtype=np.uint8),
        "quality": np.array(quality, dtype=np.float32),
    }


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write beside the file and rename, so that a reader never sees a partial file."""
    partial = path.with_name(f"{path.name}.partial")
    with open(partial, "wb") as stream:
        write(stream)
    os.replace(partial, path)


def shard_exists(cache: Path, corpus: str, shard: str) -> bool:
    """Return whether this shard is complete."""
    return (Path(cache) / "corpora" / corpus / f"{shard}.json").is_file()


def write_shard(cache: Path, corpus: str, shard: str, licence: str, source: str, records: Sequence[ClipRecord]) -> None:
    """Write one complete shard. Clips with known phones get silence in their gaps."""
    folder = Path(cache) / "corpora" / corpus
    folder.mkdir(parents=True, exist_ok=True)
    pieces = [as_int16(record.samples) for record in records]
    starts = np.concatenate(([0], np.cumsum([len(piece) for piece in pieces]))).astype(np.int64)
    clips = []
    for record, start, piece in zip(records, starts, pieces, strict=False):
        clip = {"id": record.id, "speaker": record.speaker, "split": record.split, "language": record.language}
        clip |= {"start": int(start), "length": len(piece)}
        for name in ("text", "gender", "voice", "extra"):
            if getattr(record, name):
                clip[name] = getattr(record, name)
        clips.append(clip)
    phones = [
        None if record.phones is None else fill_silence(record.phones, len(piece) / SAMPLE_RATE)
        for record, piece in zip(records, pieces, strict=True)
    ]
    samples = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int16)
    write_whole(folder / f"{shard}.samples.npy", lambda stream: np.save(stream, samples))
    packed = pack_phones(phones, [record.quality for record in records])
    write_whole(folder / f"{shard}.phones.npz", lambda stream: np.savez(stream, **packed))
    header = {"format": 1, "corpus": corpus, "licence": licence, "source": source, "clips": clips}
    text = json.dumps(header, ensure_ascii=False)
    write_whole(folder / f"{shard}.json", lambda stream: stream.write(text.encode()))


def rewrite_phones(cache: Path, corpus: str, shard: str, phones: dict[str, tuple[Sequence[TimedPhone], float]]) -> int:
    """Replace the phones of the clips named in ``phones`` (id -> phones, quality); returns the number found."""
    base = Path(cache) / "corpora" / corpus
    header = json.loads((base / f"{shard}.json").read_text())
    with np.load(base / f"{shard}.phones.npz") as arrays:
        old = {name: arrays[name] for name in arrays.files}
    clips: list[Sequence[TimedPhone] | None] = []
    quality: list[float] = []
    found = 0
    for index, clip in enumerate(header["clips"]):
        if clip["id"] in phones:
            new, score = phones[clip["id"]]
            clips.append(fill_silence(new, clip["length"] / SAMPLE_RATE) if new else None)
            quality.append(score)
            found += 1
            continue
        rows = slice(int(old["offsets"][index]), int(old["offsets"][index + 1]))
        kept = zip(old["phone"][rows], old["start"][rows], old["end"][rows], old["stress"][rows], strict=True)
        clips.append([TimedPhone(PHONES[p], float(s), float(e), int(t)) for p, s, e, t in kept] or None)
        quality.append(float(old["quality"][index]))
    packed = pack_phones(clips, quality)
    write_whole(base / f"{shard}.phones.npz", lambda stream: np.savez(stream, **packed))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One stretch of sound with one talker.

    Arrays are views: ``phone`` (index into PHONES), ``start`` and ``end`` in seconds from the clip's first sample, ``stress``;
    all ``[phones]``, empty if the phones are unknown. ``quality`` is the aligner's mean log score per 10 ms frame (0 best; nan
    for exact or unknown times).
    """

    id: str
    corpus: str
    speaker: str
    split: str
    language: str
    licence: str
    source: str
    gender: str
    voice: str
    text: str
    extra: str
    length: int
    quality: float
    phone: NDArray[np.uint8]
    start: NDArray[np.float32]
    end: NDArray[np.float32]
    stress: NDArray[np.uint8]
    _store: NDArray[np.int16] = field(repr=False)
    _first: int = field(repr=False)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.length / SAMPLE_RATE

    def samples(self, first: int = 0, count: int | None = None) -> NDArray[np.float32]:
        """Read float32 samples -1..1 at 16 kHz from sample ``first`` of the clip on (at most ``count``), a copy."""
        last = self.length if count is None else min(self.length, first + count)
        return self._store[self._first + first : self._first + last].astype(np.float32) / 32768.0

    @property
    def phones(self) -> list[TimedPhone]:
        """The phones in order, silence included, without gaps from 0 to the clip's end."""
        rows = zip(self.phone.tolist(), self.start.tolist(), self.end.tolist(), self.stress.tolist(), strict=True)
        return [TimedPhone(PHONES[phone], start, end, stress) for phone, start, end, stress in rows]


@dataclass(frozen=True, eq=False)
class Corpus:
    """The clips of one split, in the order of corpus, shard and position."""

    clips: tuple[Clip, ...]

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Clip:
        return self.clips[index]

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    @property
    def hours(self) -> float:
        """Length of all clips together."""
        return sum(clip.length for clip in self.clips) / SAMPLE_RATE / 3600

    @property
    def by_corpus(self) -> dict[str, list[int]]:
        """Indices of the clips of each corpus."""
        groups: dict[str, list[int]] = {}
        for index, clip in enumerate(self.clips):
            groups.setdefault(clip.corpus, []).append(index)
        return groups


def load_clips(cache: Path | str, corpora: Iterable[str] | None = None) -> list[Clip]:
    """List all complete clips in the cache, of all splits, in the order of corpus, shard and position.

    ``corpora`` keeps only the named corpora. Raises FileNotFoundError if there is no cache.
    """
    root = Path(cache) / "corpora"
    if not root.is_dir():
        raise FileNotFoundError(f"no corpora in {cache}: run python -m voxrig.training.corpora.prepare first")
    wanted = None if corpora is None else set(corpora)
    clips: list[Clip] = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        if wanted is not None and folder.name not in wanted:
            continue
        for header_path in sorted(folder.glob("*.json")):
            header = json.loads(header_path.read_text())
            store = np.load(header_path.with_suffix(".samples.npy"), mmap_mode="r")
            with np.load(header_path.with_suffix(".phones.npz")) as arrays:
                packed = {name: arrays[name] for name in arrays.files}
            offsets = packed["offsets"]
            for index, clip in enumerate(header["clips"]):
                rows = slice(int(offsets[index]), int(offsets[index + 1]))
                clips.append(
                    Clip(
                        id=clip["id"],
                        corpus=header["corpus"],
                        speaker=f"{header['corpus']}/{clip['speaker']}",
                        split=clip["split"],
                        language=clip["language"],
                        licence=header["licence"],
                        source=header["source"],
                        gender=clip.get("gender", ""),
                        voice=clip.get("voice", ""),
                        text=clip.get("text", ""),
                        extra=clip.get("extra", ""),
                        length=clip["length"],
                        quality=float(packed["quality"][index]),
                        phone=packed["phone"][rows],
                        start=packed["start"][rows],
                        end=packed["end"][rows],
                        stress=packed["stress"][rows],
                        _store=store,
                        _first=clip["start"],
                    )
                )
    return clips


def is_in_split(clip: Clip, split: str) -> bool:
    """Return whether a clip belongs to one of SPLITS: its own split, and a separate one for clips with unknown phones."""
    if split == "evaluation" or clip.split == "evaluation":
        return clip.split == split
    labelled = len(clip.phone) > 0
    if split == "unlabelled":
        return clip.split == "train" and not labelled
    if split == "unlabelled_development":
        return clip.split == "development" and not labelled
    return clip.split == split and labelled


def load_corpus(
    cache: Path | str, split: str, *, corpora: Iterable[str] | None = None, minimum_quality: float | None = None
) -> Corpus:
    """Load all complete clips of a split in the cache.

    ``split`` is one of SPLITS: 'train' and 'development' hold only clips with phones, 'unlabelled' and 'unlabelled_development'
    the clips of the same talkers without. 'evaluation' is never learned from. ``corpora`` keeps only the named corpora;
    ``minimum_quality`` drops aligned clips with a lower mean score per frame. Raises ValueError for an unknown split,
    FileNotFoundError if there is no cache.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is not one of {SPLITS}")
    clips = [clip for clip in load_clips(cache, corpora) if is_in_split(clip, split)]
    if minimum_quality is not None:
        clips = [clip for clip in clips if not clip.quality < minimum_quality]
    return Corpus(tuple(clips))


def training_record(corpus: Corpus) -> list[dict[str, object]]:
    """List name, licence, hours and source of every corpus in ``corpus``, as in ``model.json``."""
    record: list[dict[str, object]] = []
    for name, members in corpus.by_corpus.items():
        clips = [corpus[index] for index in members]
        hours = sum(clip.length for clip in clips) / SAMPLE_RATE / 3600
        record.append({"name": name, "licence": clips[0].licence, "hours": round(hours, 2), "source": clips[0].source})
    return record


def summarise(cache: Path | str) -> str:
    """Tabulate hours, clips and talkers by corpus, language and licence for reading."""
    rows: Counter[tuple[str, str, str, str]] = Counter()
    counts: Counter[tuple[str, str, str, str]] = Counter()
    talkers: dict[tuple[str, str, str, str], set[str]] = {}
    for clip in load_clips(cache):
        split = next(name for name in SPLITS if is_in_split(clip, name))
        key = (clip.corpus, split, clip.language, clip.licence)
        rows[key] += clip.length
        counts[key] += 1
        talkers.setdefault(key, set()).add(clip.speaker)
    lines = [f"{'corpus':24} {'split':22} {'lang':4} {'hours':>7} {'clips':>6} {'talkers':>7}  licence"]
    for key, length in sorted(rows.items()):
        corpus, split, language, licence = key
        hours = length / SAMPLE_RATE / 3600
        lines.append(
            f"{corpus:24} {split:22} {language or '-':4} {hours:7.2f} {counts[key]:6d} {len(talkers[key]):7d}  {licence}"
        )
    for split in SPLITS:
        hours = sum(length for key, length in rows.items() if key[1] == split) / SAMPLE_RATE / 3600
        lines.append(f"{'all':24} {split:22} {'':4} {hours:7.2f}")
    return "\n".join(lines)
