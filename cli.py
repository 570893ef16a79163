# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: ``voxrig curves`` (no Blender needed) and the other subcommands.

Exit codes: 0 when everything was done; 2 when the command line is wrong or something the user can put right went
wrong, with one line for each on stderr; 130 when interrupted. Anything else is a bug and shows its traceback.
Nothing slow is imported before it is known to be needed.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from .animation.face.channels import REGIONS
from .batch.command import add_batch
from .errors import VoxrigError

if TYPE_CHECKING:
    import bpy

    from .inference.package import ModelPackage
    from .operators.take_records import RegionModel, SoundChoice

EXIT_DONE = 0
EXIT_FAILED = 2
EXIT_INTERRUPTED = 130

# Those of animation.keys.placing, which would import numpy for every --help.
KEY_MODES = ("SPARSE", "EVERY", "STEP", "POSES", "SHOW")
# Those of blender.outputs.
OUTPUTS = ("ACTION", "NEW_ACTION", "NEW_SLOT", "STRIP", "LAYER")
CURVE_FORMATS = ("csv", "npz")


class CommandError(VoxrigError):
    """What was typed cannot be meant."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (``sys.argv`` by default) and give its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A console that cannot show a file's name must not stop the work.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else EXIT_FAILED
    run = cast("Callable[[argparse.Namespace], int]", arguments.run)
    try:
        return run(arguments)
    except VoxrigError as error:
        _complain(str(error))
        return EXIT_FAILED
    except KeyboardInterrupt:
        _complain("interrupted")
        return EXIT_INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; each subcommand sets ``run`` to its function."""
    parser = argparse.ArgumentParser(prog="voxrig", description="Facial animation from speech.")
    subcommands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_curves(subcommands)
    _add_convert(subcommands)
    _add_collect(subcommands)
    _add_fit(subcommands)
    _add_animate(subcommands)
    _add_takes(subcommands)
    add_batch(subcommands)
    return parser


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Which model runs, where, and with which emotion: the same for every subcommand that generates."""
    _add_model_choice(parser)
    parser.add_argument(
        "--emotion",
        action="append",
        default=[],
        metavar="NAME=WEIGHT",
        help="an emotion of the model with its weight 0..1, such as joy=0.5; may be given several times",
    )


def _add_model_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="FOLDER", help="folder of a model package, or the name of a bundled one")
    parser.add_argument(
        "--provider",
        choices=("auto", "cuda", "cpu"),
        default="auto",
        type=str.lower,
        help="where the model runs (default: auto)",
    )


def parse_emotions(assignments: Sequence[str], package: ModelPackage) -> list[float] | None:
    """Weights in the order of the package's emotions, or None where none is given. Raises CommandError."""
    if not assignments:
        return None
    weights = [0.0] * len(package.emotions)
    for assignment in assignments:
        name, separator, text = assignment.partition("=")
        if name not in package.emotions:
            known = ", ".join(package.emotions) or "none"
            raise CommandError(f"model '{package.name}' knows no emotion '{name}' (it knows: {known})")
        try:
            weight = float(text)
        except ValueError:
            weight = -1.0
        if not separator or not 0.0 <= weight <= 1.0:
            raise CommandError(f"--emotion {assignment}: write {name}=WEIGHT with a weight from 0 to 1")
        weights[package.emotions.index(name)] = weight
    return weights


def parse_region_models(assignments: Sequence[str]) -> tuple[RegionModel, ...]:
    """Models for face parts. Raises CommandError and ModelError."""
    from .inference.package import find_model
    from .operators.take_records import RegionModel

    found: list[RegionModel] = []
    for assignment in assignments:
        names, _separator, model = assignment.partition("=")
        regions = tuple(name.strip() for name in names.split(","))
        if not model or not set(regions) <= set(REGIONS):
            raise CommandError(f"--region-model {assignment}: write REGIONS=MODEL with regions of {', '.join(REGIONS)}")
        found.append(RegionModel(find_model(model), regions))
    return tuple(found)


def _add_curves(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    add_model_arguments(parser)
    parser.set_defaults(run=run_curves)


def run_curves(arguments: argparse.Namespace) -> int:
    """``voxrig curves``: every sound that can be read is written; each that cannot is one line and exit code 2."""
    sounds = [Path(sound) for sound in cast("list[str]", arguments.sounds)]
    outputs = plan_outputs(sounds, cast("str", arguments.output), cast("str | None", arguments.format))

    from .animation.interchange import write_curves
    from .inference.audio import read_sound
    from .inference.generate import generate_curves
    from .inference.package import find_model, load_package
    from .inference.session import open_session

    package = load_package(find_model(cast("str | None", arguments.model)))
    emotion = parse_emotions(cast("list[str]", arguments.emotion), package)
    session = open_session(package, cast("str", arguments.provider).upper())
    warned = False
    failures = 0
    for sound, output in zip(sounds, outputs):
        try:
            curves = generate_curves(
                session, read_sound(sound, package.sample_rate), emotion, on_progress=_progress_printer(sound.name)
            )
            write_curves(output, curves)
        except VoxrigError as error:
            _complain(str(error))
            failures += 1
        else:
            print(f"{sound} -> {output} ({curves.frame_count} frames, {len(curves.names)} channels, {session.provider})")
        if session.warning is not None and not warned:
            _complain(session.warning)
            warned = True
    return EXIT_FAILED if failures else EXIT_DONE


def _add_convert(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subcommands.add_parser(
        "convert",
        help="change a file of curves into another program's format",
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
        "--fps", type=_number(1.0, 1000.0), metavar="RATE", help="frames a second of OUT (default: those of IN)"
    )
    parser.add_argument(
        "--from-fps",
        type=_number(1.0, 1000.0),
        metavar="RATE",
        help="frames a second of IN, where it states none or wrong ones",
    )
    parser.add_argument(
        "--arkit-mouth-close",
        action="store_true",
        help="the mouthClose of an Audio2Face file, read or written, leaves the jaw alone, as ARKit's does",
    )
    parser.set_defaults(run=run_convert)


def run_convert(arguments: argparse.Namespace) -> int:
    """``voxrig convert``: what the formats do not share is said in one line each."""
    from .animation.interchange import format_of_path, import_curves, write_curves
    from .animation.interchange.timecode import exact_rate

    source, output = cast("str", arguments.input), cast("str", arguments.output)
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
        _complain(sentence)
    curves = imported.curves
    print(
        f"{source} ({imported.format}) -> {output} ({file_format}): "
        f"{len(curves.names)} channels, {curves.frame_count} frames at {curves.frame_rate:g} a second"
    )
    return EXIT_DONE


def _add_collect(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subcommands.add_parser(
        "collect",
        help="collect animated shots into a dataset folder to learn a show from",
        description="Sample a character's animated controls and the sound of every shot, a .blend file each, and write a "
        "report on what was collected. What is already there and has not changed is left, so a stopped run goes on; a file "
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
        "--emotion", action="append", default=[], metavar="NAME[=WEIGHT]", help="emotion of the shots where no marker says it"
    )
    parser.add_argument("--all-controls", action="store_true", help="also controls that name no part of the face")
    parser.add_argument("--again", action="store_true", help="collect again what has not changed")
    parser.set_defaults(run=run_collect)


def run_collect(arguments: argparse.Namespace) -> int:
    """``voxrig collect``: every shot that can be used is written; each that cannot is one line and exit code 2."""
    files = find_blends(cast("list[str]", arguments.blends))
    return _with_extension("collect", lambda: _collect_files(arguments, files))


def find_blends(places: Sequence[str]) -> list[Path]:
    """The .blend files that are meant, folders searched to the bottom. Raises CommandError for a place without any."""
    files: list[Path] = []
    for place in map(Path, places):
        found = sorted(place.rglob("*.blend")) if place.is_dir() else [place] if place.is_file() else []
        if not found:
            raise CommandError(f"there is no .blend file at {place}")
        files += [file.absolute() for file in found]
    return list(dict.fromkeys(files))


def parse_labels(assignments: Sequence[str]) -> dict[str, float]:
    """Emotions of one's own, with a weight of 1 where none is given. Raises CommandError."""
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

    from .learning.page import write_report
    from .learning.show import write_shot
    from .operators.collect import CollectSettings, collect_shot, digest_origin, find_sound, is_collected, name_shots

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
                _open_blend(file)
            scene = _find_scene(cast("str | None", arguments.scene))
            character = _find_object(scene, cast("str", arguments.character))
            collected = collect_shot(scene, character, name, settings, _progress_printer(name), origin=origin)
            write_shot(folder, collected.shot)
        except VoxrigError as error:
            _complain(f"{name}: {error}")
            failures += 1
            continue
        for sentence in collected.warnings:
            _complain(sentence)
        shot = collected.shot
        print(f"{name}: {shot.common_seconds:.1f} s with sound, {len(shot.controls)} controls")
    report = write_report(folder)
    for sentence in report.quality.all_problems:
        _complain(sentence)
    if report.quality.show.still:
        print(f"never move, left out: {', '.join(report.quality.show.still)}")
    print(f"{report.path}: {report.summary()}")
    return EXIT_FAILED if failures else EXIT_DONE


def _add_fit(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subcommands.add_parser(
        "fit",
        help="learn a show from its collected shots, as a model of its own",
        description="Learn the controls of a rig from shots that were collected into a dataset folder, on top of what a "
        "model hears, and write a model package that loads like any other. The more shots the better; with one alone the "
        "check on unseen animation is made on pieces of it.",
    )
    parser.add_argument("dataset", metavar="DATASET", help="folder with the collected shots")
    parser.add_argument("-o", "--output", required=True, metavar="PACKAGE", help="folder of the model package to write")
    parser.add_argument(
        "--region", action="append", default=[], choices=REGIONS, help="face part to learn; may be given several times"
    )
    parser.add_argument("--title", metavar="TEXT", help="name of the model in lists (default: the folder's)")
    _add_model_choice(parser)
    parser.set_defaults(run=run_fit)


def run_fit(arguments: argparse.Namespace) -> int:
    """``voxrig fit``: nothing is written unless all of it was learned."""
    import time

    from .inference.package import find_model, load_package
    from .inference.session import open_session
    from .learning.fit import fit_show, write_fit
    from .learning.show import read_show

    output = Path(cast("str", arguments.output))
    if output.is_dir() and {path.name for path in output.iterdir()} - {"model.json", "model.onnx"}:
        raise CommandError(f"--output {output} already holds other files; give a new folder or that of a model package")
    show = read_show(cast("str", arguments.dataset))
    if arguments.region:
        show = show.of_regions(arguments.region)
    for sentence in show.warnings:
        _complain(sentence)
    session = open_session(load_package(find_model(cast("str | None", arguments.model))), arguments.provider.upper())
    started = time.perf_counter()
    fit = fit_show(session, show, on_progress=_progress_printer(show.rig))
    if session.warning is not None:
        _complain(session.warning)
    package = write_fit(fit, session.package, output, title=cast("str | None", arguments.title))
    for control, r in zip(fit.controls, fit.held_out):
        print(f"  {control.name}: r {r:.2f}" if r == r else f"  {control.name}: moves in too few shots to be checked")
    if show.still:
        print(f"left out, never moves: {', '.join(show.still)}")
    print(
        f"{package.folder}: {len(fit.controls)} controls of '{show.rig}' from {fit.minutes:.1f} minutes in {len(show.shots)} "
        f"shots, mean r on unseen parts {fit.mean_held_out:.2f} ({time.perf_counter() - started:.0f} s)"
    )
    return EXIT_DONE


def _add_animate(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    sound.add_argument("--audio", metavar="SOUND", help="sound file; what Blender can play, it can read")
    sound.add_argument("--strip", metavar="NAME", help="sound strip of the scene's sequencer, with its own place and trim")
    sound.add_argument("--curves", metavar="FILE", help="curves instead of a sound and a model; any that convert reads")
    sound.add_argument(
        "--dialogue",
        nargs="*",
        metavar="STRIP=OBJECT",
        help="all sound strips of the sequencer, each for its speaker: by the name of the strip or the number of its channel, "
        "by the names in it where none is given",
    )
    parser.add_argument("--start-frame", type=float, default=1.0, metavar="FRAME", help="where the sound begins (default: 1)")
    parser.add_argument("--mapping", metavar="FILE", help="JSON file saved by Save Mapping (default: the character's own)")
    parser.add_argument("--strength", type=_number(0.0, 4.0), default=1.0, help="movement of the whole face (default: 1)")
    parser.add_argument(
        "--articulation", type=_number(0.0, 4.0), default=1.0, help="jaw, lips and tongue: below 1 a mumble (default: 1)"
    )
    parser.add_argument("--jaw", type=_number(0.0, 4.0), default=1.0, help="movement of the jaw (default: 1)")
    parser.add_argument("--lips", type=_number(0.0, 4.0), default=1.0, help="movement of the lips (default: 1)")
    parser.add_argument(
        "--smoothing", type=_number(0.0, 1.0), default=0.0, metavar="SECONDS", help="half-life of the smoothing (default: 0)"
    )
    for option, what in (
        ("--region-strength", "movement of a face part, such as brows=0.5"),
        ("--region-smoothing", "half-life in seconds on top of --smoothing for a face part, such as jaw=0.04"),
        ("--region-offset", "where a face part rests, -1..1, such as eyes=0.2 for sleepy lids"),
    ):
        parser.add_argument(
            option, action="append", default=[], metavar="REGION=NUMBER", help=f"{what}; may be given several times"
        )
    parser.add_argument(
        "--channel",
        action="append",
        default=[],
        metavar="NAME=GAIN[,OFFSET]",
        help="multiplier and offset of one channel, such as mouthSmileLeft=1.2,0.05; may be given several times",
    )
    parser.add_argument("--emotion-preset", metavar="NAME", help="a saved mix of emotions, such as Happy; --emotion adds to it")
    parser.add_argument("--intensity", type=_number(0.0, 1.0), default=1.0, help="how much of all emotions (default: 1)")
    parser.add_argument("--emotion-first", type=float, metavar="FRAME", help="frame where the emotions begin")
    parser.add_argument("--emotion-last", type=float, metavar="FRAME", help="frame where they end")
    parser.add_argument(
        "--emotion-fade", type=_number(0.0, 1000.0), default=0.0, metavar="FRAMES", help="cross-fade at these frames"
    )
    parser.add_argument(
        "--density",
        type=int,
        choices=range(1, 8),
        default=4,
        help="keys of --keys sparse: 1 fewest, 7 closest to the model (default: 4)",
    )
    parser.add_argument(
        "--lead",
        type=_number(-500.0, 500.0),
        metavar="MILLISECONDS",
        help="how far the face runs ahead of the sound (default: the model's own)",
    )
    parser.add_argument(
        "--keys",
        choices=KEY_MODES,
        default="SPARSE",
        type=str.upper,
        help="sparse: as few as --density allows (default); every: each frame; step: every Nth; poses: held poses",
    )
    parser.add_argument("--key-step", type=int, default=2, metavar="FRAMES", help="for --keys step (default: 2)")
    parser.add_argument("--key-phase", type=int, default=0, metavar="FRAME", help="where --keys step counts from (default: 0)")
    parser.add_argument("--markers", action="store_true", help="also write a marker into the timeline for each phone")
    parser.add_argument("--first", type=int, metavar="FRAME", help="first frame that may change (default: the sound's)")
    parser.add_argument("--last", type=int, metavar="FRAME", help="last frame that may change (default: the sound's)")
    parser.add_argument(
        "--region", action="append", default=[], choices=REGIONS, help="face part that may change; may be given several times"
    )
    parser.add_argument(
        "--fade", type=_number(0.0, 100.0), default=0.0, metavar="FRAMES", help="length of the fades at --first and --last"
    )
    parser.add_argument(
        "--region-model",
        action="append",
        default=[],
        metavar="REGIONS=MODEL",
        help="a model for face parts of its own, such as lips,jaw=models/hero-lips; may be given several times",
    )
    parser.add_argument(
        "--into",
        choices=OUTPUTS,
        default="ACTION",
        type=lambda text: text.upper().replace("-", "_"),
        help="where the take goes: action: the present one (default); new-action, new-slot: of its own, played instead; strip: "
        "an NLA strip on a track of its own, which --fade blends in and out; layer: a strip that adds to what is there",
    )
    parser.add_argument(
        "--replace-edited", action="store_true", help="also replace keyframes that were made or changed by hand"
    )
    parser.add_argument("--output", required=True, metavar="FILE", help=".blend file to write")
    add_model_arguments(parser)
    parser.set_defaults(run=run_animate)


def _parse_regions(option: str, assignments: Sequence[str], minimum: float, maximum: float) -> dict[str, float]:
    """Numbers by face part. Raises CommandError."""
    found: dict[str, float] = {}
    for assignment in assignments:
        name, _, text = assignment.partition("=")
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if name not in REGIONS or not minimum <= number <= maximum:
            regions = ", ".join(REGIONS)
            raise CommandError(f"{option} {assignment}: write REGION=NUMBER from {minimum:g} to {maximum:g} ({regions})")
        found[name] = number
    return found


def _parse_channels(assignments: Sequence[str], package: ModelPackage) -> dict[str, tuple[float, float]]:
    """Multiplier and offset by channel. Raises CommandError."""
    found: dict[str, tuple[float, float]] = {}
    for assignment in assignments:
        name, _, text = assignment.partition("=")
        gain, _, offset = text.partition(",")
        if name not in package.channel_names:
            raise CommandError(f"--channel {assignment}: model '{package.name}' has no channel '{name}'")
        try:
            found[name] = float(gain), float(offset or 0.0)
        except ValueError:
            raise CommandError(f"--channel {assignment}: write {name}=GAIN or {name}=GAIN,OFFSET") from None
    return found


def _number(minimum: float, maximum: float) -> Callable[[str], float]:
    """A parser of numbers within limits, for argparse."""

    def number(text: str) -> float:
        value = float(text)
        if not minimum <= value <= maximum:
            raise argparse.ArgumentTypeError(f"{text} is not between {minimum:g} and {maximum:g}")
        return value

    return number


def run_animate(arguments: argparse.Namespace) -> int:
    """``voxrig animate``: open, animate, save under the name of the output; nothing is saved when anything fails, but for lines
    of a dialogue: those that could be animated are saved, and the exit code tells of the others."""
    output = Path(cast("str", arguments.output)).absolute()
    if output.suffix.lower() != ".blend":
        raise CommandError(f"--output {output.name} does not end in .blend")
    if not output.parent.is_dir():
        raise CommandError(f"there is no folder {output.parent} for --output; make it first")
    from .inference.package import find_model

    model_folder = find_model(cast("str | None", arguments.model))
    return _with_extension("animate", lambda: _animate_file(arguments, model_folder, output))


def _with_extension(command: str, work: Callable[[], int]) -> int:
    """Do what needs Blender and Voxrig in it."""
    try:
        import bpy
    except ImportError:
        raise CommandError(
            f"{command} needs Blender: run it inside Blender, or with a Python that has the module bpy"
        ) from None
    if hasattr(bpy.types.Scene, "voxrig"):
        return work()

    # Outside Blender nobody has enabled the extension; what is left registered would outlive Python itself.
    from . import registration

    registration.register()
    try:
        return work()
    finally:
        registration.unregister()


def _animate_file(arguments: argparse.Namespace, model_folder: Path, output: Path) -> int:
    import bpy

    from .inference.package import read_description
    from .operators.animate import AnimateSettings, Scope, animate_character
    from .operators.dialogue import animate_dialogue
    from .operators.emotions import find_emotion_preset
    from .operators.mapping import load_mapping

    if arguments.key_step < 1:
        raise CommandError(f"--key-step {arguments.key_step}: give a number of frames from 1")
    blend = cast("str | None", arguments.blend)
    if blend is not None:
        _open_blend(Path(blend))
    elif not bpy.data.filepath:
        raise CommandError("no file is loaded; name one with --blend")
    scene = _find_scene(cast("str | None", arguments.scene))
    if (arguments.character is None) == (arguments.dialogue is None):
        raise CommandError("give either --character or --dialogue")
    if arguments.mapping is not None and arguments.character is None:
        raise CommandError("--mapping is of one --character")
    if arguments.mapping is not None:
        load_mapping(_find_object(scene, arguments.character), cast("str", arguments.mapping))
    emotion = parse_emotions(cast("list[str]", arguments.emotion), package := read_description(model_folder))
    weights = {name: weight for name, weight in zip(package.emotions, emotion or ()) if weight}
    if arguments.emotion_preset is not None:
        weights = {**find_emotion_preset(arguments.emotion_preset).weights, **weights}
    channels = _parse_channels(cast("list[str]", arguments.channel), package)
    settings = AnimateSettings(
        strength=arguments.strength,
        articulation=arguments.articulation,
        jaw_strength=arguments.jaw,
        lip_strength=arguments.lips,
        region_strengths=_parse_regions("--region-strength", arguments.region_strength, 0.0, 4.0),
        smoothing_seconds=arguments.smoothing,
        region_smoothing=_parse_regions("--region-smoothing", arguments.region_smoothing, 0.0, 1.0),
        region_offsets=_parse_regions("--region-offset", arguments.region_offset, -1.0, 1.0),
        gains={name: numbers[0] for name, numbers in channels.items()},
        offsets={name: numbers[1] for name, numbers in channels.items()},
        density=arguments.density,
        keys=arguments.keys,
        key_step=arguments.key_step,
        key_phase=arguments.key_phase,
        lead_seconds=None if arguments.lead is None else arguments.lead / 1000.0,
        markers=arguments.markers,
        emotion=weights,
        emotion_intensity=arguments.intensity,
        emotion_first=arguments.emotion_first,
        emotion_last=arguments.emotion_last,
        emotion_fade=arguments.emotion_fade,
        region_models=parse_region_models(arguments.region_model),
        provider=cast("str", arguments.provider).upper(),
    )
    scope = Scope(
        arguments.first, arguments.last, tuple(arguments.region), arguments.fade, arguments.replace_edited, arguments.into
    )
    if arguments.character is not None:
        name = cast("str", arguments.character)
        sound = _sound_choice(arguments)
        show = _progress_printer(name)
        take = animate_character(scene, _find_object(scene, name), sound, model_folder, settings, show, scope=scope)
        takes, troubles = [(name, take)], []
    else:
        speakers = _parse_speakers(scene, cast("list[str]", arguments.dialogue))
        show = _progress_printer("dialogue")
        spoken = animate_dialogue(scene, speakers, model_folder, settings, show, scope=scope)
        takes = [(line.character, line.take) for line in spoken if line.take is not None]
        troubles = [f"'{line.strip}': {line.trouble}" for line in spoken if line.trouble]
    for sentence in (*dict.fromkeys(sentence for _name, take in takes for sentence in take.warnings), *troubles):
        _complain(sentence)
    _save_blend(output)
    for name, take in takes:
        print(f"{output}: {take.summary(name)}")
    return EXIT_FAILED if troubles else EXIT_DONE


def _parse_speakers(scene: bpy.types.Scene, assignments: Sequence[str]) -> dict[str | int, bpy.types.Object]:
    """Who speaks which strips or channels; by their names where nothing is given. Raises CommandError."""
    from .operators.dialogue import guess_speakers, list_characters

    if not assignments:
        guessed = guess_speakers(scene, list_characters(scene))
        for strip in [strip for strip, speaker in guessed.items() if speaker is None]:
            _complain(f"'{strip}' has nobody's name in it; give --dialogue \"{strip}=OBJECT\"")
        return {strip: speaker for strip, speaker in guessed.items() if speaker is not None}
    speakers: dict[str | int, bpy.types.Object] = {}
    for assignment in assignments:
        key, separator, name = assignment.rpartition("=")
        if not separator or not key:
            raise CommandError(f"--dialogue {assignment}: write STRIP=OBJECT")
        speakers[int(key) if key.isdecimal() else key] = _find_object(scene, name)
    return speakers


def _save_blend(output: Path) -> None:
    import bpy

    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(output), copy=True)
    except RuntimeError as error:
        raise CommandError(f"{output} cannot be written ({error}); choose another place") from None


def _add_takes(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    parser.set_defaults(run=lambda arguments: _with_extension("takes", lambda: run_takes(arguments)))


def run_takes(arguments: argparse.Namespace) -> int:
    """``voxrig takes``: nothing is saved when anything fails."""
    from .operators.takes import compare_take, update_take
    from .properties import character_settings

    changes = arguments.compare is not None or arguments.update is not None
    if changes != (arguments.output is not None):
        raise CommandError("--output goes with --compare or --update")
    if arguments.blend is not None:
        _open_blend(Path(cast("str", arguments.blend)))
    scene = _find_scene(cast("str | None", arguments.scene))
    character = _find_object(scene, cast("str", arguments.character))
    if arguments.compare is not None:
        notes = compare_take(character, arguments.compare)
    elif arguments.update is not None:
        notes = update_take(scene, character, arguments.update).warnings
    else:
        notes = ()
    for sentence in notes:
        _complain(sentence)
    if changes:
        _save_blend(Path(cast("str", arguments.output)).absolute())
    for take in character_settings(character).takes:
        print(f"{'*' if take.is_shown else ' '} {take.name}  {take.title}  {take.about}")
    return EXIT_DONE


def _sound_choice(arguments: argparse.Namespace) -> SoundChoice:
    from .operators.take_records import CurvesFile, SoundFile, SoundStrip

    if arguments.strip is not None:
        return SoundStrip(arguments.strip)
    if arguments.curves is not None:
        return CurvesFile(_absolute(arguments.curves), arguments.start_frame)
    return SoundFile(_absolute(arguments.audio), arguments.start_frame)


def _open_blend(file: Path) -> None:
    import bpy

    if not file.is_file():
        raise CommandError(f"there is no file {file}")
    try:
        bpy.ops.wm.open_mainfile(filepath=str(file.absolute()), load_ui=False)
    except RuntimeError:
        raise CommandError(f"{file} is not a file that this Blender can open") from None


def _find_object(scene: bpy.types.Scene, name: str) -> bpy.types.Object:
    character = scene.objects.get(name)
    if character is None:
        candidates = ", ".join(item.name for item in scene.objects if item.type in ("MESH", "ARMATURE")) or "none"
        raise CommandError(f"scene '{scene.name}' has no object '{name}' (meshes and armatures: {candidates})")
    return character


def _find_scene(name: str | None) -> bpy.types.Scene:
    import bpy

    if name is None:
        return cast("bpy.types.Scene", bpy.context.scene)
    scene = bpy.data.scenes.get(name)
    if scene is None:
        raise CommandError(f"the file has no scene '{name}' (it has: {', '.join(bpy.data.scenes.keys())})")
    return scene


def _absolute(path: str) -> str:
    # Blender reads a leading '//' as the folder of its own file; a shell means no such thing.
    return str(Path(path).absolute())


def plan_outputs(sounds: Sequence[Path], output: str, file_format: str | None) -> list[Path]:
    """The file for each sound. Raises CommandError when two would share one, or the output is not understood."""
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


def _complain(sentence: str) -> None:
    print(f"voxrig: {' '.join(sentence.split())}", file=sys.stderr)


def _progress_printer(name: str) -> Callable[[float], None] | None:
    """A percentage that overwrites itself, for people at a terminal only."""
    if not sys.stderr.isatty():
        return None

    def show(fraction: float) -> None:
        end = "\r" if fraction < 1.0 else "\r\x1b[K"
        print(f"{name} {fraction:4.0%}" if fraction < 1.0 else "", end=end, file=sys.stderr, flush=True)

    return show
