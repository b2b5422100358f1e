/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs IMAGE MOUNTPOINT": finds out what people commonly get wrong before it hands over to
 * the file system. The options of -o are the file system's own; they pass through unread.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/mounts.h"
#include "cli/images.h"
#include "fs/fs.h"
#include "util/cleanup.h"
#include "util/errors.h"
#include "util/size.h"

enum { OPT_READY_FD = CLI_LONG_ONLY, OPT_PID_FILE };

static bool mount_key(size_t i, struct cli_key *key)
{
	const struct fs_option *o = fs_option(i);

	if (!o)
		return false;
	*key = (struct cli_key){ o->name, o->value, o->help, false };
	return true;
}

/* ---- what people get wrong ------------------------------------------------------------ */

static bool is_empty_dir(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	bool empty = true;

	if (!d)
		return true;
	while (empty && (e = readdir(d)))
		empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
	closedir(d);
	return empty;
}

/* The image that zqfs has mounted on a directory, allocated; NULL: none. */
static char *occupant(const char *dir)
{
	char *real CLEANUP_FREE = mounts_resolve(dir);
	const struct mount_entry *e;
	struct mount_list mounts;
	char *source = NULL;

	(void)mounts_load(&mounts);
	e = real ? mounts_at(&mounts, real) : NULL;
	if (e && mount_is_zqfs(e))
		source = strdup(e->source);
	mounts_free(&mounts);
	return source;
}

static int check_mountpoint(const char *dir, bool occupied)
{
	struct stat st;

	if (stat(dir, &st)) {
		if (error_is_stale(-errno))
			return cli_error("%s: a stale mount, its zqfs is gone; clear it with: zqfs "
					 "umount %s",
					 dir, dir);
		if (errno == ENOENT)
			return cli_error("%s: no such directory; make it with: mkdir %s", dir, dir);
		return cli_error("%s: %s", dir, strerror(errno));
	}
	if (!S_ISDIR(st.st_mode))
		return cli_error("%s: not a directory", dir);
	if (!occupied && !is_empty_dir(dir))
		cli_error("%s: not empty; what is in it is hidden while the image is mounted", dir);
	return CLI_DONE;
}

static int check_image_and_dir(const struct cli_args *args, bool occupied)
{
	const char *image = args->operands[0], *dir = args->operands[1];
	struct stat image_st, dir_st;

	if (!stat(image, &image_st) && S_ISDIR(image_st.st_mode)) {
		if (!stat(dir, &dir_st) && !S_ISDIR(dir_st.st_mode))
			return cli_usage_error(args->cmd,
					       "%s is a directory and %s is not: the image comes "
					       "first: zqfs %s %s",
					       image, dir, dir, image);
		return cli_error("%s: a directory, not an image", image);
	}
	return check_mountpoint(dir, occupied);
}

/* ---- the command ---------------------------------------------------------------------- */

/* One that is not open now would be that of a file which is opened later, such as the image. */
static int parse_ready_fd(const struct cli_args *args, const char *text, int *fd)
{
	uint64_t number;
	int flags;

	if (number_parse(text, INT_MAX, &number))
		return cli_usage_error(args->cmd, "--ready-fd: '%s' is not a descriptor's number",
				       text);
	*fd = (int)number;
	flags = fcntl(*fd, F_GETFL);
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
		return cli_usage_error(args->cmd,
				       "--ready-fd: descriptor %s is not open for writing", text);
	return CLI_DONE;
}

static int run_mount(const struct cli_args *args)
{
	const char **options CLEANUP_FREE = calloc(args->nr_values + 1, sizeof(*options));
	const char *ready = cli_value(args, OPT_READY_FD);
	struct fs_mount_args mount = {
		.image = args->operands[0],
		.mountpoint = args->operands[1],
		.options = options,
		.foreground = cli_given(args, 'f') || cli_given(args, 'd'),
		.debug = cli_given(args, 'd'),
		.ready_fd = -1,
		.pid_file = cli_value(args, OPT_PID_FILE),
	};
	char *occupied_by CLEANUP_FREE = NULL;
	struct zq_error err = { "" };
	size_t n = 0;
	int ret;

	if (!options)
		return cli_error("out of memory");
	for (size_t i = 0; i < args->nr_values; i++)
		if (args->values[i].opt->id == 'o')
			options[n++] = args->values[i].text;
	ret = ready ? parse_ready_fd(args, ready, &mount.ready_fd) : CLI_DONE;
	if (ret)
		return ret;
	occupied_by = occupant(mount.mountpoint);
	mount.occupied_by = occupied_by;
	ret = check_image_and_dir(args, occupied_by != NULL);
	if (ret)
		return ret;
	ret = fs_mount(&mount, &err);
	return ret ? images_open_failed(mount.image, ret, &err, false) : CLI_DONE;
}

static const struct cli_option mount_options[] = {
	{ 'o', NULL, "KEY[=VALUE][,...]", NULL,
	  "mount options, see \"zqfs help mount\"; may be repeated" },
	{ 'f', "foreground", NULL, NULL, "stay in the foreground, messages go to stderr" },
	{ 'd', "debug", NULL, NULL, "print every FUSE request; implies -f" },
	{ OPT_READY_FD, "ready-fd", "FD", NULL,
	  "write a line to this descriptor once the mount answers" },
	{ OPT_PID_FILE, "pid-file", "PATH", NULL,
	  "write the process id there once the mount answers" },
	{ 'V', "version", NULL, NULL, "print the version" },
	{ 0 },
};

static const char *const mount_operands[] = { "IMAGE", "MOUNTPOINT", NULL };

const struct cli_command cmd_mount = {
	.name = "mount",
	.unnamed = true,
	.summary = "show the zones of an image as files; needs no name",
	.details = "Returns once the mount answers. Conventional zones are cnv/0, cnv/1 ..., "
		   "sequential ones seq/0, seq/1 ...: the size of a file is its write pointer. "
		   "Unmount with "
		   "zqfs umount, which waits until the image is complete.",
	.operands = mount_operands,
	.min_operands = 2,
	.options = mount_options,
	.key = mount_key,
	.run = run_mount,
};
