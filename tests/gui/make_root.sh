#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes build/roots/trixie: Debian trixie in a folder of its own, with its real Blender (4.3.2), a virtual
# screen and software OpenGL. About 1.3 GiB and 1 to 4 minutes, once. Needs root, debootstrap and the
# network; says in one sentence what is missing and ends with 1 when it cannot be made.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)/build/roots/trixie
stamp=$root/.voxrig-ready
[ -e "$stamp" ] && exit 0

refuse() { echo "make_root: $1" >&2; exit 1; }
[ "$(uname -s)" = Linux ] || refuse "a Debian root can only be made on Linux."
[ "$(id -u)" = 0 ] || refuse "making a Debian root needs to run as root (debootstrap and chroot do)."
command -v debootstrap >/dev/null || refuse "debootstrap is missing (apt-get install debootstrap)."

# The mirror that this machine's own apt uses, where it is a Debian; else Debian's own.
mirror=$(sed -n 's/^URIs: *\([^ ]*\/debian\)\/*$/\1/p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
[ -n "$mirror" ] || mirror=http://deb.debian.org/debian
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$keyring" ] || refuse "Debian's keyring is missing (apt-get install debian-archive-keyring)."

rm -rf "$root"
mkdir -p "$root"
debootstrap --variant=minbase --keyring="$keyring" trixie "$root" "$mirror" >"$root.log" 2>&1 ||
    refuse "debootstrap failed; its log is $root.log."
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # no package starts a service in there
chmod +x "$root/usr/sbin/policy-rc.d"
cp /etc/resolv.conf "$root/etc/resolv.conf"
for file in /etc/apt/apt.conf.d/*proxy*; do # a machine that reaches the mirror by a proxy keeps doing so
    if [ -e "$file" ]; then cp "$file" "$root/etc/apt/apt.conf.d/"; fi
done
# Without recommends numpy, requests and zstandard are left out, though Blender's own extension code imports them. scipy is
# for the demo character.
chroot "$root" sh -c "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
    --no-install-recommends blender xvfb libgl1-mesa-dri imagemagick xdotool \
    python3-numpy python3-scipy python3-requests python3-zstandard && apt-get clean" >>"$root.log" 2>&1 ||
    refuse "installing Blender into the root failed; the log is $root.log."
touch "$stamp"
