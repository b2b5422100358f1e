# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What every shell test sources first: "source "${0%/*}/lib.sh"". tests/README has the list.
# Owns the temporary folder $DIR and everything that is mounted or started through it.

set -euo pipefail
umask 022

TOP=${TOP:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
BUILD=${BUILD:-$TOP/build}
ZQFS=${ZQFS:-$TOP/zqfs}
TOOLS=$BUILD/tests/tools
IMAGES=$TOP/tests/images
export LC_ALL=C TZ=UTC

DIR=$(mktemp -d "${TMPDIR:-/tmp}/zqfs-test.XXXXXX")
# Marks what this test starts: other tests have a "mnt" too.
export ZQFS_TEST_DIR=$DIR
cleanup_list_=()
mounts_=()  # mount points
daemons_=() # their processes, same order

# A daemon has no stderr, so sanitizers write to files; on_exit_ fails when there is one. What
# "make asan" sets stays, and the folder is for other users' processes too.
SANITIZED=
case $BUILD in */asan | */tsan) SANITIZED=${BUILD##*/} ;; esac
if [ -n "$SANITIZED" ]; then
    mkdir -m 1777 "$DIR/sanitizer"
    for name_ in ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS TSAN_OPTIONS; do
        export "$name_=${!name_:+${!name_}:}log_path=$DIR/sanitizer/report"
    done
fi

# ---- ends ----------------------------------------------------------------------------------

skip() { # WHY
    echo "skip: $*"
    exit 77
}

fail() { # WHY
    local i
    echo "fail: $*"
    for ((i = 1; i < ${#BASH_SOURCE[@]}; i++)); do
        echo "  at ${BASH_SOURCE[i]##*/}:${BASH_LINENO[i - 1]}"
    done
    exit 1
}

# Has COMMAND ARGUMENTS... run when the test ends, however it ends; the last one first.
cleanup_fn() {
    cleanup_list_=("$(printf '%q ' "$@")" "${cleanup_list_[@]}")
}

on_error_() {
    echo "fail: line $1: status $2 from: $3"
}

# Fails with what the sanitizers said of any process of this test, once all have ended.
sanitizer_reports_() {
    local p n
    for ((n = 0; n < 50; n++)); do
        p=$(grep -lzxsF "ZQFS_TEST_DIR=$DIR" /proc/[0-9]*/environ | while read -r p; do
            [ "$(readlink "${p%environ}exe")" != "$(readlink -f "$ZQFS")" ] || echo "$p"
        done)
        [ -n "$p" ] || break
        sleep 0.1
    done
    for p in "$DIR"/sanitizer/report*; do
        [ -s "$p" ] || continue
        echo "fail: the $SANITIZED build reported, ${p##*/}:"
        head -n 150 "$p" | sed 's/^/  /'
        return 1
    done
}

on_exit_() {
    local rc=$? i command
    set +e
    trap - ERR
    trap '' INT TERM HUP
    for command in "${cleanup_list_[@]}"; do
        eval "$command"
    done
    for ((i = ${#mounts_[@]} - 1; i >= 0; i--)); do
        end_mount_ "${mounts_[i]}" "${daemons_[i]}"
    done
    [ -z "$SANITIZED" ] || sanitizer_reports_ || rc=1
    if [ -n "${KEEP:-}" ]; then
        echo "kept: $DIR"
    else
        rm -rf --one-file-system "$DIR"
    fi
    exit "$rc"
}
trap on_exit_ EXIT
trap 'on_error_ "$LINENO" "$?" "$BASH_COMMAND"' ERR
set -E
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- what a test needs ------------------------------------------------------------------------

requires() { # COMMAND...
    local c
    for c in "$@"; do
        command -v "$c" >/dev/null || skip "$c is not installed"
    done
}

requires_fuse() {
    [ -c /dev/fuse ] || skip "no /dev/fuse"
    # users mount through fusermount3, which has the privilege
    [ -w /dev/fuse ] || [ -u "$(command -v fusermount3)" ] || skip "/dev/fuse may not be used"
    [ "$(id -u)" -eq 0 ] || requires fusermount3
}

# For tests of root's that mount as an ordinary user. Where /dev/fuse is for root only, the test runs
# again in a mount namespace with one that is for all. That one does not keep what other tests have
# mounted, which they could not unmount meanwhile.
fuse_for_users() {
    local rc=0
    [ "$(id -u)" -eq 0 ] && [ -z "${ZQFS_FUSE_FOR_ALL:-}" ] || return 0
    ! setpriv --reuid=65534 --clear-groups test -w /dev/fuse 2>/dev/null || return 0
    mknod -m 666 "$DIR/fuse" c 10 229 2>/dev/null || return 0
    ZQFS_FUSE_FOR_ALL=1 unshare -m sh -c 'umount -ialt fuse.zqfs; mount --bind "$0" /dev/fuse && exec bash "$@"' \
        "$DIR/fuse" "$0" || rc=$?
    exit "$rc"
}
requires_root() {
    [ "$(id -u)" -eq 0 ] || skip "only root can do this"
}

requires_tool() { # NAME: of tests/tools
    [ -x "$TOOLS/$1" ] || fail "tests/tools/$1 is not built"
}

# Makes $DIR a folder that all users reach, with copies of the program and the tools: the folder of
# the sources may be closed to others.
for_all_users() {
    chmod 755 "$DIR"
    mkdir "$DIR/for-all"
    install -m 755 "$ZQFS" "$TOOLS"/* "$DIR/for-all/"
    ZQFS=$DIR/for-all/zqfs
    TOOLS=$DIR/for-all
}

# Unpacks an image of tests/images (stored as NAME.zst or NAME.gz or as it is) to $DIR/NAME.
unpack_image() { # NAME
    local to=$DIR/$1
    if [ -e "$IMAGES/$1" ]; then
        cp --sparse=always "$IMAGES/$1" "$to"
    elif [ -e "$IMAGES/$1.zst" ]; then
        requires zstd
        zstd -dqf --sparse "$IMAGES/$1.zst" -o "$to"
    elif [ -e "$IMAGES/$1.gz" ]; then
        gzip -dc "$IMAGES/$1.gz" >"$to"
    else
        fail "tests/images has no $1"
    fi
    chmod u+w "$to"
}

# ---- mounts --------------------------------------------------------------------------------------

is_mounted() { # MOUNTPOINT; asks no file system, so it never hangs
    local path
    path="$(cd "$(dirname "$1")" && pwd -P)/$(basename "$1")"
    path=${path//\\/\\134} # as the kernel writes them there
    path=${path// /\\040}
    grep -qF -- " $path " /proc/self/mounts
}

# The process that serves a mount point: the one of ours that names it and still runs.
daemon_of_() { # MOUNTPOINT
    local dir=$1 p
    for p in /proc/[0-9]*; do
        [ "$p" != "/proc/$$" ] || continue
        # no program is run for each process of the machine: there may be hundreds
        if [ "$p/exe" -ef "$ZQFS" ] &&
            grep -qzxsF "ZQFS_TEST_DIR=$DIR" "$p/environ" &&
            tr '\0' '\n' 2>/dev/null <"$p/cmdline" | grep -qxF -- "$dir"; then
            echo "${p#/proc/}"
            return
        fi
    done
    return 0
}

# Mounts IMAGE at DIR (made if missing) and remembers it; it is unmounted when the test ends.
mount_image() { # IMAGE DIR [OPTION...]
    local image=$1 dir=$2
    shift 2
    mkdir -p "$dir"
    # tests/mount-seccomp.sh and others run scripts with an option more
    "$ZQFS" ${ZQFS_TEST_OPTIONS:+-o "$ZQFS_TEST_OPTIONS"} "$@" "$image" "$dir" || fail "mounting $image: status $?"
    mounts_+=("$dir")
    daemons_+=("$(daemon_of_ "$dir")")
    is_mounted "$dir" || fail "zqfs returned 0 and $dir is not mounted"
    # in a run on the rings each mount must have them
    case "${ZQFS_TEST_RINGS:-no} ${ZQFS_TEST_OPTIONS:-} $*" in
        no\ * | *seccomp* | *auto_unmount* | *uring=off*) ;;
        *) has_rings_ "${daemons_[-1]}" || fail "$dir is not served through io_uring" ;;
    esac
}

has_rings_() { # PID
    find "/proc/$1/fd" -lname 'anon_inode:*io_uring*' 2>/dev/null | grep -q .
}

# Pid of the process that serves a mount point of mount_image.
mount_pid() { # DIR
    local i
    for i in "${!mounts_[@]}"; do
        [ "${mounts_[i]}" = "$1" ] && echo "${daemons_[i]}"
    done
    return 0
}

forget_mount_() { # DIR
    local i m=() d=()
    for i in "${!mounts_[@]}"; do
        if [ "${mounts_[i]}" != "$1" ]; then
            m+=("${mounts_[i]}")
            d+=("${daemons_[i]}")
        fi
    done
    mounts_=("${m[@]}")
    daemons_=("${d[@]}")
}

# Unmounts with "zqfs umount" and makes sure that the process has ended.
unmount() { # DIR
    local pid
    pid=$(mount_pid "$1")
    "$ZQFS" umount "$1" || fail "zqfs umount $1: status $?"
    if is_mounted "$1"; then
        fail "zqfs umount returned 0 and $1 is mounted"
    fi
    if [ -n "$pid" ] && running_ "$pid"; then
        fail "zqfs umount returned 0 and process $pid still runs"
    fi
    forget_mount_ "$1"
}

# Has the number of a process that has ended gone to one that this test did not start? One that is
# ending has no environment any more and counts as ours; so does one that may not be read.
foreign_() { # PID
    local pid=$1
    [ -n "$(head -c 1 "/proc/$pid/environ" 2>/dev/null)" ] || return 1
    ! grep -qzxsF "ZQFS_TEST_DIR=$DIR" "/proc/$pid/environ" || return 1
    # a subshell has the environment that the shell began with
    while [ "$pid" -gt 1 ]; do
        [ "$pid" != $$ ] || return 1
        pid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null) || return 1
        pid=${pid:-0}
    done
}

# As the builtin, but only for processes of this test: numbers come round.
kill() {
    local word
    for word; do
        case $word in
            '' | *[!0-9]*) ;;
            *)
                foreign_ "$word" || continue
                echo "kill: process $word is not of this test" >&2
                return 1
                ;;
        esac
    done
    builtin kill "$@"
}

# Exists, is ours and no zombie. One whose first thread has ended is a zombie whose files are still open.
running_() { # PID
    local state
    state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p; s/^Threads:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null) ||
        return 1
    [ -n "$state" ] && [ "$state" != $'Z\n1' ] && ! foreign_ "$1"
}

wait_gone() { # PID [SECONDS]: fails when the process is still there then
    local n=$((${2:-10} * 10))
    while running_ "$1"; do
        [ "$n" -gt 0 ] || return 1
        n=$((n - 1))
        sleep 0.1
    done
}

# For cleanup_fn: ends a process that the test started and that may have ended already.
stop_process() { # PID
    running_ "$1" || return 0
    kill "$1" 2>/dev/null || return 0
    wait_gone "$1" 5 || kill -KILL "$1" 2>/dev/null || true
}

# For the end of a test: lets go of a mount whatever state it is in.
end_mount_() { # DIR PID
    if is_mounted "$1"; then
        timeout 20 "$ZQFS" umount "$1" >/dev/null 2>&1 ||
            fusermount3 -uqz "$1" 2>/dev/null || umount -l "$1" 2>/dev/null
    fi
    if [ -n "$2" ] && ! wait_gone "$2" 5; then
        kill -KILL "$2" 2>/dev/null
    fi
}

# Remounts: what is there now must all be in the image.
remount_image() { # IMAGE DIR [OPTION...]
    unmount "$2"
    mount_image "$@"
}

# Runs another test of this folder, which must pass or be skipped: ZQFS_TEST_OPTIONS mounts its images
# in another way.
run_other() { # NAME HOW
    local rc=0
    echo "   $1"
    "$TOP/tests/$1.sh" >"$DIR/out" 2>&1 || rc=$?
    case $rc in
        0 | 77) ;;
        *) cat "$DIR/out"; fail "$1 $2: status $rc" ;;
    esac
}

# ---- asserting ---------------------------------------------------------------------------------------

assert_eq() { # GOT WANT WHAT
    [ "$1" = "$2" ] || fail "$3: got '$1', expected '$2'"
}

assert_size() { # FILE BYTES
    assert_eq "$(size_of "$1")" "$2" "size of ${1#"$DIR"/}"
}

assert_attr() { # FILE NAME VALUE; NAME without "user.zone."
    assert_eq "$(attr "$1" "$2")" "$3" "user.zone.$2 of ${1#"$DIR"/}"
}

assert_same() { # FILE FILE
    cmp -- "$1" "$2" || fail "$1 and $2 differ"
}

assert_status() { # STATUS COMMAND...; output goes to $DIR/out
    local want=$1 rc=0
    shift
    "$@" >"$DIR/out" 2>&1 || rc=$?
    [ "$rc" -eq "$want" ] || {
        sed 's/^/  /' "$DIR/out"
        fail "status $rc, expected $want: $*"
    }
}

# The command must fail, not by a signal, and say this; its output stays in $DIR/out.
expect_fail() { # "PART OF THE MESSAGE" COMMAND...
    local part=$1 rc=0
    shift
    "$@" >"$DIR/out" 2>&1 || rc=$?
    [ "$rc" -ne 0 ] || fail "succeeded, expected '$part': $*"
    [ "$rc" -lt 126 ] || {
        sed 's/^/  /' "$DIR/out"
        fail "status $rc, expected '$part': $*"
    }
    grep -qF -- "$part" "$DIR/out" || {
        sed 's/^/  /' "$DIR/out"
        fail "did not say '$part': $*"
    }
}

# ---- looking --------------------------------------------------------------------------------------------

# Does what comes in hold the pattern? Reads all of it: grep -q ends early, and under pipefail the
# signal that the writer gets then would count.
holds() { grep "$@" >/dev/null; } # GREP ARGUMENTS
size_of() { stat -c %s -- "$1"; } # FILE: bytes
disk_usage() { echo $(($(stat -c '%b * %B' -- "$1"))); } # FILE: bytes on the host's disk
attr() { getfattr --only-values --absolute-names -n "user.zone.$2" -- "$1"; } # FILE NAME
random_bytes() { head -c "$1" /dev/urandom; } # BYTES

# BYTES that are the same every time for one SEED.
pattern_bytes() { # SEED BYTES
    awk -v s="$1" "BEGIN { for (i = 0; ; i++) print s, i }" | head -c "$2" || true
}
