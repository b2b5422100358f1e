#!/usr/bin/env bash
# A folder includes only what lies below it: a table of the allowed arrows against the sources.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
TREE=${STRUCTURE_TREE:-$TOP}

# FOLDER: folders and single headers whose files it may include, beside its own. A new folder needs a
# line here, in src/DESIGN section 3 and a README.
cat >"$DIR/allowed" <<'END'
include/zqfs:
src/util: include/zqfs
src/io: include/zqfs src/util
src/qcow2/format: include/zqfs src/util
src/qcow2/tables: include/zqfs src/util src/io src/qcow2/format
src/qcow2/check: include/zqfs src/util src/io src/qcow2/format src/qcow2/tables
src/qcow2/create: include/zqfs src/util src/io src/qcow2/format src/qcow2/tables
src/qcow2/codec:
src/qcow2/engine: include/zqfs src/util src/io src/qcow2/format src/qcow2/tables src/qcow2/codec src/qcow2/check src/qcow2/qcow2.h
src/qcow2: include/zqfs
src/zone: include/zqfs src/util src/io/io.h src/qcow2/qcow2.h
src/offline: include/zqfs src/util src/io src/qcow2/format src/qcow2/tables src/qcow2/check src/qcow2/create src/qcow2/qcow2.h
src/convert: include/zqfs src/util src/io src/offline/inherit.h src/offline/new_file.h src/offline/new_image.h src/qcow2/qcow2.h src/qcow2/format src/qcow2/tables/named_file.h
src/fs: include/zqfs src/util
src/cli: include/zqfs src/util src/fs/fs.h src/zone/ranges.h
END

# FILE HEADER for each include of one of ours; those of <zqfs/> are in include/zqfs.
(
    cd "$TREE"
    # shellcheck disable=SC2016
    find src include -name '*.[ch]' -print0 | sort -z | xargs -0 awk '
        /^#[ \t]*include[ \t]*[<"]/ {
            h = $0
            sub(/^[^<"]*[<"]/, "", h)
            sub(/[>"].*/, "", h)
            if (h ~ /^zqfs\//) print FILENAME, "include/" h
            else if (h ~ /^fuse/) print FILENAME, "<" h ">"
            else if ($0 ~ /"/ && h !~ /\.inc$/) print FILENAME, "src/" h # .inc: made by the build
        }'
) >"$DIR/includes"
[ "$(wc -l <"$DIR/includes")" -gt 200 ] || fail "found only $(wc -l <"$DIR/includes") includes"

awk '
    function folder(path) { sub(/\/[^\/]*$/, "", path); return path }
    NR == FNR {
        from = $1
        sub(/:$/, "", from)
        known[from]
        for (i = 2; i <= NF; i++) may[from, $i]
        next
    }
    {
        from = folder($1)
        if (!(from in known)) print $1 ": the table knows no folder " from
        else if ($2 ~ /^</) { if (from != "src/fs") print $1 ": only src/fs includes " $2 }
        else if (folder($2) != from && !((from, folder($2)) in may) && !((from, $2) in may))
            print $1 " includes " $2 ": the arrow " from " -> " folder($2) " is not allowed"
    }' "$DIR/allowed" "$DIR/includes" >"$DIR/wrong"
if [ -s "$DIR/wrong" ]; then
    cat "$DIR/wrong"
    fail "$(wc -l <"$DIR/wrong") includes against the arrows"
fi

# The arrows themselves go down only. src/qcow2 is its interface, which the engine fulfils.
awk '{ from = $1; sub(/:$/, "", from); for (i = 2; i <= NF; i++) print from, $i }' "$DIR/allowed" |
    tsort >/dev/null || fail "the table of arrows has a circle"
