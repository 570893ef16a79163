# SPDX-License-Identifier: GPL-3.0-or-later
"""``voxrig convert``: convert curve files from one format to another. Needs no Blender."""

from __future__ import annotations

import argparse
from typing import Any, cast

from .arguments import check_output, number_between
from .reporting import EXIT_DONE, complain


def add_convert(subcommands: Any) -> None:
    parser = subcommands.add_parser(
        "convert",
        help="convert a curve file to another program's format",
        description="Read curves of Live Link Face, Audio2Face, Rhubarb, MediaPipe or Voxrig, whichever the file's content "
        "is, and write them in another format. Formats: csv and npz (Voxrig's own), live-link-face, audio2face-csv, "
        "audio2face-json, rhubarb-tsv, rhubarb-xml, rhubarb-json, rhubarb-dat, mediapipe.",
    )
    parser.add_argument("input", metavar="IN", help="file to read")
    parser.add_argument("output", metavar="OUT", help="file to write; its ending names the format unless --to does")
    parser.add_argument(
        "--to", metavar="FORMAT", help="format of OUT (default: .csv and .npz Voxrig's own, .json Audio2Face's)"
    )
    parser.add_argument(
        "--fps", type=number_between("--fps", 1.0, 1000.0), metavar="RATE", help="frames a second of OUT (default: those of IN)"
    )
    parser.add_argument(
        "--from-fps",
        type=number_between("--from-fps", 1.0, 1000.0),
        metavar="RATE",
        help="frames a second of IN, if it states none or a wrong one",
    )
    parser.add_argument(
        "--arkit-mouth-close",
        action="store_true",
        help="the mouthClose of an Audio2Face file, read or written, leaves the jaw alone, as ARKit's does",
    )
    parser.set_defaults(run=run_convert)


def run_convert(arguments: argparse.Namespace) -> int:
    """Run ``voxrig convert``; anything that the formats do not share is reported in one line each."""
    from ..animation.interchange import format_of_path, import_curves, write_curves
    from ..animation.interchange.timecode import exact_rate

    source, output = cast("str", arguments.input), cast("str", arguments.output)
    check_output(output, [source])
    file_format = cast("str | None", arguments.to) or format_of_path(output)
    rates = [None if rate is None else exact_rate(rate) for rate in (arguments.from_fps, arguments.fps)]
    has_jaw = not arguments.arkit_mouth_close
    imported = import_curves(source, frame_rate=rates[0], jaw_in_mouth_close=has_jaw)
    notes = write_curves(
        output,
        imported.curves,
        file_format,
        frame_rate=rates[1],
        jaw_in_mouth_close=has_jaw,
        start_timecode=imported.start_timecode,
    )
    for sentence in (*imported.warnings, *notes):
        complain(sentence)
    curves = imported.curves
    print(
        f"{source} ({imported.format}) -> {output} ({file_format}): "
        f"{len(curves.names)} channels, {curves.frame_count} frames at {curves.frame_rate:g} a second"
    )
    return EXIT_DONE
