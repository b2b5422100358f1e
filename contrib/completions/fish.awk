# SPDX-License-Identifier: GPL-2.0-or-later
# fish completion from "zqfs help --list".
BEGIN {
    FS = "\t"
    print "# SPDX-License-Identifier: GPL-2.0-or-later"
    print "# fish completion for zqfs; made by contrib/completions/generate.sh"
    print ""
}

function quoted(text) { gsub(/\\/, "\\\\", text); gsub(/'/, "\\'", text); return text }

# The mount command is the one that needs no name.
function when(command) {
    return command == "mount" ? "__zqfs_mounting" : "__fish_seen_subcommand_from " command
}

$1 == "command" {
    all = all (all == "" ? "" : " ") $2
    lines[++n] = "complete -c zqfs -n __fish_use_subcommand -a " $2 " -d '" quoted($3) "'"
}
$1 == "option" {
    line = "complete -c zqfs -n '" when($2) "'"
    if ($3 != "") line = line " -s " substr($3, 2)
    if ($4 != "") line = line " -l " substr($4, 3)
    if ($6 != "") line = line " -x -a '" $6 "'"
    else if ($5 == "PATH") line = line " -r -F"
    else if ($3 == "-o") line = line " -x -a '(__zqfs_keys " $2 ")'"
    else if ($5 != "") line = line " -x"
    lines[++n] = line " -d '" quoted($NF) "'"
}
$1 == "operand" && $3 == "COMMAND" {
    lines[++n] = "complete -c zqfs -n '" when($2) "' -f -a '@ALL@'"
}
$1 == "operand" && $2 == "umount" {
    lines[++n] = "complete -c zqfs -n '" when($2) "' -a '(__zqfs_mounts)'"
}
$1 == "key" {
    if (!($2 in keys)) order[++nr_keys] = $2
    keys[$2] = keys[$2] " \\\n                '" $3 ($4 == "" ? "" : "=") "\\t" quoted($6) "'"
}

END {
    print "function __zqfs_mounting"
    print "    not __fish_seen_subcommand_from " all
    print "    or __fish_seen_subcommand_from mount"
    print "end"
    print ""
    print "function __zqfs_mounts"
    print "    string match -r '.* - fuse\\.zqfs .*' </proc/self/mountinfo | string split -f 5 ' '"
    print "end"
    print ""
    print "# Keys of -o behind what stands before the last comma."
    print "function __zqfs_keys"
    print "    set -l before (string match -r '^.*,' -- (commandline -ct | string replace -r '^-o' ''))"
    print "    switch $argv[1]"
    for (i = 1; i <= nr_keys; i++)
        printf "        case %s\n            printf \"$before%%b\\n\"%s\n", order[i], keys[order[i]]
    print "    end"
    print "end"
    print ""
    for (i = 1; i <= n; i++) {
        gsub(/@ALL@/, all, lines[i])
        print lines[i]
    }
}
