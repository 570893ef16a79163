# SPDX-License-Identifier: GPL-3.0-or-later
"""A small real package that streams: a leaky sum of what it hears, as a state, through random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from model_packages import CHANNELS, FEATURE_WIDTH, HOP, PHONES, describe_model, helper, make_model, numpy_helper, write_package

WIDTH = 5
LOOK_AHEAD_SECONDS = 0.06


def describe_stream() -> dict[str, Any]:
    """Return a valid ``model.json`` for :func:`build_step`, without the hash."""
    stream = {"look_ahead_seconds": LOOK_AHEAD_SECONDS, "states": {"memory": [1, WIDTH]}}
    return describe_model() | {"name": "small_stream", "emotions": [], "stream": stream}


def build_step(seed: int = 3) -> Any:
    """Build the graph of a step: memory = 0.9 memory + tanh(waveform @ hear); rows from it."""
    rng = np.random.default_rng(seed)
    weights = {
        "hear": rng.standard_normal((HOP, WIDTH)) * 0.2,
        "keeps": np.full((1, WIDTH), 0.9),
        "move": rng.standard_normal((WIDTH, len(CHANNELS))),
        "name": rng.standard_normal((WIDTH, len(PHONES))),
        "feel": rng.standard_normal((WIDTH, FEATURE_WIDTH)),
    }
    tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    tensors.append(numpy_helper.from_array(np.array([1], np.int64), "axis"))
    nodes = [
        helper.make_node("MatMul", ["waveform", "hear"], ["heard"]),
        helper.make_node("Tanh", ["heard"], ["bounded"]),
        helper.make_node("Mul", ["memory", "keeps"], ["kept"]),
        helper.make_node("Add", ["kept", "bounded"], ["next_memory"]),
    ]
    for head, weight, finish in (("channels", "move", "Sigmoid"), ("features", "feel", "Tanh"), ("phones", "name", "Softmax")):
        nodes += [
            helper.make_node("MatMul", ["next_memory", weight], [f"{head}_said"]),
            helper.make_node(finish, [f"{head}_said"], [f"{head}_row"]),
            helper.make_node("Unsqueeze", [f"{head}_row", "axis"], [head]),
        ]
    outputs: list[tuple[str, list[int | str]]] = [
        ("channels", [1, 1, len(CHANNELS)]),
        ("features", [1, 1, FEATURE_WIDTH]),
        ("phones", [1, 1, len(PHONES)]),
        ("next_memory", [1, WIDTH]),
    ]
    return make_model(nodes, [("waveform", [1, HOP]), ("memory", [1, WIDTH])], outputs, tensors)


def write_stream(folder: Path, description: dict[str, Any] | None = None, graph: Any = None) -> Path:
    """Write the package into ``folder``."""

    def change(current: dict[str, Any]) -> None:
        kept = current["graph"]
        current.clear()
        current.update(description or describe_stream())
        current["graph"] = kept

    return write_package(folder, graph=build_step() if graph is None else graph, change=change)
