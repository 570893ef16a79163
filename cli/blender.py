# SPDX-License-Identifier: GPL-3.0-or-later
"""Subcommands that need Blender: load it, with Voxrig in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from .arguments import check_output
from .reporting import CommandError


def with_extension(command: str, work: Callable[[], int]) -> int:
    """Do work that needs Blender and Voxrig in it. Raises CommandError without Blender."""
    try:
        import bpy
    except ImportError:
        raise CommandError(
            f"{command} needs Blender: run it inside Blender, or with a Python that has the module bpy"
        ) from None
    if hasattr(bpy.types.Scene, "voxrig"):
        return work()

    # Outside Blender nobody has enabled the extension; anything left registered would outlive Python itself.
    from .. import registration

    registration.register()
    try:
        return work()
    finally:
        registration.unregister()


def plan_blend_output(text: str, inputs: Iterable[str | Path | None]) -> Path:
    """Return the absolute path of a .blend file to write. Raises CommandError for an input and for what can be no .blend."""
    output = Path(text).absolute()
    if output.suffix.lower() != ".blend":
        raise CommandError(f"--output {output.name} does not end in .blend")
    if not output.parent.is_dir():
        raise CommandError(f"there is no folder {output.parent} for --output; make it first")
    check_output(output, inputs)
    return output


def save_output(output: Path) -> None:
    """Save a copy of the open file. Raises CommandError."""
    from ..blender.files import save_blend

    try:
        save_blend(output)
    except OSError as error:
        raise CommandError(f"{output} cannot be written ({error.strerror}); choose another place") from None
