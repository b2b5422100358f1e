#!/usr/bin/env bash
# reset, finish, open and close of a mount's zones, and what they say where they cannot.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
cd "$DIR"

"$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=2,zone.max_open_zones=3 a.qcow2 10M
"$ZQFS" create -q -o zone.size=1M b.qcow2 4M
here=$(pwd -P)

states() { "$ZQFS" report --csv "$1" | sed 1d | cut -d, -f3 | grep -v not-wp | paste -sd' '; }
step() { # "STATES AFTERWARDS" COMMAND ZONES
    assert_status 0 "$ZQFS" "$2" mnt "$3"
    assert_eq "$(cat out)" "" "what $2 $3 says"
    assert_eq "$(states mnt)" "$1" "states after $2 $3"
}

mount_image a.qcow2 mnt
step "explicit-open empty empty empty empty empty empty empty" open seq/0
step "explicit-open explicit-open empty empty empty empty empty empty" open 3
step "empty explicit-open empty empty empty empty empty empty" close 2
echo data >>mnt/seq/1
step "empty closed empty empty empty empty empty empty" close seq/1
step "empty full full empty empty empty empty empty" finish seq/1-2
step "empty empty full empty empty empty empty empty" reset 3
step "full full full full full full full full" finish all
step "empty empty empty empty empty empty empty empty" reset all
# the zones of layout=zloop have other names
"$ZQFS" umount mnt
mount_image a.qcow2 mnt2 -o layout=zloop
assert_status 0 "$ZQFS" open mnt2 seq-000004
assert_attr mnt2/seq-000004 state explicit-open
"$ZQFS" umount mnt2

mount_image a.qcow2 mnt
refused() { # "MESSAGE" COMMAND ZONES: nothing has changed
    local before
    before=$(states mnt)
    expect_fail "zqfs: mnt: $1" "$ZQFS" "$2" mnt "$3"
    assert_eq "$(states mnt)" "$before" "states after $2 $3"
}
refused "zones: 10: the last zone is 9 (seq/7)" open 10
refused "zone 0 (cnv/0) is conventional and has no write pointer to open" open cnv/0
step "full empty empty empty empty empty empty empty" finish seq/0
refused "cannot open zone 2 (seq/0): it is full" open seq/0-1
step "empty empty empty empty empty empty empty empty" reset seq/0
expect_fail "mnt: cannot open zone 5 (seq/3): no open or active zone is left; the limits are 3 open and 0 active zones (0: no limit)" \
    "$ZQFS" open mnt all
expect_fail "; it is a file of the mount $(pwd -P)/mnt: give that, and a zone by a name like seq/3" \
    "$ZQFS" reset mnt/seq/3 3
tell() { setfattr -n user.zone.command -v "$1" "$2"; }
if command -v setfattr >/dev/null; then
    tell offline mnt/seq/7
    refused "cannot reset zone 9 (seq/7): it is offline" reset seq/7
fi
expect_fail "a.qcow2: mounted on $here/mnt; run: zqfs open $here/mnt 3" "$ZQFS" open a.qcow2 3
"$ZQFS" umount mnt

# open zones are known in memory only
expect_fail "a.qcow2: not mounted: which zones are open is known in memory only" "$ZQFS" open a.qcow2 3
expect_fail "a.qcow2: not mounted" "$ZQFS" close a.qcow2 all
expect_fail "no-such: No such file or directory" "$ZQFS" open no-such 3
expect_fail "mnt: a directory, and no zqfs image is mounted on it" "$ZQFS" open mnt 3

mount_image b.qcow2 mnt -o ro
expect_fail "mnt: cannot reset zone 1 (seq/1): Read-only file system" "$ZQFS" reset mnt 1
