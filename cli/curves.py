# SPDX-License-Identifier: GPL-3.0-or-later
"""``voxrig curves``: write the channels of sounds to files. Needs no Blender."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from ..errors import VoxrigError
from .arguments import (
    EMOTION,
    FEELING,
    LIFE,
    PARTS,
    SCRIPT,
    add_model_options,
    add_setting_options,
    check_names,
    check_output,
    make_scope,
    make_settings,
)
from .reporting import EXIT_DONE, EXIT_FAILED, CommandError, complain, progress_printer

CURVE_FORMATS = ("csv", "npz")


def add_curves(subcommands: Any) -> None:
    """Add the subcommand."""
    parser = subcommands.add_parser(
        "curves",
        help="write the channels of one or more sounds to CSV or NPZ files",
        description="Write the channels of each sound at the model's own frame rate. CSV: the header "
        "'seconds,<channel>,...' and one row per frame. NPZ: seconds, names, values [time, channel], frame_rate, "
        "start_seconds.",
    )
    parser.add_argument("sounds", nargs="+", metavar="SOUND", help="wav, flac, ogg or mp3")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="PLACE",
        help="a folder (made if missing), or for one sound a file that ends in .csv or .npz",
    )
    parser.add_argument("--format", choices=CURVE_FORMATS, help="kind of the files in a folder (default: csv)")
    add_model_options(parser)
    add_setting_options(parser, [EMOTION, *SCRIPT, *FEELING, *LIFE, PARTS])
    parser.set_defaults(run=run_curves)


def run_curves(arguments: argparse.Namespace) -> int:
    """Write every sound that can be read; every other one is one line and exit code 2."""
    sounds = [Path(sound) for sound in cast("list[str]", arguments.sounds)]
    outputs = plan_outputs(sounds, cast("str", arguments.output), cast("str | None", arguments.format))
    for output in outputs:
        check_output(output, sounds)

    from ..animation.interchange import write_curves
    from ..inference.package import find_model, load_package
    from ..takes.curves import find_source, make_curves
    from ..takes.record import SoundFile
    from ..takes.shaping import Place

    package = load_package(find_model(cast("str | None", arguments.model)))
    settings, scope = make_settings(arguments), make_scope(arguments)
    check_names(settings, [package])
    place = Place(0.0, package.frame_rate)
    warned: set[str] = set()
    failures = 0
    for sound, output in zip(sounds, outputs):
        try:
            source = find_source(SoundFile(str(sound)), package.folder, settings, place)
            curves, heard = make_curves(source, settings, place, progress_printer(sound.name), scope=scope)
            write_curves(output, curves)
        except VoxrigError as error:
            complain(str(error))
            failures += 1
            continue
        print(f"{sound} -> {output} ({curves.frame_count} frames, {len(curves.names)} channels, {heard.provider})")
        for warning in heard.warnings:
            if warning not in warned:
                complain(warning)
        warned.update(heard.warnings)
    return EXIT_FAILED if failures else EXIT_DONE


def plan_outputs(sounds: Sequence[Path], output: str, file_format: str | None) -> list[Path]:
    """Return the file for each sound. Raises CommandError if two would share one, or the output is not understood."""
    place = Path(output)
    suffix = place.suffix.lower()
    is_folder = place.is_dir() or output.endswith(("/", os.sep))
    if not is_folder and suffix[1:] in CURVE_FORMATS:
        if len(sounds) > 1:
            raise CommandError(f"{len(sounds)} sounds do not fit into the one file {output}; give a folder")
        if file_format not in (None, suffix[1:]):
            raise CommandError(f"--format {file_format} does not go with the file {output}")
        return [place]
    if not is_folder and suffix:
        raise CommandError(f"{output} ends neither in .csv nor in .npz; for a new folder end it with a slash")
    outputs = [place / f"{sound.stem}.{file_format or CURVE_FORMATS[0]}" for sound in sounds]
    taken: dict[str, Path] = {}
    for sound, path in zip(sounds, outputs):
        # Names that differ only in case are one file on Windows and macOS.
        other = taken.setdefault(path.name.casefold(), sound)
        if other is not sound:
            raise CommandError(f"{other} and {sound} would both be written to {path}; give them to two commands")
    return outputs
