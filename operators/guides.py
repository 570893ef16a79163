# SPDX-License-Identifier: GPL-3.0-or-later
"""Guides of a performance: words, a picture of a face, or a pose of the character, as sliders, presets, styles and keys."""

# pyright: reportInvalidTypeForm=false

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ..animation.curves import ChannelCurves
from ..animation.face.expression import load_expressions
from ..animation.feeling.faces import order_mix, pose_smiley, read_emotions, solve_mix
from ..animation.feeling.styles import read_style, write_weights
from ..animation.feeling.words import load_smiley_faces
from ..animation.life.channels import CHANNELS
from ..animation.rig.mapping import Target, apply_mapping
from ..blender import poses, rigs
from ..blender.registering import make_registration
from ..errors import PictureError, RigError, VoxrigError
from ..inference.faces.films import has_pyav, read_frames
from ..inference.faces.performance import ANGLE_NAMES, FilmedFace, read_face
from ..properties.access import scene_settings
from ..properties.links import active_mapping
from ..properties.models import offer_emotions, shown_emotions
from ..takes.sources import Description
from .animate import STYLE_MARK
from .base import NO_CHARACTER, VoxrigOperator
from .emotions import set_emotions, store_emotion_preset
from .film import read_in_blender
from .life import add_life_links
from .mapping import find_character

_MOUTH = ("jaw", "mouth", "tongue")

USES = [
    ("SLIDERS", "Emotion Sliders", "Set the emotion sliders to its emotions"),
    ("STYLE", "Style from Here", "Add a marker at the playhead: from there to the next one the line is played so"),
    ("PRESET", "Emotion Preset", "Save its emotions as a preset for this and all other files"),
]
"""Uses of a face, whoever made it."""
_KEY = ("KEY", "Keyed Pose", "Key the pose itself at the playhead; every take passes through it")


def mark_style(scene: bpy.types.Scene, words: str, frame: int | None = None) -> Any:
    """Add a marker from which on a line is played in a style; one at the same frame is replaced. Raises VoxrigError.

    ``frame`` is the playhead by default. Empty ``words`` return to the style of the whole take.
    """
    words = " ".join(words.split())
    note = read_style(words).note
    if note:
        raise VoxrigError(note)
    at = scene.frame_current if frame is None else frame
    for marker in [one for one in scene.timeline_markers if one.frame == at and one.name.split()[:1] == [STYLE_MARK]]:
        scene.timeline_markers.remove(marker)
    return scene.timeline_markers.new(f"{STYLE_MARK} {words}".rstrip(), frame=at)


def spread_style(scene: bpy.types.Scene) -> str:
    """Move the style in words into the sliders that it stands for, and empty it; returns what it was. Raises VoxrigError.

    Emotions that are set stay, as they do in a take.
    """
    settings = scene_settings(scene)
    if not settings.style.strip():
        raise VoxrigError("There is no style; write one in words, such as 'tired but relieved'")
    style = read_style(settings.style)
    if style.note:
        raise VoxrigError(style.note)
    offer_emotions(settings)
    if not any(slider.weight for slider in shown_emotions(settings)):
        set_emotions(scene, style.emotions)
    for name, factor in style.factors.items():
        setattr(settings, name, getattr(settings, name) * factor)
    settings.style = ""
    return style.describe()


def read_picture(path: Path, rest: Path | None = None) -> tuple[FilmedFace, dict[str, float]]:
    """Read the face of a picture, and its emotions beside ``rest``, the same face at rest, if there is one.

    The shapes are without those of the face at rest. Raises PictureError; a film is none.
    """
    reader = read_frames if has_pyav() else read_in_blender
    neutral = None
    if rest is not None:
        neutral = read_face(rest, reader=reader).curves
    read = read_face(path, reader=reader)
    if read.curves.frame_count > 1:
        raise PictureError(f"{path.name} is a film; choose a picture, or read it by Face from Film")
    names, values = read.curves.names, read.curves.values[0]
    shapes = len(names) - len(ANGLE_NAMES)
    table = None if neutral is None else dict(zip(names, neutral.values[0, :shapes].tolist()))
    return read, read_emotions(dict(zip(names[:shapes], values[:shapes].tolist())), table)


def pose_of_face(character_object: bpy.types.Object, curves: ChannelCurves, *, with_mouth: bool = False) -> dict[Target, float]:
    """Return the character's pose of a face (one row), by its mapping; without jaw, lips and tongue unless asked for.

    Raises RigError if no control follows.
    """
    wanted = [name for name in curves.names if with_mouth or not name.startswith(_MOUTH)]
    mapping = active_mapping(character_object)
    if not mapping.links:
        mapping = rigs.match_channels(find_character(character_object), wanted).mapping
    mapping, _ = add_life_links(character_object, mapping, Description("picture", CHANNELS))
    kept = {link.target for link in mapping.links if link.enabled and link.channel not in wanted}
    shown = apply_mapping(mapping, curves.select(wanted))
    # A control that the mouth moves too would be keyed to a mouth at rest.
    pose = {target: value for target, value in zip(shown.targets, shown.values[0].tolist()) if with_mouth or target not in kept}
    if not pose:
        raise RigError(f"No control of '{character_object.name}' follows the face; map its channels first")
    return pose


def emotions_of_pose(character_object: bpy.types.Object) -> dict[str, float]:
    """Return the emotions that come nearest to the pose that the character has now, the strongest first. Raises RigError."""
    mapping = active_mapping(character_object)
    rules = load_expressions()
    if not mapping.links:
        mapping = rigs.match_channels(find_character(character_object), list(rules.names)).mapping
    rows = np.vstack([np.zeros(len(rules.names)), rules.poses]).astype(np.float32)
    shown = apply_mapping(mapping, ChannelCurves(rules.names, 1.0, rows))
    present = poses.read_pose(shown.targets)
    moved = (shown.values[1:] - shown.values[0]).astype(np.float64)
    values = np.array([present[target] for target in shown.targets]) - shown.values[0]
    # Bones turn in radians and slide in metres: every control counts by how far the emotions move it.
    reach = np.maximum(np.abs(moved).max(axis=0), 1e-6)
    used = np.abs(moved).max(axis=0) > 1e-6
    return order_mix(rules.emotions, solve_mix((moved / reach)[:, used], (values / reach)[used]))


def use_emotions(scene: bpy.types.Scene, emotions: Mapping[str, float], use: str, name: str = "") -> str:
    """Use emotions for one of USES and return a sentence on it. Raises VoxrigError."""
    if not emotions:
        raise VoxrigError("The face shows no emotion that is clear enough; take a stronger one, or one beside its rest")
    words = write_weights(emotions)
    if use == "SLIDERS":
        set_emotions(scene, emotions)
        return f"Emotion sliders set: {words}"
    if use == "STYLE":
        mark_style(scene, words)
        return f"Style from frame {scene.frame_current} on: {words}"
    store_emotion_preset(name, emotions)
    return f"Emotion preset '{name.strip()}' saved: {words}"


class VOXRIG_OT_mark_style(VoxrigOperator):
    """Add a marker at the playhead from which on lines are played in this style, up to the next such marker"""

    bl_idname = "voxrig.mark_style"
    bl_label = "Style from Here"
    bl_options = {"REGISTER", "UNDO"}

    words: bpy.props.StringProperty(
        name="In Words",
        description="English words or smileys, such as 'furious, holding it back'. Empty returns to that of the whole take",
        options={"SKIP_SAVE"},
    )

    def invoke(self, context: Any, event: bpy.types.Event) -> Any:
        """Ask for the words."""
        self.words = self.words or scene_settings(context.scene).style
        return context.window_manager.invoke_props_dialog(self)

    def run(self, context: Any) -> None:
        """Add the marker."""
        marker = mark_style(context.scene, self.words)
        self.report({"INFO"}, f"'{marker.name}' from frame {marker.frame} on: {read_style(self.words).describe()}")


class VOXRIG_OT_spread_style(VoxrigOperator):
    """Move the style in words into the sliders that it stands for, where you can change it"""

    bl_idname = "voxrig.spread_style"
    bl_label = "Spread Style"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a style."""
        return None if scene_settings(context.scene).style.strip() else "Write a style in words first"

    def run(self, context: Any) -> None:
        """Move it."""
        self.report({"INFO"}, f"Set: {spread_style(context.scene)}")


class VOXRIG_OT_guide_picture(VoxrigOperator):
    """Read the face of a photo or drawing, and key its pose, set the emotions, or play the line so from here on"""

    bl_idname = "voxrig.guide_picture"
    bl_label = "Face from Picture"
    bl_options = {"REGISTER", "UNDO"}

    filepath: bpy.props.StringProperty(
        name="File", description="The picture to read", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )
    use: bpy.props.EnumProperty(name="Use", description="What becomes of the face", items=[_KEY, *USES], default="KEY")
    mouth: bpy.props.BoolProperty(
        name="Mouth Too", description="Also key jaw and lips, which usually follow the sound", default=False
    )
    name: bpy.props.StringProperty(name="Name", description="What to call the preset", options={"SKIP_SAVE"})
    rest: bpy.props.StringProperty(
        name="Face at Rest", description="Another picture, of the same face at rest", options={"SKIP_SAVE"}
    )

    def invoke(self, context: Any, event: bpy.types.Event) -> Any:
        """Ask for the picture."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: Any) -> None:
        """Read the picture and use it."""
        if not self.filepath:
            raise PictureError("No picture is chosen; choose one")
        scene, path = context.scene, Path(bpy.path.abspath(self.filepath))
        character = scene_settings(scene).character
        if self.use == "KEY" and character is None:
            raise RigError(NO_CHARACTER)
        rest = Path(bpy.path.abspath(self.rest)) if self.rest else None
        face, emotions = read_picture(path, rest)
        if self.use == "KEY":
            count = poses.key_pose(pose_of_face(character, face.curves, with_mouth=self.mouth), scene.frame_current)
            told = f"{count} controls keyed at frame {scene.frame_current}; takes that you animate now pass through them"
        else:
            told = use_emotions(scene, emotions, self.use, self.name or path.stem)
        for sentence in face.warnings:
            self.report({"WARNING"}, sentence)
        self.report({"INFO"}, told)


class VOXRIG_OT_guide_pose(VoxrigOperator):
    """Use the pose that the character has now: set the emotions that come nearest to it, save them, or play so from here on"""

    bl_idname = "voxrig.guide_pose"
    bl_label = "Emotions from Pose"
    bl_options = {"REGISTER", "UNDO"}

    use: bpy.props.EnumProperty(name="Use", description="What becomes of the pose", items=USES, default="SLIDERS")
    name: bpy.props.StringProperty(name="Name", description="What to call the preset", options={"SKIP_SAVE"})

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a character."""
        return None if scene_settings(context.scene).character is not None else NO_CHARACTER

    def invoke(self, context: Any, event: bpy.types.Event) -> Any:
        """Ask for the name of a preset."""
        return context.window_manager.invoke_props_dialog(self) if self.use == "PRESET" else self.execute(context)

    def run(self, context: Any) -> None:
        """Read the pose and use it."""
        emotions = emotions_of_pose(scene_settings(context.scene).character)
        self.report({"INFO"}, use_emotions(context.scene, emotions, self.use, self.name))


@functools.cache
def _list_smileys() -> tuple[tuple[str, str, str], ...]:
    """List all smileys for a menu: their names in capitals, smiley and name, and the feelings of each."""
    return tuple(
        (smiley_identifier(smiley.name), f"{face} {smiley.name}", write_weights(smiley.emotions))
        for face, smiley in load_smiley_faces().items()
    )


def smiley_identifier(name: str) -> str:
    """Return a smiley's Unicode name as an identifier, such as 'WINKING_FACE'."""
    return re.sub(r"[^A-Z0-9]+", "_", name.upper())


class VOXRIG_OT_guide_smiley(VoxrigOperator):
    """Choose a smiley and key its face at the playhead; every take that you animate then passes through it"""

    bl_idname = "voxrig.guide_smiley"
    bl_label = "Face from Smiley"
    bl_options = {"REGISTER", "UNDO"}
    bl_property = "smiley"

    smiley: bpy.props.EnumProperty(
        name="Smiley",
        description="The smiley whose face is keyed, by its name in Unicode",
        items=lambda _self, _context: _list_smileys(),
    )
    mouth: bpy.props.BoolProperty(name="Mouth Too", description="Also key jaw, lips and tongue", default=True)

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a character."""
        return None if scene_settings(context.scene).character is not None else NO_CHARACTER

    def invoke(self, context: Any, event: bpy.types.Event) -> Any:
        """Offer all smileys with a search."""
        context.window_manager.invoke_search_popup(self)
        return {"FINISHED"}

    def run(self, context: Any) -> None:
        """Key the face."""
        scene = context.scene
        found = next(one for one in load_smiley_faces().values() if smiley_identifier(one.name) == self.smiley)
        pose = pose_of_face(scene_settings(scene).character, pose_smiley(found), with_mouth=self.mouth)
        count = poses.key_pose(pose, scene.frame_current)
        self.report({"INFO"}, f"{found.name.capitalize()}: {count} controls keyed at frame {scene.frame_current}")


CLASSES = (
    VOXRIG_OT_mark_style,
    VOXRIG_OT_spread_style,
    VOXRIG_OT_guide_picture,
    VOXRIG_OT_guide_pose,
    VOXRIG_OT_guide_smiley,
)
register, unregister = make_registration(CLASSES)
