# SPDX-License-Identifier: GPL-2.0-or-later
# fish completion for zqfs; made by contrib/completions/generate.sh

function __zqfs_mounting
    not __fish_seen_subcommand_from mount umount create amend resize info map report reset finish open close check convert compare compact commit trace help
    or __fish_seen_subcommand_from mount
end

function __zqfs_mounts
    string match -r '.* - fuse\.zqfs .*' </proc/self/mountinfo | string split -f 5 ' '
end

# Keys of -o behind what stands before the last comma.
function __zqfs_keys
    set -l before (string match -r '^.*,' -- (commandline -ct | string replace -r '^-o' ''))
    switch $argv[1]
        case mount
            printf "$before%b\n" \
                'ro\tmount read-only' \
                'rw\tfail rather than mount read-only when the image cannot be written' \
                'uid=\towner of the zone files, number or name; default: the mounting user' \
                'gid=\tgroup of the zone files, number or name; default: the mounting user\'s' \
                'perm=\tmode of the zone files; default 0640' \
                'explicit-open\topening a sequential file for writing opens its zone, the last close closes it' \
                'aggr_cnv\tone file cnv/0 for all conventional zones' \
                'errors=\twhat a failed write does; default remount-ro' \
                'strict\tsequential writes as in zonefs: O_DIRECT only, whole blocks only' \
                'sync\tevery write is on disk when it returns' \
                'commit=\ta commit starts at most so long after a write; default 5' \
                'cache=\tbound of the metadata cache' \
                'layout=\tzloop: flat names cnv-000000, seq-000003, numbered by zone' \
                'data_file=\texternal data file, when the image names none or it moved' \
                'force_share\twith ro: look at an image that a virtual machine has open' \
                'allow_other\tlet other users in; implies default_permissions' \
                'default_permissions\tlet the kernel check modes' \
                'max_threads=\tthreads that serve requests; default by processors, 4 to 8' \
                'end_timeout=\thow long the end waits for a disk that does not answer; default 10' \
                'trace=\twrite a line of JSON for each zone operation to this file' \
                'clone_fd\ta descriptor of /dev/fuse for each thread' \
                'uring=\trequests come through io_uring, where the kernel lets them; default auto' \
                'seccomp\tleave the process only the system calls that serving needs' \
                'auto_unmount\tunmount when the process dies' \
                'compress=\tcompress full zones in the background; without a value the method\'s own level' \
                'powercut=\tat the end lose what fsync has not confirmed, with SEED a random part of it' \
                'nonempty\tmount over a zqfs that is mounted there already' \
                'fsname=\tthe source that mount shows; default: the image\'s path'
        case create
            printf "$before%b\n" \
                'zone.size=\tlength of a zone, a power of two (256M)' \
                'zone.capacity=\tusable bytes of a sequential zone (zone.size)' \
                'zone.conventional_zones=\tzones at the beginning for random writes (0)' \
                'zone.max_open_zones=\tzones open at once, 0: no limit (zone.max_active_zones)' \
                'zone.max_active_zones=\tzones open or closed at once, 0: no limit (0)' \
                'zone.max_append_bytes=\tlargest append of a virtual machine; not in layout 44 (64K)' \
                'zone.mode=\tzone model; there is only this one (host-managed)' \
                'zone.layout=\tlayout of the zoned extension, decides which QEMU opens the image (44, or 56 with zone.max_append_bytes)' \
                'zone.wp_order=\tbyte order of the write pointers; little in 56 and 48 only (big)' \
                'cluster_size=\tqcow2 cluster, 512 to 2M (64K)' \
                'refcount_bits=\twidth of a reference count, 1 to 64 (16)' \
                'compression_type=\tmethod for compressed clusters (zlib)' \
                'extended_l2=\tsubclusters: smaller units of allocation (off)' \
                'lazy_refcounts=\tallow a virtual machine to postpone refcounts (off)' \
                'preallocation=\tallocate all tables and clusters now (off)' \
                'data_file=\tkeep the data in this file beside the image (none)' \
                'data_file_raw=\tkeep the data file a raw image of the disk (off)' \
                'backing_file=\tread from here what the image does not have (none)' \
                'backing_fmt=\tformat of the backing file (none)' \
                'zone_size=\tas zone.size' \
                'zone_capacity=\tas zone.capacity' \
                'nr_conv_zones=\tas zone.conventional_zones' \
                'conventional_zones=\tas zone.conventional_zones' \
                'max_open_zones=\tas zone.max_open_zones' \
                'max_active_zones=\tas zone.max_active_zones' \
                'max_append_bytes=\tas zone.max_append_bytes' \
                'max_append_sectors=\tthe same in sectors of 512 bytes' \
                'size=\tas the operand SIZE' \
                'compat=\tqcow2 version 3; there is only this one (1.1)' \
                'zoned_profile=\taccepted and ignored' \
                'zone_model=\tas zone.mode; 1 means the same'
        case amend
            printf "$before%b\n" \
                'zone.layout=\tlayout of the zoned extension, decides which QEMU opens the image' \
                'zone.wp_order=\tbyte order of the write pointers; little in 56 and 48 only' \
                'zone.max_open_zones=\tzones open at once, 0: no limit' \
                'zone.max_active_zones=\tzones open or closed at once, 0: no limit' \
                'zone.max_append_bytes=\tlargest append of a virtual machine; not in layout 44' \
                'compression_type=\tmethod, while nothing is compressed' \
                'lazy_refcounts=\tallow a virtual machine to postpone refcounts' \
                'backing_file=\tname of the backing file, nothing is copied; empty: none any more' \
                'backing_fmt=\tformat of the backing file'
        case convert
            printf "$before%b\n" \
                'zone.size=\tlength of a zone, a power of two (256M)' \
                'zone.capacity=\tusable bytes of a sequential zone (zone.size)' \
                'zone.conventional_zones=\tzones at the beginning for random writes (0)' \
                'zone.max_open_zones=\tzones open at once, 0: no limit (zone.max_active_zones)' \
                'zone.max_active_zones=\tzones open or closed at once, 0: no limit (0)' \
                'zone.max_append_bytes=\tlargest append of a virtual machine; not in layout 44 (64K)' \
                'zone.mode=\tzone model; there is only this one (host-managed)' \
                'zone.layout=\tlayout of the zoned extension, decides which QEMU opens the image (44, or 56 with zone.max_append_bytes)' \
                'zone.wp_order=\tbyte order of the write pointers; little in 56 and 48 only (big)' \
                'cluster_size=\tqcow2 cluster, 512 to 2M (64K)' \
                'refcount_bits=\twidth of a reference count, 1 to 64 (16)' \
                'compression_type=\tmethod for compressed clusters (zlib)' \
                'extended_l2=\tsubclusters: smaller units of allocation (off)' \
                'lazy_refcounts=\tallow a virtual machine to postpone refcounts (off)' \
                'preallocation=\tallocate all tables and clusters now (off)' \
                'data_file=\tkeep the data in this file beside the image (none)' \
                'data_file_raw=\tkeep the data file a raw image of the disk (off)' \
                'backing_file=\tread from here what the image does not have (none)' \
                'backing_fmt=\tformat of the backing file (none)' \
                'zone_size=\tas zone.size' \
                'zone_capacity=\tas zone.capacity' \
                'nr_conv_zones=\tas zone.conventional_zones' \
                'conventional_zones=\tas zone.conventional_zones' \
                'max_open_zones=\tas zone.max_open_zones' \
                'max_active_zones=\tas zone.max_active_zones' \
                'max_append_bytes=\tas zone.max_append_bytes' \
                'max_append_sectors=\tthe same in sectors of 512 bytes' \
                'size=\tas the operand SIZE' \
                'compat=\tqcow2 version 3; there is only this one (1.1)' \
                'zoned_profile=\taccepted and ignored' \
                'zone_model=\tas zone.mode; 1 means the same'
    end
end

complete -c zqfs -n __fish_use_subcommand -a mount -d 'show the zones of an image as files; needs no name'
complete -c zqfs -n '__zqfs_mounting' -s o -x -a '(__zqfs_keys mount)' -d 'mount options, see "zqfs help mount"; may be repeated'
complete -c zqfs -n '__zqfs_mounting' -s f -l foreground -d 'stay in the foreground, messages go to stderr'
complete -c zqfs -n '__zqfs_mounting' -s d -l debug -d 'print every FUSE request; implies -f'
complete -c zqfs -n '__zqfs_mounting' -l ready-fd -x -d 'write a line to this descriptor once the mount answers'
complete -c zqfs -n '__zqfs_mounting' -l pid-file -r -F -d 'write the process id there once the mount answers'
complete -c zqfs -n '__zqfs_mounting' -s V -l version -d 'print the version'
complete -c zqfs -n '__zqfs_mounting' -s h -l help -d 'show this help'
complete -c zqfs -n __fish_use_subcommand -a umount -d 'unmount, and wait until the image is complete and unlocked'
complete -c zqfs -n '__fish_seen_subcommand_from umount' -a '(__zqfs_mounts)'
complete -c zqfs -n '__fish_seen_subcommand_from umount' -l power-cut -d 'kill the process of a mount with -o powercut, also while files in it are open'
complete -c zqfs -n '__fish_seen_subcommand_from umount' -s h -l help -d 'show this help'
complete -c zqfs -n __fish_use_subcommand -a create -d 'make a new zoned image'
complete -c zqfs -n '__fish_seen_subcommand_from create' -s o -x -a '(__zqfs_keys create)' -d 'set an option of the image; may be repeated'
complete -c zqfs -n '__fish_seen_subcommand_from create' -s b -l backing -x -d 'read from here what the image does not have; a zoned one gives its zones too'
complete -c zqfs -n '__fish_seen_subcommand_from create' -s F -l backing-format -x -a 'raw qcow2' -d 'format of the backing file'
complete -c zqfs -n '__fish_seen_subcommand_from create' -l force -d 'overwrite an existing file'
complete -c zqfs -n '__fish_seen_subcommand_from create' -s q -l quiet -d 'do not say what was created'
complete -c zqfs -n '__fish_seen_subcommand_from create' -s h -l help -d 'show this help'
complete -c zqfs -n __fish_use_subcommand -a amend -d 'change layout, byte order, limits of an image in place'
complete -c zqfs -n '__fish_seen_subcommand_from amend' -s o -x -a '(__zqfs_keys amend)' -d 'set an option of the image; may be repeated'
complete -c zqfs -n '__fish_seen_subcommand_from amend' -s h -l help -d 'show this help'
complete -c zqfs -n __fish_use_subcommand -a resize -d 'add zones at the end of an image, or take empty ones away'
complete -c zqfs -n '__fish_seen_subcommand_from resize' -l json -d 'print the sizes as JSON'
complete -c zqfs -n '__fish_seen_subcommand_from resize' -l data-file -r -F -d 'external data file of the image'
complete -c zqfs -n '__fish_seen_subcommand_from resize' -s q -l quiet -d 'do not say what it has become'
complete -c zqfs -n '__fish_seen_subcommand_from resize' -s h -l help -d 'show this help'
complete -c zqfs -n __fish_use_subcommand -a info -d 'show an image\'s geometry, format, features and usage'
complete -c zqfs -n '__fish_seen_subcommand_from info' -l chain -d 'show the image and all files below it instead'
complete -c zqfs -n '__fish_seen_subcommand_from info' -l usage -d 'also what the zones of each state hold, compressed or not, and what it takes'
complete -c zqfs -n '__fish_seen_subcommand_from info' -l json -d 'print it as JSON, sizes in bytes'
complete -c zqfs -n '__fish_seen_subcommand_from info' -s U -l force-share -d 'read the image file even while another process has it open; what it says may be old'
complete -c zqfs -n '__fish_seen_subcommand_from info' -l data-file -r -F -d 'external data file, when the image names none or it moved'
complete -c zqfs -n '__fish_seen_subcommand_from info' -s h -l help -d 'show this help'
complete -c zqfs -n __fish_use_subcommand -a map -d 'show where the data of each zone is in the files'
complete -c zqfs -n '__fish_seen_subcommand_from map' -l json -d 'print all parts as JSON'
complete -c zqfs -n '__fish_seen_subcommand_from map' -s U -l force-share -d 'look at an image that another process has open'
complete -c zqfs -n '__fish_seen_subcommand_from map' -l data-file -r -F -d 'external data file of the image'
complete -c zqfs -n '__fish_seen_subcommand_from map' -s h -l help -d 'show this help'
complete -c zqfs -n __fish_use_subcommand -a report -d 'list the zones of an image, a mount or single zone files'
complete -c zqfs -n '__fish_seen_subcommand_from report' -s c -l cond -x -a 'not-wp empty implicit-open explicit-open closed full read-only offline' -d 'list only zones in these states; may be repeated'
complete -c zqfs -n '__fish_seen_subcommand_from report' -s n -l count -d 'print the number of zones in each state instead of the zones'
complete -c zqfs -n '__fish_seen_subcommand_from report' -s o -l offset -x -a '(__zqfs_keys report)' -d 'begin with this zone: 3, or seq/1'
complete -c zqfs -n '__fish_seen_subcommand_from report' -s l -l length -x -d 'list no more than so many zones'
complete -c zqfs -n '__fish_seen_subcommand_from report' -s b -l bytes -d 'print bytes on a terminal too, as elsewhere'
complete -c zqfs -n '__fish_seen_subcommand_from report' -s v -l verbose -d 'do not fold runs of equal empty zones on a terminal'
complete -c zqfs -n '__fish_seen_subcommand_from report' -l watch -d 'draw the table anew each second, until interrupted'
complete -c zqfs -n '__fish_seen_subcommand_from report' -l csv -d 'comma-separated values with a header line'
complete -c zqfs -n '__fish_seen_subcommand_from report' -l json -d 'JSON; wp is null where a zone has no write pointer'
complete -c zqfs -n '__fish_seen_subcommand_from report' -s U -l force-share -d 'read the image file even while another process has it open; what it says may be old'
complete -c zqfs -n '__fish_seen_subcommand_from report' -l data-file -r -F -d 'external data file, when the image names none or it moved'
complete -c zqfs -n '__fish_seen_subcommand_from report' -s h -l help -d 'show this help'
complete -c zqfs -n __fish_use_subcommand -a reset -d 'empty zones of an image or of a mount'
complete -c zqfs -n '__fish_seen_subcommand_from reset' -l data-file -r -F -d 'external data file, when the image names none or it moved'
complete -c zqfs -n '__fish_seen_subcommand_from reset' -s h -l help -d 'show this help'
complete -c zqfs -n __fish_use_subcommand -a finish -d 'make zones of an image or of a mount full'
complete -c zqfs -n '__fish_seen_subcommand_from finish' -l data-file -r -F -d 'external data file, when the image names none or it moved'
complete -c zqfs -n '__fish_seen_subcommand_from finish' -s h -l help -d 'show this help'
complete -c zqfs -n __fish_use_subcommand -a open -d 'open zones of a mount explicitly'
complete -c zqfs -n '__fish_seen_subcommand_from open' -s h -l help -d 'show this help'
complete -c zqfs -n __fish_use_subcommand -a close -d 'close open zones of a mount'
complete -c zqfs -n '__fish_seen_subcommand_from close' -s h -l help -d 'show this help'
complete -c zqfs -n __fish_use_subcommand -a check -d 'look for damage in an image, and repair it'
complete -c zqfs -n '__fish_seen_subcommand_from check' -s r -l repair -x -a 'leaks all' -d 'repair leaked clusters only, or all that can be repaired without losing data'
complete -c zqfs -n '__fish_seen_subcommand_from check' -l json -d 'print the findings and the counts as JSON'
complete -c zqfs -n '__fish_seen_subcommand_from check' -l data-file -r -F -d 'external data file, when the image names none or it moved'
complete -c zqfs -n '__fish_seen_subcommand_from check' -s h -l help -d 'show this help'
complete -c zqfs -n __fish_use_subcommand -a convert -d 'copy a zoned disk into another image or format'
complete -c zqfs -n '__fish_seen_subcommand_from convert' -s c -l compress -d 'compress the clusters of the new image'
complete -c zqfs -n '__fish_seen_subcommand_from convert' -l level -x -d 'of the compression: 1 to 9 for zlib, 1 to 22 for zstd'
complete -c zqfs -n '__fish_seen_subcommand_from convert' -s f -l from -x -a 'qcow2 raw dump folder device' -d 'format of the source, where it does not tell'
complete -c zqfs -n '__fish_seen_subcommand_from convert' -s O -l to -x -a 'qcow2 raw dump folder' -d 'format of the target (qcow2)'
complete -c zqfs -n '__fish_seen_subcommand_from convert' -s o -x -a '(__zqfs_keys convert)' -d 'set an option of the new image; what is not given comes from the source'
complete -c zqfs -n '__fish_seen_subcommand_from convert' -l zones -x -d 'the zone report of a raw source: of blkzone, of zbd -csv, or of zqfs'
complete -c zqfs -n '__fish_seen_subcommand_from convert' -s S -l sparse -x -d 'make holes of zeros in runs of SIZE (4K); 0: none'
complete -c zqfs -n '__fish_seen_subcommand_from convert' -s m -l threads -x -d 'use so many threads (one for each processor)'
complete -c zqfs -n '__fish_seen_subcommand_from convert' -s p -l progress -d 'show progress, also where that is no terminal'
complete -c zqfs -n '__fish_seen_subcommand_from convert' -l force -d 'replace a target that exists'
complete -c zqfs -n '__fish_seen_subcommand_from convert' -l data-file -r -F -d 'external data file of the source, when it names none or it moved'
complete -c zqfs -n '__fish_seen_subcommand_from convert' -l json -d 'print as JSON what was copied'
complete -c zqfs -n '__fish_seen_subcommand_from convert' -s q -l quiet -d 'do not say what the copy lacks'
complete -c zqfs -n '__fish_seen_subcommand_from convert' -s h -l help -d 'show this help'
complete -c zqfs -n __fish_use_subcommand -a compare -d 'compare two zoned disks'
complete -c zqfs -n '__fish_seen_subcommand_from compare' -s f -l from -x -a 'qcow2 raw dump folder device' -d 'format of A, where it does not tell'
complete -c zqfs -n '__fish_seen_subcommand_from compare' -s F -l from-b -x -a 'qcow2 raw dump folder device' -d 'format of B, where it does not tell'
complete -c zqfs -n '__fish_seen_subcommand_from compare' -l strict -d 'compare the limits of open and active zones too'
complete -c zqfs -n '__fish_seen_subcommand_from compare' -l json -d 'print the differences as JSON'
complete -c zqfs -n '__fish_seen_subcommand_from compare' -s p -l progress -d 'show progress, also where that is no terminal'
complete -c zqfs -n '__fish_seen_subcommand_from compare' -s q -l quiet -d 'print nothing; the exit status tells'
complete -c zqfs -n '__fish_seen_subcommand_from compare' -s h -l help -d 'show this help'
complete -c zqfs -n __fish_use_subcommand -a compact -d 'make an image as small as it can be'
complete -c zqfs -n '__fish_seen_subcommand_from compact' -l no-compress -d 'only move and cut, compress nothing'
complete -c zqfs -n '__fish_seen_subcommand_from compact' -l level -x -d 'of the compression: 1 to 9 for zlib, 1 to 22 for zstd'
complete -c zqfs -n '__fish_seen_subcommand_from compact' -s m -l threads -x -d 'compress with so many threads (one for each processor)'
complete -c zqfs -n '__fish_seen_subcommand_from compact' -s p -l progress -d 'show progress, also where that is no terminal'
complete -c zqfs -n '__fish_seen_subcommand_from compact' -l json -d 'print the result as JSON'
complete -c zqfs -n '__fish_seen_subcommand_from compact' -s q -l quiet -d 'print nothing'
complete -c zqfs -n '__fish_seen_subcommand_from compact' -s h -l help -d 'show this help'
complete -c zqfs -n __fish_use_subcommand -a commit -d 'write an overlay down into its backing file'
complete -c zqfs -n '__fish_seen_subcommand_from commit' -s p -l progress -d 'show progress, also where that is no terminal'
complete -c zqfs -n '__fish_seen_subcommand_from commit' -l json -d 'print what was done as JSON'
complete -c zqfs -n '__fish_seen_subcommand_from commit' -l abandon -d 'OVERLAY is lost: give the base\'s name, which keeps the mixture that it holds'
complete -c zqfs -n '__fish_seen_subcommand_from commit' -s q -l quiet -d 'print nothing; the exit status tells'
complete -c zqfs -n '__fish_seen_subcommand_from commit' -s h -l help -d 'show this help'
complete -c zqfs -n __fish_use_subcommand -a trace -d 'show the zone operations of a mount as they happen'
complete -c zqfs -n '__fish_seen_subcommand_from trace' -l summary -d 'count per zone instead; of a mount until interrupted, or of the file of trace='
complete -c zqfs -n '__fish_seen_subcommand_from trace' -s h -l help -d 'show this help'
complete -c zqfs -n __fish_use_subcommand -a help -d 'show what a command does, or a section of the manual'
complete -c zqfs -n '__fish_seen_subcommand_from help' -l list -d 'list all commands and options for programs, with tabs'
complete -c zqfs -n '__fish_seen_subcommand_from help' -s h -l help -d 'show this help'
