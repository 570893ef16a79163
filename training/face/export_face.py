# SPDX-License-Identifier: GPL-3.0-or-later
"""Write ``models/face`` from MediaPipe's FaceLandmarker: ``python -m voxrig.training.face.export_face --task FILE --onnx DIR``.

FILE is ``face_landmarker.task`` (Google, Apache-2.0; sha256 64184e22...), a zip. DIR holds its three graphs as
``face_detector.onnx``, ``face_landmarks_detector.onnx`` and ``face_blendshapes.onnx``, each made by
``python -m tf2onnx.convert --tflite X.tflite --output X.onnx --opset 17`` in an environment of its own with
tensorflow-cpu<2.17, numpy<2, onnx==1.16.2 and tf2onnx. Weights are stored in 16 bits, as they are in the original.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

TITLE = "MediaPipe FaceLandmarker"
_FILES = {"detector": "face_detector", "landmarks": "face_landmarks_detector", "blendshapes": "face_blendshapes"}
_GEOMETRY = "geometry_pipeline_metadata_landmarks.binarypb"
_SMALL = 256
# Which of the 478 points the blendshape graph reads (MediaPipe, face_blendshapes_graph.cc, Apache-2.0).
_POINTS = (
    *(0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80, 81, 82),
    *(84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153, 154, 155, 157),
    *(158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270),
    *(276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332, 334),
    *(336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386, 387, 388, 389, 390, 397, 398),
    *(400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477),
)


def spread_slopes(model: Any) -> None:
    """Replace each PRelu by the sum of two depthwise convolutions, which onnxruntime runs three times as fast.

    With the slope a below 0, PRelu(x) = a x + (1 - a) max(x, 0).
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[Any] = []
    used: set[str] = set()
    for node in graph.node:
        if node.op_type != "PRelu":
            nodes.append(node)
            continue
        (values, slopes), output = node.input, node.output[0]
        slope = numpy_helper.to_array(weights[slopes]).astype(np.float32).reshape(-1, 1, 1, 1)
        used.add(slopes)
        for ending, weight in (("below", slope), ("above", 1.0 - slope)):
            graph.initializer.append(numpy_helper.from_array(weight.astype(np.float32), f"{output}_{ending}"))
        parts = {"group": slope.size, "kernel_shape": [1, 1]}
        nodes += [
            helper.make_node("Relu", [values], [f"{output}_positive"]),
            helper.make_node("Conv", [values, f"{output}_below"], [f"{output}_whole"], **parts),
            helper.make_node("Conv", [f"{output}_positive", f"{output}_above"], [f"{output}_rest"], **parts),
            helper.make_node("Add", [f"{output}_whole", f"{output}_rest"], [output]),
        ]
    for name in used:
        graph.initializer.remove(weights[name])
    del graph.node[:]
    graph.node.extend(nodes)


def halve_weights(path: Path) -> bytes:
    """Return a graph whose large weights are float16, with a Cast back to float32 after each."""
    import onnx
    from onnx import numpy_helper

    model: Any = onnx.load(str(path))
    spread_slopes(model)
    graph = model.graph
    casts: list[Any] = []
    for tensor in list(graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < _SMALL:
            continue
        graph.initializer.remove(tensor)
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}_half"))
        casts.append(onnx.helper.make_node("Cast", [f"{tensor.name}_half"], [tensor.name], to=onnx.TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.node.insert(0, cast)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def read_geometry(data: bytes) -> tuple[list[list[float]], list[float]]:
    """Return the canonical face's points and their weights from MediaPipe's geometry metadata (protocol buffers)."""
    floats: list[float] = []
    weights: dict[int, float] = {}
    for field, value in _fields(data):
        if field == 1:
            floats += [number for inner, number in _fields(value) if inner == 3]
        elif field == 2:
            entry = dict(_fields(value))
            weights[int(entry.get(1, 0))] = float(entry[2])
    points = np.array(floats).reshape(-1, 5)[:, :3]
    return np.round(points, 6).tolist(), [round(weights.get(index, 0.0), 8) for index in range(len(points))]


def _fields(data: bytes) -> list[tuple[int, Any]]:
    """Read the fields of one protobuf message: whole numbers, floats and nested bytes."""
    found: list[tuple[int, Any]] = []
    at = 0

    def read_whole() -> int:
        nonlocal at
        number = shift = 0
        while True:
            byte = data[at]
            at += 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    while at < len(data):
        tag = read_whole()
        if tag & 7 == 0:
            found.append((tag >> 3, read_whole()))
        elif tag & 7 == 5:
            found.append((tag >> 3, struct.unpack("<f", data[at : at + 4])[0]))
            at += 4
        else:
            size = read_whole()
            found.append((tag >> 3, data[at : at + size]))
            at += size
    return found


def main() -> None:
    """Convert the graphs and write the package."""
    from ...animation.interchange.mediapipe import COLUMN_NAMES

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", type=Path, required=True)
    parser.add_argument("--onnx", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("models/face"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    graphs: dict[str, dict[str, str]] = {}
    for name, file in _FILES.items():
        graph = halve_weights(options.onnx / f"{file}.onnx")
        (options.output / f"{name}.onnx").write_bytes(graph)
        graphs[name] = {"file": f"{name}.onnx", "sha256": hashlib.sha256(graph).hexdigest()}
    with zipfile.ZipFile(options.task) as archive:
        # The geometry is packed into the zip as it is; the graphs are what tf2onnx has read.
        canonical, weights = read_geometry(archive.read(_GEOMETRY))
    description = {
        "name": "face",
        "title": TITLE,
        "version": "1.0.0",
        "licence": "Apache-2.0",
        "source": "face_landmarker.task of MediaPipe (Google), float16, version 1",
        "source_sha256": hashlib.sha256(options.task.read_bytes()).hexdigest(),
        "graphs": graphs,
        "channels": list(COLUMN_NAMES),
        "points": list(_POINTS),
        "canonical_face": canonical,
        "weights": weights,
    }
    lines = ",\n ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in description.items())
    (options.output / "model.json").write_text("{\n " + lines + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
