# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources of channel curves: a speech model, a model learned from a show, a curve file, and future ones.

All of them answer the same three questions (``Source``), and nothing outside this module asks for the kind of a source. A take
is a list of sources, each with the controls that it drives.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..animation.curves import ChannelCurves
from ..animation.face.channels import Channel
from ..animation.face.expression import voice_energy
from ..animation.face.phones import TimedPhone
from ..animation.face.poses import ShowPoses
from ..animation.keys.placing import Hold
from ..animation.life.cues import Cue
from ..animation.overview import find_peaks
from ..animation.rig.mapping import Target
from ..inference.audio import AnyWaveform, Decoder, Waveform, open_sound, read_promised_seconds, read_sound
from ..inference.generate import count_frames, generate_all
from ..inference.imported import read_imported
from ..inference.package import ModelPackage
from .emotion import EmotionTrack
from .models import describe_package, model_key, open_model
from .record import CurvesFile, SoundChoice
from .settings import TakeSettings

if TYPE_CHECKING:
    from ..animation.script.exports import SpokenWord
    from ..animation.speech.events import SpeechEvents

Progress = Callable[[float], None]
"""Called with the finished share, 0..1."""
CancelCheck = Callable[[], bool]


@dataclass(frozen=True)
class Description:
    """The output of a source: its channels, the emotions that it shows, and how its show is animated.

    ``targets`` are the rig's controls for the channels of models that were learned on a rig, which need no mapping. With
    ``expression_rules`` emotions are applied to the neutral channels afterwards. ``hold`` is set if the show holds poses,
    ``is_living`` if the channels of the whole head's life are among its own. ``look_names`` are those that its cues look at,
    and ``poses`` the space of the poses of a show.
    """

    title: str
    channels: tuple[Channel, ...]
    emotions: tuple[str, ...] = ()
    targets: Mapping[str, Target] = field(default_factory=dict[str, Target])
    expression_rules: bool = False
    hold: Hold | None = None
    is_living: bool = False
    look_names: tuple[str, ...] = ()
    poses: ShowPoses | None = None

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of ``channels``, in order."""
        return tuple(channel.name for channel in self.channels)


@dataclass(frozen=True)
class Heard:
    """The output of a source for a sound, before any of the artist's sliders; ``sound_hash`` is the sha256 of the sound or
    file.

    ``energy`` ``[time]`` is the loudness of the voice if emotions must still be applied to the curves, else None. ``peaks``
    are for animation.overview. ``keys`` is the likelihood by region that the show's animators would set a key, if a model
    learned it; ``phones`` are those of the sound, None if the source hears none; ``speech`` are its events, for the life of
    the head, and ``cues`` what a script wants the head to do beside that (animation/life/cues.py), in seconds of the sound.
    ``partner`` is the speech of others that it listens to. A take from it has life if it ``lives``. ``likelihood`` is that of
    each phone over time, from the sound's start. ``words`` are those of the take's script, with the share of their sounds that
    fits (``script_fit``); ``written_emotion`` are (second, weight) points of its marks by emotion. ``rows_before`` and
    ``rows_after`` count the rows of ``curves`` and ``energy`` outside the sound, in which the mouth comes from rest and
    returns to it (``hearing.with_rest``). ``others`` are the seconds in which, by the script, somebody else speaks.
    """

    curves: ChannelCurves
    duration_seconds: float
    sound_hash: str
    provider: str
    warnings: tuple[str, ...] = ()
    peaks: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    energy: NDArray[np.float32] | None = None
    keys: ChannelCurves | None = None
    phones: tuple[TimedPhone, ...] | None = None
    speech: SpeechEvents | None = None
    cues: tuple[Cue, ...] = ()
    partner: SpeechEvents | None = None
    lives: bool = False
    likelihood: ChannelCurves | None = None
    words: tuple[SpokenWord, ...] = ()
    script_fit: float = 1.0
    written_emotion: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict[str, Any])
    rows_before: int = 0
    rows_after: int = 0
    others: tuple[tuple[float, float], ...] = ()

    @property
    def seconds_before(self) -> float:
        """How long before the sound the curves begin, the lead aside."""
        return self.rows_before / self.curves.frame_rate

    @property
    def seconds_after(self) -> float:
        """How long after the sound the curves end."""
        return self.rows_after / self.curves.frame_rate


class Source(Protocol):
    """Something that makes channel curves for a stretch of time."""

    @property
    def sound(self) -> Sound | None:
        """The sound that it hears, None where it hears none."""
        ...

    def describe(self) -> Description:
        """Describe the output without producing it. Raises VoxrigError."""
        ...

    def key(self) -> tuple[object, ...]:
        """Return everything that the curves depend on, for the cache. Raises OSError or ModelError for missing files."""
        ...

    def produce(self, advance: Progress, is_cancelled: CancelCheck | None = None) -> Heard:
        """Produce the curves. Raises VoxrigError, and Cancelled soon after ``is_cancelled`` returns True."""
        ...


@dataclass(frozen=True)
class Sound:
    """The spoken stretch of a sound file (a path, or the bytes of a packed one); ``decode`` reads formats beyond libsndfile."""

    content: str | bytes
    offset_seconds: float = 0.0
    duration_seconds: float | None = None
    decode: Decoder | None = field(default=None, compare=False)

    def key(self) -> tuple[object, ...]:
        """Return everything that the samples depend on. Raises OSError for a missing file."""
        if isinstance(self.content, bytes):
            stamp: object = hashlib.sha256(self.content).digest()
        else:
            status = Path(self.content).stat()
            stamp = (self.content, status.st_mtime_ns, status.st_size)
        return stamp, self.offset_seconds, self.duration_seconds

    def read(self, sample_rate: int) -> Waveform:
        """Read the stretch at a sample rate, all of it into memory. Raises AudioError."""
        return read_sound(
            self.content,
            sample_rate,
            start_seconds=self.offset_seconds,
            duration_seconds=self.duration_seconds,
            fallback_decoder=self.decode,
        )

    def open(self, sample_rate: int) -> AnyWaveform:
        """Read the stretch at a sample rate; a long one is not held in memory. Raises AudioError."""
        return open_sound(
            self.content,
            sample_rate,
            start_seconds=self.offset_seconds,
            duration_seconds=self.duration_seconds,
            fallback_decoder=self.decode,
        )

    def promised_seconds(self) -> float | None:
        """Return about how long the stretch is without decoding it, None where only that would tell."""
        whole = read_promised_seconds(self.content)
        if whole is None:
            return self.duration_seconds
        left = max(whole - self.offset_seconds, 0.0)
        return left if self.duration_seconds is None else min(left, self.duration_seconds)

    def digest(self) -> str:
        """Return the sha256 of the whole file."""
        if isinstance(self.content, bytes):
            return hashlib.sha256(self.content).hexdigest()
        with open(self.content, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class SpeechModel:
    """A model package that hears a sound, bundled or learned from a show.

    If possible it ``defers_emotion``: emotions are applied to the neutral curves later, so that sliders need no model.
    """

    folder: Path
    sound: Sound
    emotion: EmotionTrack
    provider: str = "AUTO"
    threads: int | None = None
    defers_emotion: bool = True

    def describe(self) -> Description:
        """Describe the package. Raises ModelError."""
        return describe_model(describe_package(self.folder))

    def key(self) -> tuple[object, ...]:
        """Return everything that the channels depend on, including emotions only if the graph alone can show them."""
        heard = (*model_key(self.folder, self.provider, self.threads), *self.sound.key())
        return heard if self._defers(describe_package(self.folder)) else (*heard, *self.emotion.key())

    def _defers(self, package: ModelPackage) -> bool:
        return self.defers_emotion and package.expression_rules

    def produce(self, advance: Progress, is_cancelled: CancelCheck | None = None) -> Heard:
        """Run the model over the sound."""
        model = open_model(self.folder, self.provider, self.threads)
        package = model.package
        advance(0.05)
        waveform = self.sound.open(package.sample_rate)
        advance(0.2)
        rows = count_frames(waveform, package)
        energy, emotion = None, None
        if self._defers(package):
            energy = voice_energy(waveform.samples, package.sample_rate, package.frame_rate, frame_count=rows)
        else:
            emotion = self.emotion.of_rows(package.emotions, rows, package.frame_rate)
        made = generate_all(
            model,
            waveform,
            emotion,
            on_progress=lambda fraction: advance(0.2 + 0.6 * fraction),
            is_cancelled=is_cancelled,
        )
        return Heard(
            made.curves,
            waveform.duration_seconds,
            self.sound.digest(),
            model.provider,
            (*waveform.warnings, *((model.warning,) if model.warning else ())),
            find_peaks(waveform.samples, waveform.sample_rate),
            energy,
            made.keys,
            made.timed_phones(),
            likelihood=None if made.phones is None else replace(made.phones, start_seconds=0.0),
        )


@dataclass(frozen=True)
class CurvesFromFile:
    """Curves of another program; ``model_folder`` names the model whose channels of the same names describe them."""

    path: Path
    model_folder: Path
    longest_seconds: float | None = None
    """Longer curves are cut off here: a film that goes with a sound ends with it."""

    @property
    def sound(self) -> None:
        """A file of curves hears nothing."""
        return None

    def describe(self) -> Description:
        """Describe the file's content. Raises InterchangeError."""
        imported = read_imported(self.path, describe_package(self.model_folder).channels)
        return Description(imported.title, imported.channels)

    def key(self) -> tuple[object, ...]:
        """Return the file's name and stamp."""
        status = self.path.stat()
        return "curves", self.path, status.st_mtime_ns, status.st_size, self.model_folder, self.longest_seconds

    def produce(self, advance: Progress, is_cancelled: CancelCheck | None = None) -> Heard:
        """Read the file."""
        imported = read_imported(self.path, describe_package(self.model_folder).channels)
        digest = Sound(str(self.path)).digest()
        curves, seconds = imported.curves, imported.duration_seconds
        if self.longest_seconds is not None and seconds > self.longest_seconds:
            seconds = self.longest_seconds
            kept = max(1, math.floor((seconds - curves.start_seconds) * curves.frame_rate + 1e-6) + 1)
            curves = curves.with_values(curves.values[:kept])
        return Heard(curves, seconds, digest, "from file", imported.warnings)


def describe_model(package: ModelPackage) -> Description:
    """Describe a model package."""
    return Description(
        package.title,
        package.channels,
        package.emotions,
        package.targets,
        package.expression_rules,
        package.hold,
        poses=package.poses,
    )


def make_source(
    choice: SoundChoice,
    sound: Sound,
    model_folder: Path,
    emotion: EmotionTrack,
    settings: TakeSettings,
    *,
    defers_emotion: bool = True,
) -> Source:
    """Make the source of a chosen sound or curve file; ``sound`` is the place of its content."""
    if isinstance(choice, CurvesFile):
        return CurvesFromFile(Path(str(sound.content)), model_folder)
    return SpeechModel(model_folder, sound, emotion, settings.provider, settings.threads, defers_emotion)
