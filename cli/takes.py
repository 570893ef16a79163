# SPDX-License-Identifier: GPL-3.0-or-later
"""``voxrig takes``: list, compare and update the takes of a character."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, cast

from .arguments import check_output
from .blender import plan_blend_output, save_output, with_extension
from .reporting import EXIT_DONE, CommandError, complain


def add_takes(subcommands: Any) -> None:
    parser = subcommands.add_parser(
        "takes",
        help="list, compare or update the takes of a character in a .blend file",
        description="Without --compare and --update the takes are listed: number, name, what it covers, and a star where it "
        "shows. Otherwise the changed file is saved under a new name.",
    )
    parser.add_argument("--blend", metavar="FILE", help=".blend file to open first; not needed inside Blender")
    parser.add_argument("--scene", metavar="NAME", help="scene of the file (default: its active one)")
    parser.add_argument("--character", required=True, metavar="OBJECT", help="mesh or armature of the character")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--compare", metavar="NUMBER", help="show this take instead of the others on its frames")
    what.add_argument("--update", metavar="NUMBER", help="generate this take again from all that it was made from")
    parser.add_argument("--output", metavar="FILE", help=".blend file to write")
    parser.set_defaults(run=lambda arguments: with_extension("takes", lambda: run_takes(arguments)))


def run_takes(arguments: argparse.Namespace) -> int:
    """Run ``voxrig takes``; nothing is saved if anything fails."""
    import bpy

    from ..blender.files import find_object, find_scene, open_blend
    from ..operators.takes import compare_take, update_take
    from ..properties.access import character_settings

    changes = arguments.compare is not None or arguments.update is not None
    if changes != (arguments.output is not None):
        raise CommandError("--output goes with --compare or --update")
    output = plan_blend_output(cast("str", arguments.output), [arguments.blend]) if changes else None
    if arguments.blend is not None:
        open_blend(Path(cast("str", arguments.blend)))
    if output is not None:
        check_output(output, [bpy.data.filepath or None])
    scene = find_scene(cast("str | None", arguments.scene))
    character = find_object(scene, cast("str", arguments.character))
    if arguments.compare is not None:
        notes = compare_take(character, arguments.compare)
    elif arguments.update is not None:
        notes = update_take(scene, character, arguments.update).warnings
    else:
        notes = ()
    for sentence in notes:
        complain(sentence)
    if output is not None:
        save_output(output)
    for take in character_settings(character).takes:
        print(f"{'*' if take.is_shown else ' '} {take.name}  {take.title}  {take.about}")
    return EXIT_DONE
