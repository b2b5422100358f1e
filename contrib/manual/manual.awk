# SPDX-License-Identifier: GPL-2.0-or-later
# Turns the public headers into the middle part of libzqfs(3). What stands between two blank lines of a
# header is one entry: its code, and the comment in front of it as text. Functions that are called
# "_sized" are put together at the end.

function escape(s) {
    gsub(/\\/, "\\e", s)
    gsub(/-/, "\\-", s)
    sub(/^[.']/, "\\\\\\&&", s)
    return s
}
function text(s) { # a comment, without its marks
    gsub(/^\/\*+[ ]?|[ \t]*\*\/$/, "", s)
    gsub(/\n[ \t]*\*[ ]?/, "\n", s)
    n = split(s, line, "\n")
    for (i = 1; i <= n; i++) {
        sub(/^[ \t]+/, "", line[i])
        if (line[i] == "" && i > 1 && i < n) print ".Pp"
        # a new sentence is a new line in the source of a manual
        while (match(line[i], /[.] +[A-Z*]/)) {
            print escape(substr(line[i], 1, RSTART))
            line[i] = substr(line[i], RSTART + RLENGTH - 1)
        }
        print escape(line[i])
    }
}
function literal(s) {
    sub(/\n+$/, "", s)
    print ".Bd -literal"
    n = split(s, line, "\n")
    for (i = 1; i <= n; i++)
        print escape(line[i])
    print ".Ed"
}
# The bodies of inline functions are nobody's business.
function without_bodies(s,   out, n, i, line, body) {
    n = split(s, line, "\n")
    for (i = 1; i <= n; i++) {
        if (line[i] == "{" && out != "") { body = 1; sub(/\n$/, ";\n", out) }
        if (!body) out = out line[i] "\n"
        if (line[i] == "}") body = 0
    }
    if (gsub(/static inline /, "", out)) gsub(/\n[ \t]+/, "\n\t", out)
    return out
}
function entry(s,   comment, end) {
    if (s ~ /^(#ifndef ZQFS_|#include|#ifdef __cplusplus|#endif|\/\* SPDX)/) {
        if (s !~ /^\/\* SPDX/) return
        sub(/^[^\n]*\n/, "", s)
        sub(/\n#ifndef ZQFS_.*/, "", s)
    }
    if (s ~ /^\/\* ----/) { # a ruler
        sub(/^\/\* -+ /, "", s)
        sub(/ -+ \*\/.*/, "", s)
        print ".Pp\n.Sy " escape(s)
        return
    }
    comment = ""
    if (s ~ /^\/\*/ && (end = index(s, "*/"))) {
        comment = substr(s, 1, end + 1)
        s = substr(s, end + 2)
        sub(/^\n/, "", s)
        # the comment of a line of code is part of the code
        if (s ~ /^[ \t]+[^ \t\n]/) { s = comment s; comment = "" }
    }
    s = without_bodies(s)
    if (s ~ /_sized\(/) {
        sized = sized s
        if (comment == "") return
        s = ""
    }
    if (s !~ /^[ \t\n]*$/) literal(s)
    if (comment != "") { print ".Pp"; text(comment) }
    else if (s !~ /^[ \t\n]*$/) print ".Pp"
}
FNR == 1 {
    if (block != "") entry(block)
    block = ""
    print ".Ss <" substr(FILENAME, length("include/") + 1) ">"
}
/^extern "C" \{$/ { next }
/^$/ && block !~ /\{[^}]*$/ { if (block != "") entry(block); block = ""; next }
{ block = block (block == "" ? "" : "\n") $0 }
END {
    if (block != "") entry(block)
    print ".Ss Functions that take the sizes of structures"
    print "Those above are inline and call these; see"
    print ".In zqfs/version.h ."
    literal(sized)
}
