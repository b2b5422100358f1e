#!/usr/bin/env bash
# Asynchronous writes that fail or are cut, RWF_APPEND after changes from elsewhere, signals.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 300
source "${0%/*}/lib.sh"
# shellcheck source=tests/conf.bash
source "${0%/*}/conf.bash"
requires_fuse
requires getfattr setfattr
requires_tool zaio
M=$DIR/mnt
S=$M/seq

# ---- over the capacity of an empty zone ----------------------------------------------------------

# the kernel truncates by itself after such a write has failed: that must not reset the zone
"$ZQFS" create -o zone.size=4M,zone.capacity=512K "$DIR/a.qcow2" 32M >/dev/null
for options in "" max_threads=1 max_threads=8 sync,max_threads=2; do
    mount_image "$DIR/a.qcow2" "$M" ${options:+-o "$options"}
    ok "${options:-default}: one piece" "$TOOLS/zaio" "$S/0" 1 1M 1M 30 7 rounds=12
    ok "${options:-default}: pieces" "$TOOLS/zaio" "$S/1" 4 4M 8M 30 8 rounds=12
    ok "${options:-default}: appended pieces" "$TOOLS/zaio" "$S/2" 4 4M 8M 30 9 append rounds=12
    # without O_DIRECT the kernel sends them in the same way
    ok "${options:-default}: buffered" "$TOOLS/zaio" "$S/3" 4 4M 8M 30 8 buffered rounds=12
    ok "${options:-default}: appended, buffered" "$TOOLS/zaio" "$S/4" 4 4M 8M 30 9 append buffered \
        rounds=12
    unmount "$M"
done

# ---- RWF_APPEND goes by what the kernel believes --------------------------------------------------

mount_image "$DIR/a.qcow2" "$M"
end=$(attr "$S/0" capacity)
t "after a reset by attribute" "4096 0 512 512" zio "$S/0" w append:0:4096 \
    "sh:setfattr -n user.zone.command -v reset $S/0" append:0:512 size
empty "$S/0"
t "after a finish by attribute" "4096 0 EFBIG" zio "$S/0" w append:0:4096 \
    "sh:setfattr -n user.zone.command -v finish $S/0" append:0:512
empty "$S/0"
t "after another's reset" "4096 0 512 512" zio "$S/0" w append:0:4096 "sh:truncate -s 0 $S/0" \
    append:0:512 size
empty "$S/0"
t "after another's partial block" "5 0 5 1536" zio "$S/0" w append:0:5:1 \
    "sh:$TOOLS/zio $S/0 w append:0:5:2 >/dev/null" append:0:5:3 size
t "each in its place" "yes yes yes" zio "$S/0" r is:0:5:1 is:512:5:2 is:1024:5:3
empty "$S/0"
printf hello >>"$S/0"
empty "$S/0"
t "after another's append that landed further on" "6 4 4 EINVAL 1536" zio "$S/0" w open:w,append open:w \
    use:0 pwrite:0:6:1 use:1 write:4:2 use:2 append:0:4:3 use:0 pwrite:6:6:1 size
t "each in its place, too" "yes yes yes" zio "$S/0" r is:0:6:1 is:512:4:2 is:1024:4:3
empty "$S/0"
printf hello >>"$S/0"
t "a write where a closed stream ended is misplaced" "EINVAL 512" zio "$S/0" w pwrite:5:5 size
t "after a refused write" "EINVAL 5 1024" zio "$S/0" w pwrite:4096:5 append:0:5:1 size
t "after a refused direct write" "EINVAL 512 1536" zio "$S/0" w,direct pwrite:65536:512 \
    append:0:512 size
empty "$S/0"
t "up to the capacity" "$((end - 512)) 512 EFBIG full" echo \
    "$(zio "$S/0" w append:0:$((end - 512)) append:0:4096 append:0:1)" "$(state "$S/0")"
empty "$S/0"

# ---- signals are never lost ------------------------------------------------------------------------

unmount "$M"
for n in 1 2 3 4 5 6 7 8; do
    mount_image "$DIR/a.qcow2" "$M" -o max_threads=$((n % 3 + 1))
    pid=$(mount_pid "$M")
    # requests come and go, so that the loop is about to sleep when the signal comes
    for _ in 1 2 3 4 5 6; do
        stat -f "$M" >/dev/null 2>&1 || true
        zpath get "$M" user.zone.nr_zones >/dev/null 2>&1 || true
    done &
    noise=$!
    sleep "0.0$n"
    kill -TERM "$pid"
    ok "SIGTERM $n ends it" wait_gone "$pid" 10
    wait "$noise" || true
    forget_mount_ "$M"
done
mount_image "$DIR/a.qcow2" "$M"
pid=$(mount_pid "$M")
kill -TERM "$pid"
kill -TERM "$pid" 2>/dev/null || true
kill -INT "$pid" 2>/dev/null || true
ok "several signals end it once" wait_gone "$pid" 10
forget_mount_ "$M"
ok "and the image is sound" "$ZQFS" check "$DIR/a.qcow2"

# ---- a disk that fails or is slow in the middle ------------------------------------------------------

if ! command -v strace >/dev/null; then
    echo "no strace: the failing disk is left out"
    conf_done
    exit 0
fi
# While COMMAND runs, the daemon's writes meet with what strace injects.
tampered() { # INJECTION COMMAND...
    local what=$1 tracer i
    shift
    strace -f -qq -o "$DIR/trace" -e trace=pwrite64,pwritev,pwritev2 \
        -e inject="pwrite64,pwritev,pwritev2:$what" -p "$(mount_pid "$M")" 2>/dev/null &
    tracer=$!
    for ((i = 0; i < 100; i++)); do
        grep -q "^TracerPid:[[:space:]]*[1-9]" "/proc/$(mount_pid "$M")/status" && break
        sleep 0.05
    done
    "$@" || true
    kill "$tracer" 2>/dev/null || true
    wait "$tracer" 2>/dev/null || true
}
rm "$DIR/a.qcow2"
"$ZQFS" create -o zone.size=16M "$DIR/a.qcow2" 128M >/dev/null
mount_image "$DIR/a.qcow2" "$M" -o errors=repair,max_threads=4
tampered delay_enter=100000 "$TOOLS/zaio" "$S/0" 1 8M 8M 60 5 rounds=1 >"$DIR/slow" 2>&1
ok "8 MiB in pieces on a slow disk" grep "1 rounds" "$DIR/slow"
cat "$DIR/slow"
# what fsync put there stays when a later write of many pieces fails; the size tells the truth
for nth in 1 2 4; do
    truncate -s 0 "$S/1"
    zio "$S/1" w pwrite:0:1M:3 fsync >/dev/null
    t "EIO in piece $nth of 8" yes sh -c "case '$(tampered "error=EIO:when=$nth+" \
        "$TOOLS/zio" "$S/1" w,direct pwrite:1M:8M:4)' in EIO | [1-7]*) echo yes ;; esac"
    size=$(size_of "$S/1")
    t "the size is what was written" yes sh -c \
        "[ $size -ge 1048576 ] && [ $size -lt 9437184 ] && [ $((size % 512)) = 0 ] && echo yes"
    t "and so are the bytes" "yes yes" zio "$S/1" r "is:0:1M:3" "is:1M:$((size - 1048576)):4"
    t "and it goes on" "512 yes" zio "$S/1" rw append:0:512:5 "is:$size:512:5"
done
unmount "$M"
ok "the image is sound" "$ZQFS" check "$DIR/a.qcow2"
conf_done
