/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The version, and what a program may rely on when it runs with another one than it was built with.
 *
 * The library is under the GNU General Public License, version 2 or any later, like the program
 * zqfs, which is made of the same sources: whatever is linked with it must be under a license that
 * goes with that one. A program that cannot be uses a mount or the commands of zqfs(1).
 *
 * Names stay what they are while the number in libzqfs.so.0 does. Structures grow like this:
 *
 * Options and results (zq_open_opts, zq_create_opts, zq_amend_opts, zq_convert_opts,
 * zq_compact_opts, zq_compact_result, zq_check_opts, zq_check_result, zq_commit_opts,
 * zq_commit_result, zq_map_opts, zq_resize_opts, zq_resize_result, zq_zone_info,
 * zq_counts) get new members at their end. Their size goes with each call: the
 * functions that take them are inline, and hand the size that the program was built with to a
 * function of the library that has "_sized" behind its name. A program from before a member was
 * added does without it, and one that sets a member which an older library does not know gets
 * -E2BIG. Zeros are the defaults, and NULL for options means all zeros. Other languages call
 * the "_sized" functions with the size of the structure as they declare it.
 *
 * What the library allocates (zq_image_info, zq_chain_file, zq_difference, zq_map_piece) grows at
 * its end.
 *
 * All other structures keep their size. Members called reserved must be zero.
 */
#ifndef ZQFS_VERSION_H
#define ZQFS_VERSION_H

#ifdef __cplusplus
extern "C" {
#endif

/* The version of these headers. */
#define ZQFS_VERSION "0.1.0"

/* The same as a number to compare: 10000 for each major version, 100 for each minor one. */
#define ZQFS_VERSION_NUM 100

/* The same of the library that the program runs with. */
int zq_version(void);
const char *zq_version_text(void);

#ifdef __cplusplus
}
#endif

#endif
