# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch wheels and build the zips."""
