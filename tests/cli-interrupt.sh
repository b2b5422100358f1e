#!/usr/bin/env bash
# SIGINT at any moment of an amend or a resize leaves a whole image of the old or of the new kind.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 300
source "${0%/*}/lib.sh"
requires jq
requires_tool zdev
[ -e "$TOOLS/faults.so" ] || fail "faults.so is not built"
case $BUILD in */asan | */tsan) skip "a sanitizer wants to be loaded first" ;; esac
cd "$DIR"
# Each write and flush takes a while, so that the signal comes between any two of them.
mkdir faults
echo 12 >faults/write-slow
echo 12 >faults/sync-slow

zones() { # IMAGE
    "$ZQFS" report --csv "$1"
    for zone in 0 1 2 3 4; do
        "$TOOLS/zdev" ro "$1" "cat:$zone" | sha256sum
    done
}

# Runs a command on a copy of start.qcow2, a.qcow2, and interrupts it after so many milliseconds.
# rc is its status; 130: the signal has ended it.
interrupted() { # MILLISECONDS COMMAND...
    local ms=$1 pid
    shift
    cp start.qcow2 a.qcow2
    [ ! -e start.data ] || cp --sparse=always start.data a.data
    # A shell's background job ignores SIGINT.
    ZQFS_FAULTS=$DIR/faults LD_PRELOAD=$TOOLS/faults.so env --default-signal=INT "$@" >log 2>&1 &
    pid=$!
    sleep "$(printf '0.%03d' "$ms")"
    kill -INT "$pid" 2>gone || true
    rc=0
    wait "$pid" || rc=$?
}

# Interrupts it in steps until it ends by itself before the signal. Each time what is left has to be
# whole; judge says what it is.
try_all() { # WHAT COMMAND...
    local what=$1 ms=0 old=0 new=0 kind
    shift
    while rc=130 && interrupted "$ms" "$@" && [ "$rc" -ne 0 ]; do
        [ "$rc" -eq 130 ] || fail "$what ended with $rc after $ms ms: $(cat log)"
        rc=0
        "$ZQFS" check a.qcow2 >checked || rc=$?
        [ "$rc" -eq 0 ] || [ "$rc" -eq 3 ] || fail "$what, $ms ms: $(cat checked)"
        assert_status 0 "$ZQFS" check --repair=leaks a.qcow2
        kind=$(judge)
        case $kind in
            old) old=$((old + 1)) ;;
            new) new=$((new + 1)) ;;
            *) fail "$what, $ms ms: neither old nor new but $kind" ;;
        esac
        ms=$((ms + 13))
        [ "$ms" -lt 990 ] || fail "$what does not end within a second"
    done
    [ "$(judge)" = new ] || fail "$what has changed nothing"
    echo "$what: interrupted $((old + new)) times, $old left the old image, $new the new one"
    [ "$old" -gt 2 ] || fail "$what was interrupted only $old times before the switch"
}

# The same zones in the one layout or the other; the flag is in another sector than the extension.
judge() {
    zones a.qcow2 | cmp -s - want || echo "other zones"
    case $("$ZQFS" info --json a.qcow2 | jq -r '"\(.layout) \(.lazy_refcounts)"') in
        "$from false") echo old ;;
        "$to true") echo new ;;
        *) echo "a mixture" ;;
    esac
}
for way in 44:56; do
    from=${way%:*} to=${way#*:}
    "$ZQFS" create -q --force -o "zone.layout=$from,zone.size=1M,zone.conventional_zones=1" \
        start.qcow2 7680K
    "$TOOLS/zdev" start.qcow2 append:1:70000:1 append:2:1048576:2 finish:3 append:4:512:4 >/dev/null
    zones start.qcow2 >want
    try_all "amend to $to" "$ZQFS" amend -o "zone.layout=$to,lazy_refcounts=on" a.qcow2
done

# The same zones, and more of them or fewer; a data file that is long enough.
judge() {
    local zones
    zones=$("$ZQFS" info --json a.qcow2 | jq -r .geometry.nr_zones)
    data | cmp -s - want || echo "other zones"
    [ "$(size_of a.data)" -ge $((zones * 1048576)) ] || echo "a short data file"
    case $zones in "$from") echo old ;; "$to") echo new ;; *) echo "$zones zones" ;; esac
}
data() { "$TOOLS/zdev" ro a.qcow2 cat:1 | sha256sum; }
for way in 8:12 12:4; do
    from=${way%:*} to=${way#*:}
    "$ZQFS" create -q --force -o "zone.size=1M,data_file=a.data,data_file_raw=on" a.qcow2 "${from}M"
    "$TOOLS/zdev" a.qcow2 append:1:70000:1 >/dev/null
    cp a.qcow2 start.qcow2
    cp --sparse=always a.data start.data
    data >want
    try_all "resize to $to zones" "$ZQFS" resize -q a.qcow2 "${to}M"
done
