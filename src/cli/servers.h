/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process behind a mount: which it is, when it ends, and which image it has open.
 */
#ifndef ZQ_CLI_SERVERS_H
#define ZQ_CLI_SERVERS_H

#include <poll.h>
#include <stdbool.h>

#include "cli/mounts.h"

#define SERVERS_MAX 16

struct servers {
	struct pollfd fd[SERVERS_MAX]; /* become readable when the process has ended */
	nfds_t nr;
	/* They serve this very mount. False: all that could be found out is that they are zqfs
	 * and have the image open, so some of them may be others. */
	bool sure;
};

/* Finds who serves a mount, while it is still mounted. Close with servers_close. */
void servers_find(struct servers *s, const struct mount_entry *e);
void servers_close(struct servers *s);

/*
 * The path of the image that a mount shows: that of its source or, when the image was
 * renamed meanwhile, the one that it has now. Allocated; NULL when it cannot be found out.
 */
char *servers_image(const struct mount_entry *e);

/* A process that has the mount in its mount namespace, as "123 (name)" in buf; false when there is none, as far as can be seen. */
bool servers_mounted_elsewhere(const struct mount_entry *e, char *buf, size_t size);

#endif
