# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# For tests that make a mount hang if they can: faults of the disk, and a guard that frees whoever
# waits when a test has taken too long. Source it after lib.sh.

FAULTS=$DIR/faults # see tests/tools/preload/faults.c
mkdir -p "$FAULTS"

fault() { echo "${2:-}" >"$FAULTS/$1"; } # NAME [VALUE]
heal() { rm -f "$FAULTS"/*; }

# As mount_image, with the faults in the process that serves.
mount_faulty() { # IMAGE DIR [OPTION...]
    mount_with_ "$TOOLS/faults.so" "$@"
}

mount_with_() { # LIBRARY IMAGE DIR [OPTION...]
    export ZQFS_FAULTS=$FAULTS LD_PRELOAD=$1
    [ -z "$SANITIZED" ] || export ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0"
    shift
    mount_image "$@"
    unset LD_PRELOAD
}

# The number of a mount's connection: its folder in /sys/fs/fuse/connections.
connection_of() { # DIR
    local path
    path=$(cd "$(dirname "$1")" && pwd -P)/$(basename "$1")
    awk -v p="$path" '$5 == p { split($3, dev, ":"); print dev[2] }' /proc/self/mountinfo | tail -n 1
}

abort_connection() { # NUMBER
    [ -n "$1" ] && [ -e "/sys/fs/fuse/connections/$1/abort" ] || return 0
    echo 1 >"/sys/fs/fuse/connections/$1/abort" 2>/dev/null || true
}

# The connection of a mount belongs to the user who mounted; the files to abort it have to be there.
requires_abort() {
    grep -q " /sys/fs/fuse/connections fusectl " /proc/self/mounts ||
        mount -t fusectl none /sys/fs/fuse/connections 2>/dev/null ||
        skip "/sys/fs/fuse/connections is not mounted: nobody could end a connection that hangs"
}

# From now on the mount has so long; then its connection is aborted, and the test has failed.
guard() { # SECONDS DIR
    local number
    unguard
    number=$(connection_of "$2")
    (
        trap - EXIT ERR
        trap 'kill "$sleep" 2>/dev/null; exit' TERM
        sleep "$1" &
        sleep=$!
        wait "$sleep"
        echo "it hung for $1 seconds: connection $number aborted" | tee "$DIR/hung"
        abort_connection "$number"
    ) &
    guard_=$!
}
cleanup_fn end_guard_
cleanup_fn heal

end_guard_() {
    [ -z "${guard_:-}" ] || kill "$guard_" 2>/dev/null || true
    guard_=
}

unguard() {
    end_guard_
    [ ! -e "$DIR/hung" ] || fail "$(cat "$DIR/hung")"
}

# In the background; wait_spawned waits for all of these, whatever their status, and not for the guard.
spawned_=()
spawn() { # COMMAND...
    "$@" &
    spawned_+=($!)
}
wait_spawned() {
    local pid
    for pid in "${spawned_[@]}"; do wait "$pid" || true; done
    spawned_=()
}

# Processes of this test that cannot be killed; one line each.
stuck() {
    local pid tid where
    ps -eLo stat=,pid=,tid=,wchan:30= | sed -n 's/^ *D[^ ]* *//p' | while read -r pid tid where; do
        tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | grep -qxF "ZQFS_TEST_DIR=$DIR" || continue
        echo "$(cat "/proc/$pid/comm") $pid/$tid in $where;"
    done
    return 0
}

# Nobody waits for longer than two seconds.
assert_none_stuck() { # WHEN
    local n list=
    for ((n = 0; n < 20; n++)); do
        list=$(stuck)
        [ -n "$list" ] || return 0
        sleep 0.1
    done
    fail "stuck $1: $list"
}

# A check that it passes tells that nobody has it, and that it is whole.
assert_unlocked() { # IMAGE SECONDS
    local n
    for ((n = 0; n < $2 * 20; n++)); do
        "$ZQFS" check "$1" >"$DIR/check" 2>&1 && return 0
        [ $? -ne 3 ] || return 0
        grep -q "in use" "$DIR/check" || break
        sleep 0.05
    done
    cat "$DIR/check"
    fail "not whole and unlocked after $2 seconds: $1"
}

# For tests that end a mount $M of $image under load, again and again. SEED replays their choices.
loaded_mount() {
    requires_fuse
    requires_tool zload
    requires_abort
    # shellcheck disable=SC2034 # the tests use it
    M=$DIR/mnt
    image=$DIR/a.qcow2
    RANDOM=${SEED:=$(($(date +%s) % 32768))}
    echo "SEED=$SEED"
}

new_loaded_image() {
    rm -f "$image"
    "$ZQFS" create -q -o zone.size=4M,zone.conventional_zones=2,zone.max_active_zones=3 "$image" 32M
}

end_load() { # PID OF zload
    kill -KILL "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}
