#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Prints the path of a Python of the version asked for (find_python.sh 3.11) that runs and can make virtual
# environments; prints nothing where there is none.
version=$1
for candidate in "$(command -v "python$version")" \
    "$HOME"/.pyenv/versions/"$version".*/bin/"python$version" \
    "$HOME"/.local/share/uv/python/cpython-"$version".*/bin/"python$version" \
    /usr/bin/"python$version" /usr/local/bin/"python$version" /opt/homebrew/bin/"python$version"; do
    [ -x "$candidate" ] || continue
    # A pyenv shim exists for versions that are not switched on, and Debian's Python has no ensurepip by itself.
    if "$candidate" -c "import ensurepip, ssl, sys; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" 2>/dev/null; then
        echo "$candidate"
        exit 0
    fi
done
exit 0
