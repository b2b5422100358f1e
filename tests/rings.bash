# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Lets mounts come through io_uring while a test or a suite runs. The kernel's parameter is everybody's, so
# one at a time has it, and a process of its own sets it back however this one ends.

RINGS_PARAMETER=/sys/module/fuse/parameters/enable_uring
RINGS_SYSCTL=/proc/sys/kernel/io_uring_disabled

# Says why there can be no rings here; nothing: they can be had. Who holds the parameter may have
# disabled io_uring for a while, so that is only looked at when nobody else does.
no_rings() { # SECONDS to wait for others who have the parameter
    local lock
    [ "$(id -u)" -eq 0 ] || { echo "only root can let mounts use io_uring"; return; }
    [ -w "$RINGS_PARAMETER" ] || { echo "this kernel has no FUSE over io_uring"; return; }
    exec {lock}<"$RINGS_PARAMETER"
    if ! flock -w "$1" "$lock"; then
        echo "somebody else has the kernel's parameter"
    elif [ "$(cat $RINGS_SYSCTL 2>/dev/null)" != 0 ]; then
        echo "io_uring is disabled here"
    fi
    exec {lock}<&-
}

# Takes the parameter, which stays as it is for now, and gives it back when this process has ended.
rings_take() { # SECONDS to wait for others who have it
    exec {rings_lock_}<"$RINGS_PARAMETER"
    flock -w "$1" "$rings_lock_" || return 1
    rings_old_=$(cat "$RINGS_PARAMETER")
    # shellcheck disable=SC2016 # that shell's own arguments
    # its input ends with the last process that has the other end
    exec {rings_hold_}> >(exec env -u ZQFS_TEST_MARK -u ZQFS_TEST_DIR setsid bash -c '
        trap "" HUP INT TERM
        cat >/dev/null
        echo "$1" >"$2"
        echo 0 >"$3"' rings "$rings_old_" "$RINGS_PARAMETER" "$RINGS_SYSCTL")
    # that process has the lock too, until it has set the parameter back
    exec {rings_lock_}<&-
}

# For a test: takes the parameter until it ends, or skips it with the reason.
rings_need() { # SECONDS to wait for others who have it
    local why
    why=$(no_rings "$1")
    [ -z "$why" ] || skip "$why"
    rings_take "$1" || skip "somebody else has the kernel's parameter"
    cleanup_fn rings_release
}

rings_set() { echo "$1" >"$RINGS_PARAMETER"; } # Y|N

# The end, waited for.
rings_release() {
    local n
    [ -n "${rings_hold_:-}" ] || return 0
    exec {rings_hold_}>&-
    rings_hold_=
    for ((n = 0; n < 50; n++)); do
        [ "$(cat "$RINGS_PARAMETER")" != "$rings_old_" ] || return 0
        sleep 0.1
    done
}
