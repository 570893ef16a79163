# SPDX-License-Identifier: GPL-3.0-or-later
"""The only door to onnxruntime, where it is loaded with its telemetry off."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

# onnxruntime 1.31 sends events to Microsoft, keeps a device id and an event database in the user's cache and writes
# $TMPDIR/.ses unless this is set before it loads (its Privacy.md). Processes started later inherit it.
TELEMETRY_SWITCH = "ORT_DISABLE_TELEMETRY"


def import_onnxruntime() -> Any:
    """Import onnxruntime, untyped, with its telemetry off.

    Raises ModelError if it is missing or made for another system.
    """
    os.environ[TELEMETRY_SWITCH] = "1"
    try:
        import onnxruntime as untyped
    except ImportError as error:
        raise ModelError(f"onnxruntime does not load ({error}); install the Voxrig zip made for this system") from error
    onnxruntime: Any = untyped
    # The switch comes too late where another extension loaded onnxruntime first, and Windows' own tracing ignores it.
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def run_within(
    graph: Any, names: Sequence[str], feeds: Mapping[str, NDArray[np.float32]], seconds: float, *, keeps_memory: bool = True
) -> list[Any]:
    """Run an onnxruntime session once, for at most ``seconds``, because a graph may contain an endless loop.

    Unless it ``keeps_memory`` for the next run, what the CPU needed for this one is freed, as far as onnxruntime can.
    Raises TimeoutError after that time, and onnxruntime's own errors.
    """
    options = import_onnxruntime().RunOptions()
    if not keeps_memory:
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    def stop() -> None:
        options.terminate = True

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        return cast("list[Any]", graph.run(list(names), dict(feeds), options))
    except Exception:
        if options.terminate:
            raise TimeoutError(f"it does not end within {seconds:.0f} s") from None
        raise
    finally:
        timer.cancel()


def first_line(error: Exception) -> str:
    """Return the first line of an error of onnxruntime, short enough for one sentence."""
    return str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
