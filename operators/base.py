# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of all operators: one way to report errors, one reason why a button is grey.

Contexts are ``Any`` here and in the panels: the stubs of Blender's API take the members of a context for methods.
"""

from collections.abc import Iterator
from typing import Any

import bpy

from ..blender import poses
from ..errors import Cancelled, VoxrigError

NO_CHARACTER = "Choose a character first: a mesh with shape keys or an armature"
"""Why most buttons are grey in a new file."""


class VoxrigOperator(bpy.types.Operator):
    """Base of every operator: subclasses do their work in ``run`` and return in ``disabled_reason`` why they cannot.

    Their docstring is the button's tooltip.
    """

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Join the lines of the docstring, which Blender would show with its line breaks and indents."""
        super().__init_subclass__(**keywords)
        cls.bl_description = " ".join((cls.__doc__ or "").split())

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Return a phrase on why the button is grey, or None. Called on every redraw, so it only reads properties."""
        return None

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Answer Blender by ``disabled_reason``."""
        reason = cls.disabled_reason(context)
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def run(self, context: Any) -> None:
        """Do the work; raises VoxrigError before anything has changed."""
        raise NotImplementedError

    def execute(self, context: Any) -> Any:
        """Run to the end; an error that the user can fix is reported once and changes nothing."""
        # Values of a preview must not be stored or taken for the artist's pose.
        poses.end_preview()
        return self.guard(self.run, context)

    def guard(self, work: Any, *arguments: Any) -> Any:
        """Call ``work``; returns {'FINISHED'}, or {'CANCELLED'} after reporting a problem that the user can fix."""
        try:
            work(*arguments)
        except VoxrigError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        except Cancelled:
            return {"CANCELLED"}
        return {"FINISHED"}


def redraw_panel(context: Any) -> None:
    """Redraw only the sidebars that show the Voxrig tab."""
    for region in _regions(context, {"VIEW_3D"}):
        if region.type == "UI" and region.active_panel_category == "Voxrig":
            region.tag_redraw()


def redraw_animation_editors(context: Any) -> None:
    """Redraw the editors that the waveform strip is drawn in."""
    for region in _regions(context, {"VIEW_3D", "DOPESHEET_EDITOR", "GRAPH_EDITOR"}):
        if region.type == "WINDOW":
            region.tag_redraw()


def _regions(context: Any, area_types: set[str]) -> Iterator[Any]:
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in area_types:
                yield from area.regions
