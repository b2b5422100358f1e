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
