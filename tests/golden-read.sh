#!/usr/bin/env bash
# Images that QEMU wrote report and read as QEMU's own sidecars say.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 300
source "${0%/*}/lib.sh"
# shellcheck source=tests/golden.bash
source "${0%/*}/golden.bash"
requires_fuse
requires getfattr
golden_unpack

# What "zqfs report --csv" must print of an image, computed from the raw pointers: QEMU's own
# report is wrong about capacities and short last zones.
expected_csv() { # NAME
    local zone conv start len cap wp sha state nr_conv file
    nr_conv=$(golden_zones "$1" | cut -d' ' -f2 | grep -c 1 || true)
    echo "number,type,state,start,size,capacity,wp,file"
    # shellcheck disable=SC2034
    while read -r zone conv start len cap wp sha; do
        state=$(golden_state "$conv" "$start" "$cap" "$wp")
        file=$(zone_file "$zone" "$nr_conv")
        case $state in
            not-wp) echo "$zone,conventional,not-wp,$start,$len,$cap,,$file" ;;
            full) echo "$zone,sequential,full,$start,$len,$cap,,$file" ;;
            *) echo "$zone,sequential,$state,$start,$len,$cap,$wp,$file" ;;
        esac
    done < <(golden_zones "$1")
}

# Behind the pointer QEMU reads what the backing file holds, but for a zone that it has reset
# itself, which it overwrote with zeros.
padding() { # NAME ZONE
    if [ "$1" = backing ] && [ "$2" != 6 ]; then
        printf '%s\n' '\273'
    else
        printf '%s\n' '\0'
    fi
}

check_files() { # NAME MOUNTPOINT
    local zone conv start len cap wp sha nr_conv file n=0
    nr_conv=$(golden_zones "$1" | cut -d' ' -f2 | grep -c 1 || true)
    while read -r zone conv start len cap wp sha; do
        file=$2/$(zone_file "$zone" "$nr_conv")
        assert_size "$file" "$(golden_size "$conv" "$start" "$cap" "$wp")"
        assert_attr "$file" number "$zone"
        assert_attr "$file" state "$(golden_state "$conv" "$start" "$cap" "$wp")"
        # QEMU's sums are of what is small enough to read
        [ -z "$sha" ] || assert_eq "$(padded_sha "$file" "$len" "$(padding "$1" "$zone")")" "$sha" \
            "contents of zone $zone of $1"
        n=$((n + 1))
    done < <(golden_zones "$1")
    assert_eq "$(find "$2/" -type f | wc -l)" "$n" "number of files of $1"
}

for name in $(golden_names); do
    image=$DIR/golden/$name.qcow2
    refusal=$(golden_refusal "$name")
    if [ -n "$refusal" ]; then
        expect_fail "$refusal" "$ZQFS" "$image" "$DIR"
        continue
    fi
    before=$(sha256sum <"$image")
    "$ZQFS" report --csv "$image" >"$DIR/got"
    expected_csv "$name" >"$DIR/want"
    diff "$DIR/want" "$DIR/got" || fail "report of $name"

    mount_image "$image" "$DIR/mnt" -o ro
    check_files "$name" "$DIR/mnt"
    unmount "$DIR/mnt"
    mount_image "$image" "$DIR/mnt"
    check_files "$name" "$DIR/mnt"
    unmount "$DIR/mnt"
    assert_eq "$(sha256sum <"$image")" "$before" "$name after mounting and reading it"
done

"$ZQFS" info "$DIR/golden/d-base.qcow2" >"$DIR/info"
grep -q '^zoned layout: *44 (44 bytes)$' "$DIR/info" || fail "info of d-base does not name the layout"
grep -q '^opened by: *QEMU with the series of autumn 2026' "$DIR/info"

# the order of bytes and the layout are told apart
"$ZQFS" info "$DIR/golden/base-48-little.qcow2" >"$DIR/info"
grep -Eqi '48' "$DIR/info" || fail "info of base-48-little does not name the layout"
grep -Eqi 'little' "$DIR/info" || fail "info of base-48-little does not name the byte order"
"$ZQFS" info "$DIR/golden/base-56-big.qcow2" >"$DIR/info"
grep -Eqi 'big' "$DIR/info" || fail "info of base-56-big does not name the byte order"
