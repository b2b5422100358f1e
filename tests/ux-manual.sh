#!/usr/bin/env bash
# The manual has the sections that people look for, and its table of errors= is what happens.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
requires getfattr setfattr mandoc
cd "$DIR"
mandoc -Tascii "$TOP/zqfs.1" | sed 's/.\x08//g' >manual

for section in SYNOPSIS DESCRIPTION COMMANDS "MOUNT OPTIONS" "WRITE ERRORS" ENVIRONMENT FILES \
    "EXIT STATUS" EXAMPLES TROUBLESHOOTING "COMPARED TO" "SEE ALSO"; do
    grep -qx "$section" manual || fail "no section $section"
done
for word in "Mounting images" "Scripting zone I/O" "Inspecting write pointers" \
    "The zone model in one screen" zonefs qemu-storage-daemon zloop; do
    grep -q "^ *$word" manual || fail "not in the manual: $word"
done
model=$(sed -n '/^ *The zone model in one screen/,/^EXAMPLES/p' manual | wc -l)
[ "$model" -le 50 ] || fail "the zone model takes $model lines: that is more than a screen"
mandoc -Tlint -W warning "$TOP/contrib/mount.zqfs.8" || fail "mandoc finds fault with mount.zqfs.8"

# ---- the table of errors=: its lines on zones that an attribute made read-only and offline
row() { # "OPTION, STATE": the rest of that line of the table
    sed -n '/^WRITE ERRORS/,/^SAFETY/p' manual | tr -s ' ' | sed -n "s/^ *$1 //p" | head -n 1
}
"$ZQFS" create -q -o zone.size=1M a.qcow2 4M
errno_of() { # COMMAND: yes or the errno's name, as in the table
    local said
    if said=$("$@" 2>&1); then echo yes; return; fi
    case $said in
        *"not permitted"*) echo EPERM ;;
        *"Permission denied"*) echo EACCES ;;
        *"Read-only file system"*) echo EROFS ;;
        *) echo "$said" ;;
    esac
}
seen() { # FILE SIZE-BEFORE: state, mode, size, reads, writes, in the table's words
    local state mode size reads writes
    state=$(getfattr --only-values -n user.zone.state "$1" 2>/dev/null) || state=$3
    mode=$(printf %04o "0$(stat -c %a "$1")")
    if [ "$(stat -c %s "$1")" = "$2" ]; then size=kept; else size=$(stat -c %s "$1"); fi
    reads=$(errno_of dd if="$1" of=read bs=512 count=1)
    writes=$(errno_of dd if=/dev/zero of="$1" bs=512 count=1 oflag=append conv=notrunc)
    echo "$state $mode $size $reads $writes"
}
requires_root # others are kept out by the mode before the file system is asked
for option in remount-ro zone-ro zone-offline repair; do
    mount_image a.qcow2 mnt -o "errors=$option"
    for zone in 0 1; do
        truncate -s 0 mnt/seq/$zone
        head -c 4096 /dev/zero >>mnt/seq/$zone
    done
    setfattr -n user.zone.command -v read-only mnt/seq/0
    setfattr -n user.zone.command -v offline mnt/seq/1
    assert_eq "$(seen mnt/seq/0 4096)" "$(row 'any option read-only')" "a read-only zone, errors=$option"
    assert_eq "$(seen mnt/seq/1 4096 offline)" "$(row offline)" "an offline zone, errors=$option"
    remount_image a.qcow2 mnt
    assert_attr mnt/seq/0 state closed # the image knows no such states
    assert_attr mnt/seq/1 state closed
    unmount mnt
done
