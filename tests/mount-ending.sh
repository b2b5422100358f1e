#!/usr/bin/env bash
# The end by a signal: callers get their answers, mapped pages are kept, a disk that hangs is not waited for.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
source "${0%/*}/serve.bash"
requires_fuse
requires_tool zio
requires_abort
zio=$TOOLS/zio
M=$DIR/mnt
image=$DIR/a.qcow2
log=$DIR/log

# In the foreground, to see what it says.
begin() { # WHAT [MOUNT-OPTIONS]
    echo "-- $1"
    rm -f "$image"
    "$ZQFS" create -q -o zone.size=4M,zone.conventional_zones=2 "$image" 40M
    mkdir -p "$M"
    [ -z "$SANITIZED" ] || export ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0"
    ZQFS_FAULTS=$FAULTS LD_PRELOAD=$TOOLS/faults.so "$ZQFS" -f ${ZQFS_TEST_OPTIONS:+-o "$ZQFS_TEST_OPTIONS"} -o "commit=600${2:+,$2}" "$image" "$M" 2>"$log" &
    pid=$!
    mounts_+=("$M")
    daemons_+=("$pid")
    for ((i = 0; i < 300; i++)); do
        ! is_mounted "$M" || break
        sleep 0.1
    done
    guard 60 "$M"
    for ((i = 0; i < 4; i++)); do echo x >>"$M/seq/$i"; done
}

ended() { # SECONDS STATUS
    local rc=0
    wait_gone "$pid" "$1" || fail "the process has not ended"
    wait "$pid" || rc=$?
    assert_eq "$rc" "$2" "status; it said: $(cat "$log"): status"
    ! is_mounted "$M" || fail "still mounted"
    forget_mount_ "$M"
    assert_none_stuck "after the end"
    unguard
    assert_status 0 "$ZQFS" check "$image"
}

locked() {
    "$ZQFS" check "$image" >"$DIR/out" 2>&1 && fail "the image is unlocked while its disk hangs"
    grep -q "in use" "$DIR/out" || fail "check: $(cat "$DIR/out")"
}

until_says() { # SECONDS TEXT
    local n
    for ((n = 0; n < $1 * 10; n++)); do
        ! grep -q "$2" "$log" || return 0
        sleep 0.1
    done
    fail "did not say '$2': $(cat "$log")"
}

begin "pages that a program has changed and still has mapped"
"$zio" "$M/cnv/0" rw map:shared:rw:1M mset:0:1M:120 "sh:kill -TERM $pid" sleep:1500 >/dev/null &
mapper=$!
ended 20 0
wait "$mapper" || true
mount_image "$image" "$M"
assert_eq "$("$zio" "$M/cnv/0" r is:0:1M:120)" yes "what was mapped"
unmount "$M"

begin "requests on a slow disk are answered"
fault write-slow 1000
for ((i = 0; i < 4; i++)); do
    spawn "$zio" "$M/seq/$i" w,append write:4096 >"$DIR/w$i"
done
sleep 0.3
kill -TERM "$pid"
wait_spawned
for ((i = 0; i < 4; i++)); do assert_eq "$(cat "$DIR/w$i")" 4096 "a write that had begun"; done
heal
ended 20 0
"$ZQFS" report --csv "$image" | awk -F, '$1 >= 2 && $1 < 6 && $7 - $4 != 4608 { exit 1 }' ||
    fail "what was answered is not there: $("$ZQFS" report --csv "$image")"

begin "a disk that hangs in fsync" end_timeout=3
fault sync-hang
spawn "$zio" "$M/seq/0" r fsync >"$DIR/sync"
sleep 0.3
exec 7>>"$M/seq/1" # open before, used after
kill -TERM "$pid"
sleep 1
! is_mounted "$M" || fail "still mounted a second after SIGTERM"
# nobody else waits
start=$(date +%s%3N)
"$zio" /dev/fd/7 w write:512 >/dev/null 2>&1 || true
(echo late >&7) 2>"$DIR/late" && fail "a write after the end was taken"
[ $(($(date +%s%3N) - start)) -lt 1500 ] || fail "a late writer had to wait"
grep -qi "not connected" "$DIR/late" || fail "a late write: $(cat "$DIR/late")"
[ ! -s "$DIR/sync" ] || fail "fsync was given up too early: $(cat "$DIR/sync")"
until_says 10 "waits for: FSYNC of zone 2 (seq/0)"
wait_spawned
assert_eq "$(cat "$DIR/sync")" ECONNABORTED "the caller of fsync"
exec 7>&-
locked
heal
ended 20 0

begin "a disk that hangs in the last commit" end_timeout=1
fault sync-hang
kill -TERM "$pid"
until_says 10 "waits for: the last commit"
! is_mounted "$M" || fail "still mounted"
locked
heal
ended 20 0

begin "clients that never stop"
"$TOOLS/zload" "$M" 12 7 &
load=$!
sleep 1
kill -TERM "$pid"
wait_gone "$pid" 15 || fail "the process has not ended"
kill -KILL "$load" 2>/dev/null || true
wait "$load" 2>/dev/null || true
ended 1 0
