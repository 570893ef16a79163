# SPDX-License-Identifier: GPL-3.0-or-later
"""Calibrate: the artist poses the character for a channel or a viseme, and that pose becomes the channel's targets."""

# pyright: reportInvalidTypeForm=false

import json
from typing import Any

import bpy

from ..animation.rig.mapping import Link, Target
from ..blender import poses
from ..blender.registering import make_registration
from ..errors import RigError
from ..properties.access import character_settings, scene_settings, window_settings
from ..properties.links import check_editable, fill_link, find_owner, read_link
from ..properties.models import chosen_model
from .mapping import CharacterOperator, find_character


def calibrate_channel(
    character_object: bpy.types.Object,
    channel: str,
    *,
    full: float = 1.0,
    action: bpy.types.Action | None = None,
    frame: float = 1.0,
    return_to_neutral: bool = True,
) -> list[Link]:
    """Use the character's current pose, or that of ``action`` at ``frame``, as the look of ``channel`` when it is ``full``.

    Every free control and bone transform that differs from the neutral pose (``store_neutral_pose``, else the rest pose)
    becomes a target; they replace the channel's links, and the links of other channels stay. The character returns to the
    neutral pose unless ``return_to_neutral`` is off. Nothing is keyed. Returns the new links; raises RigError, changing
    nothing.
    """
    check_editable(character_object)
    if not channel:
        raise RigError("No channel is chosen; choose the channel or viseme that the pose stands for")
    character = find_character(character_object)
    targets = poses.list_pose_targets(character)
    if not targets:
        raise RigError(
            f"'{character_object.name}' has no free control and no free bone; choose another character or unlock its bones"
        )
    neutral = read_neutral_pose(character_object, targets)
    pose = poses.read_action_pose(character, action, frame) if action is not None else poses.read_pose(targets)
    links = poses.links_from_pose(channel, neutral, pose, full)
    owners = [find_owner(link.target) for link in links]
    _replace_links(character_object, channel, links, owners)
    if return_to_neutral and action is None:
        poses.set_pose({target: neutral[target] for target, value in pose.items() if value != neutral[target]})
    return links


def store_neutral_pose(character_object: bpy.types.Object) -> int:
    """Store the character's pose as the neutral one for Calibrate; returns how many values differ from rest.

    Raises RigError, changing nothing.
    """
    check_editable(character_object)
    targets = poses.list_pose_targets(find_character(character_object))
    pose, rest = poses.read_pose(targets), poses.rest_pose(targets)
    moved = [
        [target.id_type, target.id_name, target.data_path, target.array_index, value]
        for target, value in pose.items()
        if value != rest[target]
    ]
    character_settings(character_object).neutral_pose = json.dumps(moved, ensure_ascii=False) if moved else ""
    return len(moved)


def read_neutral_pose(character_object: bpy.types.Object, targets: list[Target]) -> poses.Pose:
    """Read the stored neutral pose over the rest pose of everything in ``targets``."""
    pose = poses.rest_pose(targets)
    stored = character_settings(character_object).neutral_pose
    for id_type, id_name, data_path, array_index, value in json.loads(stored) if stored else ():
        target = Target(id_type, id_name, data_path, array_index)
        if target in pose:  # anything renamed or deleted is at rest again
            pose[target] = value
    return pose


def return_to_neutral_pose(character_object: bpy.types.Object) -> int:
    """Put the character into its neutral pose without keying; returns how many values changed. Raises RigError."""
    targets = poses.list_pose_targets(find_character(character_object))
    neutral = read_neutral_pose(character_object, targets)
    moved = {target: neutral[target] for target, value in poses.read_pose(targets).items() if value != neutral[target]}
    poses.set_pose(moved)
    return len(moved)


def _replace_links(character_object: bpy.types.Object, channel: str, links: list[Link], owners: list[Any]) -> None:
    """Insert the new links at the channel's first old one, and give the targets' other links the new rest."""
    group = character_settings(character_object)
    old = [i for i, stored in enumerate(group.links) if stored.channel == channel]
    for i in reversed(old):
        group.links.remove(i)
    rests = {link.target: link.rest for link in links}
    for stored in group.links:
        try:
            target = read_link(stored).target
        except RigError:  # broken links are for Repair
            continue
        if target in rests:
            stored.rest = rests[target]
    place = old[0] if old else len(group.links)
    for i, (link, owner) in enumerate(zip(links, owners)):
        fill_link(group.links.add(), link, owner)
        group.links.move(len(group.links) - 1, place + i)
    group.active_link = place


def list_pose_sources(_operator: Any, _context: Any, typed: str) -> list[tuple[str, str]]:
    """List sources of a pose: the file's pose assets first, then its other Actions."""
    found = [(action.name, "Pose Asset" if action.asset_data is not None else "Action") for action in bpy.data.actions]
    return sorted((entry for entry in found if typed.lower() in entry[0].lower()), key=lambda entry: entry[1] == "Action")


class CalibrateOperator(CharacterOperator):
    """Base of the two ways to provide a pose."""

    channel: bpy.props.StringProperty(
        name="Channel", description="Channel or viseme that the pose stands for", options={"SKIP_SAVE"}
    )
    action: bpy.props.StringProperty(
        name="Pose",
        description="Take the pose from this pose asset or other Action instead",
        search=list_pose_sources,
        options={"SKIP_SAVE"},
    )
    frame: bpy.props.FloatProperty(name="Frame", description="Frame of the Action that holds the pose", default=1.0)
    return_to_neutral: bpy.props.BoolProperty(
        name="Return to Neutral", description="Put the character back into its neutral pose afterwards", default=True
    )

    def run(self, context: Any) -> None:
        """Calibrate the channel of the field above the button, or the given one."""
        channel = self.channel or window_settings(context.window_manager).channel
        action = None
        if self.action:
            action = bpy.data.actions.get(self.action)
            if action is None:
                raise RigError(f"There is no Action '{self.action}' in this file; choose another one")
            if action.asset_data is not None:
                self.frame = action.frame_range[0]
        settings = scene_settings(context.scene)
        model = chosen_model(settings)
        full = model.maxima.get(channel, 1.0) if model is not None else 1.0
        links = calibrate_channel(
            settings.character,
            channel,
            full=full,
            action=action,
            frame=self.frame,
            return_to_neutral=self.return_to_neutral,
        )
        self.report({"INFO"}, f"'{channel}' is now this pose ({len(links)} control{'s' if len(links) != 1 else ''})")
        if model is not None and channel not in model.maxima:
            self.report({"WARNING"}, f"{model.title} has no channel '{channel}': the pose waits for a model that has it")


class VOXRIG_OT_calibrate(CalibrateOperator):
    """Make the character's current pose the full look of a channel or viseme, such as a fully open jaw.

    Every control and bone that you moved becomes a target of the channel. The character returns to neutral
    """

    bl_idname = "voxrig.calibrate"
    bl_label = "Calibrate"
    bl_options = {"REGISTER", "UNDO"}


class VOXRIG_OT_calibrate_from_action(CalibrateOperator):
    """Take the pose of a channel from a pose asset of this file or from a frame of an Action.

    The character itself does not move
    """

    bl_idname = "voxrig.calibrate_from_action"
    bl_label = "Calibrate from Action"
    bl_options = {"REGISTER", "UNDO"}

    def invoke(self, context: Any, event: bpy.types.Event) -> Any:
        """Ask for the Action and the frame."""
        self.channel = window_settings(context.window_manager).channel
        self.frame = float(context.scene.frame_current)
        return context.window_manager.invoke_props_dialog(self)

    def draw(self, context: Any) -> None:
        """Draw the dialog: channel, pose asset or Action, frame."""
        layout: Any = self.layout
        layout.use_property_split = True
        layout.prop(self, "channel")
        layout.prop(self, "action")
        action = bpy.data.actions.get(self.action)
        # A pose asset is one frame.
        if action is None or action.asset_data is None:
            layout.prop(self, "frame")

    def run(self, context: Any) -> None:
        """Calibrate from the chosen Action."""
        if not self.action:
            raise RigError("No Action is chosen; choose the Action or pose asset that holds the pose")
        super().run(context)


class VOXRIG_OT_store_neutral_pose(CharacterOperator):
    """Make the character's current pose the neutral one that Calibrate compares with.

    By default it is the rig's rest pose; press this in the rest pose to return to that
    """

    bl_idname = "voxrig.store_neutral_pose"
    bl_label = "Store Neutral Pose"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: Any) -> None:
        """Store the pose and report how much of it is not at rest."""
        count = store_neutral_pose(scene_settings(context.scene).character)
        self.report({"INFO"}, f"Neutral pose stored: {count} values away from rest" if count else "Neutral is the rest pose")


class VOXRIG_OT_return_to_neutral(CharacterOperator):
    """Put every free control and bone of the character into the neutral pose, without keying"""

    bl_idname = "voxrig.return_to_neutral"
    bl_label = "Restore Neutral Pose"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: Any) -> None:
        """Return to neutral and report how much moved."""
        count = return_to_neutral_pose(scene_settings(context.scene).character)
        self.report({"INFO"}, f"{count} values returned to neutral")


CLASSES = (
    VOXRIG_OT_calibrate,
    VOXRIG_OT_calibrate_from_action,
    VOXRIG_OT_store_neutral_pose,
    VOXRIG_OT_return_to_neutral,
)
register, unregister = make_registration(CLASSES)
