# SPDX-License-Identifier: GPL-3.0-or-later
"""Files from anywhere, read within limits, and files of ours, written whole or not at all."""
