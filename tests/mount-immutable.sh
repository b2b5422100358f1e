#!/usr/bin/env bash
# A host file that may only be appended to, or not be changed at all, is mounted read-only; one that
# becomes so under a mount gives I/O errors, and goes on when it may be changed again.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
requires_root
requires chattr
image=$DIR/a.qcow2
M=$DIR/mnt
mkdir "$M"
"$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=1,cluster_size=4K "$image" 8M
mount_image "$image" "$M"
echo kept >"$M/seq/0"
unmount "$M"
chattr +a "$image" 2>/dev/null || skip "no chattr on this file system"
free_file() { chattr -a -i "$image"; }
cleanup_fn free_file

for flag in a i; do
    echo "-- chattr +$flag before the mount"
    chattr -a -i "$image"
    chattr "+$flag" "$image"
    mount_image "$image" "$M"
    expect_fail "Read-only file system" dd if=/dev/zero of="$M/seq/1" bs=4K count=1 conv=notrunc
    expect_fail "Read-only file system" dd if=/dev/zero of="$M/cnv/0" bs=4K count=1 conv=notrunc
    assert_eq "$(head -n 1 "$M/seq/0" | tr -d '\0')" kept "what a reader sees"
    unmount "$M"
    expect_fail "Operation not permitted" "$ZQFS" -o rw "$image" "$M"
    chattr "-$flag" "$image"
done

echo "-- chattr +i under the mount"
mount_image "$image" "$M" -o errors=repair
exec 5>>"$M/seq/1"
head -c 4096 /dev/zero >&5
sync "$M/seq/1"
chattr +i "$image"
# the file is open for writing: some file systems go on, others refuse what is not "off the pointer"
if ! head -c 4096 /dev/zero 2>/dev/null >&5; then
    expect_fail "Input/output error" dd if=/dev/zero of="$M/seq/2" bs=4K count=1 conv=notrunc
    assert_size "$M/seq/1" 4096
fi
chattr -i "$image"
size=$(size_of "$M/seq/1")
head -c 4096 /dev/zero >&5
sync "$M/seq/1"
assert_size "$M/seq/1" $((size + 4096))
exec 5>&-
unmount "$M"
assert_status 0 "$ZQFS" check "$image"
