# SPDX-License-Identifier: GPL-3.0-or-later
"""The written line: its text, how its words are said, and where they are in a sound."""
