#!/usr/bin/env bash
# Images that QEMU wrote, through libzqfs alone: contents, states, work on them; no mount needed.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
# shellcheck source=tests/golden.bash
source "${0%/*}/golden.bash"
requires_tool zdev
golden_unpack
zdev=$TOOLS/zdev

for name in $(golden_names); do
    [ -z "$(golden_refusal "$name")" ] || continue
    image=$DIR/golden/$name.qcow2
    while read -r zone conv start len cap wp sha; do
        assert_eq "$("$zdev" ro "$image" "state:$zone")" \
            "$(golden_state "$conv" "$start" "$cap" "$wp") " "state of zone $zone of $name"
        [ -n "$sha" ] || continue # QEMU's sums are of what is small enough to read
        pad='\0'
        # behind a pointer QEMU reads the backing file, but for a zone that it has reset
        [ "$name" != backing ] || [ "$zone" = 6 ] || pad='\273'
        "$zdev" ro "$image" "cat:$zone" >"$DIR/zone"
        assert_size "$DIR/zone" "$(golden_size "$conv" "$start" "$cap" "$wp")"
        assert_eq "$(padded_sha "$DIR/zone" "$len" "$pad")" "$sha" \
            "contents of zone $zone of $name"
    done < <(golden_zones "$name")

    # an append behind what QEMU wrote, a reset and a finish, and all of it after reopening
    case $name in
        d-defaults) continue ;; # four large zones
        d-zstd) empty=7 finish=3 ;; # one active zone at most
        d-*) empty=6 finish=7 ;;
        *) empty=9 finish=7 ;;
    esac
    assert_eq "$("$zdev" "$image" reset:3 append:3:4096:7 "finish:$finish" append:$empty:512:8 \
        again is:3:0:4096:7 "state:$finish" state:$empty)" "0 4096 0 512 0 yes full closed " \
        "work on $name"
done
