/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a file system is mounted. Its path leads to it only as long as nothing else is mounted
 * there as well: what is on top then belongs to others, and may never answer. So every way to the
 * mount leads through here, and nobody else goes by the path.
 */
#ifndef ZQ_FS_PLACE_H
#define ZQ_FS_PLACE_H

#include <stdbool.h>
#include <stdint.h>

struct place {
	char *path;	       /* absolute; owned, NULL: not known */
	uint32_t major, minor; /* the mount's device number */
};

/* Just after the mount; takes the path, which may be NULL. Asks the mount nothing. */
void place_remember(struct place *p, char *path);
/* A copy; its path is NULL when there is no memory. */
struct place place_again(const struct place *p);
void place_forget(struct place *p);

/*
 * The mount's root: a descriptor that is good for *at calls (with O_PATH among the flags, which
 * asks the mount nothing), or for reading. -ESTALE: something else lies there. For threads outside:
 * outside_close() closes it.
 */
int place_open(const struct place *p, int flags);
/* Is there something else on top? Asks neither of the two. */
bool place_is_covered(const struct place *p);

#endif
