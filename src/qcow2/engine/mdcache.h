/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bounded cache of slices of metadata tables (L2 tables and refcount blocks), keyed by
 * the slice's offset in the file. Clean slices that nobody pins are dropped, least recently
 * used first; dirty ones stay until a commit has written them.
 *
 * Everything here is called with the lock held that guards the image (it is given to
 * mdcache_init); mdcache_pin drops it while it reads.
 */
#ifndef ZQ_QCOW2_ENGINE_MDCACHE_H
#define ZQ_QCOW2_ENGINE_MDCACHE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zq_io;

struct md_slice {
	uint64_t off;  /* in the file, a multiple of the slice size; the key */
	uint8_t *data; /* slice_size bytes, as on disk */
	unsigned pins;
	bool loading;  /* data is being read; wait on the cond */
	bool orphan;   /* not in the table any more; whoever has it last frees it */
	int error;     /* why reading it failed; only those who waited see such a slice */
	bool dirty;    /* differs from the disk and from every copy that a commit took */
	bool copied;   /* a running commit writes an older copy: must not be dropped */
	bool unlinked; /* of a copied table that nothing on disk refers to yet */
	bool refblock; /* a slice of a refcount block, else of an L2 table */
	bool room;     /* the host has room for it: it does not lie in a hole of the file */
	struct md_slice *hash_next;
	struct md_slice *lru_prev, *lru_next; /* unpinned clean slices only */
	struct md_slice *dirty_prev, *dirty_next;
};

/* What the cache reads, and what it waits with. Both belong to the image. */
struct mdcache_host {
	struct zq_io *file;
	pthread_mutex_t *lock; /* guards the cache */
	pthread_cond_t *cond;  /* a slice was loaded */
};

struct mdcache {
	struct mdcache_host host;
	struct md_slice **bucket;
	size_t nr_buckets, nr, max; /* slices; max may be exceeded by pinned and dirty ones */
	struct md_slice *lru_head, *lru_tail;
	struct md_slice *dirty_head;
	size_t nr_dirty;
	size_t slice_size;   /* a power of two */
	unsigned slice_bits; /* log2 of it */
};

/* -ENOMEM. */
int mdcache_init(struct mdcache *c, const struct mdcache_host *host, size_t slice_size,
		 size_t max_bytes);
void mdcache_destroy(struct mdcache *c);

/* What a slice is pinned for. */
enum mdcache_use {
	MDCACHE_REFBLOCK = 1, /* of a refcount block, else of an L2 table */
	MDCACHE_FRESH = 2,    /* its table is new, has room and is not on disk: a slice that is
			       * not cached is all zeros */
	MDCACHE_WRITE = 4,    /* it will be changed, so the host must have room for it */
};

/*
 * Finds or reads the slice at off and pins it. May drop and retake the lock, but not for
 * one that is fresh. -EUCLEAN: the end of the file cuts it off; -EIO, -ENOMEM; with MDCACHE_WRITE
 * what the host says when it has no room.
 */
int mdcache_pin(struct mdcache *c, uint64_t off, unsigned use, struct md_slice **slice);
void mdcache_unpin(struct mdcache *c, struct md_slice *s);
/* The slice was pinned with MDCACHE_WRITE. */
void mdcache_set_dirty(struct mdcache *c, struct md_slice *s);
/* Forgets what is cached of [off, off + len), where a new table begins. Whoever still has an
 * older slice in hand keeps it; nobody else finds it. */
void mdcache_forget(struct mdcache *c, uint64_t off, uint64_t len);

/*
 * Copies the table at from, of len bytes, slice by slice to the new one at to, which has room. use:
 * MDCACHE_REFBLOCK or 0. The copy's slices are dirty and marked as unlinked, so all of it is
 * written before something leads to it. Errors as of mdcache_pin, which may drop the lock.
 */
int mdcache_copy(struct mdcache *c, uint64_t from, uint64_t to, uint64_t len, unsigned use);

/* Drops everything: the file has been changed behind the cache. What is pinned stays with
 * those who have it and is found by nobody else. Nothing is dirty. */
void mdcache_drop_all(struct mdcache *c);

/* A commit's copy of a dirty slice. */
struct md_copy {
	struct md_slice *slice;
	bool unlinked; /* as the slice was */
	uint8_t *data;
};
/* Copies all dirty slices; they become clean but stay until mdcache_commit_end. -ENOMEM. */
int mdcache_commit_begin(struct mdcache *c, struct md_copy **copies, size_t *nr);
/* After the commit: with ok the slices may be dropped, otherwise they are dirty again. linked:
 * it came so far that copied tables are whole on disk and may be referred to. */
void mdcache_commit_end(struct mdcache *c, struct md_copy *copies, size_t nr, bool ok, bool linked);

#endif
