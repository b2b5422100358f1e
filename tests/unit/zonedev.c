/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "zone/zone.h"
#include "zonedev.h"

static void zonedev_keep_line(void *data, int priority, const char *line)
{
	struct zonedev *z = data;

	z->nr_logged++;
	z->priority = priority;
	z->nr_critical += priority == LOG_CRIT;
	snprintf(z->logged, sizeof(z->logged), "%s", line);
}

void zonedev_init(struct zonedev *z)
{
	memset(z, 0, sizeof(*z));
	z->p = image_params();
	z->p.geo.zone_capacity = 48 << 10;
	z->opts.log = zonedev_keep_line;
	z->opts.log_data = z;
}

static void zonedev_open_device(struct zonedev *z)
{
	struct zq_error err = { "" };
	int rc = zq_open_device_io(memio_open(z->m, "mem", true), &z->opts, &z->dev, &err);

	ck_assert_msg(rc == 0, "open: %d %s", rc, err.msg);
}

void zonedev_create(struct zonedev *z)
{
	z->m = image_file_make(&z->p, "mem", NULL);
	zonedev_open_device(z);
}

void zonedev_reopen(struct zonedev *z)
{
	if (z->dev)
		ck_assert_int_eq(zq_close_device(z->dev), 0);
	zonedev_open_device(z);
}

void zonedev_free(struct zonedev *z)
{
	if (z->dev)
		zq_close_device(z->dev);
	memio_free(z->m);
}

struct zq_zone_info zonedev_zone(struct zonedev *z, uint32_t zone)
{
	struct zq_zone_info info;

	ck_assert_int_eq(zq_report(z->dev, zone, 1, &info), 0);
	return info;
}

enum zq_zone_state zonedev_state(struct zonedev *z, uint32_t zone)
{
	return zonedev_zone(z, zone).state;
}

uint64_t zonedev_written(struct zonedev *z, uint32_t zone)
{
	return zonedev_zone(z, zone).written;
}

static bool takes_data(const struct zq_zone_info *i)
{
	return i->state == ZQ_EMPTY || i->state == ZQ_IMPLICIT_OPEN ||
	       i->state == ZQ_EXPLICIT_OPEN || i->state == ZQ_CLOSED;
}

void zonedev_check_counts(struct zonedev *z)
{
	uint32_t n = z->p.geo.nr_zones, by_state[ZQ_NR_STATES] = { 0 };
	struct zq_zone_info *info = calloc(n, sizeof(*info));
	uint64_t unwritten = 0, usable = 0;
	struct zq_counts c;

	ck_assert_int_eq(zq_report(z->dev, 0, n, info), 0);
	for (uint32_t i = 0; i < n; i++) {
		by_state[info[i].state]++;
		usable += info[i].capacity;
		if (takes_data(&info[i]))
			unwritten += info[i].capacity - info[i].written;
	}
	free(info);
	zq_get_counts(z->dev, &c);
	for (unsigned i = 0; i < ZQ_NR_STATES; i++)
		ck_assert_msg(c.by_state[i] == by_state[i], "%s: counted %u, reported %u",
			      zq_state_name((enum zq_zone_state)i), c.by_state[i], by_state[i]);
	ck_assert_uint_eq(c.unwritten, unwritten);
	ck_assert_uint_eq(c.usable, usable);
	ck_assert_uint_eq(c.active, by_state[ZQ_IMPLICIT_OPEN] + by_state[ZQ_EXPLICIT_OPEN] +
					    by_state[ZQ_CLOSED]);
	if (z->p.geo.max_active)
		ck_assert_uint_le(c.active, z->p.geo.max_active);
	if (z->p.geo.max_open)
		ck_assert_uint_le(by_state[ZQ_IMPLICIT_OPEN] + by_state[ZQ_EXPLICIT_OPEN],
				  z->p.geo.max_open);
}

ssize_t zonedev_append(struct zonedev *z, uint32_t zone, int fill, size_t len)
{
	char *buf = malloc(len);
	ssize_t rc;

	memset(buf, fill, len);
	rc = zq_append(z->dev, zone, NULL, 0, buf, len, ZQ_WRITE_APPEND, NULL);
	free(buf);
	return rc;
}

void zonedev_expect(struct zonedev *z, uint32_t zone, uint64_t off, size_t len, int fill)
{
	unsigned char *buf = malloc(len);

	memset(buf, fill ^ 0xff, len);
	ck_assert_int_eq(zq_read(z->dev, zone, off, buf, len), (ssize_t)len);
	for (size_t i = 0; i < len; i++)
		ck_assert_msg(buf[i] == (unsigned char)fill, "zone %u byte %zu: %#x, not %#x", zone,
			      (size_t)off + i, buf[i], (unsigned char)fill);
	free(buf);
}

void zonedev_poke_wp(struct zonedev *z, uint32_t zone, uint64_t word)
{
	uint64_t table = qcow2_zoned(z->dev->img)->table_offset;

	ck_assert_int_eq(zq_close_device(z->dev), 0);
	z->dev = NULL;
	image_put(z->m, table + zone * 8, 8, word);
}
