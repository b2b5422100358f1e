#!/usr/bin/env bash
# "make deb" makes Debian packages that lintian finds nothing wrong with.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 600
source "${0%/*}/lib.sh"
requires make dpkg-buildpackage dh lintian
[ ! -e "$TOP/.git" ] || git -C "$TOP" rev-parse >/dev/null 2>&1 || skip "git does not work here"
cd "$DIR"

(cd "$TOP/contrib" && dpkg-checkbuilddeps debian/control) 2>&1 | sed 's/^/skip: /' | grep . && exit 77
env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u MAKEOVERRIDES -u ZQFS -u CFLAGS -u LDFLAGS -u SAN -u CC \
    DEB_BUILD_OPTIONS=nocheck make --no-print-directory -s -C "$TOP" deb BUILD="$DIR/build" \
    >log 2>&1 || fail "$(tail -n 30 log)"

version=$("$ZQFS" --version | sed 's/^zqfs //')
cd build/deb
for package in zqfs libzqfs0 libzqfs-dev; do
    set -- "$package"_"$version"_*.deb
    [ -e "$1" ] || fail "no package $package: $(ls)"
    dpkg-deb --fsys-tarfile "$1" | tar -t >>files
done
for f in bin/zqfs sbin/mount.fuse.zqfs share/man/man1/zqfs.1.gz include/zqfs/device.h \
    share/man/man3/libzqfs.3.gz share/man/man3/zq_append.3.gz; do
    grep -qxF "./usr/$f" files || fail "not in a package: /usr/$f"
done
lintian --allow-root --fail-on error,warning,info -I ./*.changes || fail "lintian: status $?"
