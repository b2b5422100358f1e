#!/usr/bin/env bash
# Images that QEMU wrote are clean for the check; damaged, they are mended with every zone's bytes kept.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
# shellcheck source=tests/golden.bash
source "${0%/*}/golden.bash"
requires_tool zdev
golden_unpack
zdev=$TOOLS/zdev

peek() { # FILE OFFSET: 8 bytes as a number
    od -An -tu8 --endian=big -j "$2" -N 8 "$1" | tr -d ' '
}
sums() { # IMAGE: of what each zone shows
    local zone
    while read -r zone _; do
        "$zdev" ro "$1" "cat:$zone" | sha256sum
    done < <(golden_zones "$name")
}

for name in $(golden_names); do
    image=$DIR/golden/$name.qcow2
    assert_status 0 "$ZQFS" check "$image"
    if grep -E '^(leak|corruption)' "$DIR/out"; then
        fail "$name is not clean"
    fi
    sums "$image" >"$DIR/before"

    # the whole refcount block is lost
    cp "$image" "$DIR/kept"
    table=$(peek "$image" 48)
    printf '\0\0\0\0\0\0\0\0' | dd of="$image" bs=1 seek="$table" conv=notrunc status=none
    assert_status 2 "$ZQFS" check "$image"
    assert_status 0 "$ZQFS" check --repair=all "$image"
    assert_status 0 "$ZQFS" check "$image"
    sums "$image" >"$DIR/after"
    assert_same "$DIR/before" "$DIR/after"
    # the same with the dirty bit: the first write rebuilds the refcounts before it begins
    cp "$DIR/kept" "$image"
    bits=$(($(peek "$image" 72) | 1))
    printf '%b' "$(printf %016x "$bits" | sed 's/../\\x&/g')" |
        dd of="$image" bs=1 seek=72 conv=notrunc status=none
    printf '\0\0\0\0\0\0\0\0' | dd of="$image" bs=1 seek="$table" conv=notrunc status=none
    assert_eq "$("$zdev" "$image" reset:3 append:3:4096:7 is:3:0:4096:7)" "0 4096 yes " \
        "work on the dirty $name"
    assert_status 0 "$ZQFS" check "$image"
    if grep -E '^(leak|corruption)|dirty bit' "$DIR/out"; then
        fail "$name is not clean after work on it"
    fi
    cp "$DIR/kept" "$image"
done
