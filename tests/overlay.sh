#!/usr/bin/env bash
# Overlays of a zoned image: the base's zones and data, changes beside them, a base that changed.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_tool zdev
requires_tool qpatch
zdev=$TOOLS/zdev
cd "$DIR"

"$ZQFS" create -q -o zone.size=1M,zone.capacity=768K,zone.conventional_zones=1,zone.max_active_zones=4 \
    -o zone.max_open_zones=2 base 6M
"$zdev" base write:5000:3000:7 append:1:70144:1 append:2:786432:2 append:3:4096:3 finish:3 \
    append:4:200704:4 >made
sum=$(sha256sum <base)

# Made in no time and of nothing; geometry, limits and pointers are the base's.
"$ZQFS" create -q -b base -F qcow2 over
[ "$(disk_usage over)" -lt 1048576 ] || fail "an overlay takes $(disk_usage over) bytes"
assert_status 0 "$ZQFS" compare --strict base over
assert_eq "$("$ZQFS" report --csv base)" "$("$ZQFS" report --csv over)" "the overlay's report"

# What is written goes into the overlay alone: behind a pointer that the base left within a cluster
# the base's bytes stay and zeros follow; a reset hides the base, a finish too.
assert_eq "$("$zdev" over append:1:512:9 is:1:0:70144:1 is:1:70144:512:9 reset:2 size:2 \
    append:2:1024:8 is:2:0:1024:8 finish:2 is:2:1024:785408:0 append:4:66048:5 is:4:200704:66048:5 \
    finish:4 is:4:266752:519680:0 write:5500:100:6 isconv:5000:500:7 isconv:5500:100:6 \
    isconv:5600:2400:7 again is:1:0:70144:1 is:2:0:1024:8 is:2:1024:785408:0 is:3:0:4096:3 \
    is:3:4096:782336:0 state:1 state:2 state:3 state:4 state:5)" \
    "512 yes yes 0 0 1024 yes 0 yes 66048 yes 0 yes 100 yes yes yes 0 yes yes yes yes yes closed full full full empty " \
    "work on the overlay"
assert_eq "$(sha256sum <base)" "$sum" "the base"
"$ZQFS" check over >out || fail "check: $(cat out)"

# An overlay of an overlay, and all of it in one file.
"$ZQFS" create -q -b over -F qcow2 -o cluster_size=4K top
assert_status 0 "$ZQFS" compare over top
"$zdev" top append:1:100352:4 reset:3 append:5:1536:3 >made
"$ZQFS" convert top flat
assert_status 0 "$ZQFS" compare top flat
"$ZQFS" check top >out || fail "check of the top: $(cat out)"

# Other zones than the base's make no overlay.
expect_fail "gone: No such file or directory" "$ZQFS" create -b gone -F qcow2 none
truncate -s 6M plain.raw
expect_fail "plain.raw: has no zones to take the size of the disk from" "$ZQFS" create -b plain.raw -F raw none
expect_fail "zone.size 2097152 is not that of the zoned backing file" \
    "$ZQFS" create -b base -F qcow2 -o zone.size=2M none
expect_fail "size 12582912 is not that" "$ZQFS" create -b base -F qcow2 none 12M
expect_fail "zone.max_active_zones 1 is smaller than 2" \
    "$ZQFS" create -b base -F qcow2 -o zone.max_active_zones=1 none
[ ! -e none ] || fail "a refused overlay is there"

# A base that is written to, or that has changed, is refused by name.
"$ZQFS" create -q -b base -F qcow2 other
"$zdev" base append:1:512:1 >made
expect_fail "base: is another than it was: its write pointers have moved" "$ZQFS" report over
expect_fail "is another than it was" "$zdev" over append:1:512:1
expect_fail "is another than it was" "$ZQFS" report other

# A power failure between a reset's pointer and the zeros that hide the base: the next opening for
# writing hides it, before the zone's pointer moves again.
if command -v qemu-img >/dev/null; then
    "$ZQFS" create -q -b base -F qcow2 cut
    "$TOOLS/qpatch" cut wp-be:2:2097152
    "$zdev" cut append:2:512:9 >made
    cp base plain-base
    "$TOOLS/qpatch" plain-base clear-bit:5
    "$TOOLS/qpatch" cut clear-bit:5
    qemu-img rebase -u -f qcow2 -b plain-base -F qcow2 cut
    qemu-img convert -f qcow2 -O raw cut raw
    assert_eq "$(dd if=raw bs=512 skip=4096 count=1 status=none | tr -d '\11' | wc -c)" 0 "what was written"
    assert_eq "$(dd if=raw bs=512 skip=4097 count=1535 status=none | tr -d '\0' | wc -c)" 0 "the base above the pointer"
fi
