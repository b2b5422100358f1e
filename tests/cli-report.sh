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
number,type,state,start,size,capacity,wp,file
0,conventional,not-wp,0,1048576,1048576,,cnv/0
1,conventional,not-wp,1048576,1048576,1048576,,cnv/1
2,sequential,empty,2097152,1048576,786432,2097152,seq/0
3,sequential,full,3145728,1048576,786432,,seq/1
4,sequential,empty,4194304,1048576,786432,4194304,seq/2
5,sequential,full,5242880,1048576,786432,,seq/3
6,sequential,empty,6291456,1048576,786432,6291456,seq/4
7,sequential,empty,7340032,524288,524288,7340032,seq/5
END
"$ZQFS" report --csv a.qcow2 | diff want.csv - || fail "CSV differs"

# the text has the same fields, the file behind the number, aligned in columns
"$ZQFS" report a.qcow2 >text
assert_eq "$(awk '{ print NF, length }' text | sort -u | wc -l)" 1 "kinds of lines in the text"
awk -v OFS=, '{ f = $2; for (i = 2; i < NF; i++) $i = $(i + 1); sub(/^-$/, "", $(NF - 1)); $NF = f; print }' text |
    diff want.csv - || fail "text differs"

# JSON has numbers as numbers and null without a write pointer
"$ZQFS" report --json a.qcow2 >json
assert_eq "$(jq -r '[.image, .mountpoint, .geometry.nr_zones, (.zones | length)] | @json' json)" \
    '["a.qcow2",null,8,8]' "head of the JSON"
jq -r '.zones[] | [.number, .type, .state, .start, .size, .capacity, .wp, .file] | @csv' json |
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

# selection: by either number of the first zone, and by how many
numbers() { "$ZQFS" report --csv "$@" a.qcow2 | sed 1d | cut -d, -f1 | paste -sd' '; }
assert_eq "$(numbers -o 5)" "5 6 7" "-o 5"
assert_eq "$(numbers -o seq/3 -l 2)" "5 6" "-o seq/3 -l 2"
assert_eq "$(numbers --offset=cnv/1 --length=1)" "1" "--offset=cnv/1"
assert_eq "$(numbers -l 2)" "0 1" "-l 2"
assert_eq "$(numbers -l 100 -o 7)" "7" "more than there are"
assert_eq "$("$ZQFS" report -n -c full -o 4 a.qcow2 | awk '$1 == "full" { print $2 }')" 1 \
    "counts of a selection"
assert_eq "$("$ZQFS" report --json -o 2 -l 1 a.qcow2 | jq -c '[.zones[].file]')" '["seq/0"]' "JSON"
expect_fail "a.qcow2: zones: 8: the last zone is 7 (seq/5)" "$ZQFS" report -o 8 a.qcow2
expect_fail "-o takes one zone, not '2-4'" "$ZQFS" report -o 2-4 a.qcow2
expect_fail "-l takes a number of zones, not '0'" "$ZQFS" report -l 0 a.qcow2

# the names of the filter are those that the table of options offers
"$ZQFS" help --list | awk -F '\t' '$1 == "option" && $4 == "--cond" { print $6 }' | tr ' ' '\n' |
    diff - <("$ZQFS" report -n a.qcow2 | awk '$1 != "total" { print $1 }')

# on a terminal: bars, and colour unless NO_COLOR is set or the terminal is a dumb one
requires script
on_terminal() { # COLUMNS ARGUMENT...
    local columns=$1
    shift
    script -qec "stty cols $columns rows 24; $ZQFS report $*" /dev/null </dev/null | tr -d '\r'
}
export TERM=xterm
on_terminal 80 a.qcow2 >screen
grep -q '|#\{11\}|$' screen || fail "no full bar on a terminal"
grep -q '|[.]\{11\}|$' screen || fail "no empty bar on a terminal"
grep -q $'\033' screen || fail "no colour on a terminal"
export NO_COLOR=1
on_terminal 120 a.qcow2 >screen
grep -q '|############|$' screen || fail "no bar with NO_COLOR"
! grep -q $'\033' screen || fail "colour with NO_COLOR"
TERM=dumb on_terminal 80 a.qcow2 >screen
! grep -q '[|]' screen || fail "a bar on a dumb terminal"
! grep -q '[|]' text || fail "a bar in a file"

# it fits, whatever the width, and no number is cut
"$ZQFS" create -q -o zone.size=64M,zone.conventional_zones=3 large.qcow2 2T
"$ZQFS" finish large.qcow2 seq/32764
for columns in 40 60 72 80 81 100 132; do
    for options in "" -b "-v -o 32700"; do
        on_terminal "$columns" $options large.qcow2 >screen
        assert_eq "$(awk -v w="$columns" 'length > w' screen)" "" "too wide for $columns columns $options"
        grep -Eq '^[ 0-9]*seq/32764 +(sequential +)?full' screen || fail "no file of the last zone: $columns $options"
    done
done
on_terminal 80 -b large.qcow2 >screen
grep -q ' 2198956146688 ' screen || fail "the start of the last zone is not whole with -b"
on_terminal 132 large.qcow2 >screen
assert_eq "$(tr -s ' ' <screen | sed -n '1p; 3p; 5p; 6p; $p')" \
    "number file type state start size capacity written filled
1 cnv/1 conventional not-wp 64 MiB 64 MiB 64 MiB - -
3 seq/0 sequential empty 192 MiB 64 MiB 64 MiB 0 B |............|
 ... 32763 more, to 32766 (seq/32763)
32768 zones: 3 not-wp, 32764 empty, 1 full; 64 MiB of 2 TiB written" "the table for people"
assert_eq "$(on_terminal 60 large.qcow2 | tail -n 2)" \
    "32768 zones: 3 not-wp, 32764 empty, 1 full
64 MiB of 2 TiB written" "totals that are too long for one line"
assert_eq "$(on_terminal 80 -v -c empty -l 40 large.qcow2 | grep -c ' empty ')" 37 "lines with -v"
assert_eq "$(on_terminal 80 -c empty -l 5 large.qcow2 | grep -c ' empty ')" 2 "two are not folded"
assert_eq "$(on_terminal 80 -l 2 large.qcow2 | tail -n 1)" "2 zones: 2 not-wp" "the total of some"

# --watch draws again and again, and never more than the screen holds
timeout -s INT 4 script -qec "stty cols 80 rows 12; $ZQFS report -v --watch large.qcow2" /dev/null \
    </dev/null >screen || true
[ "$(grep -c 'number file' screen)" -ge 2 ] || fail "--watch drew once"
grep -q '  \.\.\. and 32762 more lines; choose zones with -o and -l' screen || fail "no bound of lines"
assert_eq "$(tr -d '\r' <screen | awk '/number file/ { if (n > m) m = n; n = 0 } { n++ } END { print m }')" \
    10 "lines of one drawing"
expect_fail "--watch needs a terminal" "$ZQFS" report --watch a.qcow2
expect_fail "--watch shows a table" "$ZQFS" report --watch --csv a.qcow2

# what is no image
expect_fail "no-such: No such file or directory" "$ZQFS" report no-such
expect_fail ".: a directory, and no zqfs image is mounted on it" "$ZQFS" report .
echo text >junk
expect_fail "junk: not a qcow2 image" "$ZQFS" report junk
expect_fail "a.qcow2: not a zone file of a zqfs mount" "$ZQFS" report a.qcow2 a.qcow2
