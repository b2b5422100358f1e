#!/usr/bin/env bash
# umount: complete and unlocked when it returns; busy, stale and wrong mount points.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
cd "$DIR"

"$ZQFS" create -q -o zone.size=4M a.qcow2 32M
size_after() { "$ZQFS" report --csv a.qcow2 | awk -F, '$1 == 0 { print $7 }'; }

# at once after a write, several times: everything is in the image, and it can be opened again
total=0
for round in 1 2 3 4 5; do
    mount_image a.qcow2 mnt
    head -c 300K /dev/zero >>mnt/seq/0
    total=$((total + 300 * 1024))
    unmount "mnt"
    assert_eq "$(size_after)" "$total" "write pointer in round $round"
    assert_status 0 "$ZQFS" reset a.qcow2 1
done

# by a relative path with a slash, by the image's name, read-only, forced
mount_image a.qcow2 mnt
"$ZQFS" umount ./mnt/
is_mounted mnt && fail "./mnt/ is still mounted"
mount_image a.qcow2 mnt
"$ZQFS" umount a.qcow2
is_mounted mnt && fail "mounted after umount by the image's name"
mount_image a.qcow2 mnt -o ro
"$ZQFS" umount mnt
is_mounted mnt && fail "the read-only mount is still there"

# two readers of one image: the right one goes, the other stays
mount_image a.qcow2 mnt -o ro
mount_image a.qcow2 mnt2 -o ro
"$ZQFS" umount mnt2
is_mounted mnt || fail "the other reader is gone"
is_mounted mnt2 && fail "mnt2 is still mounted"
ls mnt/seq/0
"$ZQFS" umount mnt

# busy
mount_image a.qcow2 mnt
exec 3<mnt/seq/0
expect_fail "mnt: busy: a process has a file in it open" "$ZQFS" umount mnt
exec 3<&-
unmount mnt

# stale: the process is gone, the mount is not
mount_image a.qcow2 mnt
kill -KILL "$(mount_pid mnt)"
wait_gone "$(mount_pid mnt)"
ls mnt 2>/dev/null && fail "the mount of a killed process answers"
expect_fail "mnt: a stale mount, its zqfs is gone; clear it with: zqfs umount mnt" "$ZQFS" a.qcow2 mnt
expect_fail "mnt: a stale mount, its zqfs is gone; clear it with: zqfs umount mnt" "$ZQFS" report mnt
"$ZQFS" umount mnt
is_mounted mnt && fail "the stale mount is still there"
ls mnt

# what is not ours
expect_fail "mnt: nothing is mounted on it" "$ZQFS" umount mnt
expect_fail "no-such: No such file or directory" "$ZQFS" umount no-such
expect_fail "a.qcow2: not mounted anywhere by zqfs" "$ZQFS" umount a.qcow2
expect_fail "/proc: mounted, but not by zqfs (type proc); use umount" "$ZQFS" umount /proc
mount_image a.qcow2 mnt
expect_fail "mnt/seq: a folder of the mount $(pwd -P)/mnt; unmount that" "$ZQFS" umount mnt/seq
unmount mnt
