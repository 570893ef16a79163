# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: a head built by code, animated from bundled speech through the real path, and shown.

``python -m voxrig.tools.demo`` is what ``make demo`` runs.
"""
