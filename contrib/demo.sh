#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# "make demo": what zqfs does, step by step, each command as a person would type it. Works in a
# folder of its own that is removed at the end; stops with status 1 when a step goes wrong.
set -euo pipefail

cd "$(dirname "$0")/.."
zqfs=$(realpath "${ZQFS:-./zqfs}")
[ -x "$zqfs" ] || { echo "demo: $zqfs is missing; run make first" >&2; exit 1; }
[ -w /dev/fuse ] || { [ -c /dev/fuse ] && [ -u "$(command -v fusermount3)" ]; } ||
    { echo "demo: /dev/fuse is missing or may not be used: no mounts here" >&2; exit 1; }
export LC_ALL=C

dir=$(mktemp -d "${TMPDIR:-/tmp}/zqfs-demo.XXXXXX")
end() {
    local rc=$?
    trap '' INT TERM HUP
    cd /
    if grep -qF " $dir/mnt " /proc/self/mounts; then
        "$zqfs" umount "$dir/mnt" || fusermount3 -uz "$dir/mnt" || umount -l "$dir/mnt" || true
    fi
    rm -rf --one-file-system "$dir"
    [ "$rc" -eq 0 ] || echo "demo: stopped with status $rc" >&2
    exit "$rc"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The program that was built goes by its name here, whatever else is installed.
mkdir "$dir/bin"
ln -s "$zqfs" "$dir/bin/zqfs"
PATH=$dir/bin:$PATH
cd "$dir"

if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); else bold='' plain=''; fi
step() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
run() { # COMMAND LINE
    local rc=0
    printf '$ %s\n' "$1"
    bash -o pipefail -c "$1" 2>&1 || rc=$?
    [ "$rc" -eq 0 ] || { echo "demo: that should have worked (status $rc)" >&2; exit 1; }
}
refused() { # COMMAND LINE
    printf '$ %s\n' "$1"
    if bash -o pipefail -c "$1" 2>&1; then
        echo "demo: that should have been refused" >&2
        exit 1
    fi
}
expect() { # WHAT GOT WANT
    [ "$2" = "$3" ] || { echo "demo: $1 is $2, expected $3" >&2; exit 1; }
}

step "A zoned disk of 160 MiB in a file: two conventional zones, the others sequential"
run "zqfs create -o zone.size=16M,zone.capacity=12M,zone.conventional_zones=2,zone.max_open_zones=4,zone.max_active_zones=6 disk.qcow2 160M"
run "zqfs info disk.qcow2"

step "Mounted, every zone is a file"
run "mkdir mnt"
run "zqfs disk.qcow2 mnt"
run "ls -C -w 72 mnt mnt/cnv mnt/seq"

step "Appending moves the write pointer, in blocks of 512 bytes"
run "echo 'hello zone' >> mnt/seq/0"
run "stat -c '%n: %s bytes' mnt/seq/0"
expect "the size of seq/0" "$(stat -c %s mnt/seq/0)" 512
run "head -n 1 mnt/seq/0"
run "getfattr -d mnt/seq/0"

step "A sequential zone is written at its end and nowhere else"
refused "echo no | dd of=mnt/seq/0 bs=512 seek=4 conv=notrunc status=none"

step "Conventional zones take writes anywhere"
run "echo 'anywhere' | dd of=mnt/cnv/1 bs=1 seek=1000000 conv=notrunc status=none"
run "dd if=mnt/cnv/1 bs=1 skip=1000000 count=9 status=none"

step "A zone that is written to its capacity is full"
run "head -c 12M /dev/urandom > mnt/seq/1"
run "getfattr --only-values -n user.zone.state mnt/seq/1; echo"
refused "echo more >> mnt/seq/1"

step "Cutting a file to the capacity finishes its zone, the rest reads as zeros"
run "seq 1 500000 > mnt/seq/2"
run "truncate -s 12M mnt/seq/2"
run "stat -c '%n: %s bytes' mnt/seq/2; getfattr --only-values -n user.zone.state mnt/seq/2; echo"
expect "the state of seq/2" "$(getfattr --only-values -n user.zone.state mnt/seq/2)" full

step "Cutting it to nothing resets the zone, and the image gives the space back"
run "du -h disk.qcow2"
run "truncate -s 0 mnt/seq/1; sync mnt/seq/1"
run "stat -c '%n: %s bytes' mnt/seq/1"
run "du -h disk.qcow2"

step "Attributes change a zone's state too"
run "setfattr -n user.zone.command -v open mnt/seq/3"
run "zqfs report mnt"

step "Unmounted, all of it is in the image"
sha256sum mnt/cnv/* mnt/seq/* > sums
run "zqfs umount mnt"
run "zqfs check disk.qcow2"
run "zqfs report disk.qcow2"

step "And after the next mount it is all still there"
run "zqfs disk.qcow2 mnt"
run "head -n 1 mnt/seq/0; stat -c '%n: %s bytes' mnt/seq/[0-3]"
sha256sum --quiet -c sums || { echo "demo: a file changed over the remount" >&2; exit 1; }
echo "(every file's checksum is what it was)"
run "zqfs umount mnt"
