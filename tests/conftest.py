# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads this checkout's root as the package ``voxrig``, whatever its folder is called, without importing bpy."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def _load_root() -> None:
    spec = importlib.util.spec_from_file_location("voxrig", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{ROOT} is not the root of Voxrig")
    module = importlib.util.module_from_spec(spec)
    sys.modules["voxrig"] = module
    spec.loader.exec_module(module)


if "voxrig" not in sys.modules:
    _load_root()

# Some tests use onnxruntime without Voxrig's door to it; they are not to send telemetry either.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# Models that the tests build are shared between test files; with importlib mode these see no siblings by themselves.
sys.path.append(str(ROOT / "tests" / "unit"))
