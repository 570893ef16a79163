# SPDX-License-Identifier: GPL-3.0-or-later
"""Make new talkers from old ones: the natural synthetic voices with another pitch and vocal tract length.

There are only five English people behind the natural engines (rms, slt, awb, kal, ked); a network would learn those five. WORLD
(pyworld) splits a voice into pitch, envelope and breathiness; the envelope is stretched along frequency, as by a longer or
shorter vocal tract, and the parts are joined again. Times stay.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .clips import SAMPLE_RATE, Clip, ClipRecord, load_clips, shard_exists, write_shard
from .synthesis import shard_seed

NATURAL = ("synthetic_flite", "synthetic_festival")
CORPUS = "synthetic_revoiced"


@dataclass(frozen=True)
class Revoicing:
    """``pitch`` and ``formants`` are factors, ``spread`` scales the pitch's movement, ``breath`` 0..1 adds air."""

    pitch: float
    formants: float
    spread: float
    breath: float

    def __str__(self) -> str:
        return f"pitch={self.pitch:.2f};formants={self.formants:.2f};spread={self.spread:.2f};breath={self.breath:.2f}"


def draw_revoicing(random: np.random.Generator) -> Revoicing:
    """Draw a new voice: never the old one (formants within 3 %), pitch following the tract's length loosely."""
    longer = random.random() < 0.5
    formants = float(random.uniform(0.86, 0.97) if longer else random.uniform(1.03, 1.20))
    pitch = float(np.clip(formants ** random.uniform(1.0, 3.0) * random.uniform(0.85, 1.2), 0.6, 1.7))
    return Revoicing(pitch, formants, float(random.uniform(0.6, 1.5)), float(random.uniform(0.0, 0.35)))


def warp_frequencies(frames: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """Warp spectra ``[time, bin]`` so that every feature is at ``factor`` times its frequency; the top is held beyond the
    end."""
    bins = frames.shape[1]
    source = np.minimum(np.arange(bins) / factor, bins - 1.0)
    below = np.minimum(source.astype(np.int64), bins - 2)
    share = source - below
    return np.ascontiguousarray(frames[:, below] * (1.0 - share) + frames[:, below + 1] * share)


def revoice(samples: NDArray[np.float32], voice: Revoicing) -> NDArray[np.float32]:
    """Revoice the same words at the same times as another person; float32 -1..1 at 16 kHz, of equal length."""
    import pyworld

    sound = samples.astype(np.float64)
    pitch, instants = pyworld.dio(sound, SAMPLE_RATE, f0_floor=60.0, f0_ceil=500.0)
    pitch = pyworld.stonemask(sound, pitch, instants, SAMPLE_RATE)
    envelope = pyworld.cheaptrick(sound, pitch, instants, SAMPLE_RATE)
    air = pyworld.d4c(sound, pitch, instants, SAMPLE_RATE)
    voiced = pitch > 0
    changed = pitch.copy()
    if np.any(voiced):
        middle = float(np.mean(np.log(pitch[voiced])))
        changed[voiced] = np.exp(middle + (np.log(pitch[voiced]) - middle) * voice.spread) * voice.pitch
    envelope = np.maximum(warp_frequencies(envelope, voice.formants), 1e-16)
    air = np.clip(warp_frequencies(air, voice.formants) + voice.breath * 0.5, 0.0, 1.0)
    result = pyworld.synthesize(changed, envelope, air, SAMPLE_RATE)[: len(samples)].astype(np.float32)
    result = np.pad(result, (0, len(samples) - len(result)))
    level, wanted = float(np.std(result)), float(np.std(samples))
    return result * np.float32(min(wanted / max(level, 1e-9), 0.99 / max(float(np.max(np.abs(result))), 1e-9)))


def revoice_shards(cache: Path) -> list[str]:
    """Revoice every other clip of each natural shard without a revoiced shard; returns problems."""
    problems: list[str] = []
    for corpus in NATURAL:
        everything = {clip.id: clip for clip in load_clips(cache, (corpus,))}
        for header in sorted((cache / "corpora" / corpus).glob("*.json")):
            if shard_exists(cache, CORPUS, header.stem):
                continue
            names = [clip["id"] for clip in json.loads(header.read_text())["clips"][::2]]
            clips = [everything[name] for name in names if name in everything]
            random = np.random.default_rng(shard_seed(CORPUS, header.stem))
            records: list[ClipRecord] = []
            for clip in clips:
                voice = draw_revoicing(random)
                sound = revoice(clip.samples(), voice)
                if not np.isfinite(sound).all() or float(np.std(sound)) < 1e-4:
                    problems.append(f"{CORPUS} {clip.id}: nothing came out")
                    continue
                records.append(_record(clip, sound, voice))
            if records:
                write_shard(cache, CORPUS, header.stem, clips[0].licence, f"{corpus} re-voiced with WORLD", records)
    return problems


def _record(clip: Clip, sound: NDArray[np.float32], voice: Revoicing) -> ClipRecord:
    """Make a clip of a separate talker: one per old talker and sixth of the range of tract lengths."""
    talker = f"{clip.voice}_{int((voice.formants - 0.86) / 0.06)}"
    return ClipRecord(
        clip.id, talker, clip.split, clip.language, sound, clip.phones, text=clip.text, voice=clip.voice, extra=str(voice)
    )
