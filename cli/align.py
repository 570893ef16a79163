# SPDX-License-Identifier: GPL-3.0-or-later
"""``voxrig align``: find the words of a text in a sound. Needs no Blender."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, cast

from .arguments import add_model_options, check_output
from .reporting import EXIT_DONE, CommandError, complain, progress_printer

ENDINGS = (".csv", ".TextGrid", ".srt")


def add_align(subcommands: Any) -> None:
    """Add the subcommand."""
    parser = subcommands.add_parser(
        "align",
        help="find the words of a text in a sound",
        description="Find the words of a text in a sound and write when each is said. CSV: 'start,end,word,confidence' with a "
        "row for each written word, in order; a word that is not said has a start between its neighbours and confidence 0. "
        "Praat's TextGrid and SRT subtitles by the ending of the output.",
    )
    parser.add_argument("sound", metavar="SOUND", help="wav, flac, ogg or mp3")
    parser.add_argument("text", metavar="TEXT", help="file with what is said: .txt, .fountain, .srt or .vtt")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="file that ends in .csv, .TextGrid or .srt")
    parser.add_argument("--phones", action="store_true", help="write a row for each phone into the CSV, not for each word")
    parser.add_argument("--language", default="en", metavar="CODE", help="language of the text, such as de (default: en)")
    parser.add_argument("--dictionary", default="", metavar="FILE", help="your own pronunciations, such as 'Zyra Z IY1 R AH0'")
    parser.add_argument("--speaker", metavar="NAME", help="only what this speaker of the text says")
    add_model_options(parser)
    parser.set_defaults(run=run_align)


def run_align(arguments: argparse.Namespace) -> int:
    """Align one text to one sound; a text that does not fit is still written, with a warning."""
    sound, text_file, output = Path(arguments.sound), str(arguments.text), Path(arguments.output)
    if output.suffix.lower() not in [ending.lower() for ending in ENDINGS]:
        raise CommandError(f"{output} ends neither in .csv nor in .TextGrid nor in .srt")
    if arguments.phones and output.suffix.lower() != ".csv":
        raise CommandError("--phones goes with a .csv file; a TextGrid has the phones anyway")
    check_output(output, [sound, text_file, arguments.dictionary or None])

    from ..animation.script import exports
    from ..animation.script.subtitles import find_lines, lines_of, read_script_file
    from ..inference.package import find_model, load_package
    from ..storage.writing import write_whole
    from ..takes.record import SoundFile
    from ..takes.scripting import find_words
    from ..takes.settings import TakeSettings

    lines = find_lines(read_script_file(text_file), Path(text_file).suffix)
    speaker = cast("str | None", arguments.speaker)
    if speaker:
        names = ", ".join(dict.fromkeys(line.speaker for line in lines if line.speaker)) or "none"
        lines = lines_of(lines, speaker)
        if not lines:
            raise CommandError(f"nobody called '{speaker}' speaks in {text_file} (there are: {names})")
    text = "\n".join(line.text for line in lines)
    package = load_package(find_model(cast("str | None", arguments.model)))
    settings = TakeSettings(
        script=text,
        language=str(arguments.language),
        dictionary=str(arguments.dictionary),
        provider=str(arguments.provider).upper(),
    )
    heard = find_words(SoundFile(str(sound)), package.folder, settings, progress_printer(sound.name))
    if output.suffix.lower() == ".textgrid":
        made = exports.write_textgrid(heard.words, heard.duration_seconds)
    elif output.suffix.lower() == ".srt":
        made = exports.write_srt(heard.words)
    else:
        made = exports.write_phones_csv(heard.words) if arguments.phones else exports.write_words_csv(heard.words)
    try:
        write_whole(output, made)
    except OSError as error:
        raise CommandError(f"{output} cannot be written ({error.strerror}); choose another place") from None
    said = sum(word.confidence > 0.0 for word in heard.words)
    print(f"{sound} -> {output} ({said} of {len(heard.words)} words found, {heard.script_fit:.0%} of the text fits)")
    for warning in heard.warnings:
        complain(warning)
    return EXIT_DONE
