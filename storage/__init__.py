# SPDX-License-Identifier: GPL-3.0-or-later
"""Files from anywhere, read within limits, and Voxrig's own files, written completely or not at all."""
