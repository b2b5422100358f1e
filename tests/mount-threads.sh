#!/usr/bin/env bash
# How many threads serve: more while all are busy at once, some of them go when one client is left.
# SPDX-License-Identifier: GPL-2.0-or-later
# serial: on a busy machine more threads find work
source "${0%/*}/lib.sh"
requires_fuse
M=$DIR/mnt
image=$DIR/a.qcow2
"$ZQFS" create -q -o zone.size=16M,zone.conventional_zones=2 "$image" 160M
cpus=$(getconf _NPROCESSORS_ONLN)
most=$((cpus < 4 ? 4 : cpus > 8 ? 8 : cpus))
least=$((cpus <= 2 ? 3 : most))

begin() { # OPTIONS
    mount_image "$image" "$M" -o "uring=off$1"
    pid=$(mount_pid "$M")
}
tasks() { find "/proc/$pid/task" -mindepth 1 -maxdepth 1 | wc -l; }
one_client() { dd if="$M/cnv/0" of=/dev/null bs=4K count=3000 iflag=direct status=none; }
many_clients() {
    local i clients=()
    for ((i = 0; i < 12; i++)); do
        dd if="$M/cnv/1" of=/dev/null bs=512K iflag=direct status=none &
        clients+=($!)
    done
    wait "${clients[@]}"
}
become() { # THREADS WHAT COMMAND...: the last of them begins or ends beside the command
    local i
    for ((i = 0; i < 40; i++)); do
        "${@:3}"
        [ "$(tasks)" -ne $((base + $1)) ] || return 0
    done
    fail "$(($(tasks) - base)) threads $2, expected $1"
}

begin ,max_threads=1
one_client
base=$(($(tasks) - 1))
head -c 16M /dev/zero | dd of="$M/cnv/1" bs=1M iflag=fullblock oflag=direct conv=notrunc status=none
unmount "$M"

begin ""
stat "$M/cnv/0" >"$DIR/out"
sleep 0.2
[ "$(tasks)" -ge $((base + least)) ] || fail "$(($(tasks) - base)) threads after the first requests, expected $least"
for ((n = 0; n < 3; n++)); do
    become "$most" "for many" many_clients
    become "$least" "for one client again" one_client
done
unmount "$M"

begin ,max_threads=5
become 5 "of max_threads=5 for many" many_clients
for ((n = 0; n < 5; n++)); do one_client; done
assert_eq "$(($(tasks) - base))" 5 "threads of max_threads=5 that stay"
unmount "$M"
