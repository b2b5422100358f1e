#!/usr/bin/env bash
# One write of the disk fails, a new mount goes on, and nothing it acknowledges is in the cache only.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
requires_root
requires losetup mkfs.ext4 debugfs od

# A disk that fails: a file in a tmpfs that is full for a moment, with its end cut off.
mkdir "$DIR/t" "$DIR/fs" "$DIR/mnt"
mount -t tmpfs -o size=100M tmpfs "$DIR/t" 2>/dev/null || skip "no tmpfs can be mounted"
cleanup_fn umount -l "$DIR/t"
head -c 96M /dev/zero >"$DIR/t/disk"
loop=$(losetup -f --show "$DIR/t/disk" 2>/dev/null) || skip "no loop device"
cleanup_fn losetup -d "$loop"
mkfs.ext4 -q -b 4096 -O ^has_journal -E lazy_itable_init=0 "$loop" || skip "no ext4"
mount "$loop" "$DIR/fs" 2>/dev/null || skip "ext4 cannot be mounted"
cleanup_fn umount -l "$DIR/fs"

"$ZQFS" create -q -o zone.size=1M,cluster_size=4K "$DIR/fs/a.qcow2" 64M
fallocate -l 40M "$DIR/fs/room"
rm "$DIR/fs/room"
image=$DIR/fs/a.qcow2
mount_image "$image" "$DIR/mnt" -o commit=1000
cd "$DIR/mnt/seq"
for zone in $(seq 0 31); do
    head -c 1M /dev/urandom >"$zone"
done
pattern_bytes a 4096 >32
sync 32
truncate -s 0 3 # so that the next cluster comes from the front of the disk
sync 0
sync 0
cd "$DIR"
remount_image "$image" "$DIR/mnt" -o commit=1000

# The disk ends before the L2 table of zone 32 (guest offset 32 MiB, entry 16 of L1) from now on.
be64() # OFFSET
{
    echo $((16#$(od -An -tx1 -j"$1" -N8 "$image" | tr -d ' ') & 0x00fffffffffffe00))
}
table=$(be64 $(($(be64 40) + 128)))
block=$(debugfs -R "bmap /a.qcow2 $((table / 4096))" "$loop" 2>/dev/null)
[ "$block" -gt 0 ] || skip "debugfs does not tell where the table is"
exec 3>>"$DIR/mnt/seq/32"
pattern_bytes b 4096 >&3
dd if="$DIR/t/disk" of="$DIR/saved" bs=4096 skip="$block" status=none
truncate -s $((block * 4096)) "$DIR/t/disk"
head -c 110M /dev/zero >"$DIR/t/fill" 2>/dev/null || true
if sync "$DIR/mnt/seq/32" 2>/dev/null; then
    failed=no
else
    failed=yes
fi
exec 3>&-
rm "$DIR/t/fill"
dd if="$DIR/saved" of="$DIR/t/disk" bs=4096 seek="$block" conv=notrunc status=none
assert_eq "$failed" yes "fsync fails while the disk does"
"$ZQFS" umount "$DIR/mnt" 2>/dev/null && fail "umount does not tell that a commit failed"

# The disk is well again. What the second mount acknowledges is there without the cache.
mount_image "$image" "$DIR/mnt" -o commit=1000
cp "$DIR/mnt/seq/32" "$DIR/want"
pattern_bytes c 4096 | tee -a "$DIR/want" >>"$DIR/mnt/seq/32"
sync "$DIR/mnt/seq/32"
unmount "$DIR/mnt"
sync "$image"
echo 3 >/proc/sys/vm/drop_caches
mount_image "$image" "$DIR/mnt" -o ro
assert_same "$DIR/mnt/seq/32" "$DIR/want"
assert_eq "$(head -c 4096 "$DIR/mnt/seq/32" | cmp - <(pattern_bytes a 4096) && echo same)" same \
    "what was acknowledged before the failure"
unmount "$DIR/mnt"
