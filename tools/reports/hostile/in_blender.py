# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile inputs that need Blender: .blend files, numbers of ``voxrig animate``, take records, mappings."""

from __future__ import annotations

from .trial import Case


def make_cases(seed: int) -> list[Case]:
    """Return all cases that need Blender."""
    return []
