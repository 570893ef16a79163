# SPDX-License-Identifier: GPL-3.0-or-later
"""The sound and the timing of a strip, and Blender's own decoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
import soundfile
from voxrig.blender import compat, sounds
from voxrig.errors import AudioError

try:
    import aud  # noqa: F401

    HAS_AUDIO = True
except ImportError:
    HAS_AUDIO = False

needs_audio = pytest.mark.skipif(not HAS_AUDIO, reason="this bpy was built without audio: it makes no sound strips")

SECONDS = 4.0


@pytest.fixture
def sound_path(tmp_path: Path) -> Path:
    """Four seconds of two channels whose value tells the time."""
    path = tmp_path / "Stimme ü 12.wav"
    ramp = np.linspace(0, 0.9, int(SECONDS * 8000), endpoint=False)
    soundfile.write(path, np.stack([ramp, -ramp], axis=1), 8000, subtype="FLOAT")
    return path


@pytest.fixture
def strip(scene: Any, sound_path: Path) -> Any:
    return compat.new_strips(scene).new_sound("Line", str(sound_path), 2, 11)


@needs_audio
def test_a_strip_plays_its_whole_sound(scene: Any, strip: Any, sound_path: Path) -> None:
    span = sounds.strip_span(strip)
    assert (span.name, span.path, span.packed, span.muted) == ("Line", sound_path, None, False)
    assert (span.start_frame, span.offset_seconds) == (11.0, 0.0)
    assert span.duration_seconds == pytest.approx(SECONDS, abs=1 / 24)
    assert sounds.list_sound_strips(scene) == [strip]


def trim(strip: Any, left: float, right: float, content_trim: int) -> None:
    """Cut frames off the strip's ends and off its content's start, under the names of any version."""
    if hasattr(strip, "left_handle_offset"):
        strip.left_handle_offset, strip.right_handle_offset, strip.content_trim_start = left, right, content_trim
    else:
        strip.frame_offset_start, strip.frame_offset_end, strip.animation_offset_start = left, right, content_trim


@needs_audio
@pytest.mark.parametrize("base", [1.0, 1.001])
def test_trims_move_the_start_and_the_offset(scene: Any, strip: Any, base: float) -> None:
    scene.render.fps_base = base
    length = sounds.strip_span(strip).duration_seconds * 24 / base
    trim(strip, 12, 24, 0)
    span = sounds.strip_span(strip)
    assert span.start_frame == 23
    assert span.offset_seconds == pytest.approx(12 / 24 * base)
    assert span.duration_seconds == pytest.approx((length - 36) / 24 * base)
    trim(strip, 12, 24, 6)
    assert sounds.strip_span(strip).offset_seconds == pytest.approx(18 / 24 * base)


@needs_audio
def test_blender_plays_what_the_span_says(scene: Any, strip: Any, tmp_path: Path) -> None:
    """Mix the timeline down and look at which moment of the sound is heard when."""
    trim(strip, 12, 24, 0)
    scene.frame_start, scene.frame_end = 1, 120
    mixed = tmp_path / "mix.wav"
    bpy.ops.sound.mixdown(filepath=str(mixed), container="WAV", codec="PCM", format="F32")
    samples, rate = soundfile.read(mixed)
    left = samples[:, 0]
    span = sounds.strip_span(strip)
    heard = np.flatnonzero(left > 0.01)
    assert heard[0] / rate == pytest.approx((span.start_frame - 1) / 24, abs=0.02)
    middle = 1.5
    at = int(((span.start_frame - 1) / 24 + middle) * rate)
    moment = (span.offset_seconds + middle) / SECONDS * 0.9
    # Blender may pan or scale channels: compare with the value where the strip begins.
    begin = left[int(((span.start_frame - 1) / 24 + 0.1) * rate)]
    assert left[at] / begin == pytest.approx(moment / ((span.offset_seconds + 0.1) / SECONDS * 0.9), rel=0.02)


def set_handles(strip: Any, left: float, right: float) -> None:
    if hasattr(strip, "left_handle"):
        strip.right_handle, strip.left_handle = right, left
    else:
        strip.frame_final_end, strip.frame_final_start = right, left


def mix_down(scene: Any, folder: Path) -> tuple[np.ndarray, int]:
    """Return the left channel of what Blender plays from frame 1 to 240, and its rate."""
    scene.frame_start, scene.frame_end = 1, 240
    bpy.ops.sound.mixdown(filepath=str(folder / "mix.wav"), container="WAV", codec="PCM", format="F32")
    samples, rate = soundfile.read(folder / "mix.wav")
    return samples[:, 0], rate


def check_against_mixdown(scene: Any, strip: Any, folder: Path) -> sounds.SoundSpan:
    """Hold the span of a strip of the ramp against what Blender plays: from when to when, and which moments of the ramp."""
    left, rate = mix_down(scene, folder)
    fps = scene.render.fps / scene.render.fps_base
    span = sounds.strip_span(strip)
    heard = np.flatnonzero(left > 0.01)
    assert span.start_frame + 0.02 * 24 >= heard[0] / rate * fps + 1 - 0.09 * 24 * (span.offset_seconds == 0)
    assert heard[-1] / rate * fps + 1 == pytest.approx(span.start_frame + span.duration_seconds * fps, abs=0.75)
    # Blender may scale channels: a line through what it plays gives the moment of the ramp at the start of the span.
    first = round((span.start_frame - 1) / fps * rate) + rate // 10
    last = first + round((span.duration_seconds - 0.2) * rate)
    slope, value = np.polyfit(np.arange(first, last) / rate, left[first:last], 1)
    begin = (span.start_frame - 1) / fps
    assert (slope * begin + value) / slope == pytest.approx(span.offset_seconds, abs=0.005)
    return span


@needs_audio
@pytest.mark.parametrize("base", [1.0, 1.001])
def test_meta_strips_trim_as_blender_plays(scene: Any, strip: Any, tmp_path: Path, base: float) -> None:
    scene.render.fps_base = base
    check_against_mixdown(scene, strip, tmp_path)
    inner = compat.new_strips(scene).new_meta("Inner", 1, 1)
    strip.move_to_meta(inner)
    set_handles(inner, 35, 83)
    assert check_against_mixdown(scene, strip, tmp_path).offset_seconds == pytest.approx(24 / 24 * base)
    outer = compat.new_strips(scene).new_meta("Outer", 1, 1)
    inner.move_to_meta(outer)
    set_handles(outer, 47, 71)
    span = check_against_mixdown(scene, strip, tmp_path)
    assert (span.start_frame, span.offset_seconds) == (47.0, pytest.approx(36 / 24 * base))
    assert span.duration_seconds == pytest.approx(base)
    # Moved, it takes along what is in it.
    set_handles(inner, 60, 90)
    set_handles(outer, 55, 95)
    assert check_against_mixdown(scene, strip, tmp_path).start_frame == 60
    set_handles(outer, 100, 120)
    with pytest.raises(AudioError, match="'Line' is trimmed away by its meta strip"):
        sounds.strip_span(strip)


@needs_audio
def test_a_muted_meta_strip_mutes_as_blender_plays(scene: Any, strip: Any, tmp_path: Path) -> None:
    inner = compat.new_strips(scene).new_meta("Inner", 1, 1)
    strip.move_to_meta(inner)
    set_handles(inner, 11, 83)
    outer = compat.new_strips(scene).new_meta("Outer", 1, 1)
    inner.move_to_meta(outer)
    set_handles(outer, 11, 83)

    def check(muted: bool) -> None:
        assert sounds.is_muted(strip) is sounds.strip_span(strip).muted is muted
        assert bool(mix_down(scene, tmp_path)[0].max() < 0.01) is muted

    check(False)
    channels = inner.channels[strip.channel], outer.channels[inner.channel], scene.sequence_editor.channels[outer.channel]
    for silent in (inner, outer, *channels):
        silent.mute = True
        check(True)
        silent.mute = False
    check(False)


@needs_audio
def test_a_stretched_time_says_so(scene: Any, strip: Any, tmp_path: Path) -> None:
    """Blender evaluates keys at frame 20 when it shows frame 40, and plays the sound as ever."""
    played = mix_down(scene, tmp_path)[0]
    scene.render.frame_map_new = 200
    assert np.array_equal(mix_down(scene, tmp_path)[0], played)
    with pytest.raises(AudioError, match="stretches time from 100 to 200"):
        sounds.strip_span(strip)
    scene.render.frame_map_old = 200
    assert sounds.strip_span(strip).start_frame == 11


@needs_audio
@pytest.mark.skipif(bpy.app.version < (5, 2), reason="adding a retiming key ends this bpy's process")
def test_a_retimed_strip_says_so(strip: Any) -> None:
    strip.retiming_keys.add(timeline_frame=59)
    strip.retiming_keys[1].timeline_frame = 83
    with pytest.raises(AudioError, match="is retimed"):
        sounds.strip_span(strip)


@needs_audio
def test_a_strip_that_begins_before_its_sound_starts_later(scene: Any, strip: Any) -> None:
    trim(strip, -24, 0, 0)
    span = sounds.strip_span(strip)
    assert (span.start_frame, span.offset_seconds) == (11.0, 0.0)
    if hasattr(strip, "sound_offset"):
        trim(strip, 0, 0, 0)
        strip.sound_offset = 0.5
        span = sounds.strip_span(strip)
        assert (span.start_frame, span.offset_seconds) == (23.0, 0.0)


@needs_audio
def test_mute_of_the_strip_or_its_channel_is_told(scene: Any, strip: Any) -> None:
    strip.mute = True
    assert sounds.strip_span(strip).muted
    strip.mute = False
    scene.sequence_editor.channels[2].mute = True
    assert sounds.strip_span(strip).muted


@needs_audio
def test_a_missing_file_and_other_strips_say_so(scene: Any, strip: Any, sound_path: Path) -> None:
    sound_path.unlink()
    with pytest.raises(AudioError, match="missing"):
        sounds.strip_span(strip)
    effect = compat.new_strips(scene).new_effect("Colour", "COLOR", 3, 1, **_length(20))
    for other in (effect, None):
        with pytest.raises(AudioError, match="not a sound strip"):
            sounds.strip_span(other)


def _length(frames: int) -> dict[str, int]:
    """Return the argument for the end of a strip: 5.0 requires a length, earlier versions the last frame."""
    strips = bpy.types.StripsTopLevel if hasattr(bpy.types, "StripsTopLevel") else bpy.types.SequencesTopLevel
    has_length = "length" in strips.bl_rna.functions["new_effect"].parameters
    return {"length": frames} if has_length else {"frame_end": 1 + frames}


@needs_audio
def test_a_packed_sound_needs_no_file(strip: Any, sound_path: Path) -> None:
    strip.sound.pack()
    content = sound_path.read_bytes()
    sound_path.unlink()
    span = sounds.strip_span(strip)
    assert span.packed == content
    samples, rate = sounds.decode_with_blender(span.packed)
    assert (samples.shape, rate) == ((int(SECONDS * 8000), 2), 8000)


@needs_audio
def test_blender_decodes_what_was_written(sound_path: Path) -> None:
    samples, rate = sounds.decode_with_blender(sound_path)
    expected, _ = soundfile.read(sound_path, dtype="float32")
    assert rate == 8000
    assert samples.dtype == np.float32
    assert np.max(np.abs(samples - expected)) < 1e-6


@needs_audio
@pytest.mark.parametrize("content", [b"", b"this is no sound\n" * 50, b"RIFF\x00\x00"])
def test_what_is_no_sound_is_refused_without_a_crash(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError):
        sounds.decode_with_blender(path)
    with pytest.raises(AudioError, match="^The packed sound"):
        sounds.decode_with_blender(content)
    with pytest.raises(AudioError, match="missing"):
        sounds.decode_with_blender(tmp_path / "none.wav")


@pytest.mark.skipif(HAS_AUDIO, reason="this bpy has its audio module")
def test_a_blender_without_audio_says_so(sound_path: Path) -> None:
    with pytest.raises(AudioError, match="no audio decoder"):
        sounds.decode_with_blender(sound_path)
