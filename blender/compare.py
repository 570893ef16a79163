# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose which of several overlapping takes is shown. Showing another one loses nothing and is exactly reversible."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

import numpy as np

from ..animation.keys.artist_keys import find_artist_keys, pack_rows, unpack_rows
from ..animation.keys.stack import Version, bring_to_top, table_rows
from ..animation.rig.mapping import Target
from ..errors import RigError
from . import actions, compat, ledger, outputs, rigs
from .outputs import Home


def show_take(targets: Sequence[Target], take: str, *, mute_action: Literal["ALL", "GENERATED"] = "ALL") -> list[str]:
    """Show a take on its targets, on top of all takes that it shares frames with; returns sentences for the artist.

    Its Action replaces another one, its NLA track is unmuted and those of other takes that would hide it are muted, and on
    F-Curves that hold several takes its keys are exchanged with those that cover them (animation/keys/stack.py). The F-Curves
    of an Action that plays over its strip are muted until a take in that Action is shown again: all of them, or with
    ``mute_action`` 'GENERATED' those that hold no key of the artist's. F-Curves that are locked are left alone, with a
    sentence. Raises RigError, before anything changes, if the take is gone or an NLA strip is being tweaked.
    """
    owned: dict[Any, list[Target]] = {}
    for target in targets:
        owned.setdefault(rigs.resolve(target).owner, []).append(target)
    homes = {owner: home for owner in owned if (home := outputs.find_home(owner, take)) is not None}
    if not homes:
        raise RigError("The keyframes of this take are gone; update it to make them again")
    for owner in homes:
        if owner.animation_data is not None and owner.animation_data.use_tweak_mode:
            raise RigError(f"A strip of '{owner.name}' is being tweaked; leave tweak mode in the NLA Editor first")
    notes: list[str] = []
    for owner, home in homes.items():
        ledger.follow_renames(home.place)
        held = {curve: entry.holds[take] for curve, entry in ledger.entries_at(home.place).items() if take in entry.holds}
        spans = {curve: (hold.first, hold.last) for curve, hold in held.items()}
        if home.strip is None:
            notes += outputs.play(owner, home.place)
            _unmute_curves(home)
        else:
            home.track.mute = home.strip.mute = False
            if not home.is_layer:
                notes += _mute_curves(owner, set(spans), only_generated=mute_action == "GENERATED")
        _mute_rivals(owner, home, spans)
        notes += [note for target in owned[owner] if (note := _raise_keys(owner, home, target, take))]
    return notes


def is_shown(owners: Sequence[Any], take: str) -> bool:
    """Return whether a take is visible on these data-blocks: it is played, and none of it is beneath another take."""
    homes = [(owner, home) for owner in owners if (home := outputs.find_home(owner, take)) is not None]
    return bool(homes) and all(_is_played(owner, home, take) and not _is_covered(home, take) for owner, home in homes)


def is_on_top(owners: Sequence[Any], take: str, beside: Collection[str] = ()) -> bool:
    """Return whether a take can be written again without hiding keys of others: none is above it in the Action that plays.

    Takes ``beside`` it, which only share the frames of its edges, do not count.
    """
    homes = [(owner, home) for owner in owners if (home := outputs.find_home(owner, take)) is not None]
    return bool(homes) and all(
        not _is_covered(home, take, beside) and (home.strip is not None or compat.place_of(owner) == home.place)
        for owner, home in homes
    )


def _is_played(owner: Any, home: Home, take: str) -> bool:
    if home.strip is not None:
        curves = [curve for curve, entry in ledger.entries_at(home.place).items() if take in entry.holds]
        return not (home.track.mute or home.strip.mute or outputs.is_covered(owner, curves))
    return compat.place_of(owner) == home.place and not any(entry.muted for entry in ledger.entries_at(home.place).values())


def _is_covered(home: Home, take: str, beside: Collection[str] = ()) -> bool:
    for entry in ledger.entries_at(home.place).values():
        place = entry.holds.find(take)
        if place < 0 or place == len(entry.holds) - 1:
            continue
        holds = ledger.read_holds(entry)
        if any(holds[place].overlaps(other) for other in holds[place + 1 :] if other.take not in beside):
            return True
    return False


def _mute_rivals(owner: Any, home: Home, spans: dict[tuple[str, int], tuple[float, float]]) -> None:
    """Mute the tracks of other takes on the same controls and frames that would show above or through this one."""
    above = False
    for track, strip in list(outputs.list_strips(owner)):
        if strip == home.strip:
            above = True
            continue
        place = compat.strip_place(strip)
        if place is None or place == home.place:
            continue
        # An Action is above all strips that do not add to it; a layer is meant to add to those below it.
        hides = strip.blend_type != "REPLACE" if home.strip is None else above or not home.is_layer
        for curve, entry in ledger.entries_at(place).items() if hides else ():
            first, last = spans.get(curve, (1.0, 0.0))
            if home.strip is not None:
                first, last = home.strip.frame_start, home.strip.frame_end
            if curve in spans and len(entry.holds) and strip.frame_start <= last and first <= strip.frame_end:
                track.mute = True
                break


def _mute_curves(owner: Any, curves: set[tuple[str, int]], *, only_generated: bool) -> list[str]:
    """Mute the F-Curves of the Action that plays above a strip on the same controls."""
    place = compat.place_of(owner)
    if place is None or owner.animation_data.action_blend_type != "REPLACE" or place.action.library is not None:
        return []
    muted = 0
    for fcurve in compat.curves_at(place) or ():
        if (fcurve.data_path, fcurve.array_index) in curves and not fcurve.mute:
            target = Target(owner.id_type, owner.name_full, fcurve.data_path, fcurve.array_index)
            if only_generated and _has_artist_keys(place, fcurve, target):
                continue
            ledger.ensure_entry(place, target).muted = True
            fcurve.mute = True
            muted += 1
    if not muted:
        return []
    return [f"{muted} F-Curves of the Action '{place.action.name}' are muted until you compare a take in that Action"]


def _has_artist_keys(place: compat.Place, fcurve: Any, target: Target) -> bool:
    entry = ledger.find_entry(place, target)
    rows = table_rows(actions.read_keys(fcurve))
    return bool(find_artist_keys(rows, unpack_rows(entry.keys if entry is not None else "")).any())


def _unmute_curves(home: Home) -> None:
    fcurves, _groups = compat.ensure_curves_at(home.place)
    for (path, index), entry in ledger.entries_at(home.place).items():
        if entry.muted:
            entry.muted = False
            fcurve = fcurves.find(path, index=index)
            if fcurve is not None:
                fcurve.mute = False


def _raise_keys(owner: Any, home: Home, target: Target, take: str) -> str:
    """Bring a take's keys on one F-Curve to the top; returns why it must be left alone, or ''."""
    entry = ledger.find_entry(home.place, target)
    if entry is None or take not in entry.holds or entry.holds[-1].name == take:
        return ""
    obstacle = actions.curve_obstacle(owner, target, home.place)
    if obstacle:
        return obstacle
    fcurve = actions.find_or_add_curve(*compat.ensure_curves_at(home.place), target)
    before = Version(actions.read_keys(fcurve), unpack_rows(entry.keys))
    shown, holds = bring_to_top(before, ledger.read_holds(entry), take)
    if not np.array_equal(shown.keys, before.keys):
        actions.write_keys(fcurve, shown.keys)
        entry.keys = pack_rows(shown.generated)
    ledger.store_holds(entry, holds, owner)
    return ""
