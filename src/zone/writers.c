/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Appending, as callers see it: arguments, one buffer or several, what became of it. The place
 * and the write itself are append.c's. Takes the zone's stripe.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/math.h"
#include "zone/append.h"

#define ALL_FLAGS (ZQ_WRITE_APPEND | ZQ_WRITE_DIRECT | ZQ_WRITE_SYNC | ZQ_WRITE_WAIT)
/* So much is put together at once when a write comes in pieces. */
#define GATHER_BYTES (UINT64_C(1) << 20)

static const char *bad_argument(const struct append *a)
{
	if (a->zone >= a->dev->geo.nr_zones)
		return "there is no such zone";
	if (zq_zone_is_conv(&a->dev->geo, a->zone))
		return "the zone is conventional, which zq_write() is for";
	return a->flags & ~(unsigned)ALL_FLAGS ? "unknown flags" : NULL;
}

/* -EINVAL of a write that was refused its place. */
static const char *bad_place(const struct append *a)
{
	return append_whole_blocks(a) && !is_aligned(a->off | a->len, ZQ_BLOCK)
		       ? "not in whole blocks"
		       : "not where the zone ends";
}

/* From here on offsets are absolute. -EFBIG, or 0 with off and len set. */
static int take_extent(struct append *a, uint64_t off, uint64_t len)
{
	uint64_t start = zq_zone_start(&a->dev->geo, a->zone);
	uint64_t cap = zq_zone_cap(&a->dev->geo, a->zone);

	a->off = start + min_u64(off, UINT64_MAX - start);
	if (a->flags & ZQ_WRITE_APPEND)
		a->len = min_u64(len, cap);
	else if (off >= cap)
		return append_refuse_behind(a);
	else
		a->len = min_u64(len, cap - off);
	return len ? device_reserve(a->dev, a->flags & ZQ_WRITE_SYNC) : 0;
}

/* ---- from one buffer --------------------------------------------------------------------- */

static int append_once(struct append *a)
{
	struct zone_stripe *s = zone_stripe(a->dev, a->zone);
	int rc;

	pthread_mutex_lock(&s->lock);
	rc = append_locked(a);
	pthread_cond_broadcast(&s->cond);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* Nothing to write: only tells where that would be. */
static ssize_t append_nothing(struct append *a, uint64_t off, uint64_t *where)
{
	if (where && (a->flags & ZQ_WRITE_APPEND)) {
		SCOPE_LOCK(&zone_stripe(a->dev, a->zone)->lock);
		*where = append_next(a) - zq_zone_start(&a->dev->geo, a->zone);
	} else if (where) {
		*where = off;
	}
	return 0;
}

/* After the stripe has been dropped: the place, the commit, and what the caller gets. */
static ssize_t append_done(const struct append *a, const struct call *c, uint64_t pos,
			   uint64_t written, uint64_t *where)
{
	int rc;

	if (where)
		*where = pos - zq_zone_start(&a->dev->geo, a->zone);
	rc = device_changed(a->dev, a->zone, 1, a->flags & ZQ_WRITE_SYNC);
	return rc < 0 ? call_failed(a->dev, c, rc, "written, but not committed") : (ssize_t)written;
}

ssize_t zq_append(struct zq_device *dev, uint32_t zone, struct zq_writer *w, uint64_t off,
		  const void *buf, size_t len, unsigned flags, uint64_t *where)
{
	struct append a = { .dev = dev, .zone = zone, .w = w, .buf = buf, .flags = flags };
	struct call c = { "append", zone, off, len };
	const char *why;
	int rc = device_enter(dev);

	if (where)
		*where = ZQ_NOWHERE;
	if (rc < 0)
		return rc;
	why = bad_argument(&a);
	if (!why && !buf && len)
		why = "no buffer";
	if (why)
		return call_failed(dev, &c, -EINVAL, why);
	rc = take_extent(&a, off, len);
	if (rc < 0)
		return call_failed(dev, &c, rc, NULL);
	if (!len)
		return append_nothing(&a, off, where);
	rc = append_once(&a);
	if (rc < 0)
		return call_failed(dev, &c, rc, rc == -EINVAL ? bad_place(&a) : NULL);
	return append_done(&a, &c, a.pos, a.len, where);
}

/* ---- from several ------------------------------------------------------------------------ */

/* A place in a row of buffers. */
struct gather {
	const struct iovec *iov;
	size_t skip; /* bytes of *iov that are done */
};

/* Puts len bytes, which are there, into buf. */
static void gather_take(struct gather *g, uint8_t *buf, size_t len)
{
	while (len) {
		size_t n = (size_t)min_u64(len, g->iov->iov_len - g->skip);

		if (n)
			memcpy(buf, (const uint8_t *)g->iov->iov_base + g->skip, n);
		buf += n;
		len -= n;
		g->skip += n;
		if (g->skip == g->iov->iov_len)
			*g = (struct gather){ g->iov + 1, 0 };
	}
}

/* The whole row in pieces, which nothing comes between as the stripe is held. *written is what has
 * been, also on failure; *pos where the first piece went. [stripe] */
static int append_pieces(struct append *a, struct gather *g, uint8_t *buf, uint64_t *pos,
			 uint64_t *written)
{
	struct zq_writer own = { 0 };
	uint64_t left = a->len;

	if (!a->w)
		a->w = &own;
	a->buf = buf;
	while (left) {
		uint64_t piece = min_u64(left, GATHER_BYTES);
		int rc;

		a->len = piece;
		gather_take(g, buf, (size_t)piece);
		rc = append_locked(a);
		if (rc < 0)
			return rc;
		if (!*written)
			*pos = a->pos;
		*written += a->len;
		left = a->len < piece ? 0 : left - piece; /* shortened: the zone is full */
		/* the others go behind the first, wherever that was */
		a->flags = (a->flags | ZQ_WRITE_APPEND) & ~(unsigned)ZQ_WRITE_WAIT;
	}
	return 0;
}

static ssize_t append_row(struct append *a, const struct call *c, const struct iovec *iov,
			  uint64_t *where)
{
	struct zone_stripe *s = zone_stripe(a->dev, a->zone);
	uint8_t *buf CLEANUP_FREE = malloc((size_t)min_u64(a->len, GATHER_BYTES));
	struct gather g = { iov, 0 };
	uint64_t pos = 0, written = 0;
	int rc;

	if (!buf)
		return call_failed(a->dev, c, -ENOMEM, NULL);
	pthread_mutex_lock(&s->lock);
	rc = append_pieces(a, &g, buf, &pos, &written);
	pthread_cond_broadcast(&s->cond);
	pthread_mutex_unlock(&s->lock);
	if (!written)
		return call_failed(a->dev, c, rc, rc == -EINVAL ? bad_place(a) : NULL);
	return append_done(a, c, pos, written, where);
}

ssize_t zq_appendv(struct zq_device *dev, uint32_t zone, struct zq_writer *w, uint64_t off,
		   const struct iovec *iov, int niov, unsigned flags, uint64_t *where)
{
	struct append a = { .dev = dev, .zone = zone, .w = w, .flags = flags };
	struct call c = { "append", zone, off, 0 };
	const char *why;
	int rc = device_enter(dev);

	if (where)
		*where = ZQ_NOWHERE;
	if (rc < 0)
		return rc;
	why = bad_argument(&a);
	if (!why && iovec_length(iov, niov, &c.len) < 0)
		why = "bad buffers";
	if (why)
		return call_failed(dev, &c, -EINVAL, why);
	if (niov == 1)
		return zq_append(dev, zone, w, off, iov->iov_base, iov->iov_len, flags, where);
	rc = take_extent(&a, off, c.len);
	if (rc < 0)
		return call_failed(dev, &c, rc, NULL);
	if (!c.len)
		return append_nothing(&a, off, where);
	if (append_whole_blocks(&a) && !is_aligned(a.len, ZQ_BLOCK))
		return call_failed(dev, &c, -EINVAL, "not in whole blocks");
	return append_row(&a, &c, iov, where);
}

/* ---- whose padding it is ----------------------------------------------------------------- */

static bool may_ask(struct zq_device *dev, uint32_t zone, const struct zq_writer *w)
{
	return device_enter(dev) == 0 && zone < dev->geo.nr_zones && w;
}

bool zq_writer_end(struct zq_device *dev, uint32_t zone, const struct zq_writer *w, uint64_t *end)
{
	if (!end || !may_ask(dev, zone, w))
		return false;
	SCOPE_LOCK(&zone_stripe(dev, zone)->lock);
	if (!zone_last_was(&dev->zones[zone], w->stamp))
		return false;
	*end = w->end - zq_zone_start(&dev->geo, zone);
	return true;
}

bool zq_settle(struct zq_device *dev, uint32_t zone, const struct zq_writer *w, uint64_t end)
{
	struct zone *z;

	if (!may_ask(dev, zone, w))
		return false;
	SCOPE_LOCK(&zone_stripe(dev, zone)->lock);
	z = &dev->zones[zone];
	if (!zone_last_was(z, w->stamp) || w->end != zq_zone_start(&dev->geo, zone) + end)
		return false;
	z->tail_pad = 0;
	return true;
}
