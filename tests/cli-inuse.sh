#!/usr/bin/env bash
# An image that another process has open: refused with what to do, seen with -U.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_tool holdlock
cd "$DIR"

"$ZQFS" create -q -o zone.size=1M a.qcow2 4M
mkdir mnt
cp a.qcow2 before

mkfifo go
"$TOOLS/holdlock" a.qcow2 write <go >held &
holder=$!
exec 3>go
until grep -q held held; do sleep 0.05; done

for command in "report a.qcow2" "info a.qcow2" "check a.qcow2" "check -r all a.qcow2" \
    "reset a.qcow2 1" "finish a.qcow2 all" "compact a.qcow2" "convert a.qcow2 b.qcow2" "resize a.qcow2 8M" \
    "amend -o zone.max_open_zones=2 a.qcow2" "map a.qcow2" "map --json a.qcow2"; do
    # shellcheck disable=SC2086 # words
    assert_status 1 "$ZQFS" $command
    grep -qF "a.qcow2: in use by another process" out || fail "$command said: $(cat out)"
    assert_eq "$(wc -l <out)" 1 "lines of $command"
    grep -Eq '; (-U looks at it all the same|try again when that has ended)$' out || fail "$command said: $(cat out)"
done
expect_fail "; -U looks at it all the same" "$ZQFS" report a.qcow2
expect_fail "; -U looks at it all the same" "$ZQFS" info a.qcow2
"$ZQFS" report -U a.qcow2 >/dev/null
"$ZQFS" report --force-share a.qcow2 >/dev/null
"$ZQFS" info -U a.qcow2 >/dev/null
expect_fail "in use" "$ZQFS" create --force a.qcow2 4M

exec 3>&-
wait "$holder"
assert_same a.qcow2 before
"$ZQFS" report a.qcow2 >/dev/null

# a reader tolerates readers, and writers tolerate none
"$TOOLS/holdlock" a.qcow2 read <go >held &
holder=$!
exec 3>go
until grep -q held held; do sleep 0.05; done
"$ZQFS" report a.qcow2 >/dev/null
"$ZQFS" info a.qcow2 >/dev/null
"$ZQFS" check a.qcow2 >/dev/null
expect_fail "in use by another process" "$ZQFS" reset a.qcow2 1
exec 3>&-
wait "$holder"
