# SPDX-License-Identifier: GPL-3.0-or-later
"""Locate the demo's speech and the bundled model that animates it."""

from __future__ import annotations

from pathlib import Path

from voxrig.inference.package import bundled_packages, read_description

SPEECH = Path(__file__).resolve().parents[2] / "tools" / "demo" / "speech" / "demo.flac"
MODEL = next(folder for folder in bundled_packages() if folder.name == "speech")
CHANNELS = read_description(MODEL).channel_names
