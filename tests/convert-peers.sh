#!/usr/bin/env bash
# qemu-img reads our copies as we do, and makes the same of them; logs become as small as zstd makes their pieces.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 300
source "${0%/*}/lib.sh"
requires qemu-img zstd split awk
requires_tool zdev
requires_tool qpatch
zdev=$TOOLS/zdev
cd "$DIR"

# ---- qemu-img, to which an image is an ordinary one once its zoned bit is cleared ------------------

plain() { # IMAGE COPY
    cp "$1" "$2"
    "$TOOLS/qpatch" "$2" clear-bit:5
}

"$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=2 a 20M
"$zdev" a append:3:1048576:1 append:4:69632:2 append:5:512:4 append:6:300032:0 append:6:4096:5 \
    append:7:65536:6 reset:7 finish:8 write:0:5000:3000:7 write:0:1500000:100000:8 >made
"$ZQFS" convert -O raw a ours.raw
for options in cluster_size=64K cluster_size=4K,compression_type=zlib extended_l2=on,compression_type=zstd; do
    for how in "" -c; do
        "$ZQFS" convert -q --force $how -o "$options" a copy
        [ -z "$how" ] || "$ZQFS" compact -q copy
        plain copy copy.plain
        # the write pointers' table counts as leaked without the bit that says what it is
        qemu-img check -q copy.plain >out 2>&1 || [ $? = 3 ] ||
            fail "qemu-img check of $options $how: $(cat out)"
        qemu-img convert -O raw copy.plain theirs.raw
        cmp ours.raw theirs.raw || fail "qemu-img convert of $options $how"
        plain a a.plain
        qemu-img compare -q a.plain copy.plain || fail "qemu-img compare with $options $how"
        "$ZQFS" compare -q a copy || fail "our compare with $options $how"
    done
done
# and where they differ both say so
cp a other
"$zdev" other write:0:1500001:1:99 >made
plain other other.plain
assert_status 1 qemu-img compare -q a.plain other.plain
assert_status 1 "$ZQFS" compare -q a other

# ---- logs ------------------------------------------------------------------------------------------

size=$((48 * 1048576))
awk -v SEED=7 'BEGIN {
    srand(SEED)
    split("GET POST PUT DELETE", verb)
    split("index items users login static/app.js static/site.css api/v1/orders api/v1/search", path)
    for (i = 0; i < 600000; i++)
        printf "2024-03-%02d %02d:%02d:%02d.%03d host%d app[%d]: %s /%s/%d HTTP/1.1 %d %d %dms\n",
            i / 40000 + 1, i / 3600 % 24, i / 60 % 60, i % 60, rand() * 1000, rand() * 20,
            1000 + rand() * 9000, verb[int(rand() * 4) + 1], path[int(rand() * 8) + 1],
            rand() * 1000000, 200 + int(rand() * 4) * 100, rand() * 100000, rand() * 3000
}' | head -c "$size" >logs || true
assert_eq "$(size_of logs)" "$size" "the size of the logs"
mkdir pieces
split -b 64K -a 4 logs pieces/
zstd -q --rm pieces/*
alone=$(cat pieces/* | wc -c)
{
    echo "number,type,state,start,size,capacity,wp"
    for i in $(seq 0 11); do
        echo "$i,sequential,full,$((i * 4194304)),4194304,4194304,"
    done
} >logs.zones
"$ZQFS" convert -c -o compression_type=zstd logs packed
"$ZQFS" convert -o compression_type=zstd logs compacted
"$ZQFS" compact -q compacted
for image in packed compacted; do
    echo "$image: $(size_of $image) bytes, the pieces alone $alone" | tee -a sizes
    [ "$(size_of $image)" -le $((alone * 11 / 10)) ] || fail "$(tail -1 sizes)"
    "$ZQFS" compare -q logs "$image" || fail "$image is another disk"
done
