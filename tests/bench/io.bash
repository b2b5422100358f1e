# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Load on a target: fio for everything that fio can say, with one number as the result.

# Runs fio with ARGUMENTS; its JSON goes to stdout. It never lays out files itself.
fio_json() { # TARGET ARGUMENTS...
    local target=$1
    shift
    fio --output-format=json --fallocate=none --gtod_reduce=1 --group_reporting \
        --thread --create_serialize=0 "$@" 2>>"$WORK/log.$target"
}

# Of fio's JSON; a job that moved nothing has failed and has no rate.
mib_per_s() {
    jq -r '[.jobs[] | .read.bw_bytes + .write.bw_bytes] | add / 1048576 | . * 10 | round / 10 |
        if . > 0 then . else error("nothing moved") end'
}
io_per_s() {
    jq -r '[.jobs[] | .read.iops + .write.iops] | add | round |
        if . > 0 then . else error("nothing moved") end'
}

# Takes and frees BYTES, right before as many are needed: of a virtual machine's memory, what has
# been free for some seconds is its host's, and to get it back costs more than to fill it. Only
# where files are in memory; elsewhere the page cache must not be touched.
have_memory() { # BYTES
    [ "$(stat -f -c %T "$base")" = tmpfs ] || return 0
    head -c "$1" /dev/zero >"$WORK/memory" || return 1
    rm "$WORK/memory"
}

# The arguments of one fio job on a zone: a name, the file, where, how much.
on_zone() { # TARGET ZONE BYTES
    printf '%s\n' "--name=zone$2" "--filename=$(seq_file "$1" "$2")" \
        "--offset=$(seq_offset "$1" "$2")" "--size=$3"
}

# Appends BYTES to each of ZONES zones at once.
fio_append() { # TARGET BLOCK DIRECT ZONES BYTES [ARGUMENTS...]
    local target=$1 block=$2 direct=$3 zones=$4 bytes=$5 args=() i
    shift 5
    for ((i = 0; i < zones; i++)); do
        mapfile -t -O ${#args[@]} args < <(on_zone "$target" "$i" "$bytes")
    done
    fio_json "$target" --rw=write "--bs=$block" "--direct=$direct" --create_on_open=1 "$@" \
        "${args[@]}"
}

fio_read() { # TARGET RW BLOCK DIRECT BYTES [ARGUMENTS...]
    local target=$1 rw=$2 block=$3 direct=$4 bytes=$5 args=()
    shift 5
    mapfile -t args < <(on_zone "$target" 0 "$bytes")
    fio_json "$target" "--rw=$rw" "--bs=$block" "--direct=$direct" --invalidate=0 \
        --allow_file_create=0 "$@" "${args[@]}"
}

# Fills sequential zone 0 with BYTES and puts the target away and back: nothing is cached then.
filled() { # TARGET BYTES
    fio_append "$1" 1M 0 1 "$2" >/dev/null
    restart_target "$1"
}

now_us() { echo "${EPOCHREALTIME/./}"; }

# Microseconds that COMMAND takes.
microseconds() { # COMMAND...
    local from
    from=$(now_us)
    "$@" >/dev/null
    echo $(($(now_us) - from))
}

# Mebibytes in a second from bytes and microseconds.
rate() { awk -v b="$1" -v us="$2" 'BEGIN { printf "%.1f\n", b / 1048576 / (us / 1000000) }'; }
milliseconds() { awk -v us="$1" 'BEGIN { printf "%.2f\n", us / 1000 }'; }
