# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes: generate again for a range or some face parts, update a take from its stored inputs, and the list of takes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy

from ..animation.face.channels import REGIONS
from ..animation.life.cues import revise_cues
from ..animation.rig.mapping import Mapping
from ..blender import rigs, takes
from ..blender.compare import show_take
from ..blender.life import LAYER
from ..blender.marks import find_action, read_marks
from ..blender.outputs import find_home
from ..blender.registering import make_registration
from ..errors import ModelError, RigError
from ..properties.access import character_settings, preferences, scene_settings
from ..properties.links import read_mapping
from ..properties.models import chosen_model
from ..properties.settings import read_settings
from ..properties.takes import VOXRIG_PG_take, active_take, read_take
from ..takes.job import Job, compute
from ..takes.record import TakeRecord
from ..takes.settings import Scope, TakeSettings
from ..takes.shaping import Take
from ..takes.sources import CancelCheck, Progress
from .animate import GeneratingOperator, find_sound, gather, mark_shown, write
from .base import NO_CHARACTER, VoxrigOperator
from .redo import SLIDERS, RedoSettings, as_operator_properties


def retake(
    scene: bpy.types.Scene,
    character_object: bpy.types.Object,
    scope: Scope,
    settings: TakeSettings | None = None,
    take_name: str = "",
    on_progress: Progress | None = None,
    is_cancelled: CancelCheck | None = None,
) -> Take:
    """Generate a take again within ``scope``, from its sound and model and in its place (by default the chosen take).

    ``settings`` are the take's own by default. Keys outside the range, those of other face parts and those that the artist made
    or changed stay exactly as they are. The retake is added to the character's takes. Raises VoxrigError and Cancelled like
    ``animate_character``.
    """
    stored = find_take(character_object, take_name)
    record = read_take(stored)
    settings = settings or _on_this_machine(record.settings)
    job = _gather_retake(scene, character_object, stored, record, scope, record.model_folder, settings)
    return write(scene, job, compute(job, on_progress, is_cancelled))


def _gather_retake(
    scene: bpy.types.Scene,
    character_object: bpy.types.Object,
    stored: VOXRIG_PG_take,
    record: TakeRecord,
    scope: Scope,
    model_folder: Path,
    settings: TakeSettings,
) -> Job:
    """Gather a new take of the same sound in the place of a stored one."""
    scope = replace(scope, output=record.scope.output)
    settings = follow_marks(scene, stored, record, settings)
    return gather(scene, character_object, record.sound, model_folder, settings, scope, beside=stored.mark)


def update_take(
    scene: bpy.types.Scene,
    character_object: bpy.types.Object,
    take_name: str = "",
    on_progress: Progress | None = None,
    is_cancelled: CancelCheck | None = None,
) -> Take:
    """Generate a take (the character's chosen one by default) again from everything that is stored with it.

    A sound that has changed since is used in its present form, with a warning. Raises VoxrigError and Cancelled like
    ``animate_character``.
    """
    job, record = gather_update(scene, character_object, find_take(character_object, take_name))
    take = write(scene, job, compute(job, on_progress, is_cancelled))
    return warn_of_changes(take, record)


def compare_take(character_object: bpy.types.Object, take_name: str = "") -> tuple[str, ...]:
    """Show a take (the character's chosen one by default) in place of those that share frames and controls with it.

    Nothing is generated and no key is lost: returning to the other take restores exactly its keys in its frames, with the
    artist's changes to either; beyond its frames nothing changes. Returns sentences on other changes and on F-Curves that are
    locked. Raises RigError.
    """
    stored = find_take(character_object, take_name)
    mapping = _mapping_of(read_take(stored), character_object)
    targets = mapping.targets()
    notes = show_take(targets, stored.mark)
    # What it adds to bones that somebody animated is on a layer, with a mark of its own.
    layer = f"{stored.mark}{LAYER}"
    if any(find_home(owner, layer) for owner in {rigs.resolve(target).owner for target in targets}):
        notes += show_take(targets, layer)
    mark_shown(character_object, mapping)
    return tuple(notes)


def apply_settings(
    scene: bpy.types.Scene,
    character_object: bpy.types.Object,
    settings: TakeSettings,
    take_name: str = "",
    on_progress: Progress | None = None,
    is_cancelled: CancelCheck | None = None,
) -> Take:
    """Change the settings of a take (the character's chosen one by default), in its place.

    The model only runs if its emotion has changed or this session has not heard the take yet. Raises VoxrigError and Cancelled
    like ``animate_character``.
    """
    stored = find_take(character_object, take_name)
    job = gather_settings(scene, character_object, stored, read_take(stored), settings)
    return write(scene, job, compute(job, on_progress, is_cancelled))


def gather_settings(
    scene: bpy.types.Scene,
    character_object: bpy.types.Object,
    stored: VOXRIG_PG_take,
    record: TakeRecord,
    settings: TakeSettings,
) -> Job:
    """Gather the job that changes the settings of a stored take. Raises VoxrigError."""
    mapping = _mapping_of(record, character_object)
    settings = follow_marks(scene, stored, record, settings)
    return gather(scene, character_object, record.sound, record.model_folder, settings, record.scope, mapping, stored.name)


def gather_update(scene: bpy.types.Scene, character_object: bpy.types.Object, stored: VOXRIG_PG_take) -> tuple[Job, TakeRecord]:
    """Gather the job that makes a stored take again, and its record. Raises VoxrigError.

    Solo is ignored here, because a take made again with fewer links would give up the controls of the others.
    """
    record = read_take(stored)
    job = gather(
        scene,
        character_object,
        record.sound,
        record.model_folder,
        follow_marks(scene, stored, record, _on_this_machine(record.settings)),
        record.scope,
        _mapping_of(record, character_object),
        stored.name,
    )
    return job, record


def follow_marks(scene: bpy.types.Scene, stored: VOXRIG_PG_take, record: TakeRecord, settings: TakeSettings) -> TakeSettings:
    """Return settings with the cues of the take, and what somebody did to the markers of its events since it was made."""
    cues = settings.cues or record.settings.cues
    action = find_action(record.mapping.targets(), stored.mark)
    found = read_marks(action, stored.mark, record.first_frame, record.last_frame) if action is not None else None
    if found is not None:
        place, _, _ = find_sound(scene, record.sound)
        present = [(name, place.seconds_of(at) if isinstance(at, int) else at) for name, at in found[1]]
        cues = revise_cues(cues, found[0], present)
    return replace(settings, cues=cues)


def warn_of_changes(take: Take, record: TakeRecord) -> Take:
    """Add a warning to the take if its sound is no longer the one of the stored take."""
    if take.sound_hash == record.sound_hash:
        return take
    return replace(take, warnings=(*take.warnings, f"The sound '{record.sound.label}' has changed since this take was made"))


def find_take(character_object: bpy.types.Object, name: str = "") -> VOXRIG_PG_take:
    """Find a stored take by its name, or the chosen one. Raises RigError."""
    group = character_settings(character_object)
    stored = group.takes.get(name) if name else active_take(character_object)
    if stored is None:
        raise RigError(f"'{character_object.name}' has no {'take ' + repr(name) if name else 'take yet'}; animate it first")
    return stored


def _on_this_machine(settings: TakeSettings) -> TakeSettings:
    """Return stored settings with the present place of computation."""
    chosen = preferences()
    return replace(settings, provider=chosen.provider, threads=chosen.threads)


def _mapping_of(record: TakeRecord, character_object: bpy.types.Object) -> Mapping:
    """Return the take's mapping, or the character's own if targets of the take were renamed or removed."""
    try:
        for target in record.mapping.targets():
            rigs.resolve(target)
    except RigError:
        return read_mapping(character_object)
    return record.mapping


class TakeOperator(VoxrigOperator):
    """Base of operators on the chosen take."""

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a take."""
        return _lacks_take(context)


def _lacks_take(context: Any) -> str | None:
    character_object = scene_settings(context.scene).character
    if character_object is None:
        return NO_CHARACTER
    if active_take(character_object) is None:
        return "There is no take yet: press Animate from Audio first"
    return None


_RETAKE_RANGE = ("retake_first", "retake_last", "retake_regions", "retake_fade")


def read_retake(settings: Any) -> tuple[Path, Scope]:
    """Return the model and the scope that are chosen for a retake. Raises ModelError and RigError."""
    model = chosen_model(settings)
    if model is None:
        raise ModelError("No model is chosen; choose one under Model")
    if settings.retake_first > settings.retake_last:
        raise RigError("The range of the retake ends before it begins; set its first frame before its last one")
    regions = tuple(region for region in REGIONS if region.upper() in settings.retake_regions)
    return model.folder, Scope(
        settings.retake_first,
        settings.retake_last,
        regions,
        fade_frames=settings.retake_fade,
        replace_edited=settings.replace_edited,
    )


class VOXRIG_OT_retake(RedoSettings, GeneratingOperator):
    """Generate again with the current sliders, but only in the range and the face parts chosen below.

    All other keyframes stay as they are, and so do those that you made or changed
    """

    bl_idname = "voxrig.retake"
    bl_label = "Retake"
    bl_options = {"REGISTER", "UNDO"}
    redo = (*_RETAKE_RANGE, *SLIDERS)
    __annotations__ = as_operator_properties(_RETAKE_RANGE)

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a take, and no other running task."""
        return super().disabled_reason(context) or _lacks_take(context)

    def gather(self, scene: bpy.types.Scene) -> Job:
        """Gather the chosen take's sound with the scene's model and sliders, within the scene's range."""
        settings = scene_settings(scene)
        stored = find_take(settings.character)
        model_folder, scope = read_retake(settings)
        sliders = read_settings(scene)
        return _gather_retake(scene, settings.character, stored, read_take(stored), scope, model_folder, sliders)


class VOXRIG_OT_update_take(GeneratingOperator):
    """Generate the chosen take again from its stored sound and model, with its stored settings or the present sliders"""

    bl_idname = "voxrig.update_take"
    bl_label = "Update Take"
    bl_options = {"REGISTER", "UNDO"}

    use_sliders: bpy.props.BoolProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Use Sliders", description="Use the scene's present sliders instead of the stored settings", options={"SKIP_SAVE"}
    )

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a take, and no other running task."""
        return super().disabled_reason(context) or _lacks_take(context)

    def gather(self, scene: bpy.types.Scene) -> Job:
        """Gather the inputs stored with the take, or its sound with the sliders."""
        character_object = scene_settings(scene).character
        stored = find_take(character_object)
        if self.use_sliders:
            self._record = read_take(stored)
            return gather_settings(scene, character_object, stored, self._record, read_settings(scene))
        job, self._record = gather_update(scene, character_object, stored)
        return job

    def finish(self, scene: bpy.types.Scene, job: Job, take: Take) -> None:
        """Write the take, and warn if the sound has changed."""
        super().finish(scene, job, warn_of_changes(take, self._record))


class VOXRIG_OT_compare_take(TakeOperator):
    """Show this take instead of the others on its frames.

    Nothing is generated and nothing is lost: each take comes back with everything that you did to it
    """

    bl_idname = "voxrig.compare_take"
    bl_label = "Compare Take"
    bl_options = {"REGISTER", "UNDO"}

    take: bpy.props.StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Take", description="Name of the take, by default the chosen one", options={"HIDDEN", "SKIP_SAVE"}
    )

    def run(self, context: Any) -> None:
        """Show the take, and choose it in the list."""
        character_object = scene_settings(context.scene).character
        group = character_settings(character_object)
        take = find_take(character_object, self.take)
        for note in compare_take(character_object, take.name):
            self.report({"WARNING"}, note)
        group.active_take = group.takes.find(take.name)


class VOXRIG_OT_remove_take(TakeOperator):
    """Remove the chosen take from the list. Its keyframes stay"""

    bl_idname = "voxrig.remove_take"
    bl_label = "Remove Take"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: Any) -> None:
        """Remove the take; the one before it becomes the chosen one."""
        group = character_settings(scene_settings(context.scene).character)
        group.takes.remove(group.active_take)
        group.active_take = max(0, min(group.active_take, len(group.takes) - 1))


class VOXRIG_OT_select_edited_keys(TakeOperator):
    """Select the keyframes on the character's controls that you made or changed since they were generated.

    Takes keep these and bend to them
    """

    bl_idname = "voxrig.select_edited_keys"
    bl_label = "Select Edited Keys"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: Any) -> None:
        """Select them and report how many there are."""
        character_object = scene_settings(context.scene).character
        take = active_take(character_object)
        count = takes.select_artist_keys(read_mapping(character_object).targets(), take.mark if take is not None else "")
        self.report({"INFO"}, f"{count} edited keyframes")


class VOXRIG_OT_retake_range(TakeOperator):
    """Take the range from the timeline's preview range, or from the whole chosen take if there is none"""

    bl_idname = "voxrig.retake_range"
    bl_label = "Range from Timeline"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: Any) -> None:
        """Set the range of the next retake."""
        scene = context.scene
        settings = scene_settings(scene)
        if scene.use_preview_range:
            first, last = scene.frame_preview_start, scene.frame_preview_end
        else:
            record = read_take(find_take(settings.character))
            first, last = record.sound_frames
        settings.retake_first, settings.retake_last = first, last


CLASSES = (
    VOXRIG_OT_retake,
    VOXRIG_OT_update_take,
    VOXRIG_OT_compare_take,
    VOXRIG_OT_remove_take,
    VOXRIG_OT_select_edited_keys,
    VOXRIG_OT_retake_range,
)
register, unregister = make_registration(CLASSES)
