/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A folder with a file for each zone: a mount of zqfs or of the kernel's zonefs, or the files
 * of zloop. Sizes of zones come from, in this order: the options, attributes (a mount of
 * zqfs has them), the sizes of conventional files and st_blocks as zonefs sets it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "convert/disk.h"
#include "convert/formats.h"
#include "util/math.h"
#include "convert/zone_table.h"
#include "util/cleanup.h"

#define ATTR_BYTES 64

struct folder_source {
	struct disk_source base;
	int dir;
	enum zq_naming naming; /* flat: a folder of zloop */
	bool one_conv;	       /* all conventional zones are one file */
	struct stat st;
};

static struct folder_source *folder_of_source(struct disk_source *s)
{
	return (struct folder_source *)s;
}

/* Opens a zone's file; *at becomes where the zone begins in it. */
static int open_zone_file(struct folder_source *f, uint32_t zone, uint64_t *at)
{
	char name[ZQ_ZONE_NAME_MAX];
	bool one = f->one_conv && zone < f->base.geo.nr_conv;
	int fd = openat(f->dir, zq_zone_name(f->base.geo.nr_conv, one ? 0 : zone, f->naming, name),
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	*at = one ? zq_zone_start(&f->base.geo, zone) : 0;
	return fd < 0 ? -errno : fd;
}

static int folder_read(struct disk_source *s, uint32_t zone, uint64_t off, void *buf, size_t len)
{
	uint64_t at;
	int fd CLEANUP_CLOSE = open_zone_file(folder_of_source(s), zone, &at);
	uint8_t *p = buf;

	if (fd < 0)
		return fd;
	while (len) {
		ssize_t n = pread(fd, p, len, (off_t)(at + off));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n) /* shorter than it was: somebody changes the source */
			return -EBUSY;
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int folder_status(struct disk_source *s, uint32_t zone, uint64_t off, uint64_t len,
			 bool *data, uint64_t *run)
{
	uint64_t at;
	int fd CLEANUP_CLOSE = open_zone_file(folder_of_source(s), zone, &at);
	off_t next;

	*data = true;
	*run = len;
	if (fd < 0)
		return fd;
	next = lseek(fd, (off_t)(at + off), SEEK_DATA);
	if (next < 0) {
		*data = errno != ENXIO;
		return 0;
	}
	*data = (uint64_t)next == at + off;
	if (*data)
		next = lseek(fd, (off_t)(at + off), SEEK_HOLE);
	if (next > 0 && (uint64_t)next > at + off)
		*run = min_u64(len, (uint64_t)next - at - off);
	return 0;
}

static void folder_close(struct disk_source *s)
{
	if (folder_of_source(s)->dir >= 0)
		close(folder_of_source(s)->dir);
}

/* A target within the folder, or the folder itself. */
static bool folder_uses(const struct disk_source *s, const char *path)
{
	const struct folder_source *f = (const struct folder_source *)s;
	char *up CLEANUP_FREE = realpath(path, NULL), *slash;
	struct stat st;

	for (; up && *up; *slash = '\0') {
		if (!stat(up, &st) && st.st_dev == f->st.st_dev && st.st_ino == f->st.st_ino)
			return true;
		slash = strrchr(up, '/');
		if (!slash)
			break;
	}
	return false;
}

static const struct disk_source_ops folder_ops = {
	.read = folder_read,
	.status = folder_status,
	.close = folder_close,
	.uses = folder_uses,
};

/* ---- what the folder tells --------------------------------------------------------------- */

static int read_attr_text(int fd, const char *name, char *text)
{
	ssize_t n = fgetxattr(fd, name, text, ATTR_BYTES - 1);

	if (n <= 0)
		return -ENODATA;
	text[n] = '\0';
	return 0;
}

/* A number of the attribute; the default where there is none. */
static uint64_t read_attr(int fd, const char *name, uint64_t otherwise)
{
	char text[ATTR_BYTES];

	return read_attr_text(fd, name, text) ? otherwise : strtoull(text, NULL, 10);
}

/* The number of files that are there: names count up from first without a gap. */
static uint32_t count_files(int dir, enum zq_naming naming, bool conv, uint32_t first)
{
	uint32_t nr = 0;
	char name[ZQ_ZONE_NAME_MAX];
	struct stat st;

	while (nr < ZONE_TABLE_MAX) {
		/* as many conventional zones as there must be for this name */
		zq_zone_name(conv ? UINT32_MAX : first, first + nr, naming, name);
		if (fstatat(dir, name, &st, 0) || !S_ISREG(st.st_mode))
			break;
		nr++;
	}
	return nr;
}

static int stat_zone(struct folder_source *f, uint32_t zone, struct stat *st)
{
	char name[ZQ_ZONE_NAME_MAX];

	zq_zone_name(f->base.geo.nr_conv, zone, f->naming, name);
	return fstatat(f->dir, name, st, 0) ? -errno : 0;
}

/*
 * The size of a zone by its first conventional file; 0: it does not tell. A single file of zonefs
 * may be all conventional zones in one (aggr_cnv): it is one zone for certain where no zone that
 * has the sequential ones' capacity could be smaller.
 */
static uint64_t guess_zone_size(const struct folder_source *f, uint64_t file_size)
{
	const struct zq_geometry *g = &f->base.geo;

	if (f->naming == ZQ_NAMES_FLAT || g->nr_conv > 1)
		return file_size;
	return file_size / 2 < g->zone_capacity ? file_size : 0;
}

/* The zones' sizes; opts first, then attributes, then what the files' sizes say. */
static int tell_sizes(struct folder_source *f, const struct zq_create_opts *o, uint32_t nr_seq,
		      struct zq_error *err)
{
	struct zq_geometry *g = &f->base.geo;
	struct stat st;

	g->zone_capacity = o && o->zone_capacity ? o->zone_capacity
						 : read_attr(f->dir, "user.zone.capacity", 0);
	/* zonefs says it in st_blocks, also of an empty zone */
	if (!g->zone_capacity && nr_seq && f->naming == ZQ_NAMES_FOLDERS &&
	    !stat_zone(f, g->nr_conv, &st))
		g->zone_capacity = (uint64_t)st.st_blocks * 512;
	g->zone_size = o && o->zone_size ? o->zone_size : read_attr(f->dir, "user.zone.size", 0);
	if (!g->zone_size && g->nr_conv && !stat_zone(f, 0, &st))
		g->zone_size = guess_zone_size(f, (uint64_t)st.st_size);
	if (!is_pow2(g->zone_size))
		return zq_fail(err, -EINVAL,
			       "%s: does not tell the size of a zone; say it with the option "
			       "zone.size",
			       f->base.name);
	if (!g->zone_capacity || g->zone_capacity > g->zone_size)
		g->zone_capacity = g->zone_size;
	g->max_open = (uint32_t)read_attr(f->dir, "user.zone.max_open", 0);
	g->max_active = (uint32_t)read_attr(f->dir, "user.zone.max_active", 0);
	g->max_append = (uint32_t)read_attr(f->dir, "user.zone.max_append", 0);
	return 0;
}

/* How many conventional zones one file holds: all of them where there is no other. */
static int tell_one_conv(struct folder_source *f, uint64_t file_size, struct zq_error *err)
{
	struct zq_geometry *g = &f->base.geo;
	uint64_t zones = file_size / g->zone_size + !is_aligned(file_size, g->zone_size);
	uint64_t told = read_attr(f->dir, "user.zone.nr_conventional", zones);

	if (!zones || told != zones || zones > ZONE_TABLE_MAX)
		return zq_fail(err, -EINVAL,
			       "%s: the conventional file has %" PRIu64 " bytes, not %" PRIu64
			       " zones of %" PRIu64,
			       f->base.name, file_size, told, g->zone_size);
	f->one_conv = zones > 1;
	g->nr_conv = (uint32_t)zones;
	return 0;
}

/* Every conventional file is a zone long; the last of a disk without sequential zones may be
 * shorter. *missing becomes by how much. */
static int check_conventional(struct folder_source *f, uint32_t nr_seq, uint64_t *missing,
			      struct zq_error *err)
{
	const struct zq_geometry *g = &f->base.geo;
	uint32_t nr = g->nr_conv;
	struct stat st = { .st_size = 0 };
	char label[ZQ_ZONE_LABEL_MAX];

	*missing = 0;
	for (uint32_t i = 0; i < nr; i++) {
		int ret = stat_zone(f, i, &st);
		uint64_t size = (uint64_t)st.st_size;
		bool may_be_short = i + 1 == nr && !nr_seq && size && size % ZQ_BLOCK == 0;

		if (ret)
			return zq_fail(err, ret, "%s: %s: %s", f->base.name,
				       zq_zone_label(nr, i, label), strerror(-ret));
		if (nr == 1 && f->naming == ZQ_NAMES_FOLDERS) {
			ret = tell_one_conv(f, size, err);
			if (ret)
				return ret;
			size -= (uint64_t)(g->nr_conv - 1) * g->zone_size;
		}
		if (size > g->zone_size || (size < g->zone_size && !may_be_short))
			return zq_fail(err, -EINVAL,
				       "%s: the file of conventional %s has %" PRIu64
				       " bytes, a zone %" PRIu64,
				       f->base.name, zq_zone_label(nr, i, label), size,
				       g->zone_size);
		*missing = g->zone_size - size;
	}
	return 0;
}

static int tell_geometry(struct folder_source *f, const struct zq_create_opts *o,
			 struct zq_error *err)
{
	struct zq_geometry *g = &f->base.geo;
	uint32_t nr_conv = count_files(f->dir, f->naming, true, 0), nr_seq;
	uint64_t last = 0, missing;
	int ret;

	nr_seq = count_files(f->dir, f->naming, false, f->naming == ZQ_NAMES_FLAT ? nr_conv : 0);
	if (!nr_conv && !nr_seq)
		return zq_fail(err, -EINVAL,
			       "%s: no zone files in it (seq/0, or seq-000000 as zloop has it)",
			       f->base.name);
	g->nr_conv = nr_conv;
	ret = tell_sizes(f, o, nr_seq, err);
	if (!ret)
		ret = check_conventional(f, nr_seq, &missing, err);
	if (ret)
		return ret;
	if (!add_u64(g->nr_conv, nr_seq, &last) || last > ZONE_TABLE_MAX ||
	    last > INT64_MAX / g->zone_size)
		return zq_fail(err, -E2BIG, "%s: too many zones", f->base.name);
	g->nr_zones = (uint32_t)last;
	g->size = last * g->zone_size - missing;
	return 0;
}

static int load_zone_file(struct folder_source *f, uint32_t zone, struct zq_error *err)
{
	struct disk_zone *z = &f->base.zone[zone];
	uint64_t capacity = zq_zone_cap(&f->base.geo, zone), at;
	char text[ATTR_BYTES], label[ZQ_ZONE_LABEL_MAX];
	struct stat st;
	int fd CLEANUP_CLOSE = -1, state = -EINVAL;

	if (zone < f->base.geo.nr_conv) {
		*z = (struct disk_zone){ capacity, ZQ_NOT_WP };
		return 0;
	}
	fd = open_zone_file(f, zone, &at);
	if (fd < 0 || fstat(fd, &st))
		return zq_fail(err, fd < 0 ? fd : -errno, "%s: %s: %s", f->base.name,
			       zq_zone_label(f->base.geo.nr_conv, zone, label),
			       strerror(fd < 0 ? -fd : errno));
	if ((uint64_t)st.st_size > capacity)
		return zq_fail(err, -EINVAL,
			       "%s: %s has %" PRIu64 " bytes, more than its capacity %" PRIu64,
			       f->base.name, zq_zone_label(f->base.geo.nr_conv, zone, label),
			       (uint64_t)st.st_size, capacity);
	z->written = (uint64_t)st.st_size;
	if (!read_attr_text(fd, "user.zone.state", text))
		state = zq_state_from_name(text);
	if (state < 0)
		state = z->written == capacity ? ZQ_FULL : z->written ? ZQ_CLOSED : ZQ_EMPTY;
	else
		f->base.has_open_states = true;
	z->state = (uint8_t)state;
	return 0;
}

/* The last zone of a mount may be shorter than the others. */
static void tell_last_zone(struct folder_source *f)
{
	struct zq_geometry *g = &f->base.geo;
	uint64_t at, len;
	int fd CLEANUP_CLOSE = open_zone_file(f, g->nr_zones - 1, &at);

	if (fd < 0 || g->nr_zones <= g->nr_conv)
		return;
	len = read_attr(fd, "user.zone.size", g->zone_size);
	if (len && len < g->zone_size)
		g->size -= g->zone_size - len;
}

static int open_folder(struct folder_source *f, const struct zq_convert_opts *opts,
		       struct zq_error *err)
{
	struct stat st;
	int ret;

	f->dir = open(f->base.name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dir < 0 || fstat(f->dir, &f->st))
		return zq_fail(err, -errno, "%s: %s", f->base.name, strerror(errno));
	f->naming = fstatat(f->dir, "seq", &st, 0) ? ZQ_NAMES_FLAT : ZQ_NAMES_FOLDERS;
	ret = tell_geometry(f, opts->create, err);
	if (ret)
		return ret;
	tell_last_zone(f);
	f->base.zone = calloc(f->base.geo.nr_zones, sizeof(*f->base.zone));
	if (!f->base.zone)
		return zq_fail(err, -ENOMEM, "out of memory for %u zones", f->base.geo.nr_zones);
	for (uint32_t nr = 0; nr < f->base.geo.nr_zones && !ret; nr++)
		ret = load_zone_file(f, nr, err);
	return ret;
}

int source_open_folder(const char *path, const struct zq_convert_opts *opts, struct disk_source **s,
		       struct zq_error *err)
{
	struct folder_source *f = calloc(1, sizeof(*f));
	int ret;

	if (!f)
		return zq_fail(err, -ENOMEM, "out of memory");
	f->base =
		(struct disk_source){ .ops = &folder_ops, .name = path, .format = ZQ_DISK_FOLDER };
	f->dir = -1;
	ret = open_folder(f, opts, err);
	if (ret) {
		disk_source_close(&f->base);
		return ret;
	}
	*s = &f->base;
	return 0;
}
