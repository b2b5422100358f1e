#!/usr/bin/env bash
# Completion in a real bash; zsh and fish at least take their files.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
cd "$DIR"
mkdir -p folder/mnt
touch disk.qcow2

# Completes the last word of a command line as bash does, splitting at "=".
complete_line() { # WORD...; prints the candidates, one a line
    bash --norc -c '
        source "$1"; shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
        _zqfs zqfs "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf "%s\n" "${COMPREPLY[@]}"
    ' complete "$TOP/contrib/completions/zqfs.bash" "$@" | sort | paste -sd' '
}
offers() { # "CANDIDATES" WORD...
    local want=$1
    shift
    assert_eq "$(complete_line "$@")" "$want" "completion of '$*'"
}

offers "reset" zqfs rese
offers "report reset resize" zqfs re
offers "disk.qcow2" zqfs di
offers "disk.qcow2" zqfs report di
offers "disk.qcow2" zqfs create -o zone.size=1M di
offers "--json" zqfs report --js
offers "leaks" zqfs check --repair = l
offers "all leaks" zqfs check -r ""
offers "closed" zqfs report -c cl
offers "--pid-file" zqfs --pid
offers "create" zqfs help cr
offers "zone.size=" zqfs create -o zone.si
offers "zone.size=1M,zone.capacity=" zqfs create -o zone.size=1M,zone.capac
offers "errors=" zqfs -o err
offers "ro,errors=" zqfs disk.qcow2 folder -o ro,err
offers "folder/mnt" zqfs umount folder/m

# it loads into an interactive shell without a word
assert_eq "$(bash --norc -ic "source '$TOP/contrib/completions/zqfs.bash'; complete -p zqfs" \
    2>err </dev/null)" "complete -F _zqfs zqfs" "what bash has registered"

if command -v zsh >/dev/null; then
    zsh -n "$TOP/contrib/completions/_zqfs"
    zsh -fc "fpath=('$TOP/contrib/completions' \$fpath); autoload -U compinit
        compinit -D -u; (( \$+functions[_zqfs] )) && [[ \$_comps[zqfs] = _zqfs ]]" ||
        fail "zsh does not take it"
fi
if command -v fish >/dev/null; then
    fish -n "$TOP/contrib/completions/zqfs.fish"
    fish_offers() { # "CANDIDATES" LINE
        assert_eq "$(fish --no-config -c "source '$TOP/contrib/completions/zqfs.fish'
            complete -C '$2'" | cut -f 1 | sort | paste -sd' ')" "$1" "fish: completion of '$2'"
    }
    fish_offers "all leaks" "zqfs check -r "
    fish_offers "reset" "zqfs rese"
    fish_offers "--json" "zqfs info --js"
fi
