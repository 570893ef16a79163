# SPDX-License-Identifier: GPL-3.0-or-later
"""The overview of a take beside its keys."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from voxrig.animation.curves import ChannelCurves
from voxrig.animation.overview import PEAKS_PER_SECOND, Overview, find_peaks, find_strongest, make_overview
from voxrig.animation.speech.events import Accent, join_events
from voxrig.animation.speech.phrases import Phrase


def frames_of(track: object) -> np.ndarray:
    return track.first + track.step * np.arange(len(track.values))


def test_peaks_follow_the_sound() -> None:
    samples = np.zeros(1600, np.float32)
    samples[500], samples[1599] = -0.75, 0.25
    before = samples.copy()
    peaks = find_peaks(samples, 16_000)
    assert peaks.dtype == np.float32 and len(peaks) == 10
    assert peaks[3] == 0.75 and peaks[9] == 0.25 and np.count_nonzero(peaks) == 2
    assert np.array_equal(samples, before)
    assert len(find_peaks(np.zeros(0, np.float32), 16_000)) == 0
    assert len(find_peaks(np.ones(161, np.float32), 16_000)) == 2


def test_tracks_lie_at_their_frames() -> None:
    jaw = np.array([0.0, 0.5, 1.0, 0.0, 0.25], np.float32)
    values = np.stack([jaw, np.linspace(0.0, 2.0, 5, dtype=np.float32)], axis=1)
    curves = ChannelCurves(("jawOpen", "mouthPucker"), 50.0, values, start_seconds=-0.1)
    overview = make_overview(curves, np.array([0.1, 0.4], np.float32), 11.0, 25.0)
    # Half a frame of 25 a second for each row of 50; a lead of 0.1 s is 2.5 frames.
    assert np.allclose(frames_of(overview.jaw), [8.5, 9.0, 9.5, 10.0, 10.5])
    assert np.array_equal(overview.jaw.values, jaw)
    assert overview.rounding.values.max() == 1.0, "held within 0..1"
    assert overview.lips.values[2] == 1.0 and overview.lips.values[0] == 0.0
    assert overview.seals.values.tolist() == [1, 0, 0, 1, 0]
    assert np.allclose(frames_of(overview.peaks), [11.0, 11.0 + 25.0 / PEAKS_PER_SECOND])
    assert np.allclose(overview.peaks.values, [0.25, 1.0]), "the loudest instant fills the height"


def test_a_rig_without_these_channels_and_silence() -> None:
    curves = ChannelCurves(("ctrl_a",), 30.0, np.zeros((4, 1), np.float32))
    overview = make_overview(curves, np.zeros(3, np.float32), 1.0, 24.0)
    assert isinstance(overview, Overview)
    for track in (overview.peaks, overview.jaw, overview.lips, overview.rounding):
        assert not track.values.any() and np.isfinite(track.values).all()


def test_phrases_and_accents_lie_at_their_frames() -> None:
    accents = (Accent(1.5, 1.4, 1.6, 1.0, 0.0), Accent(1.8, 1.76, 1.84, 0.0, 0.0))
    said = replace(join_events((), 4.0), phrases=(Phrase(1.0, 2.0, 0.0),), accents=accents)
    curves = ChannelCurves(("jawOpen",), 30.0, np.zeros((120, 1), np.float32))
    overview = make_overview(curves, np.zeros(3, np.float32), 11.0, 25.0, said)
    spoken = frames_of(overview.phrases)[overview.phrases.values > 0]
    assert (spoken[0], spoken[-1]) == (pytest.approx(11.0 + 25.0, abs=0.5), pytest.approx(11.0 + 50.0, abs=0.5))
    assert overview.accents.values[75] == 1.0 and overview.accents.values[90] == pytest.approx(0.3)
    assert not make_overview(curves, np.zeros(3, np.float32), 11.0, 25.0).phrases.values.any()


def test_the_strongest_feeling_of_each_moment_is_a_stretch() -> None:
    weights = np.array([[0.0, 0.0, 0.0], [0.6, 0.2, 0.0], [0.3, 0.9, 0.0], [0.04, 0.0, 0.0]])
    found = dict(find_strongest(("joy", "anger", "fear"), weights, 11.0, 2.5))
    assert set(found) == {"joy", "anger"}
    assert found["joy"].values == pytest.approx([0.0, 0.6, 0.0, 0.0]) and found["anger"].values[2] == pytest.approx(0.9)
    assert frames_of(found["joy"])[1] == 13.5
    assert find_strongest((), np.zeros((3, 0)), 0.0, 1.0) == ()
