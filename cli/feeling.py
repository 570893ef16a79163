# SPDX-License-Identifier: GPL-3.0-or-later
"""``voxrig feeling``: the feelings that are heard in voices, as tables. Needs no Blender."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, cast

from ..errors import VoxrigError
from .arguments import check_output
from .reporting import EXIT_DONE, EXIT_FAILED, complain

_RATE = 16_000


def add_feeling(subcommands: Any) -> None:
    """Add the subcommand."""
    parser = subcommands.add_parser(
        "feeling",
        help="write the feelings that are heard in voices",
        description="Hear effort, arousal, valence and emotions in sounds, four rows a second. Sounds given together are of "
        "one speaker, whose calm parts the others are compared with. CSV: 'seconds,effort,arousal,valence,<emotion>,...,"
        "confidence'; effort 0 to 1 (0.5 is usual), arousal and valence -1 to 1, emotions as weights 0 to 1 (all 0: neutral or "
        "unsure), confidence as the likelihood of the strongest feeling, neutral included.",
    )
    parser.add_argument("sounds", nargs="+", metavar="SOUND", help="wav, flac, ogg or mp3")
    parser.add_argument(
        "-o", "--output", required=True, metavar="PLACE", help="a folder, or for one sound a file ending in .csv"
    )
    parser.add_argument("--reference", metavar="SOUND", help="calm speech of the same speaker")
    parser.set_defaults(run=run_feeling)


def run_feeling(arguments: argparse.Namespace) -> int:
    """Write every sound that can be read; every other one is one line and exit code 2."""
    from .curves import plan_outputs

    sounds = [Path(sound) for sound in cast("list[str]", arguments.sounds)]
    reference = cast("str | None", arguments.reference)
    outputs = plan_outputs(sounds, cast("str", arguments.output), "csv")
    for output in outputs:
        check_output(output, [*sounds, reference])

    from ..animation.feeling.voice import find_calm, hear_feeling, measure_reference
    from ..animation.interchange import write_curves
    from ..animation.speech.events import SpeechEvents, find_events
    from ..animation.speech.voice import track_voice
    from ..errors import AudioError
    from ..inference.audio import read_sound
    from ..takes.feeling import feeling_table

    calm = None
    if reference is not None:
        calm = measure_reference([track_voice(read_sound(reference, _RATE).samples, _RATE)])
        if calm is None:
            raise AudioError(f"Nobody speaks in the reference {Path(reference).name}; choose a sound with a calm voice")
    heard: dict[Path, SpeechEvents] = {}
    failures = 0
    for sound in sounds:
        try:
            waveform = read_sound(str(sound), _RATE)
            heard[sound] = find_events(waveform.samples, _RATE)
            for warning in waveform.warnings:
                complain(warning)
        except VoxrigError as error:
            complain(str(error))
            failures += 1
    if calm is None:
        calm = find_calm([events.voice for events in heard.values()])
    for sound, output in zip(sounds, outputs):
        if sound in heard:
            felt = hear_feeling(heard[sound].voice, calm)
            write_curves(output, feeling_table(felt, heard[sound]))
            strongest = felt.weights.max(initial=0.0)
            print(f"{sound} -> {output} ({len(felt)} rows, {'neutral' if strongest <= 0.0 else f'up to {strongest:.2f}'})")
    return EXIT_FAILED if failures else EXIT_DONE
