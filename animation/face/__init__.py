# SPDX-License-Identifier: GPL-3.0-or-later
"""Face channels and their sources: phones, lips, articulation, expression and emotions."""
