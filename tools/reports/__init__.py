# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports for developers: each module prints one, and none of them is shipped."""
