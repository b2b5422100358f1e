/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The FUSE session: from a file system that is ready to serve to one that is unmounted.
 */
#ifndef ZQ_FS_SESSION_H
#define ZQ_FS_SESSION_H

#include <stdbool.h>

#include <zqfs/error.h>

struct fs;

/*
 * Creates the session and mounts it. source is the image's absolute path. -EINVAL for an option
 * that libfuse refuses, else what stands in the way of mounting, with a sentence.
 */
int session_mount(struct fs *fs, const char *source, const char *mountpoint, bool debug,
		  struct zq_error *err);
/* Serves until the file system is unmounted or a signal asks for the end; see ending.h for that.
 * 0, or a negative errno with a sentence when the connection to the kernel failed. */
int session_serve(struct fs *fs, struct zq_error *err);
/* Takes the mount away from its path. Programs that have a file of it open keep the file. */
void session_detach(struct fs *fs);
/* Undoes session_mount, also after it failed. */
void session_end(struct fs *fs);

#endif
