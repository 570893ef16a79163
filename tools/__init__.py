# SPDX-License-Identifier: GPL-3.0-or-later
"""Build, fetch, measure and demonstrate Voxrig; nothing here is part of the extension."""
