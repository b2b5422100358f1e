# SPDX-License-Identifier: GPL-2.0-or-later
# zsh completion (_arguments) from "zqfs help --list".
BEGIN { FS = "\t"; quote = "'\\''" }

function quoted(text) {
    gsub(/\\/, "\\\\", text)
    gsub(/:/, "\\:", text)
    gsub(/\[/, "\\[", text)
    gsub(/\]/, "\\]", text)
    gsub(/'/, quote, text)
    return text
}

function action(command, arg, words) {
    if (words != "") return (arg ~ /,/ ? "_values -s , " arg_name(arg) " " words : "(" words ")")
    if (arg == "PATH") return "_files"
    if (arg ~ /^KEY/) return "_zqfs_keys_" command
    return ""
}

function arg_name(arg) { sub(/[\[,|].*/, "", arg); return tolower(arg) }

$1 == "command" { commands[++n] = $2; summary[$2] = $3 }
$1 == "operand" {
    count[$2]++
    what = $3 ~ /MOUNTPOINT$/ ? "_directories" : $3 ~ /IMAGE|FILE/ ? "_files" : ""
    if ($3 == "COMMAND") what = "_zqfs_commands"
    at = $3 ~ /\.\.\.$/ ? "*" : count[$2]
    specs[$2] = specs[$2] " \\\n        '" at ":" quoted(tolower($3)) ":" what "'"
}
$1 == "option" {
    value = $5 == "" ? "" : ":" arg_name($5) ":" action($2, $5, $6)
    again = $3 == "-o" || $3 == "-c" ? "*" : ""
    if ($3 != "")
        specs[$2] = specs[$2] " \\\n        '" again $3 ($5 == "" ? "" : "+") "[" quoted($NF) "]" value "'"
    if ($4 != "")
        specs[$2] = specs[$2] " \\\n        '" again $4 ($5 == "" ? "" : "=") "[" quoted($NF) "]" value "'"
}
$1 == "key" {
    keys[$2] = keys[$2] " \\\n        '" $3 "[" quoted($6) "]" ($4 == "" ? "" : ":" tolower(arg_name($4)) ":") "'"
}

END {
    print "#compdef zqfs"
    print "# SPDX-License-Identifier: GPL-2.0-or-later"
    print "# zsh completion for zqfs; made by contrib/completions/generate.sh"
    print ""
    print "_zqfs_commands() {"
    print "    local -a commands=("
    for (i = 1; i <= n; i++)
        printf "        '%s:%s'\n", commands[i], quoted(summary[commands[i]])
    print "    )"
    print "    _describe command commands"
    print "}"
    for (i = 1; i <= n; i++)
        if (keys[commands[i]] != "")
            printf "\n_zqfs_keys_%s() {\n    _values -s , key%s\n}\n", commands[i], keys[commands[i]]
    for (i = 1; i <= n; i++)
        printf "\n_zqfs_%s() {\n    _arguments -s -S%s\n}\n", commands[i], specs[commands[i]]
    print ""
    print "_zqfs() {"
    print "    local command=${words[2]}"
    print "    if (( CURRENT == 2 )) && [[ $command != -* ]]; then"
    print "        _alternative 'commands:command:_zqfs_commands' 'files:image:_files'"
    print "    elif (( $+functions[_zqfs_$command] )) && [[ $command != (commands|keys_*) ]]; then"
    print "        shift words"
    print "        (( CURRENT-- ))"
    print "        _zqfs_$command"
    print "    else"
    print "        _zqfs_mount"
    print "    fi"
    print "}"
    print ""
    print "_zqfs \"$@\""
}
