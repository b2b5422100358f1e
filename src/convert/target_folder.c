/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A folder in the layout of Linux's zloop driver: a file for each zone, whose size is the
 * write pointer. It is filled under a temporary name beside the target and renamed. With
 * force an old folder is replaced if nothing but zone files is in it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "convert/formats.h"
#include "convert/target_rules.h"
#include "offline/new_file.h"
#include "util/cleanup.h"

struct folder_target {
	struct disk_target base;
	char *tmp; /* the temporary folder; NULL once it has its name */
	int dir;
	bool replaces; /* something stands at the target */
};

static struct folder_target *folder_target_of(struct disk_target *t)
{
	return (struct folder_target *)t;
}

static int open_target_file(const struct folder_target *f, uint32_t zone)
{
	char name[ZQ_ZONE_NAME_MAX];
	int fd = openat(f->dir, zq_zone_name(f->base.geo.nr_conv, zone, ZQ_NAMES_FLAT, name),
			O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);

	return fd < 0 ? -errno : fd;
}

static int folder_target_write(struct disk_target *t, uint32_t zone, uint64_t off, const void *buf,
			       size_t len)
{
	int fd CLEANUP_CLOSE = open_target_file(folder_target_of(t), zone);
	const uint8_t *p = buf;

	if (fd < 0)
		return fd;
	while (len) {
		ssize_t n = pwrite(fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* ---- the end ------------------------------------------------------------------------------- */

static bool is_zone_file(const char *name)
{
	unsigned number;
	char rest;

	return sscanf(name, "cnv-%6u%c", &number, &rest) == 1 ||
	       sscanf(name, "seq-%6u%c", &number, &rest) == 1;
}

/* Removes a folder that holds only zone files; with dry it only looks. -ENOTEMPTY. */
static int remove_zone_folder(const char *path, bool dry)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int ret = 0;

	if (!d)
		return -errno;
	while (!ret && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (!is_zone_file(e->d_name))
			ret = -ENOTEMPTY;
		else if (!dry && unlinkat(dirfd(d), e->d_name, 0))
			ret = -errno;
	}
	closedir(d);
	if (!ret && !dry && rmdir(path))
		ret = -errno;
	return ret;
}

static int finish_files(struct folder_target *f, const struct disk_zone *zone)
{
	for (uint32_t i = 0; i < f->base.geo.nr_zones; i++) {
		int fd CLEANUP_CLOSE = open_target_file(f, i);

		if (fd < 0)
			return fd;
		if (ftruncate(fd, (off_t)zone[i].written) || fsync(fd))
			return -errno;
	}
	return fsync(f->dir) ? -errno : 0;
}

static int name_folder(struct folder_target *f)
{
	unsigned how = f->replaces ? RENAME_EXCHANGE : RENAME_NOREPLACE;

	if (renameat2(AT_FDCWD, f->tmp, AT_FDCWD, f->base.name, how))
		return -errno;
	new_file_sync_folder(f->tmp); /* the same folder as that of the target */
	return f->replaces ? remove_zone_folder(f->tmp, false) : 0;
}

static int folder_target_publish(struct disk_target *t, const struct disk_zone *zone,
				 struct zq_error *err)
{
	struct folder_target *f = folder_target_of(t);
	int ret = finish_files(f, zone);

	if (!ret)
		ret = name_folder(f);
	if (ret)
		return zq_fail(err, ret, "%s: %s", t->name, strerror(-ret));
	free(f->tmp);
	f->tmp = NULL;
	return 0;
}

static void folder_target_close(struct disk_target *t)
{
	struct folder_target *f = folder_target_of(t);

	if (f->dir >= 0)
		close(f->dir);
	if (f->tmp)
		remove_zone_folder(f->tmp, false);
	free(f->tmp);
}

static const struct disk_target_ops folder_target_ops = {
	.write = folder_target_write,
	.publish = folder_target_publish,
	.close = folder_target_close,
};

/* ---- beginning ------------------------------------------------------------------------------- */

static int check_old_folder(struct folder_target *f, bool force, struct zq_error *err)
{
	struct stat st;

	if (lstat(f->base.name, &st))
		return errno == ENOENT
			       ? 0
			       : zq_fail(err, -errno, "%s: %s", f->base.name, strerror(errno));
	if (!force)
		return zq_fail(err, -EEXIST, "%s: the target exists already", f->base.name);
	if (!S_ISDIR(st.st_mode) || remove_zone_folder(f->base.name, true))
		return zq_fail(err, -EINVAL,
			       "%s: is not a folder of zone files alone and is not replaced",
			       f->base.name);
	f->replaces = true;
	return 0;
}

static int make_tmp_folder(struct folder_target *f, struct zq_error *err)
{
	size_t len = strlen(f->base.name);
	mode_t mask = umask(0);

	umask(mask);
	while (len > 1 && f->base.name[len - 1] == '/')
		len--;
	if (asprintf(&f->tmp, "%.*s.zqfs-XXXXXX", (int)len, f->base.name) < 0) {
		f->tmp = NULL;
		return zq_fail(err, -ENOMEM, "out of memory");
	}
	if (!mkdtemp(f->tmp)) {
		int ret = -errno;

		free(f->tmp);
		f->tmp = NULL;
		return zq_fail(err, ret, "%s: cannot be created: %s", f->base.name, strerror(-ret));
	}
	f->dir = open(f->tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dir < 0 || fchmod(f->dir, 0777 & ~mask))
		return zq_fail(err, -errno, "%s: %s", f->tmp, strerror(errno));
	return 0;
}

static int check_folder_source(const char *path, const struct zq_convert_opts *opts,
			       const struct disk_source *from, struct zq_error *err)
{
	int ret = target_check_geometry(path, opts->create, &from->geo, err);

	if (!ret)
		ret = target_check_blocks(path, from, "a folder of zloop", err);
	if (!ret && opts->compress)
		ret = zq_fail(err, -EINVAL, "%s: only an image can be compressed", path);
	if (!ret && from->geo.size % from->geo.zone_size)
		ret = zq_fail(err, -EINVAL,
			      "%s: the last zone is shorter than the others, which a folder of "
			      "zloop cannot hold",
			      path);
	if (!ret && from->geo.nr_zones > 999999)
		ret = zq_fail(err, -EINVAL, "%s: %" PRIu32 " zones, more than six digits name",
			      path, from->geo.nr_zones);
	return ret;
}

int target_begin_folder(const char *path, const struct zq_convert_opts *opts,
			const struct disk_source *from, struct disk_target **t,
			struct zq_error *err)
{
	struct folder_target *f;
	int ret = check_folder_source(path, opts, from, err);

	if (ret)
		return ret;
	f = calloc(1, sizeof(*f));
	if (!f)
		return zq_fail(err, -ENOMEM, "out of memory");
	f->base = (struct disk_target){
		.ops = &folder_target_ops,
		.name = path,
		.geo = from->geo,
		.unit = ZQ_BLOCK,
		.lacks_limits = true,
		.lacks_append = true,
	};
	f->dir = -1;
	ret = check_old_folder(f, opts->force, err);
	if (!ret)
		ret = make_tmp_folder(f, err);
	if (ret)
		disk_target_end(&f->base);
	else
		*t = &f->base;
	return ret;
}
