# SPDX-License-Identifier: GPL-3.0-or-later
"""The face package (``models/face``): three graphs, the canonical face and the names of the channels.

The graphs are those of MediaPipe's FaceLandmarker (Google, Apache-2.0), converted from TensorFlow Lite; MediaPipe itself is
not needed. ``model.json`` holds what its programs have in code: which points describe the expression, the canonical face in
centimetres, and how much each of its points says about the turn of the head.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from ...storage.reading import parse_json, read_text
from ..runtime import first_line, import_onnxruntime, run_within

GRAPHS = ("detector", "landmarks", "blendshapes")
_FOLDER = Path(__file__).resolve().parents[2] / "models" / "face"
_LONGEST_RUN_SECONDS = 60.0


@dataclass(frozen=True, eq=False)
class FacePackage:
    """The contents of ``model.json``, checked.

    ``channels`` are the 52 scores of the blendshape graph, in order; ``points`` are the numbers of the face's points that it
    reads; ``canonical`` float64 ``[point, 3]`` is the neutral face in centimetres (x to the face's left, y up, z forward), and
    ``weights`` ``[point]`` is how much each point counts when it is laid over a seen one.
    """

    folder: Path
    title: str
    licence: str
    files: Mapping[str, tuple[str, str]]
    channels: tuple[str, ...]
    points: NDArray[np.int64]
    canonical: NDArray[np.float64]
    weights: NDArray[np.float64]


@functools.cache
def load_face_package(folder: Path = _FOLDER) -> FacePackage:
    """Read a face package and check the hash of its graphs. Raises ModelError."""
    try:
        document = cast("dict[str, Any]", parse_json(read_text(folder / "model.json")))
        package = FacePackage(
            folder=folder,
            title=str(document["title"]),
            licence=str(document["licence"]),
            files={name: (str(document["graphs"][name]["file"]), str(document["graphs"][name]["sha256"])) for name in GRAPHS},
            channels=tuple(str(name) for name in document["channels"]),
            points=np.array(document["points"], np.int64),
            canonical=np.array(document["canonical_face"], np.float64),
            weights=np.array(document["weights"], np.float64),
        )
        if package.canonical.shape != (package.weights.size, 3) or package.points.ndim != 1:
            raise ValueError("its points do not fit together")
        for file, digest in package.files.values():
            if hashlib.sha256((folder / file).read_bytes()).hexdigest() != digest:
                raise ValueError(f"{file} is not the file that model.json describes")
    except OSError as error:
        raise ModelError(f"The face model in {folder} cannot be read ({error.strerror}); install Voxrig again") from None
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"The face model in {folder} is damaged ({error}); install Voxrig again") from None
    return package


class FaceGraphs:
    """The three graphs, ready to run on the CPU; not to be shared between threads. Raises ModelError."""

    def __init__(self, package: FacePackage, threads: int = 2) -> None:
        self.package = package
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = max(1, threads)
        options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._sessions: dict[str, Any] = {}
        for name, (file, _digest) in package.files.items():
            try:
                path = str(package.folder / file)
                self._sessions[name] = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            except Exception as error:  # onnxruntime's errors have no common base class
                raise ModelError(
                    f"The face model's {file} does not open ({first_line(error)}); install Voxrig again"
                ) from error

    def run(self, name: str, values: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run one of GRAPHS on its input and return its outputs, without the leading axis of length 1 where they have it."""
        session = self._sessions[name]
        feeds = {session.get_inputs()[0].name: np.ascontiguousarray(values, np.float32)}
        names = [output.name for output in session.get_outputs()]
        return cast("list[NDArray[np.float32]]", run_within(session, names, feeds, _LONGEST_RUN_SECONDS))
