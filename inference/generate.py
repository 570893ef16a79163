# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate channel curves from sound in overlapping windows: memory does not grow with the sound, and the result does not
depend on where the windows fall."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..animation.curves import ChannelCurves
from ..animation.face.effort import apply_effort
from ..animation.face.expression import apply_expression, voice_energy
from ..animation.face.phones import TimedPhone, decode_phones
from ..animation.samples import Samples
from ..errors import Cancelled, ModelError
from .audio import AnyWaveform
from .diffusion import Channels, Conditions, Drawer, Variation, draw_take, rule_take
from .package import ModelPackage
from .session import Session

WINDOW_SECONDS = 60.0
"""New sound per run of the graph: long enough that the repeated context costs little, short enough to cancel soon."""


def count_frames(waveform: AnyWaveform, package: ModelPackage) -> int:
    """Count the rows of ``waveform``: one per hop begun."""
    return -(-waveform.samples.size // package.hop)


def generate_curves(
    session: Session,
    waveform: AnyWaveform,
    emotion: ArrayLike | None = None,
    *,
    window_seconds: float = WINDOW_SECONDS,
    on_progress: Callable[[float], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> ChannelCurves:
    """Run the model over the whole sound; values are clamped to each channel's limits.

    ``emotion`` is None (no emotion), weights ``[emotions]`` for the whole sound, or ``[frames, emotions]``, in 0..1 and
    in the order of the package's emotions. ``on_progress`` is called with 0..1. Row 0 is the start of the waveform,
    earlier by the model's lead.

    Raises Cancelled soon after ``is_cancelled`` returns True; ModelError if the model fails, takes no emotion or returns
    values that are not numbers; ValueError for a wrong sample rate or shape of ``emotion``.
    """
    return generate_all(
        session, waveform, emotion, window_seconds=window_seconds, on_progress=on_progress, is_cancelled=is_cancelled
    ).curves


@dataclass(frozen=True)
class Generated:
    """The output of a model for a sound, with the rows of the channels.

    ``keys`` is the likelihood, by region, that the show's animators would set a key, if the model learned that; ``phones`` is
    the likelihood of each phone; ``effort`` is how hard the voice works (1 calm), which the channels already show.
    """

    curves: ChannelCurves
    keys: ChannelCurves | None
    phones: ChannelCurves | None
    effort: ChannelCurves | None = None

    def timed_phones(self) -> tuple[TimedPhone, ...] | None:
        """Decode the likeliest phones in turn (animation.face.phones.decode_phones); None if the model has no phones."""
        return None if self.phones is None else decode_phones(self.phones.values, self.phones.names, self.phones.frame_rate)


def generate_all(
    session: Session,
    waveform: AnyWaveform,
    emotion: ArrayLike | None = None,
    *,
    window_seconds: float = WINDOW_SECONDS,
    on_progress: Callable[[float], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> Generated:
    """Generate curves like :func:`generate_curves`, with all other outputs of the same run."""
    package = session.package
    others = {"keys": package.key_regions, "phones": package.phones, "effort": ("effort",) if package.has_effort else ()}
    # Effort acts on the neutral face and emotions on the result; a graph that ends in their rules would reverse the two.
    later = package.has_effort and package.expression_rules
    weights = _emotion_weights(package, emotion, count_frames(waveform, package)) if later else None
    made = generate_outputs(
        session,
        waveform,
        None if later else emotion,
        outputs=("channels", *(output for output, names in others.items() if names)),
        window_seconds=window_seconds,
        on_progress=on_progress,
        is_cancelled=is_cancelled,
    )
    values = made["channels"]
    if package.has_effort:
        values = made["channels"] = apply_effort(values, package.channel_names, made["effort"][:, 0])
    if weights is not None:
        energy = voice_energy(waveform.samples, package.sample_rate, package.frame_rate, frame_count=len(values))
        values = made["channels"] = apply_expression(values, np.broadcast_to(weights, (len(values), weights.shape[1])), energy)
    minimum = np.array([channel.minimum for channel in package.channels], np.float32)
    maximum = np.array([channel.maximum for channel in package.channels], np.float32)
    np.clip(values, minimum, maximum, out=values)

    del values

    def as_curves(output: str, names: tuple[str, ...]) -> ChannelCurves:
        rows = made.pop(output)
        rows.flags.writeable = False  # handed over, not copied
        return ChannelCurves(names, package.frame_rate, rows, -package.lead_seconds)

    keys, phones, effort = (as_curves(output, names) if names else None for output, names in others.items())
    return Generated(as_curves("channels", package.channel_names), keys, phones, effort)


def generate_drawn(
    session: Session,
    drawer: Drawer,
    waveform: AnyWaveform,
    emotion: ArrayLike | None,
    variation: Variation,
    *,
    start_seconds: float = 0.0,
    window_seconds: float = WINDOW_SECONDS,
    on_progress: Callable[[float], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> Generated:
    """Draw a take of a model with a drawing (inference/diffusion.py), like :func:`generate_all`.

    ``waveform`` begins at ``start_seconds`` of the sound to whose rows the noise belongs.
    """
    package, drawing = session.package, drawer.drawing
    outputs = ["channels", "features", *(["phones"] if package.phones else []), *(["keys"] if package.key_regions else [])]
    channels = Channels(
        package.channel_names,
        tuple(channel.region for channel in package.channels),
        np.array([channel.minimum for channel in package.channels], np.float32),
        np.array([channel.maximum for channel in package.channels], np.float32),
    )
    frames, stride = count_frames(waveform, package), drawing.stride
    start = round(start_seconds * package.frame_rate)
    first = -start % stride
    if first >= frames:
        first = 0
    weights = _emotion_weights(package, emotion, frames)
    felt = np.broadcast_to(
        np.zeros((1, len(package.emotions)), np.float32) if weights is None else weights, (frames, len(package.emotions))
    )
    widths = package.output_widths()
    kept = {name: np.empty((frames, widths[name]), np.float32) for name in outputs if name != "features"}

    shares = {"heard": 0.0, "drawn": 0.0}

    def tell(part: str, share: float) -> None:
        shares[part] = share
        if on_progress is not None:
            on_progress(0.5 * sum(shares.values()))

    def hear() -> Iterator[Conditions]:
        """Keep what the take is made of, and yield the rows of the drawing; features are the widest part and not kept."""
        for begin, made in _iterate_outputs(
            session, waveform, emotion, outputs, window_seconds, lambda share: tell("heard", share), is_cancelled
        ):
            made["channels"] = np.clip(made["channels"], channels.minimum, channels.maximum)
            end = begin + len(made["channels"])
            for name, rows in kept.items():
                rows[begin:end] = made[name]
            drawn = slice((first - begin) % stride if begin > first else first - begin, None, stride)
            parts = [made["features"][drawn], *([made["phones"][drawn]] if package.phones else []), made["channels"][drawn]]
            yield Conditions(np.concatenate(parts, axis=1), felt[begin:end][drawn])

    # Rows of the drawing begin a fraction of one of its rows after the sound.
    inside = replace(
        variation, pins=tuple(replace(pin, seconds=pin.seconds - first / package.frame_rate) for pin in variation.pins)
    )
    thin = draw_take(
        drawer,
        channels,
        hear(),
        len(range(first, frames, stride)),
        inside,
        package.frame_rate / stride,
        first_row=(start + first) // stride,
        on_progress=lambda share: tell("drawn", share),
        is_cancelled=is_cancelled,
    )
    values = rule_take(
        thin, kept.pop("channels"), kept.get("phones"), package.phones, channels, package.frame_rate, variation.pins,
        first=first, stride=stride,
    )  # fmt: skip

    def as_curves(names: tuple[str, ...], rows: NDArray[np.float32]) -> ChannelCurves:
        rows.flags.writeable = False
        return ChannelCurves(names, package.frame_rate, rows, -package.lead_seconds)

    keys = as_curves(package.key_regions, kept["keys"]) if package.key_regions else None
    phones = as_curves(package.phones, kept["phones"]) if package.phones else None
    return Generated(as_curves(package.channel_names, values), keys, phones)


def generate_outputs(
    session: Session,
    waveform: AnyWaveform,
    emotion: ArrayLike | None = None,
    *,
    outputs: Sequence[str],
    window_seconds: float = WINDOW_SECONDS,
    on_progress: Callable[[float], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Return the graph's own ``outputs`` as ``[frames, columns]``, without limits.

    They are 'channels', 'features', 'phones', 'keys' and 'effort'.

    Everything else is as in :func:`generate_curves`.
    """
    frames = count_frames(waveform, session.package)
    widths = session.package.output_widths()
    results = {name: np.empty((frames, widths[name]), np.float32) for name in outputs}
    for first, made in _iterate_outputs(session, waveform, emotion, outputs, window_seconds, on_progress, is_cancelled):
        for name, result in results.items():
            result[first : first + len(made[name])] = made[name]
    return results


def _iterate_outputs(
    session: Session,
    waveform: AnyWaveform,
    emotion: ArrayLike | None,
    outputs: Sequence[str],
    window_seconds: float,
    on_progress: Callable[[float], None] | None,
    is_cancelled: Callable[[], bool] | None,
) -> Iterator[tuple[int, dict[str, NDArray[np.float32]]]]:
    """Yield the first row of each window with the graph's ``outputs`` for its rows; errors as :func:`generate_curves`."""
    package = session.package
    if waveform.sample_rate != package.sample_rate:
        raise ValueError(f"the waveform is at {waveform.sample_rate} Hz, the model at {package.sample_rate} Hz")
    frames = count_frames(waveform, package)
    if frames == 0:
        raise ValueError("the waveform holds no samples")
    weights = _emotion_weights(package, emotion, frames)
    before = math.ceil(package.context_before_seconds * package.frame_rate)
    after = math.ceil(package.context_after_seconds * package.frame_rate)
    # More silence than this around the sound would say nothing new, and a short line would pay for it more than for itself.
    silence = max(before, after)
    if package.silence_seconds is not None:
        silence = min(silence, math.ceil(package.silence_seconds * package.frame_rate))
    step = max(1, round(window_seconds * package.frame_rate))
    # A model with a grid of its own hears the same windows of the sound however it is cut.
    grid = max(1, round(package.grid_seconds * package.frame_rate))
    step = -(-step // grid) * grid
    for first in range(0, frames, step):
        if is_cancelled is not None and is_cancelled():
            raise Cancelled
        if on_progress is not None:
            on_progress(first / frames)
        last = min(first + step, frames)
        begin, end = max(first - before, -silence), min(last + after, frames + silence)
        samples = _cut(waveform.samples, begin * package.hop, end * package.hop)
        window_weights = None
        if weights is not None:
            rows = np.clip(np.arange(begin, end), 0, len(weights) - 1)
            window_weights = weights[rows]
        made = session.run(samples, window_weights, outputs)
        parts = {name: made[name][first - begin : last - begin] for name in outputs}
        if not all(np.isfinite(part).all() for part in parts.values()):
            raise ModelError(f"Model '{package.name}' returned values that are not numbers; install it again")
        yield first, parts
    if on_progress is not None:
        on_progress(1.0)


def _cut(samples: Samples, first: int, last: int) -> NDArray[np.float32]:
    """Cut out ``samples[first:last]`` with silence beyond both ends."""
    piece = np.zeros(last - first, np.float32)
    begin, end = max(first, 0), min(last, samples.size)
    if begin < end:
        piece[begin - first : end - first] = samples[begin:end]
    return piece


def _emotion_weights(package: ModelPackage, emotion: ArrayLike | None, frames: int) -> NDArray[np.float32] | None:
    """Return weights ``[1 or frames, emotions]``, or None for no emotion."""
    if emotion is None:
        return None
    if not package.emotions:
        raise ModelError(f"Model '{package.name}' takes no emotion; choose another model or none")
    weights = np.asarray(emotion, np.float32)
    if weights.ndim == 1:
        weights = weights[None]
    if weights.ndim != 2 or weights.shape[1] != len(package.emotions) or weights.shape[0] not in (1, frames):
        raise ValueError(
            f"the emotion is {weights.shape}, not [{len(package.emotions)}] or [{frames}, {len(package.emotions)}]"
        )
    if not (np.isfinite(weights).all() and weights.min() >= 0.0 and weights.max() <= 1.0):
        raise ValueError("emotion weights must be between 0 and 1")
    return weights
