# SPDX-License-Identifier: GPL-3.0-or-later
"""Animate lines in a .blend file, inside a worker process.

The result for a line never depends on the lines before it: a file is opened once and restored by undo after each unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import bpy

from .. import registration
from ..animation.curves import ChannelCurves
from ..animation.interchange import write_curves
from ..animation.overview import make_overview
from ..blender import films, rigs
from ..blender import scene as scenes
from ..blender.files import find_object, find_scene, open_blend, save_blend
from ..errors import VoxrigError
from ..inference.package import find_model, read_description
from ..operators.animate import find_replaced, gather, write
from ..operators.mapping import load_mapping
from ..operators.variations import compute_all, write_variations
from ..takes.feeling import with_feelings
from ..takes.hearing import recall, without_rest
from ..takes.job import compute
from ..takes.living import with_life
from ..takes.record import CurvesFile, SoundFile
from ..takes.shaping import Take, with_emotion
from ..takes.variations import vary
from .curves_line import (
    FILM_SIZE,
    SHEET_FACES,
    SHEET_SIZE,
    Progress,
    Result,
    choose_faces,
    find_unmapped,
    guard,
    judge_language,
    judge_sound,
    list_words,
    squeeze_tracks,
)
from .jobs import Line, Unit


class Stage:
    """Blender with Voxrig registered, and the .blend file that is open in its state on disk."""

    def __init__(self, provider: str, threads: int) -> None:
        self._provider, self._threads = provider, threads
        self._open = ""
        if not hasattr(bpy.types.Scene, "voxrig"):
            registration.register()

    def perform(self, unit: Unit, partials: Mapping[str, str], on_progress: Progress) -> list[Result]:
        """Perform a unit: animate all lines, save the file, then render films and pictures. Returns how each line ended."""
        first = unit.lines[0]
        opened = guard(first, lambda: self._open_blend(first))
        if opened.why:
            return [Result(line.number, opened.why, opened.passing) for line in unit.lines]
        work = _Work(self._provider, self._threads, partials, on_progress)
        results = {line.number: guard(line, lambda line=line: work.animate(line)) for line in unit.lines}
        if first.output_blend and work.takes:
            saved = guard(first, lambda: work.save(first))
            if saved.why:
                results = {line.number: replace(results[line.number], why=saved.why, passing=True) for line in unit.lines}
        for line in unit.lines:
            result = results[line.number]
            if not result.why and (line.output_film or line.sheet):
                results[line.number] = guard(line, lambda line=line, result=result: work.render(line, result))
        self._put_back()
        return [results[line.number] for line in unit.lines]

    def _open_blend(self, line: Line) -> Result:
        if self._open != line.blend:
            self._open = ""
            open_blend(Path(line.blend))
            bpy.ops.ed.undo_push(message="Voxrig batch: as opened")
            self._open = line.blend
        return Result(line.number)

    def _put_back(self) -> None:
        """Undo all changes to the open file; if that fails it is opened again next time."""
        witness = bpy.data.texts.new("voxrig batch").name
        try:
            bpy.ops.ed.undo_push(message="Voxrig batch: a unit")
            bpy.ops.ed.undo()
        except RuntimeError:
            self._open = ""
        if witness in bpy.data.texts:
            self._open = ""


class _Work:
    """The lines of one unit, in the open file."""

    def __init__(self, provider: str, threads: int, partials: Mapping[str, str], on_progress: Progress) -> None:
        self._provider, self._threads, self._partials, self._on_progress = provider, threads, partials, on_progress
        self.takes: dict[int, tuple[Take, ChannelCurves]] = {}

    def animate(self, line: Line) -> Result:
        """Write the keys of a line, and its curves."""
        scene = find_scene(line.scene)
        character = find_object(scene, line.character)
        if line.fps is not None:
            scenes.set_frames_per_second(scene, line.fps)
        if line.mapping:
            load_mapping(character, line.mapping)
        folder = find_model(line.model or None)
        choice = CurvesFile(line.curves, line.start_frame) if line.curves else SoundFile(line.audio, line.start_frame)
        settings = line.make_settings(self._provider, self._threads)
        if line.takes > 1:
            is_drawn = read_description(folder).drawing is not None
            several = [
                gather(scene, character, choice, folder, varied, line.make_scope())
                for varied in vary(settings, line.takes, is_drawn)
            ]
            made = compute_all(several, lambda share: self._on_progress(line.number, share))
            job, take = several[0], write_variations(scene, several, made)[0]
        else:
            scope = line.make_scope()
            replaced = find_replaced(scene, character, choice, settings, scope)
            job = gather(scene, character, choice, folder, settings, scope, take=replaced)
            take = write(scene, job, compute(job, lambda share: self._on_progress(line.number, share)))
        source = job.parts[0].source
        heard = recall(source)
        if heard is None:
            raise VoxrigError("The sound changed while it was heard; try again")
        heard = without_rest(heard)
        track = with_feelings(job.emotion, heard)
        curves = with_life(with_emotion(heard, source.describe(), track), heard, track, job.parts[0].surroundings)
        warnings = list(take.warnings)
        if line.output_curves:
            warnings += write_curves(self._partials[line.output_curves], curves, frame_rate=line.fps)
        if not line.curves:
            warnings += [*judge_sound(heard.peaks), *judge_language(heard.phones)]
        warnings += find_unmapped(curves, source.describe(), [link.channel for link in job.mapping.links if link.enabled])
        self.takes[line.number] = take, curves
        first, last = take.sound_frames
        facts = {
            "seconds": round(heard.duration_seconds, 3),
            "frames": last - first + 1,
            "keys": take.key_count,
            "controls": len(take.curves),
            "model": take.model_title,
            "tracks": squeeze_tracks(make_overview(curves, heard.peaks, 0.0, 1.0)),
            **list_words(heard),
        }
        return Result(line.number, warnings=tuple(warnings), facts=facts)

    def save(self, line: Line) -> Result:
        """Save the file with everything that was animated."""
        save_blend(Path(self._partials[line.output_blend]))
        return Result(line.number)

    def render(self, line: Line, result: Result) -> Result:
        """Render the film and the pictures of a line."""
        scene = find_scene(line.scene)
        take, curves = self.takes[line.number]
        first, last = take.sound_frames
        films.set_preview_look(scene, rigs.find_character(scene.objects[line.character]).objects)
        warnings, facts = list(result.warnings), dict(result.facts)
        if line.sheet:
            rate = scenes.frames_per_second(scene)
            frames = [round(line.start_frame + seconds * rate) for seconds in choose_faces(curves, SHEET_FACES)]
            names = [f"sheet {line.number} {i}" for i in range(len(frames))]
            paths = [Path(self._partials[name]) for name in names]
            films.render_stills(scene, [max(first, frame) for frame in frames], paths, SHEET_SIZE, "JPEG")
            facts["sheet"] = names
        if line.output_film:
            scene.frame_start, scene.frame_end = first, last
            if line.audio:
                silent = films.use_only_sound(scene, line.audio, line.start_frame)
                warnings += [silent] if silent else []
            frames = last - first + 1
            path = Path(self._partials[line.output_film])
            films.render_film(scene, path, FILM_SIZE, on_frame=lambda done: self._on_progress(line.number, done / frames))
        return replace(result, warnings=tuple(warnings), facts=facts)
