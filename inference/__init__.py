# SPDX-License-Identifier: GPL-3.0-or-later
"""From sound to channel curves: model packages, sessions and windows, without Blender."""
