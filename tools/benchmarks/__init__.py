# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure speed and memory, as tables."""
