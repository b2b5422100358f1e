/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A chunk: the part of a write that is decided, written and entered at once (write.c), and the
 * filling of its edges (write_edges.c).
 */
#ifndef ZQ_QCOW2_ENGINE_WRITE_CHUNK_H
#define ZQ_QCOW2_ENGINE_WRITE_CHUNK_H

#include "qcow2/engine/image.h"
#include "qcow2/engine/inflight.h"
#include "qcow2/engine/l2.h"
#include "util/math.h"

enum write_how {
	IN_PLACE, /* mapped and ours: the mapping stays */
	REUSE, /* has a host cluster of its own, but the entry changes (zero flag, subclusters) */
	NEW,   /* gets a host cluster */
};

struct write_chunk {
	const struct qcow2_write *w;
	uint64_t off, end; /* guest bytes of this chunk, padding included */
	struct l2_ref ref;
	unsigned nr; /* clusters */
	enum write_how how;
	uint64_t host;	      /* offset of the first cluster in img->data */
	bool fresh;	      /* the host clusters read as zeros */
	struct qcow2_run run; /* taken from the allocator; count 0: none */
	struct qcow2_inflight inflight;
	struct l2_entry first, last; /* entries before the write */
	uint64_t head, tail;	     /* unless in place: guest bytes that are filled with it */
};

/* The guest offset at which the cluster of this guest byte begins. */
static inline uint64_t guest_cluster(const struct qcow2_image *img, uint64_t off)
{
	return align_down(off, img->cluster_size);
}

/* Is the cluster filled subcluster by subcluster, or must all of it be filled at once? */
bool chunk_by_subcluster(const struct qcow2_image *img, const struct write_chunk *c,
			 struct l2_entry e);

/* Finds from where to where the chunk's clusters are filled. [lock] */
void chunk_find_edges(struct qcow2_image *img, struct write_chunk *c);

/*
 * Fills the bytes of the chunk's clusters that the write does not cover: with what they read as
 * now, or with zeros up to the write's zero_end. Without the lock; the chunk is registered as in
 * flight. Returns 0 or a negative errno.
 */
int chunk_fill_edges(struct qcow2_image *img, const struct write_chunk *c);

#endif
