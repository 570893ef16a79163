# SPDX-License-Identifier: GPL-3.0-or-later
"""The Redo panel (F9) of operators that generate: the sliders of the scene as properties of the operator."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bpy

from ..errors import VoxrigError
from ..properties import VOXRIG_PG_scene, scene_settings, session

SLIDERS = (
    "strength",
    "jaw_strength",
    "lips_strength",
    "smoothing",
    "lead",
    "keys",
    "density",
    "key_step",
    "key_phase",
    "replace_edited",
)
"""Settings of the scene that every take depends on and that are worth a second try right after it."""

_KEYS_ONLY = {"density": "SPARSE", "key_step": "STEP", "key_phase": "STEP"}
# Not shown, but moved by 'lead'.
_BEHIND = ("own_lead", "has_own_lead")


def as_operator_properties(names: tuple[str, ...]) -> dict[str, Any]:
    """Annotations for an operator: the scene's properties of these names, without what hangs on the scene."""
    found: dict[str, Any] = {}
    for name in names:
        stored: Any = VOXRIG_PG_scene.__annotations__[name]
        keywords = {key: value for key, value in stored.keywords.items() if key not in ("get", "set", "update")}
        # A setting that was made for one take is not the start of the next one: the scene's is.
        keywords["options"] = {"SKIP_SAVE"} | (keywords.get("options", set()) & {"ENUM_FLAG"})
        found[name] = stored.function(**keywords)
    return found


class RedoSettings:
    """What an operator inherits, before GeneratingOperator, for its Redo panel to show and change ``redo``.

    The properties start from the scene's when a person presses the button; those that are set (in the panel or by a
    script) become the scene's, so that the sliders go on showing what the take was made with.
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
        """At once, with the operator's own settings: for scripts and the Redo panel."""
        with self._settings_applied(context.scene):
            super().run(context)  # pyright: ignore[reportAttributeAccessIssue]

    def _start(self: Any, scene: bpy.types.Scene) -> None:
        with self._settings_applied(scene):
            super()._start(scene)  # pyright: ignore[reportAttributeAccessIssue]

    @contextmanager
    def _settings_applied(self: Any, scene: bpy.types.Scene) -> Iterator[None]:
        settings: Any = scene_settings(scene)
        before = {name: getattr(settings, name) for name in (*self.redo, *_BEHIND)}
        # The take before this one must not follow the sliders to where they are set here.
        follow, session.on_slider = session.on_slider, None
        try:
            for name in self.redo:
                if self.properties.is_property_set(name) and getattr(self, name) != before[name]:
                    setattr(settings, name, getattr(self, name))
            yield
        except VoxrigError:
            for name, value in before.items():
                setattr(settings, name, value)
            raise
        finally:
            session.on_slider = follow

    def draw(self: Any, context: Any) -> None:
        """Draw the settings that count for the kind of keys that is chosen."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in self.redo:
            if name not in _KEYS_ONLY or self.keys == _KEYS_ONLY[name]:
                layout.prop(self, name)
