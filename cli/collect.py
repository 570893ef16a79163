# SPDX-License-Identifier: GPL-3.0-or-later
"""``voxrig collect``: collect animated shots into a dataset."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from ..errors import VoxrigError
from .blender import with_extension
from .reporting import EXIT_DONE, EXIT_FAILED, CommandError, complain, progress_printer


def add_collect(subcommands: Any) -> None:
    parser = subcommands.add_parser(
        "collect",
        help="collect animated shots into a dataset folder to learn a show from",
        description="Sample a character's animated controls and the sound of every shot, a .blend file each, and write a "
        "report on what was collected. Unchanged shots in the folder are kept, so that a stopped run can resume; a file "
        "that cannot be used does not stop the rest. Inside Blender (blender --background shot.blend --command voxrig "
        "collect ...) without files: the file that Blender has loaded.",
    )
    parser.add_argument("blends", nargs="*", metavar="BLEND", help=".blend files, or folders that are searched for them")
    parser.add_argument("--character", required=True, metavar="OBJECT", help="mesh or armature of the character")
    parser.add_argument("-o", "--output", required=True, metavar="DATASET", help="folder of the shots, made if missing")
    parser.add_argument("--scene", metavar="NAME", help="scene of the files (default: their active one)")
    parser.add_argument("--audio", metavar="SOUND", help="sound file, or a folder with one named like each .blend")
    parser.add_argument("--start-frame", type=float, metavar="FRAME", help="where --audio begins (default: the first frame)")
    parser.add_argument(
        "--strip", action="append", default=[], metavar="NAME", help="sound strip to use; several are mixed (default: all)"
    )
    parser.add_argument("--first", type=int, metavar="FRAME", help="first frame of the shots (default: the scene's)")
    parser.add_argument("--last", type=int, metavar="FRAME", help="last frame of the shots (default: the scene's)")
    parser.add_argument(
        "--emotion", action="append", default=[], metavar="NAME[=WEIGHT]", help="emotion of the shots without a marker for it"
    )
    parser.add_argument("--all-controls", action="store_true", help="also collect controls that name no part of the face")
    parser.add_argument("--again", action="store_true", help="collect unchanged shots again")
    parser.set_defaults(run=run_collect)


def run_collect(arguments: argparse.Namespace) -> int:
    """Run ``voxrig collect``: every usable shot is written; every other one is one line and exit code 2."""
    files = find_blends(cast("list[str]", arguments.blends))
    return with_extension("collect", lambda: _collect_files(arguments, files))


def find_blends(places: Sequence[str]) -> list[Path]:
    """Find the .blend files of the arguments, searching folders recursively. Raises CommandError for a place without any."""
    files: list[Path] = []
    for place in map(Path, places):
        found = sorted(place.rglob("*.blend")) if place.is_dir() else [place] if place.is_file() else []
        if not found:
            raise CommandError(f"there is no .blend file at {place}")
        files += [file.absolute() for file in found]
    return list(dict.fromkeys(files))


def parse_labels(assignments: Sequence[str]) -> dict[str, float]:
    """Parse custom emotions, with a weight of 1 by default. Raises CommandError."""
    weights: dict[str, float] = {}
    for assignment in assignments:
        name, separator, text = assignment.partition("=")
        try:
            weight = float(text) if separator else 1.0
        except ValueError:
            weight = -1.0
        if not name.strip() or not 0.0 <= weight <= 1.0:
            raise CommandError(f"--emotion {assignment}: write NAME=WEIGHT with a weight from 0 to 1")
        weights[name.strip().lower()] = weight
    return weights


def _collect_files(arguments: argparse.Namespace, files: list[Path]) -> int:
    import bpy

    from ..blender.files import find_object, find_scene, open_blend
    from ..learning.page import write_report
    from ..learning.show import write_shot
    from ..operators.collect import CollectSettings, collect_shot, digest_origin, find_sound, is_collected, name_shots

    if not files and not bpy.data.filepath:
        raise CommandError("no file is loaded; name .blend files or a folder of them")
    folder = Path(cast("str", arguments.output))
    loaded = Path(bpy.data.filepath)
    audio = cast("str | None", arguments.audio)
    failures = 0
    for file, name in name_shots(files or [loaded]).items():
        try:
            settings = CollectSettings(
                arguments.first,
                arguments.last,
                None if audio is None else find_sound(Path(audio).absolute(), file),
                arguments.start_frame,
                tuple(arguments.strip),
                parse_labels(arguments.emotion),
                arguments.all_controls,
            )
            origin = digest_origin(file, arguments.character, settings)
            if not arguments.again and is_collected(folder, name, origin):
                print(f"{name}: unchanged")
                continue
            if files:
                open_blend(file)
            scene = find_scene(cast("str | None", arguments.scene))
            character = find_object(scene, cast("str", arguments.character))
            collected = collect_shot(scene, character, name, settings, progress_printer(name), origin=origin)
            write_shot(folder, collected.shot)
        except VoxrigError as error:
            complain(f"{name}: {error}")
            failures += 1
            continue
        for sentence in collected.warnings:
            complain(sentence)
        shot = collected.shot
        print(f"{name}: {shot.common_seconds:.1f} s with sound, {len(shot.controls)} controls")
    report = write_report(folder)
    for sentence in report.quality.all_problems:
        complain(sentence)
    if report.quality.show.still:
        print(f"never move, left out: {', '.join(report.quality.show.still)}")
    print(f"{report.path}: {report.summary()}")
    return EXIT_FAILED if failures else EXIT_DONE
