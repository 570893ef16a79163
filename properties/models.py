# SPDX-License-Identifier: GPL-3.0-or-later
"""Model packages to choose from, and their emotions."""

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy

from ..errors import ModelError
from ..inference.package import bundled_packages, read_description
from ..inference.session import expected_provider
from .access import PACKAGE, preferences
from .session import session

OTHER_FOLDER = "FOLDER"


DEFAULT_MODEL = "speech"


@dataclass(frozen=True)
class ModelEntry:
    """One model package in the list; ``channels`` are (name, group). The remaining fields are empty for a damaged one.

    ``regions`` are the face parts and ``maxima`` the largest values of the channels, by name. ``is_learned`` is set if it was
    learned on a rig and drives that rig's own controls, ``draws_takes`` if each seed is another performance of it.
    """

    name: str
    title: str
    description: str
    folder: Path
    channels: tuple[tuple[str, str], ...] = ()
    emotions: tuple[str, ...] = ()
    regions: dict[str, str] = field(default_factory=dict)
    maxima: dict[str, float] = field(default_factory=dict)
    lead_seconds: float = 0.0
    is_learned: bool = False
    draws_takes: bool = False


@functools.cache
def list_models(extra_folder: str = "") -> tuple[ModelEntry, ...]:
    """List the bundled models and those in ``extra_folder``, from their descriptions only; read once, then cached."""
    folders = bundled_packages()
    if extra_folder:
        folders += sorted(path.parent for path in Path(extra_folder).glob("*/model.json"))
    return tuple(read_model_entry(str(folder)) for folder in folders)


@functools.cache
def read_model_entry(folder: str) -> ModelEntry:
    """Return the list entry of the package in ``folder``; a damaged one is marked. Read once, then cached."""
    path = Path(folder)
    try:
        package = read_description(path)
    except ModelError as error:
        return ModelEntry(path.name, f"{path.name} (damaged)", str(error), path)
    channels = tuple((channel.name, channel.group) for channel in package.channels)
    description = f"Version {package.version}, {len(channels)} channels at {package.frame_rate:g} frames a second"
    regions = {channel.name: channel.region for channel in package.channels}
    maxima = {channel.name: channel.maximum for channel in package.channels}
    return ModelEntry(
        package.name,
        package.title,
        description,
        path,
        channels,
        package.emotions,
        regions,
        maxima,
        package.lead_seconds,
        bool(package.targets),
        package.drawing is not None,
    )


def shown_provider() -> str:
    """Return 'CUDA' or 'CPU': the provider of the session's last run, or else the one that the next will most likely use."""
    return session.provider or expected_provider(preferences().provider)


def forget_models() -> None:
    """Read the descriptions again at the next access, because files or folders have changed."""
    list_models.cache_clear()
    read_model_entry.cache_clear()
    model_items.cache_clear()


@functools.cache
def model_items(extra_folder: str) -> list[tuple[str, str, str, str, int]]:
    # Blender keeps no reference to the texts of a dynamic enum, so the list must stay alive here.
    entries = list_models(extra_folder)
    items = [(entry.name, entry.title, entry.description, "SOUND", i) for i, entry in enumerate(entries)]
    about = "A model package of your own, such as one that was trained on your show"
    return [*items, (OTHER_FOLDER, "Other Folder", about, "FILE_FOLDER", len(items))]


def get_model(group: Any) -> int:
    items = model_items(own_models_folder())
    return next((i for i, item in enumerate(items) if item[0] == group.model_name), len(items) - 1)


def set_model(group: Any, value: int) -> None:
    group.model_name = model_items(own_models_folder())[value][0]
    offer_emotions(group)


def chosen_model(settings: Any) -> ModelEntry | None:
    """Return the model of the scene, or None while no folder is chosen. Cheap enough for drawing."""
    entry = find_model_entry(settings.model_name)
    if entry is None and settings.model_folder:
        entry = read_model_entry(bpy.path.abspath(settings.model_folder))
    return entry


def find_model_entry(name: str) -> ModelEntry | None:
    """Find a model by name, or by a folder given as a name; None if there is none."""
    for entry in list_models(own_models_folder()):
        if entry.name == name:
            return entry
    is_folder = name not in ("", OTHER_FOLDER) and (Path(bpy.path.abspath(name)) / "model.json").is_file()
    return read_model_entry(bpy.path.abspath(name)) if is_folder else None


def default_model() -> ModelEntry | None:
    """Return the bundled speech model."""
    return next((entry for entry in list_models() if entry.name == DEFAULT_MODEL), None)


def own_models_folder() -> str:
    """Return the folder of the user's own models: that of the preferences, else the extension's; '' if it is not installed as
    one."""
    chosen = preferences().models_folder
    if chosen:
        return chosen
    try:
        return bpy.utils.extension_path_user(PACKAGE, path="models")
    except ValueError:
        return ""


def offer_emotions(settings: Any) -> None:
    """Add a slider for every emotion of the chosen model; sliders of other models are kept for their return."""
    for name in _emotion_names(settings):
        if name not in settings.emotions:
            settings.emotions.add().name = name


def shown_emotions(settings: Any) -> list[Any]:
    """Return the sliders of the chosen model's emotions and those for face parts, in order."""
    return [settings.emotions[name] for name in _emotion_names(settings) if name in settings.emotions]


def _emotion_names(settings: Any) -> list[str]:
    entries = [chosen_model(settings), *(find_model_entry(chosen.model_name) for chosen in settings.region_models)]
    return list(dict.fromkeys(name for entry in entries if entry is not None for name in entry.emotions))
