#!/usr/bin/env bash
# Images that QEMU wrote can be written on, and Debian's qemu-img finds nothing wrong after.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 300
source "${0%/*}/lib.sh"
# shellcheck source=tests/golden.bash
source "${0%/*}/golden.bash"
requires_fuse
requires qemu-img getfattr setfattr
requires_tool qpatch
golden_unpack
qpatch=$TOOLS/qpatch

# With bit 5 cleared in a copy: no error, and nothing but the zoned metadata is leaked.
qemu_check() { # NAME
    local rc=0 meta
    rm -rf "$DIR/copy"
    mkdir "$DIR/copy"
    cp --sparse=always "$DIR"/golden/*.qcow2 "$DIR"/golden/*.data "$DIR/copy"
    "$qpatch" "$DIR/copy/$1.qcow2" clear-bit:5
    # the name of a data file is relative to where qemu-img runs
    (cd "$DIR/copy" && qemu-img check "$1.qcow2") >"$DIR/out" 2>&1 || rc=$?
    meta=$(($(golden_zones "$1" | wc -l) * 8))
    cluster=$("$qpatch" "$DIR/copy/$1.qcow2" get-cluster)
    meta=$(((meta + cluster - 1) / cluster))
    if [ "$rc" -ne 3 ] || ! grep -qx "$meta leaked clusters were found on the image." "$DIR/out"; then
        cat "$DIR/out"
        fail "qemu-img check of $1: status $rc, $meta leaked clusters expected"
    fi
}

# What qemu-img reads is what the files hold, padded with zeros behind the pointers.
qemu_compare() { # NAME
    (cd "$DIR/copy" && qemu-img convert -O raw "$1.qcow2" raw)
    if [ "$1" = backing ]; then
        # behind a pointer the backing file shines through; the files are compared instead
        compare_by_zone "$1"
    else
        cmp "$DIR/copy/raw" "$DIR/device" || fail "qemu-img reads something else in $1"
    fi
}

compare_by_zone() { # NAME
    local zone conv start len cap wp sha size
    # shellcheck disable=SC2034
    while read -r zone conv start len cap wp sha; do
        size=$(sed -n "$((zone + 1))p" "$DIR/sizes")
        cmp -n "$size" -i "$start" "$DIR/copy/raw" "$DIR/device" || fail "zone $zone of $1"
    done < <(golden_zones "$1")
}

# Appends, finishes and resets; $DIR/want then holds the expected files.
work() { # NAME MOUNTPOINT
    local seq=$2/seq last part cap cnv
    rm -rf "$DIR/want"
    cp -r "$2" "$DIR/want"
    chmod -R u+w "$DIR/want"
    last=$(find "$seq" -type f | wc -l)
    last=$((last - 1))

    # on behind what QEMU wrote, aligned to a block first
    for n in 0 1 2; do
        [ "$(attr "$seq/$n" state)" = closed ] || continue
        truncate -s %512 "$DIR/want/seq/$n"
        part=$(($(size_of "$seq/$n") % 512))
        [ "$part" -eq 0 ] || head -c $((512 - part)) /dev/zero >>"$seq/$n"
        pattern_bytes "a$n" 70000 >>"$seq/$n"
        pattern_bytes "a$n" 70000 >>"$DIR/want/seq/$n"
        truncate -s %512 "$DIR/want/seq/$n"
    done
    # finish a zone that was empty, reset one that was full, write to one that was reset
    truncate -s "$(attr "$seq/5" capacity)" "$seq/5" "$DIR/want/seq/5"
    truncate -s 0 "$seq/3" "$DIR/want/seq/3"
    pattern_bytes b 1000 | tee "$DIR/want/seq/4" >"$seq/4"
    truncate -s %512 "$DIR/want/seq/4"
    # rewritten in one go after a reset
    pattern_bytes c 66000 | tee "$DIR/want/seq/6" >"$seq/6"
    truncate -s %512 "$DIR/want/seq/6"
    # the last zone, which is short in one image, to its end
    cap=$(attr "$seq/$last" capacity)
    truncate -s 0 "$seq/$last" "$DIR/want/seq/$last"
    pattern_bytes d "$cap" | tee "$DIR/want/seq/$last" >"$seq/$last"
    cnv=$(find "$2" -path '*/cnv/*' -printf 'cnv/%f\n' | sort | tail -n 1)
    if [ -n "$cnv" ]; then
        pattern_bytes e 9000 |
            tee >(dd of="$DIR/want/$cnv" bs=1k seek=60 conv=notrunc status=none) |
            dd of="$2/$cnv" bs=1k seek=60 conv=notrunc status=none
    fi
}

compare_files() { # NAME MOUNTPOINT WHEN
    local f
    while read -r f; do
        cmp "$2/$f" "$DIR/want/$f" || fail "$f of $1 $3"
    done < <(cd "$DIR/want" && find . -type f)
}

for name in $(golden_names); do
    [ -z "$(golden_refusal "$name")" ] || continue
    # a mapping of three-quarters of a gigabyte is what qemu-768m.sh is for, and an image that
    # allows one active zone has no room for this work
    case $name in example768M | d-defaults | d-zstd) continue ;; esac
    image=$DIR/golden/$name.qcow2
    mount_image "$image" "$DIR/mnt"
    work "$name" "$DIR/mnt"
    sleep 0.1 # the shell's tee ends on its own
    compare_files "$name" "$DIR/mnt" "before unmounting"
    remount_image "$image" "$DIR/mnt"
    compare_files "$name" "$DIR/mnt" "after unmounting"
    padded_device "$DIR/mnt" "$name" >"$DIR/device"
    find "$DIR/mnt" -type f -printf '%f %h %s\n' | sort -k2,2 -k1,1n | cut -d' ' -f3 >"$DIR/sizes"
    unmount "$DIR/mnt"
    qemu_check "$name"
    qemu_compare "$name"
    assert_status 0 "$ZQFS" check "$image"
    assert_eq "$("$qpatch" "$image" get-bit:5)" 1 "the zoned bit of $name"
done
