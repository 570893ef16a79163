# SPDX-License-Identifier: GPL-3.0-or-later
"""Sound strips of the sequencer, and Blender's own decoder for files that nothing else reads."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError
from . import compat, scene


@dataclass(frozen=True)
class SoundSpan:
    """The part of a sound that a strip plays, and its place on the timeline.

    The sound is ``packed`` if it is packed into the .blend, else the file ``path``. At ``start_frame`` of the timeline,
    which may have a fraction, the sound is ``offset_seconds`` old; it plays for ``duration_seconds`` or until it ends.
    """

    name: str
    path: Path
    packed: bytes | None
    start_frame: float
    offset_seconds: float
    duration_seconds: float
    muted: bool


def list_sound_strips(of_scene: bpy.types.Scene) -> list[Any]:
    """List the sound strips of a scene's sequencer, including those inside meta strips, by start."""
    strips = [strip for strip in compat.sequencer_strips(of_scene) if strip.type == "SOUND"]
    return sorted(strips, key=lambda strip: (compat.strip_timing(strip)[1], strip.channel, strip.name))


def strip_span(strip: Any) -> SoundSpan:
    """Return the part of a sound that a strip plays. Raises AudioError for other strips, a missing sound or file, and a retimed
    strip.

    Meta strips around it trim and mute it as Blender's mixdown does. ``muted`` tells whether the strip, a meta strip around it
    or the channel of one is silent in the sequencer; the caller decides what to do about it.
    """
    if strip is None or strip.type != "SOUND":
        raise AudioError("This is not a sound strip; choose a sound strip of the sequencer")
    sound = strip.sound
    if sound is None:
        raise AudioError(f"The strip '{strip.name}' has lost its sound; choose a file for it in the sequencer")
    if len(getattr(strip, "retiming_keys", ())):
        raise AudioError(f"The strip '{strip.name}' is retimed; remove its retiming keys or use the sound file itself")
    path = Path(bpy.path.abspath(sound.filepath, library=sound.library))
    packed = bytes(sound.packed_file.data) if sound.packed_file is not None else None
    if packed is None and not path.is_file():
        raise AudioError(
            f"The file of the strip '{strip.name}' is missing ({path}); find it with File > External Data > Find Missing Files"
        )
    owner = strip.id_data
    scene.check_time_stretching(owner)
    content_start, own_left, own_right, trim = compat.strip_timing(strip)
    left, right = own_left, own_right
    for meta in _metas_around(strip):
        _, meta_left, meta_right, _ = compat.strip_timing(meta)
        left, right = max(left, meta_left), min(right, meta_right)
    if left >= right:
        raise AudioError(
            f"The strip '{strip.name}' is trimmed away by its meta strip; make the meta strip longer or choose another strip"
        )
    offset = scene.seconds_of_frame(owner, left + trim, content_start) - getattr(strip, "sound_offset", 0.0)
    # A strip that begins before its sound is silent until then.
    start_frame = left if offset >= 0 else scene.frame_of_seconds(owner, -offset, left)
    if start_frame >= right:
        raise AudioError(f"The strip '{strip.name}' ends before its sound begins; make it longer in the sequencer")
    return SoundSpan(
        name=strip.name,
        path=path,
        packed=packed,
        start_frame=start_frame,
        offset_seconds=max(offset, 0.0),
        duration_seconds=scene.seconds_of_frame(owner, right, start_frame),
        muted=is_muted(strip),
    )


def decode_with_blender(source: str | os.PathLike[str] | bytes) -> tuple[NDArray[np.float32], int]:
    """Decode a whole sound, a path or the bytes of a packed one: float32 ``[sample, channel]`` and its rate.

    Raises AudioError if Blender cannot read it or was built without its audio module.
    """
    if not isinstance(source, bytes):
        return _decode_file(Path(source), f"'{Path(source).name}'")
    # Blender's decoder needs a file.
    handle, name = tempfile.mkstemp(prefix="voxrig-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(source)
        return _decode_file(Path(name), "The packed sound")
    finally:
        os.unlink(name)


def _decode_file(path: Path, called: str) -> tuple[NDArray[np.float32], int]:
    try:
        import aud as blender_audio
    except ImportError:
        raise AudioError(f"{called} cannot be read: this Blender has no audio decoder; save it as WAV or FLAC.") from None
    if not path.is_file():
        raise AudioError(f"{called} is missing; choose another sound")
    # The published types of this module lack its constructors and do not know that its error is an exception.
    aud: Any = blender_audio
    sound = aud.Sound(str(path))
    # Before data(): on an unreadable file, data() ends the whole process in Blender up to 5.1; specs raises.
    try:
        rate, _ = sound.specs
        samples = sound.data()
    except aud.error:
        raise AudioError(f"{called} cannot be read as a sound; choose a sound file or save it as WAV.") from None
    samples = np.asarray(samples, dtype=np.float32)
    return (samples[:, None] if samples.ndim == 1 else samples), int(rate)


def is_muted(strip: Any) -> bool:
    """Return whether a strip, a meta strip around it or the channel of one is silent in the sequencer."""
    return any(
        each.mute or ((channel := _channel_of(each)) is not None and channel.mute) for each in (strip, *_metas_around(strip))
    )


def _metas_around(strip: Any) -> Iterator[Any]:
    """Yield the meta strips that a strip lies in, from the inside out."""
    while (strip := strip.parent_meta()) is not None:
        yield strip


def channel_name(strip: Any) -> str:
    """Return the name of a strip's channel, such as 'Channel 2' or the artist's own."""
    channel = _channel_of(strip)
    return channel.name if channel is not None else ""


def _channel_of(strip: Any) -> Any | None:
    """Return the channel of ``strip``: that of its meta strip, else of the sequencer itself."""
    channels = (strip.parent_meta() or strip.id_data.sequence_editor).channels
    # Index 0 is below the first channel.
    return channels[strip.channel] if strip.channel < len(channels) else None
