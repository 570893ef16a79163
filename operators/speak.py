# SPDX-License-Identifier: GPL-3.0-or-later
"""Live faces: a microphone or a phone moves the character, without keys, until it stops; what was recorded becomes a take.

``start_live``, ``show_newest``, ``begin_recording`` and ``end_live`` are the functions behind the buttons. A timer calls
``show_newest`` at the screen's rate and only the newest face is shown.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ..animation.curves import ChannelCurves
from ..animation.face.channels import Channel, face_channels
from ..animation.face.expression import load_expressions
from ..animation.interchange import write_curves
from ..animation.life.causal import LiveLife
from ..animation.life.channels import CHANNELS as LIFE_CHANNELS
from ..animation.performance import Performance
from ..animation.rig.mapping import Mapping, apply_mapping
from ..blender import compat
from ..blender import scene as scenes
from ..blender.live import LivePose
from ..blender.registering import make_registration
from ..blender.targets import explain_no_match
from ..errors import LiveError, RigError, VoxrigError
from ..inference.audio import read_sound
from ..inference.package import find_stream_model, load_package, stream_name
from ..inference.stream import open_stream
from ..live.engine import LiveEngine, SoundSource
from ..live.frame import FACE_NAMES
from ..live.microphone import FileAsMicrophone, Microphone, list_microphones
from ..live.monitor import Monitor
from ..live.network import PROTOCOLS, Address, Receiver, Sender, own_address, parse_address
from ..live.recording import Recording, find_lost_recordings, next_name, recover
from ..live.shaping import LiveShaper
from ..live.taking import FaceTake
from ..properties import live as live_properties
from ..properties.access import live_settings, scene_settings
from ..properties.links import active_mapping
from ..properties.live import PHONES, SOURCES
from ..properties.session import LiveStatus, session
from ..properties.settings import read_settings
from ..takes.emotion import EmotionTrack
from ..takes.job import Job
from ..takes.living import Surroundings, life_settings
from ..takes.record import CurvesFile, SoundStrip
from ..takes.shaping import Place
from ..takes.sources import Description, describe_model
from .animate import GeneratingOperator, gather_from_scene
from .base import NO_CHARACTER, VoxrigOperator, redraw_panel
from .life import add_life_links, look_around
from .mapping import find_character, match_channels

TICK_SECONDS = 1.0 / 60.0
_PANEL_SECONDS = 0.2
_OPEN_GATE_DB = -80.0


@dataclass
class Live:
    """A live session of a scene's character."""

    scene: str
    character: str
    mapping: Mapping
    pose: LivePose
    engine: LiveEngine | None = None
    receiver: Receiver | None = None
    senders: list[Sender] = field(default_factory=list)
    take: FaceTake | None = None
    """The faces that are being recorded, if they come from a phone."""
    recording: Recording | None = None
    curves_path: Path | None = None
    first_frame: int = 1
    zero: float = 0.0
    """When recording began, by ``time.monotonic``."""
    punch: tuple[int, int] | None = None
    """First and last frame of the range that is spoken over, if one is."""
    reached_frame: int = 1
    shown_at: float = -1.0
    drawn_at: float = 0.0
    delays: list[float] = field(default_factory=list)
    """Seconds from the instant that a face shows, in the sound or at its packet's arrival, to the rig's values; the latest."""
    waits: list[float] = field(default_factory=list)
    """Seconds of them for which the finished face waited for Blender."""


_live: list[Live] = []
"""The session that runs, or empty."""


def running() -> Live | None:
    """Return the live session that runs, or None."""
    return _live[0] if _live else None


def start_live(scene: bpy.types.Scene, source: SoundSource | None = None) -> Live:
    """Start to move the scene's character by its live settings; ``source`` replaces the microphone.

    Nothing is keyed. Raises VoxrigError, with nothing opened.
    """
    if _live:
        raise LiveError(f"'{_live[0].character}' is live already; stop it first")
    settings, chosen = live_settings(scene), scene_settings(scene)
    if chosen.character is None:
        raise RigError("No character is chosen; choose a mesh with shape keys or an armature under Character")
    senders = [Sender(parse_address(text)) for text in settings.send.replace(",", " ").split()]
    is_phone = settings.source in PHONES and source is None
    package = load_package(find_stream_model(stream_name(int(settings.look_ahead))))
    take_settings = read_settings(scene)
    lives = take_settings.life > 0.0 and not is_phone
    description = _describe_phone(settings.source) if is_phone else _with_life(describe_model(package), lives)
    mapping = _find_mapping(chosen.character, description)
    if lives:
        mapping, _ = add_life_links(chosen.character, mapping, description)
    mapping = _choose_links(mapping, description, settings.regions)
    live = Live(scene.name, chosen.character.name, mapping, LivePose(_end_by_blender))
    if is_phone:
        live.receiver = Receiver(_own_end(settings))
    if not is_phone or settings.with_sound:
        if source is None:
            source = _open_source(settings, package.sample_rate)
        life = None
        if lives:
            seen = _look_at(scene, chosen.character, mapping, take_settings.look_at)
            life = LiveLife(life_settings(take_settings), package.frame_rate, seen.targets)
        shaper = LiveShaper(package.channels, package.frame_rate, read_live_performance(scene), life)
        shaper.emotion = read_live_emotion(scene)
        gate = None if settings.gate <= _OPEN_GATE_DB else float(settings.gate)
        stream = open_stream(package, gate)
        # A face is shown up to a tick after it is known.
        late = stream.look_ahead_seconds + TICK_SECONDS
        monitor = Monitor(source.sample_rate, late) if settings.monitor and not is_phone else None
        live.engine = LiveEngine(source, stream, shaper, () if is_phone else senders, monitor=monitor)
    try:
        if live.receiver is not None:
            live.receiver.open(settings.phone.strip())
            for sender in senders:
                sender.open()
                live.senders.append(sender)
        if live.engine is not None:
            live.engine.start()
    except VoxrigError:
        _close(live)
        raise
    live.pose.begin()
    _live.append(live)
    session.live = LiveStatus(_describe_source(live))
    session.live_trouble = ""
    if not bpy.app.background:
        bpy.app.timers.register(_tick, first_interval=TICK_SECONDS)
    return live


def read_live_performance(scene: bpy.types.Scene) -> Performance:
    """Read the sliders that can act on a face that is not over yet: strengths and smoothing."""
    settings = read_settings(scene)
    return Performance(
        strength=settings.strength,
        articulation=settings.articulation,
        smoothing_seconds=settings.smoothing_seconds,
        region_strengths=settings.region_strengths,
    )


def read_live_emotion(scene: bpy.types.Scene) -> dict[str, float]:
    """Read the emotion of the current frame."""
    track = EmotionTrack(read_settings(scene), float(scene.frame_current), scenes.frames_per_second(scene))
    names = load_expressions().emotions
    weights = track.at(names, np.array([float(scene.frame_current)]))
    return dict(zip(names, weights[0].tolist()))


def show_newest() -> bool:
    """Show the newest face of the session that runs; returns whether it is another one than before.

    A character or a scene that is gone ends the session, and the panel says so.
    """
    live = running()
    if live is None:
        return False
    scene = bpy.data.scenes.get(live.scene)
    if scene is None or scene.objects.get(live.character) is None:
        gone = f"scene '{live.scene}'" if scene is None else f"character '{live.character}'"
        _end_by_blender(f"The {gone} is gone")
        return False
    names, values, at, heard_at = _read_newest(live)
    if values is None or at == live.shown_at:
        return False
    live.shown_at = at
    try:
        curves = ChannelCurves(names, 1.0, values[None])
        targets = apply_mapping(live.mapping, curves)
        live.pose.show(dict(zip(targets.targets, targets.values[0].tolist())))
    except RigError as error:
        _end_by_blender(str(error))
        return False
    now = time.monotonic()
    live.delays = [*live.delays[-599:], now - heard_at]
    live.waits = [*live.waits[-599:], now - at]
    return True


def _read_newest(live: Live) -> tuple[tuple[str, ...], Any, float, float]:
    """Return names and values ``[channel]`` of the newest face, when it was finished and when its instant was heard or sent.

    Values are None before the first.
    """
    if live.receiver is not None:
        newest = None
        for received in live.receiver.poll():
            newest = received
            if live.take is not None:
                live.take.add(received.at, received.frame)
            for sender in live.senders:
                sender.send(received.frame)
        if newest is None or not any(link.channel in newest.frame.values for link in live.mapping.links):
            return (), None, -1.0, 0.0
        names = tuple(newest.frame.values)
        return names, np.array([newest.frame.values[name] for name in names], np.float32), newest.at, newest.at
    face = live.engine.newest() if live.engine is not None else None
    if face is None or live.engine is None:
        return (), None, -1.0, 0.0
    return live.engine.shaper.names, face.values, face.at, live.engine.source.moment_of(face.seconds)


def begin_recording(scene: bpy.types.Scene) -> None:
    """Begin to keep sound and faces, beside the .blend, from the current frame on. Raises VoxrigError."""
    live = running()
    if live is None:
        raise LiveError("Nothing is live; start it first")
    if live.recording is not None or live.take is not None:
        raise LiveError("It is being recorded already; stop it first")
    folder = recording_folder()
    stem = f"{Path(bpy.data.filepath).stem}_live"
    if live.engine is not None:
        source = live.engine.source
        live.recording = Recording(next_name(folder / f"{stem}.wav"), source.sample_rate)
        live.engine.recording = live.recording
    if live.receiver is not None:
        live.take = FaceTake()
        live.curves_path = next_name(folder / f"{stem}.csv")
    live.first_frame = scene.frame_current
    live.zero = time.monotonic()
    if session.live is not None:
        session.live.is_recording = True


def punch_range(scene: bpy.types.Scene) -> tuple[int, int]:
    """Return the first and the last frame that a punch-in speaks over: the preview range, or all frames of the scene."""
    if scene.use_preview_range:
        return scene.frame_preview_start, scene.frame_preview_end
    return scene.frame_start, scene.frame_end


def begin_punch(scene: bpy.types.Scene) -> None:
    """Begin to record at the first frame of the range, which plays; the take is replaced there and nowhere else.

    Raises VoxrigError.
    """
    first, last = punch_range(scene)
    begin_recording(scene)
    live = running()
    assert live is not None
    scene.frame_set(first)
    live.first_frame = first
    live.punch, live.reached_frame = (first, last), first
    if not bpy.app.background and not _is_playing():
        bpy.ops.screen.animation_play()


def has_left_range(live: Live, scene: bpy.types.Scene) -> bool:
    """Whether the range that is spoken over has been played: beyond its end, from its start again, or stopped."""
    if live.punch is None:
        return False
    frame = scene.frame_current
    if frame > live.punch[1] or frame < live.reached_frame:
        return True
    live.reached_frame = frame
    return frame == live.punch[1] or not (bpy.app.background or _is_playing())


def _is_playing() -> bool:
    manager: Any = bpy.context.window_manager
    return any(window.screen.is_animation_playing for window in manager.windows)


def _punch_out() -> None:
    """Stop to play, and make the take of what was spoken over the range, as the button does."""
    manager: Any = bpy.context.window_manager
    ops: Any = bpy.ops
    with bpy.context.temp_override(window=manager.windows[0]):
        if _is_playing():
            bpy.ops.screen.animation_cancel(restore_frame=False)
        try:
            ops.voxrig.live_keep("INVOKE_DEFAULT")
        except RuntimeError as error:  # an error that was reported, raised because a script called
            session.live_trouble = str(error).removeprefix("Error: ").strip()


def recording_folder() -> Path:
    """Return the folder of the .blend. Raises LiveError for a file that was never saved."""
    if not bpy.data.filepath:
        raise LiveError("The .blend has no place yet; save it, and recordings are kept beside it")
    return Path(bpy.data.filepath).parent


@dataclass(frozen=True)
class Kept:
    """The remains of a live session on disk: a sound, a file of curves, or both, from ``first_frame`` on."""

    first_frame: int
    sound: Path | None = None
    curves: Path | None = None
    curves_start: float = 0.0
    """Frame of the curves' second 0."""
    frames: tuple[int, int] | None = None
    """First and last frame that the take may change, None for all that was recorded."""


def end_live() -> Kept | None:
    """End the session that runs, and take its pose back; returns what was recorded, None for nothing.

    What was said is kept even where the disk filled up or the microphone went away. Raises LiveError if a file cannot get its
    name.
    """
    live = running()
    if live is None:
        return None
    _live.clear()
    session.live = None
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    _close(live)
    scene = bpy.data.scenes.get(live.scene)
    live.pose.end(scene)
    sound = live.recording.keep() if live.recording is not None and live.recording.sample_count else None
    if live.recording is not None and sound is None:
        live.recording.discard()
    curves = None
    if live.take is not None and len(live.take) > 1 and live.curves_path is not None:
        write_curves(live.curves_path, live.take.curves(live.zero))
        curves = live.curves_path
    frames = None
    if live.punch is not None and scene is not None:
        spoken = live.first_frame + round((time.monotonic() - live.zero) * scenes.frames_per_second(scene))
        frames = live.punch[0], min(live.punch[1], max(live.reached_frame, spoken))
    return Kept(live.first_frame, sound, curves, float(live.first_frame), frames) if sound or curves else None


def place_recording(scene: bpy.types.Scene, kept: Kept) -> str:
    """Place a recorded sound as a strip on a free channel of the sequencer; returns the strip's name."""
    assert kept.sound is not None
    used = {strip.channel for strip in compat.sequencer_strips(scene)}
    channel = next(number for number in range(1, 130) if number not in used)
    path = bpy.path.relpath(str(kept.sound)) if bpy.data.filepath else str(kept.sound)
    strip = compat.new_strips(scene).new_sound(kept.sound.stem, path, channel, kept.first_frame)
    return str(strip.name)


def gather_recorded(scene: bpy.types.Scene, kept: Kept) -> Job:
    """Gather the take of what was recorded, to be made with all that can be heard. Raises VoxrigError."""
    settings = scene_settings(scene)
    name = place_recording(scene, kept) if kept.sound is not None and bpy.app.build_options.audaspace else ""
    with session.hooks_paused():
        if kept.curves is not None:
            settings.sound_source = "CURVES"
            settings.curves_file = str(kept.curves)
            settings.start_frame = kept.first_frame
            return gather_from_scene(scene, sound=CurvesFile(str(kept.curves), kept.curves_start), frames=kept.frames)
        if name:
            settings.sound_source = "STRIP"
            settings.strip = name
            return gather_from_scene(scene, sound=SoundStrip(name), frames=kept.frames)
        settings.sound_source = "FILE"
        settings.sound_file = str(kept.sound)
        settings.start_frame = kept.first_frame
        return gather_from_scene(scene, frames=kept.frames)


def _close(live: Live) -> None:
    if live.engine is not None:
        live.engine.stop()
    if live.receiver is not None:
        live.receiver.close()
    for sender in live.senders:
        sender.close()


def _end_by_blender(reason: str) -> None:
    """End the session because of something that happened; what was recorded stays on disk."""
    kept: Kept | None = None
    try:
        kept = end_live()
    except VoxrigError as error:
        reason = f"{reason}; {error}"
    else:
        if kept is not None:
            reason = f"{reason}; what was recorded is in {kept.sound or kept.curves}"
    session.live_trouble = f"Live has stopped: {reason}"
    if not bpy.app.background:
        redraw_panel(bpy.context)


def _tick() -> float | None:
    show_newest()
    live = running()
    if live is None:
        return None
    scene = bpy.data.scenes.get(live.scene)
    if scene is not None and has_left_range(live, scene):
        _punch_out()
        return None if running() is None else TICK_SECONDS
    now = time.monotonic()
    if now - live.drawn_at > _PANEL_SECONDS:
        live.drawn_at = now
        refresh_status(live)
        redraw_panel(bpy.context)
    return TICK_SECONDS


def refresh_status(live: Live) -> None:
    """Refresh what the panel shows."""
    status = session.live
    if status is None:
        return
    status.recorded_seconds = time.monotonic() - live.zero if status.is_recording else 0.0
    if live.engine is not None:
        status.level = min(1.0, max(0.0, 1.0 + live.engine.level().peak_db / 60.0))
        status.trouble = live.engine.trouble() or ""
    if live.receiver is not None:
        receiver = live.receiver
        sender = f" from {receiver.last_sender}" if receiver.last_sender else ""
        status.text = f"{own_address()}:{receiver.port}, {receiver.packets_per_second():.0f}/s{sender}"
        if not receiver.last_sender and receiver.packets:
            status.trouble = "Packets arrive, but none is a face; choose the app's other protocol"
    elif live.delays:
        status.text = f"{1000 * float(np.median(live.delays)):.0f} ms"


def _describe_source(live: Live) -> str:
    if live.receiver is not None:
        return PROTOCOLS[live.receiver.address.protocol].title
    return (live.engine.source.name if live.engine is not None else "") or "Microphone"


def _describe_phone(source: str) -> Description:
    known = {channel.name: channel for channel in (*face_channels(), *LIFE_CHANNELS)}
    visemes = [name for name in known if name.startswith("viseme_")] if source == "VMC" else []
    title = next(title for name, title, _about in SOURCES if name == source)
    names = (*FACE_NAMES, *visemes)
    return Description(title, tuple(known.get(name) or _plain_channel(name) for name in names))


def _with_life(description: Description, lives: bool) -> Description:
    """Return the description with the channels of life that it lacks."""
    if not lives:
        return description
    own = set(description.channel_names)
    return replace(description, channels=(*description.channels, *(one for one in LIFE_CHANNELS if one.name not in own)))


def _look_at(scene: bpy.types.Scene, character_object: bpy.types.Object, mapping: Mapping, name: str) -> Surroundings:
    """Return what the character looks at, where it is on the current frame."""
    place = Place(float(scene.frame_current), scenes.frames_per_second(scene))
    names = (name,) if name else ()
    return look_around(scene, character_object, mapping, place, 0.0, names, name)[0]


def _plain_channel(name: str) -> Channel:
    """Describe a tracked channel that neither speech nor life moves."""
    region = "eyes" if "Eye" in name or name.startswith("eye") else "cheeks" if "cheek" in name else "lips"
    return Channel(name, "tongue" if "tongue" in name else region, "face", 0.0, -3.2, 3.2, "weight")


def _find_mapping(character_object: bpy.types.Object, description: Description) -> Mapping:
    mapping = active_mapping(character_object)
    if not mapping.links:
        mapping = match_channels(character_object, description).mapping
    if not any(link.enabled and link.channel in description.channel_names for link in mapping.links):
        raise RigError(explain_no_match(find_character(character_object), description.channel_names, description.title))
    return mapping


def _choose_links(mapping: Mapping, description: Description, regions: set[str]) -> Mapping:
    region_of = {channel.name: channel.region for channel in description.channels}
    wanted = {region.lower() for region in regions} or set(region_of.values())
    links = [link for link in mapping.links if link.enabled and region_of.get(link.channel) in wanted]
    if not links:
        raise RigError("No control of the character belongs to the face parts under Move; choose others, or none for all")
    return replace(mapping, links=tuple(links))


def _own_end(settings: Any) -> Address:
    protocol = {"LLF": "llf", "IFM": "ifm", "VMC": "vmc"}[settings.source]
    return Address(protocol, settings.host.strip() or "0.0.0.0", settings.port or PROTOCOLS[protocol].port)


def _open_source(settings: Any, sample_rate: int) -> SoundSource:
    if settings.source != "FILE":
        return Microphone(settings.device.strip())
    if not settings.sound_file:
        raise LiveError("No sound is chosen; choose a file under Sound")
    sound = read_sound(bpy.path.abspath(settings.sound_file), sample_rate)
    return FileAsMicrophone(sound.samples, sound.sample_rate)


class VOXRIG_OT_live_start(VoxrigOperator):
    """Move the character by your voice or a phone while it happens. No key is set, and Stop puts everything back.

    The microphone and the network are used only until then
    """

    bl_idname = "voxrig.live_start"
    bl_label = "Start"
    bl_options = set()

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a character, and that nothing is live."""
        if session.live is not None:
            return "A face is live already"
        return NO_CHARACTER if scene_settings(context.scene).character is None else None

    def run(self, context: Any) -> None:
        """Start."""
        start_live(context.scene)


class VOXRIG_OT_live_record(VoxrigOperator):
    """Keep sound and face from the current frame on. Keep Take makes a take of it, as sparse keys"""

    bl_idname = "voxrig.live_record"
    bl_label = "Record"
    bl_options = set()

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a live face that is not being recorded."""
        if session.live is None:
            return "Start first"
        return "It is being recorded already" if session.live.is_recording else None

    def run(self, context: Any) -> None:
        """Begin."""
        begin_recording(context.scene)


class VOXRIG_OT_live_punch(VoxrigOperator):
    """Play the preview range, or all frames without one, and speak over it. At its end the take is replaced in this range only.

    Keys outside and keys that you made stay
    """

    bl_idname = "voxrig.live_punch"
    bl_label = "Punch In"
    bl_options = set()

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a live face that is not being recorded."""
        return VOXRIG_OT_live_record.disabled_reason(context)

    def run(self, context: Any) -> None:
        """Begin."""
        begin_punch(context.scene)


class VOXRIG_OT_live_stop(VoxrigOperator):
    """Stop, and put everything back as it was. A recording stays beside the file, but nothing is animated from it"""

    bl_idname = "voxrig.live_stop"
    bl_label = "Stop"
    bl_options = set()

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a live face."""
        return None if session.live is not None else "Nothing is live"

    def run(self, context: Any) -> None:
        """Stop."""
        kept = end_live()
        if kept is not None:
            self.report({"INFO"}, f"Kept {kept.sound or kept.curves}")


class VOXRIG_OT_live_keep(GeneratingOperator):
    """Stop, place the recorded sound in the sequencer, and animate it again with all that can be heard, as sparse keys"""

    bl_idname = "voxrig.live_keep"
    bl_label = "Keep Take"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a recording."""
        if session.live is None or not session.live.is_recording:
            return "Record first"
        return super().disabled_reason(context)

    def gather(self, scene: bpy.types.Scene) -> Job:
        """End the session, place the strip and gather the take."""
        kept = end_live()
        if kept is None:
            raise LiveError("Nothing was recorded; check the microphone or the phone, and record again")
        return gather_recorded(scene, kept)


class VOXRIG_OT_live_recover(VoxrigOperator):
    """Place a recording that was never stopped, because Blender closed, at the current frame of the sequencer"""

    bl_idname = "voxrig.live_recover"
    bl_label = "Recover Recording"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a lost recording."""
        return None if session.lost_recordings else "No recording was lost"

    def run(self, context: Any) -> None:
        """Rename the oldest, and place it."""
        first, *others = session.lost_recordings
        session.lost_recordings = tuple(others)
        path = recover(Path(first))
        place_recording(context.scene, Kept(context.scene.frame_current, path))
        self.report({"INFO"}, f"Recovered {path.name}")


@bpy.app.handlers.persistent
def find_lost(*_arguments: Any) -> None:
    """Look beside the file that was opened for recordings that were never stopped."""
    lost: Sequence[Path] = find_lost_recordings(Path(bpy.data.filepath).parent) if bpy.data.filepath else ()
    session.lost_recordings = tuple(str(path) for path in lost)


def _list_devices() -> list[str]:
    try:
        return list_microphones()
    except LiveError:
        return []


CLASSES = (
    VOXRIG_OT_live_start,
    VOXRIG_OT_live_record,
    VOXRIG_OT_live_punch,
    VOXRIG_OT_live_stop,
    VOXRIG_OT_live_keep,
    VOXRIG_OT_live_recover,
)
_register_classes, _unregister_classes = make_registration(CLASSES)


def register() -> None:
    """Register the operators, and look for lost recordings when a file is opened."""
    _register_classes()
    live_properties.session_devices = _list_devices
    bpy.app.handlers.load_post.append(find_lost)


def unregister() -> None:
    """Undo ``register``, and end what is live."""
    if _live:
        _end_by_blender("Voxrig is switched off")
    live_properties.session_devices = None
    bpy.app.handlers.load_post.remove(find_lost)
    _unregister_classes()
