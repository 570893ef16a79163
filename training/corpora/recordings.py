# SPDX-License-Identifier: GPL-3.0-or-later
"""Real recordings: which there are, under which licence, and who of them is never trained on.

The split follows the data's README: by talker wherever there is more than one, by sentence or file name otherwise.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...animation.face.phones import SILENCE, TimedPhone
from .clips import SAMPLE_RATE, ClipRecord

# LibriSpeech talkers kept for development besides talker 27: the highest numbers of those in the subset.
LIBRISPEECH_DEVELOPMENT_TALKERS = 30


@dataclass(frozen=True)
class Recordings:
    """One folder of recordings: its licence and origin, and whether its text is what is spoken."""

    name: str
    licence: str
    source: str
    kind: str = "speech"  # 'speech', 'noise', or 'response' (room impulse responses, never a clip)


RECORDINGS: tuple[Recordings, ...] = (
    Recordings("librispeech_subset", "CC-BY-4.0", "LibriSpeech ASR corpus (OpenSLR 12), subset"),
    Recordings("kathleen_en", "CC0-1.0", "rhasspy/dataset-voice-kathleen"),
    Recordings("ljspeech_part", "public domain", "LJ Speech 1.1, part"),
    Recordings("speechocean762", "CC-BY-4.0", "speechocean762 (OpenSLR 101)"),
    Recordings("asterisk_en_AU", "CC-BY-3.0", "Asterisk core sounds en_AU 1.6, CAMSOWN.com"),
    Recordings("speech_commands_test", "CC-BY-4.0", "Google Speech Commands 0.02, test set"),
    Recordings("picovoice_wakewords", "Apache-2.0", "Picovoice/wake-word-benchmark"),
    Recordings("picovoice_s2i", "Apache-2.0", "Picovoice/speech-to-intent-benchmark"),
    Recordings("kerstin_de", "CC0-1.0", "rhasspy/dataset-voice-kerstin"),
    Recordings("nathalie_nl", "CC0-1.0", "rhasspy/dataset-voice-nathalie"),
    Recordings("sdap_expressive", "CC-BY-4.0", "Super Dialogue Audio Pack V1 by Dillon Becker"),
    Recordings("vocobox_sung", "MIT", "vocobox/human-voice-dataset"),
    Recordings("noise_speech_commands", "CC-BY-4.0", "Google Speech Commands 0.02, background noise", "noise"),
    Recordings("noise_rir_speechbrain", "Apache-2.0", "speechbrain test samples: noise and rooms", "noise"),
)


def name_fraction(name: str) -> float:
    """Return a fixed number 0..1 for a name, the same on every machine: decides what is held out by name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32


def read_index(speech: Path) -> dict[str, list[dict[str, str]]]:
    """Return rows of index.tsv by dataset."""
    rows: dict[str, list[dict[str, str]]] = {}
    with open(speech / "index.tsv", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            rows.setdefault(row["dataset"], []).append(row)
    return rows


def split_of(row: dict[str, str], librispeech_development: frozenset[str]) -> str:
    """Return 'train' or 'development' for one row of the index."""
    dataset, talker, name = row["dataset"], row["speaker"], row["utt"]
    if dataset == "librispeech_subset":
        held_out = talker == "27" or talker in librispeech_development
    elif dataset == "kathleen_en":
        held_out = name.startswith("arctic_b05")
    elif dataset == "asterisk_en_AU":
        held_out = True
    elif dataset == "speechocean762":
        held_out = talker.endswith("7")
    elif row["lang"] in ("de", "nl"):
        held_out = name_fraction(name) < 0.1
    elif dataset in ("noise_speech_commands", "noise_rir_speechbrain"):
        # Silence scores need noise that was never heard in training.
        held_out = name_fraction(name) < 0.1
    else:
        held_out = False
    return "development" if held_out else "train"


def librispeech_development_talkers(rows: list[dict[str, str]]) -> frozenset[str]:
    """Return the talkers with the highest numbers."""
    talkers = sorted({int(row["speaker"]) for row in rows})
    return frozenset(str(number) for number in talkers[-LIBRISPEECH_DEVELOPMENT_TALKERS:])


def read_phone_table(path: Path, shift_seconds: float) -> dict[str, list[TimedPhone]]:
    """Return phones per utterance from a table ``utt <tab> PHONE:start:end ...``; boundaries are moved by ``shift_seconds``.

    The beginning of the first and the end of the last phone stay: they are the ends of the clip, not boundaries.
    """
    table: dict[str, list[TimedPhone]] = {}
    with open(path, encoding="utf-8") as stream:
        next(stream)
        for line in stream:
            name, _, listed = line.rstrip("\n").partition("\t")
            items = [item.split(":") for item in listed.split()]
            phones = []
            for index, (phone, start, end) in enumerate(items):
                first = float(start) + (shift_seconds if index else 0.0)
                last = float(end) + (shift_seconds if index < len(items) - 1 else 0.0)
                phones.append(TimedPhone(phone, first, last))
            table[name] = phones
    return table


def read_recordings(
    speech: Path, recordings: Recordings, rows: list[dict[str, str]], phones: dict[str, list[TimedPhone]]
) -> Iterator[tuple[str, list[ClipRecord], list[str]]]:
    """Yield per sound file of a corpus: shard name, its clips, and one sentence per clip or file that could not be read.

    Noise gets a still face: its phones are one silence from end to end.
    """
    import soundfile

    held_out = librispeech_development_talkers(rows) if recordings.name == "librispeech_subset" else frozenset[str]()
    files: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        files.setdefault(row["shard"], []).append(row)
    for file_name, members in sorted(files.items()):
        clips: list[ClipRecord] = []
        problems: list[str] = []
        try:
            sound, rate = soundfile.read(str(speech / recordings.name / file_name), dtype="float32")
        except (RuntimeError, OSError) as error:
            yield Path(file_name).stem, [], [f"{file_name} cannot be read: {error}"]
            continue
        if rate != SAMPLE_RATE or sound.ndim != 1:
            yield Path(file_name).stem, [], [f"{file_name} is not {SAMPLE_RATE} Hz mono"]
            continue
        for row in members:
            if row["extra"] == "RIR":
                continue
            first, length = int(row["start"]), int(row["length"])
            piece: NDArray[np.float32] = sound[first : first + length]
            if len(piece) != length or not np.isfinite(piece).all():
                problems.append(f"{file_name}: {row['utt']} lies outside the file")
                continue
            known = phones.get(row["utt"])
            if recordings.kind == "noise":
                known = [TimedPhone(SILENCE, 0.0, length / SAMPLE_RATE)]
            clips.append(
                ClipRecord(
                    id=row["utt"],
                    speaker=row["speaker"] or "none",
                    split=split_of(row, held_out),
                    language=row["lang"],
                    samples=piece,
                    phones=known,
                    text=row["text"],
                    gender=row["gender"],
                    extra=row["extra"],
                )
            )
        yield Path(file_name).stem, clips, problems


# The voice's phones -> ARPAbet by the lips; doubled vowels are stressed, doubled consonants palatalised.
_RUSSIAN_PHONES: dict[str, tuple[str, ...]] = {
    "aa": ("AA",), "a": ("AH",), "ay": ("AH",), "ae": ("IH",), "ee": ("EH",), "e": ("EH",), "ii": ("IY",),
    "i": ("IH",), "yy": ("IH",), "y": ("IH",), "oo": ("AO",), "uu": ("UW",), "u": ("UW",), "ur": ("UH",),
    "b": ("B",), "c": ("T", "S"), "ch": ("CH",), "d": ("D",), "f": ("F",), "g": ("G",), "h": ("HH",), "j": ("Y",),
    "k": ("K",), "l": ("L",), "m": ("M",), "n": ("N",), "p": ("P",), "r": ("D",), "s": ("S",), "sch": ("SH",),
    "sh": ("SH",), "t": ("T",), "v": ("V",), "z": ("Z",), "zh": ("ZH",), "pau": (SILENCE,),
}  # fmt: skip
RUSSIAN_LICENCE = "BSD-like (N. Shmyrev), Debian festvox-ru"


def read_russian_voice(folder: Path) -> tuple[list[ClipRecord], list[str]]:
    """Read 620 sentences of one man from Debian's festvox-ru (``.../msu_ru_nsh_clunits``), with the voice's own phone times.

    Its times come from an EHMM labeller: 10 to 20 ms from the sound's events. Returns clips and problems.
    """
    import soundfile

    texts: dict[str, str] = {}
    for path in sorted((folder / "etc").glob("*.data")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, text = line.strip("() ").partition(" ")
            texts[name] = text.strip('" ').replace("+", "")
    clips: list[ClipRecord] = []
    problems: list[str] = []
    for path in sorted((folder / "wav").glob("*.wav")):
        try:
            sound, rate = soundfile.read(str(path), dtype="float32")
            rows = [line.split() for line in (folder / "lab" / f"{path.stem}.lab").read_text().splitlines()]
        except (RuntimeError, OSError) as error:
            problems.append(f"{path.name} cannot be read: {error}")
            continue
        phones: list[TimedPhone] = []
        begin = 0.0
        for end, name in ((float(row[0]), row[2]) for row in rows if len(row) == 3):
            sounds = _RUSSIAN_PHONES.get(name) or _RUSSIAN_PHONES.get(name[:1])
            if sounds is None:
                problems.append(f"{path.name}: phone {name!r} is not known")
                break
            edges = np.linspace(begin, end, len(sounds) + 1)
            stress = int(name in ("aa", "ee", "ii", "yy", "oo", "uu"))
            for phone, first, last in zip(sounds, edges[:-1], edges[1:], strict=True):
                phones.append(TimedPhone(phone, float(first), float(last), stress))
            begin = end
        else:
            if rate != SAMPLE_RATE or not phones:
                problems.append(f"{path.name} is not {SAMPLE_RATE} Hz or has no labels")
                continue
            split = "development" if name_fraction(path.stem) < 0.1 else "train"
            text = texts.get(path.stem, "")
            clips.append(ClipRecord(path.stem, "nsh", split, "ru", sound, phones, text=text, gender="M"))
    return clips, problems


def read_room_responses(speech: Path) -> list[NDArray[np.float32]]:
    """Read the measured room responses, 16 kHz, each beginning at its direct path and scaled to a direct path of 1."""
    import soundfile

    responses: list[NDArray[np.float32]] = []
    rows = read_index(speech).get("noise_rir_speechbrain", [])
    for row in rows:
        if row["extra"] != "RIR":
            continue
        sound, _ = soundfile.read(
            str(speech / "noise_rir_speechbrain" / row["shard"]),
            start=int(row["start"]),
            frames=int(row["length"]),
            dtype="float32",
        )
        peak = int(np.argmax(np.abs(sound)))
        responses.append((sound[peak:] / sound[peak]).astype(np.float32))
    return responses
