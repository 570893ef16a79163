# SPDX-License-Identifier: GPL-3.0-or-later
"""The Redo panel (F9) of operators that generate: the scene's sliders as properties of the operator."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bpy

from ..errors import VoxrigError
from ..properties.access import scene_settings
from ..properties.scene import VOXRIG_PG_scene
from ..properties.session import session
from ..properties.settings import TakeProperties
from ..takes.settings import Scope, list_settings

_ROWS = [row for row in (*list_settings(), *list_settings(Scope)) if row.redo]
# Face parts have sliders in the Redo panel if they have their own option.
SLIDERS = tuple(name for row in _ROWS for name in row.panel_names() if not row.regions or name.split("_")[0] in row.shortcuts)
"""Settings of the scene that every take depends on and that are worth another try right after it."""

_KEYS_ONLY = {row.panel: row.only_for for row in _ROWS if row.only_for}
# Hidden, but moved by 'lead' and 'life'.
_BEHIND = ("own_lead", "has_own_lead", "own_life", "has_own_life")


def as_operator_properties(names: tuple[str, ...]) -> dict[str, Any]:
    """Return annotations for an operator: the scene's properties of these names, without the callbacks of the scene."""
    found: dict[str, Any] = {}
    for name in names:
        stored: Any = {**TakeProperties.__annotations__, **VOXRIG_PG_scene.__annotations__}[name]
        keywords = {key: value for key, value in stored.keywords.items() if key not in ("get", "set", "update")}
        # A setting made for one take is not the start of the next one: the scene's is.
        keywords["options"] = {"SKIP_SAVE"} | (keywords.get("options", set()) & {"ENUM_FLAG"})
        found[name] = stored.function(**keywords)
    return found


class RedoSettings:
    """Mixin for an operator, before GeneratingOperator, whose Redo panel shows and changes ``redo``.

    The properties start from the scene's when a person presses the button; those that are set (in the panel or by a script)
    become the scene's, so that the sliders keep showing the settings of the take.
    """

    redo: tuple[str, ...] = SLIDERS
    __annotations__ = as_operator_properties(SLIDERS)

    def invoke(self: Any, context: Any, event: bpy.types.Event) -> Any:
        """Start from the scene's settings."""
        settings = scene_settings(context.scene)
        for name in self.redo:
            if not self.properties.is_property_set(name):
                setattr(self, name, getattr(settings, name))
        return super().invoke(context, event)  # pyright: ignore[reportAttributeAccessIssue]

    def run(self: Any, context: Any) -> None:
        """Run at once with the operator's own settings, for scripts and the Redo panel."""
        with self._settings_applied(context.scene):
            super().run(context)  # pyright: ignore[reportAttributeAccessIssue]

    def _start(self: Any, scene: bpy.types.Scene) -> None:
        with self._settings_applied(scene):
            super()._start(scene)  # pyright: ignore[reportAttributeAccessIssue]

    @contextmanager
    def _settings_applied(self: Any, scene: bpy.types.Scene) -> Iterator[None]:
        settings: Any = scene_settings(scene)
        before = {name: getattr(settings, name) for name in (*self.redo, *_BEHIND)}
        # The take before this one must not follow the sliders when they are set here.
        with session.hooks_paused():
            try:
                for name in self.redo:
                    if self.properties.is_property_set(name) and getattr(self, name) != before[name]:
                        setattr(settings, name, getattr(self, name))
                yield
            except VoxrigError:
                for name, value in before.items():
                    setattr(settings, name, value)
                raise

    def draw(self: Any, context: Any) -> None:
        """Draw the settings that count for the chosen kind of keys."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in self.redo:
            if name not in _KEYS_ONLY or self.keys == _KEYS_ONLY[name]:
                layout.prop(self, name)
