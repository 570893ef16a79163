# SPDX-License-Identifier: GPL-3.0-or-later
"""Keyframes: reduce dense curves, place and guard keys, preserve the artist's keys, stack and move takes."""
