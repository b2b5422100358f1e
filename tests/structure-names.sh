#!/usr/bin/env bash
# No function name, static ones included, exists twice in the tree.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
cd "${STRUCTURE_TREE:-$TOP}"

# NAME FILE for each function that is defined. The sources are set by clang-format: a definition
# begins in column 0, goes on with indented lines, and its body begins with a lone "{".
cat >"$DIR/functions.awk" <<'END'
FNR == 1 { head = "" }
/^\{/ {
    gsub(/__attribute__\(\(.*\)\)/, "", head)
    if (match(head, /[A-Za-z_][A-Za-z_0-9]*\(/)) print substr(head, RSTART, RLENGTH - 1), FILENAME
    head = ""
    next
}
/^[A-Za-z_]/ { head = $0 }
/^[ \t]/ && head != "" { head = head " " $0 }
!/^[A-Za-z_ \t]/ || /;[ \t]*$/ { head = "" }
END

# The parser first: it must see what it is meant to see.
cat >"$DIR/sample.c" <<'END'
static int one(int a)
{
	return a;
}
/* two(int) is a comment */
int two(void);
__attribute__((format(printf, 2, 3))) static void three(struct x *a, const char *b,
							 ...)
{
}
struct four {
	int a;
};
static const struct five five[] = {
	{ 1 },
};
#define SIX(x) \
	seven(x)
static inline int *eight(void (*f)(int))
{
	return f;
}
END
assert_eq "$(awk -f "$DIR/functions.awk" "$DIR/sample.c" | cut -d ' ' -f 1 | tr '\n' ' ')" \
    "one three eight " "functions in the sample"

# Variants of one function in one file are one. main is every program's, START_TEST a macro.
find src include tests contrib -name '*.[ch]' -print0 | sort -z | xargs -0 awk -f "$DIR/functions.awk" |
    grep -vE '^(main|START_TEST|LLVMFuzzerTestOneInput|LLVMFuzzerCustomMutator) ' |
    sort -u >"$DIR/functions"
[ "$(wc -l <"$DIR/functions")" -gt 1000 ] || fail "found only $(wc -l <"$DIR/functions") functions"
cut -d ' ' -f 1 "$DIR/functions" | uniq -d >"$DIR/twice"
if [ -s "$DIR/twice" ]; then
    while read -r name; do
        sed -n "s/^$name \(.*\)/$name: \1/p" "$DIR/functions"
    done <"$DIR/twice"
    fail "$(wc -l <"$DIR/twice") function names exist twice"
fi
