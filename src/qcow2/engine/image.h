/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An open image: what the files of this folder share. Nothing outside qcow2/ includes it.
 * Includes go down only, from the first line to the last; backing.c alone opens an image again.
 *
 *   open.c          opening and closing
 *   gather.c        making the file short; gather_walk.c: what it looks for in the mapping
 *   gather_fixed.c  the tables that the header leads to
 *   move.c          data, tables and blocks to another place
 *   zero.c          zeroing and unmapping
 *   pack.c          writing compressed clusters
 *   write.c         writing guest bytes
 *   write_edges.c   the bytes around a write that its new clusters hold as well
 *   inflight.h      clusters that are being entered
 *   read.c          reading as callers see it; shared.c: reading beside a writer
 *   read_guest.c    guest bytes by the mapping
 *   map.c           guest range -> extents
 *   describe.c      the same in words, one piece at a time, through the chain
 *   backing.c       the backing chain
 *   change.c        before the first change
 *   identity.c      what tells its contents apart; unfinished.c: an overlay that is written down
 *   ahead.c         unpacking compressed clusters before they are read
 *   compress.c      compressed clusters
 *   commit_share.c  who asks for a commit, and how threads share one
 *   commit.c        the ordered commit; commit_batch.c: what one takes along
 *   release.c       its last step: freeing clusters
 *   wptable.c       the write pointer table
 *   l2.c            L2 tables: finding, creating and copying one; what an entry says
 *   alloc.c         clusters for streams
 *   space.c         which clusters are free
 *   census.c        how many are in use
 *   refblock.c      new refcount blocks, a larger refcount table
 *   table_run.c     room for a table of several clusters
 *   refcount.c      counts in blocks that exist
 *   backlog.c       what awaits a commit, and how much of it there may be
 *   mdcache.c       bounded cache of slices of L2 tables and refcount blocks
 *   hostio.c        metadata writes, zeroing, epochs of I/O in flight
 *   image.c         the log, fixed metadata, what never changes
 *   runs.c          lists of runs of clusters
 *   locks.c         the order of locks, watched
 *
 * Locks. Each is taken only while those above it in this list are held, never the other way
 * round. A commit may run under a stripe or the padding lock of the layer above.
 *   change_lock  the first change is being prepared; held across the I/O of a rebuild
 *   commit_lock  who runs a commit and who waits for one; not held while a commit works, and
 *                no other lock is taken under it
 *   lock         everything below that says [lock]: tables, cache, allocator, pointers.
 *                Held for memory work only. A cache miss drops it while it reads (the
 *                entry is marked LOADING), so whoever pins a slice must look again at what
 *                it knew before. Data is read and written without it.
 *   drain_lock   waiting for I/O in flight; taken with no other lock held, and none under it
 *   decomp->lock (compress.c) states of the decompressed clusters; taken with no other lock
 *                held, not held while one is read or inflated
 *   ahead->lock  (ahead.c) who reads in order; taken with no other lock held, none under it
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
#include "qcow2/engine/locks.h"
#include "qcow2/engine/mdcache.h"
#include "qcow2/engine/runs.h"
#include "qcow2/qcow2.h"
#include "qcow2/tables/table.h"

struct qcow2_inflight {
	uint64_t first, last; /* guest clusters that are being allocated */
	struct qcow2_inflight *next;
};

/* The place behind the last compressed cluster. [lock] */
struct pack_place {
	uint64_t cluster; /* host cluster that is being filled; 0: none */
	uint64_t used;	  /* bytes of it that are taken */
	bool busy;	  /* somebody takes a place, and may drop the lock meanwhile */
};

struct qcow2_alloc;
struct qcow2_space;
struct qcow2_wptable;
struct qcow2_backing;
struct qcow2_decomp;
struct qcow2_ahead;

/* What the last requests needed and no metadata lies on; each for one image_table_changes(). */
struct qcow2_known {
	uint64_t data, data_at;	  /* a host cluster of data, bytes */
	uint64_t table, table_at; /* an L1 entry */
	bool for_write;		  /* the table may be changed */
};

struct qcow2_image {
	struct zq_io *file;
	struct zq_io *base_io; /* the backing file until it is opened, where the caller has it */
	struct zq_io *data;    /* == file unless there is an external data file */
	struct qcow2_header hdr;
	bool writable;
	char why_readonly[128];
	uint64_t next_identity; /* what the first change makes of the header's; see identity.c */
	qcow2_log_fn log;
	void *log_data;

	/* derived from the header, constant */
	unsigned cluster_bits;
	uint64_t cluster_size;
	unsigned l2_entry_size; /* 8, or 16 with extended L2 */
	unsigned l2_entry_bits; /* log2 of it */
	unsigned l2_bits;	/* log2 of the entries in an L2 table */
	unsigned subclusters;	/* in a cluster: 1, or 32 with extended L2 */
	uint64_t sub_size;	/* bytes of a subcluster */
	unsigned sub_bits;	/* log2 of it */
	unsigned refblock_bits; /* log2 of the entries in a refcount block */
	size_t slice_size;	/* bytes of a cached piece of a table: min(cluster, 4096) */
	unsigned slice_bits;	/* log2 of it */
	bool has_data_file, data_raw, ext_l2;

	pthread_mutex_t lock;
	pthread_cond_t cond; /* a slice was loaded, an inflight range ended */
	pthread_mutex_t change_lock;
	atomic_bool changed; /* the first change has been prepared (qcow2_begin_change) */
	bool table_busy;     /* [lock] an L2 table is being made or copied; wait on cond */
	uint64_t file_end;   /* [lock] the file has at least this many bytes or will have:
			      * mapped offsets must lie below it */
	struct qcow2_table l1, reftable;
	struct qcow2_known known;	 /* [lock] */
	struct offset_set snapshot_meta; /* clusters of the snapshot table and of its L1 tables */
	atomic_bool overlaps;	   /* metadata overlaps with something; see image_note_overlap */
	struct mdcache cache;	   /* [lock] */
	size_t cache_bytes;	   /* bound of the cache */
	struct pack_place pack;	   /* [lock] where the next compressed cluster goes */
	struct qcow2_alloc *alloc; /* [lock] NULL when read-only */
	struct qcow2_space *space; /* [lock] NULL when read-only */
	struct qcow2_runs let_go;  /* [lock] references dropped since the last commit copied
				    * its values; each run counts for one reference */
	uint64_t waiting;	   /* [lock] clusters of let_go, and of what a running commit
				    * has taken of it and not freed yet */
	atomic_uint pressure;	   /* enum qcow2_pressure; backlog.c sets it */
	bool reftable_busy;	   /* [lock] a refcount block or a larger table is being
				    * made; wait on cond */
	bool parents_have_room;	   /* the L1 and the refcount table do not lie in holes; set before
				    * the first change, if the host had the room */
	bool reftable_moved;	   /* [lock] offset and size in the header must be written */
	struct qcow2_inflight *inflight; /* [lock] */
	struct qcow2_wptable *wpt;	 /* [lock] NULL unless zoned */
	bool data_dirty;		 /* [lock] guest bytes were written since the last copy */
	uint64_t written_end; /* [lock] of data: the file that has it is so long at least */

	uint8_t *seen_header; /* [lock] NULL unless another process may write to the image */

	struct qcow2_backing *backing; /* NULL: none */
	struct qcow2_decomp *decomp;   /* cache of decompressed clusters; own lock */
	struct qcow2_ahead *ahead;     /* own lock */

	/* I/O in flight, by the parity of the epoch in which it began */
	atomic_uint epoch;
	atomic_uint active[2];
	atomic_bool draining;
	pthread_mutex_t drain_lock;
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
	uint64_t commit_ok;	 /* [commit_lock] the last commit that succeeded */
	int commit_error;	 /* [commit_lock] of the last one that failed */
	uint64_t size_seen, data_size_seen; /* of the files at the end of the last commit; only the
					     * running commit changes them */
	atomic_int flush_error;		    /* only the running commit: a flush failed, for good */

	struct {
		atomic_ullong commits, flushes, meta_bytes, data_writes, data_bytes, reads;
	} stats;
};

/* Takes and gives img->lock. */
static inline struct qcow2_image *image_lock(struct qcow2_image *img)
{
	locks_take(&img->lock, LOCK_IMAGE);
	return img;
}

static inline void image_unlock(struct qcow2_image *img)
{
	locks_give(&img->lock, LOCK_IMAGE);
}

static inline void image_scope_end_(struct qcow2_image **img)
{
	image_unlock(*img);
}

/* Holds img->lock until the end of the enclosing block. */
#define SCOPE_IMAGE_LOCK(img)                                                                      \
	struct qcow2_image *scope_image_lock_ __attribute__((cleanup(image_scope_end_), unused)) = \
		image_lock(img)

/* Writes to the log: the image's name and the message. */
void image_log(struct qcow2_image *img, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Says once that a mapping or a free cluster lies where a table lies, and has the corrupt bit set
 * before the call that met it returns (change_mark_corrupt). [lock] */
void image_note_overlap(struct qcow2_image *img, const char *what, uint64_t off);

/* Does the range of the image file overlap any metadata that is in use? [lock] */
bool image_is_meta(const struct qcow2_image *img, uint64_t off, uint64_t len);
/* What is known is true as long as this is the same. [lock] */
static inline uint64_t image_table_changes(const struct qcow2_image *img)
{
	return img->l1.changes + img->reftable.changes;
}
/* Only the header, the L1 table, the refcount table, what snapshots have and the write pointers,
 * where no data and no other table can be. */
bool image_is_fixed_meta(const struct qcow2_image *img, uint64_t off, uint64_t len);

#endif
