#!/usr/bin/env bash
# What comments and documents cite is in the tree; installed headers cite only what is installed.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
cd "${STRUCTURE_TREE:-$TOP}"

find src include tests contrib README Makefile zqfs.1 .ci -type f ! -path 'tests/images/*' \
    ! -name structure-citations.sh | sort >"$DIR/files"
cites() { # REGEX: "FILE:LINE:MATCH" for each match in any of the files
    xargs grep -HnoE "$1" <"$DIR/files" || true
}
wrong() { # CITATION WHY
    echo "$1: $2" >>"$DIR/wrong"
}
: >"$DIR/wrong"

# ---- papers beside the project ---------------------------------------------------------------

cites '\.\./shared[^ ]*' | while read -r c; do wrong "$c" "the project reads nothing beside it"; done
cites '[A-Za-z0-9_./-]*[A-Za-z0-9_-]\.md\b' | while IFS=: read -r file line name; do
    [ -e "$name" ] || [ -e "${file%/*}/$name" ] || wrong "$file:$line: $name" "not in the tree"
done

# ---- files by their path -----------------------------------------------------------------------

# Paths from the top with a name that only a source or a document has; what is built is not in the tree.
cites '\b(src|tests|contrib|include)/([a-z0-9_*-]+/)*([A-Z]{4,}|[A-Za-z0-9_*-]+\.(c|h|sh|bash|awk))\b' |
    while IFS=: read -r file line path; do
        compgen -G "$path" >/dev/null || case $path in
        *FOLDER* | *NAME* | *NNNN* | include/stdlib.h | include/libaio.h) ;; # patterns; the compiler's
        *) wrong "$file:$line: $path" "not in the tree" ;;
        esac
    done

# ---- sections of the documents ------------------------------------------------------------------

documents=(src/DESIGN src/qcow2/FORMAT src/fs/SEMANTICS contrib/HACKING)
cites '\b(DESIGN|FORMAT|SEMANTICS|HACKING),? sections? [0-9]+( (and|to) [0-9]+)?' |
    while IFS=: read -r file line text; do
        document=
        for d in "${documents[@]}"; do
            [ "${d##*/}" != "${text%%[ ,]*}" ] || document=$d
        done
        for n in ${text#* section}; do
            [[ $n =~ ^[0-9]+$ ]] || continue
            grep -qE "^${n}[. ] *[A-Z]" "$document" 2>/dev/null ||
                wrong "$file:$line: $text" "no section $n in $document"
        done
    done

# ---- installed headers --------------------------------------------------------------------------

grep -HnE '\b(src|tests|contrib)/|\b(DESIGN|FORMAT|SEMANTICS|HACKING)\b' include/zqfs/*.h |
    while IFS=: read -r file line text; do wrong "$file:$line: ${text# \* }" "not installed"; done || true

if [ -s "$DIR/wrong" ]; then
    cat "$DIR/wrong"
    fail "$(wc -l <"$DIR/wrong") citations of what is not there"
fi
