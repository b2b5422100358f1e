#!/usr/bin/env bash
# No circle of files: neither by the symbols that objects need of each other nor by headers' includes.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
OBJECTS=${STRUCTURE_OBJECTS:-${BUILD:-$TOP/build}/obj/src}
command -v nm >/dev/null || skip "needs nm"
command -v tsort >/dev/null || skip "needs tsort"
cd "$TOP"

# The backing chain calls itself: an image reads from another image, which backing.c opens.
may_go_up=qcow2/engine/backing

# FROM TO for each object that needs a symbol of another one.
by_symbols() { # FOLDER
    local names
    names=$(cd "$1" && find . -name '*.o' | sed 's|^\./||; s|\.o$||' | sort | while read -r name; do
        # what is left of a file that was renamed does not count
        if [ -n "${STRUCTURE_OBJECTS:-}" ] || [ -e "$TOP/src/$name.c" ]; then echo "$name.o"; fi
    done)
    # shellcheck disable=SC2086 # no name has a space
    (cd "$1" && nm -A $names) >"$DIR/symbols"
    # OBJECT.o: [VALUE] TYPE SYMBOL, read twice
    awk '
        { name = $1; sub(/\.o:.*/, "", name); type = $(NF - 1); symbol = $NF }
        NR == FNR { if (type ~ /^[A-TV-Z]$/) of[symbol] = name; next }
        type == "U" && (symbol in of) && of[symbol] != name { print name, of[symbol] }
    ' "$DIR/symbols" "$DIR/symbols" | sort -u
}

# FROM TO for each header that includes another one.
by_includes() {
    # shellcheck disable=SC2016
    find src include -name '*.h' | sort | xargs awk '
        /^#[ \t]*include[ \t]*[<"]/ {
            to = $0
            sub(/^[^<"]*[<"]/, "", to)
            sub(/[>"].*/, "", to)
            print FILENAME, (to ~ /^zqfs\// ? "include/" : "src/") to
        }'
}

# Fails with the members of each circle among the pairs.
assert_no_circle() { # WHAT < PAIRS
    tsort >/dev/null 2>"$DIR/circles" && return 0
    sed 's/^tsort: //' "$DIR/circles"
    return 1
}

# The parser and tsort first: they must see what they are meant to see.
printf 'int b(void);\nint a(void);\nint a(void) { return b(); }\n' >"$DIR/one.c"
printf 'int a(void);\nint b(void);\nint b(void) { return a(); }\n' >"$DIR/two.c"
mkdir "$DIR/objects"
for f in one two; do ${CC:-cc} -c -o "$DIR/objects/$f.o" "$DIR/$f.c" || skip "needs a compiler"; done
STRUCTURE_OBJECTS=$DIR/objects by_symbols "$DIR/objects" >"$DIR/pairs"
! assert_no_circle <"$DIR/pairs" >"$DIR/said" || fail "a circle of two objects is not seen"
grep -q one "$DIR/said" || fail "the circle is not named: $(cat "$DIR/said")"

by_symbols "$OBJECTS" >"$DIR/pairs"
[ "$(wc -l <"$DIR/pairs")" -gt 400 ] || fail "found only $(wc -l <"$DIR/pairs") pairs of objects"
grep -q "^$may_go_up " "$DIR/pairs" || fail "nothing of $may_go_up: the exception is out of date"
grep -v "^$may_go_up " "$DIR/pairs" >"$DIR/down"
assert_no_circle <"$DIR/down" || fail "files need each other in a circle (symbols)"

by_includes >"$DIR/pairs"
[ "$(wc -l <"$DIR/pairs")" -gt 100 ] || fail "found only $(wc -l <"$DIR/pairs") includes of headers"
assert_no_circle <"$DIR/pairs" || fail "headers include each other in a circle"
