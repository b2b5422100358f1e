#!/usr/bin/env bash
# The command table, --help, the man page and the completions name exactly the same things.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
cd "$DIR"

"$ZQFS" help --list >list
man=$TOP/zqfs.1
completions=$TOP/contrib/completions

commands=$(awk -F '\t' '$1 == "command" { print $2 }' list)
options_of() { # COMMAND: all spellings but those of --help
    awk -F '\t' -v c="$1" '$1 == "option" && $2 == c && $4 != "--help" {
        if ($3 != "") print $3
        if ($4 != "") print $4
    }' list | sort
}
keys_of() { # COMMAND [alias]
    awk -F '\t' -v c="$1" -v a="${2:-}" '$1 == "key" && $2 == c && $5 == a { print $3 }' list |
        sort -u
}
same() { # FILE FILE WHAT
    diff "$1" "$2" >difference || {
        cat difference
        fail "$3 differ (< the command table)"
    }
}

# ---- help ----------------------------------------------------------------------------------

# Spellings at the beginning of lines such as "  -c, --cond=STATE   text".
help_options() {
    sed -n 's/^ \{2,6\}\(-[^ ,]*\(, --[^ ]*\)*\).*/\1/p' | tr -d , | tr ' ' '\n' |
        sed 's/=.*//' | grep -vx -e -h -e --help | sort
}
for c in $commands; do
    "$ZQFS" help "$c" >text
    options_of "$c" >want
    sed '/^keys /,$d' text | help_options >got || true
    same want got "options in help $c"
    keys_of "$c" >want
    sed -n '/^keys /,$s/^  \([a-z_.-][a-z0-9_.-]*\).*/\1/p' text | sort -u >got
    same want got "keys in help $c"
done
"$ZQFS" help >text
printf '%s\n' "$commands" | sort >want
sed -n 's/^  \([a-z][a-z]*\)\(, [a-z]*\)*  .*/\1\2/p' text | tr -d ' ' | tr ',' '\n' | sort >got
same want got "commands in the overview"

# ---- man page ------------------------------------------------------------------------------

# The lines of a section, or of a subsection of COMMANDS.
section() { # TITLE
    awk -v want="$1" '/^\.S[hs] / { on = 0; t = substr($0, 5); n = split(t, w, / *, */)
        for (i = 1; i <= n; i++) if (w[i] == want) on = 1
        if (t == want) on = 1 }
        on' "$man"
}
printf '%s\n' "$commands" | sort >want
awk '/^\.Sh / { on = $2 == "COMMANDS" } on && /^\.Ss / { $1 = ""; gsub(/,/, " "); print }' "$man" |
    tr -s ' ' '\n' | grep . | sort >got
same want got "commands in the man page"

for c in $commands; do
    options_of "$c" >want
    section "$c" | sed -n 's/^\.It Fl //p' | awk '{
        for (i = 1; i <= NF; i++) if ((i == 1 || $(i - 1) == ",") && $i != "Ns") print "-" $i
    }' | grep -vx -e -h -e --help | sort >got || true
    same want got "options of $c in the man page"
done

# Names after .It Cm, with commas between those that share an entry.
man_keys() { # TITLE
    section "$1" | sed -n 's/^\.It Cm //p' | sed 's/ Ns = Ns [^,]*//g; s/Cm //g' |
        tr -d ' ' | tr ',' '\n' | sort -u
}
keys_of create >want
man_keys "OPTIONS OF NEW IMAGES" >got
same want got "keys of create in the man page"
keys_of create alias | grep _ >want
section "OPTIONS OF NEW IMAGES" | sed -n '/^The names of older series/,$p' |
    grep -o '[a-z]*_[a-z_]*' | sort -u >got
same want got "older names of create in the man page"

# FUSE has more options than the page lists; ours are all there, and no others as entries.
man_keys "MOUNT OPTIONS" >entries
while read -r key; do
    grep -qx -- "$key" <(keys_of mount) || fail "the man page has a mount option $key, zqfs has none"
done <entries
while read -r key; do
    section "MOUNT OPTIONS" | holds -w -- "$key" || fail "mount option $key is not in the man page"
done < <(keys_of mount)

# states and attributes
awk -F '\t' '$4 == "--cond" { print $6 }' list | tr ' ' '\n' | while read -r state; do
    section report | holds -w -- "$state" || fail "state $state is not in the man page"
done

# ---- completions ---------------------------------------------------------------------------

# What they are generated from is what zqfs says now.
"$completions/generate.sh" "$ZQFS" "$DIR"
for file in zqfs.bash _zqfs zqfs.fish; do
    cmp "$completions/$file" "$file" || fail "$file is old: run contrib/completions/generate.sh"
done
# And nothing is lost on the way.
for c in $commands; do
    for o in $(options_of "$c"); do
        grep -q "$c) options='.*${o}[ ']" zqfs.bash || fail "bash: no $c $o"
        sed -n "/^_zqfs_$c()/,/^}/p" _zqfs | holds -F -- "$o" || fail "zsh: no $c $o"
        case $o in --*) dash=" -l ${o#--}" ;; *) dash=" -s ${o#-}" ;; esac
        case $c in mount) where=__zqfs_mounting ;; *) where="from $c'" ;; esac
        grep -F -- "$where" zqfs.fish | holds -F -- "$dash " || fail "fish: no $c $o"
    done
    for k in $(keys_of "$c") $(keys_of "$c" alias); do
        grep -q "$c) keys='.*${k}[= ']" zqfs.bash || fail "bash: no key $k"
        sed -n "/^_zqfs_keys_$c()/,/^}/p" _zqfs | holds -F -- "'${k}[" || fail "zsh: no key $k"
        grep -q "'$k=*\\\\t" zqfs.fish || fail "fish: no key $k"
    done
done
