# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for zqfs; made by contrib/completions/generate.sh

_zqfs_options() { # COMMAND
    local options=''
    case $1 in
        mount) options='-o -f --foreground -d --debug --ready-fd --pid-file -V --version -h --help' ;;
        umount) options='--power-cut -h --help' ;;
        create) options='-o -b --backing -F --backing-format --force -q --quiet -h --help' ;;
        amend) options='-o -h --help' ;;
        resize) options='--json --data-file -q --quiet -h --help' ;;
        info) options='--chain --usage --json -U --force-share --data-file -h --help' ;;
        map) options='--json -U --force-share --data-file -h --help' ;;
        report) options='-c --cond -n --count -o --offset -l --length -b --bytes -v --verbose --watch --csv --json -U --force-share --data-file -h --help' ;;
        reset) options='--data-file -h --help' ;;
        finish) options='--data-file -h --help' ;;
        open) options='-h --help' ;;
        close) options='-h --help' ;;
        check) options='-r --repair --json --data-file -h --help' ;;
        convert) options='-c --compress --level -f --from -O --to -o --zones -S --sparse -m --threads -p --progress --force --data-file --json -q --quiet -h --help' ;;
        compare) options='-f --from -F --from-b --strict --json -p --progress -q --quiet -h --help' ;;
        compact) options='--no-compress --level -m --threads -p --progress --json -q --quiet -h --help' ;;
        commit) options='-p --progress --json --abandon -q --quiet -h --help' ;;
        trace) options='--summary -h --help' ;;
        help) options='--list -h --help' ;;
    esac
    printf '%s' "$options"
}

_zqfs_keys() { # COMMAND
    local keys=''
    case $1 in
        mount) keys='ro rw uid= gid= perm= explicit-open aggr_cnv errors= strict sync commit= cache= layout= data_file= force_share allow_other default_permissions max_threads= end_timeout= trace= clone_fd uring= seccomp auto_unmount compress= powercut= nonempty fsname=' ;;
        create) keys='zone.size= zone.capacity= zone.conventional_zones= zone.max_open_zones= zone.max_active_zones= zone.max_append_bytes= zone.mode= zone.layout= zone.wp_order= cluster_size= refcount_bits= compression_type= extended_l2= lazy_refcounts= preallocation= data_file= data_file_raw= backing_file= backing_fmt= zone_size= zone_capacity= nr_conv_zones= conventional_zones= max_open_zones= max_active_zones= max_append_bytes= max_append_sectors= size= compat= zoned_profile= zone_model=' ;;
        amend) keys='zone.layout= zone.wp_order= zone.max_open_zones= zone.max_active_zones= zone.max_append_bytes= compression_type= lazy_refcounts= backing_file= backing_fmt=' ;;
        convert) keys='zone.size= zone.capacity= zone.conventional_zones= zone.max_open_zones= zone.max_active_zones= zone.max_append_bytes= zone.mode= zone.layout= zone.wp_order= cluster_size= refcount_bits= compression_type= extended_l2= lazy_refcounts= preallocation= data_file= data_file_raw= backing_file= backing_fmt= zone_size= zone_capacity= nr_conv_zones= conventional_zones= max_open_zones= max_active_zones= max_append_bytes= max_append_sectors= size= compat= zoned_profile= zone_model=' ;;
    esac
    printf '%s' "$keys"
}

# What follows an option: sets words, or kind to file, keys or none.
_zqfs_value() { # COMMAND OPTION
    words='' kind=''
    case $1 in
        mount) case $2 in
            -o) kind='keys' ;;
            --ready-fd) kind='none' ;;
            --pid-file) kind='file' ;;
        esac ;;
        create) case $2 in
            -o) kind='keys' ;;
            -b|--backing) kind='none' ;;
            -F|--backing-format) words='raw qcow2' ;;
        esac ;;
        amend) case $2 in
            -o) kind='keys' ;;
        esac ;;
        resize) case $2 in
            --data-file) kind='file' ;;
        esac ;;
        info) case $2 in
            --data-file) kind='file' ;;
        esac ;;
        map) case $2 in
            --data-file) kind='file' ;;
        esac ;;
        report) case $2 in
            -c|--cond) words='not-wp empty implicit-open explicit-open closed full read-only offline' ;;
            -o) kind='keys' ;;
            -l|--length) kind='none' ;;
            --data-file) kind='file' ;;
        esac ;;
        reset) case $2 in
            --data-file) kind='file' ;;
        esac ;;
        finish) case $2 in
            --data-file) kind='file' ;;
        esac ;;
        check) case $2 in
            -r|--repair) words='leaks all' ;;
            --data-file) kind='file' ;;
        esac ;;
        convert) case $2 in
            --level) kind='none' ;;
            -f|--from) words='qcow2 raw dump folder device' ;;
            -O|--to) words='qcow2 raw dump folder' ;;
            -o) kind='keys' ;;
            --zones) kind='none' ;;
            -S|--sparse) kind='none' ;;
            -m|--threads) kind='none' ;;
            --data-file) kind='file' ;;
        esac ;;
        compare) case $2 in
            -f|--from) words='qcow2 raw dump folder device' ;;
            -F|--from-b) words='qcow2 raw dump folder device' ;;
        esac ;;
        compact) case $2 in
            --level) kind='none' ;;
            -m|--threads) kind='none' ;;
        esac ;;
    esac
}

_zqfs_commands='mount umount create amend resize info map report reset finish open close check convert compare compact commit trace help'

# shellcheck shell=bash disable=SC2154 # _zqfs_commands: generated above this part

# Where zqfs images are mounted.
_zqfs_mounts() {
    local dir rest
    while read -r _ _ _ _ dir rest; do
        case $rest in
            *' - fuse.zqfs '*) printf '%b\n' "${dir//\\/\\0}" ;;
        esac
    done </proc/self/mountinfo
}

# Completes the last of the comma-separated items of -o.
_zqfs_complete_keys() { # COMMAND WORD
    local before='' last=$2 key
    case $2 in
        *,*) before=${2%,*}, last=${2##*,} ;;
    esac
    for key in $(_zqfs_keys "$1"); do
        case $key in
            "$last"*) COMPREPLY+=("$before$key") ;;
        esac
    done
    compopt -o nospace 2>/dev/null
}

_zqfs_complete_files() { # WORD
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_zqfs() {
    local word=$2 previous=$3 command=mount words kind i
    COMPREPLY=()

    # bash splits at "=": --repair = leaks
    if [ "$word" = = ]; then
        word=''
    elif [ "$previous" = = ]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if [ "$COMP_CWORD" -gt 1 ]; then
        case " $_zqfs_commands " in
            *" ${COMP_WORDS[1]} "*) command=${COMP_WORDS[1]} ;;
        esac
    fi

    _zqfs_value "$command" "$previous"
    if [ -n "$words" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
        return
    fi
    case $kind in
        file) _zqfs_complete_files "$word"; return ;;
        keys) _zqfs_complete_keys "$command" "$word"; return ;;
        none) return ;;
    esac

    case $word in
        -*)
            mapfile -t COMPREPLY < <(compgen -W "$(_zqfs_options "$command")" -- "$word")
            return
            ;;
    esac
    case $command in
        help)
            mapfile -t COMPREPLY < <(compgen -W "$_zqfs_commands" -- "$word")
            return
            ;;
        umount)
            mapfile -t COMPREPLY < <(compgen -W "$(_zqfs_mounts)" -- "$word")
            [ ${#COMPREPLY[@]} -gt 0 ] || _zqfs_complete_files "$word"
            return
            ;;
    esac
    _zqfs_complete_files "$word"
    if [ "$COMP_CWORD" -eq 1 ]; then
        for i in $(compgen -W "$_zqfs_commands" -- "$word"); do
            COMPREPLY+=("$i")
        done
    fi
}
complete -F _zqfs zqfs
