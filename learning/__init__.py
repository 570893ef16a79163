# SPDX-License-Identifier: GPL-3.0-or-later
"""Learn a show: datasets of collected shots, their quality, and models fitted to them."""
