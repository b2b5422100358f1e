#!/usr/bin/env bash
# However a mount ends, the image is complete and unlocked: umount, fusermount3, signals.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
requires getfattr
image=$DIR/a.qcow2
M=$DIR/mnt
"$ZQFS" create -o zone.size=1M "$image" 8M
want=$DIR/want
: >"$want"

# Adds to zone 0 and the expected contents, one piece a round.
add() { # ROUND
    pattern_bytes "round $1" 10240 | tee -a "$want" >>"$M/seq/0"
    assert_same "$M/seq/0" "$want"
}

complete() { # HOW
    "$ZQFS" report --csv "$image" >"$DIR/out" || fail "the image is not usable after $1"
    assert_eq "$(sed -n 's/^0,//p' "$DIR/out" | cut -d , -f 1-6)" \
        "sequential,closed,0,1048576,1048576,$(size_of "$want")" "report after $1"
    assert_status 0 "$ZQFS" check "$image"
}

mount_image "$image" "$M"
add 1
unmount "$M"
complete "zqfs umount"

for signal in TERM INT HUP; do
    mount_image "$image" "$M"
    add "$signal"
    pid=$(mount_pid "$M")
    kill -"$signal" "$pid"
    wait_gone "$pid" 10 || fail "alive 10 seconds after SIG$signal"
    ! is_mounted "$M" || fail "still mounted after SIG$signal"
    forget_mount_ "$M"
    complete "SIG$signal"
done

if command -v fusermount3 >/dev/null; then
    mount_image "$image" "$M"
    add fusermount3
    pid=$(mount_pid "$M")
    fusermount3 -u "$M"
    wait_gone "$pid" 10 || fail "alive 10 seconds after fusermount3 -u"
    forget_mount_ "$M"
    complete "fusermount3 -u"
fi

# in the foreground the exit status tells
mkdir -p "$M"
"$ZQFS" -f ${ZQFS_TEST_OPTIONS:+-o "$ZQFS_TEST_OPTIONS"} "$image" "$M" &
pid=$!
mounts_+=("$M")
daemons_+=("$pid")
for ((i = 0; i < 100; i++)); do
    ! is_mounted "$M" || break
    sleep 0.1
done
add foreground
kill -TERM "$pid"
rc=0
wait "$pid" || rc=$?
assert_eq "$rc" 0 "status of a foreground mount ended by SIGTERM"
forget_mount_ "$M"
complete "SIGTERM in the foreground"

# with a file open a signal still ends it, and what was written is there
mount_image "$image" "$M"
exec 7>>"$M/seq/0"
pattern_bytes open 2048 | tee -a "$want" >&7
pid=$(mount_pid "$M")
kill -TERM "$pid"
exec 7>&- || true
wait_gone "$pid" 20 || fail "alive 20 seconds after SIGTERM with an open file"
forget_mount_ "$M"
complete "SIGTERM with an open file"

# and when they stay open till after its end, nobody tells of their last close (what a sanitizer
# finds then, lib.sh shows)
mount_image "$image" "$M" -o explicit-open
exec 7>>"$M/seq/0" 8>>"$M/seq/0" 9>>"$M/seq/1"
exec 8>&-
pattern_bytes held 1024 | tee -a "$want" >&7
pid=$(mount_pid "$M")
kill -TERM "$pid"
wait_gone "$pid" 20 || fail "alive 20 seconds after SIGTERM with files that stay open"
exec 7>&- 9>&-
forget_mount_ "$M"
complete "SIGTERM with files that stay open"

# killed for good: what fsync acknowledged is there, a stale mount point can be cleared
mount_image "$image" "$M"
pattern_bytes fsync 4096 >"$DIR/piece"
dd if="$DIR/piece" of="$M/seq/0" oflag=append conv=notrunc,fsync status=none
cat "$DIR/piece" >>"$want"
pid=$(mount_pid "$M")
kill -KILL "$pid"
wait_gone "$pid" 10
"$ZQFS" umount "$M" >/dev/null 2>&1 || fusermount3 -uz "$M"
forget_mount_ "$M"
mount_image "$image" "$M"
cmp -n "$(size_of "$want")" "$M/seq/0" "$want" || fail "fsynced data is gone after SIGKILL"
