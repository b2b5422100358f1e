#!/usr/bin/env bash
# A damaged image does not fill the log, and what matters is told however much there is to tell.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
requires prlimit
requires_tool qpatch
image=$DIR/a.qcow2
M=$DIR/mnt
mkdir "$M"

# Every mapping of zone 0 has a reserved bit set; zone 1 is sound.
"$ZQFS" create -q -o zone.size=1M,cluster_size=4K "$image" 4M
mount_image "$image" "$M"
pattern_bytes log 1048576 >"$M/seq/0"
unmount "$M"
for ((i = 0; i < 256; i += 4)); do
    value=$("$TOOLS/qpatch" "$image" "get-l2:$i")
    "$TOOLS/qpatch" "$image" "l2:$i:$((value | 0x200))"
done

# through a pipe, as the log must not meet the limit below
mkfifo "$DIR/pipe"
cat "$DIR/pipe" >"$DIR/log" &
writer=$!
"$ZQFS" -f ${ZQFS_TEST_OPTIONS:+-o "$ZQFS_TEST_OPTIONS"} "$image" "$M" 2>"$DIR/pipe" &
daemon=$!
mounts_+=("$M")
daemons_+=("$daemon")
for ((i = 0; i < 100; i++)); do
    ! is_mounted "$M" || break
    sleep 0.1
done

echo "-- 64 damaged clusters, 30 lines"
for ((i = 0; i < 256; i += 4)); do
    expect_fail "Input/output error" \
        dd if="$M/seq/0" of=/dev/null bs=4K count=1 skip="$i" iflag=direct status=none
done

echo "-- and then the image takes no more bytes"
exec 5>>"$M/seq/1"
head -c 4096 /dev/zero >&5
prlimit --pid "$daemon" --fsize=0
expect_fail "No space left on device" sync "$M/seq/1"
exec 5>&-

echo "-- which is told at the end too, by whoever asks"
expect_fail "$image: not complete: its last commit failed" "$ZQFS" umount "$M"
grep -q "zqfs check" "$DIR/out" || fail "umount says: $(cat "$DIR/out")"
rc=0
wait "$daemon" || rc=$?
forget_mount_ "$M"
assert_eq "$rc" 1 "status of the daemon"
wait_gone "$writer" || fail "somebody still has the log open"
assert_eq "$(grep -c "is damaged" "$DIR/log")" 30 "lines about damage"
assert_eq "$(grep -c "commit failed: File too large" "$DIR/log")" 1 "lines about the commit"
assert_eq "$(grep -c "no room: a limit, not the disk" "$DIR/log")" 1 "lines about the limit"
grep -q "the last commit failed: No space left on device" "$DIR/log" || fail "log: $(cat "$DIR/log")"
left=$(sed -n 's/.*: \([0-9]*\) lines were left out$/\1/p' "$DIR/log")
[ "${left:-0}" -ge 34 ] || fail "'$left' lines were left out, expected 34 or more"
