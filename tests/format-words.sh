#!/usr/bin/env bash
# Words of the pointer table that another layout, or the layout's own QEMU, sees with other eyes.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_tool zdev qpatch
cd "$DIR"
zdev=$TOOLS/zdev qpatch=$TOOLS/qpatch

# A flag of another layout is reported and never moved to this one's bit by guessing.
flag() { # LAYOUT WORD EXPECTED-BIT
    "$ZQFS" create -q --force -o "zone.layout=$1,zone.size=1M,zone.conventional_zones=2" a.qcow2 8M
    "$qpatch" a.qcow2 "wp-be:1:$2"
    assert_status 2 "$ZQFS" check a.qcow2
    grep -q "zone 1 (cnv/1): .*bit $3 says sequential.*flag of another layout" out || fail "$(cat out)"
    cp a.qcow2 before
    assert_status 2 "$ZQFS" check --repair=all a.qcow2
    assert_eq "$("$qpatch" a.qcow2 get-wp-be:1)" "$("$qpatch" before get-wp-be:1)" "the word in $1"
}
flag 56 0x8000000000100000 59
flag 44 0x0800000000100000 63
flag 48b 0x0800000000100000 63

# A flag that is just missing is set as the header says it.
"$ZQFS" create -q --force -o zone.size=1M,zone.conventional_zones=2 a.qcow2 8M
"$qpatch" a.qcow2 wp-be:1:0x100000
assert_status 0 "$ZQFS" check --repair=all a.qcow2
assert_status 0 "$ZQFS" check a.qcow2

# A pointer behind the capacity is a full zone's in 56, and damage in 44 and 48b.
for layout in 56:0 48:0 44:2 48b:2; do
    "$ZQFS" create -q --force -o "zone.layout=${layout%:*},zone.size=1M,zone.capacity=512K" a.qcow2 8M
    "$qpatch" a.qcow2 wp-be:3:0x400000
    assert_status "${layout#*:}" "$ZQFS" check a.qcow2
done

# A pointer within a block: its QEMU refuses the whole image. Reading shows it as it is, writing
# goes on behind zeros at the next block.
"$ZQFS" create -q --force -o zone.size=1M a.qcow2 8M
"$zdev" a.qcow2 append:2:1024:7 >done
"$qpatch" a.qcow2 "wp-be:2:$((2 * 1048576 + 700))"
assert_status 2 "$ZQFS" check a.qcow2
grep -q "zone 2 (seq/2): write pointer 0x2002bc is not a multiple of 512: QEMU of" out
assert_eq "$("$zdev" ro a.qcow2 cat:2 | wc -c)" 700 "what reads show"
"$zdev" a.qcow2 append:2:512:8 >done
assert_eq "$("$qpatch" a.qcow2 get-wp-be:2)" $((2 * 1048576 + 1536)) "the pointer after a write"
"$zdev" ro a.qcow2 cat:2 >zone
assert_eq "$(tail -c +701 zone | head -c 324 | tr -d '\0' | wc -c)" 0 "bytes that are not zero"
assert_status 0 "$ZQFS" check a.qcow2

# Limits that are too large are taken as the largest that makes sense, and said to be so.
"$qpatch" a.qcow2 zoned:max_active_zones:9 zoned:max_open_zones:20
assert_status 0 "$ZQFS" check a.qcow2
grep -q "max_active_zones 9 is larger than nr_zones: taken as 8" out
assert_eq "$("$ZQFS" info a.qcow2 | sed -n 's/^max active zones: *//p')" 8 "the limit that counts"
