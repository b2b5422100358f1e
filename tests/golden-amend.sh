#!/usr/bin/env bash
# Golden images through all layouts and back: 44 to 56, 48, 48b and 44 again, byte-equal in pointers and data.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 300
source "${0%/*}/lib.sh"
# shellcheck source=tests/golden.bash
source "${0%/*}/golden.bash"
requires_tool zdev qpatch
golden_unpack

table() { # IMAGE ZONES: the words of the pointer table, as bytes
    local at
    at=$("$TOOLS/qpatch" "$1" get-zoned:zonedmeta_offset)
    dd if="$1" bs=8 skip=$((at / 8)) count="$2" status=none | od -An -v -tx8 --endian=big
}
sums() { # IMAGE: of what each zone shows, and its state
    "$ZQFS" report --csv "$1"
    # shellcheck disable=SC2046 # a word for each zone
    "$TOOLS/zdev" ro "$1" $(golden_zones "$name" | sed 's/ .*//; s/^/sum:/')
}

cd "$DIR/golden"
for name in $(golden_names); do
    image=$name.qcow2
    zones=$(golden_zones "$name" | wc -l)
    sums "$image" >want
    first=zone.layout=44 ring="56 48 48b 44"
    if [ "$name" = unaligned ]; then # a pointer within a block
        expect_fail "is not a multiple of 512" "$ZQFS" amend -o zone.layout=44 "$image"
        first=zone.wp_order=big ring="48 48b 56"
    fi
    "$ZQFS" amend -o $first "$image" 2>/dev/null # nothing to do for the newest ones
    table "$image" "$zones" >pointers
    for layout in $ring; do
        "$ZQFS" amend -o zone.layout=$layout "$image" 2>/dev/null
        sums "$image" | diff want - || fail "$name in layout $layout"
        assert_status 0 "$ZQFS" check "$image"
        if grep -E '^(leak|corruption)' "$DIR/out"; then
            fail "$name in layout $layout is not clean"
        fi
    done
    table "$image" "$zones" | diff pointers - || fail "pointers of $name after all layouts"
done
