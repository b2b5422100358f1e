#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Writes the completions of bash, zsh and fish next to itself (or to FOLDER), from what
# "zqfs help --list" says. A test runs it and compares, so that the files are never older than
# the command table.
#
#     contrib/completions/generate.sh [ZQFS [FOLDER]]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
zqfs=${1:-$here/../../zqfs}
to=${2:-$here}
list=$("$zqfs" help --list)

for shell in bash zsh fish; do
    case $shell in
        bash) file=zqfs.bash ;;
        zsh) file=_zqfs ;;
        fish) file=zqfs.fish ;;
    esac
    printf '%s\n' "$list" | awk -v BODY="$here/body.bash" -f "$here/$shell.awk" >"$to/$file"
done
