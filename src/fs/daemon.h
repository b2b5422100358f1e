/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Going to the background with an honest exit status: the parent waits until the child says
 * that the mount answers, or why there is none. Also pid file and readiness messages.
 */
#ifndef ZQ_FS_DAEMON_H
#define ZQ_FS_DAEMON_H

#include <stdbool.h>
#include <sys/types.h>

#include <zqfs/error.h>

#include "fs/harden.h"
#include "fs/log.h"

struct daemon {
	int report;	/* pipe to the waiting parent; -1 in the foreground and once told */
	int ready_fd;	/* gets a line when the mount answers; -1: none */
	int pid_fd;	/* -1: none */
	char *pid_file; /* absolute, owned; NULL: none */
	bool pid_mine;	/* this process has made or written it, and removes it */
	struct fs_log *log;
	struct harden_fds inherited; /* closed once the mount answers */
};

/* Opens /dev/null on those of 0 to 2 that are closed, so that no image lands there. */
int daemon_std_fds(void);

/*
 * Forks. In the child 0, with d->report set; in the parent the child's number, *pipe to be
 * handed to daemon_wait. A negative errno if it could not.
 */
pid_t daemon_fork(struct daemon *d, int *pipe);
/* The parent's part: 0 once the child is ready, or its errno and sentence. Closes pipe. */
int daemon_wait(pid_t child, int pipe, struct zq_error *err);

/* Creates the pid file, empty for now; path is relative to the current directory. A file that is
 * there must be a pid file, and keeps its number until the mount answers. */
int daemon_open_pid_file(struct daemon *d, const char *path, struct zq_error *err);

/* The mount answers: tells whoever waits and, in the background, lets go of the terminal. */
void daemon_ready(struct daemon *d);
/* There will be no mount: tells the parent why. Does nothing after daemon_ready. */
void daemon_failed(struct daemon *d, int rc, const struct zq_error *err);
/* Removes the pid file if it is ours, frees. */
void daemon_end(struct daemon *d);

#endif
