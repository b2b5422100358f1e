# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion from "zqfs help --list". Needs no bash-completion package at run time.
BEGIN { FS = "\t" }

function add(table, at, word) { table[at] = table[at] (table[at] == "" ? "" : " ") word }

$1 == "command" { commands[++n] = $2 }
$1 == "operand" { operands[$2] = operands[$2] " " $3 }
$1 == "option" {
    if ($3 != "") add(options, $2, $3)
    if ($4 != "") add(options, $2, $4)
    if ($5 == "") next
    spelling = $3 ($3 != "" && $4 != "" ? "|" : "") $4
    if ($6 != "")
        values[$2] = values[$2] "            " spelling ") words='" $6 "' ;;\n"
    else if ($5 == "PATH")
        values[$2] = values[$2] "            " spelling ") kind='file' ;;\n"
    else if ($3 == "-o")
        values[$2] = values[$2] "            -o) kind='keys' ;;\n"
    else
        values[$2] = values[$2] "            " spelling ") kind='none' ;;\n"
}
$1 == "key" { add(keys, $2, $3 ($4 == "" ? "" : "=")) }

function table(name, of,   i) {
    printf "    case $1 in\n"
    for (i = 1; i <= n; i++)
        if (of[commands[i]] != "")
            printf "        %s) %s='%s' ;;\n", commands[i], name, of[commands[i]]
    print "    esac"
}

END {
    print "# SPDX-License-Identifier: GPL-2.0-or-later"
    print "# bash completion for zqfs; made by contrib/completions/generate.sh"
    print ""
    print "_zqfs_options() { # COMMAND"
    print "    local options=''"
    table("options", options)
    print "    printf '%s' \"$options\""
    print "}"
    print ""
    print "_zqfs_keys() { # COMMAND"
    print "    local keys=''"
    table("keys", keys)
    print "    printf '%s' \"$keys\""
    print "}"
    print ""
    print "# What follows an option: sets words, or kind to file, keys or none."
    print "_zqfs_value() { # COMMAND OPTION"
    print "    words='' kind=''"
    print "    case $1 in"
    for (i = 1; i <= n; i++)
        if (values[commands[i]] != "")
            printf "        %s) case $2 in\n%s        esac ;;\n", commands[i], values[commands[i]]
    print "    esac"
    print "}"
    print ""
    all = ""
    for (i = 1; i <= n; i++)
        all = all (i > 1 ? " " : "") commands[i]
    print "_zqfs_commands='" all "'"
    print ""
    while ((getline line < BODY) > 0)
        print line
}
