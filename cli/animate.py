# SPDX-License-Identifier: GPL-3.0-or-later
"""``voxrig animate``: animate a character, or the characters of a dialogue, in a .blend file."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .arguments import (
    absolute,
    add_model_options,
    add_setting_options,
    check_names,
    check_output,
    make_scope,
    make_settings,
    number_between,
)
from .blender import plan_blend_output, save_output, with_extension
from .reporting import EXIT_DONE, EXIT_FAILED, CommandError, complain, progress_printer

if TYPE_CHECKING:
    import bpy

    from ..takes.record import SoundChoice
    from ..takes.settings import TakeSettings


def add_animate(subcommands: Any) -> None:
    """Add the subcommand."""
    parser = subcommands.add_parser(
        "animate",
        help="animate a character in a .blend file from a sound",
        description="Write keyframes for a character's face from a sound and save the file under a new name. Inside "
        "Blender (blender --background scene.blend --command voxrig animate ...) the file is the one that Blender has "
        "loaded; outside, --blend names it.",
    )
    parser.add_argument("--blend", metavar="FILE", help=".blend file to open first; not needed inside Blender")
    parser.add_argument("--scene", metavar="NAME", help="scene of the file (default: its active one)")
    parser.add_argument("--character", metavar="OBJECT", help="mesh or armature of the character (not with --dialogue)")
    sound = parser.add_mutually_exclusive_group(required=True)
    sound.add_argument("--audio", metavar="SOUND", help="sound file in any format that Blender can play")
    sound.add_argument("--strip", metavar="NAME", help="sound strip of the scene's sequencer, with its own place and trim")
    sound.add_argument("--curves", metavar="FILE", help="curve file instead of a sound and a model, in any format of convert")
    sound.add_argument(
        "--dialogue",
        nargs="*",
        metavar="STRIP=OBJECT",
        help="all sound strips of the sequencer, each for its speaker: by the name of the strip or the number of its channel, "
        "by the names in it by default",
    )
    limits = number_between("--start-frame", -1048574.0, 1048574.0)
    parser.add_argument("--start-frame", type=limits, default=1.0, metavar="FRAME", help="where the sound begins (default: 1)")
    parser.add_argument("--mapping", metavar="FILE", help="JSON file saved by Save Mapping (default: the character's own)")
    parser.add_argument("--emotion-preset", metavar="NAME", help="a saved mix of emotions, such as Happy; --emotion adds to it")
    parser.add_argument("--takes", type=int, metavar="NUMBER", help="make this many takes with the seeds that follow --seed")
    parser.add_argument("--sheet", metavar="PAGE", help="also write a page (.html) with faces and curves of all takes")
    add_setting_options(parser)
    parser.add_argument("--output", required=True, metavar="FILE", help=".blend file to write")
    add_model_options(parser)
    parser.set_defaults(run=run_animate)


def run_animate(arguments: argparse.Namespace) -> int:
    """Open, animate and save under the name of the output.

    Nothing is saved if anything fails, except for lines of a dialogue: those that could be animated are saved, and the exit
    code reports the others.
    """
    read = (arguments.blend, arguments.audio, arguments.curves, arguments.mapping)
    output = plan_blend_output(cast("str", arguments.output), read)
    from ..inference.package import find_model, read_description

    model_folder = find_model(cast("str | None", arguments.model))
    settings = make_settings(arguments)
    if (arguments.takes is not None or arguments.sheet is not None) and arguments.dialogue is not None:
        raise CommandError("--takes and --sheet are of one --character")
    if arguments.sheet is not None:
        check_output(cast("str", arguments.sheet), read)
    folders = [model_folder, *(chosen.folder for chosen in settings.region_models)]
    check_names(settings, [read_description(folder) for folder in folders])
    return with_extension("animate", lambda: _animate_file(arguments, model_folder, settings, output))


def _animate_file(arguments: argparse.Namespace, model_folder: Path, settings: TakeSettings, output: Path) -> int:
    import bpy

    from ..blender.files import find_object, find_scene, open_blend
    from ..operators.animate import animate_character
    from ..operators.dialogue import animate_dialogue
    from ..operators.emotions import find_emotion_preset
    from ..operators.mapping import load_mapping
    from ..operators.variations import make_variations, write_contact_sheet

    blend = cast("str | None", arguments.blend)
    if blend is not None:
        open_blend(Path(blend))
    elif not bpy.data.filepath:
        raise CommandError("no file is loaded; name one with --blend")
    check_output(output, [bpy.data.filepath])
    scene = find_scene(cast("str | None", arguments.scene))
    if (arguments.character is None) == (arguments.dialogue is None):
        raise CommandError("give either --character or --dialogue")
    if arguments.mapping is not None and arguments.character is None:
        raise CommandError("--mapping is of one --character")
    if arguments.mapping is not None:
        load_mapping(find_object(scene, arguments.character), cast("str", arguments.mapping))
    if arguments.emotion_preset is not None:
        preset = find_emotion_preset(arguments.emotion_preset).weights
        settings = replace(settings, emotion={**preset, **settings.emotion})
    scope = make_scope(arguments)
    if arguments.character is not None:
        name = cast("str", arguments.character)
        sound = _sound_choice(arguments)
        show = progress_printer(name)
        character = find_object(scene, name)
        if arguments.takes is not None:
            made = make_variations(scene, character, sound, model_folder, arguments.takes, settings, show, scope=scope)
        else:
            made = [animate_character(scene, character, sound, model_folder, settings, show, scope=scope)]
        takes, troubles = [(name, take) for take in made], []
        if arguments.sheet is not None:
            write_contact_sheet(scene, character, Path(cast("str", arguments.sheet)))
    else:
        speakers = _parse_speakers(scene, cast("list[str]", arguments.dialogue))
        show = progress_printer("dialogue")
        spoken = animate_dialogue(scene, speakers, model_folder, settings, show, scope=scope)
        takes = [(line.character, line.take) for line in spoken if line.take is not None]
        troubles = [f"'{line.strip}': {line.trouble}" for line in spoken if line.trouble]
    for sentence in (*dict.fromkeys(sentence for _name, take in takes for sentence in take.warnings), *troubles):
        complain(sentence)
    save_output(output)
    for name, take in takes:
        print(f"{output}: {take.summary(name)}{count_confidences(find_object(scene, name))}")
    return EXIT_FAILED if troubles else EXIT_DONE


def count_confidences(character: bpy.types.Object) -> str:
    """Return how sure the controls of a character's mapping are, as the end of its summary; '' without a mapping."""
    from ..animation.rig.mapping import CONFIDENCES
    from ..properties.links import read_mapping

    links = read_mapping(character).links
    # A target that several channels drive is as sure as the least sure of them.
    confidences = {link.target: link.confidence for word in CONFIDENCES for link in links if link.confidence == word}
    counts = [(word, sum(found == word for found in confidences.values())) for word in CONFIDENCES]
    if not links:
        return ""
    text = ", ".join(f"{count} {word.lower()}" for word, count in counts)
    return f"; mapped controls: {text}" + (" (off until you tick them under Mapping)" if counts[-1][1] else "")


def _sound_choice(arguments: argparse.Namespace) -> SoundChoice:
    from ..takes.record import CurvesFile, SoundFile, SoundStrip

    if arguments.strip is not None:
        return SoundStrip(arguments.strip)
    if arguments.curves is not None:
        return CurvesFile(absolute(arguments.curves), arguments.start_frame)
    return SoundFile(absolute(arguments.audio), arguments.start_frame)


def _parse_speakers(scene: bpy.types.Scene, assignments: list[str]) -> dict[str | int, bpy.types.Object]:
    """Return who speaks which strips or channels, guessed from their names by default. Raises CommandError."""
    from ..blender.files import find_object
    from ..operators.dialogue import guess_speakers, list_characters

    if not assignments:
        guessed = guess_speakers(scene, list_characters(scene))
        for strip in [strip for strip, speaker in guessed.items() if speaker is None]:
            complain(f"'{strip}' has nobody's name in it; give --dialogue \"{strip}=OBJECT\"")
        return {strip: speaker for strip, speaker in guessed.items() if speaker is not None}
    speakers: dict[str | int, bpy.types.Object] = {}
    for assignment in assignments:
        key, separator, name = assignment.rpartition("=")
        if not separator or not key:
            raise CommandError(f"--dialogue {assignment}: write STRIP=OBJECT")
        speakers[int(key) if key.isdecimal() and len(key) < 10 else key] = find_object(scene, name)
    return speakers
