#!/usr/bin/env bash
# report on an image: text, CSV, JSON, counts, filters; bars and colour on a terminal only.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires jq
cd "$DIR"

# 2 conventional zones, capacity below size, a short last zone
"$ZQFS" create -q -o zone.size=1M,zone.capacity=768K,zone.conventional_zones=2 a.qcow2 7680K
"$ZQFS" finish a.qcow2 3,5

cat >want.csv <<'END'
number,type,state,start,size,capacity,wp
0,conventional,not-wp,0,1048576,1048576,
1,conventional,not-wp,1048576,1048576,1048576,
2,sequential,empty,2097152,1048576,786432,2097152
3,sequential,full,3145728,1048576,786432,
4,sequential,empty,4194304,1048576,786432,4194304
5,sequential,full,5242880,1048576,786432,
6,sequential,empty,6291456,1048576,786432,6291456
7,sequential,empty,7340032,524288,524288,7340032
END
"$ZQFS" report --csv a.qcow2 | diff want.csv - || fail "CSV differs"

# the text has the same fields, aligned in columns
"$ZQFS" report a.qcow2 >text
assert_eq "$(awk '{ print NF, length }' text | sort -u | wc -l)" 1 "kinds of lines in the text"
awk -v OFS=, '{ $1 = $1; sub(/-$/, ""); print }' text | diff want.csv - || fail "text differs"

# JSON has numbers as numbers and null without a write pointer
"$ZQFS" report --json a.qcow2 >json
assert_eq "$(jq -r '[.image, .mountpoint, .geometry.nr_zones, (.zones | length)] | @json' json)" \
    '["a.qcow2",null,8,8]' "head of the JSON"
jq -r '.zones[] | [.number, .type, .state, .start, .size, .capacity, .wp] | @csv' json |
    tr -d '"' | diff <(sed 1d want.csv) - || fail "JSON differs"
assert_eq "$(jq -r '[.zones[].wp | type] | unique | join(" ")' json)" "null number" "types of wp"

# filters: by commas, repeated, with counts; the rest of the form stays
assert_eq "$("$ZQFS" report --csv -c full a.qcow2 | cut -d, -f1 | paste -sd' ')" "number 3 5" full
assert_eq "$("$ZQFS" report --csv -c full,not-wp a.qcow2 | cut -d, -f1 | paste -sd' ')" \
    "number 0 1 3 5" "full,not-wp"
assert_eq "$("$ZQFS" report --csv --cond=full -cnot-wp a.qcow2 | cut -d, -f1 | paste -sd' ')" \
    "number 0 1 3 5" "two filters"
assert_eq "$("$ZQFS" report --json -c offline a.qcow2 | jq -c .zones)" "[]" "nothing matches"

assert_eq "$("$ZQFS" report -n a.qcow2 | tr -s ' ' | paste -sd,)" \
    "not-wp 2,empty 4,implicit-open 0,explicit-open 0,closed 0,full 2,read-only 0,offline 0,total 8" \
    "counts"
assert_eq "$("$ZQFS" report -n -c full,empty --csv a.qcow2 | paste -sd' ')" \
    "state,zones empty,4 full,2" "counts as CSV"
assert_eq "$("$ZQFS" report -n -c full --json a.qcow2 | jq -c '[.counts, .total]')" \
    '[{"full":2},2]' "counts as JSON"

# the names of the filter are those that the table of options offers
"$ZQFS" help --list | awk -F '\t' '$1 == "option" && $4 == "--cond" { print $6 }' | tr ' ' '\n' |
    diff - <("$ZQFS" report -n a.qcow2 | awk '$1 != "total" { print $1 }')

# on a terminal: bars, and colour unless NO_COLOR is set or the terminal is a dumb one
requires script
on_terminal() { script -qec "$ZQFS report a.qcow2" /dev/null </dev/null; }
TERM=xterm on_terminal >screen
grep -q '|############|' screen || fail "no full bar on a terminal"
grep -q '|\.\.\.\.\.\.\.\.\.\.\.\.|' screen || fail "no empty bar on a terminal"
grep -q $'\033' screen || fail "no colour on a terminal"
NO_COLOR=1 TERM=xterm on_terminal >screen
grep -q '|############|' screen || fail "no bar with NO_COLOR"
! grep -q $'\033' screen || fail "colour with NO_COLOR"
TERM=dumb on_terminal >screen
! grep -q '[|]' screen || fail "a bar on a dumb terminal"
! grep -q '[|]' text || fail "a bar in a file"

# what is no image
expect_fail "no-such: No such file or directory" "$ZQFS" report no-such
expect_fail ".: a directory, and no zqfs image is mounted on it" "$ZQFS" report .
echo text >junk
expect_fail "junk: not a qcow2 image" "$ZQFS" report junk
expect_fail "a.qcow2: not a zone file of a zqfs mount" "$ZQFS" report a.qcow2 a.qcow2
