#!/usr/bin/env bash
# Clients, faults of the disk and ends of all kinds at once: nobody hangs, nothing is left, the image is whole.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 7200
# STRESS_SECONDS (default 30) for all of it, SEED replays the random choices.
source "${0%/*}/lib.sh"
source "${0%/*}/serve.bash"
loaded_mount
until=$((SECONDS + ${STRESS_SECONDS:-30}))
# shellcheck disable=SC2034 # any() takes them by name
options=("" max_threads=1 max_threads=2 explicit-open sync commit=1 clone_fd errors=zone-offline
    errors=repair errors=zone-ro)
# shellcheck disable=SC2034
ends=(TERM TERM INT HUP KILL umount lazy)
# shellcheck disable=SC2034
faults=(write-slow read-slow sync-slow write-eio read-eio sync-eio write-hang read-hang sync-hang none)
declare -A seen

any() { # NAME-OF-ARRAY: one of its words
    local -n list_=$1
    echo "${list_[$2 % ${#list_[@]}]}"
}

# Kills or stops one of the clients, in the middle of whatever it does.
hit_client() { # LOAD-PID RANDOM
    local children=() signal=KILL
    read -r -a children <"/proc/$1/task/$1/children" 2>/dev/null || return 0
    [ ${#children[@]} -gt 0 ] || return 0
    [ $(($2 % 3)) -ne 0 ] || signal=STOP
    kill "-$signal" "${children[$2 % ${#children[@]}]}" 2>/dev/null || true
}

disturb() { # TENTHS
    local n fault
    for ((n = 0; n < $1; n++)); do
        fault=$(any faults "$RANDOM")
        case $fault in
            *-slow) fault "$fault" $((RANDOM % 80)) ;;
            none) ;;
            *) fault "$fault" ;;
        esac
        hit_client "$load" "$RANDOM"
        sleep "0.$((RANDOM % 2 + 1))"
        hit_client "$load" "$RANDOM"
        # a disk may still hang when the end begins
        [ $((RANDOM % 4)) -eq 0 ] || heal
    done
}

end_it() { # HOW
    case $1 in
        umount) "$ZQFS" umount "$M" >/dev/null 2>&1 || kill -TERM "$pid" ;;
        lazy) umount -l "$M" ;;
        *) kill "-$1" "$pid" ;;
    esac
}

for ((n = 1; SECONDS < until; n++)); do
    if [ $((n % 5)) -eq 1 ]; then
        new_loaded_image
    fi
    mount_faulty "$image" "$M" -o "end_timeout=1,$(any options "$RANDOM")" 2>"$DIR/said"
    guard 60 "$M"
    pid=$(mount_pid "$M")
    "$TOOLS/zload" "$M" 10 "$RANDOM" &
    load=$!
    cleanup_fn stop_process "$load"
    disturb $((RANDOM % 8 + 1))
    how=$(any ends "$RANDOM")
    seen[$how]=$((${seen[$how]:-0} + 1))
    hang=$(cd "$FAULTS" && echo *-hang)

    # With a disk that hangs, umount waits for it like everyone.
    if [ "$how" = umount ]; then heal; fi
    end_it "$how"
    if [ "$how" = lazy ]; then
        # goes on until nobody has a file open
        heal
        kill -KILL "$load" 2>/dev/null || true
    elif [ "$how" != umount ] && [ "$hang" != "*-hang" ]; then
        sleep 1.5 # end_timeout is over: nobody may wait, though the disk hangs
        assert_none_stuck "round $n, $how, the disk hangs ($hang)"
    fi
    heal
    wait_gone "$pid" 20 || fail "round $n: the process is still there 20 seconds after its end by $how"
    end_load "$load"
    assert_none_stuck "round $n, after the end by $how"
    unguard
    if is_mounted "$M"; then
        [ "$how" = KILL ] || fail "round $n: still mounted after the end by $how"
        umount -l "$M"
    fi
    forget_mount_ "$M"
    assert_unlocked "$image" 1
done
echo "$((n - 1)) rounds, ends:$(for how in "${!seen[@]}"; do echo -n " $how ${seen[$how]}"; done)"
