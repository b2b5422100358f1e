#!/usr/bin/env bash
# What a mounted process gives up: inherited descriptors, privileges, with seccomp system calls.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 600
source "${0%/*}/lib.sh"
requires_fuse
image=$DIR/a.qcow2
M=$DIR/mnt
"$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=1 "$image" 8M
field() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }

echo "-- descriptors that are not its own"
exec 7<"$TOP/README" 8<>"$image"
mount_image "$image" "$M"
pid=$(mount_pid "$M")
if readlink "/proc/$pid"/fd/* | grep -F "$TOP/README"; then
    fail "an inherited descriptor is still open"
fi
assert_eq "$(readlink "/proc/$pid"/fd/* | grep -cF "$image")" 1 "descriptors of the image"
exec 7<&- 8<&-
if [ "$(id -u)" -eq 0 ]; then
    assert_eq "$(field "$pid" NoNewPrivs)" 1 "no new privileges"
fi
assert_eq "$(field "$pid" Seccomp)" 0 "filter without the option"
unmount "$M"

# Sanitizers call what the filter does not know.
case $BUILD in */asan | */tsan) exit 0 ;; esac

echo "-- under the filter"
mount_image "$image" "$M" -o seccomp
pid=$(mount_pid "$M")
for task in "/proc/$pid/task"/*; do
    assert_eq "$(sed -n 's/^Seccomp:[[:space:]]*//p' "$task/status")" 2 "filter of ${task##*/}"
    assert_eq "$(sed -n 's/^NoNewPrivs:[[:space:]]*//p' "$task/status")" 1 "privileges of it"
done
assert_eq "$(awk '/Max core/ { print $5 }' "/proc/$pid/limits")" 0 "size of a core"
echo x >"$M/seq/0"
# ended by a signal it unmounts, commits and removes its pid file
kill "$pid"
wait_gone "$pid"
assert_status 0 "$ZQFS" check "$image"
"$ZQFS" --pid-file "$DIR/pid" -o seccomp,clone_fd,max_threads=4 "$image" "$M" || fail "status $?"
assert_size "$M/seq/0" 512
"$ZQFS" umount "$M"
[ ! -e "$DIR/pid" ] || fail "the pid file is still there"
assert_status 0 "$ZQFS" check "$image"

if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null && [ -u "$(command -v fusermount3)" ]; then
    echo "-- another user's"
    for_all_users
    mkdir "$DIR/user" "$DIR/user/mnt"
    cp "$image" "$DIR/user/a.qcow2"
    chown -R 65534:65534 "$DIR/user"
    as() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
    if as test -w /dev/fuse; then
        as "$ZQFS" --pid-file "$DIR/user/pid" -o seccomp "$DIR/user/a.qcow2" "$DIR/user/mnt"
        as dd if=/dev/zero of="$DIR/user/mnt/seq/1" bs=64k count=2 status=none
        pid=$(cat "$DIR/user/pid")
        kill "$pid"
        wait_gone "$pid"
        if is_mounted "$DIR/user/mnt"; then
            fail "nobody unmounted for a user"
        fi
        assert_status 0 "$ZQFS" check "$DIR/user/a.qcow2"
        assert_eq "$("$ZQFS" report --csv "$DIR/user/a.qcow2" | grep -c closed)" 2 "closed zones"
    fi
fi

echo "-- other tests, all under it"
export ZQFS_TEST_OPTIONS=seccomp
for t in mount-basic mount-appenders mount-locks conf-0200-conventional conf-0300-sequential \
    conf-0500-attributes; do
    run_other "$t" "under seccomp"
done
