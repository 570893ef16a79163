# SPDX-License-Identifier: GPL-3.0-or-later
"""Perform units of a batch in turn: lines with a .blend file in Blender, the others without it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .curves_line import Progress, Result, guard, write_curves_line
from .jobs import Unit
from .journal import force_to_disk

if TYPE_CHECKING:
    from .blend_line import Stage


class Performer:
    """A performer of units in turn, which keeps the open model and the open .blend file between them.

    ``provider`` is 'AUTO', 'CUDA' or 'CPU'; ``threads`` is for the CPU.
    """

    def __init__(self, provider: str = "AUTO", threads: int = 1) -> None:
        self._provider, self._threads = provider, threads
        self._stage: Stage | None = None

    def perform(self, unit: Unit, partials: Mapping[str, str], on_progress: Progress) -> tuple[list[Result], list[str]]:
        """Perform the lines of a unit; returns the result of each, and the outputs that are complete, on the disk and to be
        kept.

        ``partials`` holds the temporary name of each output; pictures for the report page are 'sheet <line number> <index>' in
        it. No line can make it raise.
        """
        if unit.lines[0].blend:
            if self._stage is None:
                try:
                    from .blend_line import Stage  # Blender takes seconds to import, and lines may do without it
                except ImportError as error:
                    if error.name != "bpy":
                        raise
                    why = "A .blend file needs Blender: run the batch inside it, or with a Python that has the module bpy"
                    return [Result(line.number, why, passing=True) for line in unit.lines], []
                self._stage = Stage(self._provider, self._threads)
            results = self._stage.perform(unit, partials, on_progress)
        else:
            results = [
                guard(
                    line,
                    lambda line=line: write_curves_line(line, partials, on_progress, self._provider, self._threads),
                )
                for line in unit.lines
            ]
        done = [(line, result) for line, result in zip(unit.lines, results) if not result.why]
        kept = {output for line, result in done for output in (*line.outputs, *result.facts.get("sheet", ()))}
        written = [output for output in partials if output in kept and Path(partials[output]).is_file()]
        for output in written:
            force_to_disk(partials[output])
        return results, written
