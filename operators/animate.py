# SPDX-License-Identifier: GPL-3.0-or-later
"""Animate from Audio: the function behind the button, the command line and scripts, and the button itself.

The work has three steps, because Blender's data belongs to the main thread: ``gather`` reads the scene, ``compute`` knows
no Blender and may run anywhere, ``write`` puts the keyframes in. Nothing changes before ``write``, and what could make
``write`` fail is checked first.
"""

import functools
import hashlib
import math
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..animation.curves import ChannelCurves
from ..animation.face.channels import REGIONS
from ..animation.face.emotions import Emotion, emotion_points, emotion_weights
from ..animation.face.expression import apply_expression, voice_energy
from ..animation.face.lips import GAP_CENTIMETRES, sealed_frames
from ..animation.face.phones import TimedPhone
from ..animation.keys.artist_keys import CONSTANT
from ..animation.keys.guards import MOUTH_REGIONS, guard_poses, join_guards
from ..animation.keys.placing import Placing, find_poses, find_proposals, keep_events_on_steps, place_keys
from ..animation.keys.reduction import KeyedCurve, largest_errors
from ..animation.overview import Overview, find_peaks, make_overview
from ..animation.performance import Performance, apply_performance
from ..animation.rig.mapping import Mapping, Target, apply_mapping
from ..animation.timing import resample_to_frames
from ..blender import rigs, sounds, witness
from ..blender import scene as scenes
from ..blender.compare import is_shown
from ..blender.outputs import Output
from ..blender.takes import DenseTake, write_take
from ..errors import AudioError, Cancelled, ModelError, RigError
from ..inference.audio import read_sound
from ..inference.generate import count_frames, generate_all
from ..inference.imported import read_imported
from ..inference.package import ModelPackage, load_package, read_description
from ..inference.session import Session, open_session
from ..properties import (
    OTHER_FOLDER,
    REGION_STRENGTHS,
    Run,
    active_mapping,
    character_settings,
    chosen_model,
    find_model_entry,
    find_owner,
    next_take_title,
    preferences,
    scene_settings,
    session,
    shown_emotions,
    store_mapping,
    store_take,
)
from .background import BackgroundOperator, Work
from .base import VoxrigOperator
from .learned import map_learned, split_by_region, warn_of_missing
from .mapping import find_character, match_channels
from .markers import write_phone_markers
from .redo import RedoSettings
from .take_records import (
    AnimateSettings,
    CurvesFile,
    RegionModel,
    Scope,
    SoundChoice,
    SoundFile,
    SoundStrip,
    TakeRecord,
    write_record,
)

Progress = Callable[[float], None]
CancelCheck = Callable[[], bool]

# A take bends to a key of the artist's within this time: about the length of a vowel.
_PIN_SECONDS = 0.16
# Takes whose channels are kept, so that sliders need no model. Ten minutes of sound are 7 MB.
_HEARD_TAKES = 8


@dataclass(frozen=True)
class Job:
    """Everything that ``compute`` needs, with no reference into Blender's data.

    ``targets`` are the only ones that may be written, or None for all; ``choice`` is the sound as it was chosen; ``take`` is
    the take of the character's list that is made again, or '' for a new one, which goes where the take marked ``beside`` is.
    ``others`` are the parts of the take that other
    models make, each for its own targets.
    """

    character: str
    mapping: Mapping
    is_new_mapping: bool
    sound: str | bytes
    sound_name: str
    offset_seconds: float
    duration_seconds: float | None
    start_frame: float
    frames_per_second: float
    model_folder: Path
    settings: AnimateSettings
    choice: SoundChoice
    scope: Scope = Scope()
    targets: frozenset[Target] | None = None
    take: str = ""
    beside: str = ""
    others: "tuple[Job, ...]" = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Heard:
    """What the model made of a sound, before any of the artist's sliders; ``sound_hash`` is the sha256 of the sound.

    ``energy`` ``[time]`` is how loud the voice is where emotions are still to be put on the curves by ``feel``, else None.
    ``peaks`` are for animation.overview. ``keys`` says by region how likely the show's animators would set one, where the model
    learned it; ``phones`` are those of the sound, None where the model knows none.
    """

    curves: ChannelCurves
    energy: NDArray[np.float32] | None
    package: ModelPackage
    duration_seconds: float
    sound_hash: str
    provider: str
    warning: str | None
    peaks: NDArray[np.float32]
    keys: ChannelCurves | None = None
    phones: tuple[TimedPhone, ...] | None = None


@dataclass(frozen=True)
class Take:
    """What ``compute`` made: keys for each target in scene frames, and what it ran on.

    ``dense`` is the same on every frame. ``warnings`` are sentences for the artist: why the CPU stands in for CUDA, which
    controls ``write`` had to leave alone. ``kept_count`` counts the keys of the artist's that ``write`` bent the curves to.
    ``phones`` are the frames of markers and what sounds there, None where nobody asked or knows.
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

    @property
    def key_count(self) -> int:
        """Keyframes over all targets."""
        return sum(len(curve) for _target, curve in self.curves)

    def density(self) -> str:
        """How dense the keys are, and by how much they miss the curves that they stand for, at any frame of any control."""
        seconds = len(self.dense.frames) / self.frames_per_second
        rate = sum(len(curve) for curve in self.dense.keyed) / max(len(self.dense.keyed), 1) / seconds
        error = largest_errors(self.dense.keyed, self.dense.frames, self.dense.values).max(initial=0.0)
        if self.dense.placing.interpolation == CONSTANT:
            return f"{rate:.1f} poses/s, held"
        return f"{rate:.1f} keys/s per control, largest error {error:.3f}"

    def summary(self, character: str) -> str:
        """One line on what was done."""
        kept = f", {self.kept_count} edited ones kept" if self.kept_count else ""
        return (
            f"'{character}' animated from frame {self.first_frame} to {self.last_frame}: "
            f"{len(self.curves)} controls, {self.key_count} keyframes{kept} ({self.provider}, {self.model_title})"
        )


def animate_character(
    scene: bpy.types.Scene,
    character_object: bpy.types.Object,
    sound: SoundChoice,
    model_folder: str | Path,
    settings: AnimateSettings | None = None,
    on_progress: Progress | None = None,
    is_cancelled: CancelCheck | None = None,
    scope: Scope | None = None,
) -> Take:
    """Animate a character from a sound and give what was written.

    The character's mapping is used where it has one; else the model's channels are matched by name, and what was matched is
    stored on the character, as is the take. ``scope`` limits what is written and says what becomes of the artist's own keys,
    which are kept by default. ``on_progress`` is called with 0..1. Raises VoxrigError for what the user can put right and
    Cancelled soon after ``is_cancelled`` answers True; then nothing has changed.
    """
    job = gather(scene, character_object, sound, model_folder, settings or AnimateSettings(), scope or Scope())
    take = compute(job, on_progress, is_cancelled)
    return write(scene, job, take)


def gather(
    scene: bpy.types.Scene,
    character_object: bpy.types.Object,
    sound: SoundChoice,
    model_folder: str | Path,
    settings: AnimateSettings,
    scope: Scope | None = None,
    mapping: Mapping | None = None,
    take: str = "",
    beside: str = "",
) -> Job:
    """Read from Blender what the work needs. Main thread; changes nothing; raises VoxrigError.

    ``mapping`` is the character's own unless another one is given; ``take`` names a take of its list to make again, and
    ``beside`` is the mark of one that a new take goes to the place of.
    """
    package = describe_package(model_folder)
    check_emotion(settings, package, *(describe_package(chosen.folder) for chosen in settings.region_models))
    if isinstance(sound, CurvesFile):
        package = read_imported(bpy.path.abspath(sound.path), package).package
    scope = scope or Scope()
    missing: tuple[str, ...] = ()
    if mapping is None:
        mapping, missing = map_package(character_object, package)
    is_new_mapping = not mapping.links
    if is_new_mapping:
        mapping = match_channels(character_object, package).mapping
    check_mapping(mapping, package, character_object.name)
    fps = scenes.frames_per_second(scene)
    if isinstance(sound, SoundStrip):
        span = sounds.strip_span(find_strip(scene, sound.name))
        if span.muted:
            raise AudioError(f"The sound strip '{sound.name}' is muted; unmute it or choose another one")
        source = span.packed if span.packed is not None else str(span.path)
        start_frame = span.start_frame
        offset_seconds, duration_seconds = span.offset_seconds, span.duration_seconds
        sound_name = sound.name
    else:
        source = bpy.path.abspath(sound.path)
        start_frame, offset_seconds, duration_seconds = sound.start_frame, 0.0, None
        sound_name = Path(source).name
    job = Job(
        character_object.name,
        mapping,
        is_new_mapping,
        source,
        sound_name,
        offset_seconds,
        duration_seconds,
        float(start_frame),
        fps,
        Path(model_folder),
        settings,
        sound,
        scope,
        None if settings.region_models else _targets_in(scope.regions, mapping, package),
        take,
        beside,
        warnings=warn_of_missing(character_object.name, package, missing),
    )
    return split_by_region(job, package, lambda theirs: map_package(character_object, theirs), _targets_in)


def map_package(character_object: bpy.types.Object, package: ModelPackage) -> tuple[Mapping, tuple[str, ...]]:
    """The mapping that a model uses on a character, and what the character lacks of the controls that it was learned on.

    A learned model drives its own controls; for others it is the character's mapping, which may be empty. Raises RigError.
    """
    return map_learned(character_object, package) if package.targets else (active_mapping(character_object), ())


def _targets_in(regions: tuple[str, ...], mapping: Mapping, package: ModelPackage) -> frozenset[Target] | None:
    """The targets that channels of the regions drive, or None for all. Raises RigError where there are none."""
    if not regions:
        return None
    channels = {channel.name for channel in package.channels if channel.region in regions}
    targets = frozenset(link.target for link in mapping.links if link.enabled and link.channel in channels)
    if not targets:
        raise RigError(f"No control of the character follows the {' or the '.join(regions)}; choose other regions")
    return targets


def describe_package(folder: str | Path) -> ModelPackage:
    """What ``model.json`` says, read again only when the file has changed. Raises ModelError."""
    try:
        status = (Path(folder) / "model.json").stat()
    except OSError:
        return read_description(folder)
    return _read_description(Path(folder), status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=16)
def _read_description(folder: Path, _changed: int, _size: int) -> ModelPackage:
    return read_description(folder)


def find_strip(scene: bpy.types.Scene, name: str) -> Any:
    """A sound strip of the scene by name. Raises AudioError."""
    if not name:
        raise AudioError("No sound strip is chosen; choose one under Sound")
    for strip in sounds.list_sound_strips(scene):
        if strip.name == name:
            return strip
    raise AudioError(f"There is no sound strip '{name}' in scene '{scene.name}'; choose another one under Sound")


def check_mapping(mapping: Mapping, package: ModelPackage, character: str) -> None:
    """Raise RigError unless the mapping drives something with this model and every target of it can be animated."""
    if not mapping.links:
        raise RigError(
            f"'{character}' has no control that is named like a channel of '{package.title}'; "
            "add links by hand in the Mapping panel or choose another character"
        )
    names = set(package.channel_names)
    active = [link for link in mapping.links if link.enabled and link.channel in names]
    if not active:
        raise RigError(f"No link of '{character}' that is on uses a channel of '{package.title}'; match the channels again")
    for target in dict.fromkeys(link.target for link in active):
        rigs.resolve(target)


def compute(job: Job, on_progress: Progress | None = None, is_cancelled: CancelCheck | None = None) -> Take:
    """From the sound to keys. Knows no Blender, so it may run in a thread; raises VoxrigError and Cancelled."""

    def advance(fraction: float) -> None:
        if is_cancelled is not None and is_cancelled():
            raise Cancelled
        if on_progress is not None:
            on_progress(fraction)

    parts = parts_of(job)
    takes: list[Take] = []
    for number, part in enumerate(parts):
        heard = listen(part, lambda fraction, number=number: advance((number + fraction) / len(parts)), is_cancelled)
        takes.append(shape(part, heard))
        advance((number + 1) / len(parts))
    return merge_takes(takes)


def recall_take(job: Job) -> Take | None:
    """The take, if this session still knows what every model of it makes of the sound; no model runs."""
    parts = parts_of(job)
    known = [(part, heard) for part in parts if (heard := recall(part)) is not None]
    return merge_takes([shape(part, heard) for part, heard in known]) if len(known) == len(parts) else None


def parts_of(job: Job) -> list[Job]:
    """The job and its others, without those that have nothing to write."""
    return [part for part in (job, *job.others) if part.targets is None or part.targets]


def merge_takes(takes: list[Take]) -> Take:
    """One take of several on the same frames, each with targets of its own; the first says how keys are placed."""
    first = takes[0]
    if len(takes) == 1:
        return first
    dense = replace(
        first.dense,
        targets=tuple(target for take in takes for target in take.dense.targets),
        values=np.concatenate([take.dense.values for take in takes], axis=1),
        tolerances=tuple(tolerance for take in takes for tolerance in take.dense.tolerances),
        keyed=tuple(curve for take in takes for curve in take.dense.keyed),
        guards=join_guards([take.dense.guards for take in takes if take.dense.guards is not None]),
    )
    return replace(
        first,
        curves=tuple(zip(dense.targets, dense.keyed)),
        dense=dense,
        model_title=" + ".join(dict.fromkeys(take.model_title for take in takes)),
        warnings=tuple(dict.fromkeys(warning for take in takes for warning in take.warnings)),
    )


_heard: OrderedDict[tuple[object, ...], Heard] = OrderedDict()
_hearing = threading.Lock()


def recall(job: Job) -> Heard | None:
    """What the model made of the job's sound, if this session still knows; no model runs. Raises nothing."""
    try:
        key = _hearing_key(job)
    except (OSError, ModelError):
        return None
    with _hearing:
        return _heard.get(key)


def forget_heard() -> None:
    """Forget what models made of sounds: the next take runs the model again."""
    with _hearing:
        _heard.clear()


def listen(job: Job, advance: Progress, is_cancelled: CancelCheck | None = None) -> Heard:
    """The channels of the job's sound: remembered, or from the model."""
    advance(0.0)
    known = recall(job)
    if known is not None:
        return known
    if isinstance(job.choice, CurvesFile):
        return _hear_imported(job)
    model = open_model(job.model_folder, job.settings)
    package = model.package
    advance(0.05)
    waveform = read_sound(
        job.sound,
        package.sample_rate,
        start_seconds=job.offset_seconds,
        duration_seconds=job.duration_seconds,
        fallback_decoder=sounds.decode_with_blender,
    )
    advance(0.2)
    rows = count_frames(waveform, package)
    energy = None
    if package.expression_rules:
        padded = np.pad(waveform.samples, (0, rows * package.hop - waveform.samples.size))
        energy = voice_energy(padded, package.sample_rate, package.frame_rate)
    made = generate_all(
        model,
        waveform,
        None if package.expression_rules else _emotion_of_rows(job, package, rows),
        on_progress=lambda fraction: advance(0.2 + 0.6 * fraction),
        is_cancelled=is_cancelled,
    )
    peaks = find_peaks(waveform.samples, waveform.sample_rate)
    content = job.sound if isinstance(job.sound, bytes) else Path(job.sound).read_bytes()
    sound_hash = hashlib.sha256(content).hexdigest()
    heard = Heard(
        made.curves,
        energy,
        package,
        waveform.duration_seconds,
        sound_hash,
        model.provider,
        model.warning,
        peaks,
        made.keys,
        made.timed_phones(),
    )
    with _hearing:
        _heard[_hearing_key(job)] = heard
        while len(_heard) > _HEARD_TAKES:
            _heard.popitem(last=False)
    return heard


def _hear_imported(job: Job) -> Heard:
    """The curves of a file, as if a model had made them. Raises InterchangeError."""
    path = Path(str(job.sound))
    imported = read_imported(path, describe_package(job.model_folder))
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    warning = "; ".join(imported.warnings) or None
    package, seconds = imported.package, imported.duration_seconds
    return Heard(imported.curves, None, package, seconds, content, "from file", warning, np.zeros(0, np.float32))


def _hearing_key(job: Job) -> tuple[object, ...]:
    """All that the channels of a sound depend on. Raises OSError for a file that is gone, ModelError for such a model."""
    sound: object
    if isinstance(job.sound, bytes):
        sound = hashlib.sha256(job.sound).digest()
    else:
        status = Path(job.sound).stat()
        sound = (job.sound, status.st_mtime_ns, status.st_size)
    heard = (*_model_key(job.model_folder, job.settings), sound, job.offset_seconds, job.duration_seconds)
    settings = job.settings
    if describe_package(job.model_folder).expression_rules or not has_emotion(settings):
        return heard
    emotion = tuple(sorted((name, emotion_points(emotion)) for name, emotion in settings.emotion.items()))
    limits = emotion_points(settings.emotion_intensity), settings.emotion_first, settings.emotion_last, settings.emotion_fade
    # Where the sound lies matters only to emotions that change on the way.
    place = (job.start_frame, job.frames_per_second) if _emotion_moves(settings) else ()
    return (*heard, emotion, limits, place)


def feel(heard: Heard, job: Job) -> ChannelCurves:
    """The channels with the job's lead and, where the model has not put them there itself, its emotions."""
    curves = heard.curves
    weights = _emotion_of_rows(job, heard.package, curves.frame_count) if heard.energy is not None else None
    if weights is not None:
        weights = np.broadcast_to(weights, (curves.frame_count, weights.shape[-1]))
        curves = curves.with_values(apply_expression(curves.values, weights, heard.energy))
    lead = job.settings.lead_seconds
    return curves if lead is None else replace(curves, start_seconds=-lead)


def shape(job: Job, heard: Heard) -> Take:
    """From channels to keys, with the artist's settings. Raises AudioError when the scope lies outside the sound."""
    package = heard.package
    curves = perform(feel(heard, job), job.settings, package)
    first, last = frame_range(job, heard)
    frames = np.arange(first, last + 1, dtype=np.float64)
    settings = job.settings
    placing = _hold_poses(Placing(settings.keys, settings.density, settings.key_step, settings.key_phase), package, job)
    sampled = _close_on_steps(sample_at_frames(curves, job, first, last), placing, frames)
    targets = apply_mapping(job.mapping, sampled)
    columns = [i for i, target in enumerate(targets.targets) if job.targets is None or target in job.targets]
    chosen = tuple(targets.targets[i] for i in columns)
    values = targets.values[:, columns]
    tolerances = find_tolerances(job, package, chosen)
    placing = _find_events(placing, sampled, frames)
    if placing.mode == "SHOW":
        placing = replace(placing, proposed=_propose_keys(job, heard, frames))
    guards = guard_poses(
        job.mapping,
        chosen,
        values,
        np.array(tolerances) / placing.tolerance,
        sampled,
        mouth={channel.name for channel in package.channels if channel.region in MOUTH_REGIONS},
        poses=np.searchsorted(frames, placing.extremes + placing.breakdowns),
    )
    keyed = tuple(place_keys(frames, values, tolerances, placing, guards=guards))
    dense = DenseTake(chosen, frames, values, tuple(tolerances), keyed, placing, guards)
    warnings = job.warnings if heard.warning is None else (*job.warnings, heard.warning)
    phones = None
    if settings.markers and heard.phones is None:
        warnings = (*warnings, f"'{package.title}' knows no phones, so no markers are written")
    elif settings.markers:
        phones = _place_phones(heard.phones or (), curves.start_seconds, job, first, last)
    return Take(
        tuple(zip(chosen, keyed)),
        dense,
        first,
        last,
        job.frames_per_second,
        heard.sound_hash,
        package.title,
        heard.provider,
        make_overview(curves, heard.peaks, job.start_frame, job.frames_per_second),
        warnings,
        phones=phones,
    )


def _place_phones(
    phones: tuple[TimedPhone, ...], start_seconds: float, job: Job, first: int, last: int
) -> tuple[tuple[int, str], ...]:
    """The frames from ``first`` to ``last`` on which phones begin in the face, whose row 0 is at ``start_seconds``."""
    at = ((round(job.start_frame + (start_seconds + phone.start) * job.frames_per_second), phone.phone) for phone in phones)
    return tuple((frame, name) for frame, name in at if first <= frame <= last)


def frame_range(job: Job, heard: Heard) -> tuple[int, int]:
    """The first and the last frame of a take. Raises AudioError when the scope lies outside the sound."""
    first_frame = math.ceil(job.start_frame - 1e-6)
    # The frame on which the sound ends, but at least the one on which it starts.
    last_frame = max(first_frame, math.floor(job.start_frame + heard.duration_seconds * job.frames_per_second + 1e-6))
    scope = job.scope
    first = first_frame if scope.first_frame is None else max(first_frame, scope.first_frame)
    last = last_frame if scope.last_frame is None else min(last_frame, scope.last_frame)
    if first > last:
        raise AudioError(
            f"The frames {scope.first_frame} to {scope.last_frame} lie outside the sound, which plays from {first_frame} "
            f"to {last_frame}; choose a range inside it"
        )
    return first, last


def _hold_poses(placing: Placing, package: ModelPackage, job: Job) -> Placing:
    """A learned show that is animated on twos is generated on twos, unless the artist chose another way to place keys."""
    if package.hold is None or placing.mode != "SPARSE":
        return placing
    step = max(1, round(package.hold.frames * job.frames_per_second / package.hold.frame_rate))
    return replace(placing, mode="STEP", step=step, phase=package.hold.phase, is_held=True)


def _propose_keys(job: Job, heard: Heard, frames: NDArray[np.float64]) -> tuple[float, ...]:
    """Frames on which the show's animators would set keys on some face part. Raises ModelError."""
    if heard.keys is None:
        raise ModelError(f"Model '{heard.package.title}' never learned where animators set keys; choose other keys, or a "
                         "model that voxrig-train made")  # fmt: skip
    lead = job.settings.lead_seconds
    keys = heard.keys if lead is None else replace(heard.keys, start_seconds=-lead)
    at = (np.arange(keys.frame_count) / keys.frame_rate + keys.start_seconds) * job.frames_per_second + job.start_frame
    rows = {int(row) for column in keys.values.T for row in find_proposals(column)}
    nearest = np.rint(at[sorted(rows)])
    return tuple(np.unique(nearest[(nearest >= frames[0]) & (nearest <= frames[-1])]).tolist())


def _close_on_steps(sampled: ChannelCurves, placing: Placing, frames: NDArray[np.float64]) -> ChannelCurves:
    """Curves whose closures all show on keys of 'STEP': one between two of them closes the lips on the nearest."""
    if placing.mode != "STEP" or "jawOpen" not in sampled.names:
        return sampled
    closing = [column for column, name in enumerate(sampled.names) if name in GAP_CENTIMETRES]
    sealed = sealed_frames(sampled.values, sampled.names)
    values = sampled.values.copy()
    values[:, closing] = keep_events_on_steps(values[:, closing], sealed, placing.frames_among(frames))
    return sampled.with_values(values)


def _find_events(placing: Placing, sampled: ChannelCurves, frames: NDArray[np.float64]) -> Placing:
    """The placing with the frames of closures and of the vowels' apexes, for 'STEP' among those that carry keys."""
    if "jawOpen" not in sampled.names:
        return placing
    among = placing.frames_among(frames) if placing.mode == "STEP" else np.ones(frames.size, bool)
    sealed = sealed_frames(sampled.values, sampled.names)
    closures, apexes = find_poses(frames[among], sampled.channel("jawOpen")[among], sealed[among])
    return replace(placing, extremes=closures, breakdowns=apexes)


def sample_at_frames(curves: ChannelCurves, job: Job, first_frame: int, last_frame: int) -> ChannelCurves:
    """One row per scene frame; a closure of the lips stays on its nearest frame even when it is shorter than one."""
    closing = [name for name in curves.names if name in GAP_CENTIMETRES]
    sealed = sealed_frames(curves.values, curves.names).astype(np.float64) if "jawOpen" in curves.names else None
    return resample_to_frames(
        curves,
        job.frames_per_second,
        (first_frame - job.start_frame) / job.frames_per_second,
        frame_count=last_frame - first_frame + 1,
        event_weights=sealed,
        event_channels=closing if sealed is not None else None,
    )


def perform(curves: ChannelCurves, settings: AnimateSettings, package: ModelPackage) -> ChannelCurves:
    """The curves with the artist's strengths and smoothing."""
    performance = Performance(
        strength=settings.strength,
        articulation=settings.articulation,
        jaw_strength=settings.jaw_strength,
        lip_strength=settings.lip_strength,
        smoothing_seconds=settings.smoothing_seconds,
        region_strengths=settings.region_strengths,
        region_smoothing=settings.region_smoothing,
        region_offsets=settings.region_offsets,
        gains=settings.gains,
        offsets=settings.offsets,
    )
    regions = {channel.name: channel.region for channel in package.channels}
    rest = {channel.name: channel.rest for channel in package.channels if channel.rest}
    return apply_performance(curves, performance, regions, rest=rest)


def find_tolerances(job: Job, package: ModelPackage, targets: tuple[Target, ...]) -> list[float]:
    """The tolerance of each target in its own unit: that of its strictest channel."""
    ranges = {channel.name: channel.maximum - channel.minimum for channel in package.channels}
    tolerance = Placing(density=job.settings.density).tolerance
    found: dict[Target, float] = {}
    for link in job.mapping.links:
        if link.enabled and link.channel in ranges and link.gain:
            reach = tolerance * ranges[link.channel] * abs(link.gain)
            found[link.target] = min(reach, found.get(link.target, math.inf))
    return [found.get(target, tolerance) for target in targets]


def has_emotion(settings: AnimateSettings) -> bool:
    return any(weight for emotion in settings.emotion.values() for _frame, weight in emotion_points(emotion))


def _emotion_moves(settings: AnimateSettings) -> bool:
    tracks = (*settings.emotion.values(), settings.emotion_intensity)
    has_range = settings.emotion_first is not None or settings.emotion_last is not None
    return has_range or any(len(emotion_points(track)) > 1 for track in tracks)


def _emotion_of_rows(job: Job, package: ModelPackage, rows: int) -> NDArray[np.float32] | None:
    """Weights in the model's order, ``[emotion]`` or ``[row, emotion]``, or None for none at all."""
    settings = job.settings
    if not package.emotions or not has_emotion(settings):
        return None
    moves = _emotion_moves(settings)
    frames = job.start_frame + np.arange(rows if moves else 1) * (job.frames_per_second / package.frame_rate)
    weights = emotion_at(settings, package, frames)
    return weights if moves else weights[0]


def emotion_at(settings: AnimateSettings, package: ModelPackage, frames: ArrayLike) -> NDArray[np.float32]:
    """Weights in the model's order at scene frames, ``[frame, emotion]``."""
    return emotion_weights(
        settings.emotion,
        package.emotions,
        frames,
        intensity=settings.emotion_intensity,
        first_frame=settings.emotion_first,
        last_frame=settings.emotion_last,
        fade_frames=settings.emotion_fade,
    )


def check_emotion(settings: AnimateSettings, package: ModelPackage, *others: ModelPackage) -> None:
    """Raise ModelError for an emotion that no model knows, and for weights outside 0..1."""
    for name, emotion in (*settings.emotion.items(), ("", settings.emotion_intensity)):
        if name and not any(name in one.emotions for one in (package, *others)):
            known = ", ".join(package.emotions) or "none"
            raise ModelError(f"Model '{package.title}' knows no emotion '{name}' (it knows: {known}); choose one of its own")
        for _frame, weight in emotion_points(emotion):
            if not 0.0 <= weight <= 1.0:
                what = f"The emotion '{name}' has the weight" if name else "The intensity of the emotions is"
                raise ModelError(f"{what} {weight:g}; give it one from 0 to 1")


_opened: dict[tuple[object, ...], Session] = {}
_opening = threading.Lock()


def open_model(folder: Path, settings: AnimateSettings) -> Session:
    """The model, checked and ready; the last one stays open, because opening takes longer than a short line of speech."""
    with _opening:
        key = _model_key(folder, settings)
        if key not in _opened:
            opened = open_session(load_package(folder), settings.provider, settings.threads)
            _opened.clear()
            _opened[key] = opened
        return _opened[key]


def _model_key(folder: Path, settings: AnimateSettings) -> tuple[object, ...]:
    """All that an open model depends on: its files, and where it runs."""
    stamps = tuple((path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(folder.glob("*")))
    return folder, stamps, settings.provider, settings.threads


def pin_reach(frames_per_second: float) -> float:
    """How many frames to each side a take bends to a key of the artist's."""
    return max(2.0, _PIN_SECONDS * frames_per_second)


def write(scene: bpy.types.Scene, job: Job, take: Take, *, is_live: bool = False) -> Take:
    """Write the keyframes, and the mapping where it is new; gives the take as it was written.

    Main thread. Controls that belong to a driver or are locked are left alone, with a warning. Unless it ``is_live``, another
    one says which controls do not follow and why (blender/witness.py). Raises RigError before anything has changed.
    """
    character_object = scene.objects.get(job.character)
    if character_object is None:
        raise RigError(f"The character '{job.character}' is no longer in scene '{scene.name}'; choose another one")
    if job.is_new_mapping:
        for target in job.mapping.targets():
            find_owner(target)
    group = character_settings(character_object)
    stored = group.takes.get(job.take) if job.take else None
    mark = (stored.mark if stored is not None else "") or uuid.uuid4().hex
    title = stored.title if stored is not None else next_take_title(group)
    report = write_take(
        take.dense,
        name=mark,
        output=Output(
            job.scope.output,
            f"{job.character} {'Voice' if job.scope.output == 'ACTION' else title}",
            title,
            mark if stored is not None else job.beside,
        ),
        fade_frames=job.scope.fade_frames,
        pin_reach=pin_reach(job.frames_per_second),
        replace_edited=job.scope.replace_edited,
        rests={link.target: link.rest for part in (*job.others, job) for link in reversed(part.mapping.links) if link.enabled},
    )
    if take.phones is not None:
        write_phone_markers(scene, job.character, take.phones, take.first_frame, take.last_frame)
    if job.is_new_mapping:
        store_mapping(character_object, job.mapping)
    take = replace(take, curves=report.curves, kept_count=report.kept_count)
    about = f"{job.sound_name}, {take.first_frame} to {take.last_frame}"
    if job.scope.regions:
        about += f", {', '.join(job.scope.regions)}"
    record = TakeRecord(
        job.choice, take.sound_hash, job.model_folder, job.settings, job.scope, job.mapping, take.first_frame, take.last_frame
    )
    text = write_record(record)
    stored = store_take(character_object, job.take, mark, text, about, take.density())
    if not stored.is_shown:
        mark_shown(character_object, job.mapping)
    session.remember_overview(text, take.overview)
    take = replace(take, warnings=(*take.warnings, *report.notes))
    if not is_live:
        objects = find_character(character_object).objects
        targets = [target for target, _curve in report.curves]
        still = witness.tell_still(witness.find_still(objects, report.curves, mark), len(targets))
        companions = witness.tell_companions(objects, targets)
        take = replace(take, warnings=(*take.warnings, *(word for word in (still, companions) if word)))
    if not report.skipped:
        return take
    skipped = {target for target, _reason in report.skipped}
    first = report.skipped[0][1]
    more = f" (and {len(skipped) - 1} more)" if len(skipped) > 1 else ""
    return replace(take, warnings=(*take.warnings, f"Left alone: {first}{more}"))


def mark_shown(character_object: bpy.types.Object, mapping: Mapping) -> None:
    """Note for the list which takes of a character show; ``mapping`` says what belongs to it."""
    owners = {rigs.resolve(target).owner for target in mapping.targets()}
    for stored in character_settings(character_object).takes:
        stored.is_shown = is_shown(tuple(owners), stored.mark)


# ---------------------------------------------------------------------------------------------------------------
# The same from the scene's settings


def read_sound_choice(scene: bpy.types.Scene) -> SoundChoice:
    """The sound that the scene's settings name."""
    settings = scene_settings(scene)
    if settings.sound_source == "STRIP":
        return SoundStrip(settings.strip)
    if settings.sound_source == "CURVES":
        return CurvesFile(settings.curves_file, float(settings.start_frame))
    return SoundFile(settings.sound_file, float(settings.start_frame))


def read_region_models(settings: Any) -> tuple[RegionModel, ...]:
    """The models that the scene's settings choose for face parts. Raises ModelError for one that is not there."""
    found: list[RegionModel] = []
    for chosen in settings.region_models:
        entry = find_model_entry(chosen.model_name)
        if entry is None:
            raise ModelError(f"There is no model '{chosen.model_name}' for face parts; choose another one or remove it")
        regions = tuple(region for region in REGIONS if region.upper() in chosen.regions)
        found.append(RegionModel(entry.folder, regions))
    return tuple(found)


def read_animate_settings(scene: bpy.types.Scene) -> AnimateSettings:
    """The scene's settings and the preferences as one value."""
    settings = scene_settings(scene)
    chosen = preferences()
    return AnimateSettings(
        strength=settings.strength,
        articulation=settings.articulation,
        jaw_strength=settings.jaw_strength,
        lip_strength=settings.lips_strength,
        region_strengths={region: getattr(settings, f"{region}_strength") for region in REGION_STRENGTHS},
        smoothing_seconds=settings.smoothing,
        region_smoothing=_moved({region: getattr(settings, f"{region}_smoothing") / 1000.0 for region in REGIONS}),
        region_offsets=_moved({region: getattr(settings, f"{region}_offset") for region in REGIONS}),
        density=settings.density,
        keys=settings.keys,
        key_step=settings.key_step,
        key_phase=settings.key_phase,
        emotion={emotion.name: read_emotion(scene, emotion) for emotion in shown_emotions(settings)},
        emotion_intensity=read_emotion(scene, settings, "emotion_intensity"),
        emotion_first=float(settings.emotion_first) if settings.use_emotion_range else None,
        emotion_last=float(settings.emotion_last) if settings.use_emotion_range else None,
        emotion_fade=settings.emotion_fade if settings.use_emotion_range else 0.0,
        gains={item.channel: item.gain for item in settings.channels if item.gain != 1.0},
        offsets=_moved({item.channel: item.offset for item in settings.channels}),
        lead_seconds=settings.own_lead / 1000.0 if settings.has_own_lead else None,
        markers=settings.phone_markers,
        region_models=read_region_models(settings),
        provider=chosen.provider,
        threads=chosen.threads,
    )


def _moved(offsets: dict[str, float]) -> dict[str, float]:
    """Those that are not where they do nothing."""
    return {name: offset for name, offset in offsets.items() if offset}


def read_emotion(scene: bpy.types.Scene, holder: Any, name: str = "weight") -> Emotion:
    """A slider's weight, or where it is animated (frame, weight) points on every frame from its first to its last key."""
    return scenes.sample_animated(scene, holder.path_from_id(name), 0.0, 1.0) or float(getattr(holder, name))


def gather_from_scene(
    scene: bpy.types.Scene,
    character_object: bpy.types.Object | None = None,
    sound: SoundChoice | None = None,
) -> Job:
    """Gather with what the scene's settings say, but for a character or a sound that is given. Raises VoxrigError."""
    settings = scene_settings(scene)
    character_object = character_object or settings.character
    if character_object is None:
        raise RigError("No character is chosen; choose a mesh with shape keys or an armature under Character")
    model = chosen_model(settings)
    if model is None:
        raise ModelError("No model is chosen; choose one under Model")
    blend_frames = settings.output_blend if settings.output in ("STRIP", "LAYER") else 0.0
    scope = Scope(fade_frames=blend_frames, replace_edited=settings.replace_edited, output=settings.output)
    sound = sound or read_sound_choice(scene)
    return gather(scene, character_object, sound, model.folder, read_animate_settings(scene), scope)


class GeneratingOperator(BackgroundOperator):
    """Base of operators that run the model."""

    def gather(self, scene: bpy.types.Scene) -> Job:
        """What to compute. Raises VoxrigError."""
        raise NotImplementedError

    def start(self, job: Job) -> Work[Job, Take]:
        """The work on a take."""
        return start_take(job)

    def finish(self, scene: bpy.types.Scene, job: Job, take: Take) -> None:
        """Write and say what was done."""
        take = write(scene, job, take)
        session.provider = take.provider
        for warning in take.warnings:
            # Why CUDA does not work need not be said at every run.
            if warning not in session.warned:
                self.report({"WARNING"}, warning)
        session.warned.update(take.warnings)
        self.report({"INFO"}, take.summary(job.character))


def start_take(job: Job) -> Work[Job, Take]:
    """``compute`` for a thread, not yet begun."""
    return Work(job, Run(job.character), compute)


def why_not_animate(settings: Any) -> str | None:
    """What is still to be chosen before there is anything to animate, in the order of the panel; None when nothing is."""
    if settings.character is None:
        return "Choose a character first: a mesh with shape keys or an armature"
    if settings.sound_source == "FILE" and not settings.sound_file:
        return "Choose a sound file first"
    if settings.sound_source == "CURVES" and not settings.curves_file:
        return "Choose a file of curves first"
    if settings.sound_source == "STRIP" and not settings.strip:
        return "Choose a sound strip of the sequencer first"
    if settings.model == OTHER_FOLDER and not settings.model_folder:
        return "Choose the folder of a model first"
    return None


class VOXRIG_OT_animate_from_audio(RedoSettings, GeneratingOperator):
    """Listen to the sound and write sparse keyframes on the character's mapped controls.
    Keyframes that you made or changed, those of other controls and those outside the sound stay as they are"""

    bl_idname = "voxrig.animate_from_audio"
    bl_label = "Animate from Audio"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """What is still to be chosen, in the order of the panel."""
        return super().disabled_reason(context) or why_not_animate(scene_settings(context.scene))

    def gather(self, scene: bpy.types.Scene) -> Job:
        """What the scene's settings say."""
        return gather_from_scene(scene)


class VOXRIG_OT_stop(VoxrigOperator):
    """Stop animating and leave everything as it was"""

    bl_idname = "voxrig.stop"
    bl_label = "Stop"
    bl_options = {"INTERNAL"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Grey while there is nothing to stop."""
        return None if session.run is not None else "Nothing is being animated"

    def run(self, context: Any) -> None:
        """Ask the run in progress to stop; its own operator ends it."""
        if session.run is not None:
            session.run.cancelled = True


CLASSES = (VOXRIG_OT_animate_from_audio, VOXRIG_OT_stop)
register, _unregister_classes = bpy.utils.register_classes_factory(CLASSES)  # pyright: ignore[reportGeneralTypeIssues]


def unregister() -> None:
    """Unregister the operators and let go of memory."""
    _unregister_classes()
    forget_heard()
