# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a tool's work with Voxrig registered in Blender."""

from __future__ import annotations

import sys
from collections.abc import Callable

from .. import registration
from ..errors import VoxrigError


def run_registered(name: str, work: Callable[[], None]) -> int:
    """Call ``work`` while Voxrig is registered.

    Returns 0, or 2 after printing the sentence of a VoxrigError to standard error.
    """
    registration.register()
    try:
        work()
    except VoxrigError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    finally:
        registration.unregister()
    return 0
