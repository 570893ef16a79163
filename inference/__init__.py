# SPDX-License-Identifier: GPL-3.0-or-later
"""Sound in, channel curves out: model packages, sessions and windows. No Blender."""
