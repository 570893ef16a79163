# SPDX-License-Identifier: GPL-3.0-or-later
"""Make lessons for the ear: half minutes of hard listening, as Whisper's convolutions hear them, kept on disk.

``python -m voxrig.training.speech.lessons --data DIR --cache DIR --count N``: each lesson depends only on its number, so
that several processes can share them (``--part 0/2``) and an interrupted run can resume. A lesson is filled with scenes,
each a stretch of one clip as another voice may say it (``voices.py``), in a room, under noise or music, over a bad line
(``augmentation.py``). A lesson stores what the ear's layers are given and its labels: phones and loudness of the
clean voice, its vocal effort, and for captured faces the mouth itself. Rules may change without new lessons.
"""

from __future__ import annotations

import argparse
import csv
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ...animation.face.phones import PHONE_INDEX, SILENCE, TimedPhone
from ..corpora.augmentation import NoiseBank, active_power, augment, change_speed
from ..corpora.clips import SAMPLE_RATE, Clip, as_int16, load_corpus, write_whole
from ..corpora.voices import Samples, Spoken, as_child, as_shout, as_song, as_whisper, at_tempo
from ..evaluation.baselines import loudness_db
from .ear import AFTER, BEFORE, TUNED, Ear
from .network import FRAME_RATE, HOP
from .whisper import fetch_whisper, read_encoder

LESSONS = f"lessons_{TUNED}"
"""Folder of the cache: lessons as heard below the tuned layers."""
ROWS = 1646
"""Frames of a lesson, which just fill six of the ear's windows."""
SCENE_SECONDS = (3.0, 9.0)
CLEAN = f"{LESSONS}_clean"
"""Folder of the cache: the sound of lessons as it was said, int16 samples."""
SOFT = f"{LESSONS}_soft"
"""Folder of the cache: the teacher's opinion of that sound (see ``teacher``)."""
CROWDED_EVERY = 2
"""Every so many lessons are under babble or white noise throughout."""
DISTANT_EVERY, DISTANT_SINCE = 4, 2400
"""Every so many lessons are in rooms and on telephones throughout, from that number on."""

CORPUS_WEIGHTS = {
    "noise_synthetic": 0.5, "noise_speech_commands": 5.0, "synthetic_flite": 0.6, "synthetic_festival": 0.6,
    "synthetic_espeak": 0.4, "synthetic_languages": 0.7, "speech_commands_test": 0.3, "grid_lips": 6.0,
    "speechocean762": 0.8, "kerstin_de": 1.2, "nathalie_nl": 1.2,
}  # fmt: skip
"""How often a corpus is drawn for its hours, if not once."""
EFFORT = {"whisper": 0.6, "calm": 1.0, "shout": 1.5}
EMOTION_EFFORT = {"neutral": 1.0, "boredom": 0.9, "sadness": 0.85, "happiness": 1.2, "anger": 1.35, "fear": 1.1}
"""Effort by the label of acted speech: mean arousal, on the scale above."""
_CHIN = slice(0, 3)


@dataclass(frozen=True)
class Scene:
    """A stretch of a lesson: its sound, its degradation, and its labels."""

    spoken: Spoken
    effort: float = 1.0
    music: float = 0.0
    """Probability of music under it."""
    knows_phones: bool = True
    mouth: NDArray[np.float32] | None = None
    """Inner gap, width, chin ``[row, 3]`` of a captured face, nan where unknown."""


class Lessons:
    """A maker of lessons by number, from clips of the training split."""

    def __init__(self, data: Path, cache: Path) -> None:
        self.bank = NoiseBank.load(cache)
        clips = list(load_corpus(cache, "train", minimum_quality=-32.0))
        clips += [
            clip for clip in load_corpus(cache, "evaluation", corpora=("grid_lips",)) if clip.id[0] in "lps" and len(clip.phone)
        ]
        seconds = np.array([clip.seconds * CORPUS_WEIGHTS.get(clip.corpus, 1.0) for clip in clips])
        self.clips, self._cumulative = clips, np.cumsum(seconds / seconds.sum())
        self.hours = sum(clip.seconds for clip in clips) / 3600
        self.acted = read_acted(data / "emotion_speech")
        self.takes = [read_take(path) for path in sorted((data / "rig_116").glob("*_0[1-4].csv"))]
        self.tracked = {path.stem: read_tracked(path) for path in (data / "grid_lips" / "lips").glob("[lps]*.csv")}

    def make(self, number: int) -> tuple[Samples, Samples, dict[str, NDArray]]:
        """Make the sound of a lesson, ``ROWS`` frames long, the same as it was said (nothing added), and its labels."""
        random = np.random.default_rng((2025, number))
        clean = np.zeros(ROWS * HOP, np.float32)
        sound = random.standard_normal(ROWS * HOP).astype(np.float32) * np.float32(10 ** random.uniform(-5.0, -3.5))
        loudness = np.full(ROWS, -80.0, np.float32)
        effort = np.full(ROWS, np.nan, np.float32)
        known = np.ones(ROWS, bool)
        mouth = np.full((ROWS, 3), np.nan, np.float32)
        phones: list[tuple[int, float, float, int]] = []
        scenes: list[tuple[int, int]] = []
        row = int(random.integers(0, 40))
        while row < ROWS - 60:
            scene = self.scene(random)
            heard = self.degrade(scene, random, number)
            rows = min(ROWS - row, len(heard) // HOP)
            said = scene.spoken.samples[: rows * HOP]
            clean[row * HOP : row * HOP + len(said)] = said * np.float32(0.7 / max(float(np.abs(said).max(initial=0.0)), 1e-3))
            sound[row * HOP : (row + rows) * HOP] = heard[: rows * HOP]
            loudness[row : row + rows] = loudness_db(scene.spoken.samples, FRAME_RATE, 0.05)[:rows]
            if scene.knows_phones:
                for phone in scene.spoken.phones:
                    if phone.phone != SILENCE and phone.start < rows / FRAME_RATE:
                        end = min(phone.end, rows / FRAME_RATE) + row / FRAME_RATE
                        phones.append((PHONE_INDEX[phone.phone], phone.start + row / FRAME_RATE, end, phone.stress))
            else:
                known[row : row + rows] = False
            if scene.spoken.phones or not scene.knows_phones:
                effort[row : row + rows] = scene.effort
            if scene.mouth is not None:
                mouth[row : row + rows] = scene.mouth[:rows]
            scenes.append((row, row + rows))
            row += rows + (int(random.integers(5, 60)) if random.random() < 0.7 else 0)
        listed = np.array(phones or [(0, 0.0, 0.0, 0)], np.float32)
        truth = {
            "phones": listed,
            "scenes": np.array(scenes, np.int32),
            "loudness": loudness.astype(np.float16),
            "effort": effort.astype(np.float16),
            "known": known,
            "mouth": mouth,
        }
        return sound, clean, truth

    def scene(self, random: np.random.Generator) -> Scene:
        """Draw somebody saying something, somehow."""
        kind = float(random.random())
        if kind < 0.08:
            return self.acted[int(random.integers(len(self.acted)))]
        if kind < 0.14:
            return cut_take(*self.takes[int(random.integers(len(self.takes)))], random)
        clip = self.clips[int(np.searchsorted(self._cumulative, random.random()))]
        tracked = self.tracked.get(clip.id) if clip.corpus == "grid_lips" else None
        spoken = cut_clip(clip, random) if tracked is None else Spoken(clip.samples(), clip.phones)
        if tracked is not None:
            return Scene(spoken, mouth=tracked)
        if not any(phone.phone != SILENCE for phone in spoken.phones):
            return Scene(Spoken(spoken.samples, ()))
        voice = float(random.random())
        if voice < 0.42:
            return Scene(spoken, music=0.1)
        if voice < 0.6:
            ratio = float(random.uniform(0.85, 1.18))
            phones = [TimedPhone(p.phone, p.start / ratio, p.end / ratio, p.stress) for p in spoken.phones]
            return Scene(Spoken(change_speed(spoken.samples, ratio), phones), music=0.1)
        if voice < 0.74:
            return Scene(at_tempo(spoken, float(np.exp(random.uniform(np.log(0.6), np.log(1.8))))), music=0.1)
        if voice < 0.83:
            return Scene(as_child(spoken, float(random.uniform(1.08, 1.32)), float(random.uniform(1.1, 1.9))))
        if voice < 0.91:
            return Scene(as_whisper(spoken, random), EFFORT["whisper"])
        if voice < 0.955:
            return Scene(as_shout(spoken, random), EFFORT["shout"], music=0.1)
        return Scene(as_song(spoken, random), 1.15, music=0.75)

    def degrade(self, scene: Scene, random: np.random.Generator, number: int) -> Samples:
        """Degrade the scene as a microphone records it in this lesson."""
        sound = scene.spoken.samples
        if random.random() < scene.music:
            power = active_power(sound)
            ratio = 10 ** (-float(random.uniform(-3.0, 15.0)) / 20)
            sound = sound + self.bank.some_music(len(sound), random) * np.float32(np.sqrt(power) * ratio)
        distant = number >= DISTANT_SINCE and number % DISTANT_EVERY == 2
        return augment(sound, random, self.bank, crowded=number % CROWDED_EVERY == 1, distant=distant)


def cut_clip(clip: Clip, random: np.random.Generator) -> Spoken:
    """Cut all of a clip, or some seconds of it."""
    seconds = float(random.uniform(*SCENE_SECONDS))
    if clip.seconds <= seconds + 1.0:
        return Spoken(clip.samples(), clip.phones)
    first = float(random.uniform(0.0, clip.seconds - seconds))
    phones = [
        TimedPhone(p.phone, max(0.0, p.start - first), min(seconds, p.end - first), p.stress)
        for p in clip.phones
        if p.end > first and p.start < first + seconds
    ]
    return Spoken(clip.samples(round(first * SAMPLE_RATE), round(seconds * SAMPLE_RATE)), phones)


def read_acted(folder: Path) -> list[Scene]:
    """Read acted emotions of EmoDB's training speakers, whose effort is known but whose phones are not."""
    import soundfile

    scenes: list[Scene] = []
    sounds: dict[str, Samples] = {}
    with open(folder / "index.tsv", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["lang"] != "de" or row["speaker"] in ("15", "16") or row["emotion"] not in EMOTION_EFFORT:
                continue
            path = next(folder.glob(f"**/{row['shard']}*"))
            if row["shard"] not in sounds:
                sounds[row["shard"]] = soundfile.read(str(path), dtype="float32")[0]
            sound = sounds[row["shard"]][int(row["start"]) : int(row["start"]) + int(row["length"])]
            scenes.append(Scene(Spoken(sound, ()), EMOTION_EFFORT[row["emotion"]], knows_phones=False))
    return scenes


def read_take(path: Path) -> tuple[Samples, NDArray[np.float32]]:
    """Read a take of the production rig: its sound, and its jaw as the chin of a mouth ``[row, 3]`` (the rest unknown)."""
    import soundfile

    sound, _ = soundfile.read(str(path.with_suffix(".flac")), dtype="float32")
    with open(path, encoding="utf-8", newline="") as stream:
        header = next(csv.reader(stream))
        values = np.array([[float(cell) for cell in row] for row in csv.reader(stream)])
    jaw = values[:, header.index("mouth_stretch_c")]
    rows = len(sound) // HOP
    mouth = np.full((rows, 3), np.nan, np.float32)
    mouth[:, 2] = np.interp(np.arange(rows) / FRAME_RATE, values[:, 0] / 30.0, jaw)
    return sound, mouth


def cut_take(sound: Samples, mouth: NDArray[np.float32], random: np.random.Generator) -> Scene:
    """Cut some seconds of a take."""
    rows = int(random.uniform(5.0, 10.0) * FRAME_RATE)
    first = int(random.integers(0, len(mouth) - rows))
    piece = sound[first * HOP : (first + rows) * HOP]
    return Scene(Spoken(piece, ()), knows_phones=False, mouth=mouth[first : first + rows])


def read_tracked(path: Path) -> NDArray[np.float32]:
    """Read inner gap, width and chin of a tracked clip at the network's frames ``[row, 3]``."""
    with open(path, encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    seconds = (np.arange(len(rows)) + 0.5) / 25.0
    at = np.arange(round(len(rows) / 25.0 * FRAME_RATE)) / FRAME_RATE
    names = ("inner_gap", "mouth_width", "subnasal_chin")
    return np.stack([np.interp(at, seconds, [float(row[name]) for row in rows]) for name in names], axis=1).astype(np.float32)


def make_lessons(data: Path, cache: Path, first: int, count: int, part: tuple[int, int]) -> None:
    """Make the missing lessons among ``first .. first + count``, only number ``part[0]`` of every ``part[1]``."""
    folder, unspoilt = cache / LESSONS, cache / CLEAN
    for wanted in (folder, unspoilt):
        wanted.mkdir(parents=True, exist_ok=True)
    lessons = Lessons(data, cache)
    print(f"{lessons.hours:.2f} h of speech, {len(lessons.clips)} clips", flush=True)
    ear = Ear().eval()
    ear.load_whisper(read_encoder(fetch_whisper(cache)))
    started, made = time.monotonic(), 0
    for number in range(first, first + count):
        path = folder / f"{number:05d}.npz"
        if number % part[1] != part[0] or path.is_file():
            continue
        sound, clean, truth = lessons.make(number)
        np.save(unspoilt / f"{path.stem}.npy", as_int16(clean))
        with torch.inference_mode():
            windows = ear.hear(torch.from_numpy(np.pad(sound, (BEFORE * HOP, AFTER * HOP)))[None])
        write_whole(path, partial(np.savez, windows=windows.numpy().astype(np.float16), **truth))
        made += 1
        if made % 20 == 0:
            print(f"{number}: {(time.monotonic() - started) / made:.2f} s each", flush=True)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--part", default="0/1")
    options = parser.parse_args()
    number, of = (int(value) for value in options.part.split("/"))
    make_lessons(options.data, options.cache, options.first, options.count, (number, of))


if __name__ == "__main__":
    main()
