# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams: the package's contract, any chunking, no drift, flat memory, hostile samples."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from model_packages import noise
from stream_packages import LOOK_AHEAD_SECONDS, build_step, describe_stream, write_stream
from voxrig.errors import ModelError
from voxrig.inference.package import LOOK_AHEADS, bundled_packages, find_stream_model, load_package, stream_name
from voxrig.inference.session import open_session
from voxrig.inference.stream import LiveResampler, NoiseGate, SpeechStream, open_stream

HOP = 320


@pytest.fixture
def stream(tmp_path: Path) -> SpeechStream:
    return open_stream(load_package(write_stream(tmp_path / "stream")))


def push_in_chunks(stream: SpeechStream, samples: np.ndarray, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    parts, at = [], 0
    while at < samples.size:
        size = int(random.integers(1, 4097))
        parts.append(stream.push(samples[at : at + size]).channels)
        at += size
    return np.concatenate(parts)


@pytest.mark.parametrize("seed", range(3))
def test_the_result_does_not_depend_on_the_chunks(stream: SpeechStream, seed: int) -> None:
    sound = 0.1 * noise(6.0)
    whole = stream.push(sound).channels
    stream.reset()
    assert np.ptp(whole) > 0.1
    assert np.abs(push_in_chunks(stream, sound, seed) - whole).max() <= 1e-5


def test_rows_know_their_instant_and_do_not_drift(stream: SpeechStream) -> None:
    first = stream.push(np.zeros(HOP - 1, np.float32))
    assert first.channels.shape[0] == 0
    assert first.start_seconds == pytest.approx(0.02 - LOOK_AHEAD_SECONDS)
    assert stream.push(np.zeros(1, np.float32)).channels.shape[0] == 1
    stream._steps = 50 * 3600 * 10  # ten hours later
    assert stream.push(np.zeros(HOP, np.float32)).start_seconds == pytest.approx(36_000.02 - LOOK_AHEAD_SECONDS, abs=1e-9)


def test_finishing_shows_the_last_sample_and_forgets(stream: SpeechStream) -> None:
    sound = 0.1 * noise(1.0)[: 50 * HOP - 7]
    rows = [stream.push(sound), stream.finish()]
    last = rows[1].start_seconds + (len(rows[1].channels) - 1) / 50
    assert last >= sound.size / 16_000 - 0.02
    again = stream.push(sound)
    assert np.array_equal(again.channels, rows[0].channels)


def test_memory_stays_flat(stream: SpeechStream) -> None:
    sound = 0.1 * noise(1.0)
    stream.push(sound)
    tracemalloc.start()
    for _ in range(3):
        stream.push(sound)
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(20):
        stream.push(sound)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 10_000


def test_samples_that_are_not_numbers_leave_no_trace(stream: SpeechStream) -> None:
    bad = np.array([np.nan, np.inf, -np.inf, 1e30] * 400, np.float32)
    assert np.isfinite(stream.push(bad).channels).all()
    assert np.isfinite(stream.push(0.1 * noise(1.0)).channels).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d["stream"].update(states={}), "states is empty"),
        (lambda d: d["stream"]["states"].update(memory=[1, 0]), "not the sizes of an array"),
        (lambda d: d["stream"]["states"].update(memory=[1, 6]), "the shape"),
        (lambda d: d["stream"]["states"].update(waveform=[1, 320]), "repeats the name"),
        (lambda d: d["stream"].update(look_ahead_seconds=-1), "look_ahead_seconds"),
        (lambda d: d.update(emotions=["joy"]), "does not go with emotions"),
        (lambda d: d.pop("stream"), "has the shape"),
    ],
)
def test_a_wrong_description_is_said(tmp_path: Path, change, sentence: str) -> None:
    description = describe_stream()
    change(description)
    with pytest.raises(ModelError, match=sentence):
        load_package(write_stream(tmp_path / "stream", description, build_step()))


def test_streams_and_whole_sounds_are_kept_apart(tmp_path: Path) -> None:
    package = load_package(write_stream(tmp_path / "stream"))
    with pytest.raises(ModelError, match="for live use"):
        open_session(package, "CPU", 1).run(np.zeros(HOP, np.float32))
    with pytest.raises(ModelError, match="needs the whole sound"):
        open_stream(load_package(bundled_packages()[0]))
    with pytest.raises(ModelError, match="that streams"):
        find_stream_model("speech")


@pytest.mark.parametrize("milliseconds", LOOK_AHEADS)
def test_every_look_ahead_is_bundled_and_waits_so_long(milliseconds: int) -> None:
    """What a row shows is not changed by what is heard after its look-ahead, and is by what is heard just before its end."""
    package = load_package(find_stream_model(stream_name(milliseconds)))
    stream = open_stream(package)
    assert stream.look_ahead_seconds == pytest.approx(milliseconds / 1000)
    heard = 0.2 * noise(1.0)
    rows = stream.push(heard)
    assert rows.start_seconds == pytest.approx(0.02 - milliseconds / 1000)
    stream.reset()
    changed = heard.copy()
    changed[-HOP:] = 0.0
    others = stream.push(changed)
    assert np.array_equal(rows.phones[:-1], others.phones[:-1])
    assert not np.array_equal(rows.phones[-1], others.phones[-1])


def test_the_gate_opens_at_once_holds_and_closes() -> None:
    gate = NoiseGate(-40.0, hold_steps=3, fade_steps=2)
    quiet, loud = np.full(HOP, 0.001, np.float32), np.full(HOP, 0.1, np.float32)
    assert not gate.apply(quiet).any()
    assert np.array_equal(gate.apply(loud), loud)
    kept = [float(gate.apply(quiet)[0]) / 0.001 for _ in range(6)]
    assert kept == pytest.approx([1.0, 1.0, 1.0, 0.5, 0.0, 0.0])


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000, 192_000])
def test_resampling_is_the_same_for_any_chunks(rate: int) -> None:
    seconds = np.arange(int(0.6 * rate)) / rate
    sound = (0.5 * np.sin(2 * np.pi * 440.0 * seconds)).astype(np.float32)
    random = np.random.default_rng(1)

    def push(sizes: list[int]) -> np.ndarray:
        resampler, at, parts = LiveResampler(rate, 16_000), 0, []
        for size in sizes:
            parts.append(resampler.push(sound[at : at + size]))
            at += size
        return np.concatenate([*parts, resampler.push(sound[at:], last=True)])

    whole, pieces = push([]), push([int(size) for size in random.integers(1, 3000, 10)])
    assert whole.size == pytest.approx(0.6 * 16_000, abs=2)
    assert np.abs(whole[: pieces.size] - pieces[: whole.size]).max() < 1e-5
    middle = whole[3000:6000]
    assert np.abs(middle - 0.5 * np.sin(2 * np.pi * 440.0 * np.arange(3000, 6000) / 16_000)).max() < 0.02
