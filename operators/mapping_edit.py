# SPDX-License-Identifier: GPL-3.0-or-later
"""Edit links: paste a data path, use a driver's source, mirror a side, list channels without a link."""

# pyright: reportInvalidTypeForm=false

from dataclasses import replace
from typing import Any

import bpy

from ..animation.rig.mapping import Link, Target
from ..animation.rig.names import mirror_name, normalise_name
from ..blender import poses, rigs
from ..blender.registering import make_registration
from ..blender.targets import describe_target, find_driver_source, limits_of, mirror_target, parse_data_path, rest_of
from ..errors import RigError
from ..properties.access import character_settings, scene_settings
from ..properties.links import check_editable, fill_link, find_owner, read_link, relevant_channels
from .mapping import CharacterOperator, LinkOperator


def point_link_at(character_object: bpy.types.Object, index: int, target: Target, gain: float | None = None) -> Link:
    """Point a link of the list at ``target``, with the target's own limits and rest. Raises RigError, changing nothing."""
    check_editable(character_object)
    stored = character_settings(character_object).links[index]
    low, high = limits_of(target)
    link = Link(
        stored.channel,
        target,
        stored.gain if gain is None else gain,
        stored.offset,
        low,
        high,
        stored.enabled,
        rest_of(target),
        stored.ease,
    )
    fill_link(stored, link, find_owner(target))
    return link


def paste_target(character_object: bpy.types.Object, index: int, text: str) -> Link:
    """Point a link at the value whose full data path is in ``text`` (see ``parse_data_path``). Raises RigError."""
    target = parse_data_path(text)
    return point_link_at(character_object, index, target)


def use_driver_source(character_object: bpy.types.Object, index: int) -> Link:
    """Point a link at the value that drives its target, so that the driver keeps working and the target still follows the
    channel.

    The gain is adapted so that the target moves as far as before; it is measured by moving the source slightly and back. Raises
    RigError, changing nothing, if the target has no driver or the driver reads more than one value.
    """
    link = read_link(character_settings(character_object).links[index])
    owner = rigs.resolve(link.target).owner
    if rigs.driver_of(owner, link.target) is None:
        raise RigError(f"{describe_target(link.target)} has no driver; the link can drive it as it is")
    source = find_driver_source(owner, link.target)
    if source is None:
        raise RigError(
            f"The driver of {describe_target(link.target)} does not read a single free value; choose a target by hand"
        )
    slope = _measure_slope(source, link.target)
    if slope == 0.0:
        raise RigError(f"{describe_target(link.target)} does not follow {describe_target(source)}; choose a target by hand")
    return point_link_at(character_object, index, source, link.gain / slope)


def _measure_slope(source: Target, target: Target) -> float:
    """Measure how far ``target`` moves per unit of ``source`` near its rest; 0 if it does not follow."""
    rest, (_low, high) = rest_of(source), limits_of(source)
    # A small step, because the target has its own limits; a whole number moves by 1 at least.
    step = 0.01 if high is None or high <= rest else 0.01 * (high - rest)
    context: Any = bpy.context
    before = poses.read_pose([source])
    slope = 0.0
    try:
        # Down as well as up: a control that opens a mouth downwards would only meet its limit upwards.
        for way in (step, -step, 1.0):
            seen: list[float] = []
            for value in (rest, rest + way):
                poses.set_pose({source: value})
                context.view_layer.update()
                seen.append(rigs.resolve(target).value)
            slope = slope or (seen[1] - seen[0]) / way
    finally:
        poses.set_pose(before)
        context.view_layer.update()
    return slope


def mirror_channels(character_object: bpy.types.Object, channels: list[str]) -> tuple[list[Link], list[str]]:
    """Copy the links of ``channels`` to the channels of the other side, on the controls of the other side.

    The other side's links are replaced, channel by channel; a channel with a control that has no other side is left alone.
    Returns the new links and a sentence for each channel left. Raises RigError, changing nothing, if nothing can be mirrored.
    """
    check_editable(character_object)
    group = character_settings(character_object)
    links = [read_link(stored) for stored in group.links if stored.channel in channels and stored.data_path]
    made: dict[str, list[Link]] = {}
    left: dict[str, str] = {}
    for link in links:
        other = mirror_name(link.channel)
        if other == link.channel:
            left[other] = f"'{link.channel}' has no side"
            continue
        mirrored = _mirror_link(link, other)
        if mirrored is None:
            left[other] = f"{describe_target(link.target)} has no other side"
        else:
            made.setdefault(other, []).append(mirrored)
    for channel in left:
        made.pop(channel, None)
    if not made:
        reason = next(iter(left.values()), "no link of these channels has a target")
        raise RigError(f"Nothing can be mirrored: {reason}; choose a link of one side, such as 'mouthSmileLeft'")
    fresh = [link for found in made.values() for link in found]
    owners = [find_owner(link.target) for link in fresh]
    for i in reversed(range(len(group.links))):
        if group.links[i].channel in made:
            group.links.remove(i)
    for link, owner in zip(fresh, owners):
        fill_link(group.links.add(), link, owner)
    group.active_link = len(group.links) - 1
    return fresh, list(left.values())


def _mirror_link(link: Link, channel: str) -> Link | None:
    found = mirror_target(link.target)
    if found is None:
        return None
    target, sign = found
    low, high = link.minimum, link.maximum
    if sign < 0:
        if low is not None and low >= 0.0 and '["' in link.target.data_path and target == link.target:
            return None  # one control from 0 up cannot go to the other side
        low, high = (None if high is None else -high), (None if low is None else -low)
    return replace(
        link,
        channel=channel,
        target=target,
        gain=sign * link.gain,
        offset=sign * link.offset,
        rest=sign * link.rest,
        minimum=low,
        maximum=high,
    )


def add_missing_links(character_object: bpy.types.Object, channels: list[str]) -> list[str]:
    """Add an empty link for each of ``channels`` that has none, to be given a target; returns their names."""
    check_editable(character_object)
    group = character_settings(character_object)
    present = {stored.channel for stored in group.links}
    missing = [channel for channel in channels if channel not in present]
    for channel in missing:
        stored = group.links.add()
        stored.name = stored.channel = channel
        stored.owner = character_object
        stored.id_type = "OBJECT" if character_object.type == "ARMATURE" else "KEY"
        stored.enabled = False
    return missing


def confirm_links(character_object: bpy.types.Object, indices: list[int]) -> int:
    """Mark links as sure and turn them on; returns how many were not both before."""
    check_editable(character_object)
    changed = 0
    for i in indices:
        stored = character_settings(character_object).links[i]
        if stored.data_path and (stored.confidence != "SURE" or not stored.enabled):
            stored.confidence, stored.enabled = "SURE", True
            changed += 1
    return changed


class VOXRIG_OT_paste_target(LinkOperator):
    """Point the active link at the value whose path is on the clipboard.

    First right-click any value of the rig and choose Copy Full Data Path
    """

    bl_idname = "voxrig.paste_target"
    bl_label = "Paste Target"
    bl_options = {"REGISTER", "UNDO"}

    text: bpy.props.StringProperty(
        name="Full Data Path",
        description="Text of Copy Full Data Path; the clipboard if this is empty",
        options={"SKIP_SAVE"},
    )

    def run(self, context: Any) -> None:
        """Paste and report what the link drives now."""
        character_object = scene_settings(context.scene).character
        text = self.text or context.window_manager.clipboard
        if not text.strip():
            raise RigError("The clipboard is empty; right-click a value of the rig and choose Copy Full Data Path")
        link = paste_target(character_object, character_settings(character_object).active_link, text)
        self.report({"INFO"}, f"'{link.channel}' drives {describe_target(link.target)}")


class VOXRIG_OT_use_driver_source(LinkOperator):
    """Point the active link at the property that drives its target, with a gain that moves the target as far as before"""

    bl_idname = "voxrig.use_driver_source"
    bl_label = "Use Driver's Source"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: Any) -> None:
        """Follow the driver of the active link's target."""
        character_object = scene_settings(context.scene).character
        link = use_driver_source(character_object, character_settings(character_object).active_link)
        self.report({"INFO"}, f"'{link.channel}' drives {describe_target(link.target)}")


class VOXRIG_OT_mirror_links(LinkOperator):
    """Copy links to the channels and controls of the other side"""

    bl_idname = "voxrig.mirror_links"
    bl_label = "Mirror Side"
    bl_options = {"REGISTER", "UNDO"}

    scope: bpy.props.EnumProperty(
        name="Mirror",
        description="Which channels are mirrored",
        items=[
            ("ACTIVE", "Active Channel", "The channel of the active link"),
            ("LEFT", "Left to Right", "All channels of the left side"),
            ("RIGHT", "Right to Left", "All channels of the right side"),
        ],
    )

    def run(self, context: Any) -> None:
        """Mirror and report what could not be mirrored."""
        character_object = scene_settings(context.scene).character
        group = character_settings(character_object)
        channels = [group.links[group.active_link].channel]
        if self.scope != "ACTIVE":
            side = {"LEFT": ".l", "RIGHT": ".r"}[self.scope]
            channels = [link.channel for link in group.links if normalise_name(link.channel).endswith(side)]
        made, left = mirror_channels(character_object, channels)
        for reason in left[:3]:
            self.report({"WARNING"}, f"Left as it is: {reason}")
        self.report({"INFO"}, f"{len(made)} links mirrored")


class VOXRIG_OT_add_missing_links(CharacterOperator):
    """List the channels of the model that drive nothing yet as empty links, to give them a target or to calibrate them"""

    bl_idname = "voxrig.add_missing_links"
    bl_label = "Add Missing"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: Any) -> None:
        """Add them and report how many."""
        settings = scene_settings(context.scene)
        missing = add_missing_links(settings.character, relevant_channels(settings))
        if not missing:
            raise RigError("Every channel of the model has a link")
        self.report({"INFO"}, f"{len(missing)} channels added without a target")


class VOXRIG_OT_confirm_link(LinkOperator):
    """Confirm this link: mark it as sure and turn it on"""

    bl_idname = "voxrig.confirm_link"
    bl_label = "Confirm"
    bl_options = {"REGISTER", "UNDO"}

    scope: bpy.props.EnumProperty(
        name="Confirm",
        description="Which links are confirmed",
        items=[
            ("ACTIVE", "Active Link", "The active link"),
            ("LIKELY", "All Likely", "All links that are marked as likely"),
        ],
    )

    def run(self, context: Any) -> None:
        """Confirm and report how many."""
        character_object = scene_settings(context.scene).character
        group = character_settings(character_object)
        indices = [group.active_link]
        if self.scope == "LIKELY":
            indices = [i for i, link in enumerate(group.links) if link.confidence == "LIKELY"]
        count = confirm_links(character_object, indices)
        if not count:
            raise RigError("Nothing is left to confirm here")
        self.report({"INFO"}, f"{count} links confirmed")


CLASSES = (
    VOXRIG_OT_paste_target,
    VOXRIG_OT_use_driver_source,
    VOXRIG_OT_mirror_links,
    VOXRIG_OT_add_missing_links,
    VOXRIG_OT_confirm_link,
)
register, unregister = make_registration(CLASSES)
