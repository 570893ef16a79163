# SPDX-License-Identifier: GPL-3.0-or-later
"""What builds, fetches, measures and shows Voxrig; none of it is in the extension."""
