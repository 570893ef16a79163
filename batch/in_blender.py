# SPDX-License-Identifier: GPL-3.0-or-later
"""The work on lines with a .blend file, inside a worker process.

What a line gives never depends on the lines before it: a file is opened once and put back by undo after each unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy

from .. import registration
from ..animation.curves import ChannelCurves
from ..animation.interchange import write_curves
from ..animation.overview import make_overview
from ..blender import films, rigs
from ..blender import scene as scenes
from ..errors import RigError, VoxrigError
from ..inference.package import find_model
from ..operators.animate import Take, compute, feel, gather, recall, write
from ..operators.mapping import load_mapping
from ..operators.take_records import AnimateSettings, CurvesFile, SoundFile
from .jobs import Line, Unit
from .perform import (
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
    points_of,
    squeeze_tracks,
)


class Stage:
    """Blender with Voxrig in it, and the .blend file that is open as it is on disk."""

    def __init__(self, provider: str, threads: int) -> None:
        self._provider, self._threads = provider, threads
        self._open = ""
        if not hasattr(bpy.types.Scene, "voxrig"):
            registration.register()

    def perform(self, unit: Unit, partials: Mapping[str, str], on_progress: Progress) -> list[Result]:
        """How each line of a unit ended: all are animated, the file is saved, then films and pictures are made."""
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
            if not Path(line.blend).is_file():
                raise RigError(f"There is no file {line.blend}; correct the column blend")
            try:
                bpy.ops.wm.open_mainfile(filepath=line.blend, load_ui=False)
            except RuntimeError:
                raise RigError(f"{line.blend} is not a file that this Blender can open") from None
            bpy.ops.ed.undo_push(message="Voxrig batch: as opened")
            self._open = line.blend
        return Result(line.number)

    def _put_back(self) -> None:
        """Undo what was done to the open file; where that fails it is opened again next time."""
        witness = bpy.data.texts.new("voxrig batch").name
        try:
            bpy.ops.ed.undo_push(message="Voxrig batch: a unit")
            bpy.ops.ed.undo()
        except RuntimeError:
            self._open = ""
        if witness in bpy.data.texts:
            self._open = ""


class _Work:
    """The lines of one unit, in the file that is open."""

    def __init__(self, provider: str, threads: int, partials: Mapping[str, str], on_progress: Progress) -> None:
        self._provider, self._threads, self._partials, self._on_progress = provider, threads, partials, on_progress
        self.takes: dict[int, tuple[Take, ChannelCurves]] = {}

    def animate(self, line: Line) -> Result:
        """Write the keys of a line, and its curves."""
        scene: Any = bpy.data.scenes.get(line.scene) if line.scene else bpy.context.scene
        if scene is None:
            raise RigError(f"The file has no scene '{line.scene}' (it has: {', '.join(bpy.data.scenes.keys())})")
        character = scene.objects.get(line.character)
        if character is None:
            candidates = ", ".join(item.name for item in scene.objects if item.type in ("MESH", "ARMATURE")) or "none"
            raise RigError(f"Scene '{scene.name}' has no object '{line.character}' (meshes and armatures: {candidates})")
        if line.fps is not None:
            scenes.set_frames_per_second(scene, line.fps)
        if line.mapping:
            load_mapping(character, line.mapping)
        folder = find_model(line.model or None)
        choice = CurvesFile(line.curves, line.start_frame) if line.curves else SoundFile(line.audio, line.start_frame)
        job = gather(scene, character, choice, folder, self._settings(line))
        take = write(scene, job, compute(job, lambda share: self._on_progress(line.number, share)))
        heard = recall(job)
        if heard is None:
            raise VoxrigError("The sound changed while it was heard; try again")
        curves = feel(heard, job)
        warnings = list(take.warnings)
        if line.output_curves:
            warnings += write_curves(self._partials[line.output_curves], curves, frame_rate=line.fps)
        if not line.curves:
            warnings += [*judge_sound(heard.peaks), *judge_language(heard.phones)]
        warnings += find_unmapped(curves, heard.package, [link.channel for link in job.mapping.links if link.enabled])
        self.takes[line.number] = take, curves
        facts = {
            "seconds": round(heard.duration_seconds, 3),
            "frames": take.last_frame - take.first_frame + 1,
            "keys": take.key_count,
            "controls": len(take.curves),
            "model": take.model_title,
            "tracks": squeeze_tracks(make_overview(curves, heard.peaks, 0.0, 1.0)),
        }
        return Result(line.number, warnings=tuple(warnings), facts=facts)

    def _settings(self, line: Line) -> AnimateSettings:
        return AnimateSettings(
            strength=line.strength,
            jaw_strength=line.jaw,
            lip_strength=line.lips,
            smoothing_seconds=line.smoothing,
            density=line.density,
            keys=line.keys,
            key_step=line.key_step,
            key_phase=line.key_phase,
            emotion=points_of(line),
            lead_seconds=None if line.lead is None else line.lead / 1000.0,
            provider=self._provider,
            threads=self._threads,
        )

    def save(self, line: Line) -> Result:
        """Save the file with all that was animated."""
        try:
            bpy.ops.wm.save_as_mainfile(filepath=self._partials[line.output_blend], copy=True)
        except RuntimeError as error:
            raise OSError(0, str(error).strip(), line.output_blend) from None
        return Result(line.number)

    def render(self, line: Line, result: Result) -> Result:
        """The film and the pictures of a line."""
        scene: Any = bpy.data.scenes.get(line.scene) if line.scene else bpy.context.scene
        take, curves = self.takes[line.number]
        films.set_preview_look(scene, rigs.find_character(scene.objects[line.character]).objects)
        warnings, facts = list(result.warnings), dict(result.facts)
        if line.sheet:
            rate = scenes.frames_per_second(scene)
            frames = [round(line.start_frame + seconds * rate) for seconds in choose_faces(curves, SHEET_FACES)]
            names = [f"sheet {line.number} {i}" for i in range(len(frames))]
            paths = [Path(self._partials[name]) for name in names]
            films.render_stills(scene, [max(take.first_frame, frame) for frame in frames], paths, SHEET_SIZE, "JPEG")
            facts["sheet"] = names
        if line.output_film:
            scene.frame_start, scene.frame_end = take.first_frame, take.last_frame
            if line.audio:
                silent = films.use_only_sound(scene, line.audio, line.start_frame)
                warnings += [silent] if silent else []
            frames = take.last_frame - take.first_frame + 1
            path = Path(self._partials[line.output_film])
            films.render_film(scene, path, FILM_SIZE, on_frame=lambda done: self._on_progress(line.number, done / frames))
        return replace(result, warnings=tuple(warnings), facts=facts)
