#!/usr/bin/env bash
# A commit that cannot end or cannot begin: mounted, no room, read-only, a base that QEMU made, an overlay that is lost.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_tool zdev
requires_tool addzones
requires_tool qpatch
requires_root
zdev=$TOOLS/zdev
cd "$DIR"
mkdir small
mount -t tmpfs -o size=12m tmpfs small 2>/dev/null || skip "no tmpfs can be mounted"
cleanup_fn umount -l "$DIR/small"

# make_pair: the base on a small disk, the overlay elsewhere with 6 MiB that the base does not have.
make_pair() {
    rm -f small/* over other flat
    "$ZQFS" create -q -o zone.size=1M small/base 12M
    "$zdev" small/base append:0:1048576:1 append:1:70144:2 >made
    "$ZQFS" create -q -b small/base -F qcow2 over
    "$zdev" over append:1:512:3 append:{2..7}:1048576:4 reset:0 append:0:1024:5 >made
    "$ZQFS" convert over flat
}
shows() { "$ZQFS" compare "$1" flat >out 2>&1 || fail "$2: $(cat out)"; }
unchanged() { # MESSAGE: the commit is refused, both files stay as they are
    local sums
    sums=$(sha256sum small/base over)
    expect_fail "$1" "$ZQFS" commit over
    assert_eq "$(sha256sum small/base over)" "$sums" "the files after: $1"
}

# Mounted: the base by itself, and the overlay with it.
make_pair
if [ -c /dev/fuse ]; then
    mount_image small/base mnt
    unchanged "small/base: "
    unmount mnt
    mount_image over mnt
    expect_fail "over: " "$ZQFS" commit over
    expect_fail "small/base: " "$ZQFS" commit --abandon small/base
    unmount mnt
fi
shows over "after the mounts"

# On a disk that is read-only, and one that is another size now.
mount -o remount,ro small
unchanged "small/base: "
mount -o remount,rw small
cp small/base kept
"$ZQFS" resize -q small/base 11M
unchanged "small/base: is another than it was"
cp kept small/base

# half_done: no room in the middle leaves an overlay that shows its disk, and a base for readers only.
half_done() {
    make_pair
    head -c 8M /dev/zero >small/ballast
    expect_fail "No space left" "$ZQFS" commit over
    rm small/ballast
    shows over "without room"
    "$zdev" ro small/base state:2 >made || fail "a base that is not finished cannot be read"
    expect_fail "is not finished: \"zqfs commit\" of it goes on" "$zdev" small/base append:9:512:1
    "$ZQFS" check small/base >out || true # there are leaks
    ! grep -q '^corruption' out || fail "check of the base: $(cat out)"
    grep -q 'holds a mixture of both, and opens read-only; "zqfs commit" of the overlay goes on' out ||
        fail "check does not say what it is: $(cat out)"
}
half_done
"$ZQFS" check --repair=all small/base >out || fail "a repair: $(cat out)"
shows over "after a repair of the base"
"$ZQFS" commit over >out
grep -q '^went on where a commit had ended' out || fail "resumed: $(cat out)"
shows small/base "the base after all"
shows over "the overlay after all"

# The overlay is lost: the base becomes an image again, with what it holds.
half_done
"$ZQFS" commit --abandon small/base >out
grep -q '^small/base: can be written to again; it holds a mixture' out || fail "abandoned: $(cat out)"
"$ZQFS" check small/base >out || fail "check of an abandoned base: $(cat out)"
! grep -q mixture out || fail "it is unfinished still: $(cat out)"
"$zdev" small/base append:9:512:1 reset:3 append:3:1024:7 >made
"$ZQFS" create -q -b small/base -F qcow2 other
expect_fail "small/base: is another than it was" "$ZQFS" report over
expect_fail "small/base: is another than it was" "$ZQFS" commit over
expect_fail "small/base: no commit into it is unfinished" "$ZQFS" commit --abandon small/base

# A base that QEMU made has no record of its identity; the commit gives it one.
if command -v qemu-img >/dev/null; then
    rm -f small/* over other flat
    head -c 6M /dev/urandom >source.raw
    qemu-img convert -O qcow2 source.raw small/base
    "$TOOLS/addzones" small/base zone_size=1M conventional=1 pointers=full
    "$ZQFS" create -q -b small/base -F qcow2 over
    "$ZQFS" create -q -b small/base -F qcow2 other
    "$zdev" over reset:2 append:2:4096:6 write:5000:3000:7 >made
    "$ZQFS" convert over flat
    "$ZQFS" commit -q over
    shows small/base "QEMU's base"
    shows over "the overlay of QEMU's base"
    expect_fail "small/base: is another than it was" "$ZQFS" report other
    "$zdev" over append:2:512:1 >made
fi

# A repair that changes what the disk holds makes another base of it; one that only counts does not.
make_pair
"$TOOLS/qpatch" small/base set-bit:0
"$ZQFS" check --repair=all small/base >out
shows over "after a repair of counts"
l1=$("$TOOLS/qpatch" small/base get-be64:40)
"$TOOLS/qpatch" small/base "l2:0:$(printf 0x%x $(((1 << 63) + l1)))"
"$ZQFS" check --repair=all small/base >out || true
grep -q 'taken out, reads as zeros' out || fail "nothing was taken out: $(cat out)"
expect_fail "small/base: is another than it was: it has been written to" "$ZQFS" report over
