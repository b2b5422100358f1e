/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What chmod, chown and utimes have set: kept until unmount, memory only for what was changed.
 * Safe from any thread.
 */
#ifndef ZQ_FS_CHANGES_H
#define ZQ_FS_CHANGES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define CHANGES_BUCKETS 256u

enum { CHANGE_MODE = 1, CHANGE_UID = 2, CHANGE_GID = 4, CHANGE_ATIME = 8, CHANGE_MTIME = 16 };

struct change;

struct changes {
	pthread_rwlock_t lock;
	struct change *bucket[CHANGES_BUCKETS]; /* [lock] */
	atomic_uint nr;				/* so that an untouched mount takes no lock */
};

void changes_init(struct changes *c);
void changes_destroy(struct changes *c);

/*
 * Remembers the fields of to that "what" names; ctime becomes now. as_is is what stat shows
 * without any change: a later mtime than its own wins over the one set here. -ENOMEM.
 */
int changes_set(struct changes *c, uint64_t node, unsigned what, const struct stat *to,
		const struct stat *as_is);
/*
 * Takes from a mode that was set what a write must not leave to a file: setuid, and setgid of what
 * the group may execute. False, and cheap, where there is nothing of the kind.
 */
bool changes_strip_mode(struct changes *c, uint64_t node);
/* Puts what was remembered into st, which shows the node without any change. */
void changes_apply(struct changes *c, uint64_t node, struct stat *st);

#endif
