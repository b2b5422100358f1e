#!/usr/bin/env bash
# The image must not grow beyond a limit of the process (ulimit -f): for writers a full host, not
# the end of the zone, and nobody dies of the signal.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse

image=$DIR/a.qcow2
M=$DIR/mnt
mkdir "$M"
"$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=2,cluster_size=64K "$image" 16M
pattern_bytes full 1048576 >"$DIR/want"

(
    ulimit -f 3584 # KiB
    exec "$ZQFS" ${ZQFS_TEST_OPTIONS:+-o "$ZQFS_TEST_OPTIONS"} "$image" "$M"
) || fail "mounting: status $?"
cleanup_fn end_mount_ "$M" "$(mount_pid "$M")"

echo "-- sequential zones, as far as it goes"
stopped=
for zone in 0 1 2 3; do
    dd if="$DIR/want" of="$M/seq/$zone" bs=64K conv=notrunc 2>"$DIR/err" && continue
    grep -qi "no space" "$DIR/err" || fail "not ENOSPC: $(cat "$DIR/err")"
    stopped=$zone
    break
done
[ -n "$stopped" ] || fail "4 MiB fit in less"
size=$(size_of "$M/seq/$stopped")
[ "$size" -gt 0 ] || fail "zone $stopped has nothing, though there was room for a part of it"
cmp "$M/seq/$stopped" <(head -c "$size" "$DIR/want")
cmp "$M/seq/0" "$DIR/want"

echo "-- a conventional one"
dd if="$DIR/want" of="$M/cnv/0" bs=64K count=1 conv=notrunc 2>"$DIR/err" && fail "it found room"
grep -qi "no space" "$DIR/err" || fail "not ENOSPC: $(cat "$DIR/err")"

echo "-- and it still serves"
sync "$M/seq/0"
truncate -s 0 "$M/seq/0"
assert_size "$M/seq/0" 0
sync "$M/seq/0"
head -c 65536 "$DIR/want" >>"$M/seq/9"
sync "$M/seq/9"
cmp -n 65536 "$M/seq/9" "$DIR/want"
unmount "$M"
assert_status 0 "$ZQFS" check "$image"

echo "-- where a commit is what needs room"
# Small clusters: much metadata. Whatever fails, and wherever the limit strikes, no caller is
# told of a file that is too large.
struck=0
attempt() { # COMMAND...
    "$@" 2>"$DIR/err" && return
    grep -qi "no space" "$DIR/err" || fail "under $limit KiB $options: $*: $(cat "$DIR/err")"
    struck=$((struck + 1))
}
for limit in 980 1000 1020 1040 1060 1100; do
    for options in commit=60 sync; do
        rm -f "$image"
        "$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=2,cluster_size=512 "$image" 16M
        (
            ulimit -f "$limit"
            exec "$ZQFS" -o "$options${ZQFS_TEST_OPTIONS:+,$ZQFS_TEST_OPTIONS}" "$image" "$M"
        ) || fail "mounting: status $?"
        daemon=$(daemon_of_ "$M")
        cleanup_fn end_mount_ "$M" "$daemon"
        struck=0
        attempt dd if="$DIR/want" of="$M/cnv/0" bs=4K count=2 conv=notrunc
        attempt dd if="$DIR/want" of="$M/seq/0" bs=64K conv=notrunc
        attempt dd if="$DIR/want" of="$M/seq/1" bs=4K count=4 conv=notrunc
        [ "$struck" -gt 0 ] || fail "1 MiB fits in $limit KiB"
        attempt sync "$M/seq/0"
        attempt dd if="$DIR/want" of="$M/cnv/0" bs=4K count=2 oflag=sync conv=notrunc
        attempt truncate -s 1M "$M/seq/0"
        attempt sync "$M/seq/0"
        attempt truncate -s 0 "$M/seq/0"
        attempt sync "$M/seq/0"
        # the image is complete, or this says that it is not
        "$ZQFS" umount "$M" 2>"$DIR/err" || grep -q "not complete" "$DIR/err" ||
            fail "umount: $(cat "$DIR/err")"
        wait_gone "$daemon" || fail "the daemon still runs"
        rc=0
        "$ZQFS" check "$image" >"$DIR/out" 2>&1 || rc=$?
        [ "$rc" -eq 0 ] || [ "$rc" -eq 3 ] || fail "check: status $rc: $(cat "$DIR/out")"
    done
done

echo "-- create says so too, and leaves nothing behind"
rc=0
(ulimit -f 1 && "$ZQFS" create -q -o preallocation=metadata "$DIR/b.qcow2" 64M) 2>"$DIR/err" || rc=$?
assert_eq "$rc" 1 "status of create"
grep -q "b.qcow2: .*File too large" "$DIR/err" || fail "create says: $(cat "$DIR/err")"
[ "$(find "$DIR" -name '*b.qcow2*' | wc -l)" -eq 0 ] || fail "create has left something"
