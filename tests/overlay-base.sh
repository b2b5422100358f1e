#!/usr/bin/env bash
# What makes a base another one for its overlays, and what does not; what an overlay takes from it.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_tool zdev
requires_tool qpatch
zdev=$TOOLS/zdev
cd "$DIR"
opts=zone.size=1M,zone.conventional_zones=1

make_pair()
{
    rm -f base over top
    "$ZQFS" create -q -o "$opts" base 6M
    "$zdev" base write:4096:4096:7 append:1:70144:1 append:2:1048576:2 >made
    "$ZQFS" create -q -b base -F qcow2 over
}
still_valid() { "$zdev" ro over is:1:0:70144:1 isconv:4096:4096:7 | grep -q '^yes yes' || fail "$1"; }

# Copies and other names are the same base; so is one that was opened and not changed.
make_pair
cp base copy && mv copy base
still_valid "a copy"
cp -a base copy && mv copy base
still_valid "a copy with its times"
cp --sparse=always base copy && mv copy base
still_valid "a sparse copy"
"$zdev" base state:1 again state:2 >made
still_valid "a base that was opened for writing"
mkdir elsewhere
mv base over elsewhere
(cd elsewhere && still_valid "both moved")
rm -r elsewhere

# Every change is another base: one that leaves the pointers where they are, too.
make_pair
"$zdev" base write:4096:512:8 >made
expect_fail "base: is another than it was: it has been written to" "$ZQFS" report over
make_pair
"$zdev" base reset:1 append:1:70144:9 >made
expect_fail "base: is another than it was: it has been written to" "$ZQFS" report over
make_pair
"$zdev" base append:1:512:1 >made
expect_fail "base: is another than it was: its write pointers have moved" "$ZQFS" report over
make_pair
"$zdev" over append:1:512:3 >made # what an overlay gets is no change of its base
still_valid "work on the overlay"

# Compaction changes what is where and not what the disk holds.
make_pair
"$zdev" base append:3:1048576:4 reset:3 append:4:1048576:5 >made
"$ZQFS" create -q --force -b base -F qcow2 over
for how in --no-compress --level=1; do
    "$ZQFS" compact -q "$how" base
    still_valid "compact $how"
done

# The base of a base counts as well.
make_pair
"$ZQFS" create -q -b over -F qcow2 top
"$zdev" ro top is:1:0:70144:1 >made
"$zdev" base write:4096:512:8 >made
expect_fail "base: is another than it was" "$ZQFS" report top

# A program that does not know the number clears a bit, as QEMU does when it opens for writing.
make_pair
if command -v qemu-io >/dev/null; then
    "$TOOLS/qpatch" base clear-bit:5
    qemu-io -f qcow2 -c 'read 0 512' base >made
    "$TOOLS/qpatch" base set-bit:5
else
    head -c 8 /dev/zero | dd of=base bs=1 seek=88 conv=notrunc status=none
fi
assert_eq "$("$TOOLS/qpatch" base get-be64:88)" 0 "autoclear bits"
expect_fail "a program that does not say what it changes has opened it" "$ZQFS" report over
# An overlay that is made now remembers the tables instead, and zqfs's next change has a number again:
# of compaction too, which moves them.
"$ZQFS" create -q -b base -F qcow2 late
"$ZQFS" report late >made
cp base moved
"$ZQFS" create -q -b moved -F qcow2 moved-late
"$ZQFS" compact -q moved
expect_fail "it has been written to" "$ZQFS" report moved-late
"$zdev" base write:4096:512:8 >made
expect_fail "it has been written to" "$ZQFS" report late

# A pointer that makes no sense is no empty zone.
make_pair
rm over
"$TOOLS/qpatch" base wp-be:3:1234
expect_fail "base: zone 3 (seq/2): the write pointer 0x4d2 is corrupt" "$ZQFS" create -b base -F qcow2 over
[ ! -e over ] || fail "an overlay of a damaged base is there"

# Layout and limits come from the base, as far as nothing else is asked for.
"$ZQFS" create -q -o "$opts,zone.layout=56,zone.wp_order=little,zone.max_append_bytes=32K" \
    -o zone.max_active_zones=4,zone.max_open_zones=0 old 6M
"$ZQFS" create -q -b old -F qcow2 new
for what in 'zoned layout' 'max append' 'max open zones' 'max active zones'; do
    assert_eq "$("$ZQFS" info new | grep "^$what:")" "$("$ZQFS" info old | grep "^$what:")" "$what"
done
"$ZQFS" info new | grep -q '^write pointers: *little-endian' || fail "byte order"
"$ZQFS" create -q -b old -F qcow2 -o zone.layout=44 newest
"$ZQFS" info newest | grep -q '^zoned layout: *44' || fail "a layout that was asked for"
"$ZQFS" convert -o zone.layout=56 old new-copy
assert_eq "$("$ZQFS" info new-copy | grep '^max append:')" "$("$ZQFS" info old | grep '^max append:')" \
    "max append of a copy"

# No file of a chain becomes a target.
make_pair
"$ZQFS" create -q -b over -F qcow2 top
expect_fail "base: is the source, or a part of it" "$ZQFS" convert --force top base
expect_fail "over: is the source, or a part of it" "$ZQFS" convert --force top over
ln base hard
expect_fail "hard: is the source, or a part of it" "$ZQFS" convert --force -O raw top hard
