#!/usr/bin/env bash
# "zqfs resize" adds zones and takes empty ones away, and refuses what would lose something.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires jq
requires_tool zdev qpatch
requires_tool holdlock
cd "$DIR"
zdev=$TOOLS/zdev
info() { "$ZQFS" info --json a.qcow2 | jq -r "$1"; } # FILTER
make() { # KEY=VALUE[,...] SIZE
    "$ZQFS" create -q --force -o "zone.size=1M,$1" a.qcow2 "$2"
}
resized() { # SIZE "SIZE ZONES": all is well afterwards
    "$ZQFS" resize -q a.qcow2 "$1"
    assert_eq "$(info '.geometry | "\(.size) \(.nr_zones)"')" "$2" "after resize $1"
    assert_status 0 "$ZQFS" check a.qcow2
    if grep -E '^(leak|corruption)' out; then fail "not clean after resize $1"; fi
}
refused() { # "PART OF THE MESSAGE" SIZE: one line, status 1, the image as it was
    cp a.qcow2 before
    assert_status 1 "$ZQFS" resize a.qcow2 "$2"
    assert_eq "$(wc -l <out)" 1 "lines of: resize $2"
    grep -qF -- "a.qcow2: " out || fail "resize $2 does not name the image: $(cat out)"
    grep -qF -- "$1" out || fail "resize $2 said '$(cat out)', expected '$1'"
    assert_same a.qcow2 before
}

# ---- larger, smaller, and what the zones hold ------------------------------------------------

for layout in 44 56 48 48b; do
    make "zone.layout=$layout,zone.conventional_zones=1,cluster_size=4K" 8M
    "$zdev" a.qcow2 write:0:4096:9 append:1:70000:1 append:2:1048576:2 finish:3 append:4:512:4 >ran
    resized 10M "10485760 10"
    resized +6M "16777216 16"
    resized +4G "4311744512 4112"
    resized -4G "16777216 16"
    assert_eq "$("$zdev" a.qcow2 append:15:1048576:5 is:15:0:1048576:5 reset:15)" \
        "1048576 yes 0 " "work in a new zone of layout $layout"
    resized -8M "8388608 8"
    resized 5M "5242880 5"
    assert_eq "$("$zdev" ro a.qcow2 isconv:0:4096:9 is:1:0:70000:1 is:2:0:1048576:2 state:3 is:4:0:512:4)" \
        "yes yes yes full yes " "the zones in layout $layout"
    refused "zone 4 (seq/3) is not empty, and would go" -1M
    refused "is not a multiple of the zone size 1M" 5632K
    refused "is not so large" -6M
    refused "one zone is the least" -5M
    refused "'5,5M' is not a size" 5,5M
done
assert_eq "$("$ZQFS" resize --json a.qcow2 6M | jq -c '[.old_size, .old_zones, .size, .zones]')" \
    "[5242880,5,6291456,6]" "what --json prints"
assert_eq "$("$ZQFS" resize a.qcow2 +2M)" "a.qcow2: 8 MiB, 8 zones (before: 6)" "what it prints"
cp a.qcow2 before
assert_eq "$("$ZQFS" resize a.qcow2 8M)" "a.qcow2 has that size: 8 MiB, 8 zones" "the same size"
assert_same a.qcow2 before
assert_status 2 "$ZQFS" resize a.qcow2

# A short last zone: empty it grows or goes, otherwise it stays.
make zone.layout=56 7680K
resized 8M "8388608 8"
make zone.layout=44 7680K
resized 7M "7340032 7"
make zone.layout=44 7680K
"$zdev" a.qcow2 append:7:512:1 >ran
refused "zone 7 (seq/7) is not empty, and would get longer" 9M
refused "zone 7 (seq/7) is not empty, and would go" 7M

# Limits that the image has must fit.
make zone.max_open_zones=6,zone.max_active_zones=6 8M
refused "max_active_zones 6 is larger than nr_zones 5" 5M
resized 6M "6291456 6"
make zone.conventional_zones=4 8M
refused "conventional_zones 4 is not smaller than nr_zones 4" 4M

# So must what a layout, a table or the format holds.
make zone.layout=44 8M
refused "nr_zones 1048577 is larger than 1048576, the most that layout 44 allows" 1048577M
refused "7696581394432 zones are more than 4294967295" 7E
make zone.layout=56,cluster_size=512 8M
refused "the L1 table would have 33816576 bytes, more than 33554432; larger clusters are needed" 129G

# ---- what is refused ------------------------------------------------------------------------

truncate -s 8M base.raw
make backing_file=base.raw,backing_fmt=raw 8M
refused "has a backing file" 9M
make cluster_size=64K 8M
"$TOOLS/qpatch" a.qcow2 set-bit:0
refused "is marked dirty" 9M
"$TOOLS/qpatch" a.qcow2 clear-bit:0 wp-be:4:7
refused "is damaged" 9M
make zone.layout=56,cluster_size=64K 8M
"$zdev" a.qcow2 append:1:512:1 >ran
"$TOOLS/qpatch" a.qcow2 l2:16:7 # not a pointer, but a mapping
refused "is damaged" 9M
if command -v qemu-img >ran; then
    make cluster_size=64K 8M
    "$TOOLS/qpatch" a.qcow2 clear-bit:5
    qemu-img snapshot -c one a.qcow2
    "$TOOLS/qpatch" a.qcow2 set-bit:5
    refused "has internal snapshots" 9M
    make cluster_size=64K 8M
    "$TOOLS/qpatch" a.qcow2 clear-bit:5
    qemu-img bitmap --add a.qcow2 b0
    "$TOOLS/qpatch" a.qcow2 set-bit:5
    refused "has persistent bitmaps" 9M
fi
if [ -c /dev/fuse ]; then
    make cluster_size=64K 8M
    mount_image a.qcow2 mnt
    expect_fail "a.qcow2: " "$ZQFS" resize a.qcow2 9M
    unmount mnt
    assert_eq "$(info .geometry.nr_zones)" 8 "zones after a resize that was refused"
fi

# ---- a data file is as long as the disk ------------------------------------------------------

for raw in off on; do
    make "data_file=a.data,data_file_raw=$raw" 8M
    "$zdev" a.qcow2 append:1:512:1 >ran
    resized 10M "10485760 10"
    assert_size a.data 10485760
    assert_eq "$("$zdev" a.qcow2 append:9:512:2 is:9:0:512:2 reset:9)" "512 yes 0 " "work in a new zone"
    resized 2M "2097152 2"
    assert_size a.data 2097152
    assert_eq "$("$zdev" ro a.qcow2 is:1:0:512:1)" "yes " "the zone that stays"
done
# A data file that is in use, one that has moved, and one whose name the image does not tell.
coproc "$TOOLS/holdlock" a.data write
pid=$COPROC_PID
read -r held <&"${COPROC[0]}"
assert_eq "$held" held "the data file's lock"
cp a.qcow2 before
expect_fail "a.data: the data file is in use" "$ZQFS" resize a.qcow2 4M
assert_same a.qcow2 before
eval "exec ${COPROC[1]}>&-"
wait "$pid"
mv a.data moved.data
assert_status 1 "$ZQFS" resize a.qcow2 4M
"$ZQFS" resize -q --data-file=moved.data a.qcow2 4M
assert_size moved.data 4194304
"$TOOLS/qpatch" a.qcow2 hex:112:00 # the extension with the name is one that nobody knows
refused "does not name its external data file" 8M
