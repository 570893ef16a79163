# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way with the real model: two styles are animated, collected, learned, and shown on a sentence never heard."""

from __future__ import annotations

from pathlib import Path

import bpy
import pytest
from voxrig.learning.show import read_show
from voxrig.tools.reports.roundtrip import make_round_trip, print_table, read_sounds

pytestmark = pytest.mark.usefixtures("registered")


def test_two_styles_come_back_on_new_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not bpy.app.build_options.audaspace:
        pytest.skip("this Blender is built without sound: shots cannot hold their sound")
    learned, tested = read_sounds(None)
    crooked, twos = make_round_trip(tmp_path, learned, tested, pictures=False)
    assert len(read_show(tmp_path / "crooked" / "shots").shots) == 2

    style, made, plain = (crooked.figures[who] for who in ("style", "learned", "plain"))
    smile, jaw = "smile, left minus right", "jaw opening, 95 %"
    assert style[smile] > 0.3 and made[smile] == pytest.approx(style[smile], abs=0.08) and abs(plain[smile]) < 0.03
    assert style[jaw] > 1.5 * plain[jaw] and abs(made[jaw] - style[jaw]) < 0.6 * abs(plain[jaw] - style[jaw])
    # Two sentences are little to learn from, yet it is this sentence that is said.
    assert made["r of jawOpen"] > 0.55 and made["held frames"] < 0.05

    style, made, plain = (twos.figures[who] for who in ("style", "learned", "plain"))
    held = "held frames"
    assert style[held] == pytest.approx(0.5, abs=0.05) and made[held] == pytest.approx(style[held], abs=0.05)
    assert plain[held] < 0.1 and made["r of jawOpen"] > 0.55 and abs(made[smile]) < 0.05
    print_table([crooked, twos])
    assert capsys.readouterr().out.count("| held frames |") == 2
