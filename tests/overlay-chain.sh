#!/usr/bin/env bash
# info --chain tells every file below an image, what each has of its own, and a base that has changed.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_tool zdev
zdev=$TOOLS/zdev
cd "$DIR"

truncate -s 6M bottom
"$ZQFS" create -q -o zone.size=1M,zone.layout=56 -b bottom -F raw gold 6M
"$zdev" gold append:1:70144:1 append:3:512:3 >made
"$ZQFS" create -q -b gold -F qcow2 -o zone.layout=44,cluster_size=4K mid
"$zdev" mid append:1:4096:1 reset:3 >made
"$ZQFS" create -q -b mid -F qcow2 top
"$ZQFS" info --chain top >text
cat >want <<'END'
top
  format:          qcow2, zoned layout 44
  disk:            6 MiB
  cluster size:    64 KiB
  own data:        0 B
  own zeros:       0 B
  write pointers:  6 of 6 zones as the base has them
  backing file:    mid
mid
  format:          qcow2, zoned layout 44
  disk:            6 MiB
  cluster size:    4 KiB
  own data:        8 KiB
  own zeros:       1 MiB
  write pointers:  4 of 6 zones as the base has them
  backing file:    gold
gold
  format:          qcow2, zoned layout 56
END
head -n 18 text | diff want - || fail "the text differs"
tail -n 2 text | tr '\n' ' ' | grep -q '^bottom  *format: *raw $' || fail "the end: $(tail -n 2 text)"
"$ZQFS" info --chain --json top >json
assert_eq "$(grep -c '"path"' json)" 4 "files in the JSON"
grep -q '"complete": true' json || fail "the JSON does not say that it is complete"
"$ZQFS" info top | grep -q '^backing file: *mid (qcow2)' || fail "without --chain"
"$zdev" gold append:2:512:1 >made
expect_fail "gold: is another than it was: its write pointers have moved" "$ZQFS" info --chain top
