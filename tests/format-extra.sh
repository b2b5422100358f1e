#!/usr/bin/env bash
# A further layout of the zoned extension is one row of the table, and no other line knows of it.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires jq
requires_tool zdev
[ -f "$BUILD/prog.list" ] && [ -f "$BUILD/libzqfs-raw.a" ] || skip "no objects to link"
if nm "$BUILD/libzqfs-raw.a" 2>/dev/null | holds '__[at]san_init'; then
    skip "built with a sanitizer"
fi
cc=${CC:-gcc}
requires "${cc##* }" pkg-config

# Longer than the others, fields in another order, words little-endian or big, a flag of its own.
cat >"$DIR/row.h" <<'END'
{
	.name = "E",
	.revision = "the series of a test",
	.len = 72,
	.zone_capacity = { 4, 8 },
	.zone_size = { 16, 8 },
	.max_open = { 24, 4 },
	.nr_conv = { 28, 4 },
	.nr_zones = { 32, 4 },
	.max_active = { 36, 4 },
	.meta_offset = { 56, 8 },
	.meta_size = { 64, 8 },
	.conv_flag = UINT64_C(1) << 61,
	.wp_mask = (UINT64_C(1) << 60) - 1,
	.host_order = true,
	.ends_at_capacity = true,
},
END
cd "$TOP"
$cc -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Iinclude -Isrc \
    "-DZONED_LAYOUT_EXTRA=\"$DIR/row.h\"" -c -o "$DIR/layouts.o" src/qcow2/format/zoned_layout.c
# The object comes before the library, whose own table is then not taken.
mapfile -t objects < <(tr ' ' '\n' <"$BUILD/prog.list")
# shellcheck disable=SC2046 # words on purpose
$cc -pthread -o "$DIR/zqfs" "${objects[@]}" "$DIR/layouts.o" "$BUILD/libzqfs-raw.a" \
    $(pkg-config --libs fuse3 libzstd zlib)

cd "$DIR"
zqfs=$DIR/zqfs
"$zqfs" create -o help | holds '^  E  *opened by QEMU with the series of a test$' ||
    fail "the help does not list the layout"
"$zqfs" create -q -o zone.layout=E,zone.size=1M,zone.capacity=768K,zone.max_active_zones=5 \
    -o zone.wp_order=little a.qcow2 8000K
"$zqfs" finish a.qcow2 2,7
assert_eq "$("$zqfs" info --json a.qcow2 |
    jq -c '[.layout, .extension_length, .wp_order, .opened_by, .geometry.max_active]')" \
    '["E",72,"little","the series of a test",5]' "what info says"
"$zqfs" report --csv a.qcow2 >want
assert_eq "$(grep -c ',full,' want)" 2 "finished zones"
for layout in 44 E 56 E 48 E 48b E; do
    "$zqfs" amend -o "zone.layout=$layout" a.qcow2 2>/dev/null
    "$zqfs" report --csv a.qcow2 | diff want - || fail "zones in layout $layout"
    assert_status 0 "$zqfs" check a.qcow2
done
# who does not have the row says which lengths there are
expect_fail "length 72 is that of no known layout (44, 48, 56)" "$ZQFS" info a.qcow2
