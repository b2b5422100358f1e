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
    echo "rounds     $rounds${quick:+ (quick)}, load at the end $(cut -d' ' -f1-3 /proc/loadavg)"
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

# A ratio above 1 means that zqfs is better, also where small numbers are.
print_table() { # FILE
    machine
    echo
    medians "$1" | awk -F'|' '
        function show(x) { return x == "" ? "-" : x >= 1000 ? sprintf("%.0f", x) : sprintf("%.4g", x) }
        function against(j, t,   r) {
            if (med[j, t] == "" || med[j, "zqfs"] == "" || !med[j, t] || !med[j, "zqfs"]) return "-"
            r = med[j, "zqfs"] / med[j, t]
            if (unit[j] == "ms") r = 1 / r
            return sprintf("%.2f", r)
        }
        !($1 in unit) { order[++nr] = $1; unit[$1] = $2 }
        { med[$1, $3] = $4 }
        END {
            fmt = "%-22s %-9s %7s %7s %7s %7s %7s %7s   %5s %5s %5s %5s %5s\n"
            printf fmt, "job", "unit", "raw", "file", "pass", "one", "qsd", "zqfs", \
                "/raw", "/file", "/pass", "/one", "/qsd"
            for (i = 1; i <= nr; i++) {
                j = order[i]
                printf fmt, j, unit[j], show(med[j, "raw"]), show(med[j, "file"]), \
                    show(med[j, "pass"]), show(med[j, "one"]), show(med[j, "qsd"]), \
                    show(med[j, "zqfs"]), against(j, "raw"), against(j, "file"), \
                    against(j, "pass"), against(j, "one"), against(j, "qsd")
            }
        }'
}

write_json() { # FILE
    jq -R -s --arg machine "$(machine)" '
        { machine: ($machine | split("\n")),
          results: [split("\n")[] | select(. != "") | split("|") |
                    { job: .[0], unit: .[1], target: .[2], round: (.[3] | tonumber),
                      value: (.[4] | tonumber) }] }' "$1"
}
