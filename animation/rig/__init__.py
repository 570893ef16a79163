# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigs: map channels to targets, recognise controls by name, read presets."""
