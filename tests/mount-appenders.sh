#!/usr/bin/env bash
# Many writers append to one zone: no write is lost, mixed with another or out of order.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
requires_tool zappend
"$ZQFS" create -o zone.size=64M "$DIR/a.qcow2" 512M
mount_image "$DIR/a.qcow2" "$DIR/mnt"
S=$DIR/mnt/seq

"$TOOLS/zappend" "$S/0" 8 200 512 || fail "512 bytes, 8 threads"
"$TOOLS/zappend" "$S/1" 8 100 4096 direct || fail "4 KiB, 8 threads, direct"
"$TOOLS/zappend" "$S/2" 4 20 65536 || fail "64 KiB, 4 threads"
"$TOOLS/zappend" "$S/3" 4 8 1M direct || fail "1 MiB, 4 threads, direct"
"$TOOLS/zappend" "$S/4" 4 8 1M || fail "1 MiB, 4 threads"

# four zones at once, each with two writers
pids=()
for n in 0 1 2 3; do
    truncate -s 0 "$S/$n"
    "$TOOLS/zappend" "$S/$n" 2 100 16K &
    pids+=($!)
done
for pid in "${pids[@]}"; do
    wait "$pid" || fail "zones at once"
done

# readers and resets under writers: nobody hangs, a reader sees whole blocks of one writer
for ((i = 0; i < 20; i++)); do
    cat "$S/5" >/dev/null
    truncate -s 0 "$S/5"
done &
resetter=$!
for ((i = 0; i < 50; i++)); do
    pattern_bytes "$i" 20000 >>"$S/5"
done
wait "$resetter" || fail "reader and resetter"
pattern_bytes last 20000 >>"$S/5"
cmp -n 20000 -i "$(($(size_of "$S/5") - 20480)):0" "$S/5" <(pattern_bytes last 20000) ||
    fail "the last append is not at the end"
unmount "$DIR/mnt"
assert_status 0 "$ZQFS" check "$DIR/a.qcow2"
