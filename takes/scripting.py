# SPDX-License-Identifier: GPL-3.0-or-later
"""A take with its script: the words of a line found in its sound, and what they and their marks do to the take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..animation.face.emotions import Emotion
from ..animation.face.phones import SILENCE, TimedPhone
from ..animation.life.cues import Cue
from ..errors import ScriptError
from .emotion import EmotionTrack
from .hearing import hear, without_rest
from .record import SoundFile
from .settings import TakeSettings
from .sources import CancelCheck, Description, Heard, Progress, Sound, Source

if TYPE_CHECKING:
    # Imported in the functions that need them: a take without a script pays for none of it.
    from ..animation.script.alignment import AlignedWord, Pronunciation
    from ..animation.script.exports import SpokenWord
    from ..animation.script.text import Script

_FADE_SECONDS = 0.15
_LEAST_LONG = 10.0
_VOICE_RATE = 16_000
_RESTING_REGIONS = ("jaw", "lips", "tongue")
_REST_SECONDS = 0.12
"""The mouth comes to rest within this time after its own words, and leaves it as long before them."""


@dataclass(frozen=True)
class ScriptChoice:
    """The script of a sound: a text with marks, its language, and the path of the show's own dictionary or ''.

    ``speaker`` is whose words move the mouth, '' for all.
    """

    text: str
    language: str = "en"
    dictionary: str = ""
    speaker: str = ""

    def key(self) -> tuple[object, ...]:
        """Return everything that the pronunciations depend on. Raises OSError for a missing dictionary."""
        status = Path(self.dictionary).stat() if self.dictionary else None
        return self.text, self.language, self.dictionary, self.speaker, status and (status.st_mtime_ns, status.st_size)

    def speakers(self) -> tuple[str, ...]:
        """Return who says each word, '' where nobody is named."""
        from ..animation.script.subtitles import find_spoken_words, write_lines

        return tuple(speaker for _, _, speaker in find_spoken_words(write_lines(self.text)))

    def pronounce(self) -> tuple[Script, list[tuple[Pronunciation, ...]], tuple[str, ...]]:
        """Return the words and marks, the pronunciations of each word, and warnings. Raises ScriptError."""
        from ..animation.script.guessing import guess_other_language
        from ..animation.script.pronouncing import is_english, looks_foreign, pronounce_script, read_dictionary
        from ..animation.script.text import parse_line
        from ..inference.espeak import phonemise

        script = parse_line(spoken_text(self.text))
        own = read_dictionary(self.dictionary) if self.dictionary else None
        words = pronounce_script(script, self.language, own, phonemise)
        warnings = script.warnings
        code, name = guess_other_language([word.text for word in script.words], self.language)
        if code:
            warnings += (f"The script looks {name}, but its language is '{self.language}'; if it is, choose '{code}'",)
        elif is_english(self.language) and looks_foreign(script):
            warnings += ("The script does not look English; choose its language",)
        return script, words, warnings


def spoken_text(text: str) -> str:
    """Return what is said in a script of one sound: lines of speakers and subtitles without names and times."""
    from ..animation.script.subtitles import find_lines

    return "\n".join(line.text for line in find_lines(text)) or text


def chosen_script(settings: TakeSettings) -> ScriptChoice | None:
    """Return the script of a take's settings, None if it has none."""
    if not settings.script.strip():
        return None
    return ScriptChoice(settings.script, settings.language or "en", settings.dictionary, settings.speaker)


def list_words(settings: TakeSettings) -> tuple[str, ...]:
    """Return the written words of the settings' script, () without one that can be read."""
    from ..animation.script.text import parse_line

    try:
        script = parse_line(spoken_text(settings.script)) if settings.script.strip() else None
    except ScriptError:
        return ()
    return tuple(word.text for word in script.words) if script is not None else ()


@dataclass(frozen=True)
class ScriptedModel:
    """A speech model that is told what is said. It runs once however often the text changes."""

    model: Source
    sound: Sound
    script: ScriptChoice

    def describe(self) -> Description:
        """Return what the model describes, and whom the script's marks look at. Raises ModelError."""
        from ..animation.script.text import parse_line

        described = self.model.describe()
        try:
            marks = parse_line(spoken_text(self.script.text)).marks
        except ScriptError:
            return described
        looks = tuple(mark.name for mark in marks if mark.kind == "look" and mark.name)
        return replace(described, look_names=tuple(dict.fromkeys((*described.look_names, *looks))))

    def key(self) -> tuple[object, ...]:
        """Return what the curves depend on: the model's own, and the script."""
        return ("script", self.script.key(), *self.model.key())

    def produce(self, advance: Progress, is_cancelled: CancelCheck | None = None) -> Heard:
        """Run the model, find the words in what it heard, and make the contacts of the mouth that they have."""
        script, pronunciations, warnings = self.script.pronounce()
        # The way from rest before the sound and back after it is added once, to the scripted mouth.
        heard = without_rest(hear(self.model, lambda fraction: advance(0.9 * fraction), is_cancelled))
        heard, known = _with_known_phones(heard, self.sound)
        speakers = self.script.speakers() if self.script.speaker else ()
        described = self.model.describe()
        voice_db = None
        if not known and heard.likelihood is not None:
            from ..animation.speech.voice import measure_voiced_level

            voice_db = measure_voiced_level(self.sound.open(_VOICE_RATE).samples, _VOICE_RATE, heard.likelihood.frame_rate)
        return add_script(heard, script, pronunciations, described, warnings, speakers, self.script.speaker, known, voice_db)


def _with_known_phones(heard: Heard, sound: Sound) -> tuple[Heard, tuple[TimedPhone, ...]]:
    """Return what was heard with the phones of a scratch voice in place of the model's, and these, () for other sounds."""
    from ..inference.spoken import make_likelihood, read_phones

    known = read_phones(sound.content, sound.offset_seconds, sound.duration_seconds) if heard.likelihood is not None else None
    if not known or heard.likelihood is None:
        return heard, ()
    phones = tuple(phone for phone in known if phone.phone != SILENCE)
    return replace(heard, likelihood=make_likelihood(known, heard.likelihood), phones=phones), phones


def make_scripted(source: Source, settings: TakeSettings) -> Source:
    """Return a source that knows the script of the settings, where they have one and the source hears a sound."""
    script = chosen_script(settings)
    return source if script is None or source.sound is None else ScriptedModel(source, source.sound, script)


def add_script(
    heard: Heard,
    script: Script,
    pronunciations: Sequence[Sequence[Pronunciation]],
    description: Description,
    warnings: tuple[str, ...] = (),
    speakers: Sequence[str] = (),
    speaker: str = "",
    known: Sequence[TimedPhone] = (),
    voice_db: NDArray[np.float64] | None = None,
) -> Heard:
    """Return what was heard with the words of a script; curves and phones stay as they are where the two do not agree.

    ``speakers`` say each word, and the mouth rests while others than ``speaker`` speak. ``known`` are phones whose times are
    exact, ``voice_db`` the level of what has a pitch (animation/script/alignment.py).
    """
    from ..animation.script.alignment import FITTING, LEAST_FIT, align
    from ..animation.script.contacts import apply_script

    if heard.likelihood is None:
        told = f"'{description.title}' does not recognise phones, so the script is left out; choose a speech model that does"
        return replace(heard, warnings=(*heard.warnings, *warnings, told))
    likelihood = heard.likelihood
    times = script.times
    found = align(likelihood.values, likelihood.names, likelihood.frame_rate, pronunciations, times=times, voice_db=voice_db)
    late = [seconds for seconds in times.values() if seconds >= heard.duration_seconds]
    if late:
        told = f"The mark '[at {late[0]:g}]' is after the end of the sound, at {heard.duration_seconds:.2f} s; it has no effect"
        warnings += (told,)
    words = make_words(script, found.words, known)
    if not found.is_said:
        why = f"{found.fit:.0%} of its sounds are heard"
        if found.fit >= LEAST_FIT:
            why += ", but as much of another text would be"
        told = f"The script is not what is said: {why}. The sound alone decides; check the text, its language and the sound"
        return replace(heard, words=words, script_fit=found.fit, warnings=(*heard.warnings, *warnings, told))
    part = find_part(words, heard.duration_seconds)
    if part is not None:
        told = f"The script is said from {part[0]:.1f} to {part[1]:.1f} s of the sound; elsewhere the sound alone decides"
        warnings += (told,)
    doubtful = [word.text for word in words if word.confidence < FITTING]
    if doubtful:
        shown = ", ".join(f"'{word}'" for word in doubtful[:5]) + (" and more" if len(doubtful) > 5 else "")
        count = len(doubtful)
        warnings += (f"{count} word{'s' * (count > 1)} of the script {'are' if count > 1 else 'is'} not heard: {shown}",)
    curves = heard.curves if description.targets else apply_script(heard.curves, words, likelihood)
    made = replace(
        heard,
        curves=curves,
        words=words,
        script_fit=found.fit,
        phones=merge_phones(heard, words),
        cues=(*heard.cues, *make_cues(script, words)),
        written_emotion=make_emotions(script, words, heard.duration_seconds, description.emotions),
        warnings=(*heard.warnings, *warnings),
    )
    return mute_others(made, speakers, speaker, description)


def find_part(words: Sequence[SpokenWord], duration_seconds: float) -> tuple[float, float] | None:
    """Return from when to when a script is said that covers less than half of a sound of 10 s or more, None for others."""
    said = [word for word in words if word.confidence > 0.0]
    if not said or duration_seconds < _LEAST_LONG or said[-1].end - said[0].start > 0.5 * duration_seconds:
        return None
    return said[0].start, said[-1].end


def mute_others(heard: Heard, speakers: Sequence[str], speaker: str, description: Description) -> Heard:
    """Return what was heard with a mouth at rest while others than ``speaker`` speak; '' is everybody.

    The words that were found tell who speaks when, so a script that does not fit mutes nobody.
    """
    from ..animation.script.subtitles import normal_name

    if not speaker or not heard.words or len(speakers) != len(heard.words):
        return heard
    own = [normal_name(name) == normal_name(speaker) for name in speakers]
    if not any(own):
        names = ", ".join(dict.fromkeys(name for name in speakers if name)) or "none"
        told = f"Nobody called '{speaker}' speaks in the script (there are: {names}); all of it moves the mouth"
        return replace(heard, warnings=(*heard.warnings, told))
    spans = _spans_of_others(heard.words, own)
    if not spans:
        return heard
    channels = {channel.name: channel for channel in description.channels}
    seconds = np.arange(heard.curves.frame_count) / heard.curves.frame_rate
    share = np.zeros(heard.curves.frame_count)
    for start, end in spans:
        inside = np.clip(np.minimum(seconds - start, end - seconds) / _REST_SECONDS + 1.0, 0.0, 1.0)
        share = np.maximum(share, inside * inside * (3.0 - 2.0 * inside))
    values = heard.curves.values.copy()
    for column, name in enumerate(heard.curves.names):
        channel = channels.get(name)
        if channel is not None and channel.region in _RESTING_REGIONS:
            values[:, column] += share * (channel.rest - values[:, column])
    phones = heard.phones
    if phones is not None:
        phones = tuple(one for one in phones if not any(start < 0.5 * (one.start + one.end) < end for start, end in spans))
    words = tuple(replace(word, confidence=word.confidence if mine else 0.0) for word, mine in zip(heard.words, own))
    return replace(heard, curves=heard.curves.with_values(values), phones=phones, words=words, others=spans)


def _spans_of_others(words: Sequence[SpokenWord], own: Sequence[bool]) -> tuple[tuple[float, float], ...]:
    """Return the seconds in which others speak: from the first to the last word of each turn, and into the pauses around."""
    from itertools import groupby

    said = [(mine, word) for mine, word in zip(own, words, strict=True) if word.confidence > 0.0]
    turns = [(mine, [word for _, word in group]) for mine, group in groupby(said, key=lambda pair: pair[0])]
    spans: list[tuple[float, float]] = []
    for place, (mine, turn) in enumerate(turns):
        if mine:
            continue
        before = turns[place - 1][1][-1].end if place else turn[0].start - _REST_SECONDS
        after = turns[place + 1][1][0].start if place + 1 < len(turns) else turn[-1].end + _REST_SECONDS
        spans.append((min(before + _REST_SECONDS, turn[0].start), max(after - _REST_SECONDS, turn[-1].end)))
    return tuple(spans)


def make_words(script: Script, aligned: Sequence[AlignedWord], known: Sequence[TimedPhone] = ()) -> tuple[SpokenWord, ...]:
    """Join written words with their places in the sound, which are those of ``known`` phones where there are some."""
    from ..animation.script.exports import SpokenWord
    from ..inference.spoken import snap_phones

    words: list[SpokenWord] = []
    for word, at in zip(script.words, aligned, strict=True):
        phones = snap_phones(at.phones, known) if known and at.phones else at.phones
        start, end = (phones[0].start, phones[-1].end) if phones else (at.start, at.end)
        words.append(SpokenWord(word.text, start, end, at.confidence, phones, word.ends, word.is_emphasised))
    return tuple(words)


def merge_phones(heard: Heard, words: Sequence[SpokenWord]) -> tuple[TimedPhone, ...]:
    """Return the phones of the words that are surely said, and between them those that the model hears by itself."""
    from ..animation.script.alignment import FITTING

    certain = [word for word in words if word.confidence >= FITTING and word.phones]
    spans = [(word.start, word.end) for word in certain]
    starts = np.array([start for start, _ in spans])
    ends = np.array([end for _, end in spans])
    kept = [phone for phone in heard.phones or () if not np.any((starts < phone.end - 0.01) & (ends > phone.start + 0.01))]
    own = [phone for word in certain for phone in word.phones]
    return tuple(sorted([*kept, *own], key=lambda phone: phone.start))


def make_cues(script: Script, words: Sequence[SpokenWord]) -> tuple[Cue, ...]:
    """Return what the marks and the emphasis of a script want the head to do, in seconds of the sound."""
    cues: list[Cue] = []
    for mark in script.marks:
        seconds = _instant(words, mark.before)
        if mark.kind == "look" and mark.name:
            cues.append(Cue("look", max(seconds - 0.1, 0.0), mark.name))
        elif mark.kind in ("nod", "beat", "blink", "laugh", "gasp", "sigh"):
            cues.append(Cue(mark.kind, seconds))
        elif mark.kind == "style":
            cues.append(Cue("style", seconds, mark.name))
        elif mark.name == "neutral" and any(cue.kind == "style" for cue in cues):
            cues.append(Cue("style", seconds))
    for word in words:
        if word.is_emphasised and word.confidence > 0.0:
            stressed = [phone for phone in word.phones if phone.stress == 1] or list(word.phones[:1])
            middle = 0.5 * (stressed[0].start + stressed[0].end) if stressed else word.start
            cues.append(Cue("accent", middle))
    return tuple(sorted(cues, key=lambda cue: cue.seconds or 0.0))


def _instant(words: Sequence[SpokenWord], before: int) -> float:
    return words[before].start if before < len(words) else (words[-1].end if words else 0.0)


def make_emotions(
    script: Script, words: Sequence[SpokenWord], duration: float, known: Sequence[str]
) -> dict[str, tuple[tuple[float, float], ...]]:
    """Return (second, weight) points by emotion from the marks of a script: each holds until the next one."""
    marks = [mark for mark in script.marks if mark.kind == "emotion" and (mark.name in known or mark.name == "neutral")]
    points: dict[str, list[tuple[float, float]]] = {}
    for number, mark in enumerate(marks):
        if mark.name == "neutral" or mark.amount <= 0.0:
            continue
        start = _instant(words, mark.before)
        end = _instant(words, marks[number + 1].before) if number + 1 < len(marks) else duration
        if end - start < 0.05:
            continue
        fade = min(_FADE_SECONDS, 0.25 * (end - start))
        track = points.setdefault(mark.name, [])
        for point in ((start - fade, 0.0), (start + fade, mark.amount), (end - fade, mark.amount), (end + fade, 0.0)):
            if not track or point[0] > track[-1][0]:
                track.append(point)
    return {name: tuple(track) for name, track in points.items()}


def with_written_emotions(track: EmotionTrack, heard: Heard) -> EmotionTrack:
    """Return the track with the emotions of the script's marks; an emotion that the artist set stays the artist's."""
    if not heard.written_emotion:
        return track
    emotion: dict[str, Emotion] = dict(track.settings.emotion)
    for name, points in heard.written_emotion.items():
        if not _is_set(emotion.get(name, 0.0)):
            emotion[name] = tuple((track.start_frame + seconds * track.frames_per_second, weight) for seconds, weight in points)
    return replace(track, settings=replace(track.settings, emotion=emotion))


def _is_set(emotion: Emotion) -> bool:
    from ..animation.face.emotions import emotion_points

    return any(weight for _frame, weight in emotion_points(emotion))


def find_words(choice: SoundFile, model_folder: Path, settings: TakeSettings, on_progress: Progress | None = None) -> Heard:
    """Find the words of the settings' script in a sound file, without making curves of them.

    Raises VoxrigError; ModelError if the model hears no phones.
    """
    from ..errors import ModelError
    from .sources import make_source

    script = chosen_script(settings)
    if script is None:
        raise ScriptError("The text has no words; write what is said")
    track = EmotionTrack(settings, 0.0, 24.0)
    source = make_source(choice, Sound(choice.path), model_folder, track, settings)
    heard = ScriptedModel(source, Sound(choice.path), script).produce(on_progress or (lambda _fraction: None))
    if heard.likelihood is None:
        raise ModelError(f"'{source.describe().title}' does not recognise phones; choose the speech model that is bundled")
    return heard
