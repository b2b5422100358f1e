#!/usr/bin/env bash
# Rewriting zones again and again: the host holds the live data and what waits for a commit, which
# is bounded by 64 MiB here, and what the next reset lets go.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
requires perl

M=$DIR/mnt
mkdir "$M"
MIB=1048576
bound=$(((128 + 64 + 8 + 8) * MIB)) # the disk, what may wait, a reset, tables

check_usage() { # WHEN
    used=$(disk_usage "$DIR/a.qcow2")
    [ "$used" -le "$bound" ] || fail "$1: $((used / MIB)) MiB on the host, not $((bound / MIB))"
}

"$ZQFS" create -q -o zone.size=8M "$DIR/a.qcow2" 128M
mount_image "$DIR/a.qcow2" "$M" -o commit=1000

echo "-- files that stay open"
# shellcheck disable=SC2016
perl -e '
    my ($m, $image, $bound) = @ARGV;
    my $block = "x" x 1048576;
    my @file = map { open my $f, "+<", "$m/seq/$_" or die "$_: $!"; $f } 0 .. 15;
    for my $round (1 .. 6) {
        for my $f (@file) {
            truncate $f, 0 or die "reset: $!";
            sysseek $f, 0, 0;
            for (1 .. 8) { syswrite($f, $block) == 1048576 or die "write: $!" }
            my $used = (stat $image)[12] * 512;
            die sprintf "%d MiB on the host, not %d\n", $used >> 20, $bound >> 20 if $used > $bound;
        }
    }' "$M" "$DIR/a.qcow2" "$bound" || fail "see above"
check_usage "at the end"

echo "-- after the last commit only the data is left"
for z in $(seq 0 14); do truncate -s 0 "$M/seq/$z"; done
sync "$M/seq/15"
bound=$(((8 + 4) * MIB))
check_usage "one zone of 8 MiB is written"
unmount "$M"
assert_status 0 "$ZQFS" check "$DIR/a.qcow2"
