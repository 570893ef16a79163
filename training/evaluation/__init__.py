# SPDX-License-Identifier: GPL-3.0-or-later
"""Score speech models and learned shows."""
