# SPDX-License-Identifier: GPL-3.0-or-later
"""Training data: read, synthesise, align and augment speech."""
