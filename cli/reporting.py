# SPDX-License-Identifier: GPL-3.0-or-later
"""Report from subcommands: exit codes, complaints on stderr, progress at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable

from ..errors import VoxrigError

EXIT_DONE = 0
EXIT_FAILED = 2
EXIT_INTERRUPTED = 130


class CommandError(VoxrigError):
    """The command line is not valid."""


def complain(sentence: str) -> None:
    """Print one line on stderr."""
    print(f"voxrig: {' '.join(sentence.split())}", file=sys.stderr)


def progress_printer(name: str) -> Callable[[float], None] | None:
    """Return a printer of percentages that overwrite themselves, for people at a terminal only."""
    if not sys.stderr.isatty():
        return None

    def show(fraction: float) -> None:
        end = "\r" if fraction < 1.0 else "\r\x1b[K"
        print(f"{name} {fraction:4.0%}" if fraction < 1.0 else "", end=end, file=sys.stderr, flush=True)

    return show
