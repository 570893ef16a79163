# SPDX-License-Identifier: GPL-3.0-or-later
"""``make batch``: what ``voxrig batch`` promises, shown on synthetic lines and measured."""
