#!/usr/bin/env bash
# Image locks keep us and QEMU's programs from writing to one image at a time.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires qemu-img qemu-io
requires_tool holdlock

image=$DIR/plain.qcow2
qemu-img create -q -f qcow2 "$image" 1M

# Starts a command that holds the image until hold_end; waits for its first line of output.
hold() { # COMMAND...
    coproc HOLD { exec "$@" 2>&1; }
    cleanup_fn stop_process "$HOLD_PID"
    read -r -t 20 -u "${HOLD[0]}" _ || fail "said nothing: $*"
}
hold_end() {
    local pid=$HOLD_PID in=${HOLD[1]}
    exec {in}>&-
    wait "$pid" || fail "the holder ended with status $?"
}
# qemu-io says nothing when it starts: ask it for something that answers.
hold_qemu() { # qemu-io OPTIONS...
    coproc HOLD { exec qemu-io "$@" 2>&1; }
    cleanup_fn stop_process "$HOLD_PID"
    echo length >&"${HOLD[1]}"
    read -r -t 20 -u "${HOLD[0]}" _ || fail "qemu-io said nothing"
}
ours() { "$TOOLS/holdlock" "$image" "$1" </dev/null; }

echo "-- we write"
hold "$TOOLS/holdlock" "$image" write
expect_fail 'Failed to get shared "write" lock' qemu-img info "$image"
expect_fail 'lock' qemu-io -c 'write 0 512' "$image"
assert_status 0 qemu-img info -U "$image"
assert_status 3 ours read
assert_status 3 ours write
assert_status 0 ours shared
hold_end
assert_status 0 qemu-io -c 'write 0 512' "$image"

echo "-- we read"
hold "$TOOLS/holdlock" "$image" read
expect_fail 'Failed to get "write" lock' qemu-io -c 'write 0 512' "$image"
assert_status 0 qemu-img info "$image"
assert_status 0 ours read
assert_status 3 ours write
hold_end

echo "-- we look on"
hold "$TOOLS/holdlock" "$image" shared
assert_status 0 qemu-io -c 'write 0 512' "$image"
assert_status 0 ours write
hold_end

echo "-- QEMU writes"
hold_qemu "$image"
assert_status 3 ours read
assert_status 3 ours write
assert_status 0 ours shared
assert_status 0 ours none
hold_end

echo "-- QEMU reads"
hold_qemu -r "$image"
assert_status 0 ours read
assert_status 3 ours write
hold_end
assert_status 0 ours write
