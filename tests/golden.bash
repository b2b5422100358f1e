# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the golden tests share: the images that QEMUs with the zoned series wrote, and what
# their sidecars say of each zone (images/golden.zones, made by images/make-expect.sh).

# Images that zqfs does not open yet, each with the words of the refusal, "NAME|PART OF MESSAGE".
GOLDEN_REFUSED=()

# Unpacks all images to $DIR/golden.
golden_unpack() {
    requires zstd sha256sum
    mkdir "$DIR/golden"
    local archive
    for archive in "$IMAGES"/qemu-*.tar.zst; do
        zstd -dc "$archive" | tar -xf - -C "$DIR/golden" --no-same-owner
    done
    rm -f "$DIR"/golden/*.json "$DIR"/golden/*.txt
}

golden_names() {
    grep -v '^#' "$IMAGES/golden.zones" | cut -d' ' -f1 | uniq
}

# The words of the refusal that is expected of an image, empty when it must open.
golden_refusal() { # NAME
    local r
    for r in "${GOLDEN_REFUSED[@]}"; do
        [ "${r%%|*}" = "$1" ] && echo "${r#*|}"
    done
    return 0
}

# Lines "zone conventional start length capacity pointer sha256" of an image.
golden_zones() { # NAME
    sed -n "s/^$1 //p" "$IMAGES/golden.zones"
}

# The state that a pointer means when the image is opened.
golden_state() { # CONVENTIONAL START CAPACITY POINTER
    if [ "$1" = 1 ]; then
        echo not-wp
    elif [ "$4" -eq "$2" ]; then
        echo empty
    elif [ "$4" -lt $(($2 + $3)) ]; then
        echo closed
    else
        echo full
    fi
}

# Bytes that the file of a zone has.
golden_size() { # CONVENTIONAL START CAPACITY POINTER
    case $(golden_state "$@") in
        not-wp | full) echo "$3" ;;
        *) echo $(($4 - $2)) ;;
    esac
}

# Of a device whose first CONV zones are conventional: the path of a zone within a mount.
zone_file() { # ZONE CONV
    if [ "$1" -lt "$2" ]; then
        echo "cnv/$1"
    else
        echo "seq/$(($1 - $2))"
    fi
}

# LENGTH bytes of one value, as an octal escape of printf or tr ("\0", "\273").
fill_bytes() { # LENGTH BYTE
    head -c "$1" /dev/zero | tr '\0' "$2"
}

# sha256 of a file's bytes, padded to LENGTH with BYTE.
padded_sha() { # FILE LENGTH BYTE
    local size
    size=$(size_of "$1")
    { cat -- "$1" && fill_bytes $(($2 - size)) "$3"; } | sha256sum | cut -d' ' -f1
}

# The whole device as the files of a mount show it, padded with zeros.
padded_device() { # MOUNTPOINT NAME
    local zone conv start len cap wp sha nr_conv file
    nr_conv=$(golden_zones "$2" | cut -d' ' -f2 | grep -c 1 || true)
    # shellcheck disable=SC2034 # fields that are not looked at
    while read -r zone conv start len cap wp sha; do
        file=$1/$(zone_file "$zone" "$nr_conv")
        cat -- "$file"
        head -c $((len - $(size_of "$file"))) /dev/zero
    done < <(golden_zones "$2")
}
