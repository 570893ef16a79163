# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender properties made from the table of settings (takes/settings.py), and the way back to its values."""

import json
from collections.abc import Callable
from typing import Any

import bpy

from ..animation.face.channels import REGIONS
from ..animation.face.emotions import Emotion
from ..blender import compat
from ..blender import scene as scenes
from ..errors import ModelError, VoxrigError
from ..takes.record import CurvesFile, SoundChoice, SoundFile, SoundStrip, read_record
from ..takes.settings import WRITING, RegionModel, Scope, Setting, TakeSettings, find_setting, list_settings, settings_to_data
from .access import preferences, scene_settings
from .models import chosen_model, find_model_entry, shown_emotions
from .session import Estimate, session
from .takes import active_take, calm_of

REGION_STRENGTHS = tuple(region for region in REGIONS if region not in find_setting("region_strengths").shortcuts)
"""Face parts whose strength is only in the Regions panel; those of jaw and lips are axes of the articulation."""

_SECONDS: dict[str, Any] = {"subtype": "TIME_ABSOLUTE", "unit": "TIME_ABSOLUTE", "step": 1, "precision": 3}
_UNITS: dict[str, dict[str, Any]] = {
    "factor": {"subtype": "FACTOR"},
    "seconds": _SECONDS,
    "milliseconds": {"step": 500, "precision": 0},
}


def slider_moved(group: Any, _context: Any) -> None:
    """Let the chosen take and the estimate follow a slider."""
    if session.on_slider is not None:
        session.on_slider(group.id_data)
    if session.on_estimate is not None:
        session.on_estimate(group.id_data)


def emotion_moved(group: Any, _context: Any) -> None:
    """Let the chosen take and the estimate follow an emotion."""
    if session.on_emotion is not None:
        session.on_emotion(group.id_data)
    if session.on_estimate is not None:
        session.on_estimate(group.id_data)


# ---------------------------------------------------------------------------------------------------------------
# From the table to properties


def make_property(row: Setting, region: str = "") -> Any:
    """Return the Blender property of a setting, or of its slider for one face part."""
    # Without a context Blender's own translations would take a face for a polygon and a speaker for a loudspeaker.
    keywords: dict[str, Any] = {
        "name": row.label,
        "description": row.help,
        "options": set[str](),
        "translation_context": "Voxrig",
    }
    if region:
        keywords |= {"name": row.regions[region].label, "description": row.regions[region].help}
    if row.step != WRITING:
        keywords["update"] = slider_moved
    default: Any = row.resting if row.regions else row.default
    if row.kind == "switch":
        return bpy.props.BoolProperty(default=default, **keywords)
    if row.kind in ("text", "script"):
        return bpy.props.StringProperty(default=default, **keywords)
    if row.kind == "choice":
        shown = [choice for choice in row.choices if choice.name != "NEW_SLOT" or compat.has_slots()]
        items = [(choice.name, choice.label, choice.help) for choice in shown]
        return bpy.props.EnumProperty(items=items, default=default, **keywords)
    limits = {"min": row.minimum, "max": row.maximum, "soft_min": row.soft_minimum, "soft_max": row.soft_maximum}
    scaled = {name: limit * row.panel_divisor for name, limit in limits.items() if limit is not None}
    if row.kind == "whole":
        return bpy.props.IntProperty(default=default, **{name: int(limit) for name, limit in scaled.items()}, **keywords)
    return bpy.props.FloatProperty(default=(default or 0.0) * row.panel_divisor, **scaled, **_UNITS[row.panel_unit], **keywords)


def _get_lead(group: Any) -> float:
    model = chosen_model(group)
    return group.own_lead if group.has_own_lead or model is None else 1000.0 * model.lead_seconds


def _set_lead(group: Any, value: float) -> None:
    group.own_lead, group.has_own_lead = value, True


def _make_lead(row: Setting) -> Any:
    """Make the lead, which shows the chosen model's own until it is set."""
    made = make_property(row)
    return made.function(**{**made.keywords, "get": _get_lead, "set": _set_lead})


def _get_life(group: Any) -> float:
    return group.own_life if group.has_own_life else preferences().life


def _set_life(group: Any, value: float) -> None:
    group.own_life, group.has_own_life = value, True


def _make_life(row: Setting) -> Any:
    """Make the life, which shows that of the preferences until it is set."""
    made = make_property(row)
    return made.function(**{**made.keywords, "get": _get_life, "set": _set_life})


def _make_intensity(row: Setting) -> Any:
    """Make the intensity of the emotions, which may be animated."""
    made = make_property(row)
    keywords = {name: value for name, value in made.keywords.items() if name != "options"}
    return made.function(**{**keywords, "update": emotion_moved})


_BY_HAND: dict[str, Callable[[Setting], Any] | None] = {
    "lead_seconds": _make_lead,
    "life": _make_life,
    "emotion_intensity": _make_intensity,
    # Lists, and a range with a switch: properties/scene.py declares them.
    **dict.fromkeys(("channels", "emotion", "emotion_first", "emotion_last", "emotion_fade", "region_models")),
}


def make_properties() -> dict[str, Any]:
    """Return all properties described by the table, by name, as annotations for a class."""
    made: dict[str, Any] = {}
    for row in (*list_settings(), *list_settings(Scope)):
        if row.regions:
            made |= {name: make_property(row, region) for name, region in zip(row.panel_names(), row.regions)}
        elif row.name in _BY_HAND:
            make = _BY_HAND[row.name]
            made |= {row.panel: make(row)} if make is not None else {}
        elif row.panel:
            made[row.panel] = make_property(row)
    return made


class TakeProperties:
    """The properties that VOXRIG_PG_scene inherits from the table of settings."""

    __annotations__ = make_properties()


# ---------------------------------------------------------------------------------------------------------------
# And back


def read_settings(scene: bpy.types.Scene) -> TakeSettings:
    """Return the scene's settings and the preferences as one value. Raises ModelError for a model that is gone."""
    settings, chosen = scene_settings(scene), preferences()
    values = {row.name: _read_value(scene, settings, row) for row in list_settings()}
    return TakeSettings(**values, provider=chosen.provider, threads=chosen.threads)


def _read_value(scene: bpy.types.Scene, settings: Any, row: Setting) -> Any:
    if row.name in _READERS:
        return _READERS[row.name](scene, settings)
    if row.regions:
        sliders = zip(row.regions, (getattr(settings, name) for name in row.panel_names()))
        return {region: value / row.panel_divisor for region, value in sliders if value != row.resting}
    value = getattr(settings, row.panel)
    return value / row.panel_divisor if row.kind == "number" else value


def _read_channels(_scene: Any, settings: Any) -> dict[str, tuple[float, float]]:
    moved = ((item.channel, (item.gain, item.offset)) for item in settings.channels)
    return {channel: pair for channel, pair in moved if pair != (1.0, 0.0)}


def _read_region_models(_scene: Any, settings: Any) -> tuple[RegionModel, ...]:
    found: list[RegionModel] = []
    for chosen in settings.region_models:
        entry = find_model_entry(chosen.model_name)
        if entry is None:
            raise ModelError(f"There is no model '{chosen.model_name}' for face parts; choose another one or remove it")
        found.append(RegionModel(entry.folder, tuple(region for region in REGIONS if region.upper() in chosen.regions)))
    return tuple(found)


def read_emotion(scene: bpy.types.Scene, holder: Any, name: str = "weight") -> Emotion:
    """Return a slider's weight, or if it is animated (frame, weight) points from its first to its last key."""
    return scenes.sample_animated(scene, holder.path_from_id(name), 0.0, 1.0) or float(getattr(holder, name))


_READERS: dict[str, Callable[[bpy.types.Scene, Any], Any]] = {
    "channels": _read_channels,
    "lead_seconds": lambda _scene, settings: settings.own_lead / 1000.0 if settings.has_own_lead else None,
    "emotion": lambda scene, settings: {item.name: read_emotion(scene, item) for item in shown_emotions(settings)},
    "emotion_intensity": lambda scene, settings: read_emotion(scene, settings, "emotion_intensity"),
    "emotion_first": lambda _scene, settings: float(settings.emotion_first) if settings.use_emotion_range else None,
    "emotion_last": lambda _scene, settings: float(settings.emotion_last) if settings.use_emotion_range else None,
    # Cues are of one line: they come from its markers, its script or the command line.
    "cues": lambda _scene, _settings: (),
    "calm": lambda _scene, settings: calm_of(settings.character) if settings.character is not None else "",
    "emotion_fade": lambda _scene, settings: settings.emotion_fade if settings.use_emotion_range else 0.0,
    "region_models": _read_region_models,
}


def read_sound_choice(scene: bpy.types.Scene) -> SoundChoice:
    """Return the sound that the scene's settings name."""
    settings = scene_settings(scene)
    if settings.sound_source == "STRIP":
        return SoundStrip(settings.strip)
    if settings.sound_source == "CURVES":
        return CurvesFile(settings.curves_file, float(settings.start_frame))
    return SoundFile(settings.sound_file, float(settings.start_frame))


# ---------------------------------------------------------------------------------------------------------------
# The basis of an estimate


def estimate_basis(scene: Any) -> tuple[object, ...]:
    """Return everything that the next take's keys depend on, as far as the scene holds it. Cheap enough for drawing."""
    settings = scene_settings(scene)
    character = settings.character.name if settings.character is not None else ""
    values: list[object] = [read_sound_choice(scene), settings.model, settings.model_folder]
    for row in list_settings():
        if row.step != WRITING and not (row.name in _BY_HAND and _BY_HAND[row.name] is None):
            values += [getattr(settings, name) for name in row.panel_names()]
    values += [
        tuple((item.channel, item.gain, item.offset) for item in settings.channels),
        tuple((item.model_name, tuple(sorted(item.regions))) for item in settings.region_models),
        settings.use_emotion_range and (settings.emotion_first, settings.emotion_last, settings.emotion_fade),
    ]
    sliders = [(item, "weight", item.name) for item in shown_emotions(settings)]
    for holder, name, label in (*sliders, (settings, "emotion_intensity", "")):
        keyed = scenes.describe_animated(scene, holder.path_from_id(name))
        values.append((label, keyed or getattr(holder, name)))
    return scene.name, scene.render.fps, scene.render.fps_base, character, *values


def sliders_differ(scene: Any) -> bool:
    """Return whether the sliders, with the keys on them, would make another take of the chosen one's sound.

    Cheap enough for drawing. False while there is no take, while it follows a slider, and where the scene names another sound
    or model.
    """
    stored = active_take(scene_settings(scene).character)
    if stored is None or stored.is_draft or session.run is not None:
        return False
    now = estimate_basis(scene), stored.record
    if not session.compared or session.compared[0][0] != now:
        session.compared[:] = [(now, _differ(scene, stored.record))]
    return session.compared[0][1]


def _differ(scene: Any, stored: str) -> bool:
    try:
        record, present = read_record(stored), read_settings(scene)
    except VoxrigError:
        return False
    model = chosen_model(scene_settings(scene))
    if model is None or record.sound != read_sound_choice(scene) or record.model_folder != model.folder:
        return False
    # As text and back, because a record knows no tuples.
    was, now = (json.loads(json.dumps(settings_to_data(each))) for each in (record.settings, present))
    # An emotion at 0 is none, and who is looked at may have come from the dialogue.
    for data in (was, now):
        data["emotion"] = {name: weight for name, weight in data["emotion"].items() if weight}
    written = {row.name for row in list_settings() if row.step == WRITING} | ({"look_at"} if not now["look_at"] else set())
    return any(was[name] != value for name, value in now.items() if name not in written)


def shown_estimate(scene: Any) -> str:
    """Return the estimate of a scene's next take, '' if there is none for the present state. Cheap enough for drawing."""
    known: Estimate | None = session.estimate
    return known.text if known is not None and known.basis == estimate_basis(scene) else ""
