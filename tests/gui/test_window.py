# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Blender: the command line, and a window worked by simulated mouse and keyboard. Pictures go to build/gui."""

from __future__ import annotations

from real_blender import RealBlender


def test_command_line_of_a_real_blender(real_blender: RealBlender) -> None:
    output = real_blender.folder / "animated.blend"
    result = real_blender.blender(
        *("--background", str(real_blender.inside / "scene.blend"), "--command", "voxrig", "animate"),
        *("--character", "Face", "--audio", str(real_blender.inside / "line.flac")),
        *("--output", real_blender.inside_of(output)),
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert output.is_file()
    missing = real_blender.blender(
        *("--background", str(real_blender.inside / "scene.blend"), "--command", "voxrig", "animate"),
        *("--character", "Nobody", "--audio", str(real_blender.inside / "line.flac")),
        *("--output", real_blender.inside_of(output)),
    )
    assert missing.returncode != 0
    assert "Nobody" in missing.stderr + missing.stdout
    assert "Traceback" not in missing.stderr + missing.stdout


def test_first_take_by_mouse_and_keyboard(real_blender: RealBlender) -> None:
    seen = real_blender.play("first_take", str(real_blender.inside / "scene.blend"))
    assert seen["category"] == "Voxrig"
    assert seen["character"] == "Face"
    assert seen["sound"].endswith("line.flac")
    assert seen["keys_before"] == 0
    assert seen["keys_after"] > 50
    assert seen["keys_after_undo"] == 0
    assert "Traceback" not in seen["printed"]
