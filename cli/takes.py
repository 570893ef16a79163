# SPDX-License-Identifier: GPL-3.0-or-later
"""``voxrig takes``: list, compare and update the takes of a character."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, cast

from ..takes.variations import MIXED_PARTS
from .arguments import check_output
from .blender import plan_blend_output, save_output, with_extension
from .reporting import EXIT_DONE, CommandError, complain

_PARTS = ", ".join(MIXED_PARTS)


def add_takes(subcommands: Any) -> None:
    parser = subcommands.add_parser(
        "takes",
        help="list, compare, update or mix the takes of a character in a .blend file",
        description="Without a change the takes are listed: number, name, what it covers, and a star where it shows. Otherwise "
        "the changed file is saved under a new name.",
    )
    parser.add_argument("--blend", metavar="FILE", help=".blend file to open first; not needed inside Blender")
    parser.add_argument("--scene", metavar="NAME", help="scene of the file (default: its active one)")
    parser.add_argument("--character", required=True, metavar="OBJECT", help="mesh or armature of the character")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--compare", metavar="NUMBER", help="show this take instead of the others on its frames")
    what.add_argument("--update", metavar="NUMBER", help="generate this take again from all that it was made from")
    what.add_argument("--mix", metavar="PART=NUMBER,...", help=f"make a take with parts of others ({_PARTS})")
    what.add_argument("--roll", metavar="PART,...", help=f"make a take with these parts drawn again ({_PARTS})")
    parser.add_argument(
        "--take", default="", metavar="NUMBER", help="take that --mix and --roll begin with (default: the chosen)"
    )
    parser.add_argument("--sheet", metavar="PAGE", help="write a page (.html) with faces and curves of the line's takes")
    parser.add_argument("--output", metavar="FILE", help=".blend file to write")
    parser.set_defaults(run=lambda arguments: with_extension("takes", lambda: run_takes(arguments)))


def run_takes(arguments: argparse.Namespace) -> int:
    """Run ``voxrig takes``; nothing is saved if anything fails."""
    import bpy

    from ..blender.files import find_object, find_scene, open_blend
    from ..operators.takes import compare_take, update_take
    from ..operators.variations import mix_takes, roll_take, write_contact_sheet
    from ..properties.access import character_settings

    asked = (arguments.compare, arguments.update, arguments.mix, arguments.roll)
    changes = any(value is not None for value in asked)
    if changes != (arguments.output is not None):
        raise CommandError("--output goes with --compare, --update, --mix or --roll")
    if arguments.sheet is not None:
        check_output(cast("str", arguments.sheet), [arguments.blend, arguments.output])
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
    elif arguments.mix is not None:
        notes = mix_takes(scene, character, _parse_kept(arguments.mix), arguments.take).warnings
    elif arguments.roll is not None:
        parts = [part.strip() for part in cast("str", arguments.roll).split(",")]
        notes = roll_take(scene, character, parts, arguments.take).warnings
    else:
        notes = ()
    for sentence in notes:
        complain(sentence)
    if arguments.sheet is not None:
        write_contact_sheet(scene, character, cast("str", arguments.sheet))
    if output is not None:
        save_output(output)
    for take in character_settings(character).takes:
        print(f"{'*' if take.is_shown else ' '} {take.name}  {take.title}  {take.about}")
    return EXIT_DONE


def _parse_kept(text: str) -> dict[str, str]:
    """Read 'brows=2,head=4'. Raises CommandError."""
    kept: dict[str, str] = {}
    for entry in text.split(","):
        part, separator, number = (item.strip() for item in entry.partition("="))
        if not separator or not part or not number or part in kept:
            raise CommandError(f"--mix {text}: write each part once as PART=NUMBER ({_PARTS})")
        kept[part] = number
    return kept
