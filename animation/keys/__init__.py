# SPDX-License-Identifier: GPL-3.0-or-later
"""Keyframes: reduce dense curves, place and guard keys, keep the artist's, stack and move takes."""
