#!/usr/bin/env bash
# kill -9 of the process that serves, under every load: nothing is left of it, the image is unlocked.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 7200
# KILLS (default 15): how often. SEED replays the random choices.
source "${0%/*}/lib.sh"
source "${0%/*}/serve.bash"
loaded_mount
options=("" max_threads=1 explicit-open sync commit=1 "clone_fd,max_threads=2" errors=zone-offline errors=repair)
slowest=0

now_ms() { date +%s%3N; }

for ((n = 1; n <= ${KILLS:-15}; n++)); do
    if [ $((n % 10)) -eq 1 ]; then
        new_loaded_image
    fi
    mount_faulty "$image" "$M" -o "fsname=kill,${options[RANDOM % ${#options[@]}]}"
    guard 30 "$M"
    pid=$(mount_pid "$M")
    case $((RANDOM % 6)) in
        0) fault sync-slow 300 ;;
        1) fault write-slow 20 ;;
        2) fault read-slow 50 ;;
    esac
    "$TOOLS/zload" "$M" 8 "$RANDOM" &
    load=$!
    sleep "0.$(printf %02d $((RANDOM % 60 + 2)))"

    kill -KILL "$pid"
    start=$(now_ms)
    wait_gone "$pid" 5 || fail "round $n: not even SIGKILL ends it"
    took=$(($(now_ms) - start))
    [ "$took" -le "$slowest" ] || slowest=$took
    heal
    assert_none_stuck "after kill -9, round $n"
    end_load "$load"
    assert_none_stuck "after their end, round $n"
    unguard
    # a second is what is promised; to find that out takes time too
    assert_unlocked "$image" 1
    "$ZQFS" umount "$M" >/dev/null 2>&1 || umount -l "$M"
    forget_mount_ "$M"
done
echo "killed $((n - 1)) times, the slowest end took $slowest ms"
