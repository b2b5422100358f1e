/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The backing file of an image that is about to be made.
 */
#ifndef ZQ_OFFLINE_CREATE_BACKING_H
#define ZQ_OFFLINE_CREATE_BACKING_H

#include <sys/stat.h>

#include <zqfs/error.h>

/*
 * Follows the chain that begins at "name" (relative to the image at path), of the format
 * "raw" or "qcow2", and checks that each file of it can be read and that none of it is the
 * file "replaced" (may be NULL), which creating would overwrite. Opens for reading only.
 */
int create_check_backing(const char *path, const char *name, const char *format,
			 const struct stat *replaced, struct zq_error *err);

#endif
