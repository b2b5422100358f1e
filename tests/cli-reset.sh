#!/usr/bin/env bash
# reset and finish of an image: every form of the list of zones, and what is refused.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
cd "$DIR"

full() { "$ZQFS" report --csv -c full a.qcow2 | sed 1d | cut -d, -f1 | paste -sd' '; }

"$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=2 a.qcow2 12M

step() { # COMMAND ZONES "FULL ZONES AFTERWARDS"
    assert_status 0 "$ZQFS" "$1" a.qcow2 "$2"
    assert_eq "$(cat out)" "" "what $1 $2 says"
    assert_eq "$(full)" "$3" "full zones after $1 $2"
}
step finish 3 "3"
step finish 3 "3"
step finish 5-7 "3 5 6 7"
step finish 2,9,11- "2 3 5 6 7 9 11"
step reset 5 "2 3 6 7 9 11"
step reset 4-6,9 "2 3 7 11"
step reset 7- "2 3"
step finish all "2 3 4 5 6 7 8 9 10 11"
step reset all ""
step reset all ""
step finish 4,4-4,3-5 "3 4 5"
# as the files are named: seq/3 is zone 5 here
step reset seq/1-2 "5"
step finish seq/0,seq/8- "2 5 10 11"
step reset seq-000010,5 "2 11"
step finish 3-5 "2 3 4 5 11"
assert_status 0 "$ZQFS" check a.qcow2

# refusals change nothing
cp a.qcow2 before
refused() { # "PART OF THE MESSAGE" ZONES
    local command
    for command in reset finish; do
        assert_status 1 "$ZQFS" "$command" a.qcow2 "$2"
        grep -qF -- "a.qcow2: $1" out || fail "said '$(cat out)', expected '$1'"
        assert_eq "$(wc -l <out)" 1 "lines"
    done
    assert_same a.qcow2 before
}
refused "zones: 12: the last zone is 11 (seq/9)" 12
refused "zones: 3-12: the last zone is 11 (seq/9)" 3-12
refused "zones: 99999999999999999999: the last zone is 11 (seq/9)" 99999999999999999999
refused "zones: 7-3 runs backwards" 7-3
refused "zones: 'x' is not a zone" x
refused "zones: '' is not a zone" 3,
refused "zone 0 (cnv/0) is conventional and has no write pointer" 0
refused "zone 1 (cnv/1) is conventional and has no write pointer" 4,1-3
refused "zone 0 (cnv/0) is conventional" 0-
refused "zone 1 (cnv/1) is conventional" cnv/1
refused "zones: seq/10: the last sequential zone is 11 (seq/9)" seq/10
refused "zones: cnv/2: the last conventional zone is 1 (cnv/1)" cnv/2

# an image that cannot be written
if [ "$(id -u)" -ne 0 ]; then
    chmod a-w a.qcow2
    expect_fail "a.qcow2" "$ZQFS" reset a.qcow2 3
    chmod u+w a.qcow2
fi
expect_fail "no-such: No such file or directory" "$ZQFS" reset no-such 3
