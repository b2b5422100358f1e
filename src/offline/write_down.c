/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an overlay holds, into its base: zone by zone, whatever the clusters of the two are. Only
 * ranges that the overlay hides are touched, until all of them are on disk; then the pointers.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "offline/commit_overlay.h"
#include "util/cleanup.h"
#include "util/math.h"

#define PIECE_BYTES (UINT64_C(2) << 20)

struct writing {
	struct qcow2_image *over, *base;
	const struct zq_geometry *geo;
	const struct zq_commit_opts *o;
	struct zq_commit_result *res;
	uint8_t *buf; /* PIECE_BYTES */
	struct zq_error *err;
};

static int blame(struct writing *w, int ret, const struct qcow2_image *img)
{
	return ret ? zq_fail(w->err, ret, "%s: %s", qcow2_name(img), strerror(-ret)) : 0;
}

static int ask_to_go_on(struct writing *w, uint64_t off)
{
	double done = (double)off / (double)w->geo->size;

	if (!w->o->progress || !w->o->progress(w->o->data, done))
		return 0;
	return zq_fail(w->err, -ECANCELED,
		       "%s: interrupted; it shows its disk as before, and the next commit goes on",
		       qcow2_name(w->over));
}

static int zero_range(struct writing *w, uint64_t off, uint64_t len)
{
	w->res->zeroed += len;
	return blame(w, qcow2_zero(w->base, off, len), w->base);
}

static int copy_range(struct writing *w, uint32_t zone, uint64_t off, uint64_t len)
{
	struct qcow2_write out = {
		.off = off,
		.buf = w->buf,
		.len = (size_t)len,
		.zero_end = off + len,
		.stream = zone,
	};
	int ret = blame(w, qcow2_read(w->over, off, w->buf, (size_t)len), w->over);

	if (!ret)
		ret = blame(w, qcow2_write(w->base, &out), w->base);
	w->res->written += len;
	return ret;
}

/* What the overlay has at off, up to end; *len tells how far. Behind "written", where a pointer
 * shows nothing, whatever it has is as good as zeros. */
static int next_range(struct writing *w, uint64_t off, uint64_t end, uint64_t written,
		      enum qcow2_own *own, uint64_t *len)
{
	uint64_t stop = off < written ? written : end;
	int ret = blame(w, qcow2_own_status(w->over, off, stop - off, own, len), w->over);

	if (!ret && *own == QCOW2_OWN_DATA && off >= written)
		*own = QCOW2_OWN_ZERO;
	if (!ret && *own == QCOW2_OWN_DATA) /* pieces end where large clusters do */
		*len = min_u64(*len, PIECE_BYTES - off % PIECE_BYTES);
	return ret;
}

static int write_zone_down(struct writing *w, uint32_t zone)
{
	uint64_t off = zq_zone_start(w->geo, zone), end = off + zq_zone_len(w->geo, zone);
	uint64_t written = off + qcow2_wp_written(w->over, zone), len;
	int ret = 0;

	/* an empty zone shows nothing, whatever the two have there */
	if (off == written && qcow2_wp_written(w->base, zone))
		return zero_range(w, off, end - off);
	for (; off < end && !ret; off += len) {
		enum qcow2_own own = QCOW2_OWN_NONE;

		ret = ask_to_go_on(w, off);
		if (!ret)
			ret = next_range(w, off, end, written, &own, &len);
		if (ret)
			return ret;
		if (own == QCOW2_OWN_ZERO)
			ret = zero_range(w, off, len);
		else if (own == QCOW2_OWN_DATA)
			ret = copy_range(w, zone, off, len);
	}
	return ret;
}

/* A finished zone stands where the base's layout wants it. */
static void move_pointer(struct writing *w, uint32_t zone)
{
	enum qcow2_wp_kind kind;
	uint64_t start = zq_zone_start(w->geo, zone);
	uint64_t want = min_u64(qcow2_wp_now(w->over, zone), qcow2_wp_finished(w->base, zone));
	uint64_t is = qcow2_wp_get(w->base, zone, &kind);

	if (is == want && kind != QCOW2_WP_CORRUPT)
		return;
	w->res->moved++;
	if (want < is || kind == QCOW2_WP_CORRUPT)
		qcow2_wp_back(w->base, zone);
	if (want > start)
		qcow2_wp_forward(w->base, zone, want);
}

/* A commit frees clusters at its end, which the next one writes down. */
static int commit_base(struct writing *w)
{
	int ret = qcow2_commit(w->base);

	for (int n = 0; n < 3 && !ret && qcow2_dirty(w->base); n++)
		ret = qcow2_commit(w->base);
	return blame(w, ret, w->base);
}

static int write_all_down(struct writing *w)
{
	int ret = 0;

	for (uint32_t zone = 0; zone < w->geo->nr_zones && !ret; zone++) {
		ret = write_zone_down(w, zone);
		qcow2_stream_release(w->base, zone);
	}
	if (!ret)
		ret = blame(w, qcow2_commit(w->base), w->base);
	if (ret)
		return ret;
	for (uint32_t zone = w->geo->nr_conv; zone < w->geo->nr_zones; zone++)
		move_pointer(w, zone);
	return commit_base(w);
}

int write_down(struct qcow2_image *over, const struct zq_commit_opts *o,
	       struct zq_commit_result *res, struct zq_error *err)
{
	uint8_t *buf CLEANUP_FREE = malloc(PIECE_BYTES);
	struct writing w = {
		.over = over,
		.base = qcow2_base(over),
		.geo = &qcow2_zoned(over)->geo,
		.o = o,
		.res = res,
		.buf = buf,
		.err = err,
	};

	return buf ? write_all_down(&w) : zq_fail(err, -ENOMEM, "out of memory");
}
