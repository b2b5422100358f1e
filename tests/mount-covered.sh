#!/usr/bin/env bash
# Something else is mounted on a mount, and does not answer: who has a file of ours open goes on, and we end alone.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
source "${0%/*}/serve.bash"
requires_fuse
requires setfattr
requires_root # nobody else may mount over a mount
requires_abort
M=$DIR/mnt
log=$DIR/below.log
for name in below above; do
    "$ZQFS" create -q -o zone.size=4M,zone.conventional_zones=1 "$DIR/$name.qcow2" 16M
done

mkdir -p "$M"
# In the foreground: the path alone does not tell the two processes apart.
serve() { # NAME [OPTION...]
    local n count
    count=$(grep -c " $M " /proc/self/mounts || true)
    "$ZQFS" -f ${ZQFS_TEST_OPTIONS:+-o "$ZQFS_TEST_OPTIONS"} "${@:2}" "$DIR/$1.qcow2" "$M" 2>"$DIR/$1.log" &
    pid=$!
    mounts_+=("$M")
    daemons_+=("$pid")
    for ((n = 0; n < 300; n++)); do
        [ "$(grep -c " $M " /proc/self/mounts)" -le "$count" ] || return 0
        sleep 0.1
    done
    fail "not mounted: $(cat "$DIR/$1.log")"
}

serve below
below=$pid
# before the files are opened: closing them is what may hang
guard 60 "$M"
exec 7>>"$M/seq/0" 8>>"$M/seq/1"
serve above -o nonempty
above=$pid
assert_size "$M/seq/0" 0
kill -STOP "$above"
cleanup_fn wake_above
wake_above() { kill -CONT "$above" 2>/dev/null || true; }

echo "-- closes that pad, and states"
timeout 10 sh -c 'echo hello >&7' || fail "a close waits for what is mounted on top"
timeout 10 sh -c 'echo hello >&7' || fail "a close waits for what is mounted on top"
timeout 10 setfattr -n user.zone.command -v finish /proc/self/fd/8 ||
    fail "a state waits for what is mounted on top"
assert_eq "$(timeout 10 stat -Lc %s /proc/self/fd/7 /proc/self/fd/8 | xargs)" "512 4194304" sizes

echo "-- the end of what is on top, by a signal, is no end of what is below"
kill -CONT "$above"
kill -TERM "$above"
wait_gone "$above" 20 || fail "the process on top has not ended"
assert_size "$M/seq/0" 512
serve above -o nonempty
above=$pid
kill -STOP "$above"

echo "-- the end of what is below"
kill -TERM "$below"
wait_gone "$below" 20 || fail "the process has not ended"
rc=0
wait "$below" || rc=$?
assert_eq "$rc" 0 "status; it said: $(cat "$log"): status"
holds -F "mounted on top" "$log" || fail "it said: $(cat "$log")"
exec 7>&- 8>&-
unguard
kill -CONT "$above"
assert_size "$M/seq/1" 0
"$ZQFS" umount "$M"
# what is left is ours, without a process
! ls "$M" >/dev/null 2>&1 || fail "the mount below is alive"
umount "$M"
! is_mounted "$M" || fail "still mounted"
forget_mount_ "$M"
for name in below above; do assert_status 0 "$ZQFS" check "$DIR/$name.qcow2"; done
"$ZQFS" report "$DIR/below.qcow2" >"$DIR/out"
assert_eq "$(grep -c full "$DIR/out")" 1 "full zones"
