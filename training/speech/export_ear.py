# SPDX-License-Identifier: GPL-3.0-or-later
"""Write Speech 2 from a training run: ``python -m voxrig.training.speech.export_ear --run DIR --output models/speech``.

The graph is Whisper's encoder with the trained heads and the rules for contacts, rest and expression in one; its weights
are kept in half precision and unpacked when it is opened. ``--weights FILE`` also writes the trained weights in half
precision; the rest of the encoder is Whisper's own (``whisper.py``).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...animation.face.channels import face_channel_names, face_channels
from ...animation.face.expression import load_expressions
from ...animation.face.phones import PHONES
from ..corpora.clips import load_corpus, training_record
from .amplitude import AMPLITUDE, amplitude_gains
from .batches import learned_channels
from .ear import AFTER, BEFORE, GRID, HEAD_REACH, EarNetwork
from .expression_rules import ExpressionRules
from .network import FRAME_RATE, HOP, SAMPLE_RATE, ContactRules, ContactValues, Prediction, RestRules
from .train_ear import new_network

CONTACTS = ContactValues(
    threshold=(0.05, 0.01),
    certain=(0.42, 0.1),
    vowel_doubt=1.2,
    apart_centimetres=0.42,
    apart_likely=(0.15, 0.35),
    teeth_frames=5,
)
EFFORT_REACH = 50
"""Frames to both sides over which effort is averaged, where somebody speaks."""
VERSION = "2.3.0"
OPSET = 17
OTHER_CORPORA: list[dict[str, Any]] = [
    {"name": "whisper_tiny_en", "licence": "MIT", "hours": 0.0, "source": "OpenAI Whisper tiny.en, its encoder"},
    {"name": "grid_lips", "licence": "CC-BY-4.0", "hours": 0.16, "source": "GRID corpus, talker 1, with tracked lips"},
    {"name": "rig_116", "licence": "MIT", "hours": 0.12, "source": "FACEGOOD Audio2Face, takes 01 to 04, the jaw"},
    {"name": "emodb", "licence": "CC0-1.0", "hours": 0.26, "source": "EmoDB, eight speakers, effort by emotion"},
]
"""Sources of learning beside the corpora of the cache."""
_HALF_FROM = 1024
"""Arrays of this many numbers or more are kept in half precision."""


class EarModel(nn.Module):
    """The shipped model: ``waveform [1, samples]``, ``emotion [1, frame, emotion]`` -> channels, features, phones, effort."""

    def __init__(
        self,
        network: EarNetwork,
        amplitude: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        learned = learned_channels()
        names = face_channel_names()
        mine = [names[column] for column in learned]
        self.contacts = ContactRules(mine, CONTACTS)
        self.rest = RestRules([face_channels()[column].rest for column in learned])
        gain = amplitude_gains(mine, AMPLITUDE if amplitude is None else amplitude)
        self.register_buffer("gain", torch.tensor(gain))
        scatter = torch.zeros(len(learned), len(names))
        scatter[torch.arange(len(learned)), torch.tensor(learned)] = 1.0
        self.register_buffer("scatter", scatter)
        self.register_buffer("minimum", torch.tensor([channel.minimum for channel in face_channels()]))
        self.register_buffer("maximum", torch.tensor([channel.maximum for channel in face_channels()]))
        self.expression = ExpressionRules()
        reach = self.network.context_seconds + self.contacts.context_seconds + self.rest.context_seconds
        if max(reach * FRAME_RATE, EFFORT_REACH) > HEAD_REACH + 1e-6:
            raise ValueError(
                f"heads and rules know {reach * FRAME_RATE:.0f} frames to each side, the windows allow {HEAD_REACH}"
            )

    def forward(self, waveform: Tensor, emotion: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.shape(*self.network(waveform), waveform, emotion)

    def shape(
        self, prediction: Prediction, effort: Tensor, waveform: Tensor, emotion: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Apply the rules to what the network says."""
        phones = torch.softmax(prediction.phone_logits, dim=-1)
        moved = self.contacts(prediction.channels * self.gain, prediction.contact_logits, phones)
        neutral = self.rest(moved, phones) @ self.scatter
        neutral = torch.minimum(torch.maximum(neutral, self.minimum), self.maximum)
        channels = self.expression(neutral, emotion, waveform)
        return channels, prediction.features, phones, self.smooth(effort, 1.0 - phones[..., :1])

    def smooth(self, effort: Tensor, speech: Tensor) -> Tensor:
        """Average effort over a second to each side where somebody speaks; 1 where nobody does."""

        def mean(value: Tensor) -> Tensor:
            size = 2 * EFFORT_REACH + 1
            return functional.avg_pool1d(value.transpose(1, 2), size, stride=1, padding=EFFORT_REACH).transpose(1, 2)

        return torch.exp(mean(effort * speech) / (mean(speech) + 0.02))


def load_ear(checkpoint: Path, cache: Path) -> tuple[EarNetwork, dict[str, Any]]:
    """Load the averaged network of a checkpoint or of its released weights, ready to run, and the file's other contents."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=False)
    network = new_network(cache, state["width"])
    weights = {name: value.float() if value.is_floating_point() else value for name, value in state["average"].items()}
    missing, unexpected = network.load_state_dict(weights, strict=False)
    if unexpected or any(not name.startswith("ear.") for name in missing):
        raise ValueError(f"{checkpoint} holds other weights: {[*unexpected, *missing][:3]}")
    return network.eval(), state


def write_graph(model: EarModel, path: Path) -> None:
    """Write the ONNX graph, its large arrays in half precision. TorchScript's exporter: small and deterministic."""
    import onnx

    frames = 50
    example = (torch.zeros(1, frames * HOP), torch.zeros(1, frames, len(load_expressions().emotions)))
    outputs = ["channels", "features", "phones", "effort"]
    axes = {"waveform": {1: "samples"}} | {name: {1: "frames"} for name in ("emotion", *outputs)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.eval(), example, str(path), dynamo=False, opset_version=OPSET, input_names=["waveform", "emotion"],
            output_names=outputs, dynamic_axes=axes,
        )  # fmt: skip
    graph = onnx.load(str(path))
    halve_weights(graph)
    onnx.save(graph, str(path))


def halve_weights(model: Any) -> None:
    """Keep the graph's large arrays as float16, each with a Cast before its first use that onnxruntime folds away."""
    import onnx
    from onnx import helper, numpy_helper

    casts: list[Any] = []
    for array in model.graph.initializer:
        values = numpy_helper.to_array(array)
        if values.dtype != np.float32 or values.size < _HALF_FROM:
            continue
        name = array.name
        array.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], name=f"{name}.unpack", to=onnx.TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])


def describe(
    network: EarNetwork, state: dict[str, Any], graph: Path, corpora: list[dict[str, Any]], scores: dict[str, Any]
) -> dict[str, Any]:
    """Describe the model: all of model.json."""
    folder = Path(__file__).parent
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=folder)
    return {
        "format": 1,
        "name": "speech",
        "title": "Speech 2",
        "version": VERSION,
        "licence": "CC-BY-4.0",
        "sample_rate": SAMPLE_RATE,
        "frame_rate": FRAME_RATE,
        "context_seconds": {"before": BEFORE / FRAME_RATE, "after": AFTER / FRAME_RATE},
        "grid_seconds": GRID / FRAME_RATE,
        "lead_seconds": 0.0,
        "channels": [vars(channel) for channel in face_channels()],
        "emotions": list(load_expressions().emotions),
        "expression_rules": True,
        "effort": True,
        "phones": list(PHONES),
        "features": {"width": network.width},
        "graph": {"file": graph.name, "sha256": hashlib.sha256(graph.read_bytes()).hexdigest()},
        "training": {
            "corpora": corpora,
            "hours": round(sum(float(corpus["hours"]) for corpus in corpora), 2),
            "seed": state["seed"],
            "commit": commit.stdout.strip(),
            "steps": state["step"],
            "minutes": round(state["spent"] / 60, 1),
            "scores": scores,
        },
    }


def export(checkpoint: Path, folder: Path, cache: Path, scores: dict[str, Any]) -> None:
    """Write ``model.onnx`` and ``model.json`` into ``folder``."""
    network, state = load_ear(checkpoint, cache)
    folder.mkdir(parents=True, exist_ok=True)
    write_graph(EarModel(network), folder / "model.onnx")
    corpora = training_record(load_corpus(cache, "train", minimum_quality=-32.0)) + OTHER_CORPORA
    description = describe(network, state, folder / "model.onnx", corpora, scores)
    (folder / "model.json").write_text(json.dumps(description, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--run", type=Path, default=Path(".cache/training/runs/ear_fitted"))
    parser.add_argument("--output", type=Path, default=Path("models/speech"))
    parser.add_argument("--scores", type=Path, help="the evaluation's JSON, for the training record")
    parser.add_argument("--weights", type=Path, help="also write what was trained here, in half precision")
    options = parser.parse_args()
    scores = json.loads(options.scores.read_text()) if options.scores else {}
    checkpoint = options.run / "checkpoint.pt"
    export(checkpoint, options.output, options.cache, scores)
    if options.weights:
        state = torch.load(checkpoint, map_location="cpu", weights_only=False)
        average = {name: value.half() if value.is_floating_point() else value for name, value in state["average"].items()}
        torch.save({**{key: state[key] for key in ("width", "seed", "step", "spent")}, "average": average}, options.weights)
    print(f"{options.output}: {(options.output / 'model.onnx').stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
