/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that an image names: its data file and its backing file.
 */
#ifndef ZQ_QCOW2_TABLES_NAMED_FILE_H
#define ZQ_QCOW2_TABLES_NAMED_FILE_H

#include <stdbool.h>

#include <zqfs/error.h>
#include <zqfs/io.h>

/* The path of a file that the image at "image" names: beside it, unless the name is absolute. The
 * caller frees it; NULL: no memory. */
char *named_beside(const char *image, const char *name);

/*
 * The same for the name of a backing file, in which a colon before any slash ends a protocol
 * ("nbd:...", "json:{...}"), of which only "file:" means a path. -ENOTSUP, -EINVAL, -ENOMEM;
 * sentences begin with the name.
 */
int named_backing_path(const char *image, const char *name, char **path, struct zq_error *err);

/* Is the file that io has open qcow2, or else raw? The format says it; NULL: the file's first bytes
 * do. -ENOTSUP for any other format; sentences begin with io->name. */
int named_is_qcow2(struct zq_io *io, const char *format, bool *qcow2, struct zq_error *err);

#endif
