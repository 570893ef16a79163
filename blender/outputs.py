# SPDX-License-Identifier: GPL-3.0-or-later
"""The outputs of takes: the present Action, a new one, a separate slot, an NLA strip, or a layer above existing animation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bpy

from ..animation.keys.modes import OUTPUTS
from ..animation.rig.mapping import Target
from ..errors import RigError
from . import compat, ledger
from .compat import Place

_REST_NAME = "Voxrig Rest"


@dataclass(frozen=True)
class Home:
    """The home of a take on one data-block; ``track`` and ``strip`` are those of the NLA that play it, None outside the NLA."""

    place: Place
    track: Any = None
    strip: Any = None

    @property
    def is_layer(self) -> bool:
        """Whether the take adds to other animation instead of replacing it."""
        return self.strip is not None and self.strip.blend_type != "REPLACE"


def list_strips(owner: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the NLA tracks and strips of a data-block that play an Action, the lowest track first."""
    data = owner.animation_data
    for track in data.nla_tracks if data is not None else ():
        for strip in track.strips:
            if strip.action is not None:
                yield track, strip


def find_home(owner: Any, take: str) -> Home | None:
    """Find a take on a data-block: in the Action that it plays, in its NLA, or in an unused Action; None if it is nowhere.

    What it plays may also have been written for another name, as of a data-block that was renamed or copied.
    """
    home = _played_home(owner, take, owner)
    if home is not None:
        return home
    for action in bpy.data.actions:
        slots = ledger.slots_of_take(action, take, owner)
        if slots and (compat.has_slots() or action.id_root == owner.id_type):
            return Home(Place(action, slots[0]))
    return _played_home(owner, take, None)


def _played_home(owner: Any, take: str, written_for: Any) -> Home | None:
    place = compat.place_of(owner)
    if place is not None and place.slot in ledger.slots_of_take(place.action, take, written_for):
        return Home(place)
    for track, strip in list_strips(owner):
        place = compat.strip_place(strip)
        if place is not None and place.slot in ledger.slots_of_take(place.action, take, written_for):
            return Home(place, track, strip)
    return None


class Output:
    """The destination of a take's keys, by data-block.

    ``kind`` is one of OUTPUTS; anything made for it is called ``action_name`` (by default after its data-block) and
    ``title`` (tracks and strips). A take that is written again, or beside another one, goes to the place of the take
    ``home``; ``kind`` only applies to data-blocks without anything of ``home``. Raises RigError for a slot in a Blender
    without slots. ``notes`` are sentences for the artist on other changes.
    """

    def __init__(self, kind: str = "ACTION", action_name: str = "", title: str = "Take", home: str = "") -> None:
        if kind not in OUTPUTS:
            raise ValueError(f"keys go to one of {', '.join(OUTPUTS)}, not {kind}")
        if kind == "NEW_SLOT" and not compat.has_slots():
            raise RigError("Actions have no slots in this Blender; choose a new Action for the take")
        self.kind = kind
        self.home = home
        self.notes: list[str] = []
        self._action_name = action_name
        self._title = title
        self._made: dict[Any, Place] = {}
        self._shared: Any = None

    def find(self, owner: Any) -> Place | None:
        """Return the place of the keys for ``owner``, or None as long as there is nothing yet."""
        if owner in self._made:
            return self._made[owner]
        home = find_home(owner, self.home) if self.home else None
        if home is not None:
            return home.place
        return compat.place_of(owner) if self.kind == "ACTION" else None

    def is_layer(self, owner: Any) -> bool:
        """Return whether the keys add to other animation of ``owner``."""
        home = find_home(owner, self.home) if self.home else None
        return self.kind == "LAYER" if home is None else home.is_layer

    def check(self, owner: Any, targets: Sequence[Target]) -> None:
        """Raise RigError if the place for ``owner`` cannot be made. Changes nothing."""
        if self.kind == "ACTION" or self.find(owner) is not None:
            return
        data = owner.animation_data
        if data is not None and data.use_tweak_mode:
            raise RigError(f"A strip of '{owner.name}' is being tweaked; leave tweak mode in the NLA Editor first")
        if self.kind == "NEW_SLOT" and data is not None and data.action is not None and data.action.library is not None:
            raise RigError(f"The Action of '{owner.name}' is linked from another file; choose a new Action for the take")
        if self.kind == "LAYER" and is_covered(owner, _curves(targets)) and _animated(owner) & _animated_by_strips(owner):
            raise RigError(
                f"The Action of '{owner.name}' plays over NLA strips that animate the same controls; push it down in the NLA "
                "Editor, then add the layer"
            )

    def ensure(self, owner: Any) -> Place:
        """Return the place of the keys for ``owner``, made if missing."""
        place = self.find(owner)
        if place is not None:
            return place
        data = owner.animation_data or owner.animation_data_create()
        if self.kind == "ACTION":
            place = compat.ensure_place(owner, data.action or self._action_for(owner))
        else:
            present = data.action if self.kind == "NEW_SLOT" else None
            place = compat.new_place(present or self._action_for(owner), owner)
            if self.kind in ("NEW_ACTION", "NEW_SLOT"):
                self.notes += play(owner, place)
        self._made[owner] = place
        return place

    def _action_for(self, owner: Any) -> Any:
        """Create an Action: one for all data-blocks if Actions have slots, else one for each."""
        if self._shared is None or not compat.has_slots():
            self._shared = compat.new_action(self._name_action(owner), owner)
        return self._shared

    def _name_action(self, owner: Any) -> str:
        """Name an Action 'Ann Voice'; where each data-block needs one, those of other names say theirs: 'Ann Voice Teeth'."""
        if not self._action_name:
            return f"{owner.name}Action"
        if compat.has_slots() or self._action_name.startswith(f"{owner.name} "):
            return self._action_name
        return f"{self._action_name} {owner.name}"

    def finish(self, targets: Mapping[Any, Sequence[Target]], first: float, last: float, blend_frames: float) -> None:
        """Finish once the keys of ``targets`` (by data-block) are written: put strips over new Actions in the NLA."""
        for owner, place in self._made.items():
            if self.kind not in ("STRIP", "LAYER"):
                continue
            _rest_below(owner)
            blend_type = _blend_type(owner) if self.kind == "LAYER" else "REPLACE"
            _add_strip(owner, place, self._title, (first, last), blend_frames, blend_type)
            if not is_covered(owner, _curves(targets[owner])):
                continue
            action = owner.animation_data.action
            if self.kind == "LAYER":
                owner.animation_data.action_blend_type = _blend_type(owner)
                self.notes.append(f"The Action '{action.name}' of '{owner.name}' now adds to the layers below it")
            else:
                self.notes.append(
                    f"The Action '{action.name}' of '{owner.name}' animates the same controls and plays over the strip; "
                    "compare takes to see the strip, or mute those F-Curves"
                )


def play(owner: Any, place: Place) -> list[str]:
    """Let ``owner`` play a place. Its previous Action is kept; returns a sentence on that for the artist."""
    data = owner.animation_data
    former = data.action if data is not None else None
    slot = data.action_slot_handle if data is not None and compat.has_slots() else 0
    compat.assign(owner, place)
    if former is None or (former == place.action and slot == place.slot):
        return []
    if former == place.action:
        return [f"'{owner.name}' now plays another slot of the Action '{former.name}'"]
    if former.library is None:
        # Blender does not save unused Actions.
        former.use_fake_user = True
    return [f"'{owner.name}' now plays the Action '{place.action.name}'; '{former.name}' is kept"]


def copy_place(place: Place, owners: Sequence[Any], copied: dict[Any, Any]) -> None:
    """Let ``owners`` play a copy of their Action; ``copied`` holds the copies made so far, by Action."""
    if place.action not in copied:
        copied[place.action] = place.action.copy()
    for owner in owners:
        compat.assign(owner, Place(copied[place.action], place.slot))


def fit_strip(owner: Any, take: str) -> None:
    """Extend the strip that a take is on, if any, to cover all takes of its Action, wherever the artist has moved it."""
    home = find_home(owner, take)
    if home is not None and home.strip is not None:
        holds = [held for entry in ledger.entries_at(home.place).values() for held in entry.holds]
        _set_frames(home.strip, min(held.first for held in holds), max(held.last for held in holds))


def _set_frames(strip: Any, first: float, last: float) -> None:
    at = strip.frame_start + (first - strip.action_frame_start) * strip.scale
    until = at + max(last - first, 1.0) * strip.scale * strip.repeat
    # Blender refuses an end before the start, so the end moves first.
    strip.action_frame_end = max(last, strip.action_frame_end)
    strip.action_frame_start, strip.action_frame_end = first, last
    strip.frame_end_raw = max(until, strip.frame_end_raw)
    strip.frame_start_raw, strip.frame_end_raw = at, until


def _add_strip(owner: Any, place: Place, name: str, frames: tuple[float, float], blend_frames: float, blend_type: str) -> None:
    track = owner.animation_data.nla_tracks.new()
    track.name = name
    strip = track.strips.new(name, int(frames[0]), place.action)
    compat.assign_to_strip(strip, place)
    _set_frames(strip, *frames)
    # Before and after the take, the animation below continues.
    strip.extrapolation = "NOTHING"
    strip.blend_type = blend_type
    strip.blend_in = strip.blend_out = min(blend_frames, (strip.frame_end - strip.frame_start) / 2)


def _blend_type(owner: Any) -> str:
    """Return the blend type of a layer.

    Combine handles scales and quaternions, and takes values relative to their defaults; those of shape keys are 0 (5.0 reports
    1, which would make a layer of theirs subtract), so they can simply be added.
    """
    return "ADD" if owner.id_type == "KEY" else "COMBINE"


def animated_curves(owner: Any, place: Place | None) -> set[tuple[str, int]]:
    """Return path and index of all F-Curves that animate ``owner``: in its Action, in its NLA and at ``place``."""
    places = [place, compat.place_of(owner), *(compat.strip_place(strip) for _track, strip in list_strips(owner))]
    return {(curve.data_path, curve.array_index) for at in places for curve in compat.curves_at(at) or ()}


def _animated(owner: Any) -> set[tuple[str, int]]:
    return {(curve.data_path, curve.array_index) for curve in compat.curves_of(owner) or () if not curve.mute}


def _animated_by_strips(owner: Any) -> set[tuple[str, int]]:
    return {
        (curve.data_path, curve.array_index)
        for track, strip in list_strips(owner)
        if not track.mute and not strip.mute and strip.blend_type == "REPLACE" and track.name != _REST_NAME
        for curve in compat.curves_at(compat.strip_place(strip)) or ()
    }


def is_covered(owner: Any, curves: Iterable[tuple[str, int]]) -> bool:
    """Return whether the Action that ``owner`` plays hides its NLA on any of the curves (data path and index)."""
    data = owner.animation_data
    if data is None or data.action is None or data.action_blend_type != "REPLACE":
        return False
    return not _animated(owner).isdisjoint(curves)


def _curves(targets: Sequence[Target]) -> list[tuple[str, int]]:
    return [(target.data_path, target.array_index) for target in targets]


def _rest_below(owner: Any) -> None:
    """Hold shape keys at 0 on a lowest track, because Blender 5.0 takes 1 as their default and moves them there wherever no
    strip plays."""
    value: Any = bpy.types.ShapeKey.bl_rna.properties["value"]
    if owner.id_type != "KEY" or value.default == 0.0:
        return
    tracks = owner.animation_data.nla_tracks
    if len(tracks):
        return
    place = compat.new_place(compat.new_action(_REST_NAME, owner), owner)
    fcurves, _ = compat.ensure_curves_at(place)
    for block in owner.key_blocks[1:]:
        fcurves.new(block.path_from_id("value")).keyframe_points.insert(0.0, 0.0)
    _add_strip(owner, place, _REST_NAME, (0, 1), 0.0, "REPLACE")
    tracks[0].strips[0].extrapolation = "HOLD"
