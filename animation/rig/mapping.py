# SPDX-License-Identifier: GPL-3.0-or-later
"""Links from channels to targets, as plain data; rigs are not touched here."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import RigError
from ...storage.reading import is_storable, parse_json
from ..curves import ChannelCurves

SCHEMA_VERSION = 1
_FORMAT = "voxrig-mapping"
_LARGEST_NUMBER, _LARGEST_INDEX, _LONGEST_TEXT = 1e9, 1 << 15, 1 << 12
CONFIDENCES = ("SURE", "LIKELY", "UNSURE")
"""How certain a link is: made by a person or by an exact name, by similarity, or by little more than a guess."""


@dataclass(frozen=True)
class Target:
    """One animatable value: a property path below a data-block, in Blender's own notation.

    ``id_type`` is Blender's ID type ('KEY', 'OBJECT', 'ARMATURE', ...), ``data_path`` is the text of Copy Data Path.
    """

    id_type: str
    id_name: str
    data_path: str
    array_index: int = 0


@dataclass(frozen=True)
class Link:
    """One channel driving one target: ``rest + offset + gain * ease_channel(channel)``, then clamped to its limits.

    ``rest`` is the target's own value while nothing drives it (1 for a scale); it counts once, no matter how many links
    drive the target. ``confidence`` is the certainty of the link: one of CONFIDENCES.
    """

    channel: str
    target: Target
    gain: float = 1.0
    offset: float = 0.0
    minimum: float | None = None
    maximum: float | None = None
    enabled: bool = True
    rest: float = 0.0
    ease: float = 0.0
    confidence: str = "SURE"


@dataclass(frozen=True)
class Mapping:
    """All links of one character."""

    links: tuple[Link, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "links", tuple(self.links))

    def channels(self) -> tuple[str, ...]:
        """Return the channels of enabled links, each once, in order."""
        return tuple(dict.fromkeys(link.channel for link in self.links if link.enabled))

    def targets(self) -> tuple[Target, ...]:
        """Return the targets of enabled links, each once, in order."""
        return tuple(dict.fromkeys(link.target for link in self.links if link.enabled))


@dataclass(frozen=True)
class TargetCurves:
    """The curves of targets: ``values`` float32 ``[time, target]``; row i is ``start_seconds + i / frame_rate``."""

    targets: tuple[Target, ...]
    frame_rate: float
    values: NDArray[np.float32]
    start_seconds: float = 0.0

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float32, order="C")
        if values.ndim != 2 or values.shape[1] != len(self.targets):
            raise ValueError(f"values are {values.shape}, not [time, {len(self.targets)}]")
        values.flags.writeable = False
        object.__setattr__(self, "values", values)


def apply_mapping(mapping: Mapping, curves: ChannelCurves) -> TargetCurves:
    """Compute the curves of the targets from those of the channels.

    Links to one target add up on the rest of the first of them; then the target is clamped to the tightest limits of its
    links. Links that are off or whose channel is missing from ``curves`` are ignored. Raises RigError if no link is left,
    so that an empty result never goes unnoticed.
    """
    column = {name: i for i, name in enumerate(curves.names)}
    active = [link for link in mapping.links if link.enabled and link.channel in column]
    if not active:
        raise RigError("The mapping drives nothing: no link that is on uses a channel of this model; map at least one channel")
    targets = tuple(dict.fromkeys(link.target for link in active))
    place = {target: i for i, target in enumerate(targets)}
    rest = {link.target: link.rest for link in reversed(active)}
    low = np.full(len(targets), -np.inf)
    high = np.full(len(targets), np.inf)
    for link in active:
        i = place[link.target]
        if link.minimum is not None:
            low[i] = max(low[i], link.minimum)
        if link.maximum is not None:
            high[i] = min(high[i], link.maximum)
    crossed = low > high
    if crossed.any():
        target = targets[int(np.argmax(crossed))]
        raise RigError(f"The limits of '{target.data_path}' exclude each other; set its minimum below its maximum")
    driving: dict[Target, list[Link]] = {}
    for link in active:
        driving.setdefault(link.target, []).append(link)
    values = np.empty((curves.frame_count, len(targets)), np.float32)
    for i, (target, links) in enumerate(driving.items()):
        sums = np.full(curves.frame_count, rest[target], np.float64)
        for link in links:
            sums += link.offset + link.gain * ease_channel(curves.values[:, column[link.channel]], link.ease)
        values[:, i] = np.clip(sums, low[i], high[i])
    return TargetCurves(targets, curves.frame_rate, values, curves.start_seconds)


def ease_channel(values: ArrayLike, ease: float) -> NDArray[np.float64]:
    """Bend a channel between 0 and 1, which both stay fixed: ``ease`` above 0 starts slowly, below 0 quickly, 0 is straight.

    The slope is ``4 ** -ease`` at 0 and ``4 ** ease`` at 1 and continues straight beyond 1; negative values mirror positive
    ones. This is the bias function of C. Schlick, "Fast Alternatives to Perlin's Bias and Gain Functions", Graphics Gems
    IV, 1994.
    """
    straight = np.asarray(values, dtype=np.float64)
    if ease == 0.0:
        return straight
    slope = 4.0**ease
    size = np.abs(straight)
    inside = np.minimum(size, 1.0)
    return np.sign(straight) * (inside / ((slope - 1.0) * (1.0 - inside) + 1.0) + slope * (size - inside))


def to_json(mapping: Mapping) -> str:
    """Write the mapping as text that ``from_json`` reads back equal."""
    links = [asdict(link) for link in mapping.links]
    return json.dumps({"format": _FORMAT, "version": SCHEMA_VERSION, "links": links}, indent=1, ensure_ascii=False)


def from_json(text: str) -> Mapping:
    """Read a mapping. Raises RigError naming the first thing wrong with a damaged file or one of another version."""
    try:
        parsed: object = parse_json(text)
    except ValueError as error:
        raise RigError(f"The mapping file is damaged ({error}); save the mapping again") from None
    data = cast(dict[str, object], parsed) if isinstance(parsed, dict) else {}
    if data.get("format") != _FORMAT:
        raise RigError("This file is not a Voxrig mapping; choose a file saved by Save Mapping")
    if data.get("version") != SCHEMA_VERSION:
        raise RigError(
            f"The mapping file has version {data.get('version')!r:.40}, but this Voxrig reads version {SCHEMA_VERSION}; "
            "update Voxrig or map again"
        )
    links = data.get("links")
    if not isinstance(links, list):
        raise RigError("The mapping file has no list of links; save the mapping again")
    return Mapping(tuple(_read_link(link, f"link {i + 1}") for i, link in enumerate(cast(list[object], links))))


def _read_link(data: object, place: str) -> Link:
    values = _checked(data, Link, place)
    values["target"] = Target(**_checked(values.get("target"), Target, f"the target of {place}"))
    link = Link(**values)
    if link.confidence not in CONFIDENCES:
        raise RigError(f"The mapping file is damaged: 'confidence' of {place} is {link.confidence!r}; save the mapping again")
    return link


def _checked(parsed: object, kind: type[Link] | type[Target], place: str) -> dict[str, Any]:
    """Check the fields of one dataclass in JSON, each for its type."""
    if not isinstance(parsed, dict):
        raise RigError(f"The mapping file is damaged: {place} is not an object; save the mapping again")
    data = cast(dict[str, object], parsed)
    types = {field.name: str(field.type) for field in fields(kind)}
    unknown = sorted(set(data) - set(types))
    if unknown:
        raise RigError(f"The mapping file is damaged: {place} has an unknown entry '{unknown[0]}'; save the mapping again")
    needed = {"channel", "target"} if kind is Link else {"id_type", "id_name", "data_path"}
    for name in sorted(needed - set(data)):
        raise RigError(f"The mapping file is damaged: {place} lacks '{name}'; save the mapping again")
    for name, value in data.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _LARGEST_NUMBER
        good = {
            "str": isinstance(value, str) and len(value) <= _LONGEST_TEXT and is_storable(value),
            "int": isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_INDEX,
            "float": number,
            "float | None": number or value is None,
            "bool": isinstance(value, bool),
            "Target": isinstance(value, dict),
        }[types[name]]
        if not good:
            shown = repr(value) if len(repr(value)) <= 60 else f"{value!r:.60}..."
            raise RigError(f"The mapping file is damaged: '{name}' of {place} is {shown}; save the mapping again")
    return dict(data)
