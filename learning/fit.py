# SPDX-License-Identifier: GPL-3.0-or-later
"""Learn a show inside Blender: from a model's hearing to the controls of a rig, by ridge regression over time.

A trunk (the bundled model) hears: its features and phones, 50 rows a second. They are standardised and projected onto their
principal components, and each control is a weighted sum of the components over half a second to both sides. The weights of the
lags are linear between a few knots, dense near the frame and sparse away from it. The closed form needs only the second moments
of inputs and controls, so memory does not grow with the show, and every choice (number of components, regularisation per
region) is made by the correlation on held-out shots.

The result is a complete model package: trunk and head in one graph.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..animation.curves import ChannelCurves
from ..animation.face.channels import Channel
from ..animation.face.poses import ShowPoses, find_show_poses
from ..animation.keys.placing import Hold
from ..animation.rig.mapping import Target
from ..animation.timing import resample_to_frames
from ..errors import Cancelled, ModelError, ShowError
from ..inference.audio import Resampler, Waveform
from ..inference.generate import generate_outputs
from ..inference.package import LARGEST_GRAPH, ModelPackage, package_name, show_corpus, write_package
from ..inference.session import Session
from ..storage.reading import read_bytes
from .graphs import Head, replace_head
from .show import Shot, Show

Array = NDArray[np.float32]
Moments = NDArray[np.float64]

KNOT_SECONDS = (-0.5, -0.36, -0.24, -0.16, -0.1, -0.04, 0.0, 0.04, 0.1, 0.16, 0.24, 0.36, 0.5)
"""Lags of the fitted weights, which are linear in between. Lips move up to 0.24 s before and after a sound."""

COMPONENTS = (16, 32, 64, 96)
"""Numbers of principal components to try."""

RIDGES = tuple(10.0 ** (step / 2.0) for step in range(-6, 6))
"""Regularisations to try, in mean variances of the regression's inputs."""

ROWS_PER_SECOND = 25.0
"""Rows to fit: neighbouring rows of the trunk are almost equal, so half of them take half the time."""

INDEPENDENT_PER_SECOND = 2.0
"""Poses of a face in a second that are independent of each other, about as many as stressed syllables: with more of them a show
of seconds moved half as far again as it was shown."""

FOLDS = 5

_EMOTION_COMPONENTS = 8
"""An emotion shifts every control and changes the effect of this many of the largest components."""

_LEAST_VARIANCE = 1e-6
"""A control whose variance in held-out shots, as a share of its limits squared, is below this is not scored there."""


@dataclass(frozen=True)
class Heard:
    """One shot on the trunk's rows, with a margin of silence.

    It has the trunk's output ``[time, width]``, the controls ``[time, control]``, the emotion ``[time, emotion]`` and a mask of
    the rows that have animation and sound, ``[time]``.
    """

    heard: Array
    shown: Array
    emotion: Array
    usable: NDArray[np.bool_]


@dataclass(frozen=True)
class Fit:
    """A fitted head. ``projection`` ``[width, component]`` is applied to (heard - ``mean`` ``[width]``); ``kernel`` ``[control,
    input, lag]`` and ``bias`` ``[control]`` turn inputs (components, emotions, their products) into controls.

    ``held_out`` is r of each control on held-out shots (nan if it does not move in them); ``ridges`` is the regularisation
    of each region; ``folds`` is the number of parts that the show was divided into, and whether by 'shots' or by 'time';
    ``targets`` are the rig's values for the controls; ``hold`` is set if the show holds its poses; ``poses`` is their space.
    """

    controls: tuple[Channel, ...]
    emotions: tuple[str, ...]
    rig: str
    minutes: float
    mean: Array
    projection: Array
    kernel: Array
    bias: Array
    held_out: tuple[float, ...]
    ridges: dict[str, float]
    folds: tuple[int, str]
    targets: dict[str, Target] = field(default_factory=dict[str, Target])
    hold: Hold | None = None
    poses: ShowPoses | None = None

    @property
    def reach_frames(self) -> int:
        """Number of rows before and after that a row depends on."""
        return self.kernel.shape[2] // 2

    @property
    def mean_held_out(self) -> float:
        """Mean r over the controls that could be scored."""
        scored = [value for value in self.held_out if math.isfinite(value)]
        return sum(scored) / len(scored) if scored else math.nan


def hear_shot(
    session: Session,
    shot: Shot,
    controls: Sequence[Channel],
    emotions: Sequence[str] = (),
    is_cancelled: Callable[[], bool] | None = None,
) -> Heard:
    """Run the trunk over a shot's sound and put its animation on the trunk's rows. Raises ModelError and Cancelled.

    The rows begin before the sound and end after it by the reach of the lags, so that the first and last rows with sound
    are fitted on the trunk's output for silence, as in the finished model.
    """
    package = session.package
    outputs = ("features", "phones") if package.phones else ("features",)
    made = generate_outputs(
        session, padded_sound(shot, package.sample_rate, package.frame_rate), outputs=outputs, is_cancelled=is_cancelled
    )
    heard = np.concatenate([made[name] for name in outputs], axis=1)
    return lay_out_shot(shot, heard, controls, emotions, package.frame_rate)


def padded_sound(shot: Shot, sample_rate: int, frame_rate: float) -> Waveform:
    """Resample a shot's sound to ``sample_rate``, padded on both sides with the reach of the lags in whole rows of silence."""
    samples = _at_rate(shot.waveform, sample_rate).samples
    return Waveform(np.pad(samples, _margin_rows(frame_rate) * round(sample_rate / frame_rate)), sample_rate)


def lay_out_shot(shot: Shot, heard: Array, controls: Sequence[Channel], emotions: Sequence[str], frame_rate: float) -> Heard:
    """Combine the trunk's output ``heard`` ``[time, width]`` for :func:`padded_sound` with the shot's animation on the same
    rows."""
    margin = _margin_rows(frame_rate)
    first_seconds = shot.sound_start_seconds - margin / frame_rate
    columns = [shot.control_names.index(control.name) for control in controls]
    curves = ChannelCurves(tuple(control.name for control in controls), shot.frame_rate, shot.values[:, columns])
    shown = resample_to_frames(curves, frame_rate, first_seconds, frame_count=len(heard)).values
    seconds = first_seconds + np.arange(len(heard)) / frame_rate
    usable = (seconds >= -1e-6) & (seconds <= (len(shot.values) - 1) / shot.frame_rate + 1e-6)
    usable[:margin] = usable[len(usable) - margin :] = False
    emotion = np.zeros((len(heard), len(emotions)), np.float32)
    rows = np.clip(np.rint(seconds * shot.frame_rate).astype(np.int64), 0, len(shot.values) - 1)
    for column, name in enumerate(emotions):
        if name in shot.emotions:
            emotion[:, column] = shot.emotion_weights[rows, shot.emotions.index(name)]
    return Heard(heard, shown, emotion, usable)


def _margin_rows(frame_rate: float) -> int:
    return math.ceil(KNOT_SECONDS[-1] * frame_rate)


def _at_rate(waveform: Waveform, sample_rate: int) -> Waveform:
    if waveform.sample_rate == sample_rate:
        return waveform
    resampler = Resampler(waveform.sample_rate, sample_rate)
    return Waveform(np.concatenate([resampler.push(waveform.samples), resampler.finish()]), sample_rate)


def fit_show(
    session: Session,
    show: Show,
    *,
    on_progress: Callable[[float], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> Fit:
    """Learn all moving controls of ``show`` from the hearing of ``session``'s model; deterministic.

    Running the model over the sound takes most of the time. Raises Cancelled, ModelError if the model fails, and ShowError
    if there is too little data to choose the regularisation.
    """
    shots: list[Heard] = []
    for index, shot in enumerate(show.shots):
        if on_progress is not None:
            on_progress(0.7 * index / len(show.shots))
        shots.append(hear_shot(session, shot, show.controls, show.emotions, is_cancelled))
    fit = fit_heard(
        shots, show.controls, session.package.frame_rate,
        emotions=show.emotions, rig=show.rig, on_progress=on_progress, is_cancelled=is_cancelled,
    )  # fmt: skip
    return replace(fit, targets=show.targets, hold=show.hold)


def fit_heard(
    shots: Sequence[Heard],
    controls: Sequence[Channel],
    frame_rate: float,
    *,
    emotions: Sequence[str] = (),
    rig: str = "",
    on_progress: Callable[[float], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> Fit:
    """Fit shots that were already heard, at ``frame_rate`` rows a second, like :func:`fit_show`."""
    mean, projection = _principal_components(shots)
    hats = lag_hats(frame_rate)
    scale = np.array([control.maximum - control.minimum for control in controls])
    centre = np.array([control.rest for control in controls])
    moments, kind = _gather_moments(shots, mean, projection, hats, frame_rate, centre, scale, is_cancelled)
    if len(moments) < 2:
        raise ShowError("There is too little animation with sound to learn from; collect at least ten seconds")

    parts = [len(emotions), len(emotions) * min(_EMOTION_COMPONENTS, projection.shape[1])]
    seconds = sum(int(shot.usable.sum()) for shot in shots) / frame_rate
    # Controls that move more are more visible: one that hardly moves does not choose a region's regularisation.
    covariance, _, _ = _centred(np.sum(moments, axis=0), np.arange(0), len(controls))
    activity = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    best: tuple[float, int, dict[str, float], NDArray[np.float64]] | None = None
    tried = sorted({min(count, projection.shape[1]) for count in COMPONENTS})
    for index, count in enumerate(tried):
        if on_progress is not None:
            on_progress(0.75 + 0.2 * index / len(tried))
        columns = _columns(count, projection.shape[1], parts, len(hats))
        scores = _score_held_out(moments, columns, len(controls), is_cancelled)
        chosen: dict[str, float] = {}
        held_out = np.full(len(controls), np.nan)
        for region in dict.fromkeys(control.region for control in controls):
            members = [number for number, control in enumerate(controls) if control.region == region]
            ridge = _choose_ridge(_mean_where_known(scores[:, members], activity[members]), len(columns), seconds)
            chosen[region] = RIDGES[ridge]
            held_out[members] = scores[ridge, members]
        total = float(_mean_where_known(held_out[None], activity)[0])
        if best is None or total > best[0]:
            best = (total, count, chosen, held_out)
    assert best is not None
    _, count, ridges, held_out = best

    columns = _columns(count, projection.shape[1], parts, len(hats))
    inputs = len(columns) // len(hats)
    covariance, input_mean, shown_mean = _centred(np.sum(moments, axis=0), columns, len(controls))
    values, vectors = _spectrum(covariance[: len(columns), : len(columns)])
    rotated = vectors.T @ covariance[: len(columns), len(columns) :]
    weights = np.empty((len(columns), len(controls)))
    for number, control in enumerate(controls):
        weights[:, number] = vectors @ (rotated[:, number] / (values + ridges[control.region] * values.mean() + 1e-12))
    bias = (shown_mean - input_mean @ weights) * scale + centre
    # [lag, input, control] of the knots -> [control, input, lag] of every row.
    per_knot = (weights * scale).reshape(len(hats), inputs, len(controls))
    kernel = np.tensordot(per_knot, hats, axes=(0, 0)).transpose(1, 0, 2)
    if on_progress is not None:
        on_progress(1.0)
    shown = np.concatenate([shot.shown[shot.usable] for shot in shots])
    return Fit(
        controls=tuple(controls),
        emotions=tuple(emotions),
        rig=rig,
        minutes=seconds / 60.0,
        mean=mean,
        projection=np.ascontiguousarray(projection[:, :count]),
        kernel=kernel.astype(np.float32),
        bias=bias.astype(np.float32),
        held_out=tuple(held_out.tolist()),
        ridges=ridges,
        folds=(len(moments), kind),
        poses=find_show_poses([control.name for control in controls], shown),
    )


def predict(fit: Fit, heard: Array, emotion: Array | None = None) -> Array:
    """Predict the controls ``[time, control]`` in numpy from ``heard`` ``[time, width]`` and ``emotion`` ``[time, emotion]``.

    They are clamped to their limits. The graph of :func:`write_fit` computes the same.
    """
    if emotion is None:
        emotion = np.zeros((len(heard), len(fit.emotions)), np.float32)
    inputs = _inputs(heard, emotion, fit.mean, fit.projection)
    reach = fit.reach_frames
    padded = np.pad(inputs, ((reach, reach), (0, 0)))
    result = np.tile(fit.bias, (len(heard), 1))
    for lag in range(2 * reach + 1):
        result += padded[lag : lag + len(heard)] @ fit.kernel[:, :, lag].T
    minimum, maximum = _limits(fit.controls)
    return np.clip(result, minimum, maximum)


def write_fit(
    fit: Fit,
    trunk: ModelPackage,
    folder: str | Path,
    *,
    title: str | None = None,
    licence: str = "LicenseRef-in-house",
    drawing: tuple[bytes, dict[str, Any]] | None = None,
    training: dict[str, Any] | None = None,
) -> ModelPackage:
    """Write ``fit`` and the ``trunk`` that it was fitted on as one model package into ``folder``, and load it.

    ``drawing`` is a graph that draws takes, with its entry of model.json, and ``training`` are entries of how that was trained.
    Neither file is replaced before both are complete. Raises ModelError if the trunk does not fit or the folder cannot be
    written.
    """
    folder = Path(folder)
    try:
        trunk_graph = read_bytes(trunk.graph_path, LARGEST_GRAPH)
    except OSError as error:
        raise ModelError(f"{trunk.graph_path} cannot be read ({error.strerror}); install the model again") from None
    if hashlib.sha256(trunk_graph).hexdigest() != trunk.graph_sha256:
        raise ModelError(f"Model '{trunk.name}' was changed since the fit on it began; fit it again")
    width = trunk.feature_width + len(trunk.phones)
    if width != len(fit.mean):
        raise ModelError(f"Model '{trunk.name}' has {width} values a frame, but the fit needs {len(fit.mean)}; fit it again")
    graph = _assemble(fit, trunk, trunk_graph)
    description = _describe(fit, trunk, folder, title, licence)
    if training is not None:
        scores = description["training"]["scores"] | training.get("scores", {})
        description["training"] |= training | {"scores": scores}
    return write_package(folder, graph, description, drawing)


def lag_hats(frame_rate: float) -> NDArray[np.float64]:
    """Return the weight of every knot at every lag in rows, ``[knot, lag]``: linear between knots; the lags sum to 1 for each
    knot."""
    knots = np.unique(np.rint(np.array(KNOT_SECONDS) * frame_rate))
    lags = np.arange(int(knots[0]), int(knots[-1]) + 1)
    hats = np.array([np.interp(lags, knots, row) for row in np.eye(len(knots))], np.float64)
    return hats / hats.sum(axis=1, keepdims=True)


def _principal_components(shots: Sequence[Heard]) -> tuple[Array, Array]:
    """Compute the mean ``[width]`` of the trunk's output and the projection ``[width, component]`` of its standardised form."""
    count, total, square = 0, 0.0, 0.0
    for shot in shots:
        rows = shot.heard[shot.usable].astype(np.float64)
        count += len(rows)
        total = total + rows.sum(axis=0)
        square = square + rows.T @ rows
    if count < 2:
        raise ShowError("There is too little animation with sound to learn from; collect at least ten seconds")
    mean = np.asarray(total / count)
    covariance = np.asarray(square / count) - np.outer(mean, mean)
    # What hardly ever changes (a phone that never occurs in the show) must not be blown up.
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0.0)) + 1e-3
    _, vectors = np.linalg.eigh(covariance / np.outer(deviation, deviation))
    largest = vectors[:, ::-1][:, : max(COMPONENTS)]
    # The sign of an eigenvector is arbitrary and differs between machines.
    largest = largest * np.where(largest[np.abs(largest).argmax(axis=0), np.arange(largest.shape[1])] < 0, -1.0, 1.0)
    return mean.astype(np.float32), (largest / deviation[:, None]).astype(np.float32)


def _inputs(heard: Array, emotion: Array, mean: Array, projection: Array) -> Array:
    """Stack components, emotions and their products, ``[time, input]``."""
    components = (heard - mean) @ projection
    largest = components[:, : min(_EMOTION_COMPONENTS, projection.shape[1])]
    products = (emotion[:, :, None] * largest[:, None, :]).reshape(len(heard), -1)
    return np.concatenate([components, emotion, products], axis=1)


def _columns(count: int, most: int, parts: Sequence[int], knots: int) -> NDArray[np.int64]:
    """Return the columns of the regression that remain if only the first ``count`` of ``most`` components are used."""
    width = most + sum(parts)
    one = np.concatenate([np.arange(count), np.arange(most, width)])
    return np.concatenate([knot * width + one for knot in range(knots)])


def _gather_moments(
    shots: Sequence[Heard],
    mean: Array,
    projection: Array,
    hats: NDArray[np.float64],
    frame_rate: float,
    centre: NDArray[np.float64],
    scale: NDArray[np.float64],
    is_cancelled: Callable[[], bool] | None,
) -> tuple[list[Moments], str]:
    """Gather the second moments of (inputs at all knots, scaled controls, 1) for every fold, and name what the folds consist
    of."""
    step = max(1, round(frame_rate / ROWS_PER_SECOND))
    reach = hats.shape[1] // 2
    by_shots = len(shots) > 1
    folds: list[Moments | None] = [None] * (min(FOLDS, len(shots)) if by_shots else FOLDS)
    for number, shot in enumerate(shots):
        if is_cancelled is not None and is_cancelled():
            raise Cancelled
        inputs = np.pad(_inputs(shot.heard, shot.emotion, mean, projection), ((reach, reach), (0, 0)))
        rows = np.flatnonzero(shot.usable)[::step]
        blocks = [rows] if by_shots else np.array_split(rows, FOLDS)
        for block, piece in enumerate(blocks):
            if not by_shots and block:
                # The sound at a border is heard from both sides; leaving it out keeps the folds independent.
                piece = piece[2 * reach // step :]
            if not len(piece):
                continue
            table = np.empty((len(piece), len(hats) * inputs.shape[1] + len(scale) + 1), np.float32)
            for knot, weights in enumerate(hats):
                lags = np.flatnonzero(weights)
                part = sum(np.float32(weights[lag]) * inputs[piece + lag] for lag in lags)
                table[:, knot * inputs.shape[1] : (knot + 1) * inputs.shape[1]] = part
            table[:, -len(scale) - 1 : -1] = (shot.shown[piece] - centre) / scale
            table[:, -1] = 1.0
            moments = (table.T @ table).astype(np.float64)
            fold = number % len(folds) if by_shots else block
            known = folds[fold]
            folds[fold] = moments if known is None else known + moments
    return [fold for fold in folds if fold is not None], "shots" if by_shots else "time"


def _centred(
    moments: Moments, columns: NDArray[np.int64], controls: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Compute the covariance of (``columns``, controls), the mean of the columns and the mean of the controls."""
    end = len(moments) - 1
    chosen = np.concatenate([columns, np.arange(end - controls, end)])
    mean = moments[-1, chosen] / moments[-1, -1]
    covariance = moments[np.ix_(chosen, chosen)] / moments[-1, -1] - np.outer(mean, mean)
    return covariance, mean[: len(columns)], mean[len(columns) :]


def _spectrum(covariance: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values, vectors = np.linalg.eigh(covariance)
    return np.maximum(values, 0.0), vectors


def _score_held_out(
    moments: Sequence[Moments], columns: NDArray[np.int64], controls: int, is_cancelled: Callable[[], bool] | None
) -> NDArray[np.float64]:
    """Score r ``[ridge, control]``, the mean over folds, each predicted from the others; nan if a control moves in no fold.

    r of a linear prediction follows from the second moments alone.
    """
    whole = np.sum(moments, axis=0)
    inputs = len(columns)
    total = np.zeros((len(RIDGES), controls))
    counted = np.zeros(controls)
    for held_out in moments:
        if is_cancelled is not None and is_cancelled():
            raise Cancelled
        covariance, _, _ = _centred(whole - held_out, columns, controls)
        tested, _, _ = _centred(held_out, columns, controls)
        values, vectors = _spectrum(covariance[:inputs, :inputs])
        rotated = vectors.T @ covariance[:inputs, inputs:]
        variance = np.diag(tested)[inputs:]
        moves = variance > _LEAST_VARIANCE
        counted += moves
        for number, ridge in enumerate(RIDGES):
            weights = vectors @ (rotated / (values[:, None] + ridge * values.mean() + 1e-12))
            shared = (weights * tested[:inputs, inputs:]).sum(axis=0)
            predicted = (weights * (tested[:inputs, :inputs] @ weights)).sum(axis=0)
            r = shared / np.sqrt(np.maximum(predicted * variance, 1e-20))
            total[number] += np.where(moves, r, 0.0)
    return np.where(counted > 0, total / np.maximum(counted, 1), np.nan)


def _choose_ridge(scores: NDArray[np.float64], inputs: int, seconds: float) -> int:
    """Choose the index in RIDGES with the best r on held-out shots, ``scores`` ``[ridge]``.

    With more inputs than independent poses a regression follows what is not explained, too, and goes too far on new sound;
    r does not tell, nor do held-out shots where they are few and alike. So the regularisation is at least the ratio of the
    two, times the share of the variance that the best leaves unexplained.
    """
    unexplained = 1.0 - np.clip(scores.max(), 0.0, 1.0) ** 2
    least = min(unexplained * inputs / (seconds * INDEPENDENT_PER_SECOND), RIDGES[-1])
    allowed = np.flatnonzero(np.array(RIDGES) >= least)
    return int(allowed[np.argmax(scores[allowed])])


def _mean_where_known(scores: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weighted mean over the last axis without nan; 0 where all are nan."""
    counted = np.where(np.isfinite(scores), weights, 0.0)
    return (np.nan_to_num(scores) * counted).sum(axis=-1) / np.maximum(counted.sum(axis=-1), 1e-12)


def _limits(controls: Sequence[Channel]) -> tuple[Array, Array]:
    minimum = np.array([control.minimum for control in controls], np.float32)
    maximum = np.array([control.maximum for control in controls], np.float32)
    return minimum, maximum


def _assemble(fit: Fit, trunk: ModelPackage, trunk_graph: bytes) -> bytes:
    """Assemble the graph: the trunk's hearing, then :func:`predict` in ONNX operators."""
    head = Head()
    heard = "features"
    if trunk.phones:
        heard = head.node("Concat", ["features", "phones"], "fit/heard", axis=2)
    moved = head.node("Sub", [heard, head.constant("fit/mean", fit.mean)], "fit/centred")
    inputs = head.node("MatMul", [moved, head.constant("fit/projection", fit.projection)], "fit/components")
    components = fit.projection.shape[1]
    if fit.emotions:
        largest = min(_EMOTION_COMPONENTS, components)
        repeat = np.repeat(np.eye(len(fit.emotions), dtype=np.float32), largest, axis=1)
        tile = np.tile(np.eye(components, largest, dtype=np.float32), (1, len(fit.emotions)))
        weights = head.node("MatMul", ["emotion", head.constant("fit/repeat", repeat)], "fit/emotion_weights")
        motion = head.node("MatMul", [inputs, head.constant("fit/tile", tile)], "fit/largest_components")
        products = head.node("Mul", [weights, motion], "fit/products")
        inputs = head.node("Concat", [inputs, "emotion", products], "fit/inputs", axis=2)
    columns = head.node("Transpose", [inputs], "fit/columns", perm=[0, 2, 1])
    kernel, bias = head.constant("fit/kernel", fit.kernel), head.constant("fit/bias", fit.bias)
    summed = head.node("Conv", [columns, kernel, bias], "fit/summed", pads=[fit.reach_frames, fit.reach_frames])
    rows = head.node("Transpose", [summed], "fit/rows", perm=[0, 2, 1])
    minimum, maximum = _limits(fit.controls)
    raised = head.node("Max", [rows, head.constant("fit/minimum", minimum)], "fit/raised")
    head.node("Min", [raised, head.constant("fit/maximum", maximum)], "channels")
    outputs: dict[str, list[int | str]] = {
        "channels": [1, "frames", len(fit.controls)],
        "features": [1, "frames", trunk.feature_width],
    }
    if trunk.phones:
        outputs["phones"] = [1, "frames", len(trunk.phones)]
    emotion: dict[str, list[int | str]] = {"emotion": [1, "frames", len(fit.emotions)]} if fit.emotions else {}
    return replace_head(trunk_graph, list(outputs)[1:], head, emotion, outputs)


def _describe(fit: Fit, trunk: ModelPackage, folder: Path, title: str | None, licence: str) -> dict[str, Any]:
    reach = fit.reach_frames / trunk.frame_rate
    hours = round(fit.minutes / 60.0, 4)
    corpora = [vars(corpus) for corpus in trunk.training.corpora]
    corpora.append(show_corpus(fit.rig, licence, hours))
    held_out = {control.name: round(r, 3) if math.isfinite(r) else None for control, r in zip(fit.controls, fit.held_out)}
    return {
        "format": 1,
        "name": package_name(folder.name),
        "title": title or folder.name or "Show",
        "version": "1.0.0",
        "licence": licence,
        "sample_rate": trunk.sample_rate,
        "frame_rate": trunk.frame_rate,
        "context_seconds": {
            "before": round(trunk.context_before_seconds + reach, 6),
            "after": round(trunk.context_after_seconds + reach, 6),
        },
        **({"grid_seconds": trunk.grid_seconds} if trunk.grid_seconds else {}),
        "lead_seconds": 0.0,
        "channels": [vars(control) for control in fit.controls],
        "emotions": list(fit.emotions),
        "phones": list(trunk.phones),
        "features": {"width": trunk.feature_width},
        "targets": {name: asdict(target) for name, target in fit.targets.items()},
        **({"hold": asdict(fit.hold)} if fit.hold else {}),
        **({"poses": _describe_poses(fit.poses)} if fit.poses else {}),
        "training": {
            "corpora": corpora,
            "hours": round(trunk.training.hours + hours, 4),
            "seed": trunk.training.seed,
            "commit": trunk.training.commit,
            "scores": {
                "method": "fit",
                "trunk": {"name": trunk.name, "version": trunk.version, "sha256": trunk.graph_sha256},
                "components": fit.projection.shape[1],
                "ridges": {region: round(ridge, 6) for region, ridge in fit.ridges.items()},
                "folds": {"count": fit.folds[0], "of": fit.folds[1]},
                "held_out_r": held_out,
                "mean_held_out_r": round(fit.mean_held_out, 3) if math.isfinite(fit.mean_held_out) else None,
            },
        },
    }


def _describe_poses(poses: ShowPoses) -> dict[str, list[float]]:
    lines = {"middle": poses.middle, "spread": poses.spread, "low": poses.low, "high": poses.high, "axes": poses.axes.ravel()}
    return {name: np.round(line, 6).tolist() for name, line in lines.items()}
