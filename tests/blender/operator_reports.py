# SPDX-License-Identifier: GPL-3.0-or-later
"""Catch the sentence that an operator reports."""

from __future__ import annotations

from collections.abc import Callable

import pytest


def reported(call: Callable[[], object]) -> str:
    """Return the one sentence that an operator reports, which a script sees as an exception."""
    with pytest.raises(RuntimeError) as caught:
        call()
    lines = [line for line in str(caught.value).strip().splitlines() if line.strip()]
    assert len(lines) == 1 and lines[0].startswith("Error: "), lines
    return lines[0].removeprefix("Error: ")
