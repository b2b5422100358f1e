#!/usr/bin/env bash
# trace=FILE and "zqfs trace": a line for each operation, rotation, refusals, counts.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
requires jq
cd "$DIR"

"$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=1,zone.max_open_zones=2 a.qcow2 8M

# every kind of operation, with zone, file, place, length, result and who asked
mount_image a.qcow2 mnt -o trace=log
echo hello >>mnt/seq/0
dd if=/dev/zero of=mnt/seq/1 bs=4k count=2 oflag=append conv=notrunc status=none
echo x >>mnt/seq/2
printf abc | dd of=mnt/cnv/0 bs=512 seek=1 conv=notrunc status=none
cat mnt/seq/1 >/dev/null
truncate -s 0 mnt/seq/0
"$ZQFS" finish mnt seq/3
expect_fail "Invalid argument" dd if=/dev/zero of=mnt/seq/1 bs=512 seek=100 count=1 conv=notrunc
expect_fail "Operation not permitted" truncate -s 1000 mnt/seq/1
sync mnt/seq/1
unmount mnt
jq -s . log >/dev/null || fail "not a line of JSON: $(cat log)"
# threads write down what they have answered: by its time it is in order
assert_eq "$(jq -rs 'sort_by(.time)[] | select(.op != "state" and .file) |
    [.zone, .file, .op, .offset, .length, .result, .error, .right_offset] | @csv' log | tr -d '"')" \
    "1,seq/0,implicit-open,,,,,
1,seq/0,append,0,6,6,,
2,seq/1,implicit-open,,,,,
2,seq/1,append,0,4096,4096,,
2,seq/1,append,4096,4096,4096,,
1,seq/0,implicit-close,,,,,
3,seq/2,implicit-open,,,,,
3,seq/2,append,0,2,2,,
0,cnv/0,write,512,3,3,,
2,seq/1,read,0,8192,8192,,
1,seq/0,reset,,,0,,
2,seq/1,implicit-close,,,,,
4,seq/3,implicit-open,,,,,
4,seq/3,finish,,,0,,
2,seq/1,append,51200,512,-22,EINVAL,8192
2,seq/1,truncate,0,1000,-1,EPERM,
2,seq/1,fsync,,,0,," "the operations"
assert_eq "$(jq -r 'select(.op == "append") | [.uid, (.pid > 0), (.us > 0), (.time > 1e9)] | @csv' log |
    sort -u)" "$(id -u),true,true,true" "who and when"
assert_eq "$(jq -r 'select(.op == "state" and .file == "seq/3") | .was + " " + .state' log)" \
    "implicit-open full" "the state after a finish"

# an append that lands elsewhere says where
rm log
mount_image a.qcow2 mnt2 -o trace=log
exec 3>>mnt2/seq/4 4>>mnt2/seq/4
printf %512s a >&3
printf %512s b >&4
printf %512s c >&3
exec 3>&- 4>&-

# a file that was renamed is followed by a new one, and no line is lost or cut
for _ in $(seq 50); do [ "$(grep -c append log)" -lt 3 ] || break; sleep 0.1; done
mv log log.1
for _ in $(seq 50); do [ ! -e log ] || break; sleep 0.1; done
[ -e log ] || fail "no new file after the old one was renamed"
echo more >>mnt2/seq/4
unmount mnt2
# two requests may be written down in the order of their threads
assert_eq "$(cat log.1 log | jq -r 'select(.op == "append") | [.offset, .result] | @csv' | sort -n | paste -sd' ')" \
    "0,512 512,512 1024,512 1536,5" "appends over a rotation"

# it is counted
"$ZQFS" trace --summary log.1 >out
assert_eq "$(awk '$1 == "seq/4" { print $2, $3, $4 }' out)" "3 1.5 KiB" "counts of seq/4"
cat log.1 log | "$ZQFS" trace --summary - >out
assert_eq "$(awk '$1 == "seq/4" { print $2 }' out)" 4 "counts of both files"
(cat log; echo junk; echo '{"op":"append","zone":99999999999,"result":1}') | "$ZQFS" trace --summary - >out
grep -q "^2 lines are of no trace" out || fail "junk was counted: $(cat out)"

# a mount is followed while it is used, and until it goes
mount_image a.qcow2 mnt3
timeout 20 "$ZQFS" trace mnt3 >live &
follower=$!
cleanup_fn stop_process "$follower"
for _ in $(seq 50); do
    echo probe >>mnt3/seq/5
    grep -q '"op":"append"' live && break
    sleep 0.1
done
grep -q '"file":"seq/5","op":"append"' live || fail "nothing was followed: $(cat live)"
unmount mnt3
wait "$follower" || fail "the follower ended with status $?"

# a disk that does not take the last lines holds the end up for so long, and no longer
if [ -z "$SANITIZED" ]; then
    source "$TOP/tests/serve.bash"
    mount_faulty a.qcow2 mnt4 -o trace=log,end_timeout=2
    echo last >>mnt4/seq/6
    sync mnt4/seq/6
    sleep 0.5
    fault append-hang
    cat mnt4/seq/6 >/dev/null
    timeout 30 "$ZQFS" umount mnt4 || fail "umount while the trace's disk hangs: status $?"
    forget_mount_ mnt4
    heal
fi

# what is refused
expect_fail "zqfs: trace file mnt/log: lies on the mount itself" "$ZQFS" -o trace=mnt/log a.qcow2 mnt
expect_fail "zqfs: trace file mnt/seq/../log: No such file or directory" \
    "$ZQFS" -o trace=mnt/seq/../log a.qcow2 mnt
expect_fail "zqfs: trace file no-such/log: No such file or directory" \
    "$ZQFS" -o trace=no-such/log a.qcow2 mnt
expect_fail "zqfs: trace file .: " "$ZQFS" -o trace=. a.qcow2 mnt
cp a.qcow2 kept
expect_fail "zqfs: trace file a.qcow2: holds something else than a trace" "$ZQFS" -o trace=a.qcow2 a.qcow2 mnt
assert_same a.qcow2 kept
ln -s log link
expect_fail "zqfs: trace file link: Too many levels of symbolic links" "$ZQFS" -o trace=link a.qcow2 mnt
expect_fail "mnt: not the mount point of a zqfs mount" "$ZQFS" trace mnt
expect_fail "log is no mount point" "$ZQFS" trace log
expect_fail "no-such: No such file or directory" "$ZQFS" trace --summary no-such

# only the user who has mounted it may look
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
    chmod 755 "$DIR"
    mount_image a.qcow2 mnt5 -o allow_other
    expect_fail "mnt5: only the user who mounted it, and root, may trace it" \
        timeout 5 setpriv --reuid=65534 --regid=65534 --clear-groups "$ZQFS" trace mnt5
    unmount mnt5
fi

# under seccomp too
mount_image a.qcow2 mnt6 -o trace=log,seccomp
echo filtered >>mnt6/seq/6
unmount mnt6
grep -q '"file":"seq/6","op":"append"' log || fail "nothing was traced under seccomp"
