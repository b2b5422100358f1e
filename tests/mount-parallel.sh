#!/usr/bin/env bash
# Several write to one conventional file at a time where they bypass the cache, and not to a sequential one.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
source "${0%/*}/serve.bash"
requires_fuse
requires_tool zio
requires_abort
M=$DIR/mnt
image=$DIR/a.qcow2
case $(uname -r) in [1-5].* | 6.[01].*) skip "Linux before 6.2 lets one write at a time" ;; esac
"$ZQFS" create -q -o zone.size=4M,zone.conventional_zones=2 "$image" 40M
mount_faulty "$image" "$M"
guard 60 "$M"
head -c 1M /dev/zero | dd of="$M/cnv/0" bs=1M conv=notrunc oflag=direct status=none

in_hand() { cat "/sys/fs/fuse/connections/$(connection_of "$M")/waiting"; }

# As many requests at the process, all of them before the disk answers.
three_writers() { # FILE FLAGS WANT
    local i n
    fault write-hang
    for i in 0 1 2; do
        spawn "$TOOLS/zio" "$1" "$2" "pwrite:$((i * 65536)):4096:$((i + 1))" >"$DIR/w$i"
    done
    for ((n = 0; n < 100; n++)); do
        [ "$(in_hand)" -lt "$3" ] || break
        sleep 0.1
    done
    sleep 0.3
    assert_eq "$(in_hand)" "$3" "requests in hand for ${1#"$M"/}"
    heal
    wait_spawned
}
three_writers "$M/cnv/0" w 3
for i in 0 1 2; do
    assert_eq "$("$TOOLS/zio" "$M/cnv/0" r "is:$((i * 65536)):4096:$((i + 1))")" yes "piece $i"
done
three_writers "$M/seq/0" w 1
unguard
unmount "$M"
assert_status 0 "$ZQFS" check "$image"
