# SPDX-License-Identifier: GPL-3.0-or-later
"""End a process that has Blender as a module."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn


def end_process(status: int | None) -> NoReturn:
    """End with this exit status as soon as all output is written, running nothing else; normally if Blender was not imported.

    The module's own clean-up crashes in 4.2 once a property has had a Python callback, and 4.5 can wait forever on a lock
    there. All files are written by now.
    """
    if "bpy" not in sys.modules:
        sys.exit(status)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # whoever read it has gone, or nobody ever did
            stream.flush()
    os._exit(status or 0)
