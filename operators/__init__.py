# SPDX-License-Identifier: GPL-3.0-or-later
"""One module per user task: gather, call, report."""
