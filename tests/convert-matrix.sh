#!/usr/bin/env bash
# Every format into every other and back is the same disk: zones, pointers, data.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_tool zdev
requires cmp sha256sum
zdev=$TOOLS/zdev

# A disk with conventional zones, an empty, a partly written, a finished and a filled zone, holes
# and zeros, a short last zone unless the format cannot hold one.
make_disk() { # IMAGE SIZE OPTIONS
    "$ZQFS" create -q -o "zone.size=1M,zone.conventional_zones=2,$3" "$1" "$2"
    "$zdev" "$1" append:3:4096:1 append:3:69632:2 append:4:786432:3 append:5:512:4 finish:5 \
        append:6:300032:0 append:6:4096:5 append:7:65536:6 reset:7 write:0:5000:3000:7 \
        write:0:1500000:100000:8 >"$DIR/made"
}

same() { # A B WHAT
    "$ZQFS" compare "${@:4}" "$1" "$2" >"$DIR/out" 2>&1 || fail "$3: $(cat "$DIR/out")"
}

target_args() { # FORMAT
    case $1 in
        qcow2) ;;
        *) echo "-O $1" ;;
    esac
}

n=0
through() { # IMAGE FORMAT...: converts from format to format, and back to an image
    local from=$1 to args
    for format in "${@:2}" qcow2; do
        to=$DIR/step$((n += 1))
        read -ra args < <(target_args "$format") || true
        # a folder without a zone that is full does not tell how large one is
        [ ! -d "$from" ] || args+=(-o zone.size=1M)
        "$ZQFS" convert "${args[@]}" "$from" "$to" || fail "$from to $format"
        if [ ! -d "$from" ] && [ ! -d "$to" ]; then
            same "$from" "$to" "$from and $format" --strict
        fi
        from=$to
    done
    same "$1" "$from" "$* and back"
    "$ZQFS" check "$from" >"$DIR/out" || fail "check after $*: $(cat "$DIR/out")"
}

make_disk "$DIR/a" 10M zone.capacity=768K,zone.max_active_zones=5,zone.max_open_zones=3
make_disk "$DIR/short" $((10 * 1048576 - 393216)) zone.capacity=768K,cluster_size=4K
make_disk "$DIR/whole" 10M cluster_size=32K
formats=(qcow2 raw dump folder)
for first in "${formats[@]}"; do
    for second in "${formats[@]}"; do
        through "$DIR/whole" "$first" "$second"
        # a folder tells neither limits nor capacity: that comes below
        case "$first $second" in *folder*) continue ;; esac
        through "$DIR/a" "$first" "$second"
        through "$DIR/short" "$first" "$second"
    done
done

# A folder keeps data and pointers; what it does not tell is said with options.
"$ZQFS" convert -O folder "$DIR/a" "$DIR/folder"
assert_eq "$(stat -c %s "$DIR/folder/seq-000003")" 73728 "the size of a zone's file"
"$ZQFS" convert -o zone.size=1M,zone.capacity=768K "$DIR/folder" "$DIR/back"
same "$DIR/a" "$DIR/back" "a folder and back"
"$ZQFS" convert --force -o zone.size=1M,zone.capacity=768K "$DIR/folder" "$DIR/back"
same "$DIR/a" "$DIR/back" "a folder over an image beside it"
expect_fail 'is the source' "$ZQFS" convert --force "$DIR/folder" "$DIR/folder/seq-000003"
expect_fail 'the last zone is shorter' "$ZQFS" convert -O folder "$DIR/short" "$DIR/folder2"
[ ! -e "$DIR/folder2" ] || fail "a refused target is there"

# Each layout, other clusters, compression, extended L2, an external data file.
for options in zone.layout=56 zone.layout=48 zone.layout=48b cluster_size=512 zone.layout=56,cluster_size=2M \
    extended_l2=on refcount_bits=64 data_file=ext.raw,data_file_raw=on; do
    rm -f "$DIR/ext.raw"
    "$ZQFS" convert -o "$options" "$DIR/a" "$DIR/shape" --force || fail "$options"
    same "$DIR/a" "$DIR/shape" "$options"
    "$ZQFS" check "$DIR/shape" >"$DIR/out" || fail "check with $options: $(cat "$DIR/out")"
done
for type in zlib zstd; do
    "$ZQFS" convert -c -o "compression_type=$type" "$DIR/a" "$DIR/packed" --force
    same "$DIR/a" "$DIR/packed" "compressed with $type"
    "$ZQFS" check "$DIR/packed" | holds ' [1-9][0-9]* compressed' || fail "nothing is compressed"
    "$ZQFS" convert "$DIR/packed" "$DIR/plain" --force
    same "$DIR/packed" "$DIR/plain" "$type and back"
done

# Data of the source begins and ends within clusters of a compressed target.
"$ZQFS" create -q -o zone.size=1M,cluster_size=4K,zone.conventional_zones=1 "$DIR/cut" 4M
"$zdev" "$DIR/cut" write:4096:4096:7 write:20480:4096:8 append:1:5120:9 >"$DIR/made"
"$ZQFS" convert -c "$DIR/cut" "$DIR/cut2"
same "$DIR/cut" "$DIR/cut2" "data within clusters, compressed"

# Holes stay holes, and zeros become some.
"$ZQFS" create -q -o zone.size=64M "$DIR/wide" 1G
"$zdev" "$DIR/wide" append:1:4096:1 append:2:33554432:0 append:2:4096:2 >"$DIR/made"
"$ZQFS" convert "$DIR/wide" "$DIR/wide2"
same "$DIR/wide" "$DIR/wide2" "a disk with zeros"
[ "$(du -k "$DIR/wide2" | cut -f1)" -lt 1500 ] || fail "zeros take $(du -k "$DIR/wide2")"
"$ZQFS" convert -S 0 "$DIR/wide" "$DIR/wide3"
[ "$(du -k "$DIR/wide3" | cut -f1)" -gt 30000 ] || fail "-S 0 made holes"
same "$DIR/wide" "$DIR/wide3" "-S 0"

# A difference is found and told, with its exit status.
cp "$DIR/a" "$DIR/b"
"$zdev" "$DIR/b" write:5001:1:99 append:3:512:9 >"$DIR/made"
assert_status 1 "$ZQFS" compare "$DIR/a" "$DIR/b"
grep -q 'zone 0 (cnv/0): data at byte 5001' "$DIR/out" || fail "no data: $(cat "$DIR/out")"
grep -q 'zone 3 (seq/1): write pointer 73728 and 74240' "$DIR/out" || fail "no pointer: $(cat "$DIR/out")"
assert_status 2 "$ZQFS" compare "$DIR/a" "$DIR/none"
