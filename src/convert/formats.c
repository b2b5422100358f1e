/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of formats, which of them a disk has, and the opener for it.
 */
#include "convert/formats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "convert/dump_format.h"
#include "qcow2/format/format.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/math.h"

static const struct {
	const char *name;
	int (*open)(const char *path, const struct zq_convert_opts *opts, struct disk_source **s,
		    struct zq_error *err);
	int (*begin)(const char *path, const struct zq_convert_opts *opts,
		     const struct disk_source *from, struct disk_target **t, struct zq_error *err);
} formats[] = {
	[ZQ_DISK_AUTO] = { "auto", NULL, NULL },
	[ZQ_DISK_IMAGE] = { "qcow2", source_open_image, target_begin_image },
	[ZQ_DISK_RAW] = { "raw", source_open_raw, target_begin_raw },
	[ZQ_DISK_DUMP] = { "dump", source_open_dump, target_begin_dump },
	[ZQ_DISK_FOLDER] = { "folder", source_open_folder, target_begin_folder },
	[ZQ_DISK_DEVICE] = { "device", source_open_device, NULL },
};

const char *zq_disk_format_name(enum zq_disk_format format)
{
	return (size_t)format < ARRAY_SIZE(formats) ? formats[format].name : "unknown";
}

int zq_disk_format_from_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (!strcmp(formats[i].name, name))
			return (int)i;
	return -EINVAL;
}

/* Do the first bytes say qcow2? Of what cannot be read, opening it as an image tells why. */
static bool looks_like_image(const char *path)
{
	int fd CLEANUP_CLOSE = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t magic[4];

	return fd < 0 || (pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
			  get_be32(magic) == QCOW2_MAGIC);
}

static bool looks_like_dump(const char *path)
{
	char *info CLEANUP_FREE = NULL, *data CLEANUP_FREE = NULL;

	return !dump_paths(path, &info, &data) && !access(info, F_OK) && !access(data, F_OK);
}

/* A report beside it, or named, makes a file a raw disk whatever is in it. */
static enum zq_disk_format tell_format(const char *path, const struct zq_convert_opts *opts)
{
	struct stat st;

	if (opts->zones)
		return ZQ_DISK_RAW;
	if (stat(path, &st))
		return looks_like_dump(path) ? ZQ_DISK_DUMP : ZQ_DISK_IMAGE;
	if (S_ISDIR(st.st_mode))
		return ZQ_DISK_FOLDER;
	/* a pipe would be waited for, and what it gives could not be read twice */
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return ZQ_DISK_AUTO;
	if (looks_like_image(path))
		return ZQ_DISK_IMAGE;
	if (S_ISBLK(st.st_mode))
		return ZQ_DISK_DEVICE;
	return looks_like_dump(path) ? ZQ_DISK_DUMP : ZQ_DISK_RAW;
}

int disk_source_open(const char *path, const struct zq_convert_opts *opts, struct disk_source **s,
		     struct zq_error *err)
{
	enum zq_disk_format format = opts->source_format;

	if (format == ZQ_DISK_AUTO)
		format = tell_format(path, opts);
	if (format == ZQ_DISK_AUTO)
		return zq_fail(err, -EINVAL, "%s: is no file, folder or block device", path);
	if ((size_t)format >= ARRAY_SIZE(formats) || !formats[format].open)
		return zq_fail(err, -EINVAL, "%s: no such format of a source", path);
	return formats[format].open(path, opts, s, err);
}

int disk_target_begin(const char *path, const struct zq_convert_opts *opts,
		      const struct disk_source *from, struct disk_target **t, struct zq_error *err)
{
	enum zq_disk_format format = opts->target_format;
	int ret;

	if (format == ZQ_DISK_AUTO)
		format = ZQ_DISK_IMAGE;
	if ((size_t)format >= ARRAY_SIZE(formats) || !formats[format].begin)
		return zq_fail(err, -EINVAL, "%s: a target cannot be a %s", path,
			       zq_disk_format_name(format));
	if (from->ops->uses(from, path))
		return zq_fail(err, -EINVAL, "%s: is the source, or a part of it", path);
	ret = formats[format].begin(path, opts, from, t, err);
	if (!ret)
		(*t)->format = format;
	return ret;
}
