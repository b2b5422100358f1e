#!/usr/bin/env bash
# A thousand overlays of one golden image: each is made at once and small, and all show it.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 240
source "${0%/*}/lib.sh"
requires_tool zdev
cd "$DIR"

"$ZQFS" create -q -o zone.size=256M,zone.conventional_zones=4 golden 256G
"$TOOLS/zdev" golden write:5000:3000:7 append:4:1048576:1 append:5:70144:2 append:6:4096:3 finish:6 >made
mkdir pool
# User and system time of the children that have ended, milliseconds: a loaded machine does not count.
processor_ms() { awk -v hz="$(getconf CLK_TCK)" '{ print int(($16 + $17) * 1000 / hz) }' "/proc/$$/stat"; }
began=$(date +%s%N)
cpu=$(processor_ms)
for ((i = 0; i < 1000; i++)); do
    "$ZQFS" create -q -b ../golden -F qcow2 "pool/$i"
done
took=$((($(date +%s%N) - began) / 1000000))
cpu=$(($(processor_ms) - cpu))
case $BUILD in
    */asan | */tsan) ;;
    *) [ $cpu -le 5000 ] || fail "1000 overlays took $cpu ms of the processor" ;;
esac
for f in pool/*; do
    [ "$(disk_usage "$f")" -lt 1048576 ] || fail "$f takes $(disk_usage "$f") bytes"
done
echo "1000 overlays of 256 GiB: $took us each, $cpu of them on the processor, with the start of a process;" \
    "$(disk_usage pool/0) bytes each, $(du -sk pool | cut -f 1) KiB in all"
want=$("$ZQFS" report --csv golden | sha256sum)
for i in 0 1 499 998 999; do
    assert_eq "$("$ZQFS" report --csv "pool/$i" | sha256sum)" "$want" "the report of overlay $i"
    "$ZQFS" compare golden "pool/$i" >out || fail "overlay $i: $(cat out)"
done
"$TOOLS/zdev" pool/1 append:5:512:9 >made # and none changes another
"$ZQFS" compare golden pool/2 >out || fail "a neighbour of the one that was written to: $(cat out)"
