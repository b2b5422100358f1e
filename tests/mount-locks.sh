#!/usr/bin/env bash
# An image is never open twice for writing: zqfs and QEMU's tools see each other's locks.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
requires qemu-img qemu-io
requires_tool qpatch
image=$DIR/a.qcow2
M=$DIR/mnt
mkdir "$DIR/mnt2"
"$ZQFS" create -o zone.size=1M,zone.conventional_zones=1 "$image" 8M

mount_image "$image" "$M"
echo x >"$M/seq/0"
expect_fail "in use" "$ZQFS" "$image" "$DIR/mnt2"
expect_fail "in use" "$ZQFS" -o ro "$image" "$DIR/mnt2"
expect_fail "mounted on" "$ZQFS" reset "$image" 1
expect_fail "mounted on" "$ZQFS" check "$image"
# the lock comes before the bit that qemu-img does not know
expect_fail 'shared "write" lock' qemu-img info "$image"
expect_fail "nsupported" qemu-img info -U "$image"
expect_fail "lock" qemu-io -f raw -c 'write 0 512' "$image"
unmount "$M"
qemu-io -r -f raw -c 'read 0 512' "$image" >/dev/null
assert_status 0 "$ZQFS" check "$image"

# a reader shares with readers
mount_image "$image" "$M" -o ro
expect_fail "nsupported" qemu-img info "$image"
expect_fail "lock" qemu-io -f raw -c 'write 0 512' "$image"
"$ZQFS" report "$image" >/dev/null
mount_image "$image" "$DIR/mnt2" -o ro
assert_same "$M/seq/0" "$DIR/mnt2/seq/0"
unmount "$DIR/mnt2"
unmount "$M"

# and the other way round: something else has it open
mkfifo "$DIR/fifo"
qemu-io -f raw "$image" <"$DIR/fifo" >"$DIR/said" 2>&1 &
pid=$!
cleanup_fn stop_process "$pid"
exec 8>"$DIR/fifo"
echo "read 0 512" >&8
# Its answer tells that it has the image. To ask for the lock meanwhile could be what stops it.
for ((i = 0; i < 100; i++)); do
    ! grep -q "read 512/512" "$DIR/said" || break
    sleep 0.1
done
expect_fail "lock" qemu-img info "$image"
expect_fail "in use" "$ZQFS" "$image" "$M"
expect_fail "in use" "$ZQFS" -o ro "$image" "$M"
expect_fail "in use" "$ZQFS" report "$image"
mount_image "$image" "$M" -o ro,force_share
assert_size "$M/seq/0" 512
unmount "$M"
exec 8>&-
wait "$pid" || true
mount_image "$image" "$M"
assert_size "$M/seq/0" 512
