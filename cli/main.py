# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: ``voxrig curves`` (no Blender needed) and the other subcommands.

Exit codes: 0 if everything was done; 2 for a problem that you can fix, one line each on stderr; 130 when interrupted.
Anything else is a bug and shows its traceback.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Sequence
from typing import cast

from ..errors import VoxrigError
from .align import add_align
from .animate import add_animate
from .batch import add_batch
from .collect import add_collect
from .convert import add_convert
from .curves import add_curves
from .face import add_face
from .feeling import add_feeling
from .fit import add_fit
from .live import add_live
from .reporting import EXIT_FAILED, EXIT_INTERRUPTED, complain
from .takes import add_takes

SUBCOMMANDS = (
    add_curves,
    add_align,
    add_convert,
    add_collect,
    add_fit,
    add_animate,
    add_takes,
    add_batch,
    add_face,
    add_feeling,
    add_live,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (``sys.argv`` by default) and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A console that cannot show a file's name must not stop the work.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if any("\0" in word for word in argv or ()):  # no shell can write it, but a program that calls this can
        complain("a name on the command line holds a character that no file and no object can have; correct it")
        return EXIT_FAILED
    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else EXIT_FAILED
    except VoxrigError as error:
        complain(str(error))
        return EXIT_FAILED
    run = cast("Callable[[argparse.Namespace], int]", arguments.run)
    try:
        return run(arguments)
    except VoxrigError as error:
        complain(str(error))
        return EXIT_FAILED
    except KeyboardInterrupt:
        complain("interrupted")
        return EXIT_INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; each subcommand sets ``run`` to its function."""
    parser = argparse.ArgumentParser(prog="voxrig", description="Facial animation from speech.")
    subcommands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in SUBCOMMANDS:
        add(subcommands)
    return parser
