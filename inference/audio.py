# SPDX-License-Identifier: GPL-3.0-or-later
"""Read sound files as one mono float32 waveform at a model's sample rate, block by block.

Memory stays at the size of the result plus a few blocks, whatever the rate and number of channels of the file; a long result
can be kept in a temporary file.
"""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError
from ..storage.reading import check_ordinary_file
from .headers import SoundSource, open_corrected

if TYPE_CHECKING:
    import soundfile

# Formats read by libsndfile; other containers need the fallback decoder.
READABLE_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".caf", ".rf64", ".w64")

LOWEST_RATE, HIGHEST_RATE = 1000, 768_000
"""Limits of a sound file in samples a second. Beyond these the header is damaged, and the filter would grow without bound."""

LONGEST_SECONDS = 4 * 3600.0
"""Longest accepted sound: a longer one, claimed or real, would fill the memory."""

LARGEST_FILE = 64 << 30

# Samples over all channels decoded at once: 2 MB of float32.
_BLOCK_SAMPLES = 1 << 19

# Full scale is 1; a decoder overshoots slightly, a file of integers saved as float by thousands.
_LARGEST_PLAUSIBLE_PEAK = 64.0

# soxr is fastest in small pieces, which stay in the processor's cache.
_SOXR_SAMPLES = 1 << 16

# A last bit of this much that a header promises and the file lacks is worth a warning, more is an error.
_SMALL_LOSS_SECONDS = 0.25
_SMALL_LOSS_SHARE = 0.01

# Channels that cancel: their mean has less than this share of the power that unrelated channels would leave it.
_CANCELLED_SHARE = 0.1

# Samples of a result that are held in memory at most where it may be kept in a file: a quarter of an hour at 16 kHz, 67 MB.
_MOST_HELD = 1 << 24

Decoder = Callable[[Any], tuple[NDArray[np.float32], int]]


@dataclass(frozen=True)
class Waveform:
    """Mono sound: ``samples`` float32 ``[n]`` in -1..1, read-only, at ``sample_rate`` per second.

    ``warnings`` are sentences on what was wrong with the file and how it was read. Raises ValueError if the samples are not
    one-dimensional or the rate is not positive.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        samples = np.asarray(self.samples, dtype=np.float32).view()
        if samples.ndim != 1:
            raise ValueError(f"samples are {samples.shape}, not [n]")
        if self.sample_rate <= 0:
            raise ValueError(f"sample rate {self.sample_rate} is not positive")
        samples.flags.writeable = False
        object.__setattr__(self, "samples", samples)

    @property
    def duration_seconds(self) -> float:
        """Length of the sound."""
        return self.samples.size / self.sample_rate


class StoredSamples:
    """Samples of a mono sound in a temporary file, read slice by slice; the file is gone with the object.

    Raises OSError where the folder of temporary files takes no more.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="voxrig-")  # noqa: SIM115 - lives as long as the object
        self._using = threading.Lock()
        self._size = 0

    @property
    def size(self) -> int:
        """Number of samples."""
        return self._size

    def append(self, samples: NDArray[np.float32]) -> None:
        """Add samples ``[n]`` at the end."""
        with self._using:
            self._file.seek(0, os.SEEK_END)
            self._file.write(samples.tobytes())
            self._file.flush()
            self._size += samples.size

    def __getitem__(self, part: slice[Any, Any, Any]) -> NDArray[np.float32]:
        """Read the samples from ``part.start`` to ``part.stop``; ``part.step`` is None or 1."""
        first, last, step = part.indices(self._size)
        if step != 1:
            raise ValueError(f"stored samples are read in steps of 1, not of {step}")
        with self._using:
            self._file.seek(4 * first)
            return np.frombuffer(self._file.read(4 * max(last - first, 0)), np.float32)


@dataclass(frozen=True)
class StoredWaveform:
    """A long sound as :class:`Waveform`, with its samples in a file."""

    samples: StoredSamples
    sample_rate: int
    warnings: tuple[str, ...] = ()

    @property
    def duration_seconds(self) -> float:
        """Length of the sound."""
        return self.samples.size / self.sample_rate


AnyWaveform = Waveform | StoredWaveform


def read_sound(
    path: SoundSource,
    sample_rate: int,
    *,
    start_seconds: float = 0.0,
    duration_seconds: float | None = None,
    fallback_decoder: Decoder | None = None,
) -> Waveform:
    """Read a sound as mono at ``sample_rate``; sample i is the instant ``start_seconds + i / sample_rate``.

    ``path`` is a file, or the bytes of one (a sound packed in a .blend). Channels are averaged, the rate is changed by
    ``Resampler``. ``start_seconds`` and ``duration_seconds`` are a strip's trim, rounded to the file's own samples; a
    duration beyond the end is cut to what exists. ``fallback_decoder(path)`` returns ``(samples [n, channels], rate)`` for
    files that soundfile cannot open; if that fails too, its AudioError is passed on unless soundfile supports the format.

    A file is as long as what decodes, whatever its header says. Channels in opposite phase, whose mean is all but silence,
    are replaced by the loudest of them. Both are told in the ``warnings`` of the result.

    Raises AudioError for a sound that is missing, empty, damaged, truncated, contains NaN or has no samples in the range;
    ValueError for a negative start or duration.
    """
    stretch = start_seconds, duration_seconds
    waveform = _read(path, sample_rate, stretch, fallback_decoder, None)
    return waveform if isinstance(waveform, Waveform) else Waveform(waveform.samples[:], sample_rate, waveform.warnings)


def open_sound(
    path: SoundSource,
    sample_rate: int,
    *,
    start_seconds: float = 0.0,
    duration_seconds: float | None = None,
    fallback_decoder: Decoder | None = None,
) -> AnyWaveform:
    """Read a sound like :func:`read_sound`, but keep a long one in a temporary file instead of in memory."""
    return _read(path, sample_rate, (start_seconds, duration_seconds), fallback_decoder, _MOST_HELD)


def _read(
    path: SoundSource,
    sample_rate: int,
    stretch: tuple[float, float | None],
    fallback_decoder: Decoder | None,
    most_held: int | None,
) -> AnyWaveform:
    start_seconds, duration_seconds = stretch
    if start_seconds < 0 or (duration_seconds is not None and duration_seconds < 0):
        raise ValueError(f"start {start_seconds} s and duration {duration_seconds} s must not be negative")
    name = _name_of(path)
    _check_file(path, name)

    def read(channel: int | None) -> _Mono:
        way = _Way(name, sample_rate, channel, most_held)
        return _read_mono(path, way, start_seconds, duration_seconds, fallback_decoder)

    made = read(None)
    warnings = made.warnings
    loudest = made.loudest_of_cancelled()
    if loudest is not None:
        made = read(loudest)
        warnings = (*warnings, f"The channels of {name} cancel each other; only channel {loudest + 1} is used")
    if isinstance(made.samples, StoredSamples):
        return StoredWaveform(made.samples, sample_rate, warnings)
    return Waveform(made.samples, sample_rate, warnings)


def read_promised_seconds(path: SoundSource) -> float | None:
    """Return how long a sound is by its header, without decoding it; None if only reading it would tell."""
    try:
        import soundfile

        _check_file(path, _name_of(path))
        return float(soundfile.info(io.BytesIO(path) if isinstance(path, bytes) else os.fspath(path)).duration)
    except (AudioError, ImportError, OSError, RuntimeError, TypeError, ValueError):
        return None


@dataclass(frozen=True)
class _Mono:
    """A sound as read: the mean of its channels or one of them, with the mean power of that and of each channel."""

    samples: NDArray[np.float32] | StoredSamples
    power: float
    channel_powers: NDArray[np.float64]
    warnings: tuple[str, ...]

    def loudest_of_cancelled(self) -> int | None:
        """Return the loudest channel if the channels all but cancel in their mean, else None."""
        count = len(self.channel_powers)
        # Unrelated channels leave their mean 1 / count of their own power.
        if count < 2 or self.power >= _CANCELLED_SHARE * float(self.channel_powers.mean()) / count:
            return None
        return int(np.argmax(self.channel_powers))


@dataclass(frozen=True)
class _Way:
    """How a sound is read: as which ``name`` it is told of, the rate of the result, the channel (None for the mean of all)
    and how many samples are held in memory at most (None for all)."""

    name: str
    sample_rate: int
    channel: int | None
    most_held: int | None


def _read_mono(
    path: SoundSource, way: _Way, start_seconds: float, duration_seconds: float | None, fallback_decoder: Decoder | None
) -> _Mono:
    name = way.name
    sound = _open_with_soundfile(path)
    if sound is None:
        if fallback_decoder is None:
            raise _unreadable(name)
        try:
            samples, rate = fallback_decoder(path)
        except AudioError:
            if _suffix_of(name) in READABLE_SUFFIXES:  # the file is at fault, whatever the other decoder reports
                raise _unreadable(name) from None
            raise
        if samples.ndim != 2 or rate <= 0:
            raise ValueError(f"the fallback decoder gave {samples.shape} at {rate} Hz, not [n, channels]")
        _check_rate(name, rate)
        first, count = _range_in_samples(name, len(samples), rate, start_seconds, duration_seconds)
        return _collect(way, _array_blocks(samples[first : first + count]), rate, count, first)
    with sound:
        rate = sound.samplerate
        _check_rate(name, rate)
        warnings = _check_length(path, name, sound)
        first, count = _range_in_samples(name, sound.frames, rate, start_seconds, duration_seconds)
        blocks = _file_blocks(name, sound, first, count, warnings)
        made = _collect(way, blocks, rate, count, first)
    return replace(made, warnings=tuple(warnings))


class Resampler:
    """Change the sample rate of a stream with soxr's low-pass filter, without delay or drift.

    Output sample n is the instant n / ``to_rate``. soxr's quality HQ is flat up to 0.91 of the lower Nyquist frequency and
    over 100 dB down from that frequency on. The result does not depend on the division of the input into blocks. Raises
    AudioError if soxr does not load.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        self._from_rate, self._to_rate = from_rate, to_rate
        self._pushed = 0
        self._made = 0
        self._stream: Any = None if from_rate == to_rate else _import_soxr().ResampleStream(from_rate, to_rate, 1)

    def push(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Process the next input samples ``[n]`` and return the output samples that are ready."""
        self._pushed += block.size
        if self._stream is None:
            return block
        parts = [self._process(block[first : first + _SOXR_SAMPLES]) for first in range(0, block.size, _SOXR_SAMPLES)]
        return parts[0] if len(parts) == 1 else np.concatenate([*parts, np.zeros(0, np.float32)])

    def finish(self) -> NDArray[np.float32]:
        """Return the remaining samples: ``ceil(pushed * to_rate / from_rate)`` in total."""
        if self._stream is None:
            return np.zeros(0, np.float32)
        remaining = -(-self._pushed * self._to_rate // self._from_rate) - self._made
        # soxr rounds the number of samples; silence after the end makes up for one that it would drop.
        silence = np.zeros(2 * -(-self._from_rate // self._to_rate), np.float32)
        return self._process(silence, last=True)[:remaining]

    def _process(self, block: NDArray[np.float32], last: bool = False) -> NDArray[np.float32]:
        made = cast("NDArray[np.float32]", self._stream.resample_chunk(block, last=last))
        self._made += made.size
        return made


def _import_soxr() -> Any:
    try:
        import soxr
    except (ImportError, OSError) as error:
        raise AudioError(
            f"The sample rate converter 'soxr' does not load ({error}); install the Voxrig zip made for this system"
        ) from error
    return soxr


def _name_of(path: SoundSource) -> str:
    return "The packed sound" if isinstance(path, bytes) else f"'{Path(path).name}'"


def _check_file(path: SoundSource, name: str) -> None:
    if isinstance(path, bytes):
        size = len(path)
    else:
        if os.path.isdir(path):
            raise AudioError(f"{name} is a folder; choose a sound file in it")
        try:
            size = check_ordinary_file(path, LARGEST_FILE)
            with open(path, "rb"):
                pass
        except FileNotFoundError:
            raise AudioError(f"There is no sound file {os.fspath(path)}; choose it again") from None
        except OSError as error:
            raise AudioError(f"{name} cannot be opened ({error.strerror}); choose a sound file that can be read") from None
    if size == 0:
        raise AudioError(f"{name} is empty (0 bytes); export the sound again")


def _check_rate(name: str, rate: float) -> None:
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(f"{name} claims {rate:g} samples a second, which no sound has; export the sound again")


def _open_with_soundfile(path: SoundSource) -> soundfile.SoundFile | None:
    """Open the file, or return None if libsndfile cannot read it."""
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise AudioError(
            f"The sound reader 'soundfile' does not load ({error}); install the Voxrig zip made for this system"
        ) from error

    class ForwardFile(soundfile.SoundFile):
        """Read a sound only forwards.

        After every read soundfile seeks to where it already is, and an mp3 decodes wrongly from there: an mp3 frame depends on
        those before it, which a seek drops. soundfile does not seek in files that report themselves as not seekable.
        """

        def seekable(self) -> bool:
            return False

        def close(self) -> None:
            super().close()
            if corrected is not None:
                corrected.close()

    corrected = open_corrected(path)
    plain = io.BytesIO(path) if isinstance(path, bytes) else os.fspath(path)
    try:
        return ForwardFile(plain if corrected is None else cast("Any", corrected))
    except soundfile.LibsndfileError:
        pass
    except TypeError:  # headerless .raw asks for its rate
        pass
    if corrected is not None:
        corrected.close()
    return None


def _suffix_of(name: str) -> str:
    return Path(name.strip("'")).suffix.lower()


def _unreadable(name: str) -> AudioError:
    suffix = _suffix_of(name)
    if suffix in READABLE_SUFFIXES:
        return AudioError(f"{name} is damaged or not a {suffix[1:]} file; export the sound again")
    return AudioError(f"{name} is in a format that is only read inside Blender; convert it to wav, flac, ogg or mp3")


def _cut_short(name: str) -> AudioError:
    return AudioError(f"{name} is damaged or was cut short; copy or export the sound again")


def _check_length(path: SoundSource, name: str, sound: soundfile.SoundFile) -> list[str]:
    """Return a warning if the header promises more than there is. Raises AudioError if Ogg lacks its end."""
    # libsndfile plays a truncated file to its end, and reports it only in its log and by missing pages.
    for declared, present in re.findall(r"^ *(?:data|SSND) : (\d+) \(should be (\d+)\)", sound.extra_info, re.MULTILINE):
        # A program that writes into a pipe cannot go back to fill in the size and leaves the largest one.
        if 0 < int(present) < int(declared) < 0x7FFFF000:
            seconds = sound.frames / sound.samplerate
            return [_shorter(name, seconds, seconds * int(declared) / int(present))]
    if sound.format == "OGG" and not _ends_with_whole_ogg_page(path):
        raise _cut_short(name)
    return []


def _shorter(name: str, seconds: float, promised_seconds: float) -> str:
    return f"{name} ends at {seconds:.2f} s although its header says {promised_seconds:.2f} s; copy it again if some is missing"


def _ends_with_whole_ogg_page(path: SoundSource) -> bool:
    # RFC 3533 section 6: a header of 27 bytes; its last is the number of segment lengths that follow.
    largest_page = 27 + 255 + 255 * 255
    with io.BytesIO(path) if isinstance(path, bytes) else open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 2 * largest_page))
        tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return False
    return len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])


def _range_in_samples(
    name: str, frames: int, rate: int, start_seconds: float, duration_seconds: float | None
) -> tuple[int, int]:
    """Convert the trim to the first sample and number of samples of the file."""
    if frames <= 0:
        raise AudioError(f"{name} holds no sound (0 samples); export the sound again")
    first = round(start_seconds * rate)
    if first >= frames:
        raise AudioError(
            f"{name} ends at {frames / rate:.2f} s, before the wanted start at {start_seconds:.2f} s; correct the trim"
        )
    count = frames - first if duration_seconds is None else min(round(duration_seconds * rate), frames - first)
    if count == 0:
        raise AudioError(f"The trim leaves no sound of {name}; make it longer")
    return first, count


def _array_blocks(samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    step = max(1, _BLOCK_SAMPLES // max(1, samples.shape[1]))
    for first in range(0, len(samples), step):
        yield samples[first : first + step]


def _file_blocks(
    name: str, sound: soundfile.SoundFile, first: int, count: int, warnings: list[str]
) -> Iterator[NDArray[np.float32]]:
    """Yield the samples ``[n, channels]`` from ``first`` on, and add to ``warnings`` if a few of ``count`` are missing.

    Raises AudioError if many are.
    """
    import soundfile

    step = max(1, _BLOCK_SAMPLES // sound.channels)
    remaining = count
    if sound.format == "MP3":
        while first > 0:
            skipped = len(_read_block(sound, min(step, first)))
            if skipped == 0:
                raise _cut_short(name)
            first -= skipped
    elif first:
        try:
            sound.seek(first)
        except soundfile.LibsndfileError:
            raise _cut_short(name) from None
    while remaining > 0:
        block = _read_block(sound, min(step, remaining))
        if len(block) == 0:
            break
        remaining -= len(block)
        yield block
    if remaining > 0:
        rate = sound.samplerate
        if remaining == count or remaining > max(_SMALL_LOSS_SECONDS * rate, _SMALL_LOSS_SHARE * count):
            raise _cut_short(name)
        warnings.append(_shorter(name, (sound.frames - remaining) / rate, sound.frames / rate))


def _read_block(sound: soundfile.SoundFile, count: int) -> NDArray[np.float32]:
    """Decode the next ``count`` samples ``[n, channels]``, fewer before the end or where the file is damaged."""
    import soundfile

    # soundfile drops what was decoded before an error; here it lies in the array already.
    block = np.full((count, sound.channels), np.nan, np.float32)
    try:
        return cast("NDArray[np.float32]", sound.read(out=block))
    except soundfile.LibsndfileError:
        missing = np.isnan(block[:, 0])
        return block[: int(np.argmax(missing))] if missing.any() else block


def _collect(way: _Way, blocks: Iterator[NDArray[np.float32]], rate: int, count: int, first: int) -> _Mono:
    """Average the channels, or take one, and change the rate, block by block, into one array that grows in place or a file."""
    name, channel = way.name, way.channel
    resampler = Resampler(rate, way.sample_rate)
    expected = -(-count * way.sample_rate // rate)
    stored = _store(name) if way.most_held is not None and expected > way.most_held else None
    # A damaged header can promise anything, so the first guess is limited to about an hour at 16 kHz.
    collected = np.empty(0 if stored is not None else min(expected, 1 << 26), np.float32)
    filled = 0

    def add(part: NDArray[np.float32]) -> None:
        nonlocal filled
        if stored is not None:
            with _full_disk_told(name):
                stored.append(np.clip(part, -1.0, 1.0))
            return
        if filled + part.size > collected.size:
            collected.resize(min(expected, max(2 * collected.size, filled + part.size)), refcheck=False)
        np.clip(part, -1.0, 1.0, out=collected[filled : filled + part.size])
        filled += part.size

    position, power, channel_powers = first, 0.0, np.zeros(1)
    for block in blocks:
        with np.errstate(invalid="ignore"):
            if channel is not None or block.shape[1] == 1:
                mono = block[:, channel or 0]
            else:
                mono = block.mean(axis=1, dtype=np.float32)
            peak = np.abs(mono).max()
        if not np.isfinite(peak):
            bad = position + int(np.argmin(np.isfinite(mono)))
            raise AudioError(
                f"{name} holds samples that are not numbers, the first at {bad / rate:.3f} s; export the sound again"
            )
        if peak > _LARGEST_PLAUSIBLE_PEAK:
            raise AudioError(
                f"{name} is {peak:.0f} times too loud for a sound file, near {position / rate:.1f} s; export it again as wav"
            )
        if channel is None and block.shape[1] > 1:
            power += float(np.vdot(mono, mono))
            channel_powers = channel_powers + np.square(block, dtype=np.float64).sum(axis=0)
        position += len(block)
        if position - first > LONGEST_SECONDS * rate:
            raise AudioError(f"{name} is longer than {LONGEST_SECONDS / 3600:.0f} hours, which do not fit; cut it into parts")
        add(resampler.push(np.ascontiguousarray(mono)))
    add(resampler.finish())
    return _Mono(collected[:filled] if stored is None else stored, power, channel_powers, ())


def _store(name: str) -> StoredSamples:
    with _full_disk_told(name):
        return StoredSamples()


@contextlib.contextmanager
def _full_disk_told(name: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise AudioError(
            f"{name} is long and does not fit into the folder of temporary files ({error.strerror or error}); make room there"
        ) from None
