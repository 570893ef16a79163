# SPDX-License-Identifier: GPL-3.0-or-later
"""Dialogue: several sounds of the sequencer, each for the character who speaks it, animated in one go."""

import contextlib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bpy

from ..blender import rigs, sounds
from ..blender import scene as scenes
from ..blender.registering import make_registration
from ..errors import AudioError, RigError, VoxrigError
from ..properties.access import character_settings, scene_settings
from ..properties.scene import is_character
from ..properties.session import Run, session
from ..properties.takes import read_take
from ..takes.job import Job, compute
from ..takes.record import Listening, SoundChoice, SoundStrip
from ..takes.settings import Scope, TakeSettings
from ..takes.shaping import Take
from ..takes.sources import CancelCheck, Progress
from .animate import find_old_listening, find_replaced, find_sound, gather, gather_from_scene, listening_scope, write
from .background import BackgroundOperator, Work
from .base import VoxrigOperator

_SHORTEST_LISTENING = 1.0
"""Seconds."""

Speakers = Table[str | int, bpy.types.Object]


@dataclass(frozen=True)
class Line:
    """One sound strip of a dialogue, and its speaker."""

    strip: str
    character: bpy.types.Object


@dataclass(frozen=True)
class SpokenLine:
    """The result of a line: its take, or one sentence on why there is none."""

    strip: str
    character: str
    take: Take | None = None
    trouble: str = ""


@dataclass(frozen=True)
class _Script:
    """The lines of a dialogue with their jobs, in order of time, those that were rejected, and the silence of each character
    while others speak."""

    jobs: tuple[tuple[str, Job], ...]
    refused: tuple[SpokenLine, ...]
    listening: tuple[Job, ...] = ()


def animate_dialogue(
    scene: bpy.types.Scene,
    speakers: Speakers,
    model_folder: str | Path,
    settings: TakeSettings | None = None,
    on_progress: Progress | None = None,
    is_cancelled: CancelCheck | None = None,
    scope: Scope | None = None,
) -> tuple[SpokenLine, ...]:
    """Animate every character of a dialogue from its own sound strips, each at its place in the sequencer.

    ``speakers`` is the character by the name of a strip, or by the number of a sequencer channel for all strips in it that are
    not muted; a strip's own name has priority. Speakers look at whom they talk to, unless the settings name a target of the
    eyes, and who is silent listens (takes of their own, which are not returned). A line that cannot be animated does not stop
    the others: the results of all are returned, in order of time. Settings, progress and scope are as in ``animate_character``.
    Raises VoxrigError if nothing could be animated, and Cancelled soon after ``is_cancelled`` returns True; nothing has changed
    then.
    """
    chosen, scope = settings or TakeSettings(), scope or Scope()

    def gather_part(character_object: bpy.types.Object, sound: SoundChoice, look_at: str) -> Job:
        mine = replace(chosen, look_at=chosen.look_at or look_at)
        within = listening_scope(scene, scope) if isinstance(sound, Listening) else scope
        replaced = find_replaced(scene, character_object, sound, mine, within)
        return gather(scene, character_object, sound, model_folder, mine, within, take=replaced)

    script = _gather_lines(scene, find_lines(scene, speakers), gather_part)
    return _write_script(scene, script, _compute_script(script, on_progress, is_cancelled))


def find_lines(scene: bpy.types.Scene, speakers: Speakers) -> tuple[Line, ...]:
    """Find the lines of a dialogue in order of time; names of no strip or channel with sound come last."""
    strips = sounds.list_sound_strips(scene)
    lines: list[Line] = []
    for strip in strips:
        if strip.name in speakers:
            lines.append(Line(strip.name, speakers[strip.name]))
        elif strip.channel in speakers and not sounds.is_muted(strip):
            lines.append(Line(strip.name, speakers[strip.channel]))
    known = {strip.name for strip in strips} | {strip.channel for strip in strips}
    lost = [key for key in speakers if key not in known]
    return (*lines, *(Line(key if isinstance(key, str) else f"Channel {key}", speakers[key]) for key in lost))


def guess_speakers(scene: bpy.types.Scene, characters: Iterable[bpy.types.Object]) -> dict[str, bpy.types.Object | None]:
    """Guess who speaks each sound strip of the scene, by name and in order of time; None if nothing tells.

    A character speaks the strips whose name, file or channel contains its name (the longest one counts), and also the other
    strips of a channel in which all of those belong to one character.
    """
    named = sorted(((_plain(item.name), item) for item in characters), key=lambda pair: -len(pair[0]))
    strips = sounds.list_sound_strips(scene)
    found: dict[str, bpy.types.Object | None] = {}
    for strip in strips:
        file = Path(strip.sound.filepath).stem if strip.sound is not None else ""
        texts = [_plain(text) for text in (strip.name, file, sounds.channel_name(strip))]
        found[strip.name] = next((item for name, item in named if len(name) > 1 and any(name in text for text in texts)), None)
    for channel in {strip.channel for strip in strips}:
        inside = [strip.name for strip in strips if strip.channel == channel]
        speakers = {found[name] for name in inside} - {None}
        if len(speakers) == 1:
            speaker = speakers.pop()
            found.update((name, speaker) for name in inside if found[name] is None)
    return found


def _plain(text: str) -> str:
    """Reduce a name to a form without case, separators and copy numbers, which files and objects spell differently."""
    return re.sub(r"[\W_]+", "", re.sub(r"\.\d{3}$", "", text).casefold())


def list_characters(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """List the characters of a scene: objects with a mapping, and for objects that belong to none of these the one to map.

    Meshes without shape keys and without an armature are not characters.
    """
    candidates = [item for item in scene.objects if is_character(item)]
    mapped = [item for item in candidates if len(character_settings(item).links)]
    taken = {part for item in mapped for part in rigs.find_character(item).objects}
    found = list(mapped)
    for item in candidates:
        if item in taken:
            continue
        parts = rigs.find_character(item).objects
        if any(getattr(part.data, "shape_keys", None) is not None for part in parts) or parts[0].type == "ARMATURE":
            found.append(parts[0])
            taken.update(parts)
    return found


def fill_dialogue(scene: bpy.types.Scene, *, by_channel: bool = False) -> int:
    """List the sound strips of the scene, or its channels with sound, with speakers as far as they can be guessed.

    A person's own choices stay; lines whose strip is gone are removed. Returns how many lack a speaker.
    """
    stored = scene_settings(scene).dialogue
    chosen = {line.strip or line.channel: line.character for line in stored if line.character is not None}
    scripts = {line.strip or line.channel: line.script for line in stored}
    guessed = guess_speakers(scene, list_characters(scene))
    strips = sounds.list_sound_strips(scene)
    lines: dict[str | int, bpy.types.Object | None] = {}
    if by_channel:
        for channel in sorted({strip.channel for strip in strips}):
            speakers = {guessed[strip.name] for strip in strips if strip.channel == channel}
            lines[channel] = speakers.pop() if len(speakers) == 1 else None
    else:
        lines = {strip.name: guessed[strip.name] for strip in strips}
    stored.clear()
    for key, guess in lines.items():
        line = stored.add()
        line.strip, line.channel = (key, 0) if isinstance(key, str) else ("", key)
        line.character = chosen.get(key, guess)
        line.script = scripts.get(key, "")
    scene_settings(scene).active_line = 0
    return sum(line.character is None for line in stored)


def read_speakers(scene: bpy.types.Scene) -> dict[str | int, bpy.types.Object]:
    """Return who speaks what in the scene's dialogue list. Lines without a character are left out."""
    stored = scene_settings(scene).dialogue
    return {line.strip or line.channel: line.character for line in stored if line.character is not None}


def find_partners(lines: Sequence[Line]) -> dict[str, str]:
    """Return whom the speaker of each strip talks to: who spoke before, or else who speaks next; '' for nobody."""
    names = [line.character.name for line in lines]
    partners: dict[str, str] = {}
    for number, (line, name) in enumerate(zip(lines, names, strict=True)):
        others = [other for other in (*reversed(names[:number]), *names[number + 1 :]) if other != name]
        partners[line.strip] = others[0] if others else ""
    return partners


def find_listening(scene: bpy.types.Scene, lines: Sequence[Line]) -> list[tuple[bpy.types.Object, Listening]]:
    """Find the stretches of a dialogue in which a character hears others and is silent itself, and what it hears there."""
    fps = scenes.frames_per_second(scene)
    spans: list[tuple[float, float, Line]] = []
    for line in lines:
        try:
            place, sound, _ = find_sound(scene, SoundStrip(line.strip))
        except VoxrigError:
            continue
        spans.append((place.start_frame, place.start_frame + (sound.promised_seconds() or 0.0) * fps, line))
    spans.sort(key=lambda span: span[:2])
    found: list[tuple[bpy.types.Object, Listening]] = []
    for character_object in dict.fromkeys(line.character for _, _, line in spans):
        own = [span for span in spans if span[2].character == character_object]
        edges = [spans[0][0] - 1.0, *(edge for first, last, _ in own for edge in (first, last)), max(s[1] for s in spans) + 1.0]
        for before, after in zip(edges[::2], edges[1::2]):
            first, last = math.floor(before) + 1, math.ceil(after) - 1
            heard = [s for s in spans if s[2].character != character_object and s[0] < last and s[1] > first]
            if heard and (last - first) / fps >= _SHORTEST_LISTENING:
                strips, speakers = zip(*((line.strip, line.character.name) for _, _, line in heard), strict=True)
                found.append((character_object, Listening(strips, speakers, float(first), float(last))))
    return found


def _gather_lines(
    scene: bpy.types.Scene, lines: Sequence[Line], gather_part: Callable[[bpy.types.Object, SoundChoice, str], Job]
) -> _Script:
    """Gather the job of each line, and of who listens. Raises AudioError if there are none.

    ``gather_part`` gets a character, what it says or hears, and what it looks at while it speaks.
    """
    if not lines:
        raise AudioError("No sound strip of the dialogue has a character; choose who speaks under Dialogue")
    jobs: list[tuple[str, Job]] = []
    refused: list[SpokenLine] = []
    partners = find_partners(lines)
    for line in lines:
        try:
            jobs.append((line.strip, gather_part(line.character, SoundStrip(line.strip), partners[line.strip])))
        except VoxrigError as error:
            refused.append(SpokenLine(line.strip, line.character.name, trouble=str(error)))
    listening: list[Job] = []
    settings = jobs[0][1].settings if jobs else None
    if settings is not None and settings.life > 0.0 and settings.life_listening > 0.0:
        spoken = [line for line in lines if any(strip == line.strip for strip, _ in jobs)]
        replaced: set[tuple[bpy.types.Object, str]] = set()
        for character_object, heard in find_listening(scene, spoken):
            # A rig that can neither blink nor turn its head or eyes does not listen.
            with contextlib.suppress(RigError):
                job = gather_part(character_object, heard, "")
                old = [] if job.take else find_old_listening(scene, character_object, heard, job.scope)
                left = [name for name in old if (character_object, name) not in replaced]
                job = replace(job, take=left[0]) if left else job
                replaced.add((character_object, job.take))
                listening.append(job)
    return _Script(tuple(jobs), tuple(refused), tuple(listening))


def _compute_script(
    script: _Script, on_progress: Progress | None = None, is_cancelled: CancelCheck | None = None
) -> tuple[Take | str, ...]:
    """Compute the take of each job, or the reason why there is none; those of who listens come last.

    Uses no Blender; raises Cancelled.
    """
    made: list[Take | str] = []
    jobs = [*(job for _strip, job in script.jobs), *script.listening]
    for i, job in enumerate(jobs):

        def advance(fraction: float, done: int = i) -> None:
            if on_progress is not None:
                on_progress((done + fraction) / len(jobs))

        try:
            made.append(compute(job, advance, is_cancelled))
        except VoxrigError as error:
            made.append(str(error))
    return tuple(made)


def _write_script(scene: bpy.types.Scene, script: _Script, made: Sequence[Take | str]) -> tuple[SpokenLine, ...]:
    """Write all takes. Raises RigError, before anything has changed, if there are none."""
    if not any(isinstance(take, Take) for take in made[: len(script.jobs)]):
        troubles = [line.trouble for line in script.refused] + [take for take in made if isinstance(take, str)]
        raise RigError(f"No line of the dialogue can be animated; the first: {troubles[0]}")
    spoken = list(script.refused)
    for (strip, job), take in zip(script.jobs, made[: len(script.jobs)], strict=True):
        if isinstance(take, Take):
            try:
                spoken.append(SpokenLine(strip, job.character, write(scene, job, take)))
            except VoxrigError as error:
                spoken.append(SpokenLine(strip, job.character, trouble=str(error)))
        else:
            spoken.append(SpokenLine(strip, job.character, trouble=take))
    for job, take in zip(script.listening, made[len(script.jobs) :], strict=True):
        if isinstance(take, Take):
            with contextlib.suppress(RigError):
                write(scene, job, take)
    order = [strip.name for strip in sounds.list_sound_strips(scene)]
    return tuple(sorted(spoken, key=lambda line: order.index(line.strip) if line.strip in order else len(order)))


def find_left_listening(scene: bpy.types.Scene, script: _Script) -> dict[str, list[str]]:
    """Return the takes by character in which it listens to a dialogue as it was: other stretches of lines, or lines gone."""
    lines = {strip for strip, _ in script.jobs}
    elsewhere = {strip.name for strip in sounds.list_sound_strips(scene) if not sounds.is_muted(strip)} - lines
    now = [(job.character, job.choice) for job in script.listening]
    left: dict[str, list[str]] = {}
    for name in dict.fromkeys(job.character for _, job in script.jobs):
        for stored in character_settings(bpy.data.objects[name]).takes:
            with contextlib.suppress(VoxrigError):  # what is wrong with it is shown in the list
                sound = read_take(stored).sound
                if isinstance(sound, Listening) and (name, sound) not in now and not elsewhere & set(sound.strips):
                    left.setdefault(name, []).append(stored.name)
    return left


class VOXRIG_OT_fill_dialogue(VoxrigOperator):
    """List the sound strips of the sequencer with the characters whose names are in the name of the strip, of its file or of
    its channel. Speakers that you have chosen stay"""

    bl_idname = "voxrig.fill_dialogue"
    bl_label = "Fill from Strips"
    bl_options = {"REGISTER", "UNDO"}

    by_channel: bpy.props.BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="By Channel", description="One line for each channel of the sequencer instead of one for each strip"
    )

    def run(self, context: Any) -> None:
        """Fill the list and report what must still be chosen."""
        if not sounds.list_sound_strips(context.scene):
            raise AudioError("The sequencer of this scene has no sound strip; add one for each line of the dialogue")
        missing = fill_dialogue(context.scene, by_channel=self.by_channel)
        if missing:
            self.report({"INFO"}, f"{missing} without a character: choose who speaks")


class VOXRIG_OT_remove_line(VoxrigOperator):
    """Remove the active line from the dialogue. Its strip stays"""

    bl_idname = "voxrig.remove_line"
    bl_label = "Remove Line"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a line."""
        return None if len(scene_settings(context.scene).dialogue) else "The dialogue has no lines"

    def run(self, context: Any) -> None:
        """Remove it; the one before it becomes the chosen one."""
        settings = scene_settings(context.scene)
        settings.dialogue.remove(settings.active_line)
        settings.active_line = max(0, min(settings.active_line, len(settings.dialogue) - 1))


def _script_of(scene: bpy.types.Scene, sound: SoundChoice) -> str:
    """Return what is said in a strip of the dialogue list, '' if nothing is written there."""
    if not isinstance(sound, SoundStrip):
        return ""
    return next((line.script for line in scene_settings(scene).dialogue if line.strip == sound.name), "")


class VOXRIG_OT_animate_dialogue(BackgroundOperator):
    """Animate each character of the dialogue from its own sound strips, with the current model and sliders.

    A line that cannot be animated does not stop the others
    """

    bl_idname = "voxrig.animate_dialogue"
    bl_label = "Animate Dialogue"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a line with a speaker, and no other running task."""
        if any(line.character is not None for line in scene_settings(context.scene).dialogue):
            return super().disabled_reason(context)
        return "Fill the dialogue from the strips and choose who speaks"

    def gather(self, scene: bpy.types.Scene) -> _Script:
        """Gather the lines of the scene's list with the scene's settings."""
        lines = find_lines(scene, read_speakers(scene))
        return _gather_lines(scene, lines, lambda *parts: gather_from_scene(scene, *parts, script=_script_of(scene, parts[1])))

    def start(self, job: _Script) -> Work[_Script, tuple[Take | str, ...]]:
        """Prepare the work on all lines."""
        return Work(job, Run("The dialogue"), _compute_script)

    def finish(self, scene: bpy.types.Scene, job: _Script, result: tuple[Take | str, ...]) -> None:
        """Write all lines, and report their number and what is wrong with the others."""
        spoken = _write_script(scene, job, result)
        for line in scene_settings(scene).dialogue:
            line.trouble = next((said.trouble for said in spoken if line.strip == said.strip), "")
        for line in spoken:
            if line.trouble:
                self.report({"WARNING"}, f"'{line.strip}': {line.trouble}")
        for name, left in find_left_listening(scene, job).items():
            told = ", ".join(f"'{take}'" for take in left)
            self.report(
                {"WARNING"}, f"'{name}' has takes of listening to lines as they were: {told}; remove what is in the way"
            )
        done = [line for line in spoken if line.take is not None]
        session.provider = done[0].take.provider if done and done[0].take is not None else session.provider
        speakers = len({line.character for line in done})
        self.report({"INFO"}, f"{len(done)} of {len(spoken)} lines animated, {speakers} characters")


CLASSES = (VOXRIG_OT_fill_dialogue, VOXRIG_OT_remove_line, VOXRIG_OT_animate_dialogue)
register, unregister = make_registration(CLASSES)
