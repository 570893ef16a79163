# SPDX-License-Identifier: GPL-3.0-or-later
"""``make batch``: verify and measure the promises of ``voxrig batch`` on synthetic lines."""
