# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading sounds: every format and rate, the low-pass, trims, bad files, memory."""

from __future__ import annotations

import io
import os
import struct
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from voxrig.errors import AudioError
from voxrig.inference import audio
from voxrig.inference.audio import Resampler, StoredWaveform, Waveform, open_sound, read_sound

RATE = 16_000


def sine(hertz: float, seconds: float, sample_rate: int, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2.0 * np.pi * hertz * np.arange(round(seconds * sample_rate)) / sample_rate)).astype(np.float32)


def write(path: Path, samples: np.ndarray, sample_rate: int = RATE, **options: str) -> Path:
    soundfile.write(path, samples, sample_rate, **options)
    return path


def loudness_db(samples: np.ndarray) -> float:
    return float(20.0 * np.log10(np.sqrt(np.mean(samples.astype(np.float64) ** 2)) + 1e-12))


def resample(samples: np.ndarray, from_rate: int, to_rate: int, block: int | None = None) -> np.ndarray:
    resampler = Resampler(from_rate, to_rate)
    block = block or max(1, samples.size)
    parts = [resampler.push(samples[first : first + block]) for first in range(0, samples.size, block)]
    return np.concatenate([*parts, resampler.finish()])


# --- formats and rates


@pytest.mark.parametrize(
    ("suffix", "options", "tolerance"),
    [
        (".wav", {"subtype": "PCM_U8"}, 0.01),
        (".wav", {"subtype": "PCM_16"}, 1e-4),
        (".wav", {"subtype": "PCM_24"}, 1e-6),
        (".wav", {"subtype": "PCM_32"}, 1e-6),
        (".wav", {"subtype": "FLOAT"}, 1e-7),
        (".wav", {"subtype": "DOUBLE"}, 1e-7),
        (".flac", {"subtype": "PCM_16"}, 1e-4),
        (".flac", {"subtype": "PCM_24"}, 1e-6),
        (".aiff", {"subtype": "PCM_16"}, 1e-4),
        (".ogg", {"subtype": "VORBIS"}, 0.03),
        (".ogg", {"format": "OGG", "subtype": "OPUS"}, 0.03),
        (".mp3", {}, 0.03),
    ],
)
def test_formats_give_the_same_sound_at_the_same_time(tmp_path: Path, suffix: str, options: dict[str, str], tolerance: float):
    fade = np.hanning(2 * RATE).astype(np.float32)
    samples = sine(440.0, 2.0, RATE) * fade
    waveform = read_sound(write(tmp_path / f"tone{suffix}", samples, **options), RATE)
    assert waveform.sample_rate == RATE
    assert waveform.samples.dtype == np.float32
    assert abs(waveform.samples.size - samples.size) <= (1200 if suffix == ".mp3" else 0)
    count = min(waveform.samples.size, samples.size)
    assert np.abs(waveform.samples[:count] - samples[:count]).max() <= tolerance


@pytest.mark.parametrize("sample_rate", [8000, 11_025, 16_000, 22_050, 32_000, 44_100, 44_099, 48_000, 96_000, 192_000])
def test_any_rate_keeps_tone_level_and_time(tmp_path: Path, sample_rate: int):
    waveform = read_sound(write(tmp_path / "tone.wav", sine(1000.0, 1.0, sample_rate), sample_rate, subtype="FLOAT"), RATE)
    expected = sine(1000.0, 1.0, RATE)
    assert waveform.samples.size == RATE
    # The ends ring: the tone begins and stops at once.
    assert np.abs(waveform.samples - expected)[400:-400].max() < 1e-3


@pytest.mark.parametrize("hertz", [8200.0, 9000.0, 12_000.0, 15_000.0, 20_000.0, 23_500.0])
def test_tones_above_the_new_nyquist_vanish(tmp_path: Path, hertz: float):
    waveform = read_sound(write(tmp_path / "tone.wav", sine(hertz, 1.0, 48_000), 48_000, subtype="FLOAT"), RATE)
    assert loudness_db(waveform.samples[1000:-1000]) < loudness_db(sine(hertz, 1.0, 48_000)) - 80.0


@pytest.mark.parametrize("hertz", [100.0, 3000.0, 7000.0])
def test_tones_below_stay(tmp_path: Path, hertz: float):
    waveform = read_sound(write(tmp_path / "tone.wav", sine(hertz, 1.0, 48_000), 48_000, subtype="FLOAT"), RATE)
    assert loudness_db(waveform.samples[1000:-1000]) == pytest.approx(loudness_db(sine(hertz, 1.0, 48_000)), abs=0.02)


def test_channels_are_averaged(tmp_path: Path):
    left, right = np.full(RATE, 0.5, np.float32), np.full(RATE, 0.25, np.float32)
    waveform = read_sound(write(tmp_path / "stereo.wav", np.stack([left, right], axis=1), subtype="FLOAT"), RATE)
    assert waveform.samples == pytest.approx(np.full(RATE, 0.375), abs=1e-6)


def test_eight_channels(tmp_path: Path):
    samples = np.stack([sine(200.0 * (1 + index), 0.5, 48_000, 0.1) for index in range(8)], axis=1)
    eight = read_sound(write(tmp_path / "eight.wav", samples, 48_000, subtype="FLOAT"), RATE)
    one = read_sound(write(tmp_path / "one.wav", samples.mean(axis=1), 48_000, subtype="FLOAT"), RATE)
    assert np.abs(eight.samples - one.samples).max() < 1e-6


def test_full_scale_is_not_exceeded(tmp_path: Path):
    square = np.sign(sine(300.0, 1.0, 48_000)).astype(np.float32)
    waveform = read_sound(write(tmp_path / "square.wav", 1.5 * square, 48_000, subtype="FLOAT"), RATE)
    assert np.abs(waveform.samples).max() <= 1.0


# --- the resampler


@pytest.mark.parametrize(("from_rate", "to_rate"), [(48_000, 16_000), (44_100, 16_000), (8000, 16_000), (44_099, 16_000)])
def test_resampling_keeps_a_tone_where_it_is(from_rate: int, to_rate: int):
    """A tone in the pass band comes out as the same tone sampled at the other rate: no delay, no change of level."""
    made = resample(sine(1234.0, 3.0, from_rate), from_rate, to_rate)
    wanted = sine(1234.0, 3.0, to_rate)
    inner = slice(to_rate // 10, made.size - to_rate // 10)
    assert np.abs(made[inner] - wanted[: made.size][inner]).max() < 1e-3


@given(
    from_rate=st.sampled_from([8000, 16_000, 44_100, 48_000, 44_099]),
    block=st.integers(1, 70_000),
    count=st.integers(0, 90_000),
)
@settings(max_examples=25, deadline=None)
def test_resampling_does_not_depend_on_blocks(from_rate: int, block: int, count: int):
    samples = np.random.default_rng(count).uniform(-1, 1, count).astype(np.float32)
    block = max(block, count // 50 + 1)
    whole, pieces = resample(samples, from_rate, RATE), resample(samples, from_rate, RATE, block)
    assert whole.size == -(-count * RATE // from_rate)
    assert np.array_equal(whole, pieces)


def test_ten_minutes_do_not_drift():
    """The last of 600 clicks is where the clock says, at a rate without a short ratio."""
    resampler = Resampler(44_100, 16_000)
    second = np.zeros(44_100, np.float32)
    second[22_050] = 1.0
    parts: list[np.ndarray] = []
    made = 0
    for _ in range(600):
        part = resampler.push(second)
        made += part.size
        parts = [*parts[-3:], part]
    tail = np.concatenate([*parts, resampler.finish()])
    made += tail.size - sum(part.size for part in parts)
    assert made == 600 * RATE
    assert int(np.argmax(tail[-RATE:])) == RATE // 2


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3"])
def test_blocks_join_without_a_seam(tmp_path: Path, suffix: str):
    """20 s in 2 channels are two blocks; soundfile's own reading of an mp3 in blocks breaks at each."""
    options = {"format": "OGG", "subtype": "OPUS"} if suffix == ".opus" else {}
    tone = np.stack([sine(330.0, 20.0, RATE), sine(210.0, 20.0, RATE)], axis=1)
    path = write(tmp_path / f"long{suffix}", tone, **options)
    at_once, _ = soundfile.read(path, dtype="float32")
    assert np.abs(read_sound(path, RATE).samples - at_once.mean(axis=1).clip(-1, 1)).max() < 1e-6


# --- trims


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3"])
def test_a_trim_is_a_part_of_the_whole(tmp_path: Path, suffix: str):
    options = {"format": "OGG", "subtype": "OPUS"} if suffix == ".opus" else {}
    swell = (sine(330.0, 4.0, RATE) * np.linspace(0, 1, 4 * RATE)).astype(np.float32)
    path = write(tmp_path / f"swell{suffix}", swell, **options)
    whole = read_sound(path, RATE)
    part = read_sound(path, RATE, start_seconds=1.25, duration_seconds=1.5)
    assert part.samples.size == round(1.5 * RATE)
    assert np.abs(part.samples - whole.samples[round(1.25 * RATE) : round(2.75 * RATE)]).max() < 1e-6


def test_a_trim_keeps_time_when_the_rate_changes(tmp_path: Path):
    path = write(tmp_path / "tone.wav", sine(500.0, 3.0, 44_100), 44_100, subtype="FLOAT")
    part = read_sound(path, RATE, start_seconds=1.1, duration_seconds=1.0)
    assert np.abs(part.samples - sine(500.0, 3.0, RATE)[17_600:33_600])[400:-400].max() < 1e-3


def test_a_duration_beyond_the_end_gives_what_is_there(tmp_path: Path):
    path = write(tmp_path / "tone.wav", sine(500.0, 1.0, RATE))
    assert read_sound(path, RATE, start_seconds=0.75, duration_seconds=9.0).samples.size == RATE // 4


def test_a_trim_beyond_the_end_says_so(tmp_path: Path):
    path = write(tmp_path / "tone.wav", sine(500.0, 1.0, RATE))
    with pytest.raises(AudioError, match=r"'tone\.wav' ends at 1\.00 s, before the wanted start at 2\.00 s"):
        read_sound(path, RATE, start_seconds=2.0)
    with pytest.raises(AudioError, match="trim leaves no sound"):
        read_sound(path, RATE, duration_seconds=0.0)


def test_a_negative_trim_is_a_mistake_of_the_caller(tmp_path: Path):
    path = write(tmp_path / "tone.wav", sine(500.0, 1.0, RATE))
    with pytest.raises(ValueError, match="negative"):
        read_sound(path, RATE, start_seconds=-0.1)


# --- unusual but right


def test_one_sample_works(tmp_path: Path):
    waveform = read_sound(write(tmp_path / "one.wav", np.array([0.5], np.float32), subtype="FLOAT"), RATE)
    assert waveform.samples.tolist() == [0.5]
    assert read_sound(write(tmp_path / "slow.wav", np.array([0.5]), 48_000), RATE).samples.size == 1


def test_silence_works(tmp_path: Path):
    waveform = read_sound(write(tmp_path / "silence.wav", np.zeros(48_000), 48_000), RATE)
    assert waveform.samples.size == RATE
    assert not waveform.samples.any()


@pytest.mark.parametrize(
    "name", ["line 012 (final).wav", "Zeile äöü ß.wav", "台詞 その一.wav", "реплика.flac", "🎤.wav", "quote'd.wav"]
)
def test_paths_with_spaces_and_any_letters(tmp_path: Path, name: str):
    folder = tmp_path / "ein Ordner 音声"
    folder.mkdir()
    path = write(folder / name, sine(440.0, 0.25, RATE))
    assert read_sound(path, RATE).samples.size == RATE // 4
    assert read_sound(str(path), RATE).samples.size == RATE // 4


def test_packed_bytes_are_read_like_their_file(tmp_path: Path):
    path = write(tmp_path / "tone.flac", sine(440.0, 1.0, 48_000), 48_000)
    assert np.array_equal(read_sound(path.read_bytes(), RATE).samples, read_sound(path, RATE).samples)


def test_a_wav_that_was_written_into_a_pipe_is_whole(tmp_path: Path):
    """Such writers cannot go back to fill in the sizes: ffmpeg leaves 0xFFFFFFFF in both."""
    path = write(tmp_path / "pipe.wav", sine(440.0, 1.0, RATE), subtype="PCM_16")
    content = bytearray(path.read_bytes())
    data = content.index(b"data")
    content[4:8] = content[data + 4 : data + 8] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(content)
    assert read_sound(path, RATE).samples.size == RATE


def test_a_name_without_suffix_is_read_by_content(tmp_path: Path):
    path = write(tmp_path / "tone.wav", sine(440.0, 1.0, RATE)).rename(tmp_path / "tone")
    assert read_sound(path, RATE).samples.size == RATE


def test_reading_twice_gives_the_same_numbers(tmp_path: Path):
    path = write(tmp_path / "noise.wav", np.random.default_rng(2).uniform(-1, 1, (70_000, 2)), 44_100)
    assert np.array_equal(read_sound(path, RATE).samples, read_sound(path, RATE).samples)


def test_a_waveform_cannot_be_changed_and_leaves_its_source_alone():
    samples = np.zeros(4, np.float32)
    waveform = Waveform(samples, RATE)
    with pytest.raises(ValueError, match="read-only"):
        waveform.samples[0] = 1.0
    samples[0] = 1.0
    assert samples.flags.writeable
    with pytest.raises(ValueError, match=r"not \[n\]"):
        Waveform(np.zeros((4, 2), np.float32), RATE)
    with pytest.raises(ValueError, match="not positive"):
        Waveform(samples, 0)


# --- bad input: one clear sentence each


def fails(path: Path | bytes, *words: str) -> None:
    with pytest.raises(AudioError) as caught:
        read_sound(path, RATE)
    sentence = str(caught.value)
    for word in words:
        assert word in sentence
    assert "\n" not in sentence
    assert sentence.endswith(tuple("abcdefghijklmnopqrstuvwxyz0123456789"))


def test_a_missing_file(tmp_path: Path):
    fails(tmp_path / "nowhere.wav", "There is no sound file", "nowhere.wav")


def test_a_folder(tmp_path: Path):
    fails(tmp_path, "is a folder")


@pytest.mark.skipif(os.name == "nt" or (hasattr(os, "geteuid") and os.geteuid() == 0), reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path):
    path = write(tmp_path / "secret.wav", sine(440.0, 1.0, RATE))
    path.chmod(0)
    fails(path, "cannot be opened", "permissions")


def test_an_empty_file(tmp_path: Path):
    path = tmp_path / "empty.wav"
    path.touch()
    fails(path, "'empty.wav' is empty")
    fails(b"", "The packed sound is empty")


def test_text_named_wav(tmp_path: Path):
    path = tmp_path / "text.wav"
    path.write_text("This is not a sound.\n" * 100)
    fails(path, "'text.wav' is damaged or not a wav file")


def test_a_wav_cut_in_its_header(tmp_path: Path):
    path = write(tmp_path / "tone.wav", sine(440.0, 1.0, RATE))
    path.write_bytes(path.read_bytes()[:30])
    fails(path, "'tone.wav'", "damaged")


@pytest.mark.parametrize("kept", [0.3, 0.55])
@pytest.mark.parametrize(
    ("suffix", "options"),
    [(".flac", {}), (".ogg", {}), (".ogg", {"format": "OGG", "subtype": "OPUS"}), (".mp3", {})],
)
def test_a_file_cut_short(tmp_path: Path, suffix: str, options: dict[str, str], kept: float):
    noise = np.random.default_rng(4).uniform(-0.5, 0.5, 3 * RATE)
    path = write(tmp_path / f"cut{suffix}", noise, **options)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    # Without its first pages an Opus file does not even open.
    fails(path, f"'cut{suffix}'", "is damaged or")


@pytest.mark.parametrize(("suffix", "kept"), [(".wav", 0.55), (".wav", 0.97), (".aiff", 0.55), (".flac", 0.97), (".mp3", 0.97)])
def test_what_is_there_is_read_with_a_warning(tmp_path: Path, suffix: str, kept: float):
    """Blender plays a WAV or AIFF as far as it goes; of others a last bit may be missing."""
    noise = np.random.default_rng(4).uniform(-0.5, 0.5, 3 * RATE)
    path = write(tmp_path / f"cut{suffix}", noise, **({"subtype": "PCM_16"} if suffix != ".mp3" else {}))
    whole = read_sound(path, RATE)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    cut = read_sound(path, RATE)
    assert kept * 3.0 - 0.2 < cut.duration_seconds < kept * 3.0 + 0.06
    assert np.array_equal(cut.samples[: cut.samples.size - 2000], whole.samples[: cut.samples.size - 2000])
    (warning,) = cut.warnings
    assert f"'cut{suffix}' ends at {cut.duration_seconds:.2f} s although its header says 3.00 s" in warning
    assert whole.warnings == ()


def write_mp3(path: Path, samples: np.ndarray, rate: int, mode: str) -> tuple[bytes, bytes]:
    """Return an MP3 of a constant or variable bit rate as lame writes it, and without its first frame, which says how long it
    is."""
    soundfile.write(path, samples, rate, bitrate_mode=mode, compression_level=0.5)
    content = path.read_bytes()
    second = content.index(content[:2], 4)
    assert b"Xing" in content[:second] or b"Info" in content[:second]
    return content, content[second:]


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("rate", [44_100, 22_050, 16_000])
def test_an_mp3_without_a_count_of_its_frames_is_read_whole(tmp_path: Path, rate: int, mode: str):
    """Text-to-speech services stream such files. libsndfile takes the length for the size by the first frame's bit rate."""
    loud = np.random.default_rng(1).standard_normal(4 * rate) * 0.2
    # Silence first: the variable bit rate begins low, or high, beside what follows.
    samples = np.concatenate([np.zeros(rate), loud, np.zeros(5 * rate), sine(440.0, 3.0, rate)])
    content, bare = write_mp3(tmp_path / "line.mp3", samples, rate, mode)
    counted = read_sound(content, RATE)
    assert counted.duration_seconds == pytest.approx(13.0, abs=1e-3)
    for tags in (b"", b"ID3\x04\0\0\0\0\x10\0" + bytes(2048)):
        found = read_sound(tags + bare, RATE)
        # The encoder's own delay and the last frame's rest, which the missing frame would have told, come along.
        delay = found.samples.size - counted.samples.size
        assert 0 < delay < 3000 * RATE / rate
        assert found.warnings == ()
        window = slice(12 * RATE, 12 * RATE + 4000)
        shifts = [
            np.abs(found.samples[window.start + s : window.stop + s] - counted.samples[window]).max() for s in range(delay)
        ]
        assert min(shifts) < 0.05
    assert read_sound(content[:1] + content[1:] + b"TAG" + bytes(125), RATE).samples.size == counted.samples.size


def test_joined_mp3s_are_read_to_the_end(tmp_path: Path):
    content, _ = write_mp3(tmp_path / "line.mp3", sine(440.0, 2.0, 44_100), 44_100, "CONSTANT")
    assert read_sound(content + content, RATE).duration_seconds == pytest.approx(4.1, abs=0.1)


def test_an_mp3_is_skipped_to_its_trim_without_a_count(tmp_path: Path):
    swell = (sine(330.0, 4.0, 44_100) * np.linspace(0, 1, 4 * 44_100)).astype(np.float32)
    _, bare = write_mp3(tmp_path / "line.mp3", swell, 44_100, "VARIABLE")
    whole, part = read_sound(bare, 44_100), read_sound(bare, 44_100, start_seconds=1.25, duration_seconds=1.5)
    assert np.array_equal(part.samples, whole.samples[55_125 : 55_125 + 66_150])


@pytest.mark.parametrize("more", [b"", b"LIST\x04\0\0\0INFO"])
def test_a_wav_that_says_it_holds_nothing(tmp_path: Path, more: bytes):
    """A program that was killed, or wrote into a pipe, leaves a data size of 0; Blender plays what follows."""
    path = write(tmp_path / "pipe.wav", sine(440.0, 1.0, RATE), subtype="PCM_16")
    whole = read_sound(path, RATE)
    content = bytearray(path.read_bytes())
    data = content.index(b"data")
    content[4:8] = content[data + 4 : data + 8] = bytes(4)
    path.write_bytes(bytes(content))
    assert np.array_equal(read_sound(path, RATE).samples, whole.samples)
    assert np.array_equal(read_sound(bytes(content), RATE, start_seconds=0.5).samples, whole.samples[RATE // 2 :])
    # With other chunks behind it, or nothing, it means what it says.
    path.write_bytes(bytes(content[: data + 8]) + more)
    fails(path, "holds no sound (0 samples)")


@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_channels_in_opposite_phase_do_not_become_silence(tmp_path: Path, rate: int):
    voice = sine(300.0, 2.0, rate)
    path = write(tmp_path / "phase.wav", np.stack([-0.9 * voice, voice], axis=1), rate, subtype="FLOAT")
    waveform = read_sound(path, RATE)
    only = read_sound(write(tmp_path / "right.wav", voice, rate, subtype="FLOAT"), RATE)
    assert np.array_equal(waveform.samples, only.samples)
    assert waveform.warnings == ("The channels of 'phase.wav' cancel each other; only channel 2 is used",)


def test_channels_that_differ_are_still_averaged(tmp_path: Path):
    """Two unrelated sounds, a voice on one of six channels, and silence."""
    noise = np.random.default_rng(5).uniform(-0.3, 0.3, (RATE, 2)).astype(np.float32)
    one_of_six = np.zeros((RATE, 6), np.float32)
    one_of_six[:, 2] = noise[:, 0]
    for samples in (noise, one_of_six, np.zeros((RATE, 2), np.float32)):
        waveform = read_sound(write(tmp_path / "sound.wav", samples, subtype="FLOAT"), RATE)
        assert waveform.warnings == ()
        assert np.abs(waveform.samples - samples.mean(axis=1)).max() < 1e-6


def test_no_samples(tmp_path: Path):
    fails(write(tmp_path / "nothing.wav", np.zeros((0, 1))), "holds no sound (0 samples)")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channels", [1, 2])
def test_samples_that_are_not_numbers(tmp_path: Path, bad: float, channels: int):
    samples = np.zeros((2 * RATE, channels), np.float32)
    samples[RATE + 160, channels - 1] = bad
    fails(write(tmp_path / "bad.wav", samples, subtype="FLOAT"), "not numbers", "at 1.010 s")


def test_integers_saved_as_float(tmp_path: Path):
    samples = 32_767.0 * sine(440.0, 1.0, RATE, 1.0)
    fails(write(tmp_path / "loud.wav", samples, subtype="FLOAT"), "too loud")


def test_a_format_of_blender_only(tmp_path: Path):
    path = tmp_path / "line.m4a"
    path.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(1000))
    fails(path, "'line.m4a'", "only read inside Blender", "convert it to wav")


def test_a_raw_file_asks_for_conversion(tmp_path: Path):
    path = tmp_path / "line.raw"
    path.write_bytes(bytes(1000))
    fails(path, "'line.raw'", "convert it to wav")


# --- the fallback decoder


def test_the_fallback_decodes_what_soundfile_cannot(tmp_path: Path):
    path = tmp_path / "line.m4a"
    path.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(1000))
    stereo = np.stack([sine(440.0, 2.0, 48_000), np.zeros(96_000, np.float32)], axis=1)
    kept = stereo.copy()
    asked: list[object] = []

    def decode(source: object) -> tuple[np.ndarray, int]:
        asked.append(source)
        return stereo, 48_000

    waveform = read_sound(path, RATE, start_seconds=0.5, duration_seconds=1.0, fallback_decoder=decode)
    assert asked == [path]
    assert waveform.samples.size == RATE
    assert np.abs(waveform.samples - sine(440.0, 2.0, RATE, 0.25)[RATE // 2 : 3 * RATE // 2])[400:-400].max() < 1e-3
    assert np.array_equal(stereo, kept)


def test_the_fallback_is_not_asked_for_what_soundfile_reads(tmp_path: Path):
    path = write(tmp_path / "tone.wav", sine(440.0, 1.0, RATE))

    def decode(_source: object) -> tuple[np.ndarray, int]:
        raise AssertionError("asked")

    assert read_sound(path, RATE, fallback_decoder=decode).samples.size == RATE


def test_the_fallbacks_own_error_reaches_the_artist(tmp_path: Path):
    def decode(_source: object) -> tuple[np.ndarray, int]:
        raise AudioError("this Blender has no audio decoder")

    (tmp_path / "film.mov").write_text("no sound")
    with pytest.raises(AudioError, match="no audio decoder"):
        read_sound(tmp_path / "film.mov", RATE, fallback_decoder=decode)
    # What soundfile reads when it is whole is damaged, with a decoder or without.
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(AudioError, match="damaged or not a wav file"):
        read_sound(tmp_path / "text.wav", RATE, fallback_decoder=decode)


def test_a_fallback_without_samples(tmp_path: Path):
    path = tmp_path / "silent.mov"
    path.write_bytes(bytes(100))
    with pytest.raises(AudioError, match="holds no sound"):
        read_sound(path, RATE, fallback_decoder=lambda _source: (np.zeros((0, 2), np.float32), 48_000))


# --- cost


def test_memory_is_the_result_and_a_few_blocks(tmp_path: Path):
    """45 s at 192 kHz in 8 channels are 276 MB decoded, and 2.9 MB of result."""
    path = tmp_path / "big.wav"
    block = np.random.default_rng(6).integers(-9000, 9000, (192_000, 8)).astype(np.int16)
    with soundfile.SoundFile(path, "w", 192_000, 8, "PCM_16") as file:
        for _ in range(45):
            file.write(block)
    read_sound(path, RATE, duration_seconds=0.1)
    tracemalloc.start()
    try:
        waveform = read_sound(path, RATE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert waveform.samples.size == 45 * RATE
    assert peak < 30e6


def test_a_long_sound_is_kept_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "line.wav"
    soundfile.write(path, np.random.default_rng(2).uniform(-0.9, 0.9, (48_000 * 20, 2)), 48_000)
    held = read_sound(path, RATE, start_seconds=1.5)
    assert isinstance(open_sound(path, RATE, start_seconds=1.5), Waveform)
    monkeypatch.setattr(audio, "_MOST_HELD", 2 * RATE)
    tracemalloc.start()
    try:
        stored = open_sound(path, RATE, start_seconds=1.5)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(stored, StoredWaveform)
    assert kept < 0.1 * held.samples.nbytes
    assert stored.duration_seconds == held.duration_seconds
    for part in (slice(None), slice(0, 7), slice(5000, 9000), slice(held.samples.size - 3, held.samples.size + 9), slice(9, 3)):
        assert np.array_equal(stored.samples[part], held.samples[part])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(AudioError, match=r"'line.wav' is long and does not fit into the folder of temporary files"):
        open_sound(path, RATE)


def test_a_header_that_promises_too_much_does_not_take_the_memory():
    """A float wav whose header claims a billion samples: refused, after reading what there is."""
    stream = io.BytesIO()
    soundfile.write(stream, np.zeros(1000, np.float32), RATE, format="FLAC")
    content = bytearray(stream.getvalue())
    # FLAC STREAMINFO (RFC 9639, 8.2): total samples are the low 36 bits of the 8 bytes from 18 on.
    content[21] |= 0x0F
    content[22:26] = b"\xff\xff\xff\xff"
    tracemalloc.start()
    try:
        fails(bytes(content), "cut short")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 400e6


def test_nothing_slow_is_imported_with_the_module():
    import subprocess

    code = "import sys, voxrig.inference.generate; print(sorted({'soxr', 'soundfile', 'onnxruntime'} & set(sys.modules)))"
    root = Path(sys.modules["voxrig"].__path__[0])
    script = (
        "import importlib.util, sys; "
        f"spec = importlib.util.spec_from_file_location('voxrig', {str(root / '__init__.py')!r}, "
        f"submodule_search_locations=[{str(root)!r}]); "
        "sys.modules['voxrig'] = importlib.util.module_from_spec(spec); " + code
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
