/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The three sources of a zone report behind one face. Owns the device that it opens (always
 * read-only); never writes to an image or a mount.
 */
#include "cli/zones.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "cli/mounts.h"
#include "cli/servers.h"
#include "util/cleanup.h"
#include "util/errors.h"
#include "util/math.h"
#include "util/size.h"

#define ATTR	     "user.zone."
#define READ_AT_ONCE 512u

/* ---- attributes ---------------------------------------------------------------------------- */

/* Reads an attribute as text; its length or a negative errno. */
static int attr_text(const char *path, const char *name, char *buf, size_t size)
{
	ssize_t n = getxattr(path, name, buf, size - 1);

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return (int)n;
}

static int attr_number(const char *path, const char *name, uint64_t max, uint64_t *value)
{
	char text[32];
	int ret = attr_text(path, name, text, sizeof(text));

	return ret < 0 ? ret : number_parse(text, max, value);
}

static int attr_u32(const char *path, const char *name, uint32_t *value)
{
	uint64_t v;
	int ret = attr_number(path, name, UINT32_MAX, &v);

	if (!ret)
		*value = (uint32_t)v;
	return ret;
}

bool zones_is_zone_file(const char *path)
{
	uint32_t number;

	return !attr_u32(path, ATTR "number", &number);
}

static int attr_fail(struct zq_error *err, int ret, const char *path, const char *name)
{
	if (ret == -EACCES || ret == -EPERM)
		return zq_fail(err, ret,
			       "%s: no permission to read its attributes; ask as the user who "
			       "mounted it, or mount it with allow_other",
			       path);
	return zq_fail(err, ret, "%s: cannot read the attribute %s: %s", path, name,
		       strerror(-ret));
}

/*
 * State and write pointer of a sequential zone. An offline zone has mode 0000 and may refuse
 * even its owner; the mode itself then tells.
 */
static int attr_state(const char *path, struct zone_row *row, struct zq_error *err)
{
	struct zq_zone_info *z = &row->info;
	char text[32];
	struct stat st;
	int ret = attr_text(path, ATTR "state", text, sizeof(text));

	if (ret >= 0)
		ret = zq_state_from_name(text);
	else if ((ret == -EACCES || ret == -EPERM) && !stat(path, &st) && !(st.st_mode & 07777))
		ret = ZQ_OFFLINE;
	if (ret < 0)
		return attr_fail(err, ret, path, ATTR "state");
	z->state = (enum zq_zone_state)ret;
	z->conventional = z->conventional || z->state == ZQ_NOT_WP;
	z->wp = z->start;
	row->has_wp = z->state == ZQ_EMPTY;
	if (z->conventional || z->state == ZQ_EMPTY || z->state == ZQ_FULL)
		return 0;
	ret = attr_number(path, ATTR "wp", UINT64_MAX, &z->wp);
	row->has_wp = !ret;
	return ret && ret != -ENODATA && z->state != ZQ_OFFLINE
		       ? attr_fail(err, ret, path, ATTR "wp")
		       : 0;
}

/* All of a zone from its file alone. */
static int read_file(const char *path, struct zone_row *row, struct zq_error *err)
{
	struct zq_zone_info *z = &row->info;
	static const char *const names[] = { ATTR "start", ATTR "size", ATTR "capacity" };
	uint64_t *const values[] = { &z->start, &z->len, &z->capacity };
	char type[32];
	int ret = attr_u32(path, ATTR "number", &z->number);

	if (ret == -ENODATA || ret == -EOPNOTSUPP)
		return zq_fail(err, ret, "%s: not a zone file of a zqfs mount", path);
	if (ret)
		return attr_fail(err, ret, path, ATTR "number");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		ret = attr_number(path, names[i], UINT64_MAX, values[i]);
		if (ret)
			return attr_fail(err, ret, path, names[i]);
	}
	ret = attr_text(path, ATTR "type", type, sizeof(type));
	z->conventional = ret > 0 && !strcmp(type, "conventional");
	row->path = path;
	return attr_state(path, row, err);
}

/* ---- a mount ------------------------------------------------------------------------------- */

char *zone_file_name(const struct zone_source *src, uint32_t zone, char *buf)
{
	if (src->aggr_conv && zone < src->geo.nr_conv)
		zone = 0;
	return zq_zone_name(src->geo.nr_conv, zone, src->zloop ? ZQ_NAMES_FLAT : ZQ_NAMES_FOLDERS,
			    buf);
}

static int zone_path(const struct zone_source *src, uint32_t zone, char **path)
{
	char name[ZQ_ZONE_NAME_MAX];

	return asprintf(path, "%s/%s", src->mountpoint, zone_file_name(src, zone, name)) < 0
		       ? -ENOMEM
		       : 0;
}

int zones_command(struct zone_source *src, uint32_t zone, const char *verb)
{
	char *path CLEANUP_FREE = NULL;
	int ret = zone_path(src, zone, &path);

	if (ret)
		return ret;
	return setxattr(path, ATTR "command", verb, strlen(verb), 0) ? -errno : 0;
}

static int read_from_mount(struct zone_source *src, uint32_t zone, struct zone_row *row,
			   struct zq_error *err)
{
	char *path CLEANUP_FREE = NULL;
	int ret = zone_path(src, zone, &path);

	if (ret)
		return zq_fail(err, ret, "out of memory");
	zone_file_name(src, zone, row->name);
	row->info.number = zone;
	row->info.conventional = zq_zone_is_conv(&src->geo, zone);
	row->info.start = zq_zone_start(&src->geo, zone);
	row->info.len = zq_zone_len(&src->geo, zone);
	row->info.capacity = zq_zone_cap(&src->geo, zone);
	return attr_state(path, row, err);
}

/* The geometry from the root's attributes, and which names the files have. */
static int mount_geometry(struct zone_source *src, struct zq_error *err)
{
	struct zq_geometry *g = &src->geo;
	const char *dir = src->mountpoint;
	char *last CLEANUP_FREE = NULL, *first CLEANUP_FREE = NULL;
	uint64_t start, len;
	struct stat st;
	int ret = attr_u32(dir, ATTR "nr_zones", &g->nr_zones);

	if (ret == -ENODATA || ret == -EOPNOTSUPP)
		return zq_fail(err, ret, "%s: not the mount point of a zqfs mount", dir);
	ret = ret ? ret : attr_u32(dir, ATTR "nr_conventional", &g->nr_conv);
	ret = ret ? ret : attr_number(dir, ATTR "size", UINT64_MAX, &g->zone_size);
	ret = ret ? ret : attr_number(dir, ATTR "capacity", UINT64_MAX, &g->zone_capacity);
	ret = ret ? ret : attr_u32(dir, ATTR "max_open", &g->max_open);
	ret = ret ? ret : attr_u32(dir, ATTR "max_active", &g->max_active);
	ret = ret ? ret : attr_u32(dir, ATTR "max_append", &g->max_append);
	if (ret)
		return attr_fail(err, ret, dir, ATTR "*");
	if (!g->nr_zones || g->nr_conv >= g->nr_zones)
		return zq_fail(err, -EINVAL,
			       "%s: implausible attributes: %u zones, %u conventional", dir,
			       g->nr_zones, g->nr_conv);

	ret = asprintf(&first, "%s/seq", dir) < 0 ? -ENOMEM : 0;
	if (ret)
		return zq_fail(err, ret, "out of memory");
	src->zloop = stat(first, &st) && errno == ENOENT;
	if (g->nr_conv > 1) {
		char *conv CLEANUP_FREE = NULL;

		ret = zone_path(src, 1, &conv);
		if (ret)
			return zq_fail(err, ret, "out of memory");
		src->aggr_conv = stat(conv, &st) && errno == ENOENT;
	}
	/* The last zone may be short: where it ends, the device does. */
	ret = zone_path(src, g->nr_zones - 1, &last);
	ret = ret ? ret : attr_number(last, ATTR "start", UINT64_MAX, &start);
	ret = ret ? ret : attr_number(last, ATTR "size", UINT64_MAX, &len);
	if (ret && (ret == -EACCES || ret == -EPERM)) {
		start = (uint64_t)(g->nr_zones - 1) * g->zone_size;
		len = g->zone_size;
		ret = 0;
	}
	if (ret)
		return attr_fail(err, ret, last ? last : dir, ATTR "size");
	if (!add_u64(start, len, &g->size))
		return zq_fail(err, -EINVAL, "%s: implausible attributes", last);
	src->has_geo = true;
	src->nr = g->nr_zones;
	return 0;
}

/* dir is how the mount point is to be called. */
static int open_mount(struct zone_source *src, const char *dir, const struct mount_entry *e,
		      struct zq_error *err)
{
	src->mountpoint = strdup(dir);
	src->image = servers_image(e);
	if (!src->mountpoint)
		return zq_fail(err, -ENOMEM, "out of memory");
	return mount_geometry(src, err);
}

/* ---- opening ------------------------------------------------------------------------------- */

static int open_directory(struct zone_source *src, const char *dir, const struct mount_list *mounts,
			  struct zq_error *err)
{
	char *real CLEANUP_FREE = mounts_resolve(dir);
	const struct mount_entry *e = real ? mounts_at(mounts, real) : NULL;
	struct stat st;

	if (e && mount_is_zqfs(e))
		return open_mount(src, dir, e, err);
	if (!stat(dir, &st)) {
		e = mounts_of_dev(mounts, st.st_dev);
		if (e && mount_is_zqfs(e))
			return zq_fail(err, -EINVAL, "%s: a folder of a zqfs mount; ask %s", dir,
				       e->dir);
	}
	return zq_fail(err, -EINVAL, "%s: a directory, and no zqfs image is mounted on it", dir);
}

static int open_unmounted(struct zone_source *src, const char *path, bool force_share,
			  const char *data_file, struct zq_error *err)
{
	struct zq_open_opts opts = {
		.readonly = true,
		.force_share = force_share,
		.data_file = data_file,
	};
	int ret = zq_open_device(path, &opts, &src->dev, err);

	if (ret)
		return ret;
	src->image = strdup(path);
	src->geo = *zq_device_geometry(src->dev);
	src->has_geo = true;
	src->nr = src->geo.nr_zones;
	return 0;
}

int zones_open(struct zone_source *src, const char *operand, bool force_share,
	       const char *data_file, struct zq_error *err)
{
	const struct mount_entry *e;
	struct mount_list mounts;
	struct stat st;
	int ret;

	*src = (struct zone_source){ 0 };
	/* Without the list of mounts an image can still be read as a file. */
	(void)mounts_load(&mounts);
	e = mounts_of_image(&mounts, operand);
	if (stat(operand, &st))
		ret = error_is_stale(-errno)
			      ? zq_fail(err, -ENOTCONN,
					"%s: a stale mount, its zqfs is gone; clear it with: zqfs "
					"umount %s",
					operand, operand)
			      : zq_fail(err, -errno, "%s: %s", operand, strerror(errno));
	else if (S_ISDIR(st.st_mode))
		ret = open_directory(src, operand, &mounts, err);
	else if (e && !force_share)
		ret = open_mount(src, e->dir, e, err);
	else
		ret = open_unmounted(src, operand, force_share, data_file, err);
	mounts_free(&mounts);
	if (ret)
		zones_close(src);
	return ret;
}

int zones_open_files(struct zone_source *src, char **files, int nr, struct zq_error *err)
{
	struct zq_error ignored = { "" };
	struct mount_list mounts;
	struct zone_row row = { 0 };
	struct stat st;

	/* All of them before the first line of output. */
	for (int i = 0; i < nr; i++) {
		int ret = read_file(files[i], &row, err);

		if (ret)
			return ret;
	}
	*src = (struct zone_source){ .files = files, .nr = (uint32_t)nr };
	/* What they lie on tells the geometry; it is no loss where that cannot be read. */
	(void)mounts_load(&mounts);
	if (!stat(files[0], &st)) {
		const struct mount_entry *e = mounts_of_dev(&mounts, st.st_dev);

		if (e && mount_is_zqfs(e) && open_mount(src, e->dir, e, &ignored))
			src->has_geo = false;
	}
	src->nr = (uint32_t)nr;
	mounts_free(&mounts);
	return 0;
}

void zones_close(struct zone_source *src)
{
	if (src->dev)
		zq_close_device(src->dev);
	free(src->image);
	free(src->mountpoint);
	*src = (struct zone_source){ 0 };
}

/* ---- reading --------------------------------------------------------------------------------- */

static int read_from_device(struct zone_source *src, uint32_t first, uint32_t count,
			    struct zone_row *rows, struct zq_error *err)
{
	struct zq_zone_info *info CLEANUP_FREE = calloc(count, sizeof(*info));
	int ret = info ? zq_report(src->dev, first, count, info) : -ENOMEM;

	if (ret < 0)
		return zq_fail(err, ret, "%s: cannot report zones %u to %u: %s", src->image, first,
			       first + count - 1, strerror(-ret));
	for (uint32_t i = 0; i < count; i++) {
		rows[i].info = info[i];
		zone_file_name(src, first + i, rows[i].name);
		rows[i].has_wp = !info[i].conventional && info[i].state != ZQ_FULL;
	}
	return 0;
}

int zones_read(struct zone_source *src, uint32_t first, uint32_t count, struct zone_row *rows,
	       struct zq_error *err)
{
	int ret = 0;

	memset(rows, 0, count * sizeof(*rows));
	if (src->dev)
		return read_from_device(src, first, count, rows, err);
	for (uint32_t i = 0; i < count && !ret; i++)
		ret = src->files ? read_file(src->files[first + i], &rows[i], err)
				 : read_from_mount(src, first + i, &rows[i], err);
	return ret;
}

int zones_count(struct zone_source *src, uint32_t first, uint32_t count, uint32_t *by_state,
		struct zq_error *err)
{
	struct zone_row *rows CLEANUP_FREE = calloc(READ_AT_ONCE, sizeof(*rows));
	int ret = 0;

	if (!rows)
		return zq_fail(err, -ENOMEM, "out of memory");
	memset(by_state, 0, ZQ_NR_STATES * sizeof(*by_state));
	for (uint32_t done = 0; !ret && done < count; done += READ_AT_ONCE) {
		uint32_t n = (uint32_t)min_u64(count - done, READ_AT_ONCE);

		ret = zones_read(src, first + done, n, rows, err);
		for (uint32_t i = 0; !ret && i < n; i++)
			by_state[rows[i].info.state]++;
	}
	return ret;
}
