# SPDX-License-Identifier: GPL-3.0-or-later
"""Learn a show inside Blender from its collected shots, and choose learned models for face parts."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from ..animation.face.channels import REGIONS
from ..blender.registering import make_registration
from ..errors import Cancelled, ModelError, ShowError
from ..inference.package import ModelPackage, load_package, package_name, read_description
from ..inference.session import open_session
from ..learning.fit import Fit, fit_show, write_fit
from ..learning.show import read_show
from ..properties.access import preferences, scene_settings
from ..properties.models import OTHER_FOLDER, chosen_model, default_model, forget_models, list_models, own_models_folder
from ..properties.session import Run
from ..storage.writing import write_whole
from ..takes.sources import describe_model
from .background import BackgroundOperator, Work
from .base import NO_CHARACTER, VoxrigOperator
from .learned import list_names, map_learned


@dataclass(frozen=True)
class LearnJob:
    """The task of learning: the shots in ``dataset``, from the hearing of the model ``trunk``, into the package folder
    ``output``.

    ``regions`` are the face parts whose controls are learned, none for all. ``provider`` and ``threads`` are as for a take.
    """

    dataset: Path
    trunk: Path
    output: Path
    title: str
    regions: tuple[str, ...] = ()
    provider: str = "AUTO"
    threads: int | None = None


@dataclass(frozen=True)
class Learned:
    """The written package, and its score on unseen parts of the show."""

    package: ModelPackage
    fit: Fit
    warnings: tuple[str, ...]

    def summary(self) -> str:
        """Summarise the result in one line."""
        return (
            f"'{self.package.title}' learned: {len(self.fit.controls)} controls of '{self.fit.rig}' from "
            f"{self.fit.minutes:.1f} minutes, r {self.fit.mean_held_out:.2f} on unseen parts"
        )


def learn_show(
    job: LearnJob,
    on_progress: Callable[[float], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> Learned:
    """Learn a show and write its model package. Uses no Blender, so it may run in a thread.

    Raises VoxrigError, and Cancelled; nothing was written then.
    """
    show = read_show(job.dataset)
    if job.regions:
        show = show.of_regions(job.regions)
    session = open_session(load_package(job.trunk), job.provider, job.threads)
    fit = fit_show(session, show, on_progress=on_progress, is_cancelled=is_cancelled)
    if is_cancelled is not None and is_cancelled():
        raise Cancelled
    package = write_fit(fit, session.package, job.output, title=job.title)
    warnings = show.warnings if session.warning is None else (*show.warnings, session.warning)
    return Learned(package, fit, warnings)


class VOXRIG_OT_learn_show(BackgroundOperator):
    """Learn the style of the collected shots as a separate model for the rig's own controls.

    It takes seconds to minutes, stays on this machine, and the model appears in the list
    """

    bl_idname = "voxrig.learn_show"
    bl_label = "Learn Show"
    bl_options = {"REGISTER"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a dataset, and no other running task."""
        reason = super().disabled_reason(context)
        if reason is None and not scene_settings(context.scene).show_folder:
            return "Choose the folder of the show first"
        return reason

    def gather(self, scene: bpy.types.Scene) -> LearnJob:
        """Gather the settings of the panel. Raises ModelError."""
        settings = scene_settings(scene)
        dataset = Path(bpy.path.abspath(settings.show_folder))
        title = settings.learn_title.strip() or dataset.name
        place = bpy.path.abspath(settings.learn_folder) if settings.learn_folder else own_models_folder()
        if not place:
            raise ModelError("There is no folder for models; choose one under Save To or in the preferences")
        model = chosen_model(settings)
        # A learned model hears through the model that it was learned on; its own controls are not built upon.
        trunk = model if model is not None and not model.is_learned else default_model()
        if trunk is None:
            raise ModelError("There is no model to learn with; choose one under Model")
        chosen = preferences()
        regions = tuple(region for region in REGIONS if region.upper() in settings.learn_regions)
        output = Path(place) / package_name(title)
        return LearnJob(dataset, trunk.folder, output, title, regions, chosen.provider, chosen.threads)

    def start(self, job: LearnJob) -> Work[LearnJob, Learned]:
        """Prepare the task of learning."""
        return Work(job, Run(job.title, doing="learned"), learn_show)

    def finish(self, scene: bpy.types.Scene, job: LearnJob, result: Learned) -> None:
        """Add the model to the list and choose it."""
        forget_models()
        for sentence in result.warnings:
            self.report({"WARNING"}, sentence)
        choose_model(scene, result.package)
        self.report({"INFO"}, result.summary())


def write_training(dataset: Path, network: str, regions: tuple[str, ...], place: Path) -> str:
    """Write the run file of voxrig-train for a show, and return the command that trains it (training/shows/README.md).

    ``network`` is 'diffusion' or 'audio2rig'; everything that the file leaves out has the network's own default. An existing
    file is only replaced by an equal one, because a run resumes with the file that it was begun with. Raises ShowError.
    """
    read_show(dataset)
    entries = {"dataset": str(dataset.resolve()), "network": network, "regions": list(regions)}
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in entries.items()]
    text = "\n".join(["# A run of voxrig-train.", *lines, ""])
    try:
        if place.is_file() and place.read_text(encoding="utf-8") != text:
            raise ShowError(f"{place} is of another training; give the model another title")
        write_whole(place, text)
    except OSError as error:
        raise ShowError(f"{place} cannot be written ({error.strerror}); choose another folder") from None
    return f'voxrig-train "{place}"'


def choose_model(scene: bpy.types.Scene, package: ModelPackage) -> None:
    """Choose a package as the scene's model, by its name in the list or by its folder."""
    settings = scene_settings(scene)
    listed = [entry for entry in list_models(own_models_folder()) if entry.name == package.name]
    if [entry.folder for entry in listed] == [package.folder]:
        settings.model = package.name
    else:
        settings.model = OTHER_FOLDER
        settings.model_folder = str(package.folder)


class VOXRIG_OT_write_training(VoxrigOperator):
    """Write the file that trains a network on the collected shots, and copy the command that runs it.

    Training needs PyTorch outside Blender, takes minutes to hours and resumes where it stopped; its model is written beside the
    file, into the folder package
    """

    bl_idname = "voxrig.write_training"
    bl_label = "Write Training"
    bl_options = {"REGISTER"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a dataset."""
        return None if scene_settings(context.scene).show_folder else "Choose the folder of the show first"

    def run(self, context: Any) -> None:
        """Write the file beside the show's folder."""
        settings = scene_settings(context.scene)
        dataset = Path(bpy.path.abspath(settings.show_folder))
        title = settings.learn_title.strip() or dataset.name
        folder = Path(bpy.path.abspath(settings.learn_folder)) if settings.learn_folder else dataset.parent
        regions = tuple(region for region in REGIONS if region.upper() in settings.learn_regions)
        place = folder / f"{package_name(title)}-{settings.learn_network}.toml"
        command = write_training(dataset, settings.learn_network, regions, place)
        context.window_manager.clipboard = command
        self.report({"INFO"}, f"Run {command} where PyTorch is installed; the command is in the clipboard")


class VOXRIG_OT_check_learned(VoxrigOperator):
    """Check whether the character has all the controls that the chosen model was learned on"""

    bl_idname = "voxrig.check_learned"
    bl_label = "Check Controls"
    bl_options = {"REGISTER"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a learned model and a character."""
        settings = scene_settings(context.scene)
        model = chosen_model(settings)
        if settings.character is None:
            return NO_CHARACTER
        return None if model is not None and model.is_learned else "Choose a learned model first"

    def run(self, context: Any) -> None:
        """Name the missing controls. Raises RigError if none exists."""
        settings = scene_settings(context.scene)
        model = chosen_model(settings)
        if model is None:
            raise ModelError("No model is chosen; choose one under Model")
        learned = describe_model(read_description(model.folder))
        mapping, missing = map_learned(settings.character, learned)
        if missing:
            self.report({"WARNING"}, f"'{settings.character.name}' lacks {len(missing)} controls: {list_names(missing)}")
        else:
            self.report({"INFO"}, f"All {len(mapping.links)} controls of '{learned.title}' are there")


class VOXRIG_OT_add_region_model(VoxrigOperator):
    """Add a model that animates some face parts in place of the chosen one"""

    bl_idname = "voxrig.add_region_model"
    bl_label = "Add Model for Regions"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: Any) -> None:
        """Append a row with the chosen model, for the lips."""
        settings = scene_settings(context.scene)
        model = chosen_model(settings)
        row = settings.region_models.add()
        row.model_name = model.name if model is not None else ""
        row.regions = {"LIPS"}


class VOXRIG_OT_remove_region_model(VoxrigOperator):
    """Remove the model from its face parts; the chosen model animates them again"""

    bl_idname = "voxrig.remove_region_model"
    bl_label = "Remove Model for Regions"
    bl_options = {"REGISTER", "UNDO"}

    index: bpy.props.IntProperty(options={"HIDDEN"})  # pyright: ignore[reportInvalidTypeForm]

    def run(self, context: Any) -> None:
        """Remove the row."""
        settings = scene_settings(context.scene)
        settings.region_models.remove(self.index)


CLASSES = (
    VOXRIG_OT_learn_show,
    VOXRIG_OT_write_training,
    VOXRIG_OT_check_learned,
    VOXRIG_OT_add_region_model,
    VOXRIG_OT_remove_region_model,
)
register, unregister = make_registration(CLASSES)
