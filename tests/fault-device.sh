#!/usr/bin/env bash
# An image on a block device that fills up: what was written stays, resets give room again, and the
# refcount table grows within the device.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_root
requires_fuse
requires losetup

M=$DIR/mnt
mkdir "$M"
loop=

attach() { # IMAGE SIZE: a device that begins with the image; sets $loop
    rm -f "$DIR/dev"
    truncate -s "$2" "$DIR/dev"
    dd if="$1" of="$DIR/dev" conv=notrunc,sparse status=none
    loop=$(losetup -f --show "$DIR/dev" 2>"$DIR/err") || skip "no loop device: $(cat "$DIR/err")"
    cleanup_fn losetup -d "$loop"
}

fill() { # FIRST LAST: zones, until one gets an error; sets $full to that one
    local z
    full=
    for ((z = $1; z <= $2; z++)); do
        dd if="$DIR/zone" of="$M/seq/$z" bs=64K conv=notrunc status=none 2>"$DIR/err" && continue
        grep -qi "no space" "$DIR/err" || fail "zone $z: not ENOSPC: $(cat "$DIR/err")"
        full=$z
        return
    done
}

full_device() { # CLUSTER_SIZE
    "$ZQFS" create -q -o "zone.size=1M,cluster_size=$1" "$DIR/a.qcow2" 32M
    attach "$DIR/a.qcow2" 8M
    mount_image "$loop" "$M" -o commit=1000
    echo kept >"$M/seq/0"
    sync "$M/seq/0"
    fill 1 31
    [ -n "$full" ] || fail "31 MiB on a device of 8 MiB"
    [ "$full" -ge 6 ] || fail "only $full MiB on a device of 8 MiB"
    sync "$M/seq/1"
    cmp "$M/seq/1" "$DIR/zone"
    for ((z = 1; z <= 31; z++)); do truncate -s 0 "$M/seq/$z"; done
    sync "$M/seq/0"
    echo more >>"$M/seq/0"
    sync "$M/seq/0"
    fill 1 5
    assert_eq "$full" "" "the first zone without room after all were reset"
    unmount "$M"
    assert_status 0 "$ZQFS" check "$loop"
    assert_eq "$("$ZQFS" info "$loop" | sed -n 's/^disk usage: *//p')" "8 MiB (8388608 bytes)" "usage of a device"
    mount_image "$loop" "$M"
    cmp "$M/seq/5" "$DIR/zone"
    assert_eq "$(head -c 5 "$M/seq/0")" kept "what was synced first"
    unmount "$M"
    rm "$DIR/a.qcow2"
}

pattern_bytes device 1048576 >"$DIR/zone"
for cluster in 4K 64K; do
    echo "-- clusters of $cluster"
    full_device "$cluster"
done

echo "-- the refcount table grows"
# A table of one cluster of 512 bytes with counts of 64 bits names blocks for 2 MiB.
"$ZQFS" create -q -o zone.size=1M,cluster_size=512,refcount_bits=64 "$DIR/a.qcow2" 8M
attach "$DIR/a.qcow2" 6M
mount_image "$loop" "$M" -o commit=1000
fill 0 3
assert_eq "$full" "" "the first zone without room on a device of 6 MiB"
sync "$M/seq/0"
unmount "$M"
assert_status 0 "$ZQFS" check "$loop"
mount_image "$loop" "$M"
for z in 0 1 2 3; do cmp "$M/seq/$z" "$DIR/zone"; done
unmount "$M"
