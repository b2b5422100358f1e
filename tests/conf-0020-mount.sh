#!/usr/bin/env bash
# Mounting: what is refused, with one sentence and status 1, in bounded time and memory.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
# shellcheck source=tests/conf.bash
source "${0%/*}/conf.bash"
requires_fuse
requires_tool qpatch
requires qemu-img

# the layout with the most fields to spoil
conf_create "$DIR/a.qcow2" zone.layout=56
M=$DIR/mnt
mkdir "$M"
good=$DIR/a.qcow2

# ---- what is no image -----------------------------------------------------------------------

: >"$DIR/empty"
head -c 100000 /dev/zero >"$DIR/zeros"
head -c 1 /dev/zero >"$DIR/one"
random_bytes 100000 >"$DIR/noise"
qemu-img create -q -f qcow2 "$DIR/plain.qcow2" 16M
qemu-img create -q -f qcow2 -o compat=0.10 "$DIR/old.qcow2" 16M
qemu-img create -q -f qcow2 --object secret,id=s,data=x -o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 \
    "$DIR/luks.qcow2" 1M 2>/dev/null || true
mkfifo "$DIR/fifo"

refused "no file" 1 "nothing" "$ZQFS" "$DIR/nothing" "$M"
refused "an empty file" 1 "empty" "$ZQFS" "$DIR/empty" "$M"
refused "zeros" 1 "zeros" "$ZQFS" "$DIR/zeros" "$M"
refused "one byte" 1 "one" "$ZQFS" "$DIR/one" "$M"
refused "noise" 1 "qcow2" "$ZQFS" "$DIR/noise" "$M"
refused "a folder" 1 "$M" "$ZQFS" "$M" "$M"
refused "a fifo" 1 "fifo" "$ZQFS" "$DIR/fifo" "$M"
refused "not zoned" 1 "zone" "$ZQFS" "$DIR/plain.qcow2" "$M"
refused "version 2" 1 "version" "$ZQFS" "$DIR/old.qcow2" "$M"
refused "a device" 1 "null" "$ZQFS" /dev/null "$M"
refused "no mount point" 1 "none" "$ZQFS" "$good" "$DIR/none"
refused "a file as mount point" 1 "plain" "$ZQFS" "$good" "$DIR/plain.qcow2"
t "arguments swapped" "2 the image comes first" echo "$("$ZQFS" "$M" "$good" 2>"$DIR/said" || echo $?)" \
    "$(grep -o "the image comes first" "$DIR/said")"
refused "unknown option" 1 "nonsense" "$ZQFS" -o nonsense=1 "$good" "$M"
refused "commit=x" 1 "commit" "$ZQFS" -o commit=x "$good" "$M"
refused "cache=x" 1 "cache" "$ZQFS" -o cache=x "$good" "$M"
refused "layout=x" 1 "layout" "$ZQFS" -o layout=x "$good" "$M"
refused "force_share without ro" 1 "force_share" "$ZQFS" -o force_share "$good" "$M"

# ---- headers that are wrong in one place -------------------------------------------------------

# The sentence must name the file and have these words.
spoiled() { # NAME "WORDS" PATCH...
    local name=$1 words=$2
    shift 2
    cp --sparse=always "$good" "$DIR/bad.qcow2"
    "$TOOLS/qpatch" "$DIR/bad.qcow2" "$@"
    refused "$name" 1 "$words" "$ZQFS" "$DIR/bad.qcow2" "$M"
    grep -qF bad.qcow2 "$DIR/stderr" || {
        echo "case failed: $name: the file is not named"
        failed_+=("$name, file name")
    }
}

spoiled "bit 5 without the extension" "zone" zoned-type:0x12345678
spoiled "the extension without bit 5" "zone" clear-bit:5
spoiled "an unknown incompatible bit" "63" set-bit:63
spoiled "another unknown bit" "6" set-bit:6
spoiled "length 40" "40" zoned-len:40
spoiled "length 52" "52" zoned-len:52
spoiled "length 55" "55" zoned-len:55
spoiled "an absurd length" "extension" zoned-len:0x7fffffff
spoiled "zoned 0" "zoned" zoned:zoned:0
spoiled "zoned 2" "zoned" zoned:zoned:2
spoiled "zone_size 0" "zone_size" zoned:zone_size:0
spoiled "zone_size 2048" "zone_size" zoned:zone_size:2048
spoiled "zone_size no power of two" "zone_size" zoned:zone_size:1048577
spoiled "zone_size 2^63" "zone" zoned:zone_size:0x8000000000000000
spoiled "zone_capacity 0" "zone_capacity" zoned:zone_capacity:0
spoiled "zone_capacity 513" "zone_capacity" zoned:zone_capacity:513
spoiled "zone_capacity above zone_size" "zone_capacity" zoned:zone_capacity:2097152
spoiled "nr_zones one more" "nr_zones" zoned:nr_zones:13
spoiled "nr_zones 0" "nr_zones" zoned:nr_zones:0
spoiled "nr_zones huge" "nr_zones" zoned:nr_zones:0xffffffff
spoiled "all conventional" "conventional_zones" zoned:conventional_zones:12
spoiled "too many conventional" "conventional_zones" zoned:conventional_zones:0xffffffff
# the newest layout lacks these fields
"$ZQFS" convert -q -o zone.layout=56 "$good" "$DIR/a56.qcow2"
good=$DIR/a56.qcow2 spoiled "max_append 100" "max_append_bytes" zoned:max_append_bytes:100
good=$DIR/a56.qcow2 spoiled "max_append above the capacity" "max_append_bytes" \
    zoned:max_append_bytes:1048576
good=$DIR/a56.qcow2 spoiled "zonedmeta_size" "zonedmeta_size" zoned:zonedmeta_size:88
good=$DIR/a56.qcow2 spoiled "zonedmeta_size 0" "zonedmeta_size" zoned:zonedmeta_size:0
spoiled "zonedmeta_offset 0" "zonedmeta_offset" zoned:zonedmeta_offset:0
spoiled "zonedmeta_offset unaligned" "zonedmeta_offset" zoned:zonedmeta_offset:4096
spoiled "zonedmeta_offset past the file" "zonedmeta_offset" zoned:zonedmeta_offset:0x100000000
spoiled "zonedmeta_offset at the end of all" "zonedmeta_offset" \
    zoned:zonedmeta_offset:0xffffffffffff0000
spoiled "cluster_bits 8" "cluster" be32:20:8
spoiled "cluster_bits 22" "cluster" be32:20:22
spoiled "cluster_bits huge" "cluster" be32:20:0xffffffff
spoiled "version 4" "version" be32:4:4
spoiled "version 2 with zones" "version" be32:4:2
spoiled "size 0" "size" be64:24:0
spoiled "size not whole blocks" "size" be64:24:12582913
spoiled "size huge" "size" be64:24:0xfffffffffffffe00
spoiled "encryption AES" "encrypt" be32:32:1
spoiled "encryption LUKS" "encrypt" be32:32:2
spoiled "encryption unknown" "crypt" be32:32:3
spoiled "l1_size too small" "l1" be32:36:0
spoiled "l1_size huge" "l1" be32:36:0xffffffff
spoiled "L1 table unaligned" "l1" be64:40:4097
spoiled "L1 table past the file" "l1" be64:40:0x7fffffff0000
spoiled "refcount table unaligned" "refcount" be64:48:100
spoiled "refcount table past the file" "refcount" be64:48:0x7fffffff0000
spoiled "refcount table huge" "refcount" be32:56:0xffffffff
spoiled "refcount_order 7" "refcount" be32:96:7
spoiled "snapshots that are not there" "snapshot" be32:60:3 be64:64:0x7fffffff0000
spoiled "more snapshots than fit" "snapshot" be32:60:0xffffffff be64:64:0x10000
spoiled "header_length 100" "header" be32:100:100
spoiled "header_length odd" "header" be32:100:109
spoiled "header_length huge" "header" be32:100:0xfffffff8
spoiled "backing file name too long" "backing" be64:8:0x200 be32:16:5000
spoiled "backing file name past the cluster" "backing" be64:8:0xfffff be32:16:10
spoiled "backing file that is missing" "backing" hex:65520:6e6f6e65 be64:8:65520 be32:16:4
spoiled "external data file without a name" "data" set-bit:2

for size in 0 1 4 71 72 103 104 511 512 4096 65535 65536 131072; do
    cp --sparse=always "$good" "$DIR/bad.qcow2"
    truncate -s $size "$DIR/bad.qcow2"
    refused "cut to $size bytes" 1 "bad.qcow2" "$ZQFS" "$DIR/bad.qcow2" "$M"
done
t "nothing was mounted by all this" "" ls "$M"
cp --sparse=always "$good" "$DIR/bad.qcow2"
"$TOOLS/qpatch" "$DIR/bad.qcow2" set-bit:63
before=$(sha256sum <"$DIR/bad.qcow2")
"$ZQFS" "$DIR/bad.qcow2" "$M" >/dev/null 2>&1 || true
t "a refused image is not written to" "$before" sh -c "sha256sum <$DIR/bad.qcow2"

# ---- what is usable nevertheless ---------------------------------------------------------------

cp --sparse=always "$good" "$DIR/bad.qcow2"
"$TOOLS/qpatch" "$DIR/bad.qcow2" set-bit:1
mount_image "$DIR/bad.qcow2" "$M"
t "the corrupt bit: read-only" "open:EROFS" zio "$M/seq/0" w append:0:512
t "and readable" "0" zio "$M/seq/0" r pread:0:512
unmount "$M"
cp --sparse=always "$good" "$DIR/bad.qcow2"
"$TOOLS/qpatch" "$DIR/bad.qcow2" wp-be:5:0x700000
mount_image "$DIR/bad.qcow2" "$M"
t "one pointer outside its zone: the others work" "512" zio "$M/seq/0" w append:0:512
t "that one is not written" "open:EPERM" zio "$M/seq/1" w append:0:512
unmount "$M"
assert_status 2 "$ZQFS" check "$DIR/bad.qcow2"

# ---- a second opener -------------------------------------------------------------------------

mount_image "$good" "$M"
mkdir "$DIR/mnt2"
refused "mounted twice" 1 "in use" "$ZQFS" "$good" "$DIR/mnt2"
refused "mounted twice, ro" 1 "in use" "$ZQFS" -o ro "$good" "$DIR/mnt2"
refused "reset of a mounted image" 1 "mounted on" "$ZQFS" reset "$good" all
mount_image "$good" "$DIR/mnt2" -o ro,force_share
t "force_share looks on" "0" zio "$DIR/mnt2/seq/0" r pread:0:512
unmount "$DIR/mnt2"
unmount "$M"
mount_image "$good" "$M" -o ro
mount_image "$good" "$DIR/mnt2" -o ro
t "two readers" "0 0" echo "$(zio "$M/seq/0" r size) $(zio "$DIR/mnt2/seq/0" r size)"
mkdir "$DIR/mnt3"
refused "no writer beside readers" 1 "in use" "$ZQFS" -o rw "$good" "$DIR/mnt3"
unmount "$DIR/mnt2"
unmount "$M"
conf_done
