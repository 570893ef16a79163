# SPDX-License-Identifier: GPL-3.0-or-later
"""Small real model packages for the tests: a convolution over the waveform with a finite context, written with onnx."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx, which writes the tests' models, is only in the development environment")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

SAMPLE_RATE = 16_000
HOP = 320
REACH_FRAMES = 48
"""How far to each side the second convolution looks; the first adds half a frame."""
CHANNELS = ("jawOpen", "mouthPucker", "mouthSmileLeft", "browInnerUp")
EMOTIONS = ("joy", "anger")
PHONES = ("SIL", "AA", "B")
FEATURE_WIDTH = 6


def describe_model() -> dict[str, Any]:
    """Return a valid ``model.json`` for :func:`build_graph`, without the hash."""
    regions = {"jaw": "jaw", "mou": "lips", "bro": "brows"}
    return {
        "format": 1,
        "name": "small",
        "title": "Small 1",
        "version": "0.1.0",
        "licence": "GPL-3.0-or-later",
        "sample_rate": SAMPLE_RATE,
        "frame_rate": SAMPLE_RATE / HOP,
        "context_seconds": {"before": 1.0, "after": 1.0},
        "lead_seconds": 0.0,
        "channels": [
            {
                "name": name,
                "region": regions[name[:3]],
                "group": "face",
                "rest": 0.0,
                "minimum": 0.0,
                "maximum": 1.0,
                "unit": "weight",
            }
            for name in CHANNELS
        ],
        "emotions": list(EMOTIONS),
        "phones": list(PHONES),
        "features": {"width": FEATURE_WIDTH},
        "graph": {"file": "model.onnx", "sha256": ""},
        "training": {
            "corpora": [{"name": "random weights", "licence": "none needed", "hours": 0.0, "source": "model_packages.py"}],
            "hours": 0.0,
            "seed": 5,
            "commit": "none",
            "scores": {},
        },
    }


def build_graph(seed: int = 5) -> onnx.ModelProto:
    """Build a graph of random weights: waveform -> conv (2 hops wide) -> conv (97 frames wide) -> heads.

    Emotion is convolved and added.
    """
    rng = np.random.default_rng(seed)
    weights: dict[str, np.ndarray] = {
        "hear": rng.standard_normal((8, 1, 2 * HOP)) * 0.3,
        "listen": rng.standard_normal((FEATURE_WIDTH, 8, 2 * REACH_FRAMES + 1)) * 0.08,
        "feel": rng.standard_normal((len(CHANNELS), len(EMOTIONS), 2 * REACH_FRAMES + 1)) * 0.1,
        "move": rng.standard_normal((len(CHANNELS), FEATURE_WIDTH, 1)),
        "name": rng.standard_normal((len(PHONES), FEATURE_WIDTH, 1)),
    }
    tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    tensors.append(numpy_helper.from_array(np.array([1], np.int64), "axis"))
    reach = [REACH_FRAMES, REACH_FRAMES]
    nodes = [
        helper.make_node("Unsqueeze", ["waveform", "axis"], ["sound"]),
        helper.make_node("Conv", ["sound", "hear"], ["heard"], strides=[HOP], pads=[HOP // 2, HOP // 2]),
        helper.make_node("Tanh", ["heard"], ["bounded"]),
        helper.make_node("Conv", ["bounded", "listen"], ["listened"], pads=reach),
        helper.make_node("Tanh", ["listened"], ["columns"]),
        helper.make_node("Transpose", ["columns"], ["features"], perm=[0, 2, 1]),
        helper.make_node("Transpose", ["emotion"], ["mood"], perm=[0, 2, 1]),
        helper.make_node("Conv", ["mood", "feel"], ["felt"], pads=reach),
        helper.make_node("Conv", ["columns", "move"], ["moved"]),
        helper.make_node("Add", ["moved", "felt"], ["expressive"]),
        helper.make_node("Sigmoid", ["expressive"], ["open"]),
        helper.make_node("Transpose", ["open"], ["channels"], perm=[0, 2, 1]),
        helper.make_node("Conv", ["columns", "name"], ["logits"]),
        helper.make_node("Transpose", ["logits"], ["rows"], perm=[0, 2, 1]),
        helper.make_node("Softmax", ["rows"], ["phones"], axis=2),
    ]
    return make_model(
        nodes,
        [("waveform", [1, "samples"]), ("emotion", [1, "frames", len(EMOTIONS)])],
        [
            ("channels", [1, "frames", len(CHANNELS)]),
            ("features", [1, "frames", FEATURE_WIDTH]),
            ("phones", [1, "frames", len(PHONES)]),
        ],
        tensors,
    )


def build_endless_graph() -> onnx.ModelProto:
    """Return the tests' graph with a loop in it that never ends."""
    model = build_graph()
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["still"]), helper.make_node("Identity", ["before"], ["after"])],
        "body",
        [
            helper.make_tensor_value_info("count", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, None),
        ],
    )
    for node in model.graph.node:
        if "sound" in node.input:
            node.input[list(node.input).index("sound")] = "looped"
    place = next(i for i, node in enumerate(model.graph.node) if "looped" in node.input)
    model.graph.node.insert(place, helper.make_node("Loop", ["", "yes", "sound"], ["looped"], body=body))
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    return model


def make_model(
    nodes: list[onnx.NodeProto],
    inputs: list[tuple[str, list[int | str]]],
    outputs: list[tuple[str, list[int | str]]],
    tensors: list[onnx.TensorProto],
) -> onnx.ModelProto:
    """Return a float graph in an operator set and file version that onnxruntime of all supported Blenders reads."""
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return model


def write_package(
    folder: Path,
    *,
    graph: onnx.ModelProto | None = None,
    change: Callable[[dict[str, Any]], object] | None = None,
) -> Path:
    """Write a package, with another graph or a changed description, and give its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    content = (build_graph() if graph is None else graph).SerializeToString()
    (folder / "model.onnx").write_bytes(content)
    description = describe_model()
    description["graph"]["sha256"] = hashlib.sha256(content).hexdigest()
    if change is not None:
        change(description)
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")
    return folder


def noise(seconds: float, sample_rate: int = SAMPLE_RATE, seed: int = 3) -> np.ndarray:
    """Return noise that swells and fades four times a second, float32 ``[n]``: no speech, but never still."""
    count = round(seconds * sample_rate)
    swell = 0.5 - 0.5 * np.cos(2.0 * np.pi * 4.0 * np.arange(count) / sample_rate)
    return (0.3 * swell * np.random.default_rng(seed).standard_normal(count)).clip(-1, 1).astype(np.float32)
