# SPDX-License-Identifier: GPL-3.0-or-later
"""The character that is found when none is chosen, and Add Demo Character."""

from typing import Any

import bpy

from ..blender import speakers, staging
from ..blender.demo_character import LINE, build_character
from ..blender.registering import make_registration
from ..properties.access import scene_settings
from ..properties.models import chosen_model, default_model
from ..properties.session import session
from .base import VoxrigOperator, redraw_panel
from .later import Waiting

_searched: list[tuple[tuple[Any, ...], str]] = []
"""The scene as it was at the last search, and the name of the character found, or empty."""


def find_speaker(scene: bpy.types.Scene) -> bpy.types.Object | None:
    """Find the character that is meant in the window's view layer of a scene; None if there is none, or more than one.

    One that the user has taken out of the field in this session is not found again.
    """
    context: Any = bpy.context
    view_layer = context.view_layer if context.scene == scene else scene.view_layers[0]
    model = chosen_model(scene_settings(scene)) or default_model()
    names = [name for name, _group in model.channels] if model is not None else []
    return speakers.find_speaker(view_layer, names, lambda item: (scene.name, item.name) in session.declined)


def found_speaker(scene: bpy.types.Scene) -> bpy.types.Object | None:
    """Return what ``find_speaker`` finds; it only searches again once something else is active, added or removed.

    While a sound is dragged over a window this is asked all the time.
    """
    now = _describe(scene)
    if not _searched or _searched[0][0] != now:
        found = find_speaker(scene)
        _searched[:] = [(now, found.name if found is not None else "")]
    return scene.objects.get(_searched[0][1]) if _searched[0][1] else None


def _describe(scene: bpy.types.Scene) -> tuple[Any, ...]:
    context: Any = bpy.context
    objects = context.view_layer.objects
    active = objects.active
    return scene.name, len(objects), active.name if active is not None else "", scene_settings(scene).model_name


def choose_speaker(scene: bpy.types.Scene) -> bool:
    """Choose the character that is meant if none is chosen; returns whether one is chosen now."""
    settings = scene_settings(scene)
    if settings.character is None:
        found = found_speaker(scene)
        if found is not None:
            settings.character = found
    return settings.character is not None


def notice_missing(scene: bpy.types.Scene) -> None:
    """Look for a character soon, unless nothing has changed since the last search. Cheap and safe to call while drawing."""
    if not _looking.is_pending and (not _searched or _searched[0][0] != _describe(scene)):
        _looking.call(scene)


def _look(scene: bpy.types.Scene) -> None:
    choose_speaker(scene)
    redraw_panel(bpy.context)


_looking = Waiting(_look, 0.05)


class VOXRIG_OT_add_demo_character(VoxrigOperator):
    """Add a head with 52 ARKit shapes, jaw and brows on bones, and choose it. Without a chosen sound a sentence comes along"""

    bl_idname = "voxrig.add_demo_character"
    bl_label = "Add Demo Character"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require Object Mode."""
        return None if context.mode == "OBJECT" else "Leave this mode first; objects are added in Object Mode"

    def run(self, context: Any) -> None:
        """Build the head beside what is there, select it, choose it, and look at it."""
        settings = scene_settings(context.scene)
        others = [item for item in context.view_layer.objects if item.type in {"MESH", "CURVE", "SURFACE", "FONT"}]
        made = build_character()
        staging.put_beside(made.armature, made.meshes, others)
        context.view_layer.update()
        staging.select_only(context.view_layer, [made.armature, made.face])
        settings.character = made.armature
        if settings.sound_source == "FILE" and not settings.sound_file:
            settings.sound_file = str(LINE)
        if context.area is not None and context.area.type == "VIEW_3D" and not bpy.app.background:
            region = next(region for region in context.area.regions if region.type == "WINDOW")
            with context.temp_override(region=region):
                bpy.ops.view3d.view_axis(type="FRONT")
                bpy.ops.view3d.view_selected()


CLASSES = (VOXRIG_OT_add_demo_character,)
_register_classes, _unregister_classes = make_registration(CLASSES)


def register() -> None:
    """Register the operator, and let the panel ask for a character."""
    _register_classes()
    session.on_missing_character = notice_missing


def unregister() -> None:
    """Undo ``register``."""
    session.on_missing_character = None
    _looking.cancel()
    _searched.clear()
    session.declined.clear()
    _unregister_classes()
