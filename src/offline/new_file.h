/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file that appears under its name only once it is complete. Until then it has no name
 * where the host can do that, else a temporary one in the same folder.
 */
#ifndef ZQ_OFFLINE_NEW_FILE_H
#define ZQ_OFFLINE_NEW_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

#include <zqfs/error.h>
#include <zqfs/io.h>

struct new_file {
	char *path;	    /* where it will be, symbolic links resolved; owned */
	char *tmp;	    /* its temporary name; NULL: it has none; owned */
	int fd;		    /* of a file without a name, else -1 */
	struct zq_io *io;   /* writable, empty */
	struct zq_io *old;  /* what stands at path now, locked; NULL: nothing */
	struct stat old_st; /* of it */
	bool published;
	bool exchanged; /* published, and tmp is the name of the old file now */
};

/*
 * Begins a file at path. what is the word for it in messages. -EEXIST when something is
 * there and force is not given; with force it must be a regular file that nobody has open
 * (-EAGAIN), and it is locked until new_file_end. On failure *f needs no new_file_end.
 */
int new_file_begin(struct new_file *f, const char *path, bool force, const char *what,
		   struct zq_error *err);

/* Gives it its name, in one step, over the old file if there is one. The sentence in err does
 * not say the name. */
int new_file_publish(struct new_file *f, struct zq_error *err);

/* After a later step failed: takes the name away again. An old file gets its name back, but
 * where the host cannot exchange two names. */
void new_file_retract(struct new_file *f);

/* The name of path is on stable storage. Not every file system can; none of them is told apart. */
void new_file_sync_folder(const char *path);

/* Closes and frees; what was not published is gone. */
void new_file_end(struct new_file *f);

#endif
