# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect: an animated shot of the open file becomes part of a dataset from which Voxrig can learn the show."""

import hashlib
import json
from collections.abc import Callable
from collections.abc import Mapping as Table
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ..animation.rig.mapping import Target
from ..blender import collect, rigs, sounds
from ..blender import scene as scenes
from ..blender.registering import make_registration
from ..errors import AudioError, RigError, ShowError
from ..inference.audio import Waveform, read_sound
from ..learning.page import write_report
from ..learning.show import STILL_SHARE, Shot, read_shot, write_shot
from ..properties.access import character_settings, scene_settings
from ..properties.links import read_link
from .base import NO_CHARACTER, VoxrigOperator
from .mapping import find_character

SAMPLE_RATE = 16_000
"""Rate of the collected sound, which speech models use."""

# Sound is kept this far beyond the shot, because speech just before and after it moves the face, too.
_MARGIN_SECONDS = 1.0


@dataclass(frozen=True)
class CollectSettings:
    """How a shot is collected.

    The range is the scene's unless frames are given. The sound is the file ``sound``, which begins on ``sound_start_frame``
    (None for the first frame of the shot), or else that of the sequencer: all strips that are not muted, or those named in
    ``strips``, mixed into one line. ``emotion`` are weights 0..1 by name from the shot's start, until a timeline marker
    changes them. ``everything`` includes controls that name no part of the face.
    """

    first_frame: int | None = None
    last_frame: int | None = None
    sound: str | None = None
    sound_start_frame: float | None = None
    strips: tuple[str, ...] = ()
    emotion: Table[str, float] = field(default_factory=dict)
    everything: bool = False


@dataclass(frozen=True)
class CollectedShot:
    """A shot, and sentences on anything in it that the artist may not expect."""

    shot: Shot
    warnings: tuple[str, ...]


def collect_shot(
    scene: bpy.types.Scene,
    character_object: bpy.types.Object,
    name: str,
    settings: CollectSettings | None = None,
    on_progress: Callable[[float], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    origin: str = "",
) -> CollectedShot:
    """Sample a character's animated controls with the shot's sound. It changes nothing: the scene stays on its frame.

    Raises VoxrigError if nothing can be learned from it (no sound, nothing animated, values that are not numbers) and
    Cancelled.
    """
    settings = settings or CollectSettings()
    first = scene.frame_start if settings.first_frame is None else settings.first_frame
    last = scene.frame_end if settings.last_frame is None else settings.last_frame
    if last <= first:
        raise ShowError(f"Shot '{name}' has no frames from {first} to {last}; correct the scene's range")
    waveform, sound_name, mixed = _collect_sound(scene, name, first, last, settings)
    character = find_character(character_object)
    controls = collect.list_controls(character, _mapped(character_object), everything=settings.everything)
    targets = [controls.targets[channel.name] for channel in controls.channels]
    values = collect.sample_targets(scene, character, targets, first, last, on_progress, is_cancelled)
    if not (np.ptp(values, axis=0) > STILL_SHARE).any() and np.isfinite(values).all():
        raise ShowError(
            f"Nothing of '{character.name}' is animated in shot '{name}' (frames {first} to {last}); choose the character "
            "that speaks, or check that its Action is assigned"
        )
    emotions, weights = collect.read_emotions(scene, first, last, settings.emotion)
    shot = Shot(
        name=name,
        rig=collect.rig_name(character),
        controls=controls.channels,
        values=values,
        frame_rate=scenes.frames_per_second(scene),
        waveform=waveform,
        sound_start_seconds=scenes.seconds_of_frame(scene, _sound_start(scene, first), first),
        emotions=emotions,
        emotion=weights,
        first_frame=float(first),
        blend_file=bpy.data.filepath,
        sound_file=sound_name,
        targets=controls.targets,
        origin=origin,
    )
    warnings = list(waveform.warnings)
    if mixed > 1:
        warnings.append(f"Shot '{name}' has {mixed} sounds, mixed into one line; choose the dialogue's strips if it has others")
    if controls.left_out:
        warnings.append(
            f"{controls.left_out} values of '{character.name}' name no part of the face and are left out; "
            "map those that move it, or collect all controls"
        )
    return CollectedShot(shot, tuple(warnings))


def _mapped(character_object: bpy.types.Object) -> dict[Target, str]:
    """Return the existing targets of the character's mapping, and the channels that drive them."""
    found: dict[Target, str] = {}
    for stored in character_settings(character_object).links:
        try:
            link = read_link(stored)
            owner = rigs.resolve(link.target).owner
        except RigError:
            continue
        if link.enabled and rigs.driver_of(owner, link.target) is None:
            found[link.target] = link.channel
    return found


def _sound_start(scene: bpy.types.Scene, first: int) -> float:
    """Return the frame on which the collected line of sound begins."""
    return scenes.frame_of_seconds(scene, -_MARGIN_SECONDS, first)


def _collect_sound(
    scene: bpy.types.Scene, name: str, first: int, last: int, settings: CollectSettings
) -> tuple[Waveform, str, int]:
    """Collect one line of sound with at most a margin before and after the shot; returns it, its source, and the number of
    sounds."""
    if settings.sound is not None:
        start = float(first) if settings.sound_start_frame is None else settings.sound_start_frame
        parts = [(settings.sound, start, 0.0, None, 1.0)]
    else:
        parts = []
        strips = sounds.list_sound_strips(scene)
        missing = sorted(set(settings.strips) - {strip.name for strip in strips})
        if missing:
            raise AudioError(f"Shot '{name}' has no sound strip '{missing[0]}'; choose one of its sequencer")
        for strip in strips:
            if settings.strips and strip.name not in settings.strips:
                continue
            span = sounds.strip_span(strip)
            end = scenes.frame_of_seconds(scene, span.duration_seconds, span.start_frame)
            if span.muted or end <= first or span.start_frame > last:
                continue
            source = span.packed if span.packed is not None else str(span.path)
            parts.append((source, span.start_frame, span.offset_seconds, span.duration_seconds, strip.volume))
    if not parts:
        raise ShowError(
            f"Shot '{name}' has no sound between frames {first} and {last}; add the dialogue to its sequencer, unmute it or "
            "give the sound file"
        )
    origin = _sound_start(scene, first)
    length = round((scenes.seconds_of_frame(scene, last + 1, origin) + _MARGIN_SECONDS) * SAMPLE_RATE)
    line = np.zeros(length, np.float32)
    heard = 0
    warnings: list[str] = []
    for source, start_frame, offset, duration, volume in parts:
        waveform = read_sound(
            source,
            SAMPLE_RATE,
            start_seconds=offset,
            duration_seconds=duration,
            fallback_decoder=sounds.decode_with_blender,
        )
        at = round(scenes.seconds_of_frame(scene, start_frame, origin) * SAMPLE_RATE)
        samples = waveform.samples[max(0, -at) :][: max(0, length - max(0, at))]
        line[max(0, at) : max(0, at) + len(samples)] += volume * samples
        heard = max(heard, max(0, at) + len(samples))
        warnings += waveform.warnings
    names = [source if isinstance(source, str) else "packed" for source, *_rest in parts]
    mixed = Waveform(line[:heard], SAMPLE_RATE, tuple(dict.fromkeys(warnings)))
    return mixed, ", ".join(dict.fromkeys(Path(part).name for part in names)), len(parts)


# ---------------------------------------------------------------------------------------------------------------
# Files


def name_shots(files: list[Path]) -> dict[Path, str]:
    """Name the shot of every .blend file: its own name, with as many of its folders as distinguish it from the others."""
    names = {file: file.stem for file in files}
    depth = 1
    while len(set(names.values())) < len(names) and depth < 64:
        depth += 1
        names = {file: "_".join((*file.parts[-depth:-1], file.stem)).lstrip("/\\") for file in files}
    return names


def find_sound(place: Path, file: Path) -> str:
    """Find the sound for a shot: ``place`` itself, or in a folder the file with the name of the .blend. Raises AudioError."""
    if not place.is_dir():
        return str(place)
    found = sorted(path for path in place.iterdir() if path.stem == file.stem and path.suffix.lower() != ".blend")
    if len(found) != 1:
        raise AudioError(f"{place} has {len(found) or 'no'} sounds named '{file.stem}'; name one sound like each shot")
    return str(found[0])


def digest_origin(file: Path, character: str, settings: CollectSettings) -> str:
    """Digest the dependencies of a shot: the content of its .blend file (not of linked files) and the settings."""
    choices = json.dumps([character, asdict(settings)], sort_keys=True)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ShowError(f"{file} cannot be read ({error.strerror}); check its permissions") from None
    return hashlib.sha256(content + choices.encode()).hexdigest()


def is_collected(folder: Path, name: str, origin: str) -> bool:
    """Return whether the dataset already holds this very shot, undamaged."""
    path = folder / f"{name}.json"
    try:
        return path.is_file() and read_shot(path).origin == origin
    except ShowError:
        return False


# ---------------------------------------------------------------------------------------------------------------
# The panel


class VOXRIG_OT_collect_shot(VoxrigOperator):
    """Add this file's shot to the show: the character's animated controls and the sound, frame by frame.

    Nothing in the file changes. Name markers like 'emotion: joy' to learn emotions
    """

    bl_idname = "voxrig.collect_shot"
    bl_label = "Collect Shot"
    bl_options = {"REGISTER"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Return what must still be chosen."""
        settings = scene_settings(context.scene)
        if settings.character is None:
            return NO_CHARACTER
        return None if settings.show_folder else "Choose the folder of the show first"

    def run(self, context: Any) -> None:
        """Collect, write, and update the report."""
        scene = context.scene
        settings = scene_settings(scene)
        name = Path(bpy.data.filepath).stem or scene.name
        manager = context.window_manager
        manager.progress_begin(0.0, 1.0)
        try:
            collected = collect_shot(
                scene,
                settings.character,
                name,
                CollectSettings(everything=settings.collect_everything),
                manager.progress_update,
            )
        finally:
            manager.progress_end()
        folder = Path(bpy.path.abspath(settings.show_folder))
        write_shot(folder, collected.shot)
        for sentence in collected.warnings:
            self.report({"WARNING"}, sentence)
        report = write_report(folder)
        self.report({"INFO"}, f"Shot '{name}' collected: {collected.shot.common_seconds:.1f} s. {report.summary()}")


class VOXRIG_OT_show_report(VoxrigOperator):
    """Open a report on the collected shots as a page with plots: controls, timing of sound and motion, and what seems wrong"""

    bl_idname = "voxrig.show_report"
    bl_label = "Show Report"
    bl_options = {"REGISTER"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a dataset."""
        return None if scene_settings(context.scene).show_folder else "Choose the folder of the show first"

    def run(self, context: Any) -> None:
        """Write the page again and open it."""
        report = write_report(Path(bpy.path.abspath(scene_settings(context.scene).show_folder)))
        if not bpy.app.background:
            bpy.ops.wm.path_open(filepath=str(report.path))
        self.report({"INFO"}, report.summary())


CLASSES = (VOXRIG_OT_collect_shot, VOXRIG_OT_show_report)
register, unregister = make_registration(CLASSES)
