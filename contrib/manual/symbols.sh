#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Writes src/libzqfs.map from the public headers, and the list of the Debian package, which knows the
# version that each name came with. A name that is new in them is added so; one that is gone is
# told, since programs that were built before may need it.
set -euo pipefail
cd "${0%/*}/../.."
map=src/libzqfs.map
debian=contrib/debian/libzqfs0.symbols
version=$(sed -n 's/^#define ZQFS_VERSION "\(.*\)"/\1/p' include/zqfs/version.h)

awk -f contrib/manual/headers.awk include/zqfs/*.h | sed -n 's/^export \(.*\)/\t\1;/p' | sort -u >"$map.names"
sed -n '/^\tzq_/p' "$map" | sort | comm -23 - "$map.names" | sed 's/^/no longer there: /' >&2
{
    sed '/^global:/q' "$map"
    cat "$map.names"
    sed -n '/^local:/,$p' "$map"
} >"$map.new"
{
    echo 'libzqfs.so.0 libzqfs0 #MINVER#'
    echo '* Build-Depends-Package: libzqfs-dev'
    echo " LIBZQFS_0@LIBZQFS_0 0.1.0"
    sed -n 's/^\t\(.*\);/\1/p' "$map.names" | while read -r name; do
        grep "^ $name@" "$debian" 2>/dev/null || echo " $name@LIBZQFS_0 $version"
    done
} >"$debian.new"
mv "$debian.new" "$debian"
rm "$map.names"
mv "$map.new" "$map"
