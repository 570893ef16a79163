# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels of a face and what moves them: phones, lips, articulation, expression and emotions."""
