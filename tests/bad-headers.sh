#!/usr/bin/env bash
# bad headers: each command refuses with status 1 and one line, and does not touch the file.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One image for each fault, made here from a good one, named after the fault. The words for
# every fault are tested in tests/unit/test_header_bad.c.
source "${0%/*}/lib.sh"
requires_tool qpatch
cd "$DIR"
mkdir mnt

"$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=2,zone.max_open_zones=3,zone.layout=56 good.qcow2 10M
"$ZQFS" create -q -o zone.size=1M,cluster_size=512 small.qcow2 10M

# The word that must be in the message tells that the fault itself was found.
refuse() { # NAME WORD [-b BASE] OPERATION...
    local image=bad-$1.qcow2 word=$2 base=good.qcow2 command
    shift 2
    if [ "$1" = -b ]; then
        base=$2
        shift 2
    fi
    cp "$base" "$image"
    "$TOOLS/qpatch" "$image" "$@"
    cp "$image" before
    for command in info report "reset IMAGE all" "finish IMAGE all" "mount IMAGE mnt"; do
        local args rc=0
        case $command in
        *IMAGE*) args=${command/IMAGE/$image} ;;
        *) args="$command $image" ;;
        esac
        # shellcheck disable=SC2086 # words on purpose
        timeout 20 "$ZQFS" $args >out 2>err || rc=$?
        assert_eq "$rc" 1 "status of zqfs $args ($(cat err))"
        assert_eq "$(wc -l <err)" 1 "lines on stderr of zqfs $args"
        grep -qF "$image: " err || fail "zqfs $args does not name the image: $(cat err)"
        grep -qF -- "$word" err || fail "zqfs $args does not say '$word': $(cat err)"
        cmp -s before "$image" || fail "zqfs $args changed the image"
    done
    if is_mounted mnt; then
        fail "$image is mounted"
    fi
}

refuse magic 'not a qcow2 image' be32:0:0
refuse empty 'the file is empty' truncate:0
refuse cut-header 'header_length 112' truncate:104
refuse version-2 'version 2' be32:4:2
refuse version-4 'version 4' be32:4:4
refuse cluster-bits-8 'cluster_bits 8' be32:20:8
refuse cluster-bits-22 'cluster_bits 22' be32:20:22
refuse encrypted-aes 'encryption (AES)' be32:32:1
refuse encrypted-luks 'encryption (LUKS)' be32:32:2
refuse unknown-feature 'unknown incompatible feature bit 40' set-bit:40
refuse zoned-bit-alone 'extension is missing' zoned-type:0x11111111
refuse zoned-ext-alone 'bit 5 (zoned format) is not set' clear-bit:5
refuse not-zoned 'without zones' clear-bit:5 zoned-type:0x11111111
refuse compression-bit-alone 'compression_type 0' set-bit:3
refuse compression-2 'compression_type 2' set-bit:3 hex:104:02
refuse extended-l2-512 'cluster_bits 9' -b small.qcow2 set-bit:4
refuse raw-without-data-file 'autoclear feature bit 1' set-autoclear:1
refuse refcount-order 'refcount_order 7' be32:96:7
refuse header-length 'header_length 108' be32:100:108
refuse l1-huge 'l1_size 4294967295' be32:36:0xffffffff
refuse l1-small 'l1_size 0' be32:36:0
refuse l1-behind-end 'l1_table_offset' be64:40:0x100000000
refuse l1-on-header 'overlaps the header' be64:40:0
refuse reftable-none 'refcount_table_clusters 0' be32:56:0
refuse reftable-unaligned 'refcount_table_offset 65544' be64:48:0x10008
refuse snapshots-many 'nb_snapshots 65537' be32:60:65537
refuse snapshots-behind-end 'snapshots_offset' be32:60:1 be64:64:0x100000000
refuse backing-name-long 'backing_file_size 1024' be64:8:624 be32:16:1024
for length in 0 40 45 49 52 60 64; do
    refuse "zoned-length-$length" "length $length is that of no known layout (44, 48, 56)" "zoned-len:$length"
done
refuse zoned-length-48 'as 48b:' zoned-len:48
refuse zoned-length-44 'zone_capacity' zoned-len:44
refuse zoned-model 'zoned 2' zoned:zoned:2
refuse zone-size 'zone_size 3145728' zoned:zone_size:3145728
refuse zone-size-0 'zone_size 0' zoned:zone_size:0
refuse zone-capacity 'zone_capacity 2097152' zoned:zone_capacity:2097152
refuse conventional-zones 'conventional_zones 10' zoned:conventional_zones:10
refuse nr-zones 'nr_zones 4294967295' zoned:nr_zones:0xffffffff
refuse max-append 'max_append_bytes 100' zoned:max_append_bytes:100
refuse meta-size 'zonedmeta_size 88' zoned:zonedmeta_size:88
refuse meta-offset 'zonedmeta_offset 0' zoned:zonedmeta_offset:0
refuse meta-behind-end 'zonedmeta_offset' zoned:zonedmeta_offset:0x7fffffffffff0000
refuse meta-on-l1 'overlaps the L1 table' zoned:zonedmeta_offset:0x40000
refuse size-odd 'size 10485761' be64:24:10485761
refuse size-huge 'size 18446744073709551104' be64:24:0xfffffffffffffe00
