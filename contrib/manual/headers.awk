# SPDX-License-Identifier: GPL-2.0-or-later
# Takes the public headers apart: a line for each function that one of them declares,
#
#     export NAME     a symbol of the library
#     inline NAME     a function of the header alone
#
# A declaration begins in the first column and may go on over some lines.

FNR == 1 { comment = body = 0 }
{
    line = $0
    # comments, within a line or over several
    while (1) {
        if (comment) {
            if (!(at = index(line, "*/"))) next
            line = substr(line, at + 2)
            comment = 0
        }
        if (!(at = index(line, "/*"))) break
        rest = substr(line, at + 2)
        if (end = index(rest, "*/")) {
            line = substr(line, 1, at - 1) substr(rest, end + 2)
        } else {
            line = substr(line, 1, at - 1)
            comment = 1
            break
        }
    }
}
/^[{}]/ || line ~ /^[{}#\t ]/ { next }
line ~ /^(typedef|extern|struct [a-z_]+ \{|enum)/ { next }
match(line, /zq_[a-z0-9_]+\(/) {
    print (line ~ /^static inline/ ? "inline" : "export"), substr(line, RSTART, RLENGTH - 1)
}
