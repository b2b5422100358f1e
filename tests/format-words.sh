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
"$zdev" a.qcow2 append:2:1024:7 >ran
"$qpatch" a.qcow2 "wp-be:2:$((2 * 1048576 + 700))"
assert_status 2 "$ZQFS" check a.qcow2
grep -q "zone 2 (seq/2): write pointer 0x2002bc is not a multiple of 512: QEMU of" out
assert_eq "$("$zdev" ro a.qcow2 cat:2 | wc -c)" 700 "what reads show"
"$zdev" a.qcow2 append:2:512:8 >ran
assert_eq "$("$qpatch" a.qcow2 get-wp-be:2)" $((2 * 1048576 + 1536)) "the pointer after a write"
"$zdev" ro a.qcow2 cat:2 >zone
assert_eq "$(tail -c +701 zone | head -c 324 | tr -d '\0' | wc -c)" 0 "bytes that are not zero"
assert_status 0 "$ZQFS" check a.qcow2

# Finishing such a zone, the short last one too, makes it full with zeros behind the pointer.
last=$((7 * 1048576)) short=$((7 * 1048576 + 5 * 512))
"$ZQFS" create -q --force -o zone.size=1M,zone.capacity=513K a.qcow2 $short
"$zdev" a.qcow2 append:2:1024:7 append:7:1024:7 >ran
"$qpatch" a.qcow2 "wp-be:2:$((2 * 1048576 + 700))" "wp-be:7:$((last + 700))"
"$zdev" a.qcow2 finish:2 finish:7 >ran
assert_eq "$("$qpatch" a.qcow2 get-wp-be:2)" $((2 * 1048576 + 513 * 1024)) "a finished zone's pointer"
assert_eq "$("$qpatch" a.qcow2 get-wp-be:7)" $short "the short zone's pointer"
for zone in 2 7; do
    "$zdev" ro a.qcow2 cat:$zone >zone
    assert_eq "$(head -c 700 zone | tr -d '\7' | wc -c)" 0 "other bytes before the pointer"
    assert_eq "$(tail -c +701 zone | tr -d '\0' | wc -c)" 0 "other bytes behind the pointer"
done
assert_status 0 "$ZQFS" check a.qcow2

# Repair pads as writing on does: zeros up to the block's end, wherever the bytes are.
tail_mended() { # IMAGE SIZE: zone 2 has 700 bytes of 7, and zeros up to SIZE
    assert_status 2 "$ZQFS" check "$1"
    assert_status 0 "$ZQFS" check --repair=all "$1"
    grep -q "zone 2 .*0x2002bc is not a multiple of 512.*padded with zeros" out || fail "$(cat out)"
    assert_status 0 "$ZQFS" check "$1"
    assert_eq "$("$qpatch" "$1" get-wp-be:2)" $((2 * 1048576 + $2)) "the pointer of $1"
    "$zdev" ro "$1" cat:2 >zone
    assert_eq "$(head -c 700 zone | tr -d '\7' | wc -c)" 0 "other bytes before the pointer of $1"
    assert_eq "$(tail -c +701 zone | tr -d '\0' | wc -c)" 0 "other bytes behind it"
}
for o in cluster_size=64K extended_l2=on,cluster_size=16K cluster_size=512 data_file=a.data \
    data_file=a.data,data_file_raw=on; do
    "$ZQFS" create -q --force -o "zone.size=1M,$o" a.qcow2 8M
    "$zdev" a.qcow2 append:2:2048:7 >ran
    "$qpatch" a.qcow2 "wp-be:2:$((2 * 1048576 + 700))"
    tail_mended a.qcow2 1024
done
# nothing to write where nothing is mapped
"$ZQFS" create -q --force -o zone.size=1M a.qcow2 8M
"$qpatch" a.qcow2 "wp-be:2:$((2 * 1048576 + 700))"
assert_status 0 "$ZQFS" check --repair=all a.qcow2
assert_eq "$("$zdev" ro a.qcow2 cat:2 | tr -d '\0' | wc -c)" 0 "bytes of a zone without data"
assert_eq "$("$qpatch" a.qcow2 get-wp-be:2)" $((2 * 1048576 + 1024)) "its pointer"
# A data file that is not there: nothing is claimed.
"$ZQFS" create -q --force -o zone.size=1M,data_file=a.data a.qcow2 8M
"$zdev" a.qcow2 append:2:2048:7 >ran
"$qpatch" a.qcow2 "wp-be:2:$((2 * 1048576 + 700))"
mv a.data b.data
assert_status 2 "$ZQFS" check --repair=all a.qcow2
grep -q "writing on or finishing the zone mends it" out || fail "$(cat out)"
mv b.data a.data
tail_mended a.qcow2 1024
# a snapshot has the cluster too, and its bytes are not the zone's to change
if command -v qemu-img >plain; then
    "$ZQFS" create -q --force -o zone.size=1M a.qcow2 8M
    "$zdev" a.qcow2 append:2:2048:7 >ran
    "$qpatch" a.qcow2 clear-bit:5
    qemu-img snapshot -c one a.qcow2
    "$qpatch" a.qcow2 set-bit:5 "wp-be:2:$((2 * 1048576 + 700))"
    cp a.qcow2 before
    assert_status 2 "$ZQFS" check --repair=all a.qcow2
    assert_same before a.qcow2
fi

# Limits that are too large are taken as the largest that makes sense, and said to be so.
"$ZQFS" create -q --force -o zone.size=1M a.qcow2 8M
"$qpatch" a.qcow2 zoned:max_active_zones:9 zoned:max_open_zones:20
assert_status 0 "$ZQFS" check a.qcow2
grep -q "max_active_zones 9 is larger than nr_zones: taken as 8" out
assert_eq "$("$ZQFS" info a.qcow2 | sed -n 's/^max active zones: *//p')" 8 "the limit that counts"
