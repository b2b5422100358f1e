#!/bin/sh
# Fetches into a folder what "make check-foreign" needs, and leaves the system as it is: gcc for s390x and
# gcc-multilib cannot be installed side by side. For Debian 12 on amd64; qemu-user and gcc-multilib come from apt.
# SPDX-License-Identifier: GPL-2.0-or-later
#
#     contrib/foreign-root.sh DIR && make check-foreign FOREIGN_ROOT=DIR
set -eu
[ $# -eq 1 ] || { sed -n 's/^# *contrib/usage: contrib/p' "$0"; exit 2; }
mkdir -p "$1/apt/lists/partial" "$1/apt/cache/archives/partial" "$1/debs"
root=$(cd "$1" && pwd)

apt() {
    apt-get -qq -o Dir::State::lists="$root/apt/lists" -o Dir::Cache="$root/apt/cache" -o APT::Sandbox::User=root \
        -o APT::Architectures::=amd64 -o APT::Architectures::=i386 -o APT::Architectures::=s390x "$@"
}

packages='binutils-s390x-linux-gnu gcc-12-s390x-linux-gnu cpp-12-s390x-linux-gnu libgcc-12-dev-s390x-cross
    libgcc-s1-s390x-cross libc6-dev-s390x-cross libc6-s390x-cross linux-libc-dev-s390x-cross'
for machine in i386 s390x; do
    for lib in libzstd-dev libzstd1 zlib1g-dev zlib1g check libsubunit-dev libsubunit0; do
        packages="$packages $lib:$machine"
    done
done
apt update || echo "going on with what could be fetched" >&2
cd "$root/debs"
# shellcheck disable=SC2086 # a list
apt download $packages
for deb in *.deb; do dpkg-deb -x "$deb" "$root"; done
rm -rf "$root/apt" "$root/debs"
ls "$root/usr/bin/s390x-linux-gnu-gcc-12"
