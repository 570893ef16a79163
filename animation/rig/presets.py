# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets of rig families: the names of their controls and the channels that drive them, from the files in ``presets/``.

A preset file is JSON. ``links`` lists for each channel the controls of the family that it drives: one name, a list of
names, or an object of names with a gain each. ``a|b`` are spellings of one control, of which a rig has one. A channel
``mouthSmile*`` stands for both sides; in its controls ``<L|R>`` is the part that differs. A bone has ``move`` (a vector in
armature space: x to the character's left, y to its back, z up, in units of the distance between the two bones of ``unit``,
its own or the preset's) or ``turn`` (degrees about those axes) instead of a gain; with ``about``, a bone, it goes where a
turn about that bone's head would take it, without turning. ``made_up`` does the same for channels without a control of
their own in the family, from other controls. ``spellings`` are patterns, one of which a name has to match; its group
``name`` is compared. ``like`` takes over the links of other presets. ``least`` is the share of the channels that must be
found for the preset to count at all.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from ...errors import RigError
from ...storage.reading import parse_json, read_text

FORMAT = "voxrig-preset"
SCHEMA_VERSION = 1
MOUTHS = ("face", "visemes")

Vector = tuple[float, float, float]
_SIDED = re.compile(r"<([^|<>]*)\|([^|<>]*)>")


@dataclass(frozen=True)
class PresetControl:
    """One control that a channel drives: ``offset + gain * channel`` on a value, or ``move`` or ``turn`` times it on a bone.

    ``names`` are spellings of the one control. ``move`` and ``turn`` are in armature space, ``unit`` and ``about`` are names of
    bones (see the module's text).
    """

    names: tuple[str, ...]
    gain: float = 1.0
    offset: float = 0.0
    move: Vector | None = None
    turn: Vector | None = None
    unit: tuple[str, str] | None = None
    about: str = ""

    @property
    def is_bone(self) -> bool:
        """Whether this is the transform of a pose bone rather than a shape key or property."""
        return self.move is not None or self.turn is not None


Links = Mapping[str, tuple[PresetControl, ...]]


@dataclass(frozen=True)
class Preset:
    """One rig family. ``mouth`` states whether its 'face' channels or its 'visemes' speak; the others rest."""

    family: str
    title: str
    sources: tuple[str, ...]
    links: Links
    made_up: Links = field(default_factory=lambda: cast(Links, {}))
    mouth: str = "face"
    spellings: tuple[re.Pattern[str], ...] = ()
    least: float = 0.0
    unit: tuple[str, str] | None = None


@functools.cache
def bundled_presets() -> tuple[Preset, ...]:
    """Return the bundled presets by family name (read once, at first use)."""
    return load_presets(sorted((Path(__file__).parents[2] / "presets").glob("*.json")))


def load_presets(paths: Iterable[Path]) -> tuple[Preset, ...]:
    """Read preset files, which may be ``like`` one another. Raises RigError for the first error."""
    documents: dict[str, dict[str, object]] = {}
    for path in paths:
        try:
            parsed: object = parse_json(read_text(path))
        except (OSError, ValueError) as error:
            raise RigError(f"The preset {path.name} cannot be read ({error}); restore it or remove it") from None
        data = _mapping(parsed, path.name)
        if data.get("format") != FORMAT or data.get("version") != SCHEMA_VERSION:
            raise RigError(f"The preset {path.name} is not a Voxrig preset of version {SCHEMA_VERSION}; update or remove it")
        family = _text(data, "family", path.name)
        if family in documents:
            raise RigError(f"The preset {path.name} repeats the family '{family}'; remove one of the two")
        documents[family] = data
    return tuple(_read(family, documents) for family in documents)


_KNOWN = {
    "format", "version", "family", "title", "about", "sources", "links", "made_up", "mouth", "spellings", "least", "unit",
    "like",
}  # fmt: skip


def _read(family: str, documents: Mapping[str, dict[str, object]]) -> Preset:
    data = documents[family]
    place = f"of {family}"
    unknown = sorted(set(data) - _KNOWN)
    if unknown:
        raise _wrong(place, f"'{unknown[0]}' is not an entry of a preset")
    sources = _texts(data.get("sources"), "sources", place)
    if not sources:
        raise _wrong(place, "'sources' is empty")
    mouth = data.get("mouth", "face")
    if mouth not in MOUTHS:
        raise _wrong(place, f"'mouth' is {mouth!r}")
    least = data.get("least", 0.0)
    if isinstance(least, bool) or not isinstance(least, (int, float)) or not 0.0 <= least <= 1.0:
        raise _wrong(place, f"'least' is {least!r}")
    try:
        spellings = tuple(re.compile(text) for text in _texts(data.get("spellings", []), "spellings", place))
    except re.error as error:
        raise _wrong(place, f"a spelling is not a valid pattern ({error})") from None
    if any("name" not in spelling.groupindex for spelling in spellings):
        raise _wrong(place, "a spelling lacks the group 'name'")
    unit = _unit(data.get("unit", []), place)
    links = _links(data, "links", documents, (family,))
    made_up = {name: controls for name, controls in _links(data, "made_up", documents, (family,)).items() if name not in links}
    if not links:
        raise _wrong(place, "it links nothing")
    both = [control for table in (links, made_up) for controls in table.values() for control in controls]
    if not unit and any(control.move is not None and control.unit is None for control in both):
        raise _wrong(place, "bones move but 'unit' is missing")
    return Preset(
        family=family,
        title=_text(data, "title", place),
        sources=sources,
        links=links,
        made_up=made_up,
        mouth=mouth,
        spellings=spellings,
        least=float(least),
        unit=unit,
    )


def _links(
    data: dict[str, object], name: str, documents: Mapping[str, dict[str, object]], above: tuple[str, ...]
) -> dict[str, tuple[PresetControl, ...]]:
    """Collect the links of a preset: those of the presets it is like, replaced by its own."""
    place = f"of {above[-1]}"
    links: dict[str, tuple[PresetControl, ...]] = {}
    for other in _texts(data.get("like", []), "like", place):
        if other not in documents or other in above:
            raise _wrong(place, f"it cannot be like '{other}'")
        links |= _links(documents[other], name, documents, (*above, other))
    for channel, controls in _mapping(data.get(name, {}), place).items():
        sides = ((0, "Left"), (1, "Right")) if channel.endswith("*") else ((None, ""),)
        for side, suffix in sides:
            links[channel.removesuffix("*") + suffix] = _controls(controls, side, f"{channel} {place}")
    return links


def _controls(data: object, side: int | None, place: str) -> tuple[PresetControl, ...]:
    if isinstance(data, str):
        data = [data]
    if isinstance(data, list):
        data = dict.fromkeys(_texts(cast(list[object], data), "controls", place), 1.0)
    controls = tuple(_control(name, how, side, place) for name, how in _mapping(data, place).items())
    if not controls:
        raise _wrong(place, "it drives nothing")
    return controls


def _control(name: str, how: object, side: int | None, place: str) -> PresetControl:
    def sided(text: str) -> str:
        return text if side is None else _SIDED.sub(lambda found: found[1 if side == 0 else 2], text)

    names = tuple(sided(name).split("|"))
    if not all(names):
        raise _wrong(place, "a control has no name")
    if isinstance(how, (int, float)) and not isinstance(how, bool):
        return PresetControl(names, gain=float(how))
    entries = _mapping(how, place)
    unknown = sorted(set(entries) - {"gain", "offset", "move", "turn", "unit", "about"})
    if unknown:
        raise _wrong(place, f"'{unknown[0]}' is not a property of a control")
    gain, offset = _number(entries.get("gain", 1.0), place), _number(entries.get("offset", 0.0), place)
    # Entries for the left side hold mirrored for the right one.
    flip = -1.0 if side == 1 else 1.0
    move, turn = _vector(entries.get("move"), place), _vector(entries.get("turn"), place)
    unit = _unit(entries.get("unit", []), place)
    about = _text(entries, "about", place) if "about" in entries else ""
    if (move is None and unit is not None) or (turn is None and about):
        raise _wrong(place, "'unit' belongs to a move and 'about' to a turn")
    return PresetControl(
        names,
        gain,
        offset,
        (flip * move[0], move[1], move[2]) if move else None,
        (turn[0], flip * turn[1], flip * turn[2]) if turn else None,
        (sided(unit[0]), sided(unit[1])) if unit else None,
        sided(about),
    )


def _unit(data: object, place: str) -> tuple[str, str] | None:
    bones = _texts(data, "unit", place)
    if len(bones) not in (0, 2):
        raise _wrong(place, "'unit' is not two bones")
    return (bones[0], bones[1]) if bones else None


def _mapping(data: object, place: str) -> dict[str, object]:
    if not isinstance(data, dict):
        raise _wrong(place, f"{data!r} is not an object")
    return cast(dict[str, object], data)


def _text(data: dict[str, object], name: str, place: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise _wrong(place, f"'{name}' is {value!r}")
    return value


def _texts(data: object, name: str, place: str) -> tuple[str, ...]:
    values = cast(list[object], data) if isinstance(data, list) else [None]
    if not all(isinstance(value, str) and value for value in values):
        raise _wrong(place, f"'{name}' is not a list of names")
    return tuple(cast(list[str], values))


def _number(value: object, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _wrong(place, f"{value!r} is not a number")
    return float(value)


def _vector(data: object, place: str) -> Vector | None:
    if data is None:
        return None
    values = cast(list[object], data) if isinstance(data, list) else []
    if len(values) != 3:
        raise _wrong(place, f"{data!r} is not three numbers")
    return _number(values[0], place), _number(values[1], place), _number(values[2], place)


def _wrong(place: str, what: str) -> RigError:
    return RigError(f"The preset {place} is damaged: {what}; restore it or remove it")
