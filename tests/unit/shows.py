# SPDX-License-Identifier: GPL-3.0-or-later
"""Small shows for the tests: sounds that the small model of model_packages.py hears, and controls that follow from them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from model_packages import HOP, SAMPLE_RATE, noise
from voxrig.animation.face.channels import Channel
from voxrig.inference.audio import Waveform
from voxrig.inference.generate import generate_outputs
from voxrig.inference.session import Session
from voxrig.learning.show import Shot

CONTROLS = (
    Channel("jaw_ctrl.rotation", "jaw", "face", 0.0, -math.inf, math.inf, "radians"),
    Channel("lip_corner_L", "lips", "face", 0.0, -5.0, 5.0, "weight"),
    Channel("ear_twitch", "head", "face", 0.0, 0.0, 1.0, "weight"),
)


def make_shot(name: str = "sh010", seconds: float = 4.0, seed: int = 3, **changes: object) -> Shot:
    """Return a shot at 24 frames a second whose controls swing with sines; the third never moves."""
    rows = round(seconds * 24.0)
    time = np.arange(rows) / 24.0
    values = np.stack([np.sin(5.0 * time), np.cos(3.0 * time), np.full(rows, 0.25)], axis=1)
    given = {
        "name": name,
        "rig": "hero",
        "controls": CONTROLS,
        "values": values,
        "frame_rate": 24.0,
        "waveform": Waveform(noise(seconds, seed=seed), SAMPLE_RATE),
    }
    return Shot(**(given | changes))  # type: ignore[arg-type]


def make_linear_shot(
    session: Session,
    name: str,
    seconds: float,
    seed: int,
    emotions: tuple[str, ...] = (),
    weight: Callable[[int], float] = lambda row: 0.0,
) -> Shot:
    """Return a shot at the model's 50 frames a second whose controls are, by a known rule, what the model hears of the sound:
    jaw the second feature around 0.1 s before, lip corner the difference of two features around now, moved by the emotion.

    'Around' is a smooth window: muscles are no faster, and the noise that is heard here changes with every row.
    """
    sound = Waveform(noise(seconds, seed=seed), SAMPLE_RATE)
    margin, early = 30, 5
    window = np.hanning(17)
    window /= window.sum()
    padded = Waveform(np.pad(sound.samples, margin * HOP), SAMPLE_RATE)
    heard = generate_outputs(session, padded, outputs=("features",))["features"]
    smooth = np.stack([np.convolve(column, window, "same") for column in heard.T], axis=1)
    rows = len(heard) - 2 * margin
    before, now = smooth[margin - early : margin - early + rows], smooth[margin : margin + rows]
    weights = np.array([[weight(row)] for row in range(rows)], np.float32)[:, : len(emotions)]
    jaw = 0.3 + 0.5 * before[:, 1]
    corner = now[:, 0] - 0.5 * now[:, 3] + (0.8 * weights[:, 0] if emotions else 0.0)
    values = np.stack([jaw, corner, np.full(rows, 0.25)], axis=1)
    return Shot(name, "hero", CONTROLS, values, 50.0, sound, emotions=emotions, emotion=weights if emotions else None)
