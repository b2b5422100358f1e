#!/usr/bin/env bash
# What commonly goes wrong is said in one line: what, where, why, and what to do.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
requires_tool zio
cd "$DIR"
mkdir mnt
"$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=1 a.qcow2 8M

# All that is said, but for the usage of a wrong command line, is this line.
says() { # "LINE" COMMAND...
    local want=$1 rc=0
    shift
    "$@" >out 2>&1 || rc=$?
    [ "$rc" -eq 1 ] || [ "$rc" -eq 2 ] || fail "status $rc: $*"
    assert_eq "$(sed '/^usage: /d' out)" "zqfs: $want" "what '$*' says"
}

# swapped arguments
says "mnt is a directory and a.qcow2 is not: the image comes first: zqfs a.qcow2 mnt" \
    "$ZQFS" mnt a.qcow2
says "create: the image comes before the size: zqfs create b.qcow2 8M" "$ZQFS" create 8M b.qcow2

# an image without zones: the command that makes one with them works as it is printed
if command -v qemu-img >/dev/null; then
    qemu-img create -q -f qcow2 plain.qcow2 12M
    advice="zqfs create NEW.qcow2 12M"
    no_zones="plain.qcow2: is a qcow2 image without zones; \"$advice\" makes a zoned one of that size"
    says "$no_zones" "$ZQFS" plain.qcow2 mnt
    says "$no_zones" "$ZQFS" report plain.qcow2
    says "$no_zones" "$ZQFS" info plain.qcow2
    says "$no_zones" "$ZQFS" check plain.qcow2
    says "$no_zones" "$ZQFS" reset plain.qcow2 all
    ln -s "$ZQFS" zqfs
    PATH=.:$PATH bash -c "$advice"
    "$ZQFS" info NEW.qcow2
fi
head -c 1M /dev/zero >raw
says 'raw: not a qcow2 image ("zqfs create" makes one)' "$ZQFS" raw mnt

# an image in use, and by whom
mount_image a.qcow2 mnt
in_use="a.qcow2: in use by another process: it is mounted on $(pwd -P)/mnt"
mkdir mnt2
says "$in_use" "$ZQFS" a.qcow2 mnt2
says "a.qcow2: mounted on $(pwd -P)/mnt; first run: zqfs umount $(pwd -P)/mnt" \
    "$ZQFS" check a.qcow2
says "a.qcow2: mounted on $(pwd -P)/mnt; run: zqfs reset $(pwd -P)/mnt 1" \
    "$ZQFS" reset a.qcow2 1

# a stale mount point, and how to clear it
kill -KILL "$(mount_pid mnt)"
wait_gone "$(mount_pid mnt)"
says "mnt: a stale mount, its zqfs is gone; clear it with: zqfs umount mnt" "$ZQFS" a.qcow2 mnt
says "mnt: a stale mount, its zqfs is gone; clear it with: zqfs umount mnt" "$ZQFS" report mnt
"$ZQFS" umount mnt
forget_mount_ mnt

# a mount point that is no folder, or one that is not empty
says "none: no such directory; make it with: mkdir none" "$ZQFS" a.qcow2 none
says "raw: not a directory" "$ZQFS" a.qcow2 raw
touch mnt/file
mount_image a.qcow2 mnt 2>out
assert_eq "$(cat out)" \
    "zqfs: mnt: not empty; what is in it is hidden while the image is mounted" "what it says"
unmount mnt
rm mnt/file

# an image that may not be written is mounted read-only, which is said; not when rw was asked for
if [ "$(id -u)" -ne 0 ]; then
    chmod a-w a.qcow2
    mount_image a.qcow2 mnt 2>out
    grep -q "a.qcow2: mounted read-only: " out || fail "said: $(cat out)"
    unmount mnt
    "$ZQFS" -o rw a.qcow2 mnt && fail "mounted though rw was asked for"
    chmod u+w a.qcow2
fi

# a write elsewhere than at the end: one line for each open file, with the offset that is right
"$ZQFS" -f a.qcow2 mnt 2>log &
pid=$!
cleanup_fn stop_process "$pid"
for _ in $(seq 100); do ! is_mounted mnt || break; sleep 0.1; done
echo begin >>mnt/seq/2
misplaced() { # three writes through one open file, all of them refused
    exec 3<>mnt/seq/2
    for n in 5 6 7; do
        ! dd if=/dev/zero bs=512 count=1 seek="$n" conv=notrunc status=none >&3 2>/dev/null ||
            fail "written at block $n"
    done
    exec 3>&-
}
misplaced
assert_eq "$(cat log)" \
    "zqfs: a.qcow2: zone 3 (seq/2): a write at 2560 was refused, the next byte is 512" "the log"
misplaced
assert_eq "$(wc -l <log)" 2 "lines of the log after a second open file"
# a command that there is not: which zone, and which commands there are
! setfattr -n user.zone.command -v opne mnt/seq/2 2>/dev/null || fail "the word opne was taken"
words="open, close, finish, reset, read-only, offline"
assert_eq "$(tail -n 1 log)" "zqfs: a.qcow2: zone 3 (seq/2): unknown command 'opne'; there are $words" \
    "the log after a wrong command"
kill "$pid"
wait "$pid"

# names from outside cannot make up lines or drive the terminal
odd=$'odd\nzqfs: \e[31mname.qcow2'
shown='odd\nzqfs: \x1b[31mname.qcow2'
assert_eq "$("$ZQFS" create -o zone.size=1M "$odd" 4M)" "created $shown: 4 MiB, 4 zones of 1 MiB" \
    "create of an odd name"
assert_eq "$("$ZQFS" info "$odd" | head -n 1)" "image:             $shown" "info of an odd name"
assert_eq "$("$ZQFS" check "$odd" | head -n 1)" "$shown: no errors" "check of an odd name"
assert_eq "$("$ZQFS" resize "$odd" 4M)" "$shown has that size: 4 MiB, 4 zones" "resize to an odd name's size"
assert_eq "$("$ZQFS" resize "$odd" +1M)" "$shown: 5 MiB, 5 zones (before: 4)" "resize of an odd name"
expect_fail "zqfs: $shown: zones: 5: the last zone is 4 (seq/4)" "$ZQFS" reset "$odd" 5
expect_fail "zqfs: ${shown}x: No such file or directory" "$ZQFS" info "${odd}x"
assert_status 2 "$ZQFS" info "$odd" "$odd"
assert_eq "$(head -n 1 out)" "zqfs: info: '$shown' is one argument too many" "an odd argument"

# an image that is mounted, or its mount point, for a command that needs the image for itself
mount_image a.qcow2 mnt
for command in check compact "amend -o zone.max_open_zones=2" "resize 16M" commit; do
    # shellcheck disable=SC2086 # words
    set -- $command
    operands=(a.qcow2) mount_point=(mnt)
    [ "$1" != resize ] || { operands=(a.qcow2 16M) mount_point=(mnt 16M); set -- resize; }
    says "a.qcow2: mounted on $DIR/mnt; first run: zqfs umount $DIR/mnt" "$ZQFS" "$@" "${operands[@]}"
    says "mnt: belongs to a zqfs mount; first run: zqfs umount $DIR/mnt, then give the image" \
        "$ZQFS" "$@" "${mount_point[@]}"
done
says "a.qcow2: in use by another process: it is mounted on $DIR/mnt" "$ZQFS" convert a.qcow2 b.qcow2
says "a.qcow2: in use by another process: it is mounted on $DIR/mnt" "$ZQFS" compare a.qcow2 mnt
says "mnt/seq: a folder of a zqfs mount; ask $DIR/mnt" "$ZQFS" info mnt/seq
unmount mnt

# an image that may not be read, whatever its format
cp a.qcow2 closed.qcow2
chmod 0 closed.qcow2
as_user=()
if [ "$(id -u)" -eq 0 ]; then
    for_all_users
    as_user=(setpriv --reuid=65534 --clear-groups)
fi
says "closed.qcow2: Permission denied" "${as_user[@]}" "$ZQFS" convert closed.qcow2 b.qcow2
