#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The zoned disk of a virtual machine, before and after:
#
#     vm-disk.sh prepare IMAGE SIZE [FILE]...  makes the disk; FILE number n goes into sequential zone n
#     vm-disk.sh look IMAGE FOLDER             checks it and copies what each zone holds to FOLDER
#
# In between the machine runs, with a QEMU that has the zoned qcow2 series:
#
#     qemu-system-x86_64 ... -drive if=none,id=z,file=IMAGE,format=qcow2 -device virtio-blk-pci,drive=z
set -euo pipefail

usage() {
    sed -n '3,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
mnt=
end() {
    if [ -n "$mnt" ]; then
        zqfs umount "$mnt" 2>/dev/null || true
        rmdir "$mnt"
    fi
}
trap end EXIT
mount_at_mnt() { # ARGUMENT...
    mnt=$(mktemp -d)
    zqfs "$@" "$mnt"
}
# Reports a failure of the last commit, which "end" would not.
unmount() {
    local dir=$mnt
    mnt=
    zqfs umount "$dir"
    rmdir "$dir"
}

prepare() { # IMAGE SIZE [FILE]...
    local image=$1 size=$2 n=0 file
    shift 2
    zqfs create -o zone.size=64M,zone.conventional_zones=1 "$image" "$size"
    mount_at_mnt -o rw "$image"
    for file; do
        dd if="$file" of="$mnt/seq/$n" bs=1M oflag=append conv=notrunc status=none
        n=$((n + 1))
    done
    unmount
    zqfs check "$image"
}

look() { # IMAGE FOLDER
    local image=$1 to=$2 file name
    zqfs check "$image" # before anything else: a machine may have been killed
    zqfs report -c implicit-open,explicit-open,closed,full "$image"
    mkdir -p "$to"
    mount_at_mnt -o ro "$image"
    for file in "$mnt"/*/*; do
        name=${file#"$mnt"/}
        [ -s "$file" ] || continue
        cp --sparse=always "$file" "$to/${name/\//-}"
    done
    unmount
    ls -ls "$to"
}

case ${1:-} in
    prepare) [ $# -ge 3 ] || usage ;;
    look) [ $# -eq 3 ] || usage ;;
    *) usage ;;
esac
"$@"
