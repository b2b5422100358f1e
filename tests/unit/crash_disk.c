/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recording what is done to one or two files and making up what is left of it when the power
 * fails. Knows nothing of images.
 */
#include <stdlib.h>

#include <zqfs/geometry.h>

#include "crash_disk.h"
#include "memio_priv.h"
#include "util/math.h"

struct progress { /* entries in each log */
	size_t nr[2];
};

struct crash_record {
	struct memio *file[2], *before[2];
	struct progress *step; /* as it was before each operation */
	size_t nr, cap;
};

static struct progress progress_now(const struct crash_record *r)
{
	struct progress p = { { 0, 0 } };

	for (int f = 0; f < 2; f++)
		p.nr[f] = r->file[f] ? memio_log_count(r->file[f]) : 0;
	return p;
}

static void crash_disk_note(struct crash_record *r)
{
	if (r->nr == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 256;
		r->step = memio_must(realloc(r->step, r->cap * sizeof(*r->step)));
	}
	r->step[r->nr++] = progress_now(r);
}

/* Between two calls at most one entry is added to one of the logs. */
static int on_operation(void *data, enum memio_op op, uint64_t off, uint64_t len, uint64_t *apply)
{
	(void)op;
	(void)off;
	(void)len;
	(void)apply;
	crash_disk_note(data);
	return 0;
}

void crash_record(struct crash_disk *d)
{
	struct crash_record *r = memio_must(calloc(1, sizeof(*r)));

	d->record = r;
	r->file[0] = d->image;
	r->file[1] = d->data;
	for (int f = 0; f < 2 && r->file[f]; f++) {
		r->before[f] = memio_clone(r->file[f]);
		memio_log_start(r->file[f]);
		memio_set_hook(r->file[f], on_operation, r);
	}
}

void crash_record_end(struct crash_disk *d)
{
	struct crash_record *r = d->record;

	crash_disk_note(r);
	for (int f = 0; f < 2 && r->file[f]; f++) {
		memio_set_hook(r->file[f], NULL, NULL);
		memio_log_stop(r->file[f]);
	}
}

size_t crash_position(const struct crash_disk *d)
{
	struct progress p = progress_now(d->record);

	return p.nr[0] + p.nr[1];
}

struct memio *crash_image_before(const struct crash_disk *d)
{
	return d->record->before[0];
}

void crash_record_free(struct crash_disk *d)
{
	struct crash_record *r = d->record;

	for (int f = 0; r && f < 2 && r->file[f]; f++)
		memio_free(r->before[f]);
	if (r)
		free(r->step);
	free(r);
	d->record = NULL;
}

void crash_disk_free(struct crash_disk *d)
{
	crash_record_free(d);
	memio_free(d->image);
	if (d->data)
		memio_free(d->data);
}

/* ---- what is left ------------------------------------------------------------------------- */

/*
 * What a disk with a volatile cache may have kept. Each sector holds what it held after some of
 * the writes that were not flushed: after all, after none, or after the first few. Sectors
 * are independent of each other, so any subset of the writes, torn at 512 bytes, is reached.
 * Half of the disks have sectors of 4096 bytes, which hold the blocks next to those written (read,
 * modified and written back) as they were at the same moment.
 */
static size_t sector_cut(uint64_t salt, uint64_t sector, size_t pending)
{
	uint64_t h = (sector + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ salt;

	h = (h ^ h >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
	h ^= h >> 32;
	switch (h % 4) {
	case 0:
		return 0;
	case 1:
		return (size_t)(h / 4 % (pending + 1));
	default:
		return pending;
	}
}

static void apply_entry(struct memio *to, const struct memio_entry *e, size_t nr, uint64_t salt,
			size_t pending)
{
	static const uint8_t zeros[4096];
	uint64_t sector = salt & 1 ? sizeof(zeros) : ZQ_BLOCK;
	uint64_t at = e->off, end = e->off + e->len;

	while (at < end) {
		uint64_t stop = min_u64(end, align_down(at, sector) + sector);

		if (nr < sector_cut(salt, at / sector, pending) &&
		    (e->op == MEMIO_WRITE || at < memio_size(to)))
			memio_poke(to, at, e->op == MEMIO_WRITE ? e->data + (at - e->off) : zeros,
				   stop - at);
		at = stop;
	}
}

/* Applies to a file, which has all up to "flushed", parts of what came until "at". */
static void apply_some(struct memio *log, size_t flushed, size_t at, uint64_t salt,
		       struct memio *to)
{
	for (size_t i = flushed; i < at; i++) {
		const struct memio_entry *e = memio_log_get(log, i);

		if (e->op == MEMIO_WRITE || e->op == MEMIO_PUNCH)
			apply_entry(to, e, i - flushed, salt, at - flushed);
		else if (e->op == MEMIO_TRUNCATE &&
			 i - flushed < sector_cut(salt, ~i, at - flushed))
			memio_resize(to, e->off); /* of ftruncate or fallocate; else it was lost */
	}
}

struct memio *crash_left_over(struct memio *log, struct memio *stable, size_t flushed, size_t at,
			      uint64_t salt)
{
	struct memio *m = memio_clone(stable);

	if (salt)
		apply_some(log, flushed, at, salt, m);
	else
		memio_replay(log, flushed, at, m, NULL, NULL);
	return m;
}

/* One file on its way through the log. */
struct replay {
	struct memio *log, *stable;
	size_t flushed, at; /* entries */
};

static struct memio *left_over(const struct replay *p, unsigned variant, uint64_t salt)
{
	return crash_left_over(p->log, p->stable, p->flushed, p->at, variant ? salt : 0);
}

static void move_to(struct replay *p, size_t at)
{
	size_t last = memio_log_last_flush(p->log, at);

	memio_replay(p->log, p->flushed, last, p->stable, NULL, NULL);
	p->flushed = last;
	p->at = at;
}

void crash_each_state(struct crash_disk *d, unsigned variants, uint64_t (*rng)(void *data),
		      void (*state)(void *data, const struct crash_disk *left, size_t at,
				    unsigned variant),
		      void *data)
{
	struct crash_record *r = d->record;
	struct replay p[2] = { { .log = r->file[0] }, { .log = r->file[1] } };
	unsigned files = r->file[1] ? 2 : 1;

	for (unsigned f = 0; f < files; f++)
		p[f].stable = memio_clone(r->before[f]);
	for (size_t i = 0; i < r->nr; i++) {
		bool doubt = false;

		for (unsigned f = 0; f < files; f++) {
			move_to(&p[f], r->step[i].nr[f]);
			doubt |= p[f].flushed < p[f].at;
		}
		if (i && r->step[i].nr[0] == r->step[i - 1].nr[0] &&
		    r->step[i].nr[1] == r->step[i - 1].nr[1])
			continue; /* an operation that left no entry */
		for (unsigned v = 0; v < (doubt ? variants : 1); v++) {
			struct crash_disk left = { 0 };

			left.image = left_over(&p[0], v, rng(data));
			if (files == 2)
				left.data = left_over(&p[1], v, rng(data));
			state(data, &left, r->step[i].nr[0] + r->step[i].nr[1], v);
			crash_disk_free(&left);
		}
	}
	for (unsigned f = 0; f < files; f++)
		memio_free(p[f].stable);
}
