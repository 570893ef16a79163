# SPDX-License-Identifier: GPL-3.0-or-later
"""The trained parts, where PyTorch is installed: what is shipped is what was trained."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is only in the training environment (make training)")

from voxrig import training  # noqa: E402
from voxrig.animation.face import lips  # noqa: E402
from voxrig.animation.face.channels import face_channel_names, face_channels  # noqa: E402
from voxrig.animation.face.expression import apply_expression, load_expressions, voice_energy  # noqa: E402
from voxrig.animation.face.phones import PHONES  # noqa: E402
from voxrig.inference.audio import read_sound  # noqa: E402
from voxrig.tools.demo.speech import read_speech  # noqa: E402
from voxrig.training.speech.batches import learned_channels  # noqa: E402
from voxrig.training.speech.export import SpeechModel, load_network, write_graph  # noqa: E402
from voxrig.training.speech.expression_rules import ExpressionRules  # noqa: E402
from voxrig.training.speech.network import HOP, SAMPLE_RATE, NetworkSize, SpeechFeatures, SpeechNetwork  # noqa: E402

TRAINED = Path(training.__file__).parent / "speech" / "speech_weights.pt"


def make_network() -> SpeechNetwork:
    torch.manual_seed(3)
    size = NetworkSize(phones=len(PHONES), channels=len(learned_channels()), width=16, dilations=(1, 2, 4))
    return SpeechNetwork(size).eval()


def make_sound(seconds: float) -> np.ndarray:
    random = np.random.default_rng(5)
    count = round(seconds * 50) * HOP
    swell = 0.5 + 0.5 * np.sin(np.arange(count) / 2500.0)
    return (0.2 * random.standard_normal(count) * swell).astype(np.float32)


def test_features_by_fft_and_by_convolution_agree() -> None:
    features = SpeechFeatures(64, 1.0)
    sound = torch.tensor(make_sound(2.0))[None]
    assert torch.allclose(features.train()(sound), features.eval()(sound), atol=1e-4)


def demo_sound() -> np.ndarray:
    samples = read_sound(read_speech().sound, SAMPLE_RATE).samples
    return np.pad(samples, (0, -len(samples) % HOP))


@pytest.mark.parametrize(
    ("network", "sound"),
    [(make_network, lambda: make_sound(3.4)), (lambda: load_network(TRAINED)[0], demo_sound)],
    ids=["new weights, noise", "trained weights, speech"],
)
def test_graph_and_pytorch_agree(tmp_path, network, sound) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model = SpeechModel(network()).eval()
    write_graph(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    sound = sound()[None]
    emotion = np.random.default_rng(1).random((1, sound.shape[1] // HOP, len(load_expressions().emotions)), dtype=np.float32)
    given = session.run(None, {"waveform": sound, "emotion": emotion})
    with torch.no_grad():
        wanted = model.eval()(torch.tensor(sound), torch.tensor(emotion))
    for got, want in zip(given, wanted, strict=True):
        assert got.shape == tuple(want.shape)
        assert np.abs(got - want.numpy()).max() <= 1e-4


def test_export_is_deterministic(tmp_path) -> None:
    for name in ("a.onnx", "b.onnx"):
        write_graph(SpeechModel(make_network()).eval(), tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_expression_rules_are_those_of_the_animation_folder() -> None:
    random = np.random.default_rng(2)
    sound = make_sound(2.0)
    frames = len(sound) // HOP
    face = (random.random((frames, len(face_channels()))) * 0.4).astype(np.float32)
    weights = random.random((frames, len(load_expressions().emotions))).astype(np.float32)
    wanted = apply_expression(face, weights, voice_energy(sound, 16_000, 50.0))
    with torch.no_grad():
        got = ExpressionRules()(torch.tensor(face)[None], torch.tensor(weights)[None], torch.tensor(sound)[None])
    assert np.abs(got[0].numpy() - wanted).max() < 1e-4


INNER = slice(3, 9)
"""Frames that the smoothing of the outermost ones does not reach."""


def make_open_mouth(learned: list[str]) -> torch.Tensor:
    open_mouth = torch.zeros(1, 12, len(learned))
    for name, value in {"jawOpen": 0.3, "mouthLowerDownLeft": 0.2, "mouthLowerDownRight": 0.2, "mouthFunnel": 0.2}.items():
        open_mouth[..., learned.index(name)] = value
    return open_mouth


def test_certain_contacts_seal_the_lips_and_reach_the_teeth() -> None:
    model = SpeechModel(make_network()).eval()
    learned = [face_channel_names()[column] for column in learned_channels()]
    open_mouth, nobody_knows = make_open_mouth(learned), torch.full((1, 12, len(PHONES)), 1.0 / len(PHONES))
    for contact, check in ((0, lambda v: lips.lip_gap(v, learned).max() < 0.01),
                           (1, lambda v: lips.lower_lip_height(v, learned).min() > lips.TEETH_HEIGHT_CENTIMETRES)):  # fmt: skip
        logits = torch.full((1, 12, 2), -9.0)
        assert torch.allclose(model.contacts(open_mouth, logits, nobody_knows), open_mouth, atol=1e-6)
        logits[..., contact] = 9.0
        made = model.contacts(open_mouth, logits, nobody_knows)[0, INNER].numpy()
        assert check(made)
        assert np.allclose(made[:, learned.index("mouthShrugLower")], model.contacts.CHIN[contact], atol=1e-3)


def test_evidence_that_flickers_does_not_shake_the_lips() -> None:
    model = SpeechModel(make_network()).eval()
    learned = [face_channel_names()[column] for column in learned_channels()]
    nobody_knows, logits = torch.full((1, 12, len(PHONES)), 1.0 / len(PHONES)), torch.full((1, 12, 2), -9.0)
    logits[:, ::2, 0] = 9.0
    flickering = lips.lip_gap(model.contacts(make_open_mouth(learned), logits, nobody_knows)[0, INNER].numpy(), learned)
    logits[..., 0] = -9.0
    logits[:, 4:7, 0] = 9.0
    sealing = lips.lip_gap(model.contacts(make_open_mouth(learned), logits, nobody_knows)[0].numpy(), learned)
    assert np.ptp(flickering) < 0.01 < sealing[0] / 2
    assert sealing[5] < 0.01
    # The way takes a frame to each side of the evidence.
    assert sealing[2] == pytest.approx(sealing[0], abs=1e-5) and sealing[3] < sealing[2] - 0.05 and sealing[4] > 0.05


@pytest.mark.parametrize(("phone", "parts"), [("AH", True), ("T", True), ("W", False), ("SIL", False)])
def test_lips_part_for_vowels_and_tongue_sounds_alone(phone: str, parts: bool) -> None:
    model = SpeechModel(make_network()).eval()
    learned = [face_channel_names()[column] for column in learned_channels()]
    closed, phones = torch.zeros(1, 12, len(learned)), torch.zeros(1, 12, len(PHONES))
    phones[..., PHONES.index(phone)] = 1.0
    logits = torch.full((1, 12, 2), -9.0)
    apart = model.contacts.values.apart_centimetres if parts else 0.0
    assert np.allclose(lips.lip_gap(model.contacts(closed, logits, phones)[0, INNER].numpy(), learned), apart, atol=1e-5)
    # A lip on the teeth stays there: only the upper one gives way.
    logits[..., 1] = 9.0
    both = model.contacts(make_open_mouth(learned), logits, phones)[0, INNER].numpy()
    assert lips.lower_lip_height(both, learned).min() > lips.TEETH_HEIGHT_CENTIMETRES
    chin = lips.GAP_CENTIMETRES["mouthShrugLower"] * model.contacts.CHIN[1]
    assert lips.lip_gap(both, learned).min() >= apart + chin - 1e-5


def test_a_vowel_ends_a_doubtful_seal() -> None:
    model = SpeechModel(make_network()).eval()
    learned = [face_channel_names()[column] for column in learned_channels()]
    logits = torch.full((1, 12, 2), -9.0)
    logits[..., 0] = 0.0
    gaps = []
    for phone in ("B", "AH"):
        phones = torch.zeros(1, 12, len(PHONES))
        phones[..., PHONES.index(phone)] = 1.0
        gaps.append(lips.lip_gap(model.contacts(make_open_mouth(learned), logits, phones)[0, INNER].numpy(), learned).max())
    assert gaps[0] < 0.01 and gaps[1] > 0.2


def test_the_face_rests_where_nobody_speaks_and_nowhere_near_speech() -> None:
    model = SpeechModel(make_network()).eval()
    moved, phones = torch.full((1, 120, len(learned_channels())), 0.5), torch.zeros(1, 120, len(PHONES))
    phones[:, :60, PHONES.index("SIL")] = 1.0
    phones[:, 60:, PHONES.index("AH")] = 1.0
    # A frame that sounds like speech is not yet speech.
    phones[:, 10] = torch.roll(phones[:, 10], 1, dims=-1)
    given = model.rest(moved, phones)[0]
    reach = round(model.rest.context_seconds * 50)
    assert torch.equal(given[: 60 - reach], model.rest.rest.expand(60 - reach, -1))
    assert torch.allclose(
        given[60 - model.rest.NEAR // 2 + model.rest.SOFT :], moved[0, 60 - model.rest.NEAR // 2 + model.rest.SOFT :]
    )
