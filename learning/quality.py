# SPDX-License-Identifier: GPL-3.0-or-later
"""Rate a collected show before it is learned: how much material there is, and what seems wrong with it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..animation.face.channels import REGIONS
from ..errors import ShowError
from ..inference.audio import Waveform
from .show import Shot, Show, gather_show, list_shots, read_shot

Array = NDArray[np.float64]

LAG_SECONDS = 0.6
"""Sound and motion are compared at lags up to this in both directions."""

FAR_SECONDS = 0.1
"""A shot whose lag is further than this from the median of all is flagged: two or three frames."""

_QUIET_DB = -50.0
_FLOOR_DB = -60.0
_CLIPPED = 0.999
_CLIPPED_SHARE = 1e-4
_SILENT_SHARE = 0.6
# Below this correlation, or below this share of that of the other shots, a best lag means nothing.
_CLEAR_R = 0.25
_CLEAR_SHARE = 0.5
_MOST_CONTROLS = 150
_LITTLE_MINUTES = 2.0


@dataclass(frozen=True)
class ShotQuality:
    """Figures of one shot.

    ``lag_seconds`` is how long after the sound the face moves where the two agree best, with the correlation ``lag_r``;
    ``by_lag`` is the correlation at every lag of ``lag_axis``. ``loudness`` in dB and ``motion``, the loudness that the motion
    of the face suggests, are on the shot's frames. ``held_share`` is the share of frames without movement.
    """

    shot: Shot
    lag_seconds: float
    lag_r: float
    by_lag: Array
    loudness: Array
    motion: Array
    clipped_share: float
    silent_share: float
    held_share: float
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class ControlQuality:
    """The movement of a control over all shots: its lowest and highest value, the share of its range that it moves in a second,
    and the share of frames on which it moves at all."""

    name: str
    region: str
    lowest: float
    highest: float
    activity: float
    moving_share: float


@dataclass(frozen=True)
class ShowQuality:
    """The figures of a show. ``problems`` are sentences for the artist; ``left_out`` those on shots that cannot be used."""

    show: Show
    shots: tuple[ShotQuality, ...]
    controls: tuple[ControlQuality, ...]
    problems: tuple[str, ...]
    left_out: tuple[str, ...]

    def summary(self) -> str:
        """Summarise the material in one line."""
        counts = Counter(control.region for control in self.controls)
        parts = ", ".join(f"{counts[region]} {region}" for region in REGIONS if counts[region])
        return (
            f"{len(self.shots)} shot{'s' if len(self.shots) != 1 else ''}, {self.show.minutes:.1f} minutes, "
            f"{len(self.controls)} controls that move ({parts}); {len(self.all_problems) or 'no'} remark"
            f"{'s' if len(self.all_problems) != 1 else ''}"
        )

    @property
    def all_problems(self) -> tuple[str, ...]:
        """Sentences on shots that cannot be used and on problems of the show and of its shots."""
        return (*self.left_out, *self.problems, *(problem for shot in self.shots for problem in shot.problems))


def inspect_show(folder: str | Path) -> ShowQuality:
    """Read a dataset folder and inspect all that can be used of it. Raises ShowError if there is nothing."""
    shots: list[Shot] = []
    left_out: list[str] = []
    for path in list_shots(folder):
        try:
            shots.append(read_shot(path))
        except ShowError as error:
            left_out.append(str(error))
    if not shots:
        raise ShowError(f"No shot in {folder} can be used: {left_out[0]}")
    kinds = Counter((shot.rig, frozenset(shot.control_names)) for shot in shots)
    most = max(kinds, key=lambda kind: kinds[kind])
    kept = [shot for shot in shots if (shot.rig, frozenset(shot.control_names)) == most]
    for shot in shots:
        if all(shot is not other for other in kept):
            try:
                gather_show([kept[0], shot])
            except ShowError as error:
                left_out.append(str(error))
    return measure_show(gather_show(kept), tuple(left_out))


def measure_show(show: Show, left_out: tuple[str, ...] = ()) -> ShowQuality:
    """Measure a show whose shots belong together; ``left_out`` are the reasons why others do not."""
    tables = [_moving_table(show, shot) for shot in show.shots]
    agreements = _compare(show, tables)
    shots = [_measure_shot(shot, table, *agreed) for shot, table, agreed in zip(show.shots, tables, agreements)]
    shots = _judge_lags(shots)
    problems = list(show.warnings)
    rates = sorted({shot.frame_rate for shot in show.shots})
    if len(rates) > 1:
        listed = " and ".join(f"{rate:g}" for rate in rates)
        problems.append(f"The shots are at {listed} frames a second; each is learned at its own rate")
    if len(show.shots) == 1:
        problems.append("There is only one shot, so learning is checked on parts of it; collect more shots")
    if show.minutes < _LITTLE_MINUTES:
        problems.append(f"There are only {60 * show.minutes:.0f} seconds; good results need at least five minutes")
    sounds: dict[str, str] = {}
    for shot in show.shots:
        other = sounds.setdefault(shot.sound_sha256, shot.name)
        if other != shot.name and not any(f"'{shot.name}' is the same as" in warning for warning in show.warnings):
            problems.append(f"Shots '{other}' and '{shot.name}' have the same sound with different animation")
    return ShowQuality(show, tuple(shots), _measure_controls(show, tables), tuple(problems), left_out)


def _moving_table(show: Show, shot: Shot) -> Array:
    """Return a shot's moving controls as shares of their range, ``[time, control]``, in the show's order."""
    columns = [shot.control_names.index(control.name) for control in show.controls]
    spans = np.array([control.maximum - control.minimum for control in show.controls])
    return shot.values[:, columns].astype(np.float64) / spans


def _measure_controls(show: Show, tables: Sequence[Array]) -> tuple[ControlQuality, ...]:
    found: list[ControlQuality] = []
    seconds = sum(max(0, len(table) - 1) / shot.frame_rate for shot, table in zip(show.shots, tables))
    for column, control in enumerate(show.controls):
        steps = np.concatenate([np.abs(np.diff(table[:, column])) for table in tables])
        span = control.maximum - control.minimum
        low = min(float(table[:, column].min()) for table in tables)
        high = max(float(table[:, column].max()) for table in tables)
        share = max(high - low, 1e-9)
        found.append(
            ControlQuality(
                control.name,
                control.region,
                low * span,
                high * span,
                float(steps.sum()) / share / max(seconds, 1e-9),
                float((steps > 1e-3 * share).mean()) if len(steps) else 0.0,
            )
        )
    return tuple(found)


def measure_loudness(waveform: Waveform, frame_rate: float, first_seconds: float, count: int) -> Array:
    """Measure loudness in dB of full scale, at least -60, in windows of two frames around ``count`` instants, ``[time]``."""
    energy = np.concatenate(([0.0], np.cumsum(np.square(waveform.samples, dtype=np.float64))))
    centre = (first_seconds + np.arange(count) / frame_rate) * waveform.sample_rate
    half = waveform.sample_rate / frame_rate
    first = np.clip(np.rint(centre - half), 0, len(energy) - 1).astype(np.int64)
    last = np.clip(np.rint(centre + half), 0, len(energy) - 1).astype(np.int64)
    power = (energy[last] - energy[first]) / np.maximum(last - first, 1)
    return 10.0 * np.log10(np.maximum(power, 10.0 ** (_FLOOR_DB / 10.0)))


def _compare(show: Show, tables: Sequence[Array]) -> list[tuple[Array, Array]]:
    """Compare the loudness of every shot with the loudness that its motion suggests, judging by the other shots.

    The suggested loudness is a ridge regression of loudness on the controls and their speeds, because the controls that open a
    mouth, and their direction, differ from rig to rig.
    """
    active = np.argsort([-float(sum(table[:, column].var() for table in tables)) for column in range(tables[0].shape[1])])
    chosen = active[:_MOST_CONTROLS]
    features: list[Array] = []
    levels: list[Array] = []
    for shot, table in zip(show.shots, tables):
        speed = np.abs(np.gradient(table[:, chosen], axis=0)) * shot.frame_rate if len(table) > 1 else 0.0 * table[:, chosen]
        both = np.concatenate([table[:, chosen], speed], axis=1)
        level = measure_loudness(shot.waveform, shot.frame_rate, -shot.sound_start_seconds, len(table))
        features.append(both)
        levels.append(level)
    common = _common_lag(show, features, levels)
    moments: list[Array] = []
    for shot, both, level in zip(show.shots, features, levels):
        rows = np.concatenate([both, _delay(level, round(common * shot.frame_rate))[:, None], np.ones((len(both), 1))], axis=1)
        moments.append(rows.T @ rows)
    whole = np.sum(moments, axis=0)
    agreed: list[tuple[Array, Array]] = []
    for both, level, own in zip(features, levels, moments):
        known = whole - own if len(moments) > 1 else whole
        mean = known[-1, :-1] / known[-1, -1]
        covariance = known[:-1, :-1] / known[-1, -1] - np.outer(mean, mean)
        weights = _regress(covariance[:-1, :-1], covariance[:-1, -1])
        agreed.append((level, (both - mean[:-1]) @ weights + mean[-1]))
    return agreed


def _regress(covariance: Array, shared: Array) -> Array:
    """Solve a ridge regression on inputs of this ``covariance`` from their covariance with the output, ``shared``."""
    scale = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    # Inputs that hardly move must not be blown up.
    scale = np.where(scale > 1e-4, scale, np.inf)
    return np.linalg.solve(covariance / np.outer(scale, scale) + 0.1 * np.eye(len(scale)), shared / scale) / scale


def _common_lag(show: Show, features: Sequence[Array], levels: Sequence[Array]) -> float:
    """Find how many seconds after the sound the faces of the whole show move: where the regression explains most."""
    mean = np.concatenate(features).mean(axis=0)
    centred = [both - mean for both in features]
    count = sum(map(len, levels))
    covariance = np.sum([both.T @ both for both in centred], axis=0) / count
    lags = lag_axis(min(shot.frame_rate for shot in show.shots))
    explained: list[float] = []
    for lag in lags:
        moved = [_delay(level, round(lag * shot.frame_rate)) for shot, level in zip(show.shots, levels)]
        middle = float(np.concatenate(moved).mean())
        shared = np.sum([both.T @ (level - middle) for both, level in zip(centred, moved)], axis=0) / count
        explained.append(float(shared @ _regress(covariance, shared)))
    return float(lags[int(np.argmax(explained))])


def _delay(level: Array, frames: int) -> Array:
    """Delay a level by ``frames``; its ends are held."""
    return level[np.clip(np.arange(len(level)) - frames, 0, len(level) - 1)]


def lag_axis(frame_rate: float) -> Array:
    """Return the lags that are compared, in seconds: whole frames up to ``LAG_SECONDS`` in both directions."""
    reach = max(1, round(LAG_SECONDS * frame_rate))
    return np.arange(-reach, reach + 1) / frame_rate


def _measure_shot(shot: Shot, table: Array, level: Array, motion: Array) -> ShotQuality:
    lags = np.rint(lag_axis(shot.frame_rate) * shot.frame_rate).astype(np.int64)
    by_lag = np.array([_correlate_at(level, motion, int(lag)) for lag in lags])
    best = int(np.argmax(by_lag))
    samples = np.abs(shot.waveform.samples)
    clipped = float((samples >= _CLIPPED).mean())
    silent = float((level < _QUIET_DB).mean())
    steps = np.abs(np.diff(table, axis=0))
    held = float((steps.max(axis=1) < 1e-4).mean()) if len(steps) else 1.0
    problems: list[str] = []
    if clipped > _CLIPPED_SHARE:
        problems.append(f"The sound of shot '{shot.name}' is clipped ({clipped:.2%} of it); use a recording that is not")
    if level.max() < _QUIET_DB:
        problems.append(f"The sound of shot '{shot.name}' is silent throughout; check its strips and their volume")
    elif silent > _SILENT_SHARE:
        problems.append(f"Shot '{shot.name}' is silent for {silent:.0%} of its time; shorten it to where somebody speaks")
    return ShotQuality(
        shot, float(lags[best]) / shot.frame_rate, float(by_lag[best]), by_lag, level, motion, clipped, silent, held,
        tuple(problems),
    )  # fmt: skip


def _correlate_at(level: Array, motion: Array, lag: int) -> float:
    """Compute r of the loudness with the motion ``lag`` frames later; 0 if too little is left."""
    first, second = (level[: len(level) - lag], motion[lag:]) if lag >= 0 else (level[-lag:], motion[:lag])
    if len(first) < 8 or first.std() < 1e-6 or second.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _judge_lags(shots: Sequence[ShotQuality]) -> list[ShotQuality]:
    """Flag the shots whose sound and motion are out of sync or unrelated."""
    least = max(_CLEAR_R, _CLEAR_SHARE * float(np.median([shot.lag_r for shot in shots])))
    clear = [shot.lag_seconds for shot in shots if shot.lag_r >= least]
    # A single shot is compared with what any rig does: the face moves with the sound or slightly before it.
    median = float(np.median(clear)) if len(clear) > 1 else 0.0
    judged: list[ShotQuality] = []
    for shot in shots:
        problems = list(shot.problems)
        off = shot.lag_seconds - median
        if shot.lag_r < least:
            if shot.loudness.max() >= _QUIET_DB:
                problems.append(
                    f"The face in shot '{shot.shot.name}' hardly moves with its sound (r {shot.lag_r:.2f}); check that it is "
                    "the right sound and the right character"
                )
        elif abs(off) > (FAR_SECONDS if len(clear) > 1 else 2 * FAR_SECONDS):
            frames = f"{abs(off) * shot.shot.frame_rate:.0f} frames {'later' if off > 0 else 'earlier'}"
            than = "in the other shots" if len(clear) > 1 else "faces are"
            problems.append(
                f"The face in shot '{shot.shot.name}' is {frames} against its sound than {than}; check where its sound begins"
            )
        judged.append(replace(shot, problems=tuple(problems)))
    return judged


def missing_seconds(show: Show) -> float:
    """Count the seconds of animation without sound over all shots."""
    return sum(max(0.0, shot.duration_seconds - shot.common_seconds) for shot in show.shots)


def emotion_minutes(show: Show) -> dict[str, float]:
    """Count the minutes of each emotion, weighted; 'neutral' is the rest."""
    minutes = dict.fromkeys(show.emotions, 0.0)
    rest = 0.0
    for shot in show.shots:
        weights = shot.emotion_weights
        for column, name in enumerate(shot.emotions):
            minutes[name] += float(weights[:, column].sum()) / shot.frame_rate / 60.0
        rest += float(np.maximum(0.0, 1.0 - weights.sum(axis=1)).sum()) / shot.frame_rate / 60.0
    return minutes | {"neutral": rest} if minutes and math.isfinite(rest) else minutes
