/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file in memory, for tests: struct zq_io whose every operation can be counted, logged,
 * made to fail, or replayed. Sparse (pages that were never written take no memory), so a
 * file of 64 TiB costs what is written to it.
 *
 * One lock per memio covers everything in it; the hook is called without it.
 */
#ifndef ZQ_TESTS_MEMIO_H
#define ZQ_TESTS_MEMIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zqfs/io.h>

#define MEMIO_PAGE 4096u

enum memio_op {
	MEMIO_READ,
	MEMIO_WRITE,
	MEMIO_FLUSH,
	MEMIO_PUNCH,
	MEMIO_RESERVE,
	MEMIO_SEEK,
	MEMIO_SIZE,
	MEMIO_TRUNCATE,
	MEMIO_USAGE,
	MEMIO_LOCK,
	MEMIO_CLOSE, /* counted, never fails */
	MEMIO_NR_OPS,
};

/*
 * Called before each operation with its range (len 0 where it has none; the new size as off
 * for MEMIO_TRUNCATE). A negative errno makes the operation fail. For MEMIO_WRITE it may
 * lower *apply: so many bytes are written before the failure (a torn write); it starts as 0
 * and matters only when the hook returns an error. It may sleep, and use the memio.
 */
typedef int (*memio_hook)(void *data, enum memio_op op, uint64_t off, uint64_t len,
			  uint64_t *apply);

/* Contents and settings; lives on when the zq_io on it is closed. */
struct memio;

/* A new empty file. NULL only without memory. */
struct memio *memio_new(void);
/* With the content of a host file (holes stay holes); 0 or -errno. */
int memio_load(const char *path, struct memio **out);
/* Writes the content to a host file, created or replaced, sparse; 0 or -errno. */
int memio_save(struct memio *m, const char *path);
/* A second file with the same content; hook, log and counters start anew. */
struct memio *memio_clone(struct memio *m);
/* Frees it; no zq_io may be open on it. */
void memio_free(struct memio *m);

/*
 * Opens it as an io; several may be open at once and see each other's writes. io_close()
 * closes one; the contents stay until memio_free(). Locks follow the rules of enum
 * zq_lock between the ios of one memio. name is copied.
 */
struct zq_io *memio_open(struct memio *m, const char *name, bool writable);
/* Number of ios that are open: 0 shows that a failed open closed what it took over. */
unsigned memio_open_count(struct memio *m);

/* ---- direct access, neither counted nor hooked nor logged ------------------------------ */

uint64_t memio_size(struct memio *m);
void memio_peek(struct memio *m, uint64_t off, void *buf, size_t len); /* zeros past the end */
void memio_poke(struct memio *m, uint64_t off, const void *buf, size_t len); /* extends */
void memio_resize(struct memio *m, uint64_t size);
/* Bytes of the pages that hold something. */
uint64_t memio_used(struct memio *m);
/* Makes holes of all pages that hold nothing but zeros, as "cp --sparse=always" does. */
void memio_make_sparse(struct memio *m);
/* True when both have the same size and bytes; else *where (may be NULL) is the first
 * difference. */
bool memio_equal(struct memio *a, struct memio *b, uint64_t *where);

/* ---- faults ------------------------------------------------------------------------------ */

void memio_set_hook(struct memio *m, memio_hook hook, void *data);

/*
 * The n-th operation of that kind from now on (0: the next one) fails with err, a positive
 * errno, and with sticky so do all that follow. Of a write, apply bytes arrive.
 * One fault per kind; a new one replaces it, err 0 takes it away.
 */
void memio_fail(struct memio *m, enum memio_op op, uint64_t n, int err, bool sticky,
		uint64_t apply);
/* Operations of that kind that memio_fail made fail, since memio_new. */
uint64_t memio_failures(struct memio *m, enum memio_op op);

/* Files never get larger than this: writes and truncates past it fail with ENOSPC. 0: no limit. */
void memio_set_limit(struct memio *m, uint64_t bytes);
/* The host's disk has so many bytes for this file, in pages of MEMIO_PAGE: what needs more fails
 * with ENOSPC, in a hole too, and punching whole pages gives room back. 0: no limit. */
void memio_set_room(struct memio *m, uint64_t bytes);
/* A block device of that size, at least that of the file: it neither grows nor shrinks. */
void memio_set_device(struct memio *m, uint64_t bytes);
/* Reserving fails with EOPNOTSUPP, as on file systems without fallocate. */
void memio_set_no_reserve(struct memio *m, bool no_reserve);
/* Punching fails with EOPNOTSUPP, as on file systems without holes. */
void memio_set_no_punch(struct memio *m, bool no_punch);

/* ---- a page cache ---------------------------------------------------------------------- */

/*
 * From now on the memio's content is what a page cache shows, and what it holds now is on the
 * disk behind. Written pages get there with the next flush; a flush that fails leaves them in
 * the cache, clean, and nothing brings them to the disk any more but writing them again.
 * Whoever opens the file for writing asks for what the disk has.
 */
void memio_cache_start(struct memio *m);
/* A copy of what the disk has: the file after a power failure now. */
struct memio *memio_disk(struct memio *m);

/* ---- counters ---------------------------------------------------------------------------- */

struct memio_stats {
	uint64_t ops[MEMIO_NR_OPS];   /* calls, failed ones included */
	uint64_t bytes[MEMIO_NR_OPS]; /* of those that did not fail */
	uint64_t cold_starts;
};
void memio_get_stats(struct memio *m, struct memio_stats *st);
void memio_clear_stats(struct memio *m);

/* ---- log and replay ------------------------------------------------------------------------ */

/* What changes the file or makes it safe, in the order in which it happened. */
struct memio_entry {
	enum memio_op op; /* MEMIO_WRITE, MEMIO_PUNCH, MEMIO_TRUNCATE or MEMIO_FLUSH */
	uint64_t off;	  /* new size for MEMIO_TRUNCATE; for MEMIO_FLUSH how many entries there
			   * were when it began: for those it vouches */
	uint64_t len;
	uint8_t *data; /* of a write; owned by the log */
};

/* From now on everything is logged; an older log is dropped. */
void memio_log_start(struct memio *m);
void memio_log_stop(struct memio *m); /* keeps the entries */
size_t memio_log_count(struct memio *m);
/* Valid until memio_log_start or memio_free. NULL past the end. */
const struct memio_entry *memio_log_get(struct memio *m, size_t i);

/*
 * Applies entries [first, last) of the log of "from" to "to" (a clone taken when the log
 * started, or what an earlier replay made). keep decides entry by entry (NULL: all), and
 * may for a write lower *len to the part that arrived.
 */
void memio_replay(struct memio *from, size_t first, size_t last, struct memio *to,
		  bool (*keep)(void *data, size_t i, const struct memio_entry *e, uint64_t *len),
		  void *data);
/* How many entries of the log were on stable storage at position "at": a flush vouches for what was
 * written before it began. */
size_t memio_log_last_flush(struct memio *m, size_t at);

#endif
