# SPDX-License-Identifier: GPL-3.0-or-later
"""Variations: several takes of a line by seed, mixes of their parts, parts drawn again, and a contact sheet of all."""

# pyright: reportInvalidTypeForm=false

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..animation.life.channels import CHANNELS
from ..blender import rigs
from ..blender.registering import make_registration
from ..blender.sheets import join_pictures, render_faces
from ..blender.takes import find_curves
from ..errors import RigError
from ..properties.access import character_settings, scene_settings
from ..properties.models import chosen_model
from ..properties.session import Run, session
from ..properties.settings import read_settings
from ..properties.takes import VOXRIG_PG_take, read_take
from ..takes.job import Job, compute
from ..takes.models import describe_package
from ..takes.record import SoundChoice, TakeRecord
from ..takes.settings import Scope, TakeSettings
from ..takes.shaping import Take
from ..takes.sheet import SheetTake, choose_moments, scale_tracks, write_sheet
from ..takes.sources import CancelCheck, Progress
from ..takes.variations import MIXED_PARTS, mix, number_of, roll, vary
from .animate import gather, gather_from_scene, mark_shown, why_not_animate, write
from .background import BackgroundOperator, Work
from .mapping import find_character
from .takes import TakeOperator, compare_take, find_take, gather_settings, read_retake

SHEET_FACES, SHEET_SIZE = 5, 160
_TRACKS = {"mouth": ("jaw", "lips"), "eyes": ("eyes",), "brows": ("brows",), "head": ("head",)}
_PREFERRED = {"mouth": ("jawOpen",), "eyes": ("eyeBlinkLeft",), "brows": ("browInnerUp",), "head": ("headPitch", "headYaw")}


def make_variations(
    scene: bpy.types.Scene,
    character_object: bpy.types.Object,
    sound: SoundChoice,
    model_folder: str | Path,
    count: int,
    settings: TakeSettings | None = None,
    on_progress: Progress | None = None,
    is_cancelled: CancelCheck | None = None,
    scope: Scope | None = None,
) -> list[Take]:
    """Animate a character ``count`` times with the seeds that follow that of ``settings``; each is a take of the list.

    The first one is shown. ``scope`` limits what the takes may change, to a stretch or to some face parts. Raises VoxrigError
    and Cancelled like ``animate_character``; nothing has changed then.
    """
    is_drawn = describe_package(model_folder).drawing is not None
    jobs = [
        gather(scene, character_object, sound, model_folder, varied, scope or Scope())
        for varied in vary(settings or TakeSettings(life=1.0), count, is_drawn)
    ]
    return write_variations(scene, jobs, compute_all(jobs, on_progress, is_cancelled))


def compute_all(
    jobs: Sequence[Job], on_progress: Progress | None = None, is_cancelled: CancelCheck | None = None
) -> list[Take]:
    """Compute several takes in turn, in any thread."""

    def advance(number: int) -> Progress:
        return lambda share: on_progress((number + share) / len(jobs)) if on_progress is not None else None

    return [compute(job, advance(number), is_cancelled) for number, job in enumerate(jobs)]


def write_variations(scene: bpy.types.Scene, jobs: Sequence[Job], takes: Sequence[Take]) -> list[Take]:
    """Write several takes of one place, and show the first. Main thread."""
    written: list[Take] = []
    names: list[str] = []
    for job, take in zip(jobs, takes):
        # The first one's mapping is the character's by now.
        written.append(write(scene, replace(job, is_new_mapping=job.is_new_mapping and not written), take))
        group = character_settings(scene.objects[job.character])
        names.append(group.takes[group.active_take].name)
    character_object = scene.objects[jobs[0].character]
    if len(names) > 1:
        compare_take(character_object, names[0])
        group = character_settings(character_object)
        group.active_take = group.takes.find(names[0])
    return written


def mix_takes(
    scene: bpy.types.Scene,
    character_object: bpy.types.Object,
    kept: Mapping[str, str],
    base: str = "",
    on_progress: Progress | None = None,
    is_cancelled: CancelCheck | None = None,
) -> Take:
    """Make a new take with parts kept from other takes of the line, such as {'brows': '2', 'head': '4'}, the rest of ``base``.

    The parts are 'eyes', 'brows', 'head' and 'face' (mouth corners, cheeks, nose). ``base`` is the chosen take by default.
    Raises VoxrigError and Cancelled like ``animate_character``.
    """
    job = gather_mix(scene, character_object, kept, base)
    return write(scene, job, compute(job, on_progress, is_cancelled))


def gather_mix(scene: bpy.types.Scene, character_object: bpy.types.Object, kept: Mapping[str, str], base: str = "") -> Job:
    """Gather the job of ``mix_takes``. Raises VoxrigError."""
    stored = find_take(character_object, base)
    record = read_take(stored)
    others: dict[str, TakeSettings] = {}
    for part, name in kept.items():
        other = find_take(character_object, name)
        theirs = read_take(other)
        if (theirs.sound, theirs.model_folder) != (record.sound, record.model_folder):
            raise RigError(
                f"'{other.title}' and '{stored.title}' are takes of different lines; choose takes of one sound and model"
            )
        others[part] = theirs.settings
    return _gather_beside(scene, character_object, stored, record, mix(record.settings, others))


def roll_take(
    scene: bpy.types.Scene,
    character_object: bpy.types.Object,
    parts: Sequence[str],
    take_name: str = "",
    on_progress: Progress | None = None,
    is_cancelled: CancelCheck | None = None,
) -> Take:
    """Make a new take like another one (the chosen one by default) with some parts drawn again, as in no take of its line.

    Raises VoxrigError and Cancelled like ``animate_character``.
    """
    job = gather_roll(scene, character_object, parts, take_name)
    return write(scene, job, compute(job, on_progress, is_cancelled))


def gather_roll(scene: bpy.types.Scene, character_object: bpy.types.Object, parts: Sequence[str], take_name: str = "") -> Job:
    """Gather the job of ``roll_take``. Raises VoxrigError."""
    stored = find_take(character_object, take_name)
    record = read_take(stored)
    others = [theirs.settings for _, theirs in _takes_of_line(character_object, record)]
    is_drawn = describe_package(record.model_folder).drawing is not None
    return _gather_beside(scene, character_object, stored, record, roll(record.settings, parts, others, is_drawn))


def _gather_beside(
    scene: bpy.types.Scene,
    character_object: bpy.types.Object,
    stored: VOXRIG_PG_take,
    record: TakeRecord,
    settings: TakeSettings,
) -> Job:
    """Gather a new take like a stored one with other settings, in its place."""
    job = gather_settings(scene, character_object, stored, record, settings)
    return replace(job, take="", beside=stored.mark)


def _takes_of_line(character_object: bpy.types.Object, record: TakeRecord) -> list[tuple[VOXRIG_PG_take, TakeRecord]]:
    """Return the takes of a character with the sound of ``record``, and their records; damaged ones are left out."""
    found: list[tuple[VOXRIG_PG_take, TakeRecord]] = []
    for stored in character_settings(character_object).takes:
        try:
            theirs = read_take(stored)
        except RigError:
            continue
        if theirs.sound == record.sound:
            found.append((stored, theirs))
    return found


def write_contact_sheet(
    scene: bpy.types.Scene,
    character_object: bpy.types.Object,
    path: str | Path,
    take_names: Sequence[str] = (),
    *,
    faces: int = SHEET_FACES,
    size: int = SHEET_SIZE,
) -> list[str]:
    """Write a page with faces and curves of takes, of all of the chosen take's line by default; returns the takes' names.

    A picture of all faces, a row for each take, is written beside it (PNG). The pictures are of the ``faces`` frames at which
    the takes differ most; what is shown afterwards is what was shown before. Raises RigError.
    """
    path = Path(path)
    character = find_character(character_object)
    group = character_settings(character_object)
    if take_names:
        found = [(stored, read_take(stored)) for stored in (find_take(character_object, name) for name in take_names)]
    else:
        found = _takes_of_line(character_object, read_take(find_take(character_object)))
    names = [stored.name for stored, _ in found]
    shown = [stored.name for stored in group.takes if stored.is_shown]
    first = max(record.first_frame for _, record in found)
    last = min(record.last_frame for _, record in found)
    if first >= last:
        raise RigError("These takes share no frames; choose takes of one line")
    frames = np.arange(first, last + 1)
    tracks: list[dict[str, NDArray[np.float64]]] = []
    try:
        for name, (_, record) in zip(names, found):
            compare_take(character_object, name)
            tracks.append(_read_tracks(group.takes[name].mark, record, frames))
        scaled = scale_tracks(tracks)
        moments = [int(frames[row]) for row in choose_moments(scaled, faces)]
        with tempfile.TemporaryDirectory() as temporary:
            pictures: list[list[Path]] = []
            for number, name in enumerate(names):
                compare_take(character_object, name)
                row = [Path(temporary) / f"{number}-{frame}.jpg" for frame in moments]
                render_faces(scene, character.objects, moments, row, size)
                pictures.append(row)
            rows = [
                SheetTake(
                    group.takes[name].title,
                    f"{describe_numbers(record.settings)}; {group.takes[name].about}",
                    group.takes[name].is_favourite,
                    tuple(picture.read_bytes() for picture in row),
                    track,
                )
                for name, (_, record), row, track in zip(names, found, pictures, scaled)
            ]
            write_sheet(path, f"Takes of {character_object.name}", moments, first, rows)
            if moments:
                join_pictures(pictures, path.with_suffix(".png"))
    finally:
        for name in shown:
            compare_take(character_object, name)
    return names


def describe_numbers(settings: TakeSettings) -> str:
    """Describe how a take was drawn: its seed, and the numbers of parts that differ from it."""
    others = [
        f"{name} {number}"
        for name, parts in MIXED_PARTS.items()
        if (number := number_of(settings, parts[0])) != settings.life_seed
    ]
    return ", ".join([f"seed {settings.life_seed}", *others])


def _read_tracks(mark: str, record: TakeRecord, frames: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Read the curve of each face part that moves most in a take, ``[frame]``; that of a preferred channel where it moves."""
    regions = {channel.name: channel.region for channel in (*CHANNELS, *describe_package(record.model_folder).channels)}
    curves: dict[str, dict[str, NDArray[np.float64]]] = {name: {} for name in _TRACKS}
    found: dict[Any, Any] = {}
    for link in record.mapping.links:
        part = next((name for name, theirs in _TRACKS.items() if regions.get(link.channel) in theirs), None)
        if part is None or not link.enabled:
            continue
        owner = rigs.resolve(link.target).owner
        if owner not in found:
            found[owner] = find_curves(owner, mark)
        curve = found[owner].get((link.target.data_path, link.target.array_index))
        if curve is not None:
            curves[part][link.channel] = np.array([curve.fcurve.evaluate(float(frame)) for frame in frames])
    tracks: dict[str, NDArray[np.float64]] = {}
    for part, values in curves.items():
        preferred = [name for name in _PREFERRED[part] if name in values and np.ptp(values[name]) > 1e-3]
        names = preferred[:1] or sorted(values, key=lambda name, values=values: -float(np.ptp(values[name])))[:1]
        if names:
            tracks[part] = values[names[0]]
    return tracks


# ---------------------------------------------------------------------------------------------------------------
# Buttons


@dataclass(frozen=True)
class _Jobs:
    jobs: tuple[Job, ...]


def _compute_jobs(work: _Jobs, on_progress: Progress | None, is_cancelled: CancelCheck | None) -> list[Take]:
    return compute_all(work.jobs, on_progress, is_cancelled)


class _TakesOperator(BackgroundOperator):
    """Base of operators that make takes."""

    def start(self, job: _Jobs) -> Work[_Jobs, list[Take]]:
        """Prepare the work on all takes."""
        return Work(job, Run(job.jobs[0].character), _compute_jobs)

    def finish(self, scene: bpy.types.Scene, job: _Jobs, result: list[Take]) -> None:
        """Write the takes and report how many there are."""
        takes = write_variations(scene, job.jobs, result)
        for warning in dict.fromkeys(warning for take in takes for warning in take.warnings):
            if warning not in session.warned:
                self.report({"WARNING"}, warning)
            session.warned.add(warning)
        self.report({"INFO"}, takes[0].summary(job.jobs[0].character) if len(takes) == 1 else f"{len(takes)} takes made")


class VOXRIG_OT_make_variations(_TakesOperator):
    """Make several takes of the line, each with another seed.

    All of them are in the list of takes, and the first is shown
    """

    bl_idname = "voxrig.make_variations"
    bl_label = "Make Takes"
    bl_options = {"REGISTER", "UNDO"}

    in_range: bpy.props.BoolProperty(
        name="In Range",
        description="Only in the frames and face parts chosen for a retake, around the chosen take",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Return what must still be chosen, and require life."""
        settings = scene_settings(context.scene)
        reason = super().disabled_reason(context) or why_not_animate(settings)
        if reason is None and settings.life <= 0.0 and not draws_takes(settings):
            return "Takes differ by their life, which is 0: set Life above 0, or choose a model that draws takes"
        return reason

    def gather(self, scene: bpy.types.Scene) -> _Jobs:
        """Gather all takes with the scene's settings."""
        settings = scene_settings(scene)
        varied = vary(read_settings(scene), settings.variation_count, draws_takes(settings))
        if not self.in_range:
            job = gather_from_scene(scene)
            return _Jobs(tuple(_with_settings(scene, job, one) for one in varied))
        stored = find_take(settings.character)
        record = read_take(stored)
        model_folder, scope = read_retake(settings)
        scope = replace(scope, output=record.scope.output)
        return _Jobs(
            tuple(
                gather(scene, settings.character, record.sound, model_folder, one, scope, beside=stored.mark) for one in varied
            )
        )


def draws_takes(settings: Any) -> bool:
    """Return whether the chosen model draws another take for each seed."""
    model = chosen_model(settings)
    return model is not None and model.draws_takes


def _with_settings(scene: bpy.types.Scene, job: Job, settings: TakeSettings) -> Job:
    character_object = scene.objects[job.character]
    return gather(scene, character_object, job.choice, job.model_folder, settings, job.scope)


class VOXRIG_OT_mix_takes(_TakesOperator):
    """Make a new take from the chosen one, with the parts that are kept from others"""

    bl_idname = "voxrig.mix_takes"
    bl_label = "Mix Kept Parts"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require parts that are kept."""
        character_object = scene_settings(context.scene).character
        if reason := super().disabled_reason(context) or TakeOperator.disabled_reason(context):
            return reason
        if character_object is None or not kept_parts(character_object):
            return "Keep a part of some take first"
        return None

    def gather(self, scene: bpy.types.Scene) -> _Jobs:
        """Gather the mix of kept parts."""
        character_object = scene_settings(scene).character
        return _Jobs((gather_mix(scene, character_object, kept_parts(character_object)),))


def kept_parts(character_object: bpy.types.Object) -> dict[str, str]:
    """Return the parts that are kept, and the takes that they come from."""
    return {part.lower(): take.name for take in character_settings(character_object).takes for part in take.kept}


class VOXRIG_OT_keep_part(TakeOperator):
    """Keep this part of the chosen take for the next mix, in place of that of another take"""

    bl_idname = "voxrig.keep_part"
    bl_label = "Keep Part"
    bl_options = {"REGISTER", "UNDO"}

    part: bpy.props.EnumProperty(name="Part", items=[(name.upper(), name.title(), "") for name in MIXED_PARTS], options=set())

    def run(self, context: Any) -> None:
        """Keep the part, or no longer if it is kept."""
        character_object = scene_settings(context.scene).character
        chosen = find_take(character_object)
        was_kept = self.part in chosen.kept
        for take in character_settings(character_object).takes:
            take.kept = take.kept - {self.part}
        if not was_kept:
            chosen.kept = chosen.kept | {self.part}


class VOXRIG_OT_roll_take(_TakesOperator):
    """Make a new take like the chosen one with this part drawn again, unlike that of any other take"""

    bl_idname = "voxrig.roll_take"
    bl_label = "Re-Roll Part"
    bl_options = {"REGISTER", "UNDO"}

    part: bpy.props.EnumProperty(name="Part", items=[(name.upper(), name.title(), "") for name in MIXED_PARTS], options=set())

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a take."""
        return super().disabled_reason(context) or TakeOperator.disabled_reason(context)

    def gather(self, scene: bpy.types.Scene) -> _Jobs:
        """Gather the new take."""
        return _Jobs((gather_roll(scene, scene_settings(scene).character, [self.part.lower()]),))


class VOXRIG_OT_contact_sheet(TakeOperator):
    """Show all takes of the line beside each other: faces where they differ most, and curves.

    The page is written beside the .blend file, or into the folder for temporary files
    """

    bl_idname = "voxrig.contact_sheet"
    bl_label = "Contact Sheet"
    bl_options = {"REGISTER"}

    filepath: bpy.props.StringProperty(
        name="Page", description="HTML file to write", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )

    def run(self, context: Any) -> None:
        """Write the page."""
        character_object = scene_settings(context.scene).character
        path = Path(bpy.path.abspath(self.filepath)) if self.filepath else sheet_place(character_object)
        names = write_contact_sheet(context.scene, character_object, path)
        session.sheet = str(path)
        mark_shown(character_object, read_take(find_take(character_object)).mapping)
        self.report({"INFO"}, f"{len(names)} takes are on {path}")

    def invoke(self, context: Any, event: bpy.types.Event) -> Any:
        """Write the page and open it."""
        outcome = self.execute(context)
        if outcome == {"FINISHED"} and not bpy.app.background:
            bpy.ops.wm.path_open(filepath=session.sheet)
        return outcome


def sheet_place(character_object: bpy.types.Object) -> Path:
    """Return the default place of a character's contact sheet."""
    folder = Path(bpy.data.filepath).parent if bpy.data.filepath else Path(bpy.app.tempdir or tempfile.gettempdir())
    return folder / f"{bpy.path.clean_name(character_object.name)}_takes.html"


CLASSES = (
    VOXRIG_OT_make_variations,
    VOXRIG_OT_mix_takes,
    VOXRIG_OT_keep_part,
    VOXRIG_OT_roll_take,
    VOXRIG_OT_contact_sheet,
)
register, unregister = make_registration(CLASSES)
