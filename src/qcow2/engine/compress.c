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

#define DECOMP_ENTRIES 64u
#define DECOMP_BYTES   (UINT64_C(8) << 20)
#define SPARE_CODECS   8u
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
	struct codec_unpacker *spare[SPARE_CODECS]; /* that nobody uses now */
	unsigned nr_spare;
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
	for (unsigned i = 0; i < d->nr_spare; i++)
		codec_unpacker_free(d->spare[i]);
	pthread_cond_destroy(&d->cond);
	pthread_mutex_destroy(&d->lock);
	free(d);
	img->decomp = NULL;
}

/* One that is spare, or a new one. */
static int take_codec(struct qcow2_image *img, struct codec_unpacker **u)
{
	struct qcow2_decomp *d = img->decomp;

	*u = NULL;
	locks_take(&d->lock, LOCK_DECOMP);
	if (d->nr_spare)
		*u = d->spare[--d->nr_spare];
	locks_give(&d->lock, LOCK_DECOMP);
	return *u ? 0 : codec_unpacker_new((enum codec_type)img->hdr.compression_type, u);
}

static void give_codec(struct qcow2_image *img, struct codec_unpacker *u)
{
	struct qcow2_decomp *d = img->decomp;

	locks_take(&d->lock, LOCK_DECOMP);
	if (d->nr_spare < SPARE_CODECS) {
		d->spare[d->nr_spare++] = u;
		u = NULL;
	}
	locks_give(&d->lock, LOCK_DECOMP);
	codec_unpacker_free(u);
}

/* -EIO where it is outside of the file or damaged; *damage says it in words. */
static int unpack_cluster(struct qcow2_image *img, uint64_t off, uint64_t len, uint8_t *out,
			  const char **damage)
{
	uint8_t *in CLEANUP_FREE = NULL;
	struct codec_unpacker *u;
	uint64_t size;
	size_t used;
	int ret = io_size(img->file, &size);

	if (ret)
		return ret;
	*damage = "is outside the file";
	/* The file may end within the last sector, so compare against whole sectors. */
	if (size > INT64_MAX || !range_within(off, len, align_up(size, SECTOR)))
		return -EIO;
	*damage = NULL;
	in = malloc((size_t)len);
	ret = in ? io_pread(img->file, in, (size_t)len, off) : -ENOMEM;
	if (ret == 0)
		ret = take_codec(img, &u);
	if (ret)
		return ret;
	if (!codec_unpack(u, out, (size_t)img->cluster_size, in, (size_t)len, &used)) {
		*damage = "is damaged";
		ret = -EIO;
	}
	give_codec(img, u);
	return ret;
}

/* quiet: nobody has asked for the cluster yet, so nothing is said of damage. */
static int decomp_load(struct qcow2_image *img, uint64_t desc, uint8_t *out, bool quiet)
{
	const char *damage = NULL;
	uint64_t off, len;
	int ret;

	descriptor_extent(img->cluster_bits, desc, &off, &len);
	ret = unpack_cluster(img, off, len, out, &damage);
	if (ret && damage && !quiet)
		image_log(img, "compressed cluster 0x%" PRIx64 "+0x%" PRIx64 " %s", off, len,
			  damage);
	return ret;
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
static int decomp_fill(struct qcow2_image *img, struct decomp_entry *e, uint64_t desc, bool quiet)
{
	struct qcow2_decomp *d = img->decomp;
	int ret = 0;

	e->state = ENTRY_LOADING;
	e->stale = false;
	e->desc = desc;
	locks_give(&d->lock, LOCK_DECOMP);
	if (!e->data)
		e->data = malloc((size_t)img->cluster_size);
	ret = e->data ? decomp_load(img, desc, e->data, quiet) : -ENOMEM;
	locks_take(&d->lock, LOCK_DECOMP);
	e->state = ret ? ENTRY_EMPTY : ENTRY_READY;
	if (!ret)
		e->pins++;
	pthread_cond_broadcast(&d->cond);
	return ret;
}

/* With the lock held. */
static void decomp_unpin(struct qcow2_decomp *d, struct decomp_entry *e)
{
	if (--e->pins)
		return;
	if (e->stale)
		e->state = ENTRY_EMPTY;
	pthread_cond_broadcast(&d->cond);
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
		ret = decomp_fill(img, e, desc, false);
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
	decomp_unpin(d, e);
	locks_give(&d->lock, LOCK_DECOMP);
	return 0;
}

void decomp_read_ahead(struct qcow2_image *img, uint64_t desc)
{
	struct qcow2_decomp *d = img->decomp;
	struct decomp_entry *e;

	desc &= ~(QCOW2_COPIED | QCOW2_COMPRESSED);
	locks_take(&d->lock, LOCK_DECOMP);
	e = decomp_pick(d, desc);
	if (e && e->state == ENTRY_EMPTY && decomp_fill(img, e, desc, true) == 0) {
		e->used = ++d->clock;
		decomp_unpin(d, e);
	}
	locks_give(&d->lock, LOCK_DECOMP);
}

uint64_t decomp_room(const struct qcow2_image *img)
{
	return img->decomp->nr;
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
