# SPDX-License-Identifier: GPL-2.0-or-later
# Makes of zqfs.1 the table that "zqfs help TOPIC" prints from: one row for each section and each
# subsection, as plain text. Knows the macros of mdoc that the page uses, and fails on others.
# tests/docs-topics.sh compares what comes out with what mandoc makes of the page.

BEGIN {
    WIDTH = 78
    n_inline = split("Nm Cm Ar Pa Er Li Em Sy Dv Ev Fl Op Oo Oc Xr Sx In Ns No Ap Pq Ta Va Ql", names, " ")
    for (i = 1; i <= n_inline; i++) inline[names[i]]
    print "/* Made of zqfs.1 by src/cli/topics.awk. */"
}

# ---- lines of a row --------------------------------------------------------------------------

# Character by character: what gsub() makes of backslashes differs from awk to awk.
function c_string(s,    i, c, t) {
    for (i = 1; i <= length(s); i++) {
        c = substr(s, i, 1)
        t = t (c == "\\" || c == "\"" ? "\\" : "") c
    }
    return t
}
function put(line) {
    sub(/ +$/, "", line)
    if (line == "" && blank) return
    blank = line == ""
    text = text "\t  \"" c_string(line) "\\n\"\n"
}
function spaces(n) { return sprintf("%" n "s", "") }
# Wraps text behind a first part that is already on the line.
function wrap(first, indent, s,    n, w, i, line, empty) {
    n = split(s, w, " ")
    line = first
    empty = 1
    for (i = 1; i <= n; i++) {
        if (!empty && length(line) + 1 + length(w[i]) > WIDTH) {
            put(line)
            line = spaces(indent)
            empty = 1
        }
        line = line (empty ? "" : " ") w[i]
        empty = 0
    }
    put(line)
}
function flush() {
    if (par == "") return
    if (tag != "" && length(tag) > indent - 2 - tag_indent) {
        put(spaces(tag_indent) tag)
        tag = ""
    }
    if (tag != "") wrap(spaces(tag_indent) tag spaces(indent - tag_indent - length(tag)), indent, par)
    else wrap(spaces(indent), indent, par)
    par = tag = ""
}

# ---- words of a line ----------------------------------------------------------------------------

function unescape(s) {
    gsub(/\\&/, "", s)
    gsub(/\\e/, "\\", s)
    gsub(/\\-/, "-", s)
    return s
}
# Splits s into word[1..], of which quoted[] says whether it stood in quotes.
function words_of(s,    n, q) {
    n = 0
    split("", quoted)
    while (s != "") {
        sub(/^[ \t]+/, "", s)
        if (s == "") break
        n++
        if (substr(s, 1, 1) == "\"") {
            s = substr(s, 2)
            q = index(s, "\"")
            if (!q) q = length(s) + 1
            word[n] = substr(s, 1, q - 1)
            quoted[n] = 1
            s = substr(s, q + 1)
        } else {
            match(s, /^[^ \t]+/)
            word[n] = substr(s, 1, RLENGTH)
            s = substr(s, RLENGTH + 1)
        }
    }
    return n
}
# Adds a word to the text of a line.
function add(w) {
    if (out == "" || glue || w ~ /^[.,:;)?!]$/) out = out w
    else out = out " " w
    glue = w == "(" || w == "["
}
# The text of a line's words from the first one on. Cells of a table are separated by tabs.
function render(n, from,    i, m, close_all, xr) {
    out = ""
    glue = xr = 0
    m = close_all = ""
    for (i = from; i <= n; i++) {
        if (!quoted[i] && word[i] in inline) {
            m = word[i]
            if (m == "Op") { add("["); close_all = "]" close_all }
            else if (m == "Pq") { add("("); close_all = ")" close_all }
            else if (m == "Ql") { add("\047"); glue = 1; close_all = "\047" close_all }
            else if (m == "Oo") add("[")
            else if (m == "Oc") out = out "]"
            else if (m == "Ns") glue = 1
            else if (m == "Ap") { out = out "'"; glue = 1 }
            else if (m == "Ta") { out = out "\t"; glue = 1 }
            else if (m == "Xr") xr = 1
            else if (m == "Nm" && (i == n || word[i + 1] in inline || word[i + 1] ~ /^[.,:;)?!]$/)) add("zqfs")
            else if (m == "Ar" && (i == n || word[i + 1] ~ /^[|.,:;)?!]$/)) add("file ...")
            if (m == "Fl" && i < n && word[i + 1] in inline) { add("-"); glue = 1 }
            continue
        }
        if (m == "Fl" && word[i] !~ /^[|.,:;)(]$/) add("-" unescape(word[i]))
        else if (m == "In") add(word[i] ~ /^[.,]$/ ? word[i] : "<" word[i] ">")
        else if (m == "Xr" && xr == 1) { add(word[i]); xr = 2 }
        else if (m == "Xr" && xr == 2) { out = out "(" word[i] ")"; xr = 3 }
        else add(unescape(word[i]))
    }
    # what closes stands before the last point
    if (close_all != "") {
        if (out ~ /[.,:;]$/ && word[n] ~ /^[.,:;]$/)
            out = substr(out, 1, length(out) - 1) close_all substr(out, length(out))
        else out = out close_all
    }
    return out
}
# More text: of the paragraph, or of the last cell of a table.
function say(s) {
    if (depth && kind[depth] == "-column" && rows) cell[rows, columns_of_row] = cell[rows, columns_of_row] " " s
    else par = par (par == "" ? "" : " ") s
}

# ---- tables --------------------------------------------------------------------------------------

function end_table(    r, c, width, max, line, left) {
    for (c = 1; c < columns; c++) {
        max = 0
        for (r = 1; r <= rows; r++)
            if (length(cell[r, c]) > max && (columns > 2 || length(cell[r, c]) < 36)) max = length(cell[r, c])
        width[c] = max + 2
    }
    for (r = 1; r <= rows; r++) {
        line = spaces(indent)
        left = indent
        for (c = 1; c < columns; c++) {
            line = line cell[r, c]
            left += width[c]
            if (length(line) >= left) {
                put(line)
                line = ""
            }
            line = line spaces(left - length(line))
        }
        wrap(line, left, cell[r, columns])
    }
}

# ---- sections ------------------------------------------------------------------------------------

function end_row() {
    flush()
    if (title != "") printf "\t{ \"%s\", %s,\n%s\t},\n", c_string(title), level, text
    text = ""
    blank = 1
}
function begin_row(s) {
    end_row()
    title = s
    indent = 5
    depth = 0
}

{
    if (literal && $0 !~ /^\.Ed/) {
        put(spaces(indent + literal_indent) unescape($0))
        next
    }
}
/^\.\\"/ { next }
!/^\./ { say(unescape($0)); next }
{
    n = words_of(substr($0, 2))
    macro = word[1]
}
macro == "Dd" || macro == "Dt" || macro == "Os" || macro == "Nd" { next }
macro == "Sh" || macro == "Ss" {
    heading = render(n, 2)
    begin_row(heading)
    level = macro == "Sh" ? "true" : "false"
    put((macro == "Sh" ? "" : "   ") heading)
    blank = 1
    next
}
macro == "Pp" { flush(); put(""); next }
macro == "Dl" {
    flush()
    put(spaces(indent + 6) render(n, 2))
    next
}
macro == "Bd" { flush(); put(""); literal = 1; literal_indent = 6; next }
macro == "Ed" { literal = 0; next }
macro == "Bl" {
    flush()
    kind[++depth] = word[2]
    saved[depth] = indent
    if (word[2] == "-column") {
        rows = 0
        columns = 0
        for (i = 3; i <= n; i++) if (quoted[i]) columns++
        if (word[3] == "-offset") indent += 6
        put("")
    }
    next
}
macro == "It" && kind[depth] == "-column" {
    columns_of_row = split(render(n, 2), cells, "\t")
    rows++
    for (i = 1; i <= columns; i++) {
        cell[rows, i] = i <= columns_of_row ? cells[i] : ""
        gsub(/^ +| +$/, "", cell[rows, i])
    }
    next
}
macro == "It" {
    flush()
    put("")
    tag_indent = saved[depth]
    indent = tag_indent + 8
    tag = render(n, 2)
    next
}
macro == "El" {
    flush()
    if (kind[depth] == "-column") end_table()
    indent = saved[depth--]
    next
}
macro in inline { say(render(n, 1)); next }
{
    print "topics.awk: zqfs.1:" FNR ": no rule for ." macro > "/dev/stderr"
    exit 1
}
END { end_row() }
