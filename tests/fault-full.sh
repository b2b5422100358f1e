#!/usr/bin/env bash
# The host's disk fills up: writers get ENOSPC, sizes stay true, and with room work goes on.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
requires_root

mkdir "$DIR/small"
mount -t tmpfs -o size=6m tmpfs "$DIR/small" 2>/dev/null || skip "no tmpfs can be mounted"
cleanup_fn umount "$DIR/small"
image=$DIR/small/a.qcow2
"$ZQFS" create -o zone.size=1M,cluster_size=16K "$image" 16M
mount_image "$image" "$DIR/mnt"
cleanup_fn end_mount_ "$DIR/mnt" "$(mount_pid "$DIR/mnt")"
cd "$DIR/mnt/seq"

pattern_bytes full 1048576 >"$DIR/want"
dd if="$DIR/want" of=0 bs=1M conv=notrunc,fsync status=none
assert_size 0 1048576

# Zone after zone, until there is no room; what dd says has been written is what is there.
full=
for zone in 1 2 3 4 5 6 7; do
    if ! dd if="$DIR/want" of=$zone bs=64K conv=notrunc,fsync 2>"$DIR/err"; then
        grep -qi "no space" "$DIR/err" || fail "zone $zone: $(cat "$DIR/err")"
        full=$zone
        break
    fi
done
[ -n "$full" ] || fail "8 MiB fit into 6"
size=$(size_of "$full")
[ "$size" -lt 1048576 ] || fail "zone $full is full though the disk is"
head -c "$size" "$full" | cmp - <(head -c "$size" "$DIR/want")
cmp 0 "$DIR/want"

# Still full: an append fails and changes nothing.
size=$(size_of 8)
dd if="$DIR/want" of=8 bs=512K conv=notrunc,fsync 2>"$DIR/err" && fail "a write found room"
grep -qi "no space" "$DIR/err" || fail "zone 8: $(cat "$DIR/err")"

# Room comes: from a larger disk, and then from a reset.
mount -o remount,size=8m "$DIR/small"
dd if="$DIR/want" of="$full" bs=64K skip=$(($(size_of "$full") / 65536)) \
    seek=$(($(size_of "$full") / 65536)) conv=notrunc,fsync status=none
cmp "$full" "$DIR/want"
truncate -s 0 1
sync 0
dd if="$DIR/want" of=9 bs=64K count=8 conv=notrunc,fsync status=none
assert_size 9 524288
cd "$DIR"
remount_image "$image" "$DIR/mnt"
cmp "$DIR/mnt/seq/0" "$DIR/want"
cmp "$DIR/mnt/seq/$full" "$DIR/want"
cmp -n 524288 "$DIR/mnt/seq/9" "$DIR/want"
assert_size "$DIR/mnt/seq/1" 0
unmount "$DIR/mnt"
assert_status 0 "$ZQFS" check "$image"

# At whatever moment the disk fills: what was acknowledged can be committed, and a reset gives
# room. Small clusters need new tables often.
fill() { # SIZE CLUSTER
    local zone full=
    mount -t tmpfs -o "size=$1" tmpfs "$DIR/small"
    cleanup_fn umount "$DIR/small"
    "$ZQFS" create -q -o "zone.size=1M,zone.conventional_zones=2,cluster_size=$2" "$image" 16M
    mount_image "$image" "$DIR/mnt"
    for zone in 0 1 2 3; do
        dd if="$DIR/want" of="$DIR/mnt/seq/$zone" bs=4K conv=notrunc 2>"$DIR/err" || full=$zone
    done
    [ -n "$full" ] || fail "4 MiB fit into $1"
    sync "$DIR/mnt/seq/0" || fail "$1, clusters of $2: what was written cannot be committed"
    truncate -s 0 "$DIR/mnt/seq/0"
    sync "$DIR/mnt/seq/0"
    dd if="$DIR/want" of="$DIR/mnt/seq/8" bs=4K count=20 conv=notrunc,fsync status=none
    unmount "$DIR/mnt"
    assert_status 0 "$ZQFS" check "$image"
    umount "$DIR/small"
}
umount "$DIR/small"
for size in 1004k 2056k; do
    for cluster in 512 4K 64K; do
        fill $size $cluster
    done
done
