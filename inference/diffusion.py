# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw takes of a line with a show's diffusion model: another seed is another performance, and pinned poses are met.

The model's ordinary graph regresses one mean performance; a second graph tells the controls of the rig from noise, under what
is heard, that regression, emotions and style. A take is drawn in a few steps of DDIM (Song, Meng & Ermon, ICLR 2021) from
noise that depends only on the seed, the control and the row, so that the same seed returns the same take. A row depends on a
limited number of rows to each side, and a long sound is drawn in pieces that overlap by that number, as soon as they are heard:
no piece can be told from another, and of what is heard no more is kept than a piece needs. Contacts of the lips and silence are
ruled by the regression afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..animation.face.phones import SILENCE
from ..animation.keys.artist_keys import SAME_FRAME, bend_to_pins, with_pin_frames
from ..animation.life.noise import draw_normal, ease, make_key
from ..errors import Cancelled, ModelError
from .runtime import first_line, import_onnxruntime, run_within

Array = NDArray[np.float32]

STYLES = ("size", "speed")
"""Styles of a stretch, in deviations of the show: how much further, and how much faster, controls move than regressed."""

LARGEST_STEPS = 1000
LARGEST_GUIDANCE = 10.0

_PIECE_ROWS = 3000
_MOST_MARGIN_STEPS = 12
_LANCZOS_ROWS = 6
_CONTACT_PHONES = ("B", "M", "P")
_MOUTH = ("jaw", "lips", "tongue")
_CONTACT_SECONDS = 0.06
_AROUND_SECONDS = 0.3
_MOST_WAYS = 10.0
"""A drawn mouth is closed by at most this many times the way that the regressed one closes."""
_PIN_SECONDS = 0.3
_MET = 1e-4
_LONGEST_RUN_SECONDS = 600.0


@dataclass(frozen=True)
class Drawing:
    """The part of a package that draws takes.

    It has a graph file with its digest, the usual number of ``steps``, the ``stride`` of its rows among the model's, the number
    of its rows to each side that one step depends on, and the ``mean`` and ``deviation`` of each channel in the graph's scale.
    ``row_taps`` is a symmetric filter of drawn rows, which returns the fast motion that a show lost when it was laid on rows.
    """

    graph_file: str
    graph_sha256: str
    steps: int
    stride: int
    reach_rows: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    row_taps: tuple[float, ...] = (1.0,)


@dataclass(frozen=True)
class Pin:
    """A value that a channel has at an instant of the sound, in every take."""

    seconds: float
    channel: str
    value: float


@dataclass(frozen=True)
class Variation:
    """One take: its ``seed``, other seeds for some face parts, guidance, styles and pins.

    ``sound_guidance`` and ``style_guidance`` are 1 as learned; 0 leaves the condition out, above 1 exaggerates its effect.
    ``styles`` are offsets by name (STYLES). ``spread`` scales how far takes differ: 0 is the mean performance. ``steps`` is 0
    for the model's own. Raises ModelError for numbers out of their limits and for two values of a channel at one instant.
    """

    seed: int = 0
    region_seeds: Mapping[str, int] = field(default_factory=dict[str, int])
    sound_guidance: float = 1.0
    style_guidance: float = 1.0
    styles: Mapping[str, float] = field(default_factory=dict[str, float])
    spread: float = 1.0
    steps: int = 0
    pins: tuple[Pin, ...] = ()

    def __post_init__(self) -> None:
        for seed in (self.seed, *self.region_seeds.values()):
            if not 0 <= seed < 1 << 63:
                raise ModelError(
                    f"The seed {str(seed)[:24]} is not a whole number from 0 to {(1 << 63) - 1}; choose another one"
                )
        for name, guidance in (("sound", self.sound_guidance), ("style", self.style_guidance)):
            if not 0.0 <= guidance <= LARGEST_GUIDANCE:
                raise ModelError(f"The guidance of the {name} is {guidance:g}; set it from 0 to {LARGEST_GUIDANCE:g}")
        if not 0.0 <= self.spread <= 2.0:
            raise ModelError(f"The spread of takes is {self.spread:g}; set it from 0 to 2")
        if not 0 <= self.steps <= LARGEST_STEPS:
            raise ModelError(f"{self.steps} steps cannot be made; choose 1 to {LARGEST_STEPS}")
        for name, style in self.styles.items():
            if name not in STYLES or not abs(style) <= 5.0:
                raise ModelError(f"The style '{name}' is {style:g}; set {' or '.join(STYLES)} from -5 to 5")
        known: dict[tuple[str, float], float] = {}
        for pin in self.pins:
            if not (math.isfinite(pin.seconds) and math.isfinite(pin.value)):
                raise ModelError(f"A pin of '{pin.channel}' is not a number; set it again")
            if known.setdefault((pin.channel, pin.seconds), pin.value) != pin.value:
                raise ModelError(f"'{pin.channel}' is pinned to two values at {pin.seconds:.3f} s; keep one of them")

    def seed_of(self, region: str) -> int:
        """Return the seed of a face part."""
        return self.region_seeds.get(region, self.seed)


@dataclass(frozen=True)
class Conditions:
    """The inputs of a drawing on the model's rows: ``heard`` ``[row, width]`` (features, phones and regressed channels, beside
    each other) and ``emotion`` ``[row, emotion]``."""

    heard: Array
    emotion: Array


@dataclass(frozen=True)
class Channels:
    """The channels that are drawn: names, face parts, limits, and the columns of their regression among those heard."""

    names: tuple[str, ...]
    regions: tuple[str, ...]
    minimum: Array
    maximum: Array


class Drawer:
    """An open graph that tells channels from noise."""

    def __init__(self, drawing: Drawing, path: str, threads: int, name: str) -> None:
        """Open the graph on the CPU. Raises ModelError."""
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.use_deterministic_compute = True
        options.enable_mem_pattern = False
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.drawing, self._name = drawing, name
        try:
            self._graph: Any = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no common base class
            raise ModelError(f"Model '{name}' cannot draw takes ({first_line(error)}); install it again") from None

    def denoise(self, feeds: Mapping[str, NDArray[np.float32]]) -> Array:
        """Run the graph once; ``[batch, row, channel]``. Raises ModelError."""
        try:
            drawn = cast("Array", run_within(self._graph, ["drawn"], feeds, _LONGEST_RUN_SECONDS)[0])
        except Exception as error:
            raise ModelError(f"Model '{self._name}' failed to draw a take ({first_line(error)}); install it again") from None
        if not np.isfinite(drawn).all():
            raise ModelError(f"Model '{self._name}' drew values that are not numbers; install it again")
        return drawn


def open_drawer(package_folder: Path, drawing: Drawing, name: str, threads: int) -> Drawer:
    """Open the graph of a package that draws takes. Raises ModelError."""
    return Drawer(drawing, str(package_folder / drawing.graph_file), threads, name)


def draw_take(
    drawer: Drawer,
    channels: Channels,
    heard: Iterable[Conditions],
    count: int,
    variation: Variation,
    frame_rate: float,
    *,
    first_row: int = 0,
    on_progress: Callable[[float], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> Array:
    """Draw the channels of a take of ``count`` rows, ``[row, channel]``, from conditions that are ``heard`` part by part.

    All rows are those of the drawing, ``frame_rate`` a second: every ``stride``-th of the model's. ``first_row`` is the row of
    the whole sound at which the conditions begin: noise belongs to the sound's rows. Pins outside
    the conditions are left out. Raises ModelError for a pin of an unknown channel, and Cancelled.
    """
    for pin in variation.pins:
        if pin.channel not in channels.names:
            raise ModelError(f"'{pin.channel}' is pinned, but the model has no such channel; remove its pin")
    steps = variation.steps or drawer.drawing.steps
    taps = drawer.drawing.row_taps
    margin = min(steps, _MOST_MARGIN_STEPS) * drawer.drawing.reach_rows + len(taps) // 2
    drawn = np.empty((count, len(channels.names)), np.float32)
    for start, stop, low, conditions in _cut_pieces(heard, count, margin):

        def advance(share: float, start: int = start, stop: int = stop) -> None:
            if is_cancelled is not None and is_cancelled():
                raise Cancelled
            if on_progress is not None:
                on_progress((start + share * (stop - start)) / count)

        rows = np.arange(low, low + len(conditions.heard))
        known, mask = _lay_pins(channels, variation.pins, low, len(rows), frame_rate, drawer.drawing)
        made = _draw_piece(drawer, channels, conditions, variation, known, mask, rows + first_row, steps, advance)
        drawn[start:stop] = _filter_rows(made, taps)[start - low : stop - low]
    return drawn


def _filter_rows(rows: Array, taps: tuple[float, ...]) -> Array:
    """Return rows ``[row, channel]`` under a symmetric filter; the first and the last are held beyond the ends."""
    reach = len(taps) // 2
    around = np.pad(rows, ((reach, reach), (0, 0)), mode="edge")
    filtered = np.zeros_like(rows)
    # Tap by tap, because a library's sum may depend on where in memory a row lies.
    for number, tap in enumerate(taps):
        filtered += np.float32(tap) * around[number : number + len(rows)]
    return filtered


def _cut_pieces(heard: Iterable[Conditions], count: int, margin: int) -> Iterator[tuple[int, int, int, Conditions]]:
    """Yield the rows (first, last) of each piece, with the row at which its conditions begin and these, ``margin`` rows more to
    each side. Of what is heard only as much is kept as the next piece needs.
    """
    kept: list[Conditions] = []
    low = start = known = 0
    for part in heard:
        kept.append(part)
        known += len(part.heard)
        while start < count and known >= min(start + _PIECE_ROWS + margin, count):
            stop = min(start + _PIECE_ROWS, count)
            whole = Conditions(np.concatenate([c.heard for c in kept]), np.concatenate([c.emotion for c in kept]))
            begin, end = max(0, start - margin) - low, min(count, stop + margin) - low
            yield start, stop, begin + low, Conditions(whole.heard[begin:end], whole.emotion[begin:end])
            start = stop
            spent = max(max(0, start - margin) - low, 0)
            kept, low = [Conditions(whole.heard[spent:].copy(), whole.emotion[spent:].copy())], low + spent


def rule_take(
    drawn: Array, regressed: Array, phones: Array | None, phone_names: tuple[str, ...], channels: Channels, frame_rate: float,
    pins: Iterable[Pin] = (), *, first: int = 0, stride: int = 1,
) -> Array:  # fmt: skip
    """Return a drawn take whose lips meet and rest at least where the ``regressed`` ones do, and that meets the pins.

    ``drawn`` ``[row, channel]`` has every ``stride``-th row, beginning with row ``first``. ``phones`` ``[row, phone]`` are
    likelihoods. The take ``[row, channel]`` is returned in the memory of ``regressed``.
    """
    contact, rest = (None, None) if phones is None else find_ruled(phones, phone_names, frame_rate)
    pinned: dict[str, list[tuple[float, float]]] = {}
    for pin in pins:
        pinned.setdefault(pin.channel, []).append((pin.seconds * frame_rate, pin.value))
    rows = np.arange(len(regressed), dtype=np.float64)
    # A channel at a time: all of them at once would take more than the take itself.
    for column, (name, region) in enumerate(zip(channels.names, channels.regions, strict=True)):
        made = interpolate_rows(drawn[:, column], first, stride, len(regressed)).astype(np.float64)
        if contact is not None and rest is not None and region in _MOUTH:
            made += _close_further(made, regressed[:, column], contact, frame_rate)
            made += rest * (regressed[:, column] - made)
        limits = float(channels.minimum[column]), float(channels.maximum[column])
        own = sorted(pinned.get(name, []))
        at = np.array([row for row, _ in own])
        values = np.array([value for _, value in own])
        inside = (at >= 0) & (at <= len(made) - 1)
        if inside.any():
            made = _meet(rows, made, at[inside], values[inside], _PIN_SECONDS * frame_rate, limits)
        regressed[:, column] = np.clip(made, *limits)
    return regressed


def find_ruled(phones: Array, names: tuple[str, ...], frame_rate: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the regression rules the mouth: at closures of the lips, and deep in silence; each 0..1 ``[row]``."""
    closing = phones[:, [names.index(name) for name in _CONTACT_PHONES if name in names]].sum(axis=1)
    contact = ease(np.clip((closing - 0.2) / 0.4, 0.0, 1.0).astype(np.float64))
    if SILENCE not in names:
        return contact, np.zeros_like(contact)
    silent = -_spread_max(-phones[:, names.index(SILENCE)], round(0.12 * frame_rate))
    return contact, _blur(ease(np.clip((silent - 0.5) / 0.4, 0.0, 1.0).astype(np.float64)), 0.06 * frame_rate)


def _close_further(
    made: NDArray[np.float64], regressed: Array, contact: NDArray[np.float64], frame_rate: float
) -> NDArray[np.float64]:
    """Return by how much a drawn channel must move to be as far on the regression's way to a closure as that is, ``[row]``.

    Its way there is that from its mean of the time around. A drawn closure is quicker than a regressed one and often tighter,
    and blending the two would make it slower: so one that is as tight stays as it is.
    """
    around = round(_AROUND_SECONDS * frame_rate)
    total = np.cumsum(np.pad(np.pad(regressed.astype(np.float64), around, mode="edge"), (1, 0)))
    way = _MOST_WAYS * (regressed - (total[2 * around + 1 :] - total[: -2 * around - 1]) / (2 * around + 1))
    needed = contact * np.clip(regressed - made, np.minimum(way, 0.0), np.maximum(way, 0.0))
    reach = max(1, round(_CONTACT_SECONDS * frame_rate))
    # As wide as the blur, so that it takes nothing from the contact itself.
    wide = _spread_max(np.maximum(needed, 0.0), reach) - _spread_max(np.maximum(-needed, 0.0), reach)
    return _blur(wide, reach)


def _blur(values: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Return the mean around each row with the weights of a Hann window, ``reach`` rows to each side, ``[row]``."""
    width = max(1, round(reach))
    kernel = np.hanning(2 * width + 1)
    padded: Any = np.pad(values, width, mode="edge")
    return cast("NDArray[np.float64]", np.convolve(padded, kernel / kernel.sum(), mode="valid"))


def _spread_max(values: NDArray[Any], reach: int) -> NDArray[Any]:
    """Return the largest value within ``reach`` rows, ``[row]``."""
    padded = np.pad(values, reach, mode="edge")
    windows: Any = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)  # pyright: ignore[reportUnknownMemberType]
    return cast("NDArray[Any]", windows.max(axis=1))


def _meet(
    rows: NDArray[np.float64],
    values: NDArray[np.float64],
    at: NDArray[np.float64],
    heights: NDArray[np.float64],
    reach: float,
    limits: tuple[float, float],
) -> NDArray[np.float64]:
    """Bend a curve through pins that may lie between rows, so that straight lines between its rows meet them within limits."""
    frames, dense = with_pin_frames(rows, values, at)
    bent = np.interp(rows, frames, bend_to_pins(frames, dense, at, heights, reach))
    for row, height in zip(at.tolist(), heights.tolist()):
        left = min(int(row), len(rows) - 2) if len(rows) > 1 else 0
        right = min(left + 1, len(rows) - 1)
        near = [left] if row - left <= SAME_FRAME else [right] if right - row <= SAME_FRAME else [left, right]
        bent[near] = np.clip(bent[near] + height - float(np.interp(row, rows, bent)), *limits)
        if abs(height - float(np.interp(row, rows, bent))) > _MET:
            bent[near] = height
    return bent


def _lay_pins(
    channels: Channels, pins: Iterable[Pin], first: int, count: int, frame_rate: float, drawing: Drawing
) -> tuple[Array, Array]:
    """Lay pins on their nearest of ``count`` rows from ``first`` on, in the scale of the graph: values and a mask,
    ``[row, channel]``."""
    known = np.zeros((count, len(channels.names)), np.float32)
    mask = np.zeros_like(known)
    for pin in pins:
        row, column = round(pin.seconds * frame_rate) - first, channels.names.index(pin.channel)
        if 0 <= row < count:
            known[row, column] = (pin.value - drawing.mean[column]) / drawing.deviation[column]
            mask[row, column] = 1.0
    return known, mask


def draw_noise(seed: int, names: tuple[str, ...], rows: NDArray[np.int64]) -> Array:
    """Draw noise of deviation 1 that depends on the seed, a channel's name and the row of the sound, ``[row, channel]``."""
    return np.stack([draw_normal(make_key(seed, "noise", name), rows) for name in names], axis=1).astype(np.float32)


def _draw_piece(
    drawer: Drawer, channels: Channels, conditions: Conditions, variation: Variation, known: Array, mask: Array,
    rows: NDArray[np.int64], steps: int, advance: Callable[[float], None],
) -> Array:  # fmt: skip
    drawing = drawer.drawing
    mean, deviation = (np.array(values, np.float32) for values in (drawing.mean, drawing.deviation))
    low, high = (channels.minimum - mean) / deviation, (channels.maximum - mean) / deviation
    seeds = tuple(dict.fromkeys(variation.seed_of(region) for region in channels.regions))
    styles = np.array([variation.styles.get(name, 0.0) for name in STYLES], np.float32)
    felt = np.concatenate([conditions.emotion, np.broadcast_to(styles, (len(rows), styles.size))], axis=1)
    kept, weights = _guides(variation)
    feeds = {
        "known": np.ascontiguousarray(np.broadcast_to(known, (len(kept), *known.shape))),
        "mask": np.ascontiguousarray(np.broadcast_to(mask, (len(kept), *mask.shape))),
        "heard": np.ascontiguousarray(np.broadcast_to(conditions.heard, (len(kept), *conditions.heard.shape)), np.float32),
        "felt": np.ascontiguousarray(np.broadcast_to(felt, (len(kept), *felt.shape)), np.float32),
        "kept": kept,
    }
    levels = np.linspace(math.pi / 2, 0.0, steps + 1)
    result = np.empty((len(rows), len(channels.names)), np.float32)
    for number, seed in enumerate(seeds):
        noisy = np.float32(variation.spread) * draw_noise(seed, channels.names, rows)
        drawn = noisy
        for step, (level, following) in enumerate(zip(levels.tolist(), levels[1:].tolist())):
            advance((number + step / steps) / len(seeds))
            made = drawer.denoise(
                feeds
                | {
                    "noisy": np.ascontiguousarray(np.broadcast_to(noisy, (len(kept), *noisy.shape))),
                    "level": np.full(len(kept), level, np.float32),
                }
            )
            drawn = np.tensordot(weights, made, axes=1).astype(np.float32)
            # Strong guidance leads out of the limits, from where later steps would not return.
            drawn = np.clip(drawn, low, high)
            drawn += mask * (known - drawn)
            noise = (noisy - np.float32(math.cos(level)) * drawn) / np.float32(math.sin(level))
            noisy = np.float32(math.cos(following)) * drawn + np.float32(math.sin(following)) * noise
        mine = [index for index, region in enumerate(channels.regions) if variation.seed_of(region) == seed]
        result[:, mine] = drawn[:, mine]
    return result * deviation + mean


def _guides(variation: Variation) -> tuple[Array, Array]:
    """Return which conditions are given in each of the runs of one step, ``[run, 2]``, and the weights of their results.

    none + sound x (sound - none) + style x (both - sound): each difference is the effect of one condition.
    """
    sound, style = variation.sound_guidance, variation.style_guidance
    runs = {(0.0, 0.0): 1.0 - sound, (1.0, 0.0): sound - style, (1.0, 1.0): style}
    used = {kept: weight for kept, weight in runs.items() if weight != 0.0} or {(1.0, 1.0): 1.0}
    return np.array(list(used), np.float32), np.array(list(used.values()), np.float32)


def interpolate_rows(thin: Array, first: int, stride: int, count: int) -> Array:
    """Interpolate every ``stride``-th row, beginning with row ``first``, to ``count`` rows; ``[row]``.

    Rows between are sums of the nearest 12 under a windowed sinc (Lanczos), which keeps fast motion that straight lines or
    cubic curves would lose. Beyond the first and the last known row the values are held.
    """
    if stride == 1:
        return thin[:count]
    made = np.empty(count, np.float32)
    for phase in range(stride):
        rows = np.arange((first + phase) % stride, count, stride)
        left = (rows - first) // stride
        share = phase / stride
        reaches = np.arange(1 - _LANCZOS_ROWS, _LANCZOS_ROWS + 1) if phase else np.zeros(1, np.int64)
        weights = np.sinc(share - reaches) * np.sinc((share - reaches) / _LANCZOS_ROWS)
        total = np.zeros(len(rows))
        for reach, weight in zip(reaches.tolist(), (weights / weights.sum()).tolist()):
            total += weight * thin[np.clip(left + reach, 0, len(thin) - 1)]
        made[rows] = total
    return made
