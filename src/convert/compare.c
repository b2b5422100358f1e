/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zq_compare: zone by zone, first what the tables say, then the bytes. Holes on both sides are
 * passed over; a hole equals zeros.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert/disk.h"
#include "convert/formats.h"
#include "util/math.h"
#include "util/cleanup.h"

#define COMPARE_BYTES (UINT64_C(1) << 20)

struct comparison {
	struct disk_source *a, *b;
	void (*found)(void *data, const struct zq_difference *d);
	void *data;
	const struct zq_convert_opts *opts; /* of the first one: whom to tell how far it is */
	uint64_t total, done;		    /* bytes below both pointers */
	uint8_t *buf_a, *buf_b;		    /* COMPARE_BYTES each */
	bool differ;
};

static void report_difference(struct comparison *c, struct zq_difference *d)
{
	d->nr_conv = c->a->geo.nr_conv;
	c->differ = true;
	if (c->found)
		c->found(c->data, d);
}

static void compare_numbers(struct comparison *c, uint32_t zone, const char *what, uint64_t a,
			    uint64_t b)
{
	struct zq_difference d = { .zone = zone, .what = what };

	if (a == b)
		return;
	snprintf(d.a, sizeof(d.a), "%" PRIu64, a);
	snprintf(d.b, sizeof(d.b), "%" PRIu64, b);
	report_difference(c, &d);
}

static void compare_geometry(struct comparison *c, bool strict)
{
	const struct zq_geometry *a = &c->a->geo, *b = &c->b->geo;

	compare_numbers(c, UINT32_MAX, "size", a->size, b->size);
	compare_numbers(c, UINT32_MAX, "zone size", a->zone_size, b->zone_size);
	compare_numbers(c, UINT32_MAX, "zone capacity", a->zone_capacity, b->zone_capacity);
	compare_numbers(c, UINT32_MAX, "conventional zones", a->nr_conv, b->nr_conv);
	if (!strict)
		return;
	compare_numbers(c, UINT32_MAX, "open zones at most", a->max_open, b->max_open);
	compare_numbers(c, UINT32_MAX, "active zones at most", a->max_active, b->max_active);
}

/* The state as an image keeps it: open zones come back closed, read-only ones as their pointer
 * tells. */
static enum zq_zone_state lasting_state(const struct disk_source *s, uint32_t zone)
{
	const struct disk_zone *z = &s->zone[zone];

	switch (z->state) {
	case ZQ_IMPLICIT_OPEN:
	case ZQ_EXPLICIT_OPEN:
	case ZQ_CLOSED:
	case ZQ_READ_ONLY:
		if (z->written == zq_zone_cap(&s->geo, zone))
			return ZQ_FULL;
		return z->written ? ZQ_CLOSED : ZQ_EMPTY;
	default:
		return (enum zq_zone_state)z->state;
	}
}

static void compare_states(struct comparison *c, uint32_t zone)
{
	enum zq_zone_state a = lasting_state(c->a, zone);
	enum zq_zone_state b = lasting_state(c->b, zone);
	struct zq_difference d = { .zone = zone, .what = "state" };

	if (a != b) {
		snprintf(d.a, sizeof(d.a), "%s", zq_state_name(a));
		snprintf(d.b, sizeof(d.b), "%s", zq_state_name(b));
		report_difference(c, &d);
	}
	compare_numbers(c, zone, "write pointer", c->a->zone[zone].written,
			c->b->zone[zone].written);
}

static int read_side(struct disk_source *s, uint32_t zone, uint64_t off, uint8_t *buf, size_t len,
		     bool hole, struct zq_error *err)
{
	int ret = 0;

	if (hole)
		memset(buf, 0, len);
	else
		ret = s->ops->read(s, zone, off, buf, len);
	return ret ? zq_fail(err, ret, "%s: %s", s->name, strerror(-ret)) : 0;
}

/* The next run that both sides tell alike, at most COMPARE_BYTES where there is data. */
static int next_alike(struct comparison *c, uint32_t zone, uint64_t off, uint64_t left,
		      bool *data_a, bool *data_b, uint64_t *run, struct zq_error *err)
{
	uint64_t run_b;
	int ret = c->a->ops->status(c->a, zone, off, left, data_a, run);

	if (ret)
		return zq_fail(err, ret, "%s: %s", c->a->name, strerror(-ret));
	ret = c->b->ops->status(c->b, zone, off, left, data_b, &run_b);
	if (ret)
		return zq_fail(err, ret, "%s: %s", c->b->name, strerror(-ret));
	*run = min_u64(*run, run_b);
	if (*data_a || *data_b)
		*run = min_u64(*run, COMPARE_BYTES);
	return 0;
}

static void report_data(struct comparison *c, uint32_t zone, uint64_t off, size_t len)
{
	struct zq_difference d = { .zone = zone, .what = "data" };
	size_t i = 0;

	while (i < len && c->buf_a[i] == c->buf_b[i])
		i++;
	d.offset = zq_zone_start(&c->a->geo, zone) + off + i;
	snprintf(d.a, sizeof(d.a), "0x%02x", c->buf_a[i]);
	snprintf(d.b, sizeof(d.b), "0x%02x", c->buf_b[i]);
	report_difference(c, &d);
}

static int tell_progress(struct comparison *c, uint64_t run, struct zq_error *err)
{
	c->done += run;
	if (!c->opts->progress)
		return 0;
	if (!c->opts->progress(c->opts->data, (double)c->done / (double)c->total))
		return 0;
	return zq_fail(err, -ECANCELED, "%s: interrupted", c->a->name);
}

static uint64_t common_bytes(const struct comparison *c, uint32_t zone)
{
	return min_u64(c->a->zone[zone].written, c->b->zone[zone].written);
}

/* The first difference in a zone's bytes, as far as both have written. */
static int compare_data(struct comparison *c, uint32_t zone, struct zq_error *err)
{
	uint64_t end = common_bytes(c, zone);

	for (uint64_t off = 0, run = 0; off < end; off += run) {
		bool data_a, data_b;
		int ret = next_alike(c, zone, off, end - off, &data_a, &data_b, &run, err);

		if (ret)
			return ret;
		if (!data_a && !data_b) {
			c->done += run;
			continue;
		}
		ret = read_side(c->a, zone, off, c->buf_a, (size_t)run, !data_a, err);
		if (!ret)
			ret = read_side(c->b, zone, off, c->buf_b, (size_t)run, !data_b, err);
		if (ret)
			return ret;
		if (memcmp(c->buf_a, c->buf_b, (size_t)run)) {
			report_data(c, zone, off, (size_t)run);
			return tell_progress(c, end - off, err);
		}
		ret = tell_progress(c, run, err);
		if (ret)
			return ret;
	}
	return 0;
}

static int compare_disks(struct comparison *c, bool strict, struct zq_error *err)
{
	const struct zq_geometry *a = &c->a->geo, *b = &c->b->geo;
	int ret = 0;

	compare_geometry(c, strict);
	/* with other zones there is nothing that could be held side by side */
	if (a->size != b->size || a->zone_size != b->zone_size || a->nr_conv != b->nr_conv)
		return 1;
	for (uint32_t i = 0; i < a->nr_zones; i++)
		c->total += common_bytes(c, i);
	for (uint32_t i = 0; i < a->nr_zones && !ret; i++) {
		compare_states(c, i);
		ret = compare_data(c, i, err);
	}
	return ret ? ret : c->differ;
}

int zq_compare_sized(const char *a, const struct zq_convert_opts *oa, const char *b,
		     const struct zq_convert_opts *ob, size_t opts_size, size_t create_size,
		     bool strict, void (*found)(void *data, const struct zq_difference *d),
		     void *data, struct zq_error *err)
{
	struct disk_opts opts_a, opts_b;
	uint8_t *buf CLEANUP_FREE = malloc(2 * COMPARE_BYTES);
	struct comparison c = { .found = found, .data = data, .buf_a = buf };
	int ret;

	if (!buf)
		return zq_fail(err, -ENOMEM, "out of memory");
	c.buf_b = buf + COMPARE_BYTES;
	c.opts = &opts_a.convert;
	ret = disk_take_opts(&opts_a, oa, opts_size, create_size, err);
	if (!ret)
		ret = disk_take_opts(&opts_b, ob, opts_size, create_size, err);
	if (!ret && (!a || !b || !found))
		ret = zq_fail(err, -EINVAL, "two disks and a function for differences are needed");
	if (!ret)
		ret = disk_source_open(a, &opts_a.convert, &c.a, err);
	if (!ret)
		ret = disk_source_open(b, &opts_b.convert, &c.b, err);
	if (!ret)
		ret = compare_disks(&c, strict, err);
	disk_source_close(c.a);
	disk_source_close(c.b);
	return ret;
}
