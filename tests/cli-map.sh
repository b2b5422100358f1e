#!/usr/bin/env bash
# "zqfs map" says where each zone's bytes are, as "qemu-img map" does of the same image.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires jq qemu-img
requires_tool zdev qpatch
cd "$DIR"
zdev=$TOOLS/zdev

# Parts without their zones; neighbours that are alike and follow each other are one.
# shellcheck disable=SC2016 # variables of jq
joined='reduce .[] as $p ([];
    ($p | {start, length, depth, present, zero, data, offset}) as $n |
    if length > 0 and (.[-1] | .start + .length == $n.start and
        [.depth, .present, .zero, .data] == [$n.depth, $n.present, $n.zero, $n.data] and
        (if .offset == null then null else .offset + .length end) == $n.offset)
    then .[-1].length += $n.length else . + [$n] end) | .[]'
agrees() { # IMAGE...: the map of the last one
    "$ZQFS" map --json "${!#}" | jq -c "$joined" >ours
    for image; do "$TOOLS/qpatch" "$image" clear-bit:5; done
    qemu-img map --output=json "${!#}" | jq -c "$joined" >theirs
    for image; do "$TOOLS/qpatch" "$image" set-bit:5; done
    diff theirs ours || fail "map of ${!#}"
    [ "$(wc -l <ours)" -gt 3 ] || fail "only $(wc -l <ours) parts in ${!#}"
}

for o in cluster_size=4K cluster_size=16K,extended_l2=on zone.layout=56,cluster_size=512; do
    "$ZQFS" create -q --force -o "zone.size=1M,zone.conventional_zones=1,$o" a.qcow2 7680K
    "$zdev" a.qcow2 write:4096:8192:9 append:1:70000:1 append:3:1048576:2 finish:4 append:5:512:4 \
        append:2:40960:1 reset:3 append:7:524288:3 >ran
    agrees a.qcow2
done
"$ZQFS" map --json a.qcow2 >all
assert_eq "$(jq '[.[] | .length] | add' all)" 7864320 "the sum of all parts"
assert_eq "$(jq '[.[].zone] | unique | length' all)" 8 "zones in it"
assert_eq "$(jq '[.[] | select((.start / 1048576 | floor) != .zone)] | length' all)" 0 \
    "parts that are in no zone of theirs"

# an overlay on an overlay on a raw file: each says what it has
"$ZQFS" create -q --force -o zone.size=1M,cluster_size=4K base.qcow2 8M
"$zdev" base.qcow2 append:1:70000:1 append:2:8192:2 >ran
"$ZQFS" create -q --force -o cluster_size=4K -b base.qcow2 -F qcow2 over.qcow2
"$zdev" over.qcow2 append:1:8192:3 reset:2 append:4:512:5 >ran
agrees base.qcow2 over.qcow2
truncate -s 3M base.raw
printf x | dd of=base.raw bs=1 seek=1048576 conv=notrunc status=none
"$ZQFS" create -q --force -o zone.size=1M,cluster_size=4K,backing_file=base.raw,backing_fmt=raw \
    a.qcow2 8M
"$zdev" a.qcow2 append:1:512:5 append:4:512:5 >ran
agrees a.qcow2
"$ZQFS" map a.qcow2 | awk 'length > 48 + length("a.qcow2") { exit 1 }' || fail "no room for the file in 80 columns"
"$ZQFS" map a.qcow2 | holds '^4 .* 0x1000 .* a.qcow2$' || fail "$("$ZQFS" map a.qcow2)"
assert_eq "$("$ZQFS" map --json a.qcow2 | jq -r '[.[] | (.file // "none")] | unique | join(" ")')" \
    "a.qcow2 base.raw none" "files"

# compressed: no offset that bytes could be read from
"$ZQFS" convert -q -c base.qcow2 packed.qcow2
"$ZQFS" map --json packed.qcow2 >all
jq -e 'any(.[]; .compressed and .data and (has("offset") | not))' all >ran || fail "$(cat all)"
"$ZQFS" map packed.qcow2 | holds ' compressed  *packed.qcow2$' || fail "$("$ZQFS" map packed.qcow2)"

# data in another file
"$ZQFS" create -q --force -o zone.size=1M,data_file=a.data a.qcow2 8M
"$zdev" a.qcow2 append:1:512:5 >ran
"$ZQFS" map a.qcow2 | holds '^1 .* 0x100000 .* a.data$' || fail "$("$ZQFS" map a.qcow2)"

# a damaged entry gets a sentence
"$ZQFS" create -q --force -o zone.size=1M a.qcow2 8M
"$zdev" a.qcow2 append:1:512:5 >ran
"$TOOLS/qpatch" a.qcow2 l2:16:0x8000000000000201
assert_status 1 "$ZQFS" map --json a.qcow2
grep -q "a.qcow2: the mapping of offset 1048576 is damaged" out || fail "$(cat out)"
