/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tries something on a zoned disk without risk: an overlay takes all changes, and at the end they
 * are kept, when the disk also gets a zone more, or thrown away. Builds with
 *
 *     cc branch.c $(pkg-config --cflags --libs libzqfs) -o branch
 *
 * and runs as: branch BASE OVERLAY keep|drop. BASE is a zoned image without a backing file.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <zqfs/commit.h>
#include <zqfs/create.h>
#include <zqfs/device.h>
#include <zqfs/info.h>
#include <zqfs/resize.h>

/* What stands here for the risky work: a block at the end of the last zone's data. */
static int risky_work(const char *overlay, struct zq_error *err)
{
	static char block[512] = "tried";
	struct zq_device *dev;
	struct zq_open_opts opts = { 0 };
	int ret = zq_open_device(overlay, &opts, &dev, err);
	ssize_t done;

	if (ret)
		return ret;
	done = zq_append(dev, zq_device_geometry(dev)->nr_zones - 1, NULL, 0, block, sizeof(block),
			 ZQ_WRITE_APPEND, NULL);
	ret = zq_close_device(dev);
	return done < 0 ? (int)done : ret;
}

static void tell_file(void *data, const struct zq_chain_file *f)
{
	(void)data;
	printf("%s: %" PRIu32 " zones, %" PRIu64 " bytes of its own\n", f->path, f->zones,
	       f->own_data);
}

/* Nothing else may have the two open; a failure in between leaves an overlay that is good still. */
static int keep(const char *base, const char *overlay, struct zq_error *err)
{
	struct zq_resize_opts larger = { .how = ZQ_RESIZE_BY };
	struct zq_commit_opts commit = { .progress = NULL };
	struct zq_commit_result res = { 0 };
	struct zq_image_info *info;
	int ret = zq_commit_overlay(overlay, &commit, &res, err);

	if (ret)
		return ret;
	printf("%" PRIu64 " bytes written, %" PRIu32 " write pointers moved\n", res.written,
	       res.moved);
	unlink(overlay); /* it is empty, and of no use once the base is larger */
	ret = zq_get_image_info(base, NULL, false, &info, err);
	if (ret)
		return ret;
	larger.size = info->geo.zone_size;
	zq_image_info_free(info);
	return zq_resize(base, &larger, NULL, err);
}

int main(int argc, char **argv)
{
	struct zq_create_opts create = { 0 };
	struct zq_error err = { "" };
	int ret;

	if (argc != 4 || (strcmp(argv[3], "keep") && strcmp(argv[3], "drop"))) {
		fprintf(stderr, "usage: branch BASE OVERLAY keep|drop\n");
		return 2;
	}
	ret = zq_create_set(&create, "backing_file", argv[1], &err);
	if (!ret)
		ret = zq_create_set(&create, "backing_fmt", "qcow2", &err);
	if (!ret)
		ret = zq_create(argv[2], &create, &err);
	if (!ret)
		ret = risky_work(argv[2], &err);
	if (!ret)
		ret = zq_get_chain(argv[2], false, tell_file, NULL, &err);
	if (!ret && !strcmp(argv[3], "keep"))
		ret = keep(argv[1], argv[2], &err);
	else if (!ret)
		unlink(argv[2]);
	zq_create_opts_free(&create);
	if (ret)
		fprintf(stderr, "branch: %s\n", *err.msg ? err.msg : strerror(-ret));
	return ret != 0;
}
