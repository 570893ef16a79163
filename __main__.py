# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ``python -m voxrig ...`` or, from a checkout of any name, ``python /path/to/checkout ...``."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path

EXIT_BUG = 1


def _load_root_as_package() -> str:
    """Load this file's folder as the package ``voxrig`` and return that name; a file that is run by path has no package."""
    root = Path(__file__).resolve().parent
    # Python put the folder itself on the path, where errors, cli and the others would be separate top-level modules.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != root]
    spec = importlib.util.spec_from_file_location("voxrig", root / "__init__.py", submodule_search_locations=[str(root)])
    if spec is None or spec.loader is None:
        raise ImportError(f"{root} is not the folder of Voxrig")
    module = importlib.util.module_from_spec(spec)
    sys.modules["voxrig"] = module
    spec.loader.exec_module(module)
    return "voxrig"


if __name__ == "__main__":
    package_name = __package__ or _load_root_as_package()
    try:
        status = importlib.import_module(f"{package_name}.cli.main").main()
    except BaseException:
        # Blender as a module keeps a process alive whose main thread ended in an exception, and does so without a word.
        traceback.print_exc()
        status = EXIT_BUG
    importlib.import_module(f"{package_name}.blender.ending").end_process(status)
