#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Does a program lose what it has called safe when the power fails? Cuts the power at random moments:
#
#     powercut.sh [-n ROUNDS] [PROGRAM [ARGUMENT...]]       default: the log-writer.py beside it
#
#     PROGRAM... write MOUNTPOINT        runs until the disk is gone; prints a line with a number
#                                        for each thing that is safe from then on
#     PROGRAM... check MOUNTPOINT LAST   status 0: the thing with that number, and all before, is there
#
# Each round goes on with the disk that the one before has left, and has a seed of its own: of what is
# not confirmed nothing is kept, or a random part that a disk might have kept. Status 1: something
# was lost; the image is kept, and the seed is told.
set -euo pipefail

rounds=20
if [ "${1:-}" = -n ]; then
    rounds=${2:?usage: powercut.sh [-n ROUNDS] [PROGRAM [ARGUMENT...]]}
    shift 2
fi
program=("$@")
[ $# -gt 0 ] || program=("$(dirname "$0")/log-writer.py")

dir=$(mktemp -d "${TMPDIR:-/tmp}/powercut.XXXXXX")
mkdir "$dir/mnt"
keep=
finish() {
    zqfs umount "$dir/mnt" 2>/dev/null || true
    [ -n "$keep" ] || rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM

zqfs create -q -o zone.size=64K "$dir/disk.qcow2" 512K # small, so that zones are reset soon
last=0 # number of the last thing that is safe
for ((seed = 0; seed < rounds; seed++)); do
    option=powercut
    [ "$seed" -eq 0 ] || option=powercut=$seed
    zqfs -o "$option" "$dir/disk.qcow2" "$dir/mnt"
    "${program[@]}" write "$dir/mnt" >"$dir/safe" 2>"$dir/errors" &
    writer=$!
    until [ -s "$dir/safe" ] || ! kill -0 "$writer" 2>/dev/null; do sleep 0.05; done
    sleep "0.$((RANDOM % 8 + 1))"
    zqfs umount --power-cut "$dir/mnt"
    wait "$writer" || true
    n=$(tail -n 1 "$dir/safe")
    last=${n:-$last}

    zqfs "$dir/disk.qcow2" "$dir/mnt" # as after the start of the machine
    if ! "${program[@]}" check "$dir/mnt" "$last"; then
        keep=1
        echo "round $seed (-o $option): lost; the disk is $dir/disk.qcow2" >&2
        exit 1
    fi
    zqfs umount "$dir/mnt"
done
echo "$rounds power cuts, $last records safe, none lost"
