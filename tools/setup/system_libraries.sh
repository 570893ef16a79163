#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The bpy module links to a desktop's libraries even where there is no desktop. Checks for them on Linux; installs
# them where this runs as root with apt, else says in one sentence which are missing and ends with 1.
set -eu
[ "$(uname -s)" = Linux ] || exit 0
PATH=$PATH:/sbin:/usr/sbin
command -v ldconfig >/dev/null || exit 0
known=$(ldconfig -p)
missing=
while read -r library package; do
    case $known in *"$library "*) ;; *) missing="$missing $package" ;; esac
done <<'EOF'
libGL.so.1 libgl1
libEGL.so.1 libegl1
libEGL_mesa.so.0 libegl-mesa0
libX11.so.6 libx11-6
libXext.so.6 libxext6
libXfixes.so.3 libxfixes3
libXi.so.6 libxi6
libXrender.so.1 libxrender1
libXxf86vm.so.1 libxxf86vm1
libxkbcommon.so.0 libxkbcommon0
libSM.so.6 libsm6
libICE.so.6 libice6
libgomp.so.1 libgomp1
EOF
# Mesa's software drawing, which the renders of the demo use, is loaded by name and not in ldconfig's list.
[ -n "$(find /usr/lib /usr/lib64 -name '*_dri.so' 2>/dev/null | head -n 1)" ] || missing="$missing libgl1-mesa-dri"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing the system libraries that bpy needs:$missing"
    apt-get update -q >/dev/null
    # shellcheck disable=SC2086 # a list of package names
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >/dev/null
else
    echo "bpy needs system libraries that are missing here; install the packages (Debian's names):$missing" >&2
    exit 1
fi
