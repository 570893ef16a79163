# SPDX-License-Identifier: GPL-3.0-or-later
"""Data that Voxrig stores in .blend files, in Blender's preferences and for the session, with typed access."""
