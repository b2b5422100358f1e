/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The contract of sequential zones written down a second time, apart from libzqfs: states,
 * limits, the implicit close, what a write, reset, finish, open and close do. No input or
 * output; zstress.c holds a mount against it.
 */
#ifndef ZQ_TEST_ZMODEL_H
#define ZQ_TEST_ZMODEL_H

#include "tool.h"

#define BLOCK	  512u
#define MAX_ZONES 64

enum state { EMPTY, IMPLICIT, EXPLICIT, CLOSED, FULL, NR_STATES };
static const char *const state_names[] = { "empty", "implicit-open", "explicit-open", "closed",
					   "full" };

struct zone {
	enum state state;
	uint64_t size, stamp; /* bytes written; when it was last written */
	uint64_t cap;	      /* bytes usable; less in a short last zone */
	uint64_t change;      /* counts what ends a stream within a block */
	unsigned writers;     /* descriptions that are open for writing */
	unsigned char *data;
};

/* A file that stays open, see zheld.h. */
#define MAX_HELD 8
struct held {
	enum { NOTHING, READER, MAPPING, WRITER } kind;
	bool conv, append;
	unsigned zone;
	int fd;
	unsigned char *map; /* the whole zone; of a mapping */
	uint64_t end;	    /* of a writer: where its stream ends ... */
	uint64_t change;    /* ... while the zone's change is that */
};

struct model {
	const char *mount;
	bool explicit_open; /* the mount option */
	unsigned nr_conv, nr_seq;
	uint64_t zone_size, max_open, max_active;
	struct zone zones[MAX_ZONES]; /* sequential */
	unsigned char *conv[MAX_ZONES];
	struct held held[MAX_HELD];
	uint64_t clock, seed, random, op;
	char what[160]; /* the operation that runs, for messages */
};

/* ---- the model ------------------------------------------------------------------------ */

static inline unsigned count(const struct model *m, enum state s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->nr_seq; i++)
		n += m->zones[i].state == s;
	return n;
}

static inline unsigned count_active(const struct model *m)
{
	return count(m, IMPLICIT) + count(m, EXPLICIT) + count(m, CLOSED);
}

/* Makes room for one more open zone; 0 or EBUSY. Only when nothing else can fail. */
static inline int take_open_slot(struct model *m)
{
	struct zone *oldest = NULL;

	if (!m->max_open || count(m, IMPLICIT) + count(m, EXPLICIT) < m->max_open)
		return 0;
	for (unsigned i = 0; i < m->nr_seq; i++) {
		struct zone *z = &m->zones[i];

		if (z->state == IMPLICIT && (!oldest || z->stamp < oldest->stamp))
			oldest = z;
	}
	if (!oldest)
		return EBUSY;
	oldest->state = CLOSED;
	return 0;
}

/* What opening an empty or closed zone takes. */
static inline int take_resources(struct model *m, const struct zone *z)
{
	if (z->state == EMPTY && m->max_active && count_active(m) >= m->max_active)
		return EBUSY;
	return z->state == EMPTY || z->state == CLOSED ? take_open_slot(m) : 0;
}

/* What a write makes of a zone that takes it. */
static inline int begin_write(struct model *m, struct zone *z)
{
	int ret = take_resources(m, z);

	if (ret)
		return ret;
	if (z->state != EXPLICIT)
		z->state = IMPLICIT;
	z->stamp = ++m->clock;
	return 0;
}

static inline int model_write(struct model *m, struct zone *z, bool append, uint64_t off,
			      uint64_t *len)
{
	if (append)
		off = z->size;
	if (off >= z->cap)
		return EFBIG;
	if (*len > z->cap - off)
		*len = z->cap - off;
	if (off != z->size)
		return EINVAL;
	return begin_write(m, z);
}

/* After a write at off: the last block is padded, a zone that is full is no longer open. */
static inline void model_grow(struct zone *z, uint64_t off, uint64_t len)
{
	uint64_t end = off + len, padded = (end + BLOCK - 1) / BLOCK * BLOCK;

	memset(z->data + end, 0, padded - end);
	if (padded > z->size)
		z->size = padded;
	if (z->size == z->cap)
		z->state = FULL;
	z->change++;
}

static inline int model_open(struct model *m, struct zone *z)
{
	int ret;

	if (z->state == FULL)
		return EINVAL;
	ret = take_resources(m, z);
	if (!ret)
		z->state = EXPLICIT;
	return ret;
}

static inline int model_close(struct zone *z)
{
	if (z->state != FULL)
		z->state = z->size ? CLOSED : EMPTY;
	z->change++;
	return 0;
}

/* Of an empty zone nothing at all happens. One that has writers under explicit-open is
 * open again, if that can be. */
static inline int model_reset(struct model *m, struct zone *z)
{
	if (z->size) {
		z->change++;
		z->size = 0;
	}
	if (z->state != EXPLICIT)
		z->state = EMPTY;
	if (m->explicit_open && z->writers)
		model_open(m, z);
	return 0;
}

/* Zones that are open for writing. */
static inline unsigned count_written(const struct model *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->nr_seq; i++)
		n += m->zones[i].writers > 0;
	return n;
}

/* Opening a file for writing: 0 or EBUSY. */
static inline int model_writer_open(struct model *m, struct zone *z)
{
	int ret = 0;

	if (m->explicit_open && !z->writers) {
		if (m->max_open && count_written(m) + 1 > m->max_open)
			return EBUSY;
		if (z->state != FULL)
			ret = model_open(m, z);
	}
	if (!ret)
		z->writers++;
	return ret;
}

static inline void model_writer_close(struct model *m, struct zone *z)
{
	if (!--z->writers && m->explicit_open)
		model_close(z);
}

static inline int model_finish(struct model *m, struct zone *z)
{
	int ret;

	if (z->state == FULL)
		return 0;
	ret = take_resources(m, z);
	if (ret)
		return ret;
	memset(z->data + z->size, 0, z->cap - z->size);
	z->size = z->cap;
	z->state = FULL;
	z->change++;
	return 0;
}

/* What a remount does: everything is padded already, open zones come back closed. */
static inline void model_remount(struct model *m)
{
	for (unsigned i = 0; i < m->nr_seq; i++)
		if (m->zones[i].state == IMPLICIT || m->zones[i].state == EXPLICIT)
			model_close(&m->zones[i]);
}

#endif
