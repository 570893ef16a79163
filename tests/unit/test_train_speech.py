# SPDX-License-Identifier: GPL-3.0-or-later
"""Training the speech network, where PyTorch is installed, on the demo's synthesised speech and its exact phone times."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is only in the training environment (make training)")

from voxrig.animation.face.phones import TimedPhone  # noqa: E402
from voxrig.inference.audio import read_sound  # noqa: E402
from voxrig.tools.demo.speech import read_speech  # noqa: E402
from voxrig.training.corpora.clips import SAMPLE_RATE, ClipRecord, write_shard  # noqa: E402
from voxrig.training.evaluation.evaluate import Development, Recording  # noqa: E402
from voxrig.training.speech.train import SCORED, train  # noqa: E402


@pytest.fixture(scope="module")
def spoken():
    speech = read_speech()
    phones = tuple(TimedPhone(phone.text, phone.start, phone.end) for phone in speech.phones)
    return read_sound(speech.sound, SAMPLE_RATE).samples, phones


@pytest.fixture
def cache(tmp_path: Path, spoken) -> Path:
    samples, phones = spoken
    record = ClipRecord("demo", "slt", "train", "en", samples, phones)
    write_shard(tmp_path / "cache", "demo", "one", "BSD-like (CMU)", "flite", [record])
    return tmp_path / "cache"


def read_log(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_training_learns_goes_on_and_is_scored_on_the_way(tmp_path, cache, spoken) -> None:
    samples, phones = spoken
    clip = Recording("demo/one", "slt", ("women",), "en", "", samples, phones)
    development = Development((clip,), (), (), (), (), "fast", "")
    settings = {"batch_size": 2, "peak": 3e-3, "seed": 1, "width": 16, "workers": 0}
    run = tmp_path / "run"
    train(cache, run, steps=50, **settings)
    train(cache, run, steps=100, development=development, score_every=80, **settings)
    first, scored, last = read_log(run)
    assert (first["step"], scored["step"], last["step"]) == (50, 80, 100)
    assert last["position"] < 0.8 * first["position"] and last["frames right"] > first["frames right"]
    # One clip without tracked lips: the figures of contacts alone.
    assert set(scored["scores"]) == set(SCORED[:4])
    assert all(0.0 <= value <= 1.0 for value in scored["scores"].values())
    state = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=False)
    assert state["step"] == 100 and [corpus["name"] for corpus in state["corpora"]] == ["demo"]
