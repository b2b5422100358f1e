/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way to the mount; see place.h.
 */
#include "fs/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/outside.h"

/* A path that is walked with O_PATH ends at the root of what lies on top, which has to say nothing
 * for that. O_DIRECTORY is what a mount with seccomp may open. */
#define TO_ROOT (O_PATH | O_DIRECTORY | O_NOFOLLOW)

static int number_of_device(int fd, const char *path, struct statx *st)
{
	const int flags = AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW |
			  (*path ? 0 : AT_EMPTY_PATH);

	return statx(fd, path, flags, STATX_TYPE, st) ? -errno : 0;
}

static bool is_our_mount(const struct place *p, const struct statx *st)
{
	return st->stx_dev_major == p->major && st->stx_dev_minor == p->minor;
}

void place_remember(struct place *p, char *path)
{
	struct statx st;

	*p = (struct place){ .path = path };
	if (!path || number_of_device(AT_FDCWD, path, &st)) {
		place_forget(p);
		return;
	}
	p->major = st.stx_dev_major;
	p->minor = st.stx_dev_minor;
}

struct place place_again(const struct place *p)
{
	struct place copy = *p;

	copy.path = p->path ? strdup(p->path) : NULL;
	return copy;
}

void place_forget(struct place *p)
{
	free(p->path);
	*p = (struct place){ 0 };
}

bool place_is_covered(const struct place *p)
{
	struct statx st;

	return p->path && !number_of_device(AT_FDCWD, p->path, &st) && !is_our_mount(p, &st);
}

int place_open(const struct place *p, int flags)
{
	struct statx st;
	int root = outside_open(AT_FDCWD, p->path, TO_ROOT), fd;

	if (root < 0)
		return root;
	fd = number_of_device(root, "", &st);
	if (!fd && !is_our_mount(p, &st))
		fd = -ESTALE;
	if (!fd && (flags & O_PATH))
		return root;
	if (!fd)
		fd = outside_open(root, ".", flags | O_DIRECTORY);
	outside_close(root);
	return fd;
}
