/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a disk that lies in one file. Takes no lock: other programs lock raw disks in no
 * way that could be asked for.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "convert/flat.h"
#include "util/math.h"
#include "io/io.h"

struct flat_source {
	struct disk_source base;
	struct zq_io *io;
	struct stat st, table; /* of the bytes, and of what tells the zones */
};

static struct flat_source *flat_of(struct disk_source *s)
{
	return (struct flat_source *)s;
}

static int flat_read(struct disk_source *s, uint32_t zone, uint64_t off, void *buf, size_t len)
{
	return io_pread(flat_of(s)->io, buf, len, zq_zone_start(&s->geo, zone) + off);
}

/* Where the host cannot tell holes, all of it is data. */
static int flat_status(struct disk_source *s, uint32_t zone, uint64_t off, uint64_t len, bool *data,
		       uint64_t *run)
{
	struct zq_io *io = flat_of(s)->io;
	uint64_t at = zq_zone_start(&s->geo, zone) + off, next;
	int ret = io_seek(io, at, false, &next);

	*data = true;
	*run = len;
	if (ret == -ENXIO) { /* a hole to the end */
		*data = false;
		return 0;
	}
	if (ret < 0)
		return ret == -EOPNOTSUPP || ret == -EINVAL ? 0 : ret;
	if (next > at) {
		*data = false;
		*run = min_u64(len, next - at);
		return 0;
	}
	ret = io_seek(io, at, true, &next);
	if (!ret && next > at)
		*run = min_u64(len, next - at);
	return 0;
}

static void flat_close(struct disk_source *s)
{
	io_close(flat_of(s)->io);
}

static bool flat_uses(const struct disk_source *s, const char *path)
{
	const struct flat_source *f = (const struct flat_source *)s;
	struct stat st;

	return !stat(path, &st) && ((st.st_dev == f->st.st_dev && st.st_ino == f->st.st_ino) ||
				    (st.st_dev == f->table.st_dev && st.st_ino == f->table.st_ino));
}

static const struct disk_source_ops flat_ops = {
	.read = flat_read,
	.status = flat_status,
	.close = flat_close,
	.uses = flat_uses,
};

static int open_bytes(struct flat_source *f, const char *path, struct zq_error *err)
{
	uint64_t size = 0;
	int ret;

	if (stat(path, &f->st))
		return zq_fail(err, -errno, "%s: %s", path, strerror(errno));
	ret = zq_io_open(path, false, &f->io, err);
	if (ret)
		return ret;
	ret = io_size(f->io, &size);
	if (ret)
		return zq_fail(err, ret, "%s: %s", path, strerror(-ret));
	if (size != f->base.geo.size)
		return zq_fail(err, -EINVAL, "%s: has %" PRIu64 " bytes, its zones %" PRIu64, path,
			       size, f->base.geo.size);
	return 0;
}

int flat_source_open(const char *path, const struct zone_table *t, enum zq_disk_format format,
		     struct disk_source **s, struct zq_error *err)
{
	struct flat_source *f = calloc(1, sizeof(*f));
	int ret;

	if (!f)
		return zq_fail(err, -ENOMEM, "out of memory");
	f->base.ops = &flat_ops;
	f->base.name = path;
	f->base.format = format;
	(void)stat(t->name, &f->table); /* a pipe may be gone */
	ret = zone_table_finish(t, &f->base, err);
	if (!ret)
		ret = open_bytes(f, path, err);
	if (ret) {
		disk_source_close(&f->base);
		return ret;
	}
	*s = &f->base;
	return 0;
}
