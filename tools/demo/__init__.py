# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: a head built in code, animated from bundled speech as an artist would do it, and rendered.

``make demo`` runs ``python -m voxrig.tools.demo``.
"""
