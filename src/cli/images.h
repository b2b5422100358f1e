/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the commands that look at or change an image share: where it is mounted, why it could
 * not be opened, and its geometry as JSON.
 */
#ifndef ZQ_CLI_IMAGES_H
#define ZQ_CLI_IMAGES_H

#include <stdbool.h>

#include <zqfs/error.h>
#include <zqfs/geometry.h>

struct json;

/* The directory on which zqfs has the image mounted, allocated; NULL: it is not mounted. */
char *images_mounted_on(const char *path);

/*
 * What a command that only looks may be given: an image, or the mount point of one. *path
 * is set to the image's path, allocated, and *mountpoint likewise, NULL when it is not mounted.
 * CLI_DONE, or CLI_FAILED after a sentence.
 */
int images_resolve(const char *operand, char **path, char **mountpoint);

/* For a command that needs the image for itself: CLI_DONE, or CLI_FAILED after a sentence that
 * says where it is mounted, also when path is a folder of a mount. */
int images_refuse_mounted(const char *path);

/* Prints why an image could not be opened, with who has it or what to do when it is in use. Returns
 * CLI_FAILED. can_share: the command has -U. */
int images_open_failed(const char *path, int ret, const struct zq_error *err, bool can_share);

/* "geometry": {...}, the same in report and info. */
void images_json_geometry(struct json *j, const struct zq_geometry *g);

#endif
