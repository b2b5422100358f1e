/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The volatile write cache: its file, its zones, and reads. Owns the struct wcache of a device.
 */
#include "zone/wcache.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/io.h"
#include "util/cleanup.h"
#include "util/math.h"

#define NAME_TRIES 100u

/* ---- the file ------------------------------------------------------------------------------ */

/* A new file whose name is gone before anything is in it. -EEXIST: try another name. */
static int nameless_file(const char *before, unsigned n, struct zq_io **io, struct zq_error *err)
{
	char *path CLEANUP_FREE = NULL;
	int rc;

	if (asprintf(&path, "%s.powercut-%ld-%u", before, (long)getpid(), n) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	rc = zq_io_create(path, io, err);
	if (rc == 0 && unlink(path) < 0) {
		rc = zq_fail(err, -errno, "%s: %s", path, strerror(errno));
		io_close(*io);
	}
	return rc;
}

static int file_before(const char *before, struct zq_io **io, struct zq_error *err)
{
	int rc = -EEXIST;

	for (unsigned n = 0; n < NAME_TRIES && rc == -EEXIST; n++)
		rc = nameless_file(before, n, io, err);
	return rc;
}

/* Beside the image, whose disk has the room for it; else, and for a device, where large temporary
 * files go. */
static int make_file(const char *image, struct zq_io **io, struct zq_error *err)
{
	const char *dir = getenv("TMPDIR");
	char *other CLEANUP_FREE = NULL;
	struct stat st;

	if (stat(image, &st) == 0 && S_ISREG(st.st_mode) && file_before(image, io, err) == 0)
		return 0;
	if (asprintf(&other, "%s/zqfs", dir && *dir == '/' ? dir : "/var/tmp") < 0) {
		other = NULL;
		return -ENOMEM;
	}
	return file_before(other, io, err);
}

/* ---- opening and closing ------------------------------------------------------------------- */

static void free_zone(struct wcache_zone *z)
{
	if (z)
		free(z->grains);
	free(z);
}

void wcache_close(struct zq_device *dev)
{
	struct wcache *c = dev->wcache;

	if (!c)
		return;
	for (uint32_t i = 0; c->zones && i < dev->geo.nr_zones; i++)
		free_zone(atomic_load(&c->zones[i]));
	io_close(c->io);
	pthread_mutex_destroy(&c->lock);
	free(c->zones);
	free(c->buf);
	free(c);
	dev->wcache = NULL;
}

void wcache_abandon(struct wcache *c)
{
	if (c)
		io_close(c->io);
	if (c)
		c->io = NULL;
}

int wcache_open(struct zq_device *dev, struct zq_error *err)
{
	struct wcache *c;
	int rc;

	if (!dev->opts.powercut || dev->readonly)
		return 0;
	c = dev->wcache = calloc(1, sizeof(*c));
	if (!c)
		return zq_fail(err, -ENOMEM, "out of memory");
	pthread_mutex_init(&c->lock, NULL);
	c->seeded = dev->opts.powercut_seed != 0;
	c->random = dev->opts.powercut_seed;
	c->zones = calloc(dev->geo.nr_zones, sizeof(*c->zones));
	c->buf = malloc(WCACHE_CHUNK);
	if (!c->zones || !c->buf)
		rc = zq_fail(err, -ENOMEM, "out of memory for %u zones", dev->geo.nr_zones);
	else
		rc = make_file(qcow2_name(dev->img), &c->io, err);
	if (rc < 0)
		wcache_close(dev);
	return rc;
}

/* ---- zones ---------------------------------------------------------------------------------- */

static struct wcache_zone *new_zone(const struct zq_device *dev, uint32_t zone)
{
	struct wcache_zone *z = calloc(1, sizeof(*z));
	uint64_t grains = wcache_nr_grains(zq_zone_len(&dev->geo, zone));

	if (z && zq_zone_is_conv(&dev->geo, zone)) {
		z->grains = calloc((size_t)(grains / 8 + 1), 1);
		if (!z->grains) {
			free(z);
			return NULL;
		}
	}
	return z;
}

struct wcache_zone *wcache_zone(struct zq_device *dev, uint32_t zone)
{
	struct wcache_zone *z = atomic_load(&dev->wcache->zones[zone]);

	if (!z) {
		z = new_zone(dev, zone);
		atomic_store(&dev->wcache->zones[zone], z);
	}
	return z;
}

struct wcache_zone *wcache_pending(const struct zq_device *dev, uint32_t zone)
{
	struct wcache_zone *z = atomic_load(&dev->wcache->zones[zone]);

	return z && atomic_load(&z->pending) ? z : NULL;
}

/* splitmix64 */
uint64_t wcache_draw(struct wcache *c, uint64_t n)
{
	uint64_t x = c->random += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (x ^ x >> 31) % n;
}

/* ---- what is where --------------------------------------------------------------------------- */

/* at, len: within the zone. */
static enum wcache_place where_conv(const struct wcache_zone *z, uint64_t at, uint64_t len,
				    uint64_t *run)
{
	bool cached = wcache_has_grain(z, at / WCACHE_GRAIN);
	uint64_t end = align_down(at, WCACHE_GRAIN) + WCACHE_GRAIN;

	while (end < at + len && wcache_has_grain(z, end / WCACHE_GRAIN) == cached)
		end += WCACHE_GRAIN;
	*run = min_u64(end - at, len);
	return cached ? WCACHE_FILE : WCACHE_IMAGE;
}

static enum wcache_place where_seq(const struct wcache_zone *z, uint64_t off, uint64_t len,
				   uint64_t *run)
{
	*run = len;
	if (off < z->from) {
		*run = min_u64(len, z->from - off);
		return WCACHE_IMAGE;
	}
	if (off < z->end) {
		*run = min_u64(len, z->end - off);
		return WCACHE_FILE;
	}
	return WCACHE_ZEROS;
}

enum wcache_place wcache_where(const struct zq_device *dev, uint64_t off, uint64_t len,
			       uint64_t *run)
{
	uint32_t zone = (uint32_t)(off / dev->geo.zone_size);
	uint64_t start = zq_zone_start(&dev->geo, zone);
	const struct wcache_zone *z = wcache_pending(dev, zone);

	len = min_u64(len, start + zq_zone_len(&dev->geo, zone) - off);
	*run = len;
	if (!z)
		return WCACHE_IMAGE;
	return z->grains ? where_conv(z, off - start, len, run) : where_seq(z, off, len, run);
}

/* ---- reads ----------------------------------------------------------------------------------- */

static int read_run(struct zq_device *dev, enum wcache_place where, uint64_t off, void *buf,
		    size_t len)
{
	switch (where) {
	case WCACHE_FILE:
		return io_pread(dev->wcache->io, buf, len, off);
	case WCACHE_ZEROS:
		memset(buf, 0, len);
		return 0;
	case WCACHE_IMAGE:
		break;
	}
	return qcow2_read(dev->img, off, buf, len);
}

int wcache_read(struct zq_device *dev, uint64_t off, void *buf, size_t len)
{
	uint8_t *to = buf;
	int rc = 0;

	SCOPE_LOCK(&dev->wcache->lock);
	while (len && rc == 0) {
		uint64_t run;
		enum wcache_place where = wcache_where(dev, off, len, &run);

		rc = read_run(dev, where, off, to, (size_t)run);
		off += run;
		to += run;
		len -= (size_t)run;
	}
	return rc;
}

/* Where zeros were asked for the file has a hole. */
static bool file_has_data(const struct wcache *c, uint64_t off, uint64_t *run)
{
	uint64_t next = 0;
	int rc = io_seek(c->io, off, false, &next);

	if (rc == -ENXIO)
		return false;
	if (rc == 0 && next > off) {
		*run = min_u64(*run, next - off);
		return false;
	}
	if (io_seek(c->io, off, true, &next) == 0 && next > off)
		*run = min_u64(*run, next - off);
	return true;
}

int cached_status(struct zq_device *dev, uint64_t off, uint64_t len, bool *data, uint64_t *run)
{
	enum wcache_place where;

	if (!dev->wcache)
		return qcow2_block_status(dev->img, off, len, data, run);
	SCOPE_LOCK(&dev->wcache->lock);
	where = wcache_where(dev, off, len, run);
	if (where == WCACHE_IMAGE)
		return qcow2_block_status(dev->img, off, *run, data, run);
	*data = where == WCACHE_FILE && file_has_data(dev->wcache, off, run);
	return 0;
}
