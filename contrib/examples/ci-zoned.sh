#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A zoned device for a test in CI, without root, gone afterwards:
#
#     ci-zoned.sh [-o KEY=VALUE,...] SIZE COMMAND [ARGUMENT]...
#
# Runs COMMAND with the mount in $ZONED_DIR (and the image in $ZONED_IMAGE). Its exit status is the
# result, and so is 3 when the image that it left is damaged. -o as for "zqfs create". A container
# needs --device /dev/fuse and a mount that is allowed: --cap-add SYS_ADMIN, or a user namespace.
set -euo pipefail

options=()
while getopts '+o:' opt; do
    case $opt in
        o) options+=(-o "$OPTARG") ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -ge 2 ] || { echo "usage: ci-zoned.sh [-o KEY=VALUE,...] SIZE COMMAND [ARGUMENT]..." >&2; exit 2; }
size=$1
shift

dir=$(mktemp -d)
# shellcheck disable=SC2317 # called by the trap
end() {
    zqfs umount "$dir/mnt" 2>/dev/null || true
    rm -rf --one-file-system "$dir"
}
trap end EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

export ZONED_IMAGE=$dir/disk.qcow2 ZONED_DIR=$dir/mnt
zqfs create -q "${options[@]}" "$ZONED_IMAGE" "$size"
mkdir "$ZONED_DIR"
zqfs "$ZONED_IMAGE" "$ZONED_DIR" # returns when the mount answers: nothing to wait for

status=0
"$@" || status=$?

zqfs umount "$ZONED_DIR"
zqfs check "$ZONED_IMAGE" >"$dir/check" || { cat "$dir/check" >&2; status=3; }
exit "$status"
