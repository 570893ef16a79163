# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs made to break Voxrig, and the count of what came of them: ``python -m voxrig.tools.reports.hostile``."""
