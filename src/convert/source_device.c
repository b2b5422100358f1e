/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A zoned block device of the host, only for reading. Its zones come from the kernel's report,
 * its limits from sysfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/blkzoned.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "convert/formats.h"
#include "convert/flat.h"
#include "util/cleanup.h"

#define ZONES_AT_ONCE 512u
#define SECTOR	      512u

/* Kernels before 5.9 tell no capacity; the size is it then. */
static uint64_t device_capacity(const struct blk_zone_report *rep, const struct blk_zone *z)
{
	return rep->flags & BLK_ZONE_REP_CAPACITY ? z->capacity : z->len;
}

static int add_zones(const struct blk_zone_report *rep, struct zone_table *t, struct zq_error *err)
{
	int ret = 0;

	for (uint32_t i = 0; i < rep->nr_zones && !ret; i++) {
		const struct blk_zone *z = &rep->zones[i];
		int state = zone_state_from_cond(z->cond);
		struct table_row row = {
			.start = z->start * SECTOR,
			.len = z->len * SECTOR,
			.capacity = device_capacity(rep, z) * SECTOR,
			.wp = z->wp * SECTOR,
			.conventional = z->type == BLK_ZONE_TYPE_CONVENTIONAL,
		};

		if (state < 0)
			return zq_fail(err, -EINVAL, "%s: zone %zu has the unknown condition %u",
				       t->name, t->nr, z->cond);
		row.state = (enum zq_zone_state)state;
		ret = zone_table_add(t, &row, err);
	}
	return ret;
}

static int report_device(int fd, struct zone_table *t, struct zq_error *err)
{
	size_t bytes = sizeof(struct blk_zone_report) + ZONES_AT_ONCE * sizeof(struct blk_zone);
	struct blk_zone_report *rep CLEANUP_FREE = malloc(bytes);
	uint64_t sector = 0;
	int ret = 0;

	if (!rep)
		return zq_fail(err, -ENOMEM, "out of memory");
	do {
		const struct blk_zone *last;

		memset(rep, 0, bytes);
		rep->sector = sector;
		rep->nr_zones = ZONES_AT_ONCE;
		if (ioctl(fd, BLKREPORTZONE, rep))
			return zq_fail(err, -errno, "%s: the kernel reports no zones: %s", t->name,
				       strerror(errno));
		if (!rep->nr_zones)
			break;
		ret = add_zones(rep, t, err);
		last = &rep->zones[rep->nr_zones - 1];
		if (last->start + last->len <= sector)
			break;
		sector = last->start + last->len;
	} while (!ret);
	return ret;
}

/* A limit in sysfs; 0, no limit, where the kernel does not tell it. */
static uint32_t device_limit(const struct stat *st, const char *what)
{
	char path[96];
	unsigned value = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/queue/%s", major(st->st_rdev),
		 minor(st->st_rdev), what);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%u", &value) != 1)
		value = 0;
	fclose(f);
	return value;
}

int source_open_device(const char *path, const struct zq_convert_opts *opts, struct disk_source **s,
		       struct zq_error *err)
{
	int fd CLEANUP_CLOSE = open(path, O_RDONLY | O_CLOEXEC);
	struct zone_table t = { .name = path };
	uint32_t zone_sectors = 0;
	struct stat st;
	int ret;

	(void)opts;
	if (fd < 0 || fstat(fd, &st))
		return zq_fail(err, -errno, "%s: %s", path, strerror(errno));
	if (ioctl(fd, BLKGETZONESZ, &zone_sectors) || !zone_sectors)
		return zq_fail(err, -EINVAL,
			       "%s: is not a zoned block device (a zone report can be named, for "
			       "a raw disk)",
			       path);
	t.max_open = device_limit(&st, "max_open_zones");
	t.max_active = device_limit(&st, "max_active_zones");
	ret = report_device(fd, &t, err);
	if (!ret)
		ret = flat_source_open(path, &t, ZQ_DISK_DEVICE, s, err);
	zone_table_free(&t);
	return ret;
}
