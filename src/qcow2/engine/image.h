/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An open image: what the files of this folder share. Nothing outside qcow2/ includes it.
 *
 *   image.c       open, close, the log           hostio.c     metadata writes, zeroing, epochs
 *   header*.c     the header and extensions      zoned_ext.c  layouts of the zoned extension
 *   geometry.c    the rules of a zoned device    format.h     numbers of the format
 *   table.c       tables kept whole in memory: L1 and refcount table
 *   mdcache.c     bounded cache of slices of L2 tables and refcount blocks
 *   l2.c          L2 tables: finding, creating and copying one; what an entry says
 *   map.c         guest range -> extents         read.c       reading guest bytes
 *   write.c       writing guest bytes            inflight.h   clusters that are being entered
 *   zero.c        zeroing and unmapping          change.c     before the first change
 *   refcount.c    counts, blocks, a larger table
 *   alloc.c       free clusters, runs, streams   wptable.c    the write pointer table
 *   commit.c      the ordered commit             release.c    its last step: freeing clusters
 *   compress.c    compressed clusters            backing.c    the backing chain
 *   snapshot.c    the snapshot table             create*.c    a new image
 *   check*.c      check, with readers of its own (see check_priv.h); repair.c
 *
 * Locks, in the order in which they are taken:
 *   commit_lock  one commit at a time, and the tickets of those who wait for one
 *   lock         everything below that says [lock]: tables, cache, allocator, pointers.
 *                Held for memory work only. A cache miss drops it while it reads (the
 *                entry is marked LOADING), so whoever pins a slice must look again at what
 *                it knew before. Data is read and written without it.
 *
 * What makes I/O without the lock safe:
 *   - a host cluster that is let go is offered for reuse only by step 4 of a commit, after
 *     every read or write that began before has ended (epochs, below);
 *   - a write that allocates or copies a cluster registers its guest range (inflight), and
 *     another write to the same clusters waits for it.
 */
#ifndef ZQ_QCOW2_ENGINE_IMAGE_H
#define ZQ_QCOW2_ENGINE_IMAGE_H

#include <pthread.h>
#include <stdatomic.h>

#include "qcow2/format/format.h"
#include "qcow2/format/header.h"
#include "qcow2/engine/mdcache.h"
#include "qcow2/qcow2.h"
#include "qcow2/tables/table.h"

/* A run of host clusters: [start, start + count), in clusters. */
struct qcow2_run {
	uint64_t start;
	uint64_t count;
};

struct qcow2_runs { /* grows; order does not matter */
	struct qcow2_run *run;
	size_t nr, cap;
};

struct qcow2_inflight {
	uint64_t first, last; /* guest clusters that are being allocated */
	struct qcow2_inflight *next;
};

struct qcow2_alloc;
struct qcow2_wptable;
struct qcow2_backing;
struct qcow2_decomp;

struct qcow2_image {
	struct zq_io *file;
	struct zq_io *data; /* == file unless there is an external data file */
	struct qcow2_header hdr;
	bool writable;
	char why_readonly[128];
	qcow2_log_fn log;
	void *log_data;

	/* derived from the header, constant */
	unsigned cluster_bits;
	uint64_t cluster_size;
	unsigned l2_entry_size; /* 8, or 16 with extended L2 */
	unsigned l2_bits;	/* log2 of the entries in an L2 table */
	unsigned subclusters;	/* in a cluster: 1, or 32 with extended L2 */
	uint64_t sub_size;	/* bytes of a subcluster */
	unsigned refblock_bits; /* log2 of the entries in a refcount block */
	size_t slice_size;	/* bytes of a cached piece of a table: min(cluster, 4096) */
	bool has_data_file, data_raw, ext_l2;

	pthread_mutex_t lock;
	pthread_cond_t cond;	     /* a slice was loaded, an inflight range ended */
	pthread_mutex_t change_lock; /* held while the first change is prepared; before lock */
	atomic_bool changed;	     /* the first change has been prepared (qcow2_begin_change) */
	bool table_busy;	     /* [lock] an L2 table is being made or copied; wait on cond */
	uint64_t file_end;	     /* [lock] the file has at least this many bytes or will have:
				      * mapped offsets must lie below it */
	struct qcow2_table l1, reftable;
	struct mdcache cache;		 /* [lock] */
	size_t cache_bytes;		 /* bound of the cache */
	struct qcow2_alloc *alloc;	 /* [lock] NULL when read-only */
	struct qcow2_runs let_go;	 /* [lock] references dropped since the last commit copied
					  * its values; each run counts for one reference */
	bool reftable_moved;		 /* [lock] offset and size in the header must be written */
	struct qcow2_inflight *inflight; /* [lock] */
	struct qcow2_wptable *wpt;	 /* [lock] NULL unless zoned */
	bool data_dirty;		 /* [lock] guest bytes were written since the last copy */

	struct qcow2_backing *backing; /* NULL: none */
	struct qcow2_decomp *decomp;   /* cache of decompressed clusters; own lock */

	/* I/O in flight, by the parity of the epoch in which it began */
	atomic_uint epoch;
	atomic_uint active[2];
	atomic_bool draining;
	pthread_mutex_t drain_lock; /* taken with no other lock held */
	pthread_cond_t drain_cond;

	pthread_mutex_t commit_lock;
	pthread_cond_t commit_cond;
	bool commit_running;	 /* [commit_lock] */
	uint64_t commit_started; /* [commit_lock] commits that have copied their values */
	uint64_t commit_done;	 /* [commit_lock] commits that have ended */
	unsigned commit_joined;	 /* [commit_lock] callers that the next commit serves */
	unsigned commit_peers;	 /* [commit_lock] as many as that seem to call again and again */
	int64_t commit_ns;	 /* [commit_lock] what the last one took */
	bool commit_gathering;	 /* [commit_lock] its thread waits for others to join */
	int commit_result;	 /* [commit_lock] of the last one */
	atomic_int flush_error;	 /* only the running commit: a flush failed, for good */

	struct {
		atomic_ullong commits, flushes, meta_bytes, data_writes, data_bytes, reads;
	} stats;
};

/* Writes to the log: the image's name and the message. */
void image_log(struct qcow2_image *img, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Metadata I/O on the image file with the counters kept. */
int image_write_meta(struct qcow2_image *img, const void *buf, size_t len, uint64_t off);
/* Writes zeros, and leaves no hole as image_zero_host() does. */
int image_clear_meta(struct qcow2_image *img, uint64_t off, uint64_t len);
/* Has the host set room aside for metadata of the image file. 0 also where the host cannot;
 * -ENOSPC, -EFBIG, -EDQUOT. With or without the lock: a call that reads and writes nothing. */
int image_reserve(struct qcow2_image *img, uint64_t off, uint64_t len);
/* The same for a table at off and for the entry of its parent that is to name it. */
int image_reserve_table(struct qcow2_image *img, const struct qcow2_table *parent, uint64_t index,
			uint64_t off);
/* Makes a range of a file read as zeros, by a hole, by extending the file, or by writing. */
int image_zero_host(struct zq_io *io, uint64_t off, uint64_t len);

/* Around every access to data that a mapping led to; the token goes back to the end call. */
unsigned image_io_begin(struct qcow2_image *img);
void image_io_end(struct qcow2_image *img, unsigned token);
/* Returns once all I/O that began before the call has ended. Without the lock. */
void image_io_drain(struct qcow2_image *img);

/* Does the range of the image file overlap the header, the L1 table, the refcount table or
 * the write pointers, where no data and no other table can be? */
bool image_is_fixed_meta(const struct qcow2_image *img, uint64_t off, uint64_t len);

/* Adds a run (merged with the last one where it continues it). -ENOMEM. */
int runs_add(struct qcow2_runs *r, uint64_t start, uint64_t count);
void runs_free(struct qcow2_runs *r);

#endif
