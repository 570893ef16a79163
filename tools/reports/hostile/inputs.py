# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile inputs that need no Blender: sounds, curves, models, shots, mappings, tables, journals, outputs and names."""

from __future__ import annotations

import io
import json
import os
import resource
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from voxrig.animation.curves import ChannelCurves
from voxrig.animation.face.channels import Channel, face_channel_names
from voxrig.animation.face.emotions import preset_from_json
from voxrig.animation.interchange import FORMATS, write_curves
from voxrig.animation.rig.mapping import Link, Mapping, Target, from_json, to_json
from voxrig.animation.rig.presets import load_presets
from voxrig.batch.jobs import Digests, read_jobs
from voxrig.cli.main import main
from voxrig.inference import package
from voxrig.inference.audio import Waveform, read_sound
from voxrig.learning.show import Shot, write_shot

from .trial import Case

ROOT = Path(__file__).resolve().parents[3]
MODEL = ROOT / "models" / "speech"
RATE = 16_000

HOSTILE_VALUES: tuple[tuple[str, str], ...] = (
    ("nothing", "null"),
    ("not a number", "NaN"),
    ("an infinity", "-Infinity"),
    ("400 digits", "9" * 400),
    ("5000 digits", "-" + "9" * 5000),
    ("beyond floats", "1e999"),
    ("true", "true"),
    ("an empty text", '""'),
    ("half a character", '"\\ud800"'),
    ("a NUL", '"a\\u0000b"'),
    ("a long text", '"' + "x" * 100_000 + '"'),
    ("a list", "[[]]"),
    ("an object", '{"a": 1}'),
    ("deep nesting", "[" * 50_000 + "]" * 50_000),
)
"""JSON that stands where another kind is meant."""

DEEP = "[" * 100_000


def damage(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the bytes after one to three kinds of damage."""
    damaged = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(0, max(1, len(damaged))))
        kind = int(rng.integers(0, 4))
        if kind == 0:
            for place in rng.integers(0, max(1, len(damaged)), 12):
                damaged[place : place + 1] = bytes([int(rng.integers(256))])
        elif kind == 1:
            del damaged[at:]
        elif kind == 2:
            damaged[at:at] = rng.bytes(int(rng.integers(1, 40)))
        else:
            damaged[at : at + 8] = b"\xff" * 8
    return bytes(damaged)


def places_in(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths to all values of a JSON document; of a list its first item only."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield (*path, key)
            yield from places_in(value, (*path, key))
    elif isinstance(document, list) and document:
        yield (*path, 0)
        yield from places_in(document[0], (*path, 0))


def put(document: Any, path: tuple[Any, ...], text: str) -> str:
    """Return the JSON of a document with raw text in one place."""
    copied = json.loads(json.dumps(document))
    inner = copied
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = "@hostile@"
    return json.dumps(copied).replace('"@hostile@"', text)


def json_damage(document: Any, count: int, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Yield names and texts: hostile values in places of a document, then broken texts."""
    places = list(places_in(document))
    for _ in range(count):
        path = places[int(rng.integers(len(places)))]
        what, text = HOSTILE_VALUES[int(rng.integers(len(HOSTILE_VALUES)))]
        yield f"{what} at {'.'.join(map(str, path))}", put(document, path, text).encode()
    whole = json.dumps(document).encode()
    yield "empty", b""
    yield "deep nesting", DEEP.encode()
    yield "deep objects", b'{"a":' * 100_000
    yield "half of it", whole[: len(whole) // 2]
    yield "Latin-1", whole + b"\xff"
    yield "UTF-16", whole.decode().encode("utf-16")
    yield "a list", b"[1, 2]"
    yield "a number", b"9" * 5000


def write(name: str, content: bytes) -> Callable[[Path], object]:
    """Return the making of one file."""
    return lambda folder: (folder / name).write_bytes(content)


def nothing(_folder: Path) -> None:
    """Make no file."""


def make_pipe(name: str) -> Callable[[Path], object]:
    """Return the making of a named pipe, which blocks whoever opens it."""
    return lambda folder: os.mkfifo(folder / name)


def make_sparse(name: str, head: bytes = b"", size: int = 8 << 30) -> Callable[[Path], object]:
    """Return the making of a file of many gigabytes that takes no room."""

    def make(folder: Path) -> None:
        with open(folder / name, "wb") as file:
            file.write(head)
            file.truncate(size)

    return make


def link_to(name: str, target: str) -> Callable[[Path], object]:
    """Return the making of a symbolic link."""
    return lambda folder: (folder / name).symlink_to(target)


def make_device(name: str, minor: int = 7) -> Callable[[Path], object]:
    """Return the making of a device that is full (7) or without end (5): never the system's own, which may be replaced."""

    def make(folder: Path) -> None:
        try:
            os.mknod(folder / name, stat.S_IFCHR | 0o666, os.makedev(1, minor))
        except OSError:  # only root may
            os.mkfifo(folder / name)

    return make


def odd_files(name: str) -> Iterator[tuple[str, Callable[[Path], object]]]:
    """Yield what may stand in the place of any file."""
    yield "a named pipe", make_pipe(name)
    yield "a device without end", make_device(name, 5)
    yield "a folder", lambda folder: (folder / name).mkdir()
    yield "a link in a circle", link_to(name, name)
    yield "a link to nowhere", link_to(name, "nowhere")
    yield "8 GB of nothing", make_sparse(name)
    yield "empty", write(name, b"")


def command(*words: str) -> Callable[[Path], int]:
    """Return the run of a command line, relative paths counting from the folder."""
    return lambda _folder: main(list(words))


# Sounds


def wav(samples: bytes = b"\0" * 3200, rate: int = RATE, channels: int = 1, bits: int = 16, size: int | None = None) -> bytes:
    """Return a WAV file whose header says anything."""
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", 1, channels, rate & 0xFFFFFFFF, (rate * block) & 0xFFFFFFFF, block & 0xFFFF, bits)
    length = len(samples) if size is None else size
    chunks = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", length) + samples
    return b"RIFF" + struct.pack("<I", len(chunks) & 0xFFFFFFFF) + chunks


def sounds(rng: np.random.Generator) -> Iterator[Case]:
    """Yield sounds: damaged bytes of five formats, headers that lie, and files that are not sounds."""
    noise = 0.1 * rng.standard_normal(RATE)
    for suffix, options in (
        ("wav", {}),
        ("flac", {}),
        ("ogg", {}),
        ("mp3", {"format": "MP3"}),
        ("aiff", {"format": "AIFF"}),
    ):
        stream = io.BytesIO()
        soundfile.write(stream, noise, RATE, format=options.get("format", suffix.upper()))
        whole = stream.getvalue()
        for number in range(14):
            name = f"line.{suffix}"
            yield Case("sounds", f"damaged {suffix} {number}", write(name, damage(whole, rng)), hear(name), True)
    for rate in (0, 1, 7, 999, 0x7FFFFFFF, 0xFFFFFFFF):
        yield Case("sounds", f"{rate} Hz", write("line.wav", wav(rate=rate)), hear("line.wav"))
    for what, content, may_pass in (
        ("no channel", wav(channels=0), False),
        ("65535 channels", wav(channels=65535), False),
        ("3 bits", wav(bits=3), True),
        ("a data size of 0", wav(size=0), True),
        ("a data size of 4 GB", wav(size=0xFFFFFFFF), True),
        ("no samples", wav(samples=b""), False),
        ("a header alone", wav()[:20], False),
        ("text", b"hello " * 100, False),
        ("zip", b"PK\x03\x04" + b"\0" * 100, False),
    ):
        yield Case("sounds", what, write("line.wav", content), hear("line.wav"), may_pass)
    for what, prepare in odd_files("line.wav"):
        yield Case("sounds", what, prepare, hear("line.wav"))
    sparse = make_sparse("line.wav", wav(samples=b"", size=0xFFFFFFFF))
    yield Case("sounds", "a header before 8 GB of nothing", sparse, hear("line.wav"), False)
    for what, values in (("infinite", np.inf), ("not numbers", np.nan), ("1e30 loud", 1e30)):
        stream = io.BytesIO()
        soundfile.write(stream, np.full(RATE, values, np.float32), RATE, format="WAV", subtype="FLOAT")
        yield Case("sounds", f"samples that are {what}", write("line.wav", stream.getvalue()), hear("line.wav"))
    yield Case("sounds", "a name with a NUL", nothing, lambda _folder: _hear("a\0.wav"))


def hear(name: str) -> Callable[[Path], None]:
    """Return the reading of a sound."""
    return lambda folder: _hear(str(folder / name))


def _hear(path: str) -> None:
    read_sound(path, RATE)


# Curves


def sample_curves(frames: int = 40) -> ChannelCurves:
    """Return curves that every format can hold."""
    names = (*face_channel_names()[:6], "viseme_sil", "viseme_aa")
    values = np.random.default_rng(0).random((frames, len(names)), dtype=np.float32)
    return ChannelCurves(names, 30.0, values)


def curves(rng: np.random.Generator) -> Iterator[Case]:
    """Yield files of curves: damage in every format, sizes and shapes that lie, and files without curves."""
    for file_format in FORMATS:
        name = f"take.{file_format}"
        whole = encode(file_format)
        for number in range(8):
            yield Case(
                "curves",
                f"damaged {file_format} {number}",
                write(name, damage(whole, rng)),
                command("convert", name, "out.npz", "--from-fps", "30"),
                True,
            )
    convert = command("convert", "take.csv", "out.npz")
    minute = "".join(f"{start},0.5\n{start + 0.001:.3f},0.5\n" for start in range(0, 60 * 20_000, 59))
    for what, text in (
        ("a minute between rows", "seconds,jawOpen\n" + minute),
        ("a minute between many columns", f"seconds,{','.join(f'c{i}' for i in range(400))}\n" + "".join(
            f"{start}{',0' * 400}\n{start + 0.001:.3f}{',0' * 400}\n" for start in range(0, 60 * 200, 59))),
        ("values of 400 digits", f"seconds,jawOpen\n0,{'9' * 400}\n0.04,0\n"),
        ("times of 400 digits", f"seconds,jawOpen\n{'9' * 400},1\n{'9' * 401},0\n"),
        ("values that are not numbers", "seconds,jawOpen\n0,nan\n0.04,inf\n"),
        ("times that go back", "seconds,jawOpen\n5,0\n1,0\n"),
        ("a cell of 10 MB", f"seconds,jawOpen\n0,{'x' * 10_000_000}\n"),
        ("a hundred thousand columns", f"seconds,{','.join(f'c{i}' for i in range(100_000))}\n0{',0' * 100_000}\n"),
        ("an open quote", 'seconds,jawOpen\n0,"0\n0.04,0\n'),
        ("frames far apart", "frame,_neutral,jawOpen\n0,0,0\n1000000000000,0,1\n"),
        ("a header alone", "seconds,jawOpen\n"),
        ("half characters", "seconds,jaw\udcff\n0,0\n0.04,1\n"),
        ("a rhubarb line of a day", "0.00\tA\n99999.00\tX\n"),
        ("deep JSON", '{"weightMat": ' + DEEP),
        ("deep objects", '{"a":' * 100_000),
        ("JSON of 400 digits", '{"facsNames": ["a"], "exportFps": ' + "9" * 400 + ', "weightMat": [[' + "9" * 400 + "]]}"),
        ("XML of entities", '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><rhubarbResult>&b;</rhubarbResult>'),
        ("deep XML", "<rhubarbResult>" + "<a>" * 200_000),
    ):  # fmt: skip
        may_pass = what in ("values that are not numbers", "a hundred thousand columns")
        yield Case("curves", what, write("take.csv", text.encode("utf-8", "surrogateescape")), convert, may_pass)
    for what, content in npz_bombs():
        yield Case("curves", what, write("take.npz", content), command("convert", "take.npz", "out.csv"))
    for what, prepare in odd_files("take.csv"):
        yield Case("curves", what, prepare, convert)


def encode(file_format: str) -> bytes:
    """Return a sound file of curves in one format."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "take"
        write_curves(path, sample_curves(), file_format)
        return path.read_bytes()


def npz_bombs() -> Iterator[tuple[str, bytes]]:
    """Yield small NPZ files that claim or unpack to much."""

    def npz(shape: str, data: bytes, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
        text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", compression) as archive:
            for name in ("names", "values", "frame_rate"):
                archive.writestr(f"{name}.npy", np.lib.format.magic(1, 0) + len(text).to_bytes(2, "little") + text + data)
        return packed.getvalue()

    yield "an array of 93 GB in its header", npz("(25000000000,)", bytes(64))
    yield "a shape below 0", npz("(-5, 4)", bytes(64))
    yield "a shape of 400 digits", npz(f"({'9' * 400},)", bytes(64))
    claims = bytearray(npz("(1073741800,)", bytes(64)))
    for at in (i for i in range(len(claims)) if claims[i : i + 4] == b"PK\x01\x02"):
        claims[at + 24 : at + 28] = b"\xff\xff\xff\xf0"  # the size that the directory states
    yield "an archive that claims 12 GB", bytes(claims)
    yield "a header of anything", npz("__import__('os').system('touch injected')", bytes(64))
    objects = io.BytesIO()
    np.savez(objects, names=np.array([{}], object), values=np.zeros((2, 1)), frame_rate=np.float64(30))
    yield "pickled objects", objects.getvalue()
    yield "zlib in pieces", npz("(200,)", np.random.default_rng(0).bytes(800)).replace(b"values", b"value\0")
    whole = bytearray(npz("(200,)", np.random.default_rng(0).bytes(800)))
    whole[120:160] = b"\xff" * 40
    yield "damaged zlib", bytes(whole)


# Models


def models(rng: np.random.Generator) -> Iterator[Case]:
    """Yield model packages: damaged descriptions, graphs that are none, are changed or never end."""
    document = json.loads((MODEL / "model.json").read_text(encoding="utf-8"))
    document["channels"] = document["channels"][:2]

    def use(folder: Path) -> int:
        return main(["curves", str(folder / "line.wav"), "-o", str(folder / "out.csv"), "--model", str(folder)])

    def with_files(**files: bytes) -> Callable[[Path], None]:
        def prepare(folder: Path) -> None:
            (folder / "line.wav").write_bytes(wav())
            for name, content in files.items():
                (folder / name.replace("_", ".")).write_bytes(content)

        return prepare

    for what, text in json_damage(document, 60, rng):
        yield Case("models", what, with_files(model_json=text, model_onnx=b"x"), use)
    sound = json.dumps(document).encode()
    yield Case("models", "no graph", with_files(model_json=sound), use)
    yield Case("models", "another graph", with_files(model_json=sound, model_onnx=b"x" * 1000), use)
    for what, prepare in odd_files("model.onnx"):
        yield Case("models", f"a graph that is {what}", both(with_files(model_json=sound), prepare), use)
    for what, prepare in odd_files("model.json"):
        yield Case("models", f"a description that is {what}", both(with_files(), prepare), use)
    graph = (MODEL / "model.onnx").read_bytes()
    for number in range(4):
        content = damage(graph[:200_000], rng)
        described = {**document, "graph": {"file": "model.onnx", "sha256": digest(content)}}
        yield Case(
            "models",
            f"a damaged graph {number}",
            with_files(model_json=json.dumps(described).encode(), model_onnx=content),
            use,
        )


def digest(content: bytes) -> str:
    """Return the sha256 that a description must state."""
    import hashlib

    return hashlib.sha256(content).hexdigest()


def both(*prepares: Callable[[Path], object]) -> Callable[[Path], None]:
    """Return one making of several."""

    def prepare(folder: Path) -> None:
        for single in prepares:
            single(folder)

    return prepare


# Shots


def shots(rng: np.random.Generator) -> Iterator[Case]:
    """Yield datasets: damaged descriptions and arrays of a shot, bombs, rates that cannot be, and odd files."""

    def with_shot(folder: Path) -> None:
        controls = (Channel("jaw", "jaw", "face", 0.0, 0.0, 1.0, "weight"),)
        values = np.sin(np.arange(48))[:, None]
        write_shot(folder / "show", Shot("a", "hero", controls, values, 24.0, Waveform(np.ones(2 * RATE) * 0.1, RATE)))

    import tempfile

    with tempfile.TemporaryDirectory() as made:
        with_shot(Path(made))
        description = json.loads((Path(made) / "show" / "a.json").read_text(encoding="utf-8"))
        arrays = (Path(made) / "show" / "a.npz").read_bytes()
    fit = command("fit", "show", "-o", "learned")

    def change(text: bytes | None = None, content: bytes | None = None) -> Callable[[Path], None]:
        def prepare(folder: Path) -> None:
            with_shot(folder)
            if content is not None:
                (folder / "show" / "a.npz").write_bytes(content)
                described = {**description, "arrays": {"file": "a.npz", "sha256": digest(content)}}
                (folder / "show" / "a.json").write_text(json.dumps(described), encoding="utf-8")
            if text is not None:
                (folder / "show" / "a.json").write_bytes(text)

        return prepare

    harmless = ("blend_file", "origin", "sound.file", "first_frame", "targets", "title")
    for what, text in json_damage(description, 45, rng):
        if not any(word in what for word in harmless):
            yield Case("shots", what, change(text), fit, "a text at" in what or "name" in what or "rig" in what)
    for number in range(12):
        yield Case("shots", f"damaged arrays {number}", change(content=damage(arrays, rng)), fit)
    for what, content in npz_bombs():
        yield Case("shots", what, change(content=content), fit)
    for rate in ("1", "2147483647", "1e30", "0.5"):
        text = put(description, ("sound", "sample_rate"), rate).encode()
        yield Case("shots", f"a sound at {rate} Hz", change(text), fit)
    for rate in ("1e-30", "1e30", "0", "-24"):
        yield Case("shots", f"{rate} frames a second", change(put(description, ("frame_rate",), rate).encode()), fit)
    for name in ("a.json", "a.npz"):
        for what, prepare in odd_files(f"show/{name}"):

            def replace(folder: Path, name: str = name, prepare: Callable[[Path], object] = prepare) -> None:
                with_shot(folder)
                (folder / "show" / name).unlink()
                prepare(folder)

            yield Case("shots", f"{name} is {what}", replace, fit)
    yield Case("shots", "no folder", nothing, fit)
    yield Case("shots", "a dataset that is a pipe", make_pipe("show"), fit)


# Mappings and presets


def mappings(rng: np.random.Generator) -> Iterator[Case]:
    """Yield mappings, presets of rigs and of emotions with hostile values."""
    mapping = json.loads(
        to_json(Mapping((Link("jawOpen", Target("KEY", "Face", 'key_blocks["a"].value'), 1.0, 0.0, 0.0, 1.0),)))
    )
    for what, text in json_damage(mapping, 45, rng):
        may_pass = "minimum" in what or "maximum" in what or ("text" in what and "links.0" in what)
        yield Case("mappings", what, nothing, read_as(text, from_json), may_pass)
    preset = json.loads((ROOT / "presets" / "arkit.json").read_text(encoding="utf-8"))
    for what, text in json_damage(preset, 25, rng):

        def load(folder: Path) -> None:
            load_presets([folder / "preset.json"])

        yield Case("mappings", f"a rig's preset: {what}", write("preset.json", text), load, True)
    emotions = {"format": "voxrig-emotions", "version": 1, "name": "x", "weights": {"joy": 0.5}}
    emotions |= json.loads(next((ROOT / "presets" / "emotions").glob("*.json")).read_text(encoding="utf-8"))
    for what, text in json_damage(emotions, 20, rng):
        yield Case(
            "mappings",
            f"a preset of emotions: {what}",
            nothing,
            read_as(text, preset_from_json),
            "text" in what or "true at" in what,
        )


def read_as(text: bytes, read: Callable[[str], object]) -> Callable[[Path], None]:
    """Return the reading of a text by a function that takes one."""

    def attempt(_folder: Path) -> None:
        read(text.decode("utf-8", "replace"))

    return attempt


# Batches


def batches(rng: np.random.Generator) -> Iterator[Case]:
    """Yield tables and journals of any shape; the batch reads them and says what would be done."""
    row = {"audio": "a.wav", "output_curves": "out/{name}.csv", "emotion": {"joy": 0.5}, "fps": 24, "start_frame": 1}
    dry = command("batch", "jobs.json", "--dry-run")
    for what, text in json_damage([row], 30, rng):
        yield Case("batches", what, write("jobs.json", text), dry, True, "jobs.batch")
    for what, prepare in odd_files("jobs.csv"):
        yield Case("batches", f"a table that is {what}", prepare, command("batch", "jobs.csv"), own="voxrig.batch")
    for what, text in (
        ("an unknown column", "audio,colour\na.wav,red\n"),
        ("too many cells", "audio\na.wav,b.wav\n"),
        ("an open quote", 'audio\n"a.wav\n'),
        ("Latin-1", "audio\na\udcff.wav\n"),
        ("a cell of a megabyte", f"audio\n{'x' * 1_000_000}\n"),
        ("a header alone", "audio\n"),
    ):
        content = text.encode("utf-8", "surrogateescape")
        yield Case("batches", what, write("jobs.csv", content), command("batch", "jobs.csv"), own="jobs.batch")
    facts = {"seconds": 1.5, "frames": 36, "keys": 40, "tracks": {"jaw": [1, 50], "sound": [3]}, "sheet": ["a.jpg"]}
    outcome = {"key": "@key@", "state": "done", "why": "", "warnings": ["loud"], "facts": facts, "passing": False}
    entry = {"event": "ready", "lines": [outcome], "files": [["a", "b", "c"]]}
    for what, text in json_damage(entry, 40, rng):

        def with_journal(folder: Path, text: bytes = text) -> None:
            (folder / "jobs.batch").mkdir()
            (folder / "jobs.csv").write_text("audio,output_curves\nmissing.wav,a.csv\n", encoding="utf-8")
            (line,) = read_jobs([str(folder / "jobs.csv")], {})
            key = Digests().keys([line])[1]
            (folder / "jobs.batch" / "journal.jsonl").write_bytes(text.replace(b"@key@", key.encode()))

        report = command("batch", "jobs.csv", "--report-only")
        yield Case("batches", f"a journal: {what}", with_journal, report, True, "jobs.batch")


# Outputs


def full_disk(attempt: Callable[[Path], int | None]) -> Callable[[Path], int | None]:
    """Return an attempt during which no file may grow beyond 2,000 bytes, as on a full disk."""

    def limited(folder: Path) -> int | None:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
        try:
            return attempt(folder)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


def outputs(_rng: np.random.Generator) -> Iterator[Case]:
    """Yield places that are not to be written, inputs above all, and disks that are full."""

    def with_take(folder: Path) -> None:
        write_curves(folder / "take.csv", sample_curves())
        (folder / "sub").mkdir()
        (folder / "link.csv").symlink_to("take.csv")
        os.link(folder / "take.csv", folder / "twin.csv")
        make_device("full")(folder)

    for output in ("take.csv", "sub/../take.csv", "./take.csv", "link.csv", "twin.csv"):
        yield Case("outputs", f"convert onto its input as {output}", with_take, command("convert", "take.csv", output))
    for output in ("full", "sub", "/proc/x.csv", "take.csv/x.csv", "x" * 256, "a\0b"):
        yield Case("outputs", f"convert to {output[:12]!r}", with_take, command("convert", "take.csv", output, "--to", "csv"))
    yield Case("outputs", "convert to a pipe", both(with_take, make_pipe("p.csv")), command("convert", "take.csv", "p.csv"))
    for ending in ("csv", "npz", "json", "tsv"):
        attempt = full_disk(command("convert", "take.csv", f"out.{ending}"))
        yield Case("outputs", f"a full disk for {ending}", with_take, attempt, ending == "tsv")
    long = "x" * 251 + ".csv"
    yield Case("outputs", "the longest name", with_take, command("convert", "take.csv", long), True)
    for number in ("nan", "inf", "-1", "0", "1e999", "9" * 400, "x", ""):
        for option in ("--fps", "--from-fps"):
            attempt = command("convert", "take.csv", "out.npz", option, number)
            yield Case("outputs", f"{option} {number[:8]}", with_take, attempt)
    yield Case("outputs", "an unknown format", with_take, command("convert", "take.csv", "out.csv", "--to", "\udcff"))
    yield Case("outputs", "a name that is not UTF-8", with_take, command("convert", "take.csv", "out\udcff.csv"), True)

    def with_sound(folder: Path) -> None:
        (folder / "line.wav").write_bytes(wav())
        make_device("full.csv")(folder)

    for number in ("nan", "inf", "-1", "2", "9" * 400, "", "1,5"):
        attempt = command("curves", "line.wav", "-o", "out.csv", "--emotion", f"joy={number}")
        yield Case("outputs", f"curves --emotion joy={number[:8]}", with_sound, attempt)
    for output in ("full.csv", "line.wav", "line.wav/x.csv", "out.txt"):
        yield Case("outputs", f"curves to {output}", with_sound, command("curves", "line.wav", "-o", output))
    yield Case("outputs", "curves on a full disk", with_sound, full_disk(command("curves", "line.wav", "-o", "out.csv")))


def make_cases(seed: int) -> list[Case]:
    """Return all cases that need no Blender. The same seed damages the same places."""
    package._TRIAL_SECONDS = 2.0  # of a graph that never ends
    groups = (sounds, curves, models, shots, mappings, batches, outputs)
    return [case for i, group in enumerate(groups) for case in group(np.random.default_rng([seed, i]))]
