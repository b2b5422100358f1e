#!/usr/bin/env bash
# Nothing hangs: writes from a mapping of the mount, faults during resets, one thread only.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
requires getfattr setfattr
requires_tool zio
zio=$TOOLS/zio
M=$DIR/mnt
S=$M/seq

# Ends a test that hangs with a sentence; the cleanup clears the mount.
within() { # SECONDS WHAT COMMAND...
    local secs=$1 what=$2 rc=0
    shift 2
    timeout -k 5 "$secs" "$@" >"$DIR/out" 2>&1 || rc=$?
    case $rc in 124 | 137) fail "$what hangs" ;; esac
    [ "$rc" -eq 0 ] || {
        cat "$DIR/out"
        fail "$what: status $rc"
    }
}
says() { # WANT COMMAND...
    local want=$1 got
    shift
    got=$(timeout -k 5 30 "$@") || fail "hangs or fails: $*"
    assert_eq "$got" "$want" "$*"
}

for options in max_threads=1 max_threads=2,commit=1 sync; do
    rm -f "$DIR/a.qcow2"
    "$ZQFS" create -o zone.size=4M,zone.conventional_zones=2 "$DIR/a.qcow2" 40M >/dev/null
    mount_image "$DIR/a.qcow2" "$M" -o "$options"
    pattern_bytes x 4194304 >"$DIR/want"
    cp "$DIR/want" "$S/0"

    # a buffer that is an mmap of another zone's file, nothing of it in memory
    unmount "$M"
    mount_image "$DIR/a.qcow2" "$M" -o "$options"
    says "0 4194304" "$zio" "$S/1" w mapof:4M:"$S/0" wmap:0
    assert_same "$S/1" "$DIR/want"
    says "0 4194304" "$zio" "$S/2" w,direct mapof:4M:"$S/0" wmap:0
    says "0 4194304" "$zio" "$M/cnv/0" rw mapof:4M:"$S/0" wmap:0
    assert_same "$M/cnv/0" "$DIR/want"
    # of its own file: the part that is written already
    "$zio" "$S/3" w pwrite:0:1M:7 >/dev/null
    says "0 1048576" "$zio" "$S/3" w mapof:1M:"$S/3" wmap:1M
    says "yes" "$zio" "$S/3" r is:0:2M:7

    # mapped readers fault while the zone is reset, filled and finished through all three doors
    for ((i = 0; i < 12; i++)); do
        says "0 0 0 0" "$zio" "$S/4" r map:shared:r:64K \
            "sh:head -c 300000 $DIR/want >>$S/4" "sh:truncate -s 0 $S/4" size
    done
    for ((i = 0; i < 30; i++)); do cat "$S/5" >/dev/null; done &
    reader=$!
    for ((i = 0; i < 15; i++)); do
        within 20 "append" sh -c "head -c 500000 '$DIR/want' >>'$S/5'"
        within 20 "finish by attribute" setfattr -n user.zone.command -v finish "$S/5"
        within 20 "reset by attribute" setfattr -n user.zone.command -v reset "$S/5"
        within 20 "reset" truncate -s 0 "$S/5"
    done
    wait "$reader" || fail "the reader failed"

    # appenders while others finish and reset the same zone: each call returns
    for _ in 1 2 3; do
        for ((i = 0; i < 20; i++)); do head -c 70000 "$DIR/want" >>"$S/6" || true; done 2>/dev/null &
    done
    for ((i = 0; i < 20; i++)); do
        within 20 "truncate under writers" sh -c "truncate -s 0 '$S/6' && truncate -s 4M '$S/6' &&
            truncate -s 0 '$S/6'"
    done
    wait
    assert_eq $(($(size_of "$S/6") % 512)) 0 "whole blocks"
    within 20 "ls" ls -lR "$M"
    within 20 "unmount" "$ZQFS" umount "$M"
    forget_mount_ "$M"
    assert_status 0 "$ZQFS" check "$DIR/a.qcow2"
done
