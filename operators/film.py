# SPDX-License-Identifier: GPL-3.0-or-later
"""A filmed or pictured face as curves: read once, written beside the film, and chosen as the curves of the next take."""

# pyright: reportInvalidTypeForm=false

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy

from ..animation.interchange import write_curves
from ..blender.frames import decode_frames, turns_films
from ..blender.registering import make_registration
from ..errors import PictureError
from ..inference.faces.films import Frame, has_pyav, read_decoded, read_frames
from ..inference.faces.performance import FilmedFace, read_face
from ..properties.access import scene_settings
from .base import VoxrigOperator


def read_film(
    scene: bpy.types.Scene, path: Path, *, calibrates: bool = True, with_mouth: bool = True
) -> tuple[Path, FilmedFace]:
    """Read a face into a file of curves beside the film and choose it; return the file and what was read.

    Without its mouth the film is chosen for brows, eyes, cheeks, nose and head, and the lips follow the chosen sound. A film
    ``calibrates`` itself: what it shows most of the time is taken for the face at rest. Raises VoxrigError, changing nothing.
    """
    read = read_face(path, reader=read_frames if has_pyav() else read_in_blender, calibrates=calibrates)
    output = path.with_name(f"{path.name}.face.csv")
    write_curves(output, read.curves)
    settings = scene_settings(scene)
    if with_mouth:
        settings.sound_source, settings.curves_file = "CURVES", str(output)
    else:
        settings.film = str(output)
    return output, read


def read_in_blender(path: Path) -> Iterator[Frame]:
    """Read the frames of a picture or a film by Blender's own decoders. Raises PictureError."""
    return read_decoded(path, decode_frames(path), turns_films=turns_films())


class VOXRIG_OT_read_film(VoxrigOperator):
    """Read the face of a film or a picture into curves beside it: shapes, head and gaze for the next take"""

    bl_idname = "voxrig.read_film"
    bl_label = "Face from Film"
    bl_options = {"REGISTER", "UNDO"}

    filepath: bpy.props.StringProperty(
        name="File", description="The film or picture to read", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )
    calibrate: bpy.props.BoolProperty(
        name="Take Out Rest",
        description="Take the expression that the film shows most of the time for the face at rest",
        default=True,
    )

    mouth: bpy.props.BoolProperty(
        name="Mouth Too",
        description="Also take the mouth from the film. Off lets the lips follow the chosen sound, which is closer",
        default=True,
    )

    def invoke(self, context: Any, event: bpy.types.Event) -> Any:
        """Ask for the film."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: Any) -> None:
        """Read the film."""
        if not self.filepath:
            raise PictureError("No film is chosen; choose one")
        output, read = read_film(
            context.scene, Path(bpy.path.abspath(self.filepath)), calibrates=self.calibrate, with_mouth=self.mouth
        )
        for sentence in read.warnings:
            self.report({"WARNING"}, sentence)
        self.report({"INFO"}, f"{read.curves.frame_count} frames of a face written to {output.name}")


CLASSES = (VOXRIG_OT_read_film,)
register, unregister = make_registration(CLASSES)
