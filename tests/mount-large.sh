#!/usr/bin/env bash
# Sparse devices of 64 TiB, and zones of 4 GiB and more, through a mount.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 300
source "${0%/*}/lib.sh"
requires_fuse
requires qemu-img
requires_tool qpatch
cd "$DIR"
mkdir mnt

# Writes at the very start and the very end of the device, and finds it again.
whole_range() { # OPTIONS SIZE LAST-FILE ZONE-BYTES
    local start rc=0
    rm -f large.qcow2
    "$ZQFS" create -q -o "$1" large.qcow2 "$2"
    mount_image large.qcow2 mnt
    random_bytes 3000000 >first
    random_bytes 2000000 >last
    cat first >mnt/seq/0
    cat last >"mnt/seq/$3"
    start=$(attr "mnt/seq/$3" start)
    assert_attr "mnt/seq/$3" wp $((start + (2000000 + 511) / 512 * 512))
    assert_eq "$(attr "mnt/seq/$3" size)" "$4" "length of the last zone"
    # a conventional file as long as a zone takes bytes at its end
    printf end | dd of=mnt/cnv/0 bs=1 seek=$(($4 - 3)) conv=notrunc status=none
    remount_image large.qcow2 mnt
    head -c 3000000 mnt/seq/0 | cmp - first
    head -c 2000000 "mnt/seq/$3" | cmp - last
    assert_eq "$(tail -c 3 mnt/cnv/0)" end "the end of cnv/0"
    # finishing a zone of gigabytes costs no space: its rest is a hole
    truncate -s "$4" "mnt/seq/$3"
    assert_size "mnt/seq/$3" "$4"
    assert_eq "$(tail -c 1000000 "mnt/seq/$3" | tr -d '\0' | wc -c)" 0 "bytes in the finished part"
    unmount mnt
    # the L1 table has its room before the first change: 32 MiB with the smallest clusters
    [ "$(disk_usage large.qcow2)" -lt "${5:-20000000}" ] || fail "$1: $(disk_usage large.qcow2) bytes used"
    "$ZQFS" check large.qcow2 >out || { cat out; fail "$1: check"; }
    "$TOOLS/qpatch" large.qcow2 clear-bit:5
    qemu-img check large.qcow2 >out 2>&1 || rc=$?
    if [ $rc -ne 3 ] || grep -q ERROR out; then
        cat out
        fail "$1: qemu-img check: status $rc"
    fi
}

whole_range zone.size=8G,zone.conventional_zones=1,cluster_size=2M 64T 8190 8589934592
whole_range zone.size=4G,zone.conventional_zones=1,cluster_size=64K,refcount_bits=64 64T 16382 4294967296
whole_range zone.size=256M,zone.conventional_zones=1,cluster_size=64K,extended_l2=on 5G 18 268435456
# the smallest clusters reach no further than their L1 table of 32 MiB: 128 GiB
whole_range zone.size=1G,zone.conventional_zones=1,cluster_size=512 128G 126 1073741824 45000000
echo "64 TiB in clusters of 64K and 2M, 128 GiB in clusters of 512"
