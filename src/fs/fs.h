/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The FUSE file system as the commands see it: a table of mount options and one function
 * that mounts and serves. Nothing else of fs/ is for cli/.
 */
#ifndef ZQ_FS_FS_H
#define ZQ_FS_FS_H

#include <stdbool.h>
#include <stddef.h>

#include <zqfs/error.h>

/* One key of -o, for help, completions and the test that compares them with the man page. */
struct fs_option {
	const char *name;
	const char *value; /* placeholder; NULL: a flag */
	const char *help;  /* a clause without a full stop */
};

/* Number i of zqfs's own options and the ones of FUSE that people need; NULL behind the last. */
const struct fs_option *fs_option(size_t i);

struct fs_mount_args {
	const char *image, *mountpoint;
	const char *const *options; /* the texts of all -o, NULL ended; may be NULL */
	bool foreground;	    /* serve in this process, messages go to stderr */
	bool debug;		    /* every FUSE request on stderr; foreground must be set */
	int ready_fd;		    /* gets a line once the mount answers; -1: none */
	const char *occupied_by;    /* what zqfs has mounted there already, or NULL */
	const char *pid_file;	    /* written then too, removed at the end; NULL: none */
};

/*
 * Mounts. In the background it returns 0 once the mount answers; the process that serves
 * it never returns from here. In the foreground it returns when the mount is over. A
 * negative errno comes with a sentence: -EINVAL for a bad option, -EAGAIN for an image in
 * use, -EIO in the foreground also for a last commit that failed.
 */
int fs_mount(const struct fs_mount_args *args, struct zq_error *err);

#endif
