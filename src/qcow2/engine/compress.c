/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading compressed clusters. Owns img->decomp, a bounded cache of whole decompressed
 * clusters. Its mutex guards the entries' states and is never held while the file is read
 * or data is inflated; it is taken under no other lock and takes none. Never writes.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/codec/codec.h"
#include "qcow2/format/descriptor.h"
#include "qcow2/engine/compress.h"
#include "qcow2/engine/image.h"
#include "util/cleanup.h"
#include "util/math.h"

#define DECOMP_ENTRIES 16u
#define DECOMP_BYTES   (UINT64_C(8) << 20)
#define SECTOR	       512u

enum entry_state {
	ENTRY_EMPTY,
	ENTRY_LOADING, /* one thread fills data; others wait on the cond */
	ENTRY_READY,
};

struct decomp_entry {
	enum entry_state state;
	bool stale;    /* forgotten while in use: serves who is there, nobody else */
	unsigned pins; /* readers that copy out of data */
	uint64_t desc; /* the key: descriptor without its flag bits */
	uint64_t used; /* for the choice of a victim */
	uint8_t *data; /* one cluster; allocated with the first use */
};

struct qcow2_decomp {
	pthread_mutex_t lock;
	pthread_cond_t cond; /* an entry became ready, empty or unpinned */
	unsigned nr;
	uint64_t clock;
	struct decomp_entry entry[DECOMP_ENTRIES];
};

int decomp_init(struct qcow2_image *img)
{
	struct qcow2_decomp *d = calloc(1, sizeof(*d));
	uint64_t nr = DECOMP_BYTES >> img->cluster_bits;

	if (!d)
		return -ENOMEM;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->cond, NULL);
	d->nr = (unsigned)min_u64(max_u64(nr, 2), DECOMP_ENTRIES);
	img->decomp = d;
	return 0;
}

void decomp_destroy(struct qcow2_image *img)
{
	struct qcow2_decomp *d = img->decomp;

	if (!d)
		return;
	for (unsigned i = 0; i < d->nr; i++)
		free(d->entry[i].data);
	pthread_cond_destroy(&d->cond);
	pthread_mutex_destroy(&d->lock);
	free(d);
	img->decomp = NULL;
}

static int decomp_load(struct qcow2_image *img, uint64_t desc, uint8_t *out)
{
	uint64_t off, len, size;
	uint8_t *in CLEANUP_FREE = NULL;
	size_t used;
	bool good;
	int ret;

	descriptor_extent(img->cluster_bits, desc, &off, &len);
	ret = io_size(img->file, &size);
	if (ret)
		return ret;
	/* The file may end within the last sector, so compare against whole sectors. */
	if (size > INT64_MAX || !range_within(off, len, align_up(size, SECTOR))) {
		image_log(img, "compressed cluster 0x%" PRIx64 "+0x%" PRIx64 " is outside the file",
			  off, len);
		return -EIO;
	}
	in = malloc((size_t)len);
	if (!in)
		return -ENOMEM;
	ret = io_pread(img->file, in, (size_t)len, off);
	if (ret)
		return ret;
	good = codec_unpack((enum codec_type)img->hdr.compression_type, out,
			    (size_t)img->cluster_size, in, (size_t)len, &used);
	if (good)
		return 0;
	image_log(img, "compressed cluster 0x%" PRIx64 "+0x%" PRIx64 " is damaged", off, len);
	return -EIO;
}

/* With the lock held: the entry for desc, or the one to load it into, or NULL: wait. */
static struct decomp_entry *decomp_pick(struct qcow2_decomp *d, uint64_t desc)
{
	struct decomp_entry *victim = NULL;

	for (unsigned i = 0; i < d->nr; i++) {
		struct decomp_entry *e = &d->entry[i];

		if (e->state != ENTRY_EMPTY && !e->stale && e->desc == desc)
			return e->state == ENTRY_READY ? e : NULL;
		if (e->state == ENTRY_LOADING || e->pins)
			continue;
		if (!victim || e->state == ENTRY_EMPTY || e->used < victim->used)
			victim = victim && victim->state == ENTRY_EMPTY ? victim : e;
	}
	if (victim)
		victim->state = ENTRY_EMPTY;
	return victim;
}

/* With the lock held, which is dropped meanwhile: fills an empty entry, which comes back pinned. */
static int decomp_fill(struct qcow2_image *img, struct decomp_entry *e, uint64_t desc)
{
	struct qcow2_decomp *d = img->decomp;
	int ret = 0;

	e->state = ENTRY_LOADING;
	e->stale = false;
	e->desc = desc;
	locks_give(&d->lock, LOCK_DECOMP);
	if (!e->data)
		e->data = malloc((size_t)img->cluster_size);
	ret = e->data ? decomp_load(img, desc, e->data) : -ENOMEM;
	locks_take(&d->lock, LOCK_DECOMP);
	e->state = ret ? ENTRY_EMPTY : ENTRY_READY;
	if (!ret)
		e->pins++;
	pthread_cond_broadcast(&d->cond);
	return ret;
}

int decomp_read(struct qcow2_image *img, uint64_t desc, uint64_t in_cluster, void *buf, size_t len)
{
	struct qcow2_decomp *d = img->decomp;
	struct decomp_entry *e;
	int ret = 0;

	desc &= ~(QCOW2_COPIED | QCOW2_COMPRESSED);
	if (!range_within(in_cluster, len, img->cluster_size))
		return -EINVAL;
	locks_take(&d->lock, LOCK_DECOMP);
	while (!(e = decomp_pick(d, desc)))
		pthread_cond_wait(&d->cond, &d->lock);
	if (e->state == ENTRY_EMPTY)
		ret = decomp_fill(img, e, desc);
	else
		e->pins++;
	if (ret) {
		locks_give(&d->lock, LOCK_DECOMP);
		return ret;
	}
	e->used = ++d->clock;
	locks_give(&d->lock, LOCK_DECOMP);

	memcpy(buf, e->data + in_cluster, len);

	locks_take(&d->lock, LOCK_DECOMP);
	if (!--e->pins) {
		if (e->stale)
			e->state = ENTRY_EMPTY;
		pthread_cond_broadcast(&d->cond);
	}
	locks_give(&d->lock, LOCK_DECOMP);
	return 0;
}

void decomp_forget(struct qcow2_image *img)
{
	struct qcow2_decomp *d = img->decomp;

	if (!d)
		return;
	locks_take(&d->lock, LOCK_DECOMP);
	for (unsigned i = 0; i < d->nr; i++) {
		struct decomp_entry *e = &d->entry[i];

		if (e->state == ENTRY_READY && !e->pins)
			e->state = ENTRY_EMPTY;
		else
			e->stale = true;
	}
	locks_give(&d->lock, LOCK_DECOMP);
}
