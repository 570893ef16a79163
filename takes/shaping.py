# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn the curves of a source into keyframes for a character's controls, following the artist's settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..animation.curves import ChannelCurves
from ..animation.face.mouth_events import MOUTH_REGIONS, closing_channels, find_closures, find_mouth_events
from ..animation.face.phones import TimedPhone
from ..animation.keys.artist_keys import CONSTANT
from ..animation.keys.dense import DenseTake
from ..animation.keys.guards import guard_channels, guard_poses
from ..animation.keys.placing import Placing, find_proposals, keep_events_on_steps, place_keys
from ..animation.keys.reduction import KeyedCurve, largest_errors
from ..animation.overview import Overview, make_overview
from ..animation.performance import Performance, apply_performance, in_style
from ..animation.rig.mapping import Mapping, Target, apply_mapping
from ..animation.timing import resample_to_frames
from ..errors import AudioError, ModelError
from .emotion import EmotionTrack, put_on
from .feeling import add_feelings, style_cues, style_notes, with_effort, with_feelings
from .living import NOTHING, Surroundings, add_life, cue_notes, plan_take
from .settings import Scope, TakeSettings
from .sources import Description, Heard, Source

LIDS = ("eyeBlinkLeft", "eyeBlinkRight")
_SHUT = 0.98


@dataclass(frozen=True)
class Place:
    """The place of a sound in a scene: the frame of its first sample, and the scene's frame rate.

    ``other_lines`` are the first and last frames of the sounds of the character's other takes, ``styles`` (second of the
    sound, words) those of the scene's markers.
    """

    start_frame: float
    frames_per_second: float
    other_lines: tuple[tuple[int, int], ...] = ()
    styles: tuple[tuple[float, str], ...] = ()

    def frame_of(self, seconds: float) -> float:
        """Return the frame at ``seconds`` of the sound."""
        return self.start_frame + seconds * self.frames_per_second

    def seconds_of(self, frame: float) -> float:
        """Return the second of the sound at a frame."""
        return (frame - self.start_frame) / self.frames_per_second


@dataclass(frozen=True)
class Part:
    """A source of a take and its targets: the ``targets`` of its ``mapping``, None for all of them.

    ``surroundings`` are what a living head sees.
    """

    source: Source
    mapping: Mapping
    targets: frozenset[Target] | None = None
    warnings: tuple[str, ...] = ()
    surroundings: Surroundings = NOTHING


@dataclass(frozen=True)
class Take:
    """Keyframes for each target in scene frames, and the inputs behind them.

    ``dense`` is the same on every frame. ``warnings`` are sentences for the artist. ``kept_count`` counts the artist's own
    keys that the curves were bent to when they were written. ``phones`` are the frames and names of phone markers, None if
    not requested or unknown, and ``marks`` the names and seconds of the sound of the head's events. ``words`` are those of the
    script: first and last frame, text, confidence 0..1, and the second of the sound at which it begins. ``frames_before`` and
    ``frames_after`` count the frames outside the sound, in which the mouth comes from rest and returns to it. ``moved_count``
    counts the artist's own keys that followed the words of a new recording.
    """

    curves: tuple[tuple[Target, KeyedCurve], ...]
    dense: DenseTake
    first_frame: int
    last_frame: int
    frames_per_second: float
    sound_hash: str
    model_title: str
    provider: str
    overview: Overview
    warnings: tuple[str, ...] = ()
    kept_count: int = 0
    phones: tuple[tuple[int, str], ...] | None = None
    marks: tuple[tuple[str, float], ...] = ()
    frames_before: int = 0
    frames_after: int = 0
    words: tuple[tuple[float, float, str, float, float], ...] = ()
    moved_count: int = 0

    @property
    def sound_frames(self) -> tuple[int, int]:
        """First and last frame of the sound, or of the part of it in the scope."""
        return self.first_frame + self.frames_before, self.last_frame - self.frames_after

    @property
    def key_count(self) -> int:
        """Number of keyframes over all targets."""
        return sum(len(curve) for _target, curve in self.curves)

    def density(self) -> str:
        """Describe the density of the keys, and the largest error against the curves at any frame of any control."""
        seconds = len(self.dense.frames) / self.frames_per_second
        rate = sum(len(curve) for curve in self.dense.keyed) / max(len(self.dense.keyed), 1) / seconds
        error = largest_errors(self.dense.keyed, self.dense.frames, self.dense.values).max(initial=0.0)
        if self.dense.placing.interpolation == CONSTANT:
            return f"{rate:.1f} poses/s, held"
        return f"{rate:.1f} keys/s per control, largest error {error:.3f}"

    def summary(self, character: str) -> str:
        """Summarise the take in one line."""
        kept = f", {self.kept_count} edited ones kept" if self.kept_count else ""
        if self.moved_count:
            kept += f", {self.moved_count} of them moved" if kept else f", {self.moved_count} edited ones moved"
            kept += " with the words of the new recording"
        first, last = self.sound_frames
        return (
            f"'{character}' animated from frame {first} to {last}: "
            f"{len(self.curves)} controls, {self.key_count} keyframes{kept} ({self.provider}, {self.model_title})"
        )


def shape(
    part: Part, heard: Heard, place: Place, settings: TakeSettings, scope: Scope, span: tuple[int, int] | None = None
) -> Take:
    """Turn the curves of a part's source into keyframes. Raises AudioError if the scope is outside the sound.

    ``span`` is the first and the last frame, by default those of ``frame_range``; all parts of a take share them.
    """
    description = part.source.describe()
    asked = EmotionTrack(settings, place.start_frame, place.frames_per_second, place.styles)
    track = with_feelings(asked, heard)
    settings = track.settings
    curves = perform_styled(with_emotion(heard, description, track), track, description)
    first, last = span or frame_range((heard,), place, scope)
    frames = np.arange(first, last + 1, dtype=np.float64)
    placing = Placing(settings.keys, settings.density, settings.key_step, settings.key_phase)
    placing = _hold_poses(placing, description, place)
    sampled = _close_on_steps(sample_at_frames(curves, place, first, last), placing, frames)
    lived: NDArray[np.bool_] | None = None
    if heard.lives:
        sampled, lived = add_life(sampled, heard, track, part.surroundings)
        sampled = _shut_on_steps(sampled, placing, frames)
    targets = apply_mapping(part.mapping, sampled)
    columns = [i for i, target in enumerate(targets.targets) if part.targets is None or target in part.targets]
    chosen = tuple(targets.targets[i] for i in columns)
    values = targets.values[:, columns]
    tolerances = find_tolerances(part, settings, chosen)
    among = placing.frames_among(frames) if placing.mode == "STEP" else np.ones(frames.size, bool)
    mouth = {channel.name for channel in description.channels if channel.region in MOUTH_REGIONS}
    placing = replace(placing, events=find_mouth_events(sampled, frames, among, mouth))
    if placing.mode == "SHOW":
        placing = replace(placing, proposed=_propose_keys(heard, description, settings, place, frames))
    guards = guard_poses(
        part.mapping,
        chosen,
        values,
        np.array(tolerances) / placing.tolerance,
        sampled,
        events=placing.events,
        frames=frames,
    )
    if lived is not None:
        guards = guard_channels(guards, part.mapping, chosen, sampled.names, lived, LIDS)
    keyed = tuple(place_keys(frames, values, tolerances, placing, guards=guards))
    dense = DenseTake(chosen, frames, values, tuple(tolerances), keyed, placing, guards)
    warnings = (*part.warnings, *heard.warnings, *style_notes(asked, heard), *cue_notes(settings, heard))
    phones = None
    if settings.phone_markers and heard.phones is None:
        warnings = (*warnings, f"'{description.title}' does not recognise phones, so no markers are written")
    elif settings.phone_markers:
        phones = _place_phones(heard.phones or (), curves.start_seconds + heard.seconds_before, place, first, last)
    overview = make_overview(curves, heard.peaks, place.start_frame, place.frames_per_second, heard.speech)
    overview = add_feelings(overview, heard, track)
    return Take(
        tuple(zip(chosen, keyed)),
        dense,
        first,
        last,
        place.frames_per_second,
        heard.sound_hash,
        description.title,
        heard.provider,
        overview,
        warnings,
        phones=phones,
        words=tuple(
            (place.frame_of(word.start), place.frame_of(word.end), word.text, word.confidence, word.start)
            for word in heard.words
        ),
        marks=_place_marks(heard, track, part.surroundings, place, first, last) if settings.life_markers else (),
        frames_before=max(0, _sound_range(heard, place)[0] - first),
        frames_after=max(0, last - _sound_range(heard, place)[1]),
    )


def with_emotion(heard: Heard, description: Description, track: EmotionTrack) -> ChannelCurves:
    """Return the channels with the take's lead, the effort of the voice and, if the source defers them, its emotions."""
    curves = with_effort(heard, description, track.settings)
    if heard.energy is not None:
        weights = track.of_rows(description.emotions, curves.frame_count, curves.frame_rate, heard.rows_before)
        curves = put_on(curves, weights, heard.energy)
    return shift_by_lead(curves, track.settings, heard.seconds_before)


def shift_by_lead(curves: ChannelCurves, settings: TakeSettings, seconds_before: float = 0.0) -> ChannelCurves:
    """Shift the curves by the lead of the settings, in place of the model's own, which they already contain.

    They start ``seconds_before`` the sound.
    """
    lead = settings.lead_seconds
    return curves if lead is None else replace(curves, start_seconds=-lead - seconds_before)


def perform(curves: ChannelCurves, settings: TakeSettings, description: Description) -> ChannelCurves:
    """Apply the artist's strengths, smoothing and offsets to the curves."""
    performance = Performance(
        strength=settings.strength,
        articulation=settings.articulation,
        smoothing_seconds=settings.smoothing_seconds,
        region_strengths=settings.region_strengths,
        region_smoothing=settings.region_smoothing,
        region_offsets=settings.region_offsets,
        gains={name: gain for name, (gain, _offset) in settings.channels.items()},
        offsets={name: offset for name, (_gain, offset) in settings.channels.items()},
        cleaning=settings.cleaning,
    )
    performance = in_style(performance, settings.speech_style)
    regions = {channel.name: channel.region for channel in description.channels}
    rest = {channel.name: channel.rest for channel in description.channels if channel.rest}
    return apply_performance(curves, performance, regions, rest=rest, poses=description.poses)


def perform_styled(curves: ChannelCurves, track: EmotionTrack, description: Description) -> ChannelCurves:
    """Apply the settings of a take to curves as ``perform`` does, with the manner of each stretch's style."""
    styles = track.styles
    varied = [name for name in styles.factor_names() if not name.startswith("life")] if styles is not None else []
    if styles is None or not varied:
        return perform(curves, track.settings, description)
    shares = styles.weights(np.arange(curves.frame_count) / curves.frame_rate + curves.start_seconds)
    # Sums of curves whose lips are sealed are sealed, because the gap is a sum of channels.
    manners = [tuple(style.factors.get(name, 1.0) for name in varied) for style in styles.styles]
    mixed = np.zeros(curves.values.shape)
    for manner in dict.fromkeys(manners):
        changed = {name: getattr(track.settings, name) * factor for name, factor in zip(varied, manner, strict=True)}
        share = shares[:, [other == manner for other in manners]].sum(axis=1)
        mixed += share[:, None] * perform(curves, replace(track.settings, **changed), description).values  # type: ignore[arg-type]
    return curves.with_values(mixed.astype(curves.values.dtype))


def frame_range(heards: Sequence[Heard], place: Place, scope: Scope) -> tuple[int, int]:
    """Return the first and the last frame of a take from the outputs of its sources for one sound.

    Includes the frames outside the sound in which a mouth comes from rest and returns to it, except those that another line
    needs. Raises AudioError if the scope is outside all of them.
    """
    sound_first, sound_last = _sound_range(heards[0], place)
    first_frame = min(math.ceil(place.frame_of(-heard.seconds_before) - 1e-6) for heard in heards)
    last_frame = max(math.floor(place.frame_of(heard.duration_seconds + heard.seconds_after) + 1e-6) for heard in heards)
    # Half the gap between two lines belongs to each. Takes of the same sound overlap and are not others.
    for begin, end in place.other_lines:
        if begin <= end <= sound_first:
            first_frame = max(first_frame, min(sound_first, math.ceil((end + sound_first) / 2)))
        elif end >= begin > sound_last:
            last_frame = min(last_frame, max(sound_last, math.ceil((sound_last + begin) / 2) - 1))
    first = first_frame if scope.first_frame is None else max(first_frame, scope.first_frame)
    last = last_frame if scope.last_frame is None else min(last_frame, scope.last_frame)
    if first > last:
        raise AudioError(
            f"The frames {scope.first_frame} to {scope.last_frame} lie outside the sound, which plays from {sound_first} "
            f"to {sound_last}; choose a range inside it"
        )
    return first, last


def _sound_range(heard: Heard, place: Place) -> tuple[int, int]:
    """Return the first frame of the sound and the one on which it ends, at least the one on which it starts."""
    first = math.ceil(place.start_frame - 1e-6)
    return first, max(first, math.floor(place.frame_of(heard.duration_seconds) + 1e-6))


def sample_at_frames(curves: ChannelCurves, place: Place, first_frame: int, last_frame: int) -> ChannelCurves:
    """Sample one row per scene frame; a closure of the lips stays on its nearest frame even if it is shorter than one."""
    closures = find_closures(curves)
    return resample_to_frames(
        curves,
        place.frames_per_second,
        place.seconds_of(first_frame),
        frame_count=last_frame - first_frame + 1,
        event_weights=None if closures is None else closures.astype(np.float64),
        event_channels=None if closures is None else closing_channels(curves),
    )


def find_tolerances(part: Part, settings: TakeSettings, targets: tuple[Target, ...]) -> list[float]:
    """Return the tolerance of each target in its own unit: that of its strictest channel."""
    ranges = {channel.name: channel.maximum - channel.minimum for channel in part.source.describe().channels}
    tolerance = Placing(density=settings.density).tolerance
    found: dict[Target, float] = {}
    for link in part.mapping.links:
        if link.enabled and link.channel in ranges and link.gain:
            reach = tolerance * ranges[link.channel] * abs(link.gain)
            found[link.target] = min(reach, found.get(link.target, math.inf))
    return [found.get(target, tolerance) for target in targets]


def _place_phones(
    phones: tuple[TimedPhone, ...], start_seconds: float, place: Place, first: int, last: int
) -> tuple[tuple[int, str], ...]:
    """Return the frames from ``first`` to ``last`` on which phones begin in the face, whose row 0 is at ``start_seconds``."""
    at = ((round(place.frame_of(start_seconds + phone.start)), phone.phone) for phone in phones)
    return tuple((frame, name) for frame, name in at if first <= frame <= last)


def _place_marks(
    heard: Heard, track: EmotionTrack, surroundings: Surroundings, place: Place, first: int, last: int
) -> tuple[tuple[str, float], ...]:
    """Return names and seconds of the head's events from frame ``first`` to ``last``."""
    from ..animation.life.planning import find_marks

    if not heard.lives:
        return ()
    # The settings of the track have no style any more, but still their cues.
    styles = [(f"style {cue.name}".rstrip(), cue.seconds or 0.0) for cue in style_cues(track.settings, heard)]
    marks = sorted((*find_marks(plan_take(heard, track, surroundings).events), *styles), key=lambda mark: mark[1])
    return tuple((name, at) for name, at in marks if first <= round(place.frame_of(at)) <= last)


def _hold_poses(placing: Placing, description: Description, place: Place) -> Placing:
    """Place keys on twos for a learned show that is animated on twos, unless the artist chose another way."""
    hold = description.hold
    if hold is None or placing.mode != "SPARSE":
        return placing
    step = max(1, round(hold.frames * place.frames_per_second / hold.frame_rate))
    return replace(placing, mode="STEP", step=step, phase=hold.phase, is_held=True)


def _propose_keys(
    heard: Heard, description: Description, settings: TakeSettings, place: Place, frames: NDArray[np.float64]
) -> tuple[float, ...]:
    """Return the frames on which the show's animators would set keys on some face part. Raises ModelError."""
    if heard.keys is None:
        raise ModelError(f"Model '{description.title}' never learned where animators set keys; choose other keys, or a "
                         "model that voxrig-train made")  # fmt: skip
    keys = shift_by_lead(heard.keys, settings)
    at = (np.arange(keys.frame_count) / keys.frame_rate + keys.start_seconds) * place.frames_per_second + place.start_frame
    rows = {int(row) for column in keys.values.T for row in find_proposals(column)}
    nearest = np.rint(at[sorted(rows)])
    return tuple(np.unique(nearest[(nearest >= frames[0]) & (nearest <= frames[-1])]).tolist())


def _shut_on_steps(sampled: ChannelCurves, placing: Placing, frames: NDArray[np.float64]) -> ChannelCurves:
    """Show all blinks on the keys of 'STEP': one between two keys shuts the eyes on the nearest."""
    lids = [sampled.names.index(name) for name in LIDS if name in sampled.names]
    if placing.mode != "STEP" or not lids:
        return sampled
    values = sampled.values.copy()
    shut = (values[:, lids] > _SHUT).any(axis=1)
    values[:, lids] = keep_events_on_steps(values[:, lids], shut, placing.frames_among(frames))
    return sampled.with_values(values)


def _close_on_steps(sampled: ChannelCurves, placing: Placing, frames: NDArray[np.float64]) -> ChannelCurves:
    """Show all closures on the keys of 'STEP': one between two keys closes the lips on the nearest."""
    sealed = find_closures(sampled)
    if placing.mode != "STEP" or sealed is None:
        return sampled
    closing = [sampled.names.index(name) for name in closing_channels(sampled)]
    values = sampled.values.copy()
    values[:, closing] = keep_events_on_steps(values[:, closing], sealed, placing.frames_among(frames))
    return sampled.with_values(values)
