# SPDX-License-Identifier: GPL-3.0-or-later
"""A take whose whole head lives: events of the speech beside a model's curves, and the life that they bring."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..animation.curves import ChannelCurves
from ..animation.life.channels import CHANNEL_NAMES, CHANNELS, LITERAL_NAMES
from ..animation.life.events import PARTS
from ..errors import Cancelled
from .emotion import EmotionTrack
from .models import describe_package
from .settings import TakeSettings
from .sources import CancelCheck, Description, Heard, Progress, Sound, Source, describe_model

if TYPE_CHECKING:
    # Imported in the functions that need them: most takes have no life yet, and a short command should start at once.
    from ..animation.life.planning import Life
    from ..animation.life.stage import LifeSettings, Target
    from ..animation.speech.events import SpeechEvents

_EVENTS_RATE = 16_000
_EMOTION_RATE = 10.0
_STILL_RATE = 10.0


@dataclass(frozen=True, eq=False)
class Surroundings:
    """The things to see around a head: ``targets``, of which the first is looked at from the beginning, and the times
    (seconds of the sound, name) of further ``looks``."""

    targets: tuple[Target, ...] = ()
    looks: tuple[tuple[float, str], ...] = ()


NOTHING = Surroundings()


@dataclass(frozen=True)
class LivingModel:
    """A speech model whose take also has what the rest of the head does: the life's channels are described besides its own."""

    model: Source
    sound: Sound
    lives: bool = True
    """Without it only the events are found, for the feelings of the voice."""

    def describe(self) -> Description:
        """Return what the model describes, with the channels of life that it lacks. Raises ModelError."""
        described = self.model.describe()
        if not self.lives:
            return described
        own = set(described.channel_names)
        channels = (*described.channels, *(one for one in CHANNELS if one.name not in own))
        return replace(described, channels=channels, is_living=True)

    def key(self) -> tuple[object, ...]:
        """Return what the model's curves depend on; the events depend on nothing else."""
        return ("living" if self.lives else "felt", *self.model.key())

    def produce(self, advance: Progress, is_cancelled: CancelCheck | None = None) -> Heard:
        """Run the model, then find the events of its sound."""
        from ..animation.speech.events import find_events

        heard = self.model.produce(lambda fraction: advance(0.9 * fraction), is_cancelled)
        if not heard.others:
            samples = self.sound.open(_EVENTS_RATE).samples
            return replace(heard, speech=find_events(samples, _EVENTS_RATE, heard.phones), lives=self.lives)
        samples = self.sound.read(_EVENTS_RATE).samples
        # Somebody else speaks in the same sound: the head hears that, and does not say it.
        is_other = np.zeros(len(samples), bool)
        for start, end in heard.others:
            is_other[max(round(start * _EVENTS_RATE), 0) : max(round(end * _EVENTS_RATE), 0)] = True
        speech = find_events(np.where(is_other, 0.0, samples).astype(np.float32), _EVENTS_RATE, heard.phones)
        partner = find_events(np.where(is_other, samples, 0.0).astype(np.float32), _EVENTS_RATE)
        return replace(heard, speech=speech, partner=partner, lives=self.lives)


@dataclass(frozen=True)
class Listener:
    """The head of somebody who is silent and hears ``lines`` of others: sounds, each with the second at which it begins.

    It has the channels of the model in ``model_folder``, so that a mapping fits both, but moves those of life alone.
    """

    model_folder: Path
    lines: tuple[tuple[float, Sound], ...]
    seconds: float

    @property
    def sound(self) -> Sound:
        """The first sound that it hears."""
        return self.lines[0][1]

    def describe(self) -> Description:
        """Describe the channels. Raises ModelError."""
        described = describe_model(describe_package(self.model_folder))
        own = set(described.channel_names)
        channels = (*described.channels, *(one for one in CHANNELS if one.name not in own))
        return replace(described, title="Listening", channels=channels, targets={}, hold=None, is_living=True)

    def key(self) -> tuple[object, ...]:
        """Return what the events of the lines depend on."""
        return ("listening", self.seconds, *((start, *sound.key()) for start, sound in self.lines))

    def produce(self, advance: Progress, is_cancelled: CancelCheck | None = None) -> Heard:
        """Find the events of what is heard; no model runs. Raises AudioError and Cancelled."""
        from ..animation.speech.events import find_events, join_events

        found: list[tuple[float, SpeechEvents]] = []
        for number, (start, sound) in enumerate(self.lines):
            if is_cancelled is not None and is_cancelled():
                raise Cancelled
            found.append((start, find_events(sound.open(_EVENTS_RATE).samples, _EVENTS_RATE)))
            advance((number + 1) / len(self.lines))
        still = np.zeros((max(math.ceil(self.seconds * _STILL_RATE), 1) + 1, len(CHANNEL_NAMES)), np.float32)
        return Heard(
            ChannelCurves(CHANNEL_NAMES, _STILL_RATE, still),
            self.seconds,
            self.sound.digest(),
            "no model",
            speech=join_events((), self.seconds),
            partner=join_events(found, self.seconds),
            lives=True,
        )


def make_living(source: Source, settings: TakeSettings, *, stills: bool = False) -> Source:
    """Return a source whose takes live, where the settings ask for it and it is a model that hears sounds for any rig.

    With ``stills`` a take without life has its controls, too, at rest: an earlier one moved them.
    """
    if (settings.life <= 0.0 and settings.feel <= 0.0 and not stills) or source.sound is None or source.describe().targets:
        return source
    return LivingModel(source, source.sound, lives=settings.life > 0.0 or stills)


def life_settings(settings: TakeSettings) -> LifeSettings:
    """Return the amounts and seeds of a take's life."""
    from ..animation.life.stage import LifeSettings

    amounts = {part: settings.life * getattr(settings, f"life_{part}") for part in PARTS}
    # Left and right differ as much in a calm take as in a lively one.
    amounts["asymmetry"] = settings.life_asymmetry
    amounts["listening"] = settings.life_listening
    rolls = {part: getattr(settings, f"life_{part}_roll") for part in (*PARTS, "asymmetry")}
    return LifeSettings(settings.life_seed, amounts, rolls)


def names_in_looks(settings: TakeSettings, description: Description) -> tuple[str, ...]:
    """Return the names of everything that a take's head is told to look at, the one looked at from the beginning first."""
    cues = (cue.name for cue in settings.cues if cue.kind == "look")
    return tuple(dict.fromkeys(name for name in (settings.look_at, *cues, *description.look_names) if name))


def plan_take(heard: Heard, track: EmotionTrack, surroundings: Surroundings = NOTHING) -> Life:
    """Return the life of a line as the settings of its take say; ``track`` are its emotions.

    Cues that look at something that is not among the surroundings are left out. Raises ValueError if nobody listened for the
    events of its speech.
    """
    from ..animation.life.planning import plan_life
    from ..animation.life.stage import AHEAD, load_manners
    from .feeling import life_of_voice, tension_of_voice

    if heard.speech is None:
        raise ValueError("the source has no events of speech")
    names = tuple(load_manners()["emotions"])
    weights = track.of_rows(names, math.ceil(heard.speech.duration * _EMOTION_RATE) + 1, _EMOTION_RATE)
    emotion = {} if weights is None else dict(zip(names, np.atleast_2d(weights).T, strict=True))
    known = {AHEAD.name, *(target.name for target in surroundings.targets)}
    rows = np.arange(math.ceil(heard.speech.duration * _EMOTION_RATE) + 1) / _EMOTION_RATE
    # What the face shows comes first; a raised voice has what that leaves.
    left = np.clip(1.0 - sum(emotion.values(), np.zeros(rows.size)), 0.0, 1.0)
    tension = {name: tense * left for name, tense in tension_of_voice(heard, track.settings, rows).items()}
    for name, tense in tension.items():
        emotion[name] = emotion.get(name, np.zeros(rows.size)) + tense
    faint = life_of_voice(heard, track.settings, rows)
    amounts: dict[str, NDArray[np.float64]] = {"brows": faint, "head": faint}
    if track.styles is not None:
        for part in PARTS:
            amounts[part] = amounts.get(part, np.ones(rows.size)) * track.styles.factor(f"life_{part}", rows)
    return plan_life(
        heard.speech,
        life_settings(track.settings),
        emotion=emotion,
        emotion_rate=_EMOTION_RATE,
        partner=heard.partner,
        targets=surroundings.targets,
        looks=surroundings.looks,
        cues=[cue for cue in (*heard.cues, *track.settings.cues) if cue.kind != "look" or cue.name in known],
        amounts=amounts,
        tension=tension.get("anger", 0.0),
    )


def cue_notes(settings: TakeSettings, heard: Heard) -> tuple[str, ...]:
    """Return a sentence for each cue of the settings after the end of the take."""
    end = heard.duration_seconds + heard.seconds_after
    late = [cue for cue in settings.cues if cue.seconds is not None and cue.seconds > end]
    return tuple(
        f"The cue '{cue}' is after the end of the sound, at {heard.duration_seconds:.2f} s; it has no effect" for cue in late
    )


def add_life(
    sampled: ChannelCurves, heard: Heard, track: EmotionTrack, surroundings: Surroundings = NOTHING
) -> tuple[ChannelCurves, NDArray[np.bool_]]:
    """Return ``sampled`` (a row for each scene frame) with the life of its line added, and where that needs keys.

    Channels that only life has come last. The keys are bool ``[time, channel]``.
    """
    from ..animation.life.rendering import render_life

    life = plan_take(heard, track, surroundings)
    rendered = render_life(life, sampled.frame_rate, sampled.start_seconds, sampled.frame_count)
    sampled = _let_laugh(sampled, life)
    names = (*sampled.names, *(name for name in CHANNEL_NAMES if name not in sampled.names))
    values = np.zeros((sampled.frame_count, len(names)), np.float32)
    values[:, : len(sampled.names)] = sampled.values
    keys = np.zeros(values.shape, bool)
    for index, channel in enumerate(CHANNELS):
        column = names.index(channel.name)
        lived = rendered.curves.values[:, index]
        if channel.name not in LITERAL_NAMES:
            lived = lived * _strength_of(channel.region, track.settings)
        # A mouth that an artist opened further than a weight of 1 stays as it is.
        low, high = min(channel.minimum, values[:, column].min()), max(channel.maximum, values[:, column].max())
        values[:, column] = np.clip(values[:, column] + lived, low, high)
        keys[:, column] = rendered.keys[:, index]
    values.flags.writeable = False  # handed over, not copied
    return sampled.with_values(values, names), keys


def _let_laugh(sampled: ChannelCurves, life: Life) -> ChannelCurves:
    """Return a mouth that does not babble while it laughs: jaw and lips move by a share, and all by the same."""
    from ..animation.life.outbursts import laughing_share

    share = laughing_share(life.events, sampled.seconds())
    if share.min(initial=1.0) >= 1.0:
        return sampled
    moved = [name.startswith(("mouth", "jaw", "tongue", "viseme")) for name in sampled.names]
    return sampled.with_values(sampled.values * np.where(moved, share[:, None], 1.0).astype(np.float32))


def with_life(curves: ChannelCurves, heard: Heard, track: EmotionTrack, surroundings: Surroundings = NOTHING) -> ChannelCurves:
    """Return curves at any rate with the life of their line, if it lives."""
    return add_life(curves, heard, track, surroundings)[0] if heard.lives else curves


def _strength_of(region: str, settings: TakeSettings) -> float:
    """Return the artist's strength of a face part; that of the whole face scales speech alone."""
    return settings.region_strengths.get(region, 1.0)
