# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Results (lines of JOB|UNIT|TARGET|ROUND|VALUE) to a table of medians and ratios, and to JSON.

machine() {
    local cpu
    cpu=$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)
    echo "machine    $(nproc) x ${cpu:-$(uname -m)}, $(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)"
    echo "kernel     $(uname -sr)"
    echo "files on   $(stat -f -c %T "$WORK"), disk jobs on $(stat -f -c %T "$DISK")"
    echo "zqfs       $("$ZQFS" --version | head -n 1)"
    echo "libfuse    $(pkg-config --modversion fuse3 2>/dev/null || echo unknown)"
    ! has_target qsd || echo "qemu       $(qemu-storage-daemon --version | head -n 1)"
    echo "fio        $(fio --version)"
    echo "rounds     $rounds$([ "$divide" = 1 ] || echo ", jobs of 1/$divide"), load at the end $(cut -d' ' -f1-3 /proc/loadavg)"
}

# JOB|UNIT|TARGET|MEDIAN in the order of the jobs.
medians() { # FILE
    awk -F'|' '
        !(($1, $3) in n) { order[++nr] = $1 SUBSEP $3; unit[$1] = $2 }
        { v[$1, $3, ++n[$1, $3]] = $5 + 0 }
        END {
            for (i = 1; i <= nr; i++) {
                split(order[i], k, SUBSEP); m = n[order[i]]
                for (a = 2; a <= m; a++) { # insertion sort of a few values
                    x = v[k[1], k[2], a]
                    for (b = a - 1; b >= 1 && v[k[1], k[2], b] > x; b--)
                        v[k[1], k[2], b + 1] = v[k[1], k[2], b]
                    v[k[1], k[2], b + 1] = x
                }
                a = int((m + 1) / 2); b = int(m / 2) + 1 # the same one of an odd number
                med = (v[k[1], k[2], a] + v[k[1], k[2], b]) / 2
                printf "%s|%s|%s|%s\n", k[1], unit[k[1]], k[2], med
            }
        }' "$1"
}

# What both pictures need, for awk: med[job, target], unit[job], order[1..nr].
gather='
    function against(j, a, t,   r) {
        if (med[j, t] == "" || med[j, a] == "" || !med[j, t] || !med[j, a]) return "-"
        r = med[j, a] / med[j, t]
        if (unit[j] == "ms" || unit[j] == "B/B" || unit[j] == "per IO") r = 1 / r
        return sprintf("%.2f", r)
    }
    !($1 in unit) { order[++nr] = $1; unit[$1] = $2 }
    { med[$1, $3] = $4 }'

# A ratio above 1 means that zqfs is better, also where small numbers are.
print_table() { # FILE
    machine
    echo
    medians "$1" | awk -F'|' "$gather"'
        function show(x) { return x == "" ? "-" : x >= 1000 ? sprintf("%.0f", x) : \
            x > 1 && x < 1.1 ? sprintf("%.4f", x) : sprintf("%.4g", x) }
        END {
            fmt = "%-22s %-9s %7s %7s %7s %7s %7s %7s %7s   %5s %5s %5s %5s %5s   %5s %5s %5s\n"
            printf fmt, "job", "unit", "raw", "file", "pass", "one", "qsd", "zqfs", "rings", \
                "/raw", "/file", "/pass", "/one", "/qsd", "r/zq", "r/pass", "r/qsd"
            for (i = 1; i <= nr; i++) {
                j = order[i]
                printf fmt, j, unit[j], show(med[j, "raw"]), show(med[j, "file"]), \
                    show(med[j, "pass"]), show(med[j, "one"]), show(med[j, "qsd"]), \
                    show(med[j, "zqfs"]), show(med[j, "rings"]), \
                    against(j, "zqfs", "raw"), against(j, "zqfs", "file"), \
                    against(j, "zqfs", "pass"), against(j, "zqfs", "one"), \
                    against(j, "zqfs", "qsd"), against(j, "rings", "zqfs"), \
                    against(j, "rings", "pass"), against(j, "rings", "qsd")
            }
        }'
}

# One bar for each transport and job; passthrough_ll is the mark at 1.
print_plot() { # FILE
    echo
    medians "$1" | awk -F'|' "$gather"'
        function bar(x,   n, k, text) {
            n = int(x * 20 + 0.5)
            for (k = 1; k <= 60; k++)
                text = text (k == 20 ? (n >= 20 ? "+" : "|") : k <= n ? "#" : " ")
            sub(/ +$/, "", text)
            return text (n > 60 ? ">" : "")
        }
        function line(j, t,   x) {
            x = against(j, t, "pass")
            if (x == "-") return
            printf "%-22s %-5s %s %s\n", t == "zqfs" ? j : "", t, bar(x), x
        }
        END {
            printf "%-22s %-5s 0                  1                   2                   3\n", \
                "of passthrough_ll", ""
            for (i = 1; i <= nr; i++) { line(order[i], "zqfs"); line(order[i], "rings") }
        }'
}

# What is in REPORT from the line of the machine to the next heading becomes TABLE.
put_table() { # TABLE REPORT
    awk -v table="$1" '
        /^machine  / && !done { while ((getline line < table) > 0) print line; print ""; skip = done = 1 }
        /^What it means$/ { skip = 0 }
        !skip' "$2" >"$WORK/report"
    cat "$WORK/report" >"$2"
}

write_json() { # FILE
    jq -R -s --arg machine "$(machine)" '
        { machine: ($machine | split("\n")),
          results: [split("\n")[] | select(. != "") | split("|") |
                    { job: .[0], unit: .[1], target: .[2], round: (.[3] | tonumber),
                      value: (.[4] | tonumber) }] }' "$1"
}
