# SPDX-License-Identifier: GPL-3.0-or-later
"""Feelings of a take that no slider was touched for: those of its style, and those that are heard in the voice.

The artist's own emotions come first, then a script's marks, then the style, and the voice has what these leave.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..animation.curves import ChannelCurves
from ..animation.face.effort import apply_effort
from ..animation.face.emotions import Emotion, emotion_points, sample_emotion
from ..animation.life.cues import SAME_SECONDS, Cue
from ..animation.overview import Overview, find_strongest
from ..errors import AudioError
from .emotion import EmotionTrack
from .scripting import with_written_emotions
from .settings import TakeSettings
from .sources import Description, Heard

if TYPE_CHECKING:
    from ..animation.feeling.stretches import StyleTrack
    from ..animation.feeling.voice import FeelingTrack
    from ..animation.speech.events import SpeechEvents
    from ..animation.speech.voice import Voice

Points = tuple[tuple[float, float], ...]

_LARGEST_ERROR = 0.06
_LEAST_PEAK = 0.08


def with_feelings(track: EmotionTrack, heard: Heard) -> EmotionTrack:
    """Return the track with what the script, the style and the voice feel, and the settings with the style's manner."""
    written = with_written_emotions(track, heard)
    styles = find_styles(track, heard)
    settings = apply_style(written.settings) if styles is None else add_styles(written.settings, styles, track)
    if settings.feel > 0.0 and heard.speech is not None:
        settings = replace(settings, emotion=add_felt(settings, hear(heard.speech.voice, settings.calm), track))
    return written if settings is written.settings else replace(written, settings=settings, styles=styles)


def find_styles(track: EmotionTrack, heard: Heard) -> StyleTrack | None:
    """Return the styles of a take some stretch of which has its own: by a mark of the script, a cue, or a marker."""
    cues = style_cues(track.settings, heard)
    if not cues and not track.marks:
        return None
    from ..animation.feeling.stretches import place_styles
    from ..animation.feeling.styles import Style, read_style

    def read(words: str, size: float = 1.0) -> Style | None:
        style = read_style(words) if words.strip() else None
        if style is None or size == 1.0:
            return style
        return replace(style, emotions={name: min(weight * size, 1.0) for name, weight in style.emotions.items()})

    marks = [(cue.seconds or 0.0, read(cue.name, cue.size)) for cue in cues]
    marks += [(second, read(words)) for second, words in track.marks]
    return place_styles(read_style(track.settings.style), marks)


def style_cues(settings: TakeSettings, heard: Heard) -> list[Cue]:
    """Return the cues of styles of a take: those of the script that none of the settings moves or leaves out, and these."""
    own = [cue for cue in settings.cues if cue.kind == "style"]
    gone = [cue.replaces for cue in own if cue.replaces is not None]
    written = [cue for cue in heard.cues if cue.kind == "style"]
    kept = [cue for cue in written if not any(abs((cue.seconds or 0.0) - at) <= SAME_SECONDS for at in gone)]
    return [cue for cue in (*kept, *own) if cue.seconds is not None]


def add_styles(settings: TakeSettings, styles: StyleTrack, track: EmotionTrack) -> TakeSettings:
    """Return the settings with the emotions of styles over time, in what those that are set leave of the face."""
    points = {name: points for name, points in styles.emotions().items() if any(weight > 0.0 for _second, weight in points)}
    return replace(settings, style="", emotion=_fill_up(settings.emotion, points, track))


def apply_style(settings: TakeSettings) -> TakeSettings:
    """Return the settings as their style changes them; emotions that are set stay, and then the style's are left out."""
    if not settings.style.strip():
        return settings
    from ..animation.feeling.styles import read_style

    style = read_style(settings.style)
    changed: dict[str, object] = {name: getattr(settings, name) * factor for name, factor in style.factors.items()}
    if not any(_is_set(emotion) for emotion in settings.emotion.values()):
        changed["emotion"] = {**settings.emotion, **style.emotions}
    return replace(settings, style="", **changed)  # type: ignore[arg-type]


def style_notes(track: EmotionTrack, heard: Heard) -> tuple[str, ...]:
    """Return a sentence for each style of a take that was not understood."""
    styles = find_styles(track, heard)
    if styles is None and not track.settings.style.strip():
        return ()
    from ..animation.feeling.styles import read_style

    read = (read_style(track.settings.style),) if styles is None else styles.styles
    return tuple(dict.fromkeys(style.note for style in read if style.note))


_EFFORT_GAIN, _CALM = 0.21, 0.25
"""The gain of the mouth by the arousal of a voice, as a power of e, and the arousal up to which a voice counts as calm."""
_EFFORT_HALF_SECONDS = 0.5
_LIFE_GAIN, _LIFE_CALM = 1.8, 0.1
"""The loss of brows and head by a faint voice, as a power of e, and from where; events of speech carry that of a raised one."""


def hear_strain(heard: Heard, settings: TakeSettings, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the arousal of the voice beyond calm at even instants of the sound, ``[time]``; 0 without effort."""
    from ..animation.feeling.voice import convolve_centred

    if settings.effort <= 0.0 or heard.speech is None or seconds.size < 2:
        return np.zeros(seconds.size)
    felt = hear(heard.speech.voice, settings.calm)
    raised = np.sign(felt.arousal) * np.clip(np.abs(felt.arousal) - _CALM, 0.0, None)
    if not raised.any():
        return np.zeros(seconds.size)
    rows = max(1, round(_EFFORT_HALF_SECONDS / float(seconds[1] - seconds[0])))
    strain = convolve_centred(np.interp(seconds, felt.seconds(), raised), np.hanning(rows + 2)[1:-1])
    return strain / max(float(np.hanning(rows + 2).sum()), 1e-9)


def life_of_voice(heard: Heard, settings: TakeSettings, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the factor of a faint voice on brows and head at even instants of the sound, ``[time]``: 1 for a calm one."""
    return np.exp(_LIFE_GAIN * settings.effort * np.minimum(hear_strain(heard, settings, seconds) + _LIFE_CALM, 0.0))


_TENSE_FROM, _TENSE_FROM_BESIDE, _TENSE_GAIN, _TENSE_MOST, _LEAN = 0.25, 0.1, 2.5, 0.75, 1.5
"""The strain from which a voice is tense (3.5 % of calm training readers are, to a quarter) and that of a speaker whose calm
voice is known, the gain and the most of it, and how far valence decides whether its manner is that of anger or of joy."""


def tension_of_voice(heard: Heard, settings: TakeSettings, seconds: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return the weights of the manners with which a raised voice moves, 'anger' and 'joy', at even instants, ``[time]``.

    They are manners of brows, gaze and head only: which feeling it is stays open, and a voice between the two has half of each.
    Empty for a calm voice.
    """
    first = _TENSE_FROM_BESIDE if settings.calm else _TENSE_FROM
    strain = np.clip(hear_strain(heard, settings, seconds) - first, 0.0, None)
    if heard.speech is None or not strain.any():
        return {}
    felt = hear(heard.speech.voice, settings.calm)
    dark = np.clip(0.5 - _LEAN * np.interp(seconds, felt.seconds(), felt.valence), 0.0, 1.0)
    tense = np.clip(_TENSE_GAIN * settings.effort * strain, 0.0, _TENSE_MOST)
    return {"anger": tense * dark, "joy": tense * (1.0 - dark)}


def with_effort(heard: Heard, description: Description, settings: TakeSettings) -> ChannelCurves:
    """Return what was heard with a mouth that opens as far as the voice works; sealed lips stay sealed.

    The speech model hears effort by the sound of single phones; the arousal of a voice beside its own calm parts adds that of
    whole phrases.
    """
    curves = heard.curves
    seconds = np.arange(curves.frame_count) / curves.frame_rate - heard.seconds_before
    strain = hear_strain(heard, settings, seconds)
    if not strain.any():
        return curves
    values = apply_effort(curves.values, curves.names, np.exp(_EFFORT_GAIN * settings.effort * strain).astype(np.float32))
    limits = {channel.name: (channel.minimum, channel.maximum) for channel in description.channels}
    for column, name in enumerate(curves.names):
        if name in limits:
            np.clip(values[:, column], *limits[name], out=values[:, column])
    values.flags.writeable = False  # handed over, not copied
    return curves.with_values(values)


_heard: tuple[Voice, str, FeelingTrack] | None = None
_VOICE_RATE = 16_000


def hear(voice: Voice, calm: str = "") -> FeelingTrack:
    """Hear the feelings of a voice beside the sound file ``calm`` of the same speaker, or its own calm parts.

    The last one is remembered. Raises AudioError.
    """
    from ..animation.feeling.voice import find_calm, hear_feeling

    global _heard
    if _heard is None or _heard[0] is not voice or _heard[1] != calm:
        _heard = voice, calm, hear_feeling(voice, measure_calm(calm) if calm else find_calm([voice]))
    return _heard[2]


def measure_calm(path: str) -> NDArray[np.float64]:
    """Measure the calm voice of a sound file, ``[measure]``. Raises AudioError for one that cannot be read or has none."""
    try:
        stamp = Path(path).stat().st_mtime_ns
    except OSError:
        stamp = 0  # reading it says what is wrong
    return _measure_calm(path, stamp)


@functools.lru_cache(maxsize=8)
def _measure_calm(path: str, _changed: int) -> NDArray[np.float64]:
    from ..animation.feeling.voice import measure_reference
    from ..animation.speech.voice import track_voice
    from ..inference.audio import read_sound

    measured = measure_reference([track_voice(read_sound(path, _VOICE_RATE).samples, _VOICE_RATE)])
    if measured is None:
        raise AudioError(f"Nobody speaks in the calm voice {Path(path).name}; choose a sound with a calm voice")
    return measured


def add_felt(settings: TakeSettings, felt: FeelingTrack, track: EmotionTrack) -> dict[str, Emotion]:
    """Return the emotions of the settings with the felt ones, as (frame, weight) points, in what they leave of the face."""
    return _fill_up(settings.emotion, felt_points(felt, settings.feel), track)


def _fill_up(emotion: Mapping[str, Emotion], added: Mapping[str, Points], track: EmotionTrack) -> dict[str, Emotion]:
    """Return emotions with added (second, weight) points of others, scaled to what the former leave of the face."""
    emotions: dict[str, Emotion] = dict(emotion)
    for name, points in added.items():
        if _is_set(emotions.get(name, 0.0)):
            continue
        seconds = np.array([second for second, _weight in points])
        # Where the present ones change, what they leave does.
        frames = track.start_frame + seconds * track.frames_per_second
        known = [frame for present in emotion.values() for frame, _weight in emotion_points(present)]
        inside = [frame for frame in known if frames[0] < frame < frames[-1]]
        at = np.unique(np.concatenate([frames, inside]))
        taken = sum((sample_emotion(present, at) for present in emotion.values()), np.zeros(at.size))
        weights = sample_emotion(tuple(zip(frames.tolist(), (weight for _second, weight in points))), at)
        weights = weights * np.clip(1.0 - taken, 0.0, 1.0)
        emotions[name] = tuple(zip(at.tolist(), weights.tolist()))
    return emotions


def felt_points(
    felt: FeelingTrack,
    amount: float,
    *,
    most: int = 3,
    contrast: float = 1.0,
    smoothing_seconds: float = 0.5,
    preferred: Mapping[str, float] | None = None,
) -> dict[str, Points]:
    """Return sparse (second, weight) points of each emotion that a voice has, at ``amount`` times its strength.

    At each moment the ``most`` strongest count. With ``contrast`` above 1 the strongest stands out. ``preferred`` are weights
    of emotions that the voice's are mixed with, half and half.
    """
    from ..animation.feeling.voice import convolve_centred
    from ..animation.feeling.words import EMOTIONS

    weights = felt.weights.copy()
    if contrast != 1.0:
        peak = weights.max(axis=1, keepdims=True)
        weights = np.where(peak > 0, peak * (weights / np.maximum(peak, 1e-9)) ** contrast, 0.0)
    if most < weights.shape[1]:
        limit = np.sort(weights, axis=1)[:, -most][:, None] if most > 0 else np.inf
        weights = np.where(weights >= limit, weights, 0.0)
    rows = max(0, round(smoothing_seconds / 0.25))
    if rows:
        kernel = np.hanning(2 * rows + 3)[1:-1]
        weights = np.stack([convolve_centred(column, kernel / kernel.sum()) for column in weights.T], axis=1)
    for name, weight in (preferred or {}).items():
        column = EMOTIONS.index(name)
        weights[:, column] = 0.5 * weights[:, column] + 0.5 * weight * (felt.confidence > 0)
    weights = np.clip(weights * amount, 0.0, 1.0)
    seconds = felt.seconds()
    found: dict[str, Points] = {}
    for name, column in zip(EMOTIONS, weights.T, strict=True):
        if column.max(initial=0.0) >= _LEAST_PEAK:
            found[name] = tuple((float(seconds[row]), round(float(column[row]), 3)) for row in _thin_out(seconds, column))
    return found


def _thin_out(seconds: NDArray[np.float64], values: NDArray[np.float64]) -> list[int]:
    """Return the rows of a polyline that stays within _LARGEST_ERROR (Douglas and Peucker, 1973)."""
    kept = {0, len(values) - 1}
    pending = [(0, len(values) - 1)]
    while pending:
        first, last = pending.pop()
        if last - first < 2:
            continue
        inner = np.arange(first + 1, last)
        line = np.interp(seconds[inner], seconds[[first, last]], values[[first, last]])
        error = np.abs(values[inner] - line)
        worst = int(error.argmax())
        if error[worst] > _LARGEST_ERROR:
            kept.add(int(inner[worst]))
            pending += [(first, int(inner[worst])), (int(inner[worst]), last)]
    return sorted(kept)


def _is_set(emotion: Emotion) -> bool:
    return any(weight for _frame, weight in emotion_points(emotion))


_SHOWN_RATE = 10.0


def add_feelings(overview: Overview, heard: Heard, track: EmotionTrack) -> Overview:
    """Return the overview of a take with the emotions ``track`` that its face shows, and those that its voice has."""
    from ..animation.feeling.words import EMOTIONS

    seconds = np.arange(max(1, round(heard.duration_seconds * _SHOWN_RATE)) + 1) / _SHOWN_RATE
    frames = track.start_frame + seconds * track.frames_per_second
    weights = track.at(EMOTIONS, frames)
    step = track.frames_per_second / _SHOWN_RATE
    overview = replace(overview, feelings=find_strongest(EMOTIONS, weights, track.start_frame, step))
    if heard.speech is None:
        return overview
    felt = hear(heard.speech.voice, track.settings.calm)
    felt_step = track.frames_per_second * float(felt.seconds()[1]) if len(felt) > 1 else 1.0
    return replace(overview, heard=find_strongest(EMOTIONS, felt.weights, track.start_frame, felt_step))


def feeling_table(felt: FeelingTrack, speech: SpeechEvents) -> ChannelCurves:
    """Return a track and the effort of the voice as curves: effort, arousal, valence, each emotion, confidence."""
    from ..animation.feeling.voice import HOP_SECONDS
    from ..animation.feeling.words import EMOTIONS

    effort = np.array([speech.effort_at(float(second)) for second in felt.seconds()])
    values = np.column_stack([effort, felt.arousal, felt.valence, felt.weights, felt.confidence])
    return ChannelCurves(
        ("effort", "arousal", "valence", *EMOTIONS, "confidence"), 1.0 / HOP_SECONDS, values.astype(np.float32)
    )
