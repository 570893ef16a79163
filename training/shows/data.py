# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepare shots for the networks: sound and animation on the same 50 rows a second, in several copies.

Copies of a shot differ like other takes of it: a little faster and higher or slower and lower, another tone, level and
noise. Hearing is the slow part, so each copy is heard once and cached by the digests of sound and model.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...animation.face.channels import Channel
from ...animation.keys.reduction import reduce_to_keys
from ...errors import ShowError
from ...inference.audio import Waveform
from ...inference.generate import generate_outputs
from ...inference.package import ModelPackage
from ...inference.session import Session
from ...learning.fit import lay_out_shot, padded_sound
from ...learning.graphs import Head, replace_head
from ...learning.show import Shot, Show
from ..corpora.augmentation import active_power, change_speed, fft_size
from ..speech.network import FRAME_RATE, SAMPLE_RATE

Array = NDArray[np.float32]

KEY_TOLERANCE = 0.03
"""Keys of a shot are those of a sparse reduction to this share of each control's range."""

_CACHE_VERSION = 1


@dataclass(frozen=True)
class Clip:
    """One copy of a shot on rows.

    ``heard`` is float16 ``[row, width]``, ``shown`` ``[row, control]``, ``emotion`` ``[row, emotion]``, ``keys`` ``[row,
    region]`` in 0..1 (the share of the region's controls that have a key there), and there is animation with sound between
    ``first`` and ``last``.
    """

    heard: NDArray[np.float16]
    shown: Array
    emotion: Array
    keys: Array
    first: int
    last: int


@dataclass(frozen=True)
class Batch:
    """Stretches of clips with ``reach`` more rows heard on both sides.

    ``heard`` and ``emotion`` are ``[batch, row + 2 reach, ...]``, ``shown`` (standardised) and ``keys`` ``[batch, row, ...]``.
    """

    heard: Tensor
    emotion: Tensor
    shown: Tensor
    keys: Tensor


@dataclass(frozen=True)
class Material:
    """All clips, ``copies[copy][shot]`` (copy 0 is the original shot), and their common properties."""

    names: tuple[str, ...]
    copies: tuple[tuple[Clip, ...], ...]
    controls: tuple[Channel, ...]
    emotions: tuple[str, ...]

    @property
    def regions(self) -> tuple[str, ...]:
        """The face parts of the controls, in order."""
        return regions_of(self.controls)

    @property
    def minutes(self) -> float:
        """Minutes of animation with sound, without the copies."""
        return sum(clip.last - clip.first for clip in self.copies[0]) / FRAME_RATE / 60.0


def regions_of(controls: Sequence[Channel]) -> tuple[str, ...]:
    """Return the face parts of ``controls``, in order."""
    return tuple(dict.fromkeys(control.region for control in controls))


def choose_controls(show: Show, regions: Sequence[str]) -> tuple[Channel, ...]:
    """Choose the moving controls of some face parts, or of all if none is named. Raises ShowError if nothing moves."""
    chosen = tuple(control for control in show.controls if not regions or control.region in regions)
    if not chosen:
        found = ", ".join(regions_of(show.controls))
        raise ShowError(f"No control of the {' or the '.join(regions)} moves in the shots; those that move are of: {found}")
    return chosen


def dataset_digest(show: Show) -> str:
    """Return a digest that identifies the shots of a run."""
    digest = hashlib.sha256()
    for shot in show.shots:
        digest.update(_shot_digest(shot).encode())
    return digest.hexdigest()


def _shot_digest(shot: Shot) -> str:
    about = f"{shot.name} {shot.control_names} {shot.frame_rate} {shot.sound_start_seconds} {shot.emotions} {shot.sound_sha256}"
    return hashlib.sha256(about.encode() + shot.values.tobytes() + shot.emotion_weights.tobytes()).hexdigest()


def hearing_digest(trunk: ModelPackage) -> str:
    """Return a digest of a speech model's hearing: the part of its graph that computes features and phones."""
    widths = {"features": trunk.feature_width, **({"phones": len(trunk.phones)} if trunk.phones else {})}
    outputs = {name: [1, "frames", width] for name, width in widths.items()}
    return hashlib.sha256(replace_head(trunk.graph_path.read_bytes(), list(widths), Head(), {}, outputs)).hexdigest()


class Ear:
    """A converter of sounds to rows with one of the two kinds of hearing, identified by ``digest``."""

    def __init__(self, spectra: nn.Module | None, session: Session | None) -> None:
        if (spectra is None) == (session is None):
            raise ValueError("an ear hears by spectra or by a session of a speech model")
        self.spectra, self.session = spectra, session
        trunk = self.trunk
        if trunk is not None and (trunk.sample_rate, trunk.frame_rate) != (SAMPLE_RATE, FRAME_RATE):
            raise ShowError(f"The model '{trunk.name}' does not hear at {SAMPLE_RATE} Hz and {FRAME_RATE:g} rows a second; "
                            "choose another trunk")  # fmt: skip
        self.digest = type(spectra).__name__ if trunk is None else hearing_digest(trunk)

    @property
    def trunk(self) -> ModelPackage | None:
        """The speech model, if one is used."""
        return None if self.session is None else self.session.package

    @property
    def width(self) -> int:
        """Number of columns heard."""
        if self.trunk is not None:
            return self.trunk.feature_width + len(self.trunk.phones)
        return int(self.spectra.width)  # type: ignore[union-attr, arg-type]

    def hear(self, waveform: Waveform) -> Array:
        """Convert a sound to ``[row, width]``. Raises ModelError."""
        if self.session is not None:
            outputs = ("features", "phones") if self.session.package.phones else ("features",)
            made = generate_outputs(self.session, waveform, outputs=outputs)
            return np.concatenate([made[name] for name in outputs], axis=1)
        hop = round(SAMPLE_RATE / FRAME_RATE)
        samples = np.pad(waveform.samples, (0, -waveform.samples.size % hop))
        assert self.spectra is not None
        with torch.no_grad():
            return self.spectra(torch.tensor(samples)[None])[0].numpy()


def prepare(
    show: Show,
    controls: tuple[Channel, ...],
    ear: Ear,
    copies: int,
    seed: int,
    cache: Path,
    on_progress: Callable[[int, int], None] | None = None,
    *,
    with_keys: bool = True,
) -> Material:
    """Hear every shot unchanged and in ``copies`` changed copies, from the cache if they are in it.

    Finding the shots' keys takes longer than reading the cache; without them they are 0.
    ``on_progress`` is called with the numbers of copies done and to do. Raises ShowError if the cache cannot be written,
    and ModelError.
    """
    made: list[tuple[Clip, ...]] = []
    for copy in range(copies + 1):
        clips: list[Clip] = []
        for shot in show.shots:
            if on_progress is not None:
                on_progress(copy * len(show.shots) + len(clips), (copies + 1) * len(show.shots))
            random = np.random.default_rng([seed, copy, int(_shot_digest(shot)[:8], 16)])
            changed = change_shot(shot, random) if copy else shot
            clips.append(_prepare_clip(changed, controls, show.emotions, ear, cache, with_keys))
        made.append(tuple(clips))
    return Material(tuple(shot.name for shot in show.shots), tuple(made), controls, show.emotions)


def change_shot(shot: Shot, random: np.random.Generator) -> Shot:
    """Change a shot like another take: 10 % faster and higher or slower and lower, another tone, level and noise."""
    ratio = float(random.uniform(0.9, 1.1))
    sound = change_speed(shot.waveform.samples, ratio)
    size = fft_size(len(sound) + 512)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(size, 1.0 / shot.waveform.sample_rate), 60.0) / 1000.0)
    tone = 10.0 ** (np.clip(float(random.uniform(-3.0, 3.0)) * octaves, -12.0, 12.0) / 20.0)
    sound = np.fft.irfft(np.fft.rfft(sound, size) * tone, size)[: len(sound)]
    noise = np.sqrt(active_power(sound.astype(np.float32))) * 10.0 ** (float(random.uniform(-60.0, -25.0)) / 20.0)
    sound = (sound + noise * random.standard_normal(len(sound))) * 10.0 ** (float(random.uniform(-8.0, 4.0)) / 20.0)
    waveform = Waveform(np.clip(sound, -1.0, 1.0).astype(np.float32), shot.waveform.sample_rate)
    return replace(
        shot, waveform=waveform, frame_rate=shot.frame_rate * ratio, sound_start_seconds=shot.sound_start_seconds / ratio
    )


def _prepare_clip(
    shot: Shot, controls: tuple[Channel, ...], emotions: tuple[str, ...], ear: Ear, cache: Path, with_keys: bool
) -> Clip:
    key = hashlib.sha256(f"{_CACHE_VERSION} {ear.digest} {shot.waveform.sample_rate} {shot.sound_sha256}".encode()).hexdigest()
    path = cache / f"{key[:32]}.npy"
    heard = _read_heard(path)
    if heard is None:
        heard = ear.hear(padded_sound(shot, SAMPLE_RATE, FRAME_RATE)).astype(np.float16)
        if not np.isfinite(heard).all():
            raise ShowError(f"The model's output for shot '{shot.name}' is not numeric; choose another trunk")
        try:
            cache.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            with partial.open("wb") as file:
                np.save(file, heard)
            os.replace(partial, path)
        except OSError as error:
            raise ShowError(f"{cache} cannot be written ({error.strerror}); make room or choose another run folder") from None
    rows = lay_out_shot(shot, heard.astype(np.float32), controls, emotions, FRAME_RATE)
    usable = np.flatnonzero(rows.usable)
    keys = key_rows(rows.shown, controls) if with_keys else np.zeros((len(rows.shown), len(regions_of(controls))), np.float32)
    return Clip(heard, rows.shown, rows.emotion, keys, int(usable[0]), int(usable[-1]) + 1)


def _read_heard(path: Path) -> NDArray[np.float16] | None:
    try:
        heard = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return heard if heard.ndim == 2 and heard.dtype == np.float16 else None


def key_rows(shown: Array, controls: Sequence[Channel]) -> Array:
    """Locate the keys of the show, ``[row, region]``: the share of each region's moving controls that have one there."""
    still = np.ptp(shown, axis=0) <= 0
    ranges = np.maximum(np.ptp(shown, axis=0), 1e-9)
    curves = reduce_to_keys(np.arange(len(shown)), shown, KEY_TOLERANCE * ranges)
    regions = regions_of(controls)
    keys = np.zeros((len(shown), len(regions)), np.float32)
    for control, curve, skip in zip(controls, curves, still):
        if not skip:
            keys[curve.frames.astype(np.int64), regions.index(control.region)] += 1.0
    return keys / np.maximum(keys.max(axis=0), 1.0)


@dataclass(frozen=True)
class Split:
    """The learned and the held-out rows: ``(shot, first row, last row)`` each, rows of copy 0."""

    learned: tuple[tuple[int, int, int], ...]
    held_out: tuple[tuple[int, int, int], ...]


def make_splits(material: Material, held_out: Sequence[str], folds: int, apart_rows: int) -> list[Split]:
    """Make one split per network: by shots, or by time if there is only one shot, with ``apart_rows`` between the parts.

    Raises ShowError for a shot that does not exist, if all are held out, and for a single shot too short to divide.
    """
    clips = material.copies[0]
    whole = [(number, clip.first, clip.last) for number, clip in enumerate(clips)]
    if held_out:
        for name in held_out:
            if name not in material.names:
                raise ShowError(f"held_out names '{name}', but the shots are {', '.join(material.names)}")
        parts = [[item for item in whole if material.names[item[0]] in held_out]]
    elif len(clips) > 1:
        count = min(folds, len(clips))
        parts = [[item for item in whole if item[0] % count == fold] for fold in range(count)] if count > 1 else [whole[-1:]]
    else:
        edges = np.linspace(clips[0].first, clips[0].last, max(folds, 4) + 1).astype(int).tolist()
        blocks = [(0, first, last) for first, last in zip(edges, edges[1:])]
        if edges[1] - edges[0] < 4 * apart_rows:
            raise ShowError(f"The only shot, '{material.names[0]}', is too short to hold a part of it out; collect more")
        parts = [[block] for block in (blocks if folds > 1 else blocks[-1:])]
    splits: list[Split] = []
    for part in parts:
        learned: list[tuple[int, int, int]] = []
        for number, first, last in whole:
            cut = [item for item in part if item[0] == number]
            if not cut:
                learned.append((number, first, last))
            elif len(clips) == 1:
                learned += [(number, first, cut[0][1] - apart_rows), (number, cut[0][2] + apart_rows, last)]
        learned = [item for item in learned if item[2] - item[1] > apart_rows]
        if not learned:
            raise ShowError("All shots are held out, so none is left to learn; take some from held_out")
        splits.append(Split(tuple(learned), tuple(part)))
    return splits


@dataclass(frozen=True)
class Scaling:
    """The scaling that makes columns comparable: heard and shown minus ``*_mean`` over ``*_deviation``, over the learned
    rows."""

    heard_mean: Array
    heard_deviation: Array
    shown_mean: Array
    shown_deviation: Array


def measure_scaling(material: Material, split: Split) -> Scaling:
    """Measure the scaling over the learned rows of copy 0; a constant control gets a thousandth of its range as deviation."""
    heard = np.concatenate([material.copies[0][number].heard[first:last] for number, first, last in split.learned])
    shown = np.concatenate([material.copies[0][number].shown[first:last] for number, first, last in split.learned])
    least = 1e-3 * np.array([control.maximum - control.minimum for control in material.controls], np.float32)
    return Scaling(
        heard.mean(axis=0, dtype=np.float64).astype(np.float32),
        # What hardly ever changes (a phone that never occurs in the show) must not be blown up.
        heard.std(axis=0, dtype=np.float64).astype(np.float32) + np.float32(0.01),
        shown.mean(axis=0, dtype=np.float64).astype(np.float32),
        np.maximum(shown.std(axis=0, dtype=np.float64).astype(np.float32), least),
    )


def draw_batches(
    material: Material, split: Split, scaling: Scaling, reach: int, rows: int, size: int, random: np.random.Generator
) -> Iterator[Batch]:
    """Draw one round: as many stretches of ``rows`` as the learned rows hold, of random copies, at random places."""
    lengths = np.array([last - first for _, first, last in split.learned], np.float64)
    count = max(1, round(lengths.sum() / rows / size))
    for _ in range(count):
        pieces: list[tuple[Array, Array, Array, Array]] = []
        for _ in range(size):
            number, first, last = split.learned[int(random.choice(len(lengths), p=lengths / lengths.sum()))]
            original, clip = material.copies[0][number], material.copies[int(random.integers(len(material.copies)))][number]
            # The same place of a copy, which is faster or slower.
            ratio = (clip.last - clip.first) / (original.last - original.first)
            low, high = (clip.first + (edge - original.first) * ratio for edge in (first, last))
            begin = int(random.integers(round(low), max(round(low), round(high) - rows) + 1))
            pieces.append(cut(clip, begin, begin + rows, reach))
        heard, emotion, shown, keys = (np.stack(column) for column in zip(*pieces))
        yield Batch(
            torch.from_numpy((heard - scaling.heard_mean) / scaling.heard_deviation),
            torch.from_numpy(emotion),
            torch.from_numpy((shown - scaling.shown_mean) / scaling.shown_deviation),
            torch.from_numpy(keys),
        )


def cut(clip: Clip, first: int, last: int, reach: int) -> tuple[Array, Array, Array, Array]:
    """Cut rows ``first`` to ``last`` from a clip: heard and emotion with ``reach`` more on both sides, shown, keys.

    Beyond the clip's ends, which are silence, the last row repeats.
    """
    wide = np.clip(np.arange(first - reach, last + reach), 0, len(clip.heard) - 1)
    near = np.clip(np.arange(first, last), 0, len(clip.heard) - 1)
    return clip.heard[wide].astype(np.float32), clip.emotion[wide], clip.shown[near], clip.keys[near]
