# SPDX-License-Identifier: GPL-3.0-or-later
"""The speech network: targets, batches, training and export."""
