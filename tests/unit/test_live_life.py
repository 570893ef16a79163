# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a head while somebody speaks: from the past alone, smooth, in the rates of people, for as long as it lasts."""

from __future__ import annotations

import numpy as np
import pytest
from voxrig.animation.life.causal import EPISODE_SECONDS, LiveLife
from voxrig.animation.life.channels import CHANNEL_NAMES
from voxrig.animation.life.stage import LifeSettings, Target

RATE = 50.0
HEAD = [CHANNEL_NAMES.index(name) for name in ("headYaw", "headPitch", "headRoll")]
LID = CHANNEL_NAMES.index("eyeBlinkLeft")


def conversation(seconds: float) -> list[tuple[bool, float]]:
    """Return phrases of 2.5 s with pauses of 0.6 s in turns of 9 s, then 4 s of silence; four syllables a second."""
    rows = []
    for number in range(round(seconds * RATE)):
        at = number / RATE
        is_voiced = at % 13.0 < 9.0 and at % 13.0 % 3.1 < 2.5
        swell = max(0.0, float(np.sin(8 * np.pi * at))) * (0.6 + 0.4 * float(np.sin(1.4 * np.pi * at)))
        rows.append((is_voiced, 0.25 * swell * is_voiced))
    return rows


def live(life: LiveLife, heard: list[tuple[bool, float]]) -> np.ndarray:
    return np.array([life.advance(*row) for row in heard])


@pytest.fixture(scope="module")
def minutes() -> tuple[LiveLife, np.ndarray]:
    life = LiveLife(LifeSettings(5), RATE)
    return life, live(life, conversation(120.0))


def test_blinks_nods_and_head_are_those_of_a_calm_person(minutes: tuple[LiveLife, np.ndarray]) -> None:
    life, rows = minutes
    shut = rows[:, LID] > 0.95
    blinks = int(np.count_nonzero(np.diff(shut.astype(int)) == 1))
    assert 10.5 <= blinks / 2 <= 32.5  # the 95 % band of a conversation (Doughty 2001)
    assert blinks == pytest.approx(life.blinks, abs=1)
    assert 6 <= life.nods / 2 <= 45
    degrees = np.degrees(rows[:, HEAD].std(axis=0))
    assert (degrees > 0.4).all() and (degrees < 4.0).all()


def test_nothing_jumps_where_episodes_meet(minutes: tuple[LiveLife, np.ndarray]) -> None:
    _, rows = minutes
    assert len(rows) > 3 * EPISODE_SECONDS * RATE
    assert np.degrees(np.abs(np.diff(rows[:, HEAD], axis=0))).max() * RATE < 60.0  # degrees a second
    smiles = rows[:, CHANNEL_NAMES.index("mouthSmileLeft")]
    assert np.abs(np.diff(smiles)).max() < 0.02


def test_blinks_crowd_where_a_phrase_has_ended(minutes: tuple[LiveLife, np.ndarray]) -> None:
    _, rows = minutes
    starts = np.flatnonzero(np.diff((rows[:, LID] > 0.95).astype(int)) == 1)
    place = (starts / RATE) % 13.0
    within = place[place < 9.0] % 3.1
    at_ends = np.count_nonzero((within > 2.6) & (within < 3.1)) / 0.5
    inside = np.count_nonzero(within < 2.5) / 2.5
    assert at_ends > 2.0 * inside > 0.0


def test_the_past_alone_matters() -> None:
    heard = conversation(20.0)
    other = [*heard[:500], *((not is_voiced, 0.2) for is_voiced, _ in heard[500:])]
    one, two = live(LiveLife(LifeSettings(2), RATE), heard), live(LiveLife(LifeSettings(2), RATE), other)
    assert np.array_equal(one[:500], two[:500])
    assert not np.array_equal(one[500:], two[500:])


def test_amounts_and_seeds_are_kept() -> None:
    still = live(LiveLife(LifeSettings(1, dict.fromkeys(("blinks", "gaze", "brows", "head", "breath", "face"), 0.0)), RATE),
                 conversation(8.0))  # fmt: skip
    assert np.abs(still).max() < 1e-6
    rows = [live(LiveLife(LifeSettings(seed), RATE), conversation(8.0)) for seed in (1, 2)]
    assert not np.array_equal(*rows)


def test_it_looks_at_its_target() -> None:
    life = LiveLife(LifeSettings(3), RATE, [Target("Bob", yaw=0.3)])
    rows = live(life, conversation(10.0))
    gaze = rows[:, CHANNEL_NAMES.index("leftEyeYaw")] + rows[:, CHANNEL_NAMES.index("headYaw")]
    assert np.median(gaze[25:]) == pytest.approx(0.3, abs=0.06)
