#!/usr/bin/env bash
# The unit files are right by systemd's own judgement, and the service's command line works.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires systemd-analyze
cd "$DIR"
export XDG_RUNTIME_DIR=$DIR SYSTEMD_LOG_LEVEL=warning

mkdir bin
ln -s "$ZQFS" bin/zqfs
sed "s|@bindir@|$DIR/bin|" "$TOP/contrib/systemd/zqfs@.service.in" >zqfs@test.service
cp "$TOP/contrib/systemd/srv-disk.mount" .
verify() { # UNIT
    # --man=no: the manual is not installed where the tests run
    systemd-analyze verify --man=no "./$1" >said 2>&1 || fail "$1: $(cat said)"
    ! grep -F -- "$1" said || fail "$1: $(cat said)"
}
verify zqfs@test.service
verify srv-disk.mount
# a mistake would be found
sed 's/^Type=notify/Type=notfy/' zqfs@test.service >wrong@test.service
(verify wrong@test.service) >/dev/null && fail "systemd-analyze finds nothing wrong with Type=notfy"

# What ExecStart runs, as systemd would: words from the configuration, ready by NOTIFY_SOCKET.
requires_fuse
requires_tool dgram
"$ZQFS" create -q -o zone.size=1M a.qcow2 8M
mkdir mnt
for options in "$(sed -n 's/^Environment=OPTIONS=//p' zqfs@test.service)" "perm=604,errors=zone-ro"; do
    rm -f notify
    "$TOOLS/dgram" "$DIR/notify" >notified &
    listener=$!
    until grep -q listening notified; do sleep 0.1; done
    command=$(sed -n 's/^ExecStart=//p' zqfs@test.service)
    IMAGE=$DIR/a.qcow2 MOUNTPOINT=$DIR/mnt OPTIONS=$options NOTIFY_SOCKET=$DIR/notify \
        bash -c "exec $command" &
    pid=$!
    cleanup_fn stop_process "$pid"
    wait "$listener" || fail "no READY=1"
    grep -qx "READY=1" notified || fail "systemd was told: $(cat notified)"
    echo hello >>mnt/seq/0
    kill -TERM "$pid"
    wait "$pid" || fail "status $? when it was stopped"
    ! is_mounted mnt || fail "still mounted when it was stopped"
done
assert_eq "$("$ZQFS" report --csv a.qcow2 | sed -n 2p | cut -d , -f 1-7)" \
    "0,sequential,closed,0,1048576,1048576,1024" "the zone after two starts"
