# SPDX-License-Identifier: GPL-3.0-or-later
"""The mouth outside and between lines: it comes from rest and returns to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from characters import animate
from demo_speech import MODEL, SPEECH
from keyframes import all_keys, evaluate, path_of

pytestmark = pytest.mark.usefixtures("registered")

FAR = np.array([-500.0, -40.0, 400.0])


@pytest.fixture
def cut_line(tmp_path: Path) -> Path:
    """Return a line cut off within vowels at both ends, found by loudness."""
    samples, rate = soundfile.read(SPEECH)
    step = rate // 20
    loudness = np.array([np.abs(samples[i : i + step]).mean() for i in range(0, len(samples) - step, step)])
    first = int(np.argmax(loudness[: len(loudness) // 2])) * step
    last = (len(loudness) // 2 + int(np.argmax(loudness[len(loudness) // 2 :]))) * step
    path = tmp_path / "cut.wav"
    soundfile.write(path, samples[first:last], rate)
    return path


def test_a_line_without_silence_rests_before_and_after(scene: Any, face: Any, cut_line: Path) -> None:
    take = animate(scene, face, cut_line, MODEL, start_frame=101)
    keys = face.data.shape_keys
    first, last = take.sound_frames
    assert first == 101 and take.first_frame < first and take.last_frame > last
    jaw = evaluate(keys, "jawOpen", np.arange(take.first_frame, take.last_frame + 1))
    assert jaw[first - take.first_frame] > 0.05 and jaw[last - take.first_frame] > 0.05, "the line is cut within vowels"
    assert abs(jaw[0]) < 1e-3 and abs(jaw[-1]) < 1e-3
    assert np.abs(evaluate(keys, "jawOpen", FAR)).max() < 1e-3
    # No jump where the sound begins and ends.
    assert np.abs(np.diff(jaw)).max() < 0.25


def test_a_line_that_ends_in_silence_gets_no_further_frames(scene: Any, face: Any, cut_line: Path, tmp_path: Path) -> None:
    samples, rate = soundfile.read(cut_line)
    quiet = tmp_path / "quiet.wav"
    soundfile.write(quiet, np.pad(samples, (rate, rate)), rate)
    take = animate(scene, face, quiet, MODEL)
    assert (take.first_frame, take.last_frame) == take.sound_frames


@pytest.mark.parametrize("gap", [0, 1, 3, 60])
def test_the_seam_of_two_lines_closes(scene: Any, face: Any, cut_line: Path, gap: int) -> None:
    one = animate(scene, face, cut_line, MODEL)
    at = one.sound_frames[1] + 1 + gap
    before = all_keys(face.data.shape_keys)[path_of("jawOpen")]
    two = animate(scene, face, cut_line, MODEL, start_frame=at)
    after = all_keys(face.data.shape_keys)[path_of("jawOpen")]
    assert two.sound_frames[0] == at
    # Nothing of the first line that sounds is lost.
    spoken = [frame for frame in before if 1 <= frame <= one.sound_frames[1] - 1]
    assert all(frame in after for frame in spoken)
    jaw = evaluate(face.data.shape_keys, "jawOpen", np.arange(one.sound_frames[1], at + 1))
    if gap >= 60:
        assert np.abs(jaw[12:-8]).max() < 1e-3
    assert np.isfinite(jaw).all() and jaw.max() < 1.0
