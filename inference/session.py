# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a model's graph with onnxruntime: on CUDA where that works, else on the CPU."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .package import ModelPackage
from .runtime import first_line, import_onnxruntime, run_within

_LONGEST_RUN_SECONDS = 600.0
"""Limit for one window of some seconds of sound, which a model processes in a fraction of its length."""

PROVIDERS = ("AUTO", "CUDA", "CPU")
_ONNXRUNTIME_NAMES = {"CUDA": "CUDAExecutionProvider", "CPU": "CPUExecutionProvider"}
_ONNXRUNTIME_WARNING, _ONNXRUNTIME_FATAL = 2, 4


def available_providers() -> tuple[str, ...]:
    """Return the providers that onnxruntime was built with, best first: 'CUDA', 'CPU'. Raises ModelError without onnxruntime.

    'CUDA' may still fail without a driver or its libraries; only opening a session shows that.
    """
    offered = import_onnxruntime().get_available_providers()
    return tuple(name for name, longer in _ONNXRUNTIME_NAMES.items() if longer in offered)


@functools.cache
def expected_provider(provider: str = "AUTO") -> str:
    """Predict the provider, 'CUDA' or 'CPU', that ``provider`` will run on, without loading onnxruntime.

    If the onnxruntime wheel lacks the CUDA library only the CPU is left; whether CUDA works is known once a session is open.
    """
    spec = importlib.util.find_spec("onnxruntime")
    folders = spec.submodule_search_locations if spec is not None else None
    has_cuda = any(True for folder in folders or () for _file in Path(folder).glob("capi/*onnxruntime_providers_cuda*"))
    return "CUDA" if has_cuda and provider != "CPU" else "CPU"


def default_threads() -> int:
    """Return the number of threads of a session: one core is left for Blender's window, and above four there is little gain."""
    return max(1, min(4, (os.cpu_count() or 1) - 1))


class Session:
    """A model's graph, ready to run on its current ``provider``, 'CUDA' or 'CPU'.

    ``warning`` is None, or one sentence on why the CPU replaces CUDA; it may appear with the first ``run``. Sessions must
    not be shared between threads.
    """

    def __init__(
        self,
        package: ModelPackage,
        graph: Any,
        provider: str,
        threads: int,
        warning: str | None = None,
    ) -> None:
        self.package = package
        self.provider = provider
        self.threads = threads
        self.warning = warning
        self._graph: Any = graph

    def run(
        self,
        waveform: NDArray[np.float32],
        emotion: NDArray[np.float32] | None = None,
        outputs: Sequence[str] | None = None,
    ) -> dict[str, NDArray[np.float32]]:
        """Run the graph once on ``waveform`` ``[samples]`` with weights ``emotion`` ``[frames, emotions]``.

        ``samples`` is a multiple of the package's hop; without ``emotion`` all weights are 0. Returns
        ``{output: [frames, columns]}`` for ``outputs``, or for all. Raises ValueError for wrong shapes and ModelError
        if the graph fails on the CPU; after a failure on CUDA the session stays on the CPU and sets ``warning``.
        """
        package = self.package
        if package.stream is not None:
            raise ModelError(f"Model '{package.name}' is for live use; choose another model for a whole sound")
        frames, rest = divmod(waveform.shape[0], package.hop)
        if waveform.ndim != 1 or rest or frames == 0:
            raise ValueError(f"the waveform is {waveform.shape}, not [a multiple of {package.hop} samples]")
        feeds = {"waveform": np.ascontiguousarray(waveform, np.float32)[None]}
        if package.emotions:
            if emotion is None:
                emotion = np.zeros((frames, len(package.emotions)), np.float32)
            if emotion.shape != (frames, len(package.emotions)):
                raise ValueError(f"the emotion is {emotion.shape}, not [{frames}, {len(package.emotions)}]")
            feeds["emotion"] = np.ascontiguousarray(emotion, np.float32)[None]
        elif emotion is not None:
            raise ValueError(f"model '{package.name}' takes no emotion")
        names = list(package.output_widths()) if outputs is None else list(outputs)
        if self.provider != "CPU":
            try:
                return self._run_graph(names, feeds)
            except Exception as error:  # onnxruntime's errors have no common base class
                self.provider = "CPU"
                self.warning = _cuda_warning(first_line(error))
                self._graph = None
        try:
            if self._graph is None:
                self._graph = open_graph(package, "CPU", self.threads)
            return self._run_graph(names, feeds)
        except Exception as error:
            raise ModelError(f"Model '{package.name}' failed to run ({first_line(error)}); install it again") from error

    def _run_graph(self, names: list[str], feeds: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        # A window of a minute needs 100 MB, which would lie idle while the keys of a long take are placed.
        frees = {"keeps_memory": self.provider != "CPU"}
        arrays = cast("list[NDArray[np.float32]]", run_within(self._graph, names, feeds, _LONGEST_RUN_SECONDS, **frees))
        return {name: array[0] for name, array in zip(names, arrays)}


def open_session(package: ModelPackage, provider: str = "AUTO", threads: int | None = None) -> Session:
    """Open ``package`` on 'CUDA' or 'CPU'; 'AUTO' takes CUDA where onnxruntime offers it.

    If CUDA cannot be opened, the result is a CPU session with a ``warning``. ``threads`` is for the CPU, by default
    ``default_threads()``. On one machine with one number of threads, the same sound always returns the same numbers. Raises
    ModelError if the graph does not open on the CPU, ValueError for an unknown provider.
    """
    if provider not in PROVIDERS:
        raise ValueError(f"provider {provider!r} is not one of {PROVIDERS}")
    threads = default_threads() if threads is None else max(1, threads)
    warning = None
    if provider != "CPU":
        if "CUDA" in available_providers():
            try:
                return Session(package, open_graph(package, "CUDA", threads), "CUDA", threads)
            except Exception as error:
                warning = _cuda_warning(first_line(error))
        elif provider == "CUDA":
            warning = _cuda_warning("this Voxrig has the onnxruntime without CUDA, install the zip made for CUDA")
    try:
        graph = open_graph(package, "CPU", threads)
    except Exception as error:
        raise ModelError(f"Model '{package.name}' does not open ({first_line(error)}); install it again") from error
    return Session(package, graph, "CPU", threads, warning)


def open_graph(package: ModelPackage, provider: str, threads: int) -> Any:
    """Open a session that really runs on ``provider``; raises onnxruntime's errors and RuntimeError."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    # It would keep a memory plan for every length of sound; nothing is slower without it.
    options.enable_mem_pattern = False
    # Idle threads that spin between two windows take the cores that Blender draws with.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if provider == "CPU":
        return onnxruntime.InferenceSession(str(package.graph_path), options, providers=["CPUExecutionProvider"])
    if importlib.util.find_spec("nvidia") is not None:
        # NVIDIA's own wheels are outside the search path of the system's loader.
        onnxruntime.preload_dlls()
    # onnxruntime logs a missing CUDA library in red and continues on the CPU; the session's providers show it.
    onnxruntime.set_default_logger_severity(_ONNXRUNTIME_FATAL)
    try:
        graph = onnxruntime.InferenceSession(
            str(package.graph_path), options, providers=[_ONNXRUNTIME_NAMES[provider], "CPUExecutionProvider"]
        )
    finally:
        onnxruntime.set_default_logger_severity(_ONNXRUNTIME_WARNING)
    if _ONNXRUNTIME_NAMES[provider] not in graph.get_providers():
        raise RuntimeError("its driver or libraries are missing or too old")
    return graph


def _cuda_warning(reason: str) -> str:
    return f"CUDA cannot be used ({reason}); the CPU is used instead"
