#!/usr/bin/env bash
# Locks from the first byte to the last flush: zqfs, qemu-img, qemu-io and qemu-nbd keep apart.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
requires qemu-img qemu-io qemu-nbd
requires_tool qpatch
requires_tool holdlock
image=$DIR/a.qcow2
M=$DIR/mnt
"$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=1 "$image" 8M
mount_image "$image" "$M"
pattern_bytes 7 100000 >"$M/seq/0"
"$ZQFS" umount "$M"

echo "-- QEMU has it open as qcow2, with bit 5 cleared for it, and by qemu-nbd"
plain=$DIR/plain.qcow2
cp "$image" "$plain"
"$TOOLS/qpatch" "$plain" clear-bit:5 zoned-type:0x11111111
start_nbd() { # IMAGE OPTION...
    local socket=$DIR/nbd.$RANDOM
    qemu-nbd -t -k "$socket" "${@:2}" "$1" >/dev/null 2>&1 &
    nbd=$!
    cleanup_fn stop_process "$nbd"
    for ((i = 0; i < 100; i++)); do
        [ -S "$socket" ] && return
        sleep 0.1
    done
    fail "qemu-nbd does not start"
}
start_nbd "$plain" -f qcow2
# while it is open there, the bit comes back: zqfs meets the lock, not the format
"$TOOLS/qpatch" "$plain" zoned-type:0x007a6264 set-bit:5 2>/dev/null ||
    dd if="$image" of="$plain" bs=64k count=1 conv=notrunc status=none
for c in "report $plain" "info $plain" "check $plain" "check --repair=all $plain" "reset $plain all" \
    "$plain $M" "-o ro $plain $M"; do
    # shellcheck disable=SC2086 # words on purpose
    case $c in
        info*) timeout 20 "$ZQFS" $c >/dev/null || true ;; # may look, see cli-inuse.sh
        *) expect_fail "in use" timeout 20 "$ZQFS" $c ;;
    esac
done
mount_image "$plain" "$M" -o ro,force_share
assert_size "$M/seq/0" 100352
unmount "$M"
stop_process "$nbd"
assert_status 0 "$ZQFS" report "$plain"

echo "-- a reader there lets readers in, and no writer"
start_nbd "$image" -r -f raw
assert_status 0 "$ZQFS" report "$image"
mount_image "$image" "$M" -o ro
unmount "$M"
expect_fail "in use" "$ZQFS" "$image" "$M"
expect_fail "in use" "$ZQFS" reset "$image" 1
expect_fail "in use" "$ZQFS" check --repair=all "$image"
stop_process "$nbd"

echo "-- none of them gets in while it is mounted"
mount_image "$image" "$M"
expect_fail "lock" qemu-io -f raw -c 'read 0 512' "$image"
expect_fail "lock" qemu-img convert -f raw -O raw "$image" "$DIR/copy"
expect_fail "lock" timeout 20 qemu-nbd -k "$DIR/nbd.sock" -f raw "$image"
assert_status 0 qemu-io -r -U -f raw -c 'read 0 512' "$image"
unmount "$M"

echo "-- of two that mount at the same time one wins"
mkdir "$DIR/one" "$DIR/two"
for ((round = 0; round < 5; round++)); do
    "$ZQFS" "$image" "$DIR/one" 2>/dev/null &
    a=$!
    "$ZQFS" "$image" "$DIR/two" 2>/dev/null &
    b=$!
    won=0
    wait "$a" && won=$((won + 1))
    wait "$b" && won=$((won + 1))
    for d in one two; do
        if is_mounted "$DIR/$d"; then "$ZQFS" umount "$DIR/$d"; fi
    done
    [ "$won" -le 1 ] || fail "both mounted it"
done

echo "-- the lock goes after the last flush"
# Whoever gets the image next sees all of it: taken over as soon as the lock is free.
mount_image "$image" "$M" -o commit=1000
pattern_bytes 9 600000 >"$M/seq/1"
kill "$(mount_pid "$M")"
for ((i = 0; i < 400; i++)); do
    "$TOOLS/holdlock" "$image" write </dev/null >/dev/null 2>&1 && break
    sleep 0.02
done
cp "$image" "$DIR/after.qcow2"
assert_status 0 "$ZQFS" check "$DIR/after.qcow2"
mount_image "$DIR/after.qcow2" "$DIR/one" -o ro
cmp -n 600000 "$DIR/one/seq/1" <(pattern_bytes 9 600000) || fail "the last bytes came after the lock went"
unmount "$DIR/one"
