/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What memio.c (content) and memio_io.c (operations, faults, log) share; for nobody else.
 */
#ifndef ZQ_TESTS_MEMIO_PRIV_H
#define ZQ_TESTS_MEMIO_PRIV_H

#include <pthread.h>

#include "memio.h"

struct page {
	struct page *next;
	uint64_t nr; /* offset / MEMIO_PAGE */
	uint8_t data[MEMIO_PAGE];
};

struct fault {
	uint64_t after; /* operations that still succeed */
	uint64_t apply;
	int err; /* 0: none */
	bool sticky;
};

struct mem_file; /* an open io; memio_io.c */
struct memio_cache;

struct memio {
	pthread_mutex_t lock; /* guards all that follows; nothing is called out with it held */
	struct page **bucket;
	size_t nr_buckets, nr_pages;
	uint64_t size, limit;
	uint64_t room; /* pages that there may be; 0: no end of them */
	bool no_punch, no_reserve, device;
	struct mem_file *open;
	memio_hook hook;
	void *hook_data;
	struct fault fault[MEMIO_NR_OPS];
	uint64_t failures[MEMIO_NR_OPS];
	struct memio_stats stats;
	bool logging;
	struct memio_entry *log;
	size_t nr_log, cap_log;
	struct memio_cache *cache; /* NULL: what is written is on the disk */
};

/* Ends the program without memory: a test has nothing better to do. */
void *memio_must(void *p);

/* With the lock held. */
void content_read(struct memio *m, uint64_t off, void *buf, uint64_t len);
void content_write(struct memio *m, uint64_t off, const void *buf, uint64_t len);
void content_resize(struct memio *m, uint64_t size);
void content_punch(struct memio *m, uint64_t off, uint64_t len);
/* How much of [off, off + len), from its beginning, the host has room for. */
uint64_t content_fit(struct memio *m, uint64_t off, uint64_t len);
/* Makes the pages of the range, which keep what they hold. */
void content_reserve(struct memio *m, uint64_t off, uint64_t len);
/* SEEK_DATA or SEEK_HOLE as in struct zq_io_ops. */
int content_seek(struct memio *m, uint64_t off, bool hole, uint64_t *found);
/* Makes the content of "to" that of "from". */
void content_copy(struct memio *to, struct memio *from);
void log_drop(struct memio *m);

/* memio_cache.c: what is done to the content, a flush that succeeds or fails, and a reader who
 * wants what the disk has. Nothing happens without a cache. */
void cache_note(struct memio *m, enum memio_op op, uint64_t off, uint64_t len);
void cache_flush(struct memio *m, bool ok);
void cache_drop(struct memio *m);
void cache_free(struct memio *m);

#endif
