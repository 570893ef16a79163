# SPDX-License-Identifier: GPL-3.0-or-later
"""A small real graph that draws takes: the exact denoiser of normal noise around the regression, blurred over some rows."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from model_packages import CHANNELS, EMOTIONS, FEATURE_WIDTH, PHONES, make_model, write_package
from onnx import ModelProto, helper, numpy_helper

MEAN, DEVIATION = 0.5, 0.12
REACH = 4
STRIDE = 2


def build_drawing() -> ModelProto:
    """Build drawn = mu + cos(level) blur(noisy - cos(level) mu), with mu the regression (where sound is kept) and a style."""
    count = len(CHANNELS)
    heard = FEATURE_WIDTH + len(PHONES) + count
    kernel = np.hanning(2 * REACH + 3)[1:-1]
    blur = np.zeros((count, 1, 2 * REACH + 1), np.float32)
    blur[:] = kernel / np.sqrt((kernel**2).sum())
    constants = {
        "blur": blur,
        "first": np.array([heard - count], np.int64), "end": np.array([heard], np.int64), "axis": np.array([2], np.int64),
        "size": np.array([len(EMOTIONS)], np.int64), "after": np.array([len(EMOTIONS) + 1], np.int64),
        "zero": np.array([0], np.int64), "one": np.array([1], np.int64), "two": np.array([2], np.int64),
        "rows": np.array([1], np.int64),
        "mean": np.array(MEAN, np.float32), "deviation": np.array(DEVIATION, np.float32), "effect": np.array(0.3, np.float32),
    }  # fmt: skip
    nodes = [
        helper.make_node("Slice", ["heard", "first", "end", "axis"], ["regressed"]),
        helper.make_node("Sub", ["regressed", "mean"], ["moved"]),
        helper.make_node("Div", ["moved", "deviation"], ["scaled"]),
        helper.make_node("Unsqueeze", ["kept", "axis"], ["kept3"]),
        helper.make_node("Slice", ["kept3", "zero", "one", "rows"], ["sound"]),
        helper.make_node("Slice", ["kept3", "one", "two", "rows"], ["style"]),
        helper.make_node("Slice", ["felt", "size", "after", "axis"], ["larger"]),
        helper.make_node("Mul", ["larger", "style"], ["asked"]),
        helper.make_node("Mul", ["asked", "effect"], ["shift"]),
        helper.make_node("Mul", ["scaled", "sound"], ["heard_mean"]),
        helper.make_node("Add", ["heard_mean", "shift"], ["mu"]),
        helper.make_node("Cos", ["level"], ["cosine"]),
        helper.make_node("Unsqueeze", ["cosine", "both"], ["share"]),
        helper.make_node("Mul", ["mu", "share"], ["kept_mu"]),
        helper.make_node("Sub", ["noisy", "kept_mu"], ["noise"]),
        helper.make_node("Transpose", ["noise"], ["columns"], perm=[0, 2, 1]),
        helper.make_node("Conv", ["columns", "blur"], ["blurred"], pads=[REACH, REACH], group=count),
        helper.make_node("Transpose", ["blurred"], ["smooth"], perm=[0, 2, 1]),
        helper.make_node("Mul", ["smooth", "share"], ["apart"]),
        helper.make_node("Sub", ["known", "mu"], ["pulled"]),
        helper.make_node("Mul", ["pulled", "mask"], ["pins"]),
        helper.make_node("Transpose", ["pins"], ["pin_columns"], perm=[0, 2, 1]),
        helper.make_node("Conv", ["pin_columns", "blur"], ["pin_blurred"], pads=[REACH, REACH], group=count),
        helper.make_node("Transpose", ["pin_blurred"], ["pin_rows"], perm=[0, 2, 1]),
        helper.make_node("Add", ["mu", "apart"], ["free"]),
        helper.make_node("Add", ["free", "pin_rows"], ["drawn"]),
    ]
    constants["both"] = np.array([1, 2], np.int64)
    shape = ["batch", "frames"]
    inputs = [
        *((name, [*shape, count]) for name in ("noisy", "known", "mask")), ("level", ["batch"]), ("heard", [*shape, heard]),
        ("felt", [*shape, len(EMOTIONS) + 2]), ("kept", ["batch", 2]),
    ]  # fmt: skip
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    return make_model(nodes, inputs, [("drawn", [*shape, count])], tensors)


def write_drawing_package(folder: Path, **changes: object) -> Path:
    """Write the tests' package with a graph that draws takes; ``changes`` are of its entry."""
    graph = build_drawing().SerializeToString()
    write_package(folder)
    (folder / "drawing.onnx").write_bytes(graph)
    path = folder / "model.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    # The tests' phones are random: none of them closes the lips or is silence.
    description["phones"] = ["AA", "EH", "IY"]
    description["drawing"] = {
        "file": "drawing.onnx", "sha256": hashlib.sha256(graph).hexdigest(), "steps": 6, "stride": STRIDE, "reach_rows": REACH,
        "mean": [MEAN] * len(CHANNELS), "deviation": [DEVIATION] * len(CHANNELS),
    } | changes  # fmt: skip
    path.write_text(json.dumps(description), encoding="utf-8")
    return folder
