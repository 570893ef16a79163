# SPDX-License-Identifier: GPL-3.0-or-later
"""The playing of a take: articulation, strengths, smoothing and offsets. Closed lips stay closed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .curves import ChannelCurves
from .face import lips
from .face.poses import ShowPoses, load_pose_space
from .styles import STYLES

# 'mouthClose' undoes jawOpen by the same amount (ARKit), so whatever scales the jaw must scale it too, whatever its region.
_FOLLOWS_JAW = frozenset({"mouthClose"})
# A seal is fully kept where the gap is below the sealed share, and gradually less up to this many times that gap, so that
# keeping it does not add a step to the curve.
_SEAL_FADE = 2.0
# The channels scaled by articulation.
_ARTICULATORS = frozenset({"jaw", "lips", "tongue"})

REGION_OFFSETS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "jaw": (("jawOpen",), ()),
    "lips": (
        ("mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight"),
        ("mouthPressLeft", "mouthPressRight"),
    ),
    "tongue": (("tongueOut",), ()),
    "cheeks": (("cheekSquintLeft", "cheekSquintRight"), ()),
    "nose": (("noseSneerLeft", "noseSneerRight"), ()),
    "brows": (("browInnerUp", "browOuterUpLeft", "browOuterUpRight"), ("browDownLeft", "browDownRight")),
    "eyes": (("eyeBlinkLeft", "eyeBlinkRight"), ("eyeWideLeft", "eyeWideRight")),
    "head": (("headPitch",), ()),
}
"""Channels moved by the offset of a face part: those of an offset above 0, and below 0 (if none, the former move back)."""


@dataclass(frozen=True)
class Performance:
    """An artist's settings; the defaults change nothing.

    Strengths scale the distance from rest: ``strength`` all channels, ``articulation`` jaw, lips and tongue (below 1 mumbles,
    above 1 over-articulates), ``region_strengths`` any region by name (those of jaw and lips are the two axes of JALI, 0..2).
    ``smoothing_seconds`` is a half-life: a sample that far away counts half;
    ``region_smoothing`` adds to it for a region. ``region_offsets`` move a region throughout (REGION_OFFSETS) and never open
    a seal. ``gains`` and ``offsets`` by channel name come last and are taken literally. ``cleaning`` comes first: by 0 to 1 it
    pulls poses that no face makes towards the nearest that a face does make (face/poses.py).
    """

    strength: float = 1.0
    articulation: float = 1.0
    smoothing_seconds: float = 0.0
    region_strengths: Mapping[str, float] = field(default_factory=dict[str, float])
    region_smoothing: Mapping[str, float] = field(default_factory=dict[str, float])
    region_offsets: Mapping[str, float] = field(default_factory=dict[str, float])
    gains: Mapping[str, float] = field(default_factory=dict[str, float])
    offsets: Mapping[str, float] = field(default_factory=dict[str, float])
    cleaning: float = 0.0

    def __post_init__(self) -> None:
        numbers = [self.strength, self.articulation, self.smoothing_seconds, self.cleaning]
        for table in (self.region_strengths, self.region_smoothing, self.region_offsets):
            numbers += table.values()
            unknown = sorted(set(table) - set(REGION_OFFSETS))
            if unknown:
                raise ValueError(f"there is no face part '{unknown[0]}' (there are: {', '.join(REGION_OFFSETS)})")
        numbers += [*self.gains.values(), *self.offsets.values()]
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError("strengths, gains, offsets and smoothing must be finite")
        for seconds in (self.smoothing_seconds, *self.region_smoothing.values()):
            if seconds < 0:
                raise ValueError(f"smoothing of {seconds} s is negative")

    def changes_nothing(self) -> bool:
        """Return whether curves stay what they are."""
        strengths = {region: strength for region, strength in self.region_strengths.items() if strength != 1.0}
        return replace(self, region_strengths=strengths) == Performance()

    def region_strength(self, region: str) -> float:
        """Return the factor for channels of ``region``."""
        strength = self.region_strengths.get(region, 1.0)
        if region in _ARTICULATORS:
            strength *= self.articulation
        return self.strength * strength


def in_style(performance: Performance, style_name: str) -> Performance:
    """Return a performance in a style of speech (styles.py): the sliders are factors on the style's. Raises ValueError."""
    style = next((style for style in STYLES if style.choice.name == style_name), None)
    if style is None:
        raise ValueError(f"there is no style of speech '{style_name}'")
    strengths = {
        region: performance.region_strengths.get(region, 1.0) * style.regions.get(region, 1.0)
        for region in (*performance.region_strengths, *style.regions)
    }
    return replace(
        performance,
        articulation=performance.articulation * style.articulation,
        smoothing_seconds=performance.smoothing_seconds + style.smoothing_seconds,
        region_strengths=strengths,
    )


def apply_performance(
    curves: ChannelCurves,
    performance: Performance,
    channel_regions: Mapping[str, str],
    *,
    rest: Mapping[str, float] | None = None,
    widest_gap: float | None = None,
    poses: ShowPoses | None = None,
) -> ChannelCurves:
    """Apply an artist's settings to curves.

    ``channel_regions`` is the region of each channel (others follow only ``strength``), ``rest`` holds the rest values that
    are not 0. Where the lips were sealed before (``lips.sealed_frames``) strengths, smoothing and offsets of regions do not
    open them: 'mouthClose' is raised, or if it is missing 'jawOpen' lowered, by just the amount needed. ``widest_gap`` stands
    for the 95th percentile of the gap where the whole is not known yet. ``poses`` is the space that cleaning pulls into, by
    default that of ARKit's shapes.
    """
    if performance.changes_nothing():
        return curves
    names = curves.names
    regions = ["jaw" if name in _FOLLOWS_JAW else channel_regions.get(name, "") for name in names]
    scale = np.array([performance.region_strength(region) for region in regions], np.float64)
    base = np.array([(rest or {}).get(name, 0.0) for name in names], np.float64)
    source = curves.values.astype(np.float64)
    clean = source
    if performance.cleaning > 0.0:
        clean = (poses or load_pose_space()).pull(source, names, performance.cleaning)
    values = base + scale * (clean - base)
    half_lives = [performance.smoothing_seconds + performance.region_smoothing.get(region, 0.0) for region in regions]
    for seconds in set(half_lives) - {0.0}:
        columns = np.flatnonzero(np.array(half_lives) == seconds)
        values[:, columns] = smooth(values[:, columns], seconds * curves.frame_rate)
    for name, offset in _offsets_by_channel(performance.region_offsets).items():
        if name in names:
            values[:, names.index(name)] += offset
    values = _keep_seals(values, source, names, widest_gap)
    gains = np.array([performance.gains.get(name, 1.0) for name in names], np.float64)
    offsets = np.array([performance.offsets.get(name, 0.0) for name in names], np.float64)
    return curves.with_values(base + gains * (values - base) + offsets)


def _offsets_by_channel(region_offsets: Mapping[str, float]) -> dict[str, float]:
    found: dict[str, float] = {}
    for region, offset in region_offsets.items():
        above, below = REGION_OFFSETS[region]
        found.update((name, abs(offset)) for name in below if offset < 0)
        found.update((name, offset) for name in above if offset > 0 or not below)
    return found


def smooth(values: NDArray[np.floating[Any]], half_life: float) -> NDArray[np.float64]:
    """Average ``[time, channel]`` over time with weights 0.5 ** (distance / half_life), half-life in rows, without delay.

    The ends hold their values, so a constant stays unchanged.
    """
    values = np.asarray(values, dtype=np.float64)
    if half_life <= 0 or values.shape[0] < 2:
        return values.copy()
    # At ten half-lives a sample counts a thousandth.
    reach = math.ceil(10 * half_life)
    kernel = 0.5 ** (np.abs(np.arange(-reach, reach + 1)) / half_life)
    kernel /= kernel.sum()
    # Relative to the first row, so that the transform adds no rounding to a curve at rest.
    first = values[:1]
    padded = np.pad(values - first, ((reach, reach), (0, 0)), mode="edge")
    size = 1 << (padded.shape[0] + 2 * reach).bit_length()
    spectrum = np.fft.rfft(padded, size, axis=0) * np.fft.rfft(kernel, size)[:, None]
    return first + np.fft.irfft(spectrum, size, axis=0)[2 * reach : 2 * reach + values.shape[0]]


def _keep_seals(
    values: NDArray[np.float64], source: NDArray[np.float64], names: tuple[str, ...], widest_gap: float | None
) -> NDArray[np.float64]:
    """Close the lips where ``source`` had them sealed and ``values`` would open them."""
    if "jawOpen" not in names and "mouthClose" not in names:
        return values
    gap_before = lips.lip_gap(source, names)
    if gap_before.size == 0:
        return values
    limit = lips.SEALED_SHARE * (float(np.percentile(gap_before, 95.0)) if widest_gap is None else widest_gap)
    if limit > 0:
        keep = np.clip((_SEAL_FADE * limit - gap_before) / ((_SEAL_FADE - 1.0) * limit), 0.0, 1.0)
    else:
        keep = (gap_before <= 0).astype(np.float64)
    excess = keep * np.maximum(lips.signed_lip_gap(values, names) - gap_before, 0.0)
    values = values.copy()
    if "mouthClose" in names:
        close = values[:, names.index("mouthClose")]
        raised = np.minimum(close + excess / -lips.GAP_CENTIMETRES["mouthClose"], np.maximum(close, 1.0))
        excess = excess + lips.GAP_CENTIMETRES["mouthClose"] * (raised - close)
        values[:, names.index("mouthClose")] = raised
    if "jawOpen" in names:
        jaw = values[:, names.index("jawOpen")]
        values[:, names.index("jawOpen")] = np.maximum(jaw - excess / lips.GAP_CENTIMETRES["jawOpen"], np.minimum(jaw, 0.0))
    return values
