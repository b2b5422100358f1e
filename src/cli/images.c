/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sentences about images for every command that takes one. Asks the list of mounts; opens
 * nothing.
 */
#include "cli/images.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/command.h"
#include "cli/mounts.h"
#include "cli/servers.h"
#include "util/cleanup.h"
#include "util/errors.h"
#include "util/json.h"

char *images_mounted_on(const char *path)
{
	const struct mount_entry *e;
	struct mount_list mounts;
	char *dir = NULL;

	/* Without the list of mounts nothing is known to be mounted. */
	(void)mounts_load(&mounts);
	e = mounts_of_image(&mounts, path);
	if (e)
		dir = strdup(e->dir);
	mounts_free(&mounts);
	return dir;
}

/* The mount point of the zqfs mount that a folder or a file belongs to, allocated, or NULL. */
static char *mount_around(const char *path, mode_t type)
{
	const struct mount_entry *e;
	struct mount_list mounts;
	char *dir = NULL;
	struct stat st;

	if (stat(path, &st) || (st.st_mode & S_IFMT) != type)
		return NULL;
	(void)mounts_load(&mounts);
	e = mounts_of_dev(&mounts, st.st_dev);
	if (e && mount_is_zqfs(e))
		dir = strdup(e->dir);
	mounts_free(&mounts);
	return dir;
}

static int image_of_directory(const char *dir, char **path, char **mountpoint)
{
	char *real CLEANUP_FREE = mounts_resolve(dir), *around CLEANUP_FREE = NULL;
	const struct mount_entry *e;
	struct mount_list mounts;
	int ret = CLI_DONE;

	(void)mounts_load(&mounts);
	e = real ? mounts_at(&mounts, real) : NULL;
	if (!e || !mount_is_zqfs(e)) {
		around = mount_around(dir, S_IFDIR);
		ret = around ? cli_error("%s: a folder of a zqfs mount; ask %s", dir, around)
			     : cli_error("%s: a directory, and no zqfs image is mounted on it",
					 dir);
	} else {
		*path = servers_image(e);
		*mountpoint = strdup(e->dir);
		if (!*path || !*mountpoint)
			ret = cli_error(
				"%s: its image was %s, and has been renamed or removed; give "
				"the image's path",
				dir, e->source);
	}
	mounts_free(&mounts);
	return ret;
}

int images_resolve(const char *operand, char **path, char **mountpoint)
{
	struct stat st;

	*path = *mountpoint = NULL;
	if (stat(operand, &st) && error_is_stale(-errno))
		return cli_error(
			"%s: a stale mount, its zqfs is gone; clear it with: zqfs umount %s",
			operand, operand);
	if (!stat(operand, &st) && S_ISDIR(st.st_mode))
		return image_of_directory(operand, path, mountpoint);
	*mountpoint = images_mounted_on(operand);
	*path = strdup(operand);
	return *path ? CLI_DONE : cli_error("out of memory");
}

int images_refuse_mounted(const char *path)
{
	char *around CLEANUP_FREE = mount_around(path, S_IFDIR), *dir CLEANUP_FREE = NULL;

	if (around)
		return cli_error(
			"%s: belongs to a zqfs mount; first run: zqfs umount %s, then give "
			"the image",
			path, around);
	dir = images_mounted_on(path);
	if (!dir)
		return CLI_DONE;
	return cli_error("%s: mounted on %s; first run: zqfs umount %s", path, dir, dir);
}

int images_open_failed(const char *path, int ret, const struct zq_error *err, bool can_share)
{
	char *dir CLEANUP_FREE = NULL, *around CLEANUP_FREE = NULL;

	/* a file of a mount may hold an image, so only now */
	if (ret != -EAGAIN)
		around = mount_around(path, S_IFREG);
	if (around)
		return cli_error(
			"%s; it is a file of the mount %s: give that, and a zone by a name "
			"like seq/3",
			err->msg, around);
	if (ret != -EAGAIN)
		return cli_error("%s", err->msg);
	dir = images_mounted_on(path);
	if (dir)
		return cli_error("%s: it is mounted on %s", err->msg, dir);
	return cli_error("%s%s", err->msg,
			 can_share ? "; -U looks at it all the same"
				   : "; try again when that has ended");
}

void images_json_geometry(struct json *j, const struct zq_geometry *g)
{
	json_object(j, "geometry");
	json_number(j, "size", g->size);
	json_number(j, "zone_size", g->zone_size);
	json_number(j, "zone_capacity", g->zone_capacity);
	json_number(j, "nr_zones", g->nr_zones);
	json_number(j, "nr_conventional", g->nr_conv);
	json_number(j, "max_open", g->max_open);
	json_number(j, "max_active", g->max_active);
	json_number(j, "max_append", g->max_append);
	json_end_object(j);
}
