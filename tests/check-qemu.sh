#!/usr/bin/env bash
# The check agrees with qemu-img's on plain images, sound and damaged, and its repair makes them clean for both.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 300
source "${0%/*}/lib.sh"
requires qemu-img qemu-io od
requires_tool qcheck

QCHECK=$TOOLS/qcheck

peek() { # FILE OFFSET BYTES: a big-endian number, decimal
    local hex
    hex=$(od -An -tx1 -v -j "$2" -N "$3" "$1" | tr -d ' \n')
    echo $((16#$hex))
}
poke() { # FILE OFFSET HEX
    local bytes
    # shellcheck disable=SC2001
    bytes=$(sed 's/../\\x&/g' <<<"$3")
    printf '%b' "$bytes" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
status_of() { # COMMAND...: its exit status; output to $DIR/out
    local rc=0
    "$@" >"$DIR/out" 2>&1 || rc=$?
    echo "$rc"
}

make_image() { # NAME OPTIONS
    local image=$DIR/$1
    qemu-img create -q -f qcow2 -o "$2" "$image" 24M
    qemu-io -f qcow2 -c 'write -P 1 0 3M' -c 'write -P 2 5M 100k' -c 'write -P 9 20000k 1M' \
        "$image" >/dev/null
}

echo "-- sound images"
make_image 64k cluster_size=64k
make_image 512 cluster_size=512
make_image 4k cluster_size=4k
make_image 2M cluster_size=2M
make_image rc1 refcount_bits=1,cluster_size=4k
make_image rc2 refcount_bits=2,cluster_size=4k
make_image rc64 refcount_bits=64,cluster_size=1k
make_image extl2 extended_l2=on
qemu-io -f qcow2 -c 'write -P 7 4M 2k' -c 'write -z 1M 4k' "$DIR/extl2" >/dev/null
make_image snap cluster_size=4k
qemu-img snapshot -c one "$DIR/snap"
qemu-io -f qcow2 -c 'write -P 3 1M 1M' "$DIR/snap" >/dev/null
qemu-img snapshot -c two "$DIR/snap"
qemu-io -f qcow2 -c 'write -P 4 1500k 6M' "$DIR/snap" >/dev/null
make_image bitmap cluster_size=4k
qemu-img bitmap --add --enable -g 4k "$DIR/bitmap" b0
qemu-io -f qcow2 -c 'write -P 3 1M 1M' "$DIR/bitmap" >/dev/null
qemu-img convert -f qcow2 -c -O qcow2 "$DIR/64k" "$DIR/zlib"
qemu-img convert -f qcow2 -c -O qcow2 -o compression_type=zstd "$DIR/64k" "$DIR/zstd"
qemu-img create -q -f qcow2 -o "data_file=$DIR/raw.data,data_file_raw=on" "$DIR/data" 24M
qemu-io -f qcow2 -c 'write -P 1 0 3M' "$DIR/data" >/dev/null
qemu-img create -q -f qcow2 -o preallocation=metadata,extended_l2=on "$DIR/prealloc" 24M
sound="64k 512 4k 2M rc1 rc2 rc64 extl2 snap bitmap zlib zstd data prealloc"
for name in $sound; do
    assert_status 0 qemu-img check -f qcow2 "$DIR/$name"
    their_end=$(sed -n 's/^Image end offset: //p' "$DIR/out")
    assert_status 0 "$QCHECK" none "$DIR/$name"
    our_end=$(sed -n 's/.* end //p' "$DIR/out")
    assert_eq "$our_end" "$their_end" "end of $name"
done

# Where the count of a cluster behind the end is, whose whole byte belongs to such clusters.
free_count() { # IMAGE
    local order=4 cluster bits per block
    [ "$(peek "$1" 4 4)" = 2 ] || order=$(peek "$1" 96 4)
    bits=$(peek "$1" 20 4)
    per=$(((8 << bits) >> order))
    cluster=$((($(stat -c %s "$1") >> bits) / 8 * 8 + 8))
    block=$(peek "$1" $(($(peek "$1" 48 8) + cluster / per * 8)) 8)
    [ "$block" -gt 0 ] || fail "no refcount block for cluster $cluster"
    echo $((block + (cluster % per << order >> 3) + ((1 << order) - 1) / 8))
}

# Damages a copy, compares the verdicts, repairs it and looks at what came of it.
# KIND is what both must find: 2 corruption, 3 leaks (qemu-img may also give up with 1). REPAIR is leaks or all.
damaged() { # IMAGE KIND REPAIR OFFSET HEX [OFFSET HEX]...
    local name=$1 kind=$2 repair=$3 copy=$DIR/copy what="$*" again theirs
    shift 3
    cp --sparse=always "$DIR/$name" "$copy"
    truncate -s "+$((32 << $(peek "$copy" 20 4)))" "$copy" # room for clusters of nobody
    while [ $# -gt 0 ]; do
        poke "$copy" "$1" "$2"
        shift 2
    done
    theirs=$(status_of qemu-img check -f qcow2 "$copy")
    [ "$theirs" = 1 ] || assert_eq "$theirs" "$kind" "qemu-img check: $what"
    assert_eq "$(status_of "$QCHECK" none "$copy")" "$kind" "our check: $what"
    assert_eq "$(status_of "$QCHECK" "$repair" "$copy")" 0 "our repair: $what"
    grep -q '^fixed ' "$DIR/out" || fail "repaired nothing: $what"
    for again in qemu "$QCHECK"; do
        if [ "$again" = qemu ]; then
            assert_status 0 qemu-img check -f qcow2 "$copy"
        else
            assert_status 0 "$QCHECK" none "$copy"
        fi
    done
    assert_status 0 qemu-img compare -f qcow2 -F qcow2 "$DIR/$name" "$copy"
}

echo "-- refcounts of 16 bits"
image=$DIR/64k
table=$(peek "$image" 48 8)
block=$(peek "$image" "$table" 8)
l1=$(peek "$image" 40 8)
l2=$(($(peek "$image" "$l1" 8) & 0xfffffffffffe00))
data=$(($(peek "$image" "$l2" 8) & 0xfffffffffffe00))
damaged 64k 2 all $((block + data / 65536 * 2)) 0000                # data without a count
damaged 64k 2 all $((block + l2 / 65536 * 2)) 0000                  # an L2 table without one
damaged 64k 2 all "$block" 0000                                      # the header
damaged 64k 3 leaks "$(free_count "$image")" 01                      # nobody's cluster
damaged 64k 2 all "$table" 0000000000000000                          # no block at all
damaged 64k 2 all "$table" 0000000000000200                          # not aligned
damaged 64k 2 all "$table" 00007fff00000000                          # far behind the end
damaged 64k 2 all "$table" "$(printf %016x "$l2")"                   # the L2 table as a block
damaged 64k 2 all "$l1" "$(printf %016x "$l2")"                      # L1 without COPIED
damaged 64k 2 all "$l2" "$(printf %016x "$data")"                    # L2 without COPIED

echo "-- other widths"
for name in rc1 rc2 rc64 512 2M extl2; do
    image=$DIR/$name
    table=$(peek "$image" 48 8)
    block=$(peek "$image" "$table" 8)
    damaged "$name" 2 all "$block" 0000000000000000
    damaged "$name" 2 all "$table" 0000000000000000
    damaged "$name" 3 leaks "$(free_count "$image")" 01
done

echo "-- snapshots and compressed clusters"
for name in snap zlib zstd; do
    image=$DIR/$name
    table=$(peek "$image" 48 8)
    block=$(peek "$image" "$table" 8)
    damaged "$name" 2 all "$table" 0000000000000000
    damaged "$name" 2 all "$block" 00000000000000000000000000000000
    damaged "$name" 3 leaks "$(free_count "$image")" 01
done
packed=$(($(peek "$DIR/zlib" 40 8)))
packed=$(($(peek "$DIR/zlib" "$packed" 8) & 0xfffffffffffe00)) # the L2 table
packed=$(($(peek "$DIR/zlib" "$packed" 8) & ((1 << 54) - 1)))   # its first cluster
table=$(peek "$DIR/zlib" 48 8)
damaged zlib 3 leaks $(($(peek "$DIR/zlib" "$table" 8) + packed / 65536 * 2)) 0fff # too many
l1=$(peek "$DIR/snap" 40 8)
shared=$((0))
for ((i = 0; i < 12; i++)); do # an entry that a snapshot shares has no flag
    word=$(peek "$DIR/snap" $((l1 + i * 8)) 8)
    if [ "$word" -gt 0 ]; then
        shared=$word
        break
    fi
done
[ "$shared" -gt 0 ] || fail "no shared L2 table in the image"
damaged snap 2 all $((l1 + i * 8)) "$(printf %016x $((shared | 1 << 63)))"

echo "-- what must not be given back"
image=$DIR/64k
l1=$(peek "$image" 40 8)
cp --sparse=always "$image" "$DIR/copy"
poke "$DIR/copy" "$l1" 8000000000000300 # nothing leads to the data any more
assert_status 2 "$QCHECK" all "$DIR/copy"
grep -q '^note: leaks are kept' "$DIR/out" || fail "no word about kept leaks"
poke "$DIR/copy" "$l1" "$(printf %016x "$(peek "$image" "$l1" 8)")" # put right by hand
assert_status 0 "$QCHECK" none "$DIR/copy"
assert_status 0 qemu-img compare -f qcow2 -F qcow2 "$image" "$DIR/copy"

echo "-- a dirty image"
cp --sparse=always "$image" "$DIR/copy"
table=$(peek "$image" 48 8)
poke "$DIR/copy" 79 01
poke "$DIR/copy" "$table" 0000000000000000
assert_status 0 "$QCHECK" rebuild "$DIR/copy"
assert_eq "$(peek "$DIR/copy" 72 8)" 0 "feature bits after rebuilding"
assert_status 0 qemu-img check -f qcow2 "$DIR/copy"
assert_status 0 qemu-img compare -f qcow2 -F qcow2 "$image" "$DIR/copy"
