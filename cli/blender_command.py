# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``voxrig`` of Blender: ``blender --command voxrig ...`` works on the file that Blender has loaded."""

from __future__ import annotations

from typing import Any

_commands: list[Any] = []


def register() -> None:
    """Tell Blender of the command."""
    import bpy

    _commands.append(bpy.utils.register_cli_command("voxrig", run_command))


def unregister() -> None:
    """Take the command back."""
    import bpy

    bpy.utils.unregister_cli_command(_commands.pop())


def run_command(arguments: list[str]) -> int:
    """Run one command line inside Blender and return its exit code."""
    from .main import main

    return main(arguments)
