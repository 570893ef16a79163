# SPDX-License-Identifier: GPL-3.0-or-later
"""``voxrig live``: speak, and send the face to other programs. Needs no Blender."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..animation.life.events import PARTS
from ..takes.settings import TakeSettings, find_setting
from .arguments import EMOTION, add_setting_options, check_output, number_between, read_setting_options
from .reporting import EXIT_DONE, CommandError, complain

if TYPE_CHECKING:
    from ..live.engine import LiveEngine
    from ..live.network import Sender

_REPORT_SECONDS = 0.5
LIFE = ("life", "life_seed", *(f"life_{part}" for part in PARTS))
"""The settings of a live head's life."""


def add_live(subcommands: Any) -> None:
    """Add the subcommand."""
    parser = subcommands.add_parser(
        "live",
        help="speak, and send the face to other programs while you do",
        description="Hear a microphone or a file in real time, or receive the face of a phone, and send it on 50 times a "
        "second, with the life of a head. Sockets are opened only for --send and --listen. Ends with the file, or with Ctrl-C.",
    )
    parser.add_argument("--microphone", action="store_true", help="hear a microphone")
    parser.add_argument("--device", default="", metavar="NAME", help="the microphone, or a part of its name")
    parser.add_argument("--devices", action="store_true", help="list the microphones")
    parser.add_argument("--file", metavar="SOUND", help="hear a wav, flac, ogg or mp3 as if it were spoken now")
    parser.add_argument(
        "--listen", metavar="ADDRESS", help="receive a face, such as llf://0.0.0.0:11111, vmc:// or ifm:// (iFacialMocap)"
    )
    parser.add_argument(
        "--phone", default="", metavar="HOST", help="the phone that iFacialMocap runs on, which waits to be asked"
    )
    parser.add_argument(
        "--send",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="where faces go, such as vmc://127.0.0.1:39539, llf://192.168.1.20:11111; may be repeated",
    )
    parser.add_argument("--monitor", action="store_true", help="hear the sound as late as the face shows it")
    parser.add_argument("--record", metavar="WAV", help="keep the sound of the microphone")
    parser.add_argument("-o", "--output", metavar="CSV", help="keep the faces, as 'voxrig curves' writes them")
    parser.add_argument(
        "--look-ahead",
        type=int,
        choices=(0, 60, 120),
        default=60,
        help="milliseconds that the model hears beyond the instant it shows: more is surer, and later (default: 60)",
    )
    parser.add_argument("--model", metavar="FOLDER", help="folder of a model package that streams, instead of --look-ahead")
    parser.add_argument(
        "--gate",
        type=number_between("--gate", -90.0, 0.0),
        metavar="DB",
        help="sound quieter than this counts as silence, such as -50",
    )
    parser.add_argument(
        "--seconds",
        type=number_between("--seconds", 0.1, 86_400.0),
        metavar="SECONDS",
        help="end after so long (default: never)",
    )
    add_setting_options(parser, [EMOTION, *(find_setting(name) for name in LIFE)])
    parser.set_defaults(run=run_live)


def run_live(arguments: argparse.Namespace) -> int:
    """Run until the sound ends, the time is over, or Ctrl-C."""
    if arguments.devices:
        from ..live.microphone import list_microphones

        for name in list_microphones():
            print(name)
        return EXIT_DONE
    wanted = [bool(arguments.microphone or arguments.device), bool(arguments.file), bool(arguments.listen)]
    if sum(wanted) != 1:
        raise CommandError("give one of --microphone, --file and --listen")
    for path in (arguments.record, arguments.output):
        if path is not None:
            check_output(path, [cast("str | None", arguments.file)])
    if arguments.output and Path(arguments.output).suffix.lower() not in (".csv", ".npz"):
        raise CommandError(f"{arguments.output} ends neither in .csv nor in .npz; give it another name")

    from ..live.network import Sender, parse_address

    senders = [Sender(parse_address(text)) for text in cast("list[str]", arguments.send)]
    if arguments.listen:
        if arguments.record:
            raise CommandError("--record keeps a microphone's sound; leave it out with --listen")
        return _relay(arguments, senders)
    return _speak(arguments, senders)


def _speak(arguments: argparse.Namespace, senders: Sequence[Sender]) -> int:
    from ..animation.curves import ChannelCurves
    from ..animation.interchange import write_curves
    from ..animation.life.causal import LiveLife
    from ..inference.audio import read_sound
    from ..inference.package import find_stream_model, load_package, stream_name
    from ..inference.stream import open_stream
    from ..live.engine import LiveEngine
    from ..live.microphone import FileAsMicrophone, Microphone
    from ..live.monitor import Monitor
    from ..live.recording import Recording
    from ..live.shaping import LiveShaper
    from ..takes.living import life_settings

    package = load_package(find_stream_model(arguments.model or stream_name(arguments.look_ahead)))
    stream = open_stream(package, cast("float | None", arguments.gate))
    given = read_setting_options(arguments)
    settings = TakeSettings(**{name: value for name, value in given.items() if name in LIFE})
    life = LiveLife(life_settings(settings), package.frame_rate) if settings.life > 0.0 else None
    shaper = LiveShaper(package.channels, package.frame_rate, life=life)
    shaper.emotion = dict(given.get("emotion", {}))
    if arguments.file:
        sound = read_sound(str(arguments.file), package.sample_rate)
        source: Any = FileAsMicrophone(sound.samples, sound.sample_rate)
    else:
        source = Microphone(arguments.device)
    recording = Recording(Path(arguments.record), source.sample_rate) if arguments.record else None
    monitor = Monitor(source.sample_rate, stream.look_ahead_seconds) if arguments.monitor else None
    engine = LiveEngine(source, stream, shaper, senders, recording, monitor, keeps_rows=arguments.output is not None)
    try:
        engine.start()
    except BaseException:
        if recording is not None:
            recording.discard()
        raise
    print(f"live from {source.name or 'the microphone'}, {1000 * stream.look_ahead_seconds:.0f} ms behind", flush=True)
    try:
        _watch(engine, cast("float | None", arguments.seconds))
    finally:
        engine.stop()
        if recording is not None:
            print(f"{recording.keep()}: {recording.seconds:.1f} s")
    if engine.error is not None:
        raise CommandError(engine.error)
    if arguments.output:
        start, values = engine.kept_rows()
        write_curves(Path(arguments.output), ChannelCurves(shaper.names, package.frame_rate, values, start))
    share = engine.busy_seconds / max(stream.heard_seconds or engine.rows / package.frame_rate, 1e-9)
    sent = "".join(f", {sender.sent} packets to {sender.address}" for sender in senders)
    lost = f", {source.dropped_samples} samples lost" if source.dropped_samples else ""
    print(f"{engine.rows} faces, {share:.1%} of one core{sent}{lost}")
    return EXIT_DONE


def _watch(engine: LiveEngine, seconds: float | None) -> None:
    """Wait for the end; show the level to people at a terminal, and each trouble once."""
    until = None if seconds is None else time.monotonic() + seconds
    told: set[str] = set()
    try:
        while engine.is_running and (until is None or time.monotonic() < until):
            engine.wait(min(_REPORT_SECONDS, max(0.0, until - time.monotonic())) if until is not None else _REPORT_SECONDS)
            trouble = engine.trouble()
            if trouble is not None and trouble not in told:
                told.add(trouble)
                complain(trouble)
            if sys.stderr.isatty():
                level = engine.level().peak_db
                bar = "#" * max(0, round((level + 60.0) / 3.0))
                print(f"\r{level:6.1f} dB {bar:<20}", end="", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        pass
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)


def _relay(arguments: argparse.Namespace, senders: Sequence[Sender]) -> int:
    from ..animation.interchange import write_curves
    from ..live.network import Receiver, own_address, parse_address
    from ..live.taking import FaceTake

    receiver = Receiver(parse_address(cast("str", arguments.listen)))
    take = FaceTake()
    opened: list[Sender] = []
    try:
        receiver.open(cast("str", arguments.phone))
        for sender in senders:
            sender.open()
            opened.append(sender)
        print(f"listening on {own_address()} port {receiver.port}", flush=True)
        until = None if arguments.seconds is None else time.monotonic() + cast("float", arguments.seconds)
        while until is None or time.monotonic() < until:
            for received in receiver.poll():
                if arguments.output:
                    take.add(received.at, received.frame)
                for sender in senders:
                    sender.send(received.frame)
            time.sleep(0.004)
    except KeyboardInterrupt:
        pass
    finally:
        receiver.close()
        for sender in opened:
            sender.close()
    if arguments.output:
        write_curves(Path(arguments.output), take.curves())
    sender_text = f" from {receiver.last_sender}" if receiver.last_sender else ""
    print(f"{receiver.packets} packets{sender_text}, {receiver.ignored} ignored")
    return EXIT_DONE
