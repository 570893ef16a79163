# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepare everything that training reads: ``python -m voxrig.training.corpora.prepare --data DIR --cache DIR``.

Steps are cached and can be interrupted at any moment; starting again does only what is missing. A recording or
sentence that fails is written to ``problems.txt`` in the cache and skipped.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...animation.face.phones import SILENCE, TimedPhone
from .alignment import ALIGNER_BIAS_SECONDS, align_english, align_foreign
from .augmentation import breath, coloured_noise, hum, music, tones
from .clips import SAMPLE_RATE, ClipRecord, shard_exists, summarise, write_shard
from .recordings import (
    RECORDINGS,
    RUSSIAN_LICENCE,
    read_index,
    read_phone_table,
    read_recordings,
    read_room_responses,
    read_russian_voice,
)
from .rooms import random_box
from .synthesis import render_apart, shard_order, shard_seed, voice_plans
from .synthesis_revoicing import revoice_shards

# In this order: first what calibration and evaluation need, then by hours gained.
ENGLISH_WITH_TEXT = (
    "grid_lips",
    "librispeech_subset",
    "asterisk_en_AU",
    "ljspeech_part",
    "kathleen_en",
    "speechocean762",
    "speech_commands_test",
    "picovoice_wakewords",
)

RUSSIAN_VOICE = Path("/usr/share/festival/voices/russian/msu_ru_nsh_clunits")
FOREIGN_WITH_TEXT = ("kerstin_de", "nathalie_nl")

STEPS = ("recordings", "noise", "alignment", "synthesis", "revoicing")

# Minutes of synthetic sound without speech, by kind; the face is still throughout.
STILL_MINUTES = {"music": 40, "breath": 25, "coloured": 20, "hum": 15, "tones": 10, "silence": 4}
_STILL_CLIP_SECONDS = 10
BOXES = 320
"""Number of box-shaped rooms made by the image-source method."""


def note_problems(cache: Path, problems: list[str]) -> None:
    """Append problems to the cache's list and show them."""
    if not problems:
        return
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "problems.txt", "a", encoding="utf-8") as stream:
        for problem in problems:
            stream.write(problem + "\n")
            print(f"  {problem}", file=sys.stderr)


def prepare_recordings(data: Path, cache: Path) -> None:
    """Decode all recordings into shards, with the phone lists in the data."""
    speech = data / "speech"
    index = read_index(speech)
    for recordings in RECORDINGS:
        rows = index.get(recordings.name, [])
        names = sorted({Path(row["shard"]).stem for row in rows})
        if all(shard_exists(cache, recordings.name, name) for name in names):
            continue
        started = time.monotonic()
        table = speech / "phones" / f"{recordings.name}.tsv"
        phones = read_phone_table(table, ALIGNER_BIAS_SECONDS) if table.is_file() else {}
        for shard, clips, problems in read_recordings(speech, recordings, rows, phones):
            note_problems(cache, problems)
            if clips and not shard_exists(cache, recordings.name, shard):
                write_shard(cache, recordings.name, shard, recordings.licence, recordings.source, clips)
        print(f"{recordings.name}: {len(names)} files in {time.monotonic() - started:.0f} s", flush=True)


def prepare_russian(folder: Path, cache: Path) -> None:
    """Prepare the recordings inside Debian's festvox-ru, if it is installed or unpacked."""
    if shard_exists(cache, "festvox_ru", "festvox_ru") or not folder.is_dir():
        return
    clips, problems = read_russian_voice(folder)
    note_problems(cache, problems)
    if clips:
        write_shard(cache, "festvox_ru", "festvox_ru", RUSSIAN_LICENCE, "Debian festvox-ru 0.5", clips)


def prepare_tracked_talker(data: Path, cache: Path) -> None:
    """Prepare the talker with tracked lips for calibration and evaluation, so the split is never 'train'."""
    import soundfile

    if shard_exists(cache, "grid_lips", "grid_lips"):
        return
    clips: list[ClipRecord] = []
    problems: list[str] = []
    for path in sorted((data / "grid_lips" / "audio").glob("*.flac")):
        try:
            sound, rate = soundfile.read(str(path), dtype="float32")
            words = (data / "grid_lips" / "words" / f"{path.stem}.align").read_text().split("\n")
        except (RuntimeError, OSError) as error:
            problems.append(f"{path.name} cannot be read: {error}")
            continue
        if rate != SAMPLE_RATE or sound.ndim != 1:
            problems.append(f"{path.name} is not {SAMPLE_RATE} Hz mono")
            continue
        spoken = [line.split()[2] for line in words if line.strip()]
        text = " ".join(word for word in spoken if word not in ("sil", "sp"))
        clips.append(ClipRecord(path.stem, "s1", "evaluation", "en", sound, None, text=text, gender="M"))
    note_problems(cache, problems)
    write_shard(cache, "grid_lips", "grid_lips", "CC-BY-4.0", "GRID corpus, talker 1", clips)


def prepare_noise(data: Path, cache: Path) -> None:
    """Keep the measured rooms, make box-shaped ones, and music, hum, breath, tones and noise during which nobody speaks."""
    if not (cache / "rooms.npz").is_file():
        rooms = read_room_responses(data / "speech")
        np.savez(cache / "rooms.npz", *rooms)
    if not (cache / "boxes.npz").is_file():
        random = np.random.default_rng(shard_seed("boxes", "rooms"))
        np.savez(cache / "boxes.npz", *(random_box(random) for _ in range(BOXES)))
    count = _STILL_CLIP_SECONDS * SAMPLE_RATE
    for kind, minutes in STILL_MINUTES.items():
        if shard_exists(cache, "noise_synthetic", kind):
            continue
        random = np.random.default_rng(shard_seed("noise_synthetic", kind))
        clips = []
        for number in range(minutes * 60 // _STILL_CLIP_SECONDS):
            sound = make_still_sound(kind, count, random)
            still = [TimedPhone(SILENCE, 0.0, float(_STILL_CLIP_SECONDS))]
            clips.append(ClipRecord(f"{kind}/{number:04d}", "none", "train", "", sound, still, voice=kind))
        write_shard(cache, "noise_synthetic", kind, "made by voxrig.training.corpora.augmentation", "synthetic", clips)


def make_still_sound(kind: str, count: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Make sound without speech of a kind of STILL_MINUTES, at a random level, over a faint noise floor."""
    if kind == "silence":
        return np.zeros(count, dtype=np.float32)
    sounds = {"music": music, "breath": breath, "hum": hum, "tones": tones}
    if kind == "coloured":
        sound = coloured_noise(count, random, float(random.uniform(-0.3, 2.2)))
    else:
        sound = sounds[kind](count, random)
    level = 10 ** (float(random.uniform(-50.0, -20.0)) / 20)
    sound = sound * np.float32(level) + random.standard_normal(count, dtype=np.float32) * np.float32(1e-4)
    return sound / max(1.0, float(np.max(np.abs(sound))))


def prepare_synthesis(data: Path, cache: Path) -> None:
    """Render all missing synthetic shards; a shard that fails is tried again next time."""
    for plan, shard in shard_order(voice_plans()):
        if not shard_exists(cache, plan.corpus, shard):
            note_problems(cache, render_apart(plan, shard, data, cache))


def main(arguments: list[str] | None = None) -> int:
    """Return the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m voxrig.training.corpora.prepare", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with speech/, text/ and grid_lips/")
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"), help="where the result is kept")
    parser.add_argument(
        "--russian", type=Path, default=RUSSIAN_VOICE, help="recordings of Debian's festvox-ru, used where they are"
    )
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS, help="which steps to run, in this order")
    options = parser.parse_args(arguments)
    for step in options.steps:
        if step == "recordings":
            prepare_recordings(options.data, options.cache)
            prepare_tracked_talker(options.data, options.cache)
            prepare_russian(options.russian, options.cache)
        elif step == "noise":
            prepare_noise(options.data, options.cache)
        elif step == "alignment":
            # First what has no phones at all, so that training can use it; then better ones for the rest.
            note_problems(options.cache, align_english(options.cache, ENGLISH_WITH_TEXT, only_unlabelled=True))
            note_problems(options.cache, align_foreign(options.cache, FOREIGN_WITH_TEXT))
            note_problems(options.cache, align_english(options.cache, ENGLISH_WITH_TEXT))
        elif step == "synthesis":
            prepare_synthesis(options.data, options.cache)
        elif step == "revoicing":
            note_problems(options.cache, revoice_shards(options.cache))
    print(summarise(options.cache))
    return 0


if __name__ == "__main__":
    sys.exit(main())
