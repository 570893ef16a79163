# SPDX-License-Identifier: GPL-3.0-or-later
"""``voxrig face``: read the face of a picture or a film into channels."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .arguments import check_output
from .reporting import EXIT_DONE, CommandError, complain, progress_printer

if TYPE_CHECKING:
    from ..inference.faces.films import Frame, FrameReader


def add_face(subcommands: Any) -> None:
    """Add the subcommand."""
    parser = subcommands.add_parser(
        "face",
        help="read the face of a picture or a film into channels",
        description="Read the largest face of a picture (one row) or of every frame of a film: ARKit's shapes as weights 0 to "
        "1 (all but tongueOut, which is not seen), turns of head and eyes in radians. PyAV decodes films where it is "
        "installed ('pip install av'), else Blender.",
    )
    parser.add_argument("film", metavar="FILE", help="picture or film in any format that FFmpeg reads")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="file that ends in .csv or .npz")
    parser.add_argument(
        "--neutral",
        metavar="PICTURE",
        help="the same face at rest, which is taken out of the shapes; 'auto' takes what a film shows most of the time",
    )
    parser.set_defaults(run=run_face)


def run_face(arguments: argparse.Namespace) -> int:
    """Read the file and write its curves."""
    film, output = Path(cast("str", arguments.film)), Path(cast("str", arguments.output))
    neutral_file = cast("str | None", arguments.neutral)
    if output.suffix.lower() not in (".csv", ".npz"):
        raise CommandError(f"{output} ends neither in .csv nor in .npz")
    calibrates = neutral_file == "auto"
    check_output(output, [film, None if calibrates else neutral_file])

    from ..animation.interchange import write_curves
    from ..inference.faces.performance import ANGLE_NAMES, read_face

    reader = choose_reader()
    neutral = None
    if neutral_file is not None and not calibrates:
        neutral = read_face(Path(neutral_file), reader=reader).curves.values[0, : -len(ANGLE_NAMES)]
    read = read_face(film, reader=reader, neutral=neutral, calibrates=calibrates, on_progress=progress_printer(film.name))
    write_curves(output, read.curves)
    for sentence in read.warnings:
        complain(sentence)
    curves = read.curves
    print(f"{film} -> {output} ({curves.frame_count} frames at {curves.frame_rate:.5g} a second, {len(curves.names)} channels)")
    return EXIT_DONE


def choose_reader() -> FrameReader:
    """Return PyAV's reader of frames, or Blender's. Raises CommandError where neither is at hand."""
    from ..inference.faces.films import has_pyav, read_frames

    if has_pyav():
        return read_frames
    try:
        import bpy  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError:
        raise CommandError("face needs PyAV ('pip install av') or Blender to decode pictures; install one of them") from None
    return _read_in_blender


def _read_in_blender(path: Path) -> Iterator[Frame]:
    from ..blender.frames import decode_frames, turns_films
    from ..inference.faces.films import read_decoded

    return read_decoded(path, decode_frames(path), turns_films=turns_films())
