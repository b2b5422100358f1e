#!/usr/bin/env bash
# Where io_uring cannot be had: uring=on fails with the reason, auto goes on and says it once, by default quietly.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 600
source "${0%/*}/lib.sh"
source "${0%/*}/rings.bash"
requires_fuse
requires_tool zfilter
requires_tool zstress
M=$DIR/mnt
image=$DIR/a.qcow2
rings_need 180
"$ZQFS" create -q -o zone.size=4M,zone.conventional_zones=2 "$image" 40M
mkdir "$M"
take_away() { ! is_mounted "$M" || umount -l "$M"; }
cleanup_fn take_away
if [ -n "$SANITIZED" ]; then export ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0"; fi

as=() # what runs zqfs

# Mounts with what it says in $DIR/said, uses the mount and ends it: no thread may have a ring.
used_without_rings() { # OPTIONS
    local pid i
    timeout 30 "${as[@]}" "$ZQFS" --pid-file "$DIR/pid" ${1:+-o "$1"} "$image" "$M" >"$DIR/said" 2>&1 ||
        fail "not mounted: $(cat "$DIR/said")"
    pid=$(cat "$DIR/pid")
    # threads that had one already let go of it by themselves
    for ((i = 0; i < 50; i++)); do
        has_rings_ "$pid" || break
        sleep 0.1
    done
    if has_rings_ "$pid"; then fail "it has rings though"; fi
    echo x >>"$M/seq/0"
    timeout 30 dd if=/dev/zero of="$M/cnv/0" bs=64K count=16 oflag=direct conv=notrunc status=none
    timeout 30 cat "$M/seq/0" "$M/cnv/0" >/dev/null
    timeout 30 "$ZQFS" umount "$M"
    wait_gone "$pid" 20 || fail "it does not end"
    assert_status 0 "$ZQFS" check "$image"
}

said_why() { # REASON
    grep -qF "without io_uring: $1" "$DIR/said" || fail "said: $(cat "$DIR/said")"
    assert_eq "$(wc -l <"$DIR/said")" 1 "lines about it"
}

# Lines that nobody has asked for are written only where root has let mounts use io_uring.
without() { # REASON OPTIONS
    echo "-- $1"
    expect_fail "$1" timeout 30 "${as[@]}" "$ZQFS" -o "uring=on${2:+,$2}" "$image" "$M"
    if is_mounted "$M"; then fail "mounted all the same"; fi
    assert_status 0 "$ZQFS" check "$image"
    used_without_rings "uring=auto${2:+,$2}"
    said_why "$1"
    used_without_rings "${2:-}"
    if [ "$(cat $RINGS_PARAMETER)" = Y ]; then
        said_why "$1"
    else
        assert_eq "$(cat "$DIR/said")" "" "what it says to those who have not asked"
    fi
}

rings_set N
without "the kernel does not offer it" ""
as=("$TOOLS/zfilter" eperm)
without "io_uring is forbidden here" ""
as=()

echo "-- with -d it says why, to those who have not asked too"
"$ZQFS" -d "$image" "$M" 2>"$DIR/debug" &
pid=$!
cleanup_fn stop_process "$pid"
for ((i = 0; i < 100; i++)); do
    ! is_mounted "$M" || break
    sleep 0.1
done
umount "$M"
wait "$pid"
holds "without io_uring: the kernel does not offer it" "$DIR/debug" || fail "said nothing"

rings_set Y
without "option seccomp forbids io_uring" seccomp
without "option auto_unmount would leave a dead mount behind" auto_unmount
for error in eperm enosys; do
    as=("$TOOLS/zfilter" "$error")
    case $error in
        eperm) without "io_uring is forbidden here" "" ;;
        enosys) without "the kernel's io_uring is too old" "" ;;
    esac
done
as=()
echo 2 >"$RINGS_SYSCTL"
without "io_uring is forbidden here" ""
echo 0 >"$RINGS_SYSCTL"

echo "-- what other kernels do"
kernel() { as=(env LD_PRELOAD="$TOOLS/kernels.so" ZQFS_KERNEL="$1"); } # NAME
for k in old-uring no-uring; do
    kernel $k
    without "the kernel's io_uring is too old; it takes Linux 6.14" ""
done
kernel no-offer
without "the kernel does not offer it" ""
kernel no-entry
without "Invalid argument" ""

echo "-- root takes it away while a mount begins"
kernel set-to-N
expect_fail "the kernel does not offer it" timeout 30 "${as[@]}" "$ZQFS" -o uring=on "$image" "$M"
for options in uring=auto ""; do
    rings_set Y
    used_without_rings "$options"
    said_why "the kernel does not offer it"
done
rings_set Y

echo "-- as many descriptors as a mount without rings needs"
for ((n = 6; n < 40; n++)); do
    # shellcheck disable=SC2016 # that shell's own arguments
    as=(bash -c 'ulimit -n "$1"; exec "${@:2}"' limit "$n")
    ! timeout 30 "${as[@]}" "$ZQFS" -o uring=off "$image" "$M" 2>/dev/null || break
done
timeout 30 "$ZQFS" umount "$M"
expect_fail "option uring=on: " timeout 30 "${as[@]}" "$ZQFS" -o uring=on "$image" "$M"
as[4]=$((n + 1)) # the pid file is one more
used_without_rings uring=auto
said_why ""
as=()

# What threads need to serve they have from the beginning: one that gets no ring must not end the mount,
# nor may others wait for it.
no_more_rings() { # WHAT COMMAND...
    echo "-- $1 after the mount: those that are there go on"
    "$ZQFS" create -q -o zone.size=256K,zone.conventional_zones=2 "$DIR/later.qcow2" 2560K
    mount_image "$DIR/later.qcow2" "$M" -o uring=on
    pid=$(mount_pid "$M")
    timeout 60 "${@:2}" >"$DIR/out" 2>&1 || fail "$1: $(cat "$DIR/out")"
    has_rings_ "$pid" || fail "no rings"
    unmount "$M"
    assert_status 0 "$ZQFS" check "$DIR/later.qcow2"
    rm "$DIR/later.qcow2"
}
# shellcheck disable=SC2016 # that shell's own arguments
no_more_rings "io_uring is forbidden" bash -c 'echo 2 >"$1"; exec "$2" "$3" seconds=6' forbid \
    "$RINGS_SYSCTL" "$TOOLS/zstress" "$M"
echo 0 >"$RINGS_SYSCTL"
# zstress would see stale pages: the process needs a descriptor to have them forgotten
# shellcheck disable=SC2016 # that shell's own arguments
no_more_rings "no descriptor is left" bash -c 'prlimit --pid "$(getfattr --only-values -n user.zone.pid "$1")" --nofile=3:3
    for i in 0 1 2 3; do
        { timeout 20 dd if=/dev/zero of="$1/seq/$i" bs=64K count=4 oflag=append conv=notrunc,fsync &&
            timeout 20 dd if=/dev/zero of="$1/seq/$i" bs=64K count=1 oflag=append conv=notrunc; } &
    done
    wait
    sum=0
    for i in 0 1 2 3; do sum=$((sum + $(timeout 20 cat "$1/seq/$i" | wc -c))); done
    [ $sum -eq 1048576 ] || { echo "$sum bytes are there"; exit 1; }' descriptors "$M"

if [ "$(nproc)" -gt 1 ]; then
    as=(taskset -c 0)
    without "this process may not run on processor 1" ""
    as=()
fi

echo "-- and where it can be had, it is the default"
mount_image "$image" "$M"
has_rings_ "$(mount_pid "$M")" || fail "no rings"
unmount "$M"
mount_image "$image" "$M" -o uring=off
if has_rings_ "$(mount_pid "$M")"; then fail "rings that nobody wants"; fi
unmount "$M"
