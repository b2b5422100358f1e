#!/usr/bin/env bash
# info: every fact in text and JSON, for images of each kind.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires jq
cd "$DIR"

json() { "$ZQFS" info --json "$1" | jq -c "$2"; } # IMAGE FILTER

"$ZQFS" create -q -o zone.size=1M,zone.capacity=512K,zone.conventional_zones=1 \
    -o zone.max_open_zones=2,zone.max_active_zones=3,zone.wp_order=little,zone.layout=48 \
    -o cluster_size=32K,refcount_bits=32,compression_type=zstd,extended_l2=on \
    -o lazy_refcounts=on a.qcow2 3584K
"$ZQFS" finish a.qcow2 2

cat >want <<'END'
image:             a.qcow2
device size:       3.5 MiB (3670016 bytes)
zones:             4 (1 conventional, 3 sequential)
zone size:         1 MiB (1048576 bytes)
zone capacity:     512 KiB (524288 bytes)
last zone:         512 KiB (524288 bytes)
max open zones:    2
max active zones:  3
max append:        64 KiB (65536 bytes)
zones by state:    not-wp 1, empty 2, full 1
format:            qcow2 version 3 with the zoned extension
zoned layout:      48 (48 bytes)
opened by:         QEMU with the series of 2023, and no other
END
"$ZQFS" info a.qcow2 >text
head -n 13 text | diff want - || fail "the text begins differently"
grep -q '^write pointers:    little-endian, at byte [0-9]* of the file$' text
grep -q '^cluster size:      32 KiB (32768 bytes)$' text
grep -q '^refcount bits:     32$' text
grep -q '^compression:       zstd$' text
grep -q '^features:          zoned, .*extended L2, lazy refcounts$' text
grep -q '^feature words:     incompat 0x3[89], compat 0x1, autoclear 0x8000000000000000$' text
! awk 'length > 80' text | holds . || fail "wider than 80 columns: $(awk 'length > 80' text)"
grep -q "^file size: .*($(size_of a.qcow2) bytes)\$" text
grep -q "^disk usage: .*($(disk_usage a.qcow2) bytes)\$" text

assert_eq "$(json a.qcow2 '[.image, .format, .mountpoint, .layout, .extension_length, .wp_order]')" \
    '["a.qcow2","qcow2",null,"48",48,"little"]' "JSON head"
assert_eq "$(json a.qcow2 '[.cluster_size, .refcount_bits, .compression_type, .extended_l2,
    .lazy_refcounts, .corrupt, .bitmaps]')" '[32768,32,"zstd",true,true,false,false]' "JSON features"
assert_eq "$(json a.qcow2 .zones_by_state)" \
    '{"not-wp":1,"empty":2,"implicit-open":0,"explicit-open":0,"closed":0,"full":1,"read-only":0,"offline":0}' \
    "JSON states"
assert_eq "$(json a.qcow2 '[.file_size, .disk_usage]')" \
    "[$(size_of a.qcow2),$(disk_usage a.qcow2)]" "JSON sizes"
assert_eq "$(json a.qcow2 '[.backing_file, .data_file, .data_file_usage, .snapshots]')" \
    '[null,null,null,[]]' "JSON of what is not there"

# no limit
"$ZQFS" create -q -o zone.size=1M b.qcow2 4M
"$ZQFS" info b.qcow2 | holds '^max open zones:    no limit$'
! "$ZQFS" info b.qcow2 | holds '^last zone:' || fail "a last zone that is not short"

# backing file, data file
truncate -s 4M base.raw
"$ZQFS" create -q -o zone.size=1M,backing_file=base.raw,backing_fmt=raw c.qcow2 4M
"$ZQFS" info c.qcow2 | holds '^backing file:      base.raw (raw)$'
assert_eq "$(json c.qcow2 '[.backing_file, .backing_fmt]')" '["base.raw","raw"]' "JSON backing"
"$ZQFS" create -q -o zone.size=1M,data_file=d.data d.qcow2 4M
"$ZQFS" info d.qcow2 | holds '^data file:         d.data$'
"$ZQFS" info d.qcow2 | holds '^data file usage:'
assert_eq "$(json d.qcow2 '[.has_data_file, .data_file, .data_file_raw]')" '[true,"d.data",false]' \
    "JSON data file"

# a data file that moved: named, or the rest is shown without it
mv d.data moved.data
assert_eq "$("$ZQFS" info --json --data-file=moved.data d.qcow2 | jq .zones_by_state.empty)" 4 \
    "states with --data-file"

# refusals
expect_fail "no-such: No such file or directory" "$ZQFS" info no-such
expect_fail ".: a directory, and no zqfs image is mounted on it" "$ZQFS" info .
echo text >junk
expect_fail "junk: not a qcow2 image" "$ZQFS" info junk
if command -v qemu-img >/dev/null; then
    qemu-img create -q -f qcow2 plain.qcow2 1M
    expect_fail "without zones" "$ZQFS" info plain.qcow2
    grep -q "zqfs create" "$DIR/out" || fail "does not say how to make a zoned one"
fi

# layout 44 has no place for it
"$ZQFS" create -q -o zone.size=1M,zone.layout=44 old.qcow2 8M
"$ZQFS" info old.qcow2 | grep -qx "max append:        not in the image" || fail "max append: $("$ZQFS" info old.qcow2)"
