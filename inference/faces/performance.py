# SPDX-License-Identifier: GPL-3.0-or-later
"""From a filmed face to channel curves: one row a frame at an even rate, gaps bridged, the neutral face taken out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...animation.curves import ChannelCurves
from ...animation.life.channels import LOOK_RANGES
from ...errors import Cancelled, PictureError
from .films import SMALLEST_SIDE, FrameReader, read_frames, typical_rate
from .package import FaceGraphs, load_face_package
from .tracking import FaceTracker

ANGLE_NAMES = ("headYaw", "headPitch", "headRoll", "leftEyeYaw", "leftEyePitch", "rightEyeYaw", "rightEyePitch")
"""Columns after the shapes, in radians, with the signs of animation.life.channels."""

_PROFILE = math.radians(50.0)
_DARK_LIDS = 0.5
# Shapes whose rest is not a matter of the person: eyes that look and lids that close.
_NEVER_NEUTRAL = ("eyeLook", "eyeBlink", "jawOpen")
_REST_SHARE = 0.1


@dataclass(frozen=True)
class FilmedFace:
    """Curves of a picture (one row) or a film: the 51 shapes that are seen, then ANGLE_NAMES; ``warnings`` are sentences."""

    curves: ChannelCurves
    warnings: tuple[str, ...] = ()


def read_face(
    path: Path,
    *,
    reader: FrameReader = read_frames,
    neutral: NDArray[np.float32] | None = None,
    calibrates: bool = False,
    threads: int = 2,
    on_progress: Callable[[float], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> FilmedFace:
    """Read the largest face of a picture or a film.

    ``neutral`` ``[51]`` are the shapes of the same face at rest, which are taken out; a film ``calibrates`` itself by those
    that most of its frames lie above. Raises PictureError, ModelError and Cancelled.
    """
    tracker = FaceTracker(FaceGraphs(load_face_package(), threads))
    package = load_face_package()
    columns = [index for index, name in enumerate(package.channels) if name != "_neutral"]
    names = tuple(package.channels[index] for index in columns)
    times: list[float] = []
    rows: list[NDArray[np.float32] | None] = []
    most_faces = turned = shaded = 0
    for frame in reader(path):
        if is_cancelled is not None and is_cancelled():
            raise Cancelled
        if on_progress is not None:
            on_progress(frame.progress)
        height, width = frame.picture.shape[:2]
        if min(height, width) < SMALLEST_SIDE:
            raise PictureError(
                f"{path.name} is only {width} x {height} pixels; give one of at least {SMALLEST_SIDE} on its shorter side"
            )
        if times and frame.seconds <= times[-1]:
            continue
        seen = tracker.read(frame.picture)
        times.append(frame.seconds)
        if seen is None:
            rows.append(None)
            continue
        most_faces = max(most_faces, seen.face_count)
        yaw, pitch, roll = seen.pose.angles()
        turned += abs(yaw) > _PROFILE
        shaded += seen.lid_light < _DARK_LIDS
        scores = seen.scores[columns]
        rows.append(np.concatenate([scores, np.array((yaw, pitch, roll), np.float32), gaze_of(names, scores)]))
    found = [index for index, row in enumerate(rows) if row is not None]
    if not found:
        raise PictureError(f"{path.name} shows no face that can be read; give one seen from the front, large and well lit")
    warnings = list(_warn(path.name, len(rows), found, times, most_faces, turned, shaded))
    rate = typical_rate(times)
    values = np.stack([row for row in rows if row is not None]).astype(np.float64)
    known = np.array(times)[found]
    count = max(1, round(times[-1] * rate) + 1)
    even = np.arange(count) / rate
    sampled = np.stack([np.interp(even, known, column) for column in values.T], axis=1).astype(np.float32)  # pyright: ignore[reportUnknownArgumentType]
    shapes = len(names)
    if neutral is None and calibrates and count > 1:
        neutral = find_rest(sampled[:, :shapes], names)
    if neutral is not None:
        sampled[:, :shapes] = take_out(sampled[:, :shapes], neutral)
    return FilmedFace(ChannelCurves((*names, *ANGLE_NAMES), rate, sampled), tuple(warnings))


def find_rest(shapes: NDArray[np.float32], names: tuple[str, ...]) -> NDArray[np.float32]:
    """Return the shapes ``[channel]`` that a tenth of the rows ``[time, channel]`` lie below: the face at rest.

    Lids, gaze and jaw have none, because their rest is known.
    """
    rest = np.quantile(shapes, _REST_SHARE, axis=0).astype(np.float32)
    rest[[name.startswith(_NEVER_NEUTRAL) for name in names]] = 0.0
    return rest


def take_out(shapes: NDArray[np.float32], neutral: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the shapes without those of the neutral face, so that this is 0; up to a rest of a half the strongest is 1."""
    return np.clip((shapes - neutral) / (1.0 - np.clip(neutral, 0.0, 0.5)), 0.0, 1.0)


def gaze_of(names: tuple[str, ...], scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return yaw and pitch of the left and of the right eye in radians ``[4]`` from ARKit's eyeLook shapes."""
    weights = dict(zip(names, scores.tolist(), strict=True))

    def turn(eye: str, way: str) -> float:
        return weights[f"eyeLook{way}{eye}"] * LOOK_RANGES[way]

    angles: list[float] = []
    for eye, sign in (("Left", -1.0), ("Right", 1.0)):
        # Yaw is positive to the head's own right: outwards for the right eye, inwards for the left.
        angles += [sign * (turn(eye, "Out") - turn(eye, "In")), turn(eye, "Down") - turn(eye, "Up")]
    return np.array(angles, np.float32)


def _warn(name: str, count: int, found: list[int], times: list[float], faces: int, turned: int, shaded: int) -> list[str]:
    sentences: list[str] = []
    if faces > 1:
        sentences.append(f"{name} shows {faces} faces; the largest is read")
    if len(found) < count:
        missing = sorted(set(range(count)) - set(found))
        runs = np.split(np.array(missing), np.flatnonzero(np.diff(missing) > 1) + 1)
        longest = max(runs, key=len)
        seconds = len(longest) / typical_rate(times)
        sentences.append(
            f"{name} shows no face in {len(missing)} of {count} frames (the longest gap is {seconds:.1f} s from "
            f"{times[int(longest[0])]:.1f} s); it is bridged from the frames around"
        )
    if turned > 0.2 * len(found):
        sentences.append(f"{name} shows the face nearly from the side, where its expression is unsure")
    if shaded > 0.5 * len(found):
        sentences.append(f"{name} shows dark eyes, as behind sunglasses, where lids, gaze and brows are unsure")
    return sentences
