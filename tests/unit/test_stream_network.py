# SPDX-License-Identifier: GPL-3.0-or-later
"""The streaming network: a step with its state is the whole network, and it begins as Speech 1 Fast without its future."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from model_packages import noise

torch = pytest.importorskip("torch", reason="PyTorch is only in the training environment")

from voxrig.training.speech.batches import learned_channels  # noqa: E402
from voxrig.training.speech.choose_stream import apply_rules  # noqa: E402
from voxrig.training.speech.export_stream import StreamRuleValues, StreamStep  # noqa: E402
from voxrig.training.speech.stream_network import (  # noqa: E402
    StreamNetwork,
    StreamSize,
    mel_level,
    move_to_present,
    running_features,
)

FAST = Path(__file__).resolve().parents[2] / "training" / "speech" / "speech_weights.pt"


@pytest.fixture(scope="module", params=[0, 3, 6])
def network(request: pytest.FixtureRequest) -> StreamNetwork:
    made = StreamNetwork(StreamSize(40, 51, request.param, others=(0,) if request.param == 3 else ()))
    made.load_fast(torch.load(FAST, map_location="cpu", weights_only=False)["average"])
    torch.manual_seed(4)
    torch.nn.init.normal_(made.heads_of(request.param).contact_more.weight, std=0.3)  # as if it had learned
    return made.eval()


def test_a_step_with_its_state_is_the_whole_network(network: StreamNetwork) -> None:
    sound = 0.2 * noise(1.2)
    step = StreamStep(network, StreamRuleValues()).eval()
    state = step.zeros()
    said, shown = [], []
    with torch.no_grad():
        whole = network(torch.from_numpy(running_features(mel_level(sound)).T.copy())[None])
        for at in range(0, sound.size, 320):
            made = step(torch.from_numpy(sound[None, at : at + 320]), *state.values())
            said.append(made[2][0, 0])
            shown.append(made[0][0, 0])
            state = dict(zip(state, made[3:], strict=True))
    expected = torch.softmax(whole.phone_logits[0], dim=-1)
    assert np.abs(torch.stack(said).numpy() - expected.numpy()).max() < 1e-4
    ruled = apply_rules(step.rules, whole.channels, whole.contact_logits, expected[None])[0]
    assert np.abs(torch.stack(shown)[:, learned_channels()].numpy() - ruled.clamp(0.0, 1.0).numpy()).max() < 1e-4


def test_no_step_hears_what_follows(network: StreamNetwork) -> None:
    """Row k of the prediction depends on columns up to 2 k + 1 only."""
    features = torch.from_numpy(running_features(mel_level(0.2 * noise(1.0))).T.copy())[None]
    changed = features.clone()
    changed[..., 60:] += 1.0
    with torch.no_grad():
        before, after = network(features).phone_logits[0], network(changed).phone_logits[0]
    assert torch.equal(before[:30], after[:30])
    assert not torch.equal(before[30:], after[30:])


def test_what_was_ahead_is_taken_from_the_present() -> None:
    kernel = torch.tensor([[[[1.0, 2.0, 4.0]]]])
    assert move_to_present(kernel).flatten().tolist() == [0.0, 1.0, 6.0]
