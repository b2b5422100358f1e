/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The facts of an image. Reads the header, the write pointers and the snapshot table, and
 * nothing that is needed only for the data: so an image whose backing or data file is missing
 * still tells about itself. Opens for reading only.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zqfs/info.h>
#include <zqfs/io.h>

#include "io/io.h"
#include "qcow2/format/format.h"
#include "qcow2/format/header.h"
#include "qcow2/format/zoned_word.h"
#include "qcow2/tables/snapshot.h"
#include "qcow2/tables/named_file.h"
#include "qcow2/tables/header_read.h"
#include "util/cleanup.h"
#include "util/math.h"
#include "offline/create_backing.h"

#define CHUNK_WORDS 8192u

/* Takes what the header owns over into info. */
static void take_header(struct qcow2_header *h, struct zq_image_info *info)
{
	*info = (struct zq_image_info){
		.geo = h->zoned.geo,
		.layout = h->zoned.layout->name,
		.opened_by = h->zoned.layout->revision,
		.ext_len = h->zoned.layout->len,
		.cluster_size = qcow2_header_cluster_size(h),
		.refcount_bits = 1u << h->refcount_order,
		.compression = h->compression_type ? "zstd" : "zlib",
		.dirty = h->incompat & QCOW2_INCOMPAT_DIRTY,
		.corrupt = h->incompat & QCOW2_INCOMPAT_CORRUPT,
		.extended_l2 = h->incompat & QCOW2_INCOMPAT_EXTL2,
		.lazy_refcounts = h->compat & QCOW2_COMPAT_LAZY,
		.data_file_raw = h->autoclear & QCOW2_AUTOCLEAR_DATA_RAW,
		.bitmaps = h->nb_bitmaps && h->autoclear & QCOW2_AUTOCLEAR_BITMAPS,
		.incompat = h->incompat,
		.compat = h->compat,
		.autoclear = h->autoclear,
		.backing_file = steal_ptr(&h->backing_file),
		.backing_fmt = steal_ptr(&h->backing_format),
		.data_file = steal_ptr(&h->data_file),
		.has_data_file = h->incompat & QCOW2_INCOMPAT_DATA_FILE,
		.file_size = h->file_size,
		.table_offset = h->zoned.meta_offset,
	};
	/* The extension without the feature means nothing. */
	if (!info->has_data_file) {
		free(info->data_file);
		info->data_file = NULL;
	}
}

/* Counts the sane words in both byte orders, as opening does. qcow2/FORMAT section 4. */
static int read_pointers(struct zq_io *io, const struct zoned_layout *layout,
			 struct zq_image_info *info, struct zq_error *err)
{
	uint8_t *buf CLEANUP_FREE = malloc(CHUNK_WORDS * 8);
	uint32_t nr = info->geo.nr_zones;
	struct zoned_order order = { 0 };

	if (!buf)
		return zq_fail(err, -ENOMEM, "%s: out of memory", io->name);
	for (uint32_t first = 0; first < nr;) {
		uint32_t n = (uint32_t)min_u64(CHUNK_WORDS, nr - first);
		int ret = io->ops->pread(io, buf, (size_t)n * 8,
					 info->table_offset + (uint64_t)first * 8);

		if (ret)
			return zq_fail(err, ret, "%s: reading the write pointers: %s", io->name,
				       strerror(-ret));
		zoned_order_count(layout, &info->geo, first, buf, n, &order);
		first += n;
	}
	info->wp_little_endian = zoned_order_little(&order);
	info->corrupt_zones = nr - zoned_order_sane(&order);
	return 0;
}

static int read_snapshots(struct zq_io *io, const struct qcow2_header *h,
			  struct zq_image_info *info, struct zq_error *err)
{
	struct qcow2_snapshot *list;
	int ret = qcow2_snapshots_read(io, h, &list, NULL, err);

	if (ret || !h->nb_snapshots)
		return ret;
	info->snapshots = calloc(h->nb_snapshots, sizeof(*info->snapshots));
	if (!info->snapshots) {
		qcow2_snapshots_free(list, h->nb_snapshots);
		return zq_fail(err, -ENOMEM, "%s: out of memory", io->name);
	}
	info->nr_snapshots = h->nb_snapshots;
	for (uint32_t i = 0; i < h->nb_snapshots; i++) {
		info->snapshots[i] = (struct zq_snapshot_info){
			.id = steal_ptr(&list[i].id),
			.name = steal_ptr(&list[i].name),
			.date_sec = list[i].date_sec,
			.disk_size = list[i].disk_size,
			.vm_state = list[i].vm_state,
		};
	}
	qcow2_snapshots_free(list, h->nb_snapshots);
	return 0;
}

/* Only the usage of the data file is needed; it is 0 when the file cannot be found. */
static void read_data_usage(const char *path, const char *data_file, struct zq_image_info *info)
{
	char *beside CLEANUP_FREE = NULL;
	struct zq_error ignored;
	struct zq_io *io;

	if (!info->has_data_file)
		return;
	if (!data_file && info->data_file)
		data_file = beside = named_beside(path, info->data_file);
	if (!data_file || zq_io_open(data_file, false, &io, &ignored))
		return;
	if (io->ops->usage(io, &info->data_usage))
		info->data_usage = 0;
	io->ops->close(io);
}

static int get_info(struct zq_io *io, bool force_share, struct zq_image_info *info,
		    struct zq_error *err)
{
	struct qcow2_header h;
	int ret = io_claim(io, force_share ? ZQ_LOCK_SHARED : ZQ_LOCK_READ, NULL, err);

	if (ret)
		return ret;
	ret = qcow2_header_read(io, HEADER_ZONED, &h, err);
	if (ret)
		return ret;
	take_header(&h, info);
	ret = io->ops->usage(io, &info->disk_usage);
	if (ret)
		zq_fail(err, ret, "%s: %s", io->name, strerror(-ret));
	if (!ret)
		ret = read_pointers(io, h.zoned.layout, info, err);
	if (!ret)
		ret = read_snapshots(io, &h, info, err);
	qcow2_header_free(&h);
	return ret;
}

/* get_info() for a caller: all or nothing. */
static int new_info(struct zq_io *io, bool force_share, struct zq_image_info **info,
		    struct zq_error *err)
{
	struct zq_image_info *i = calloc(1, sizeof(*i));
	int ret = i ? get_info(io, force_share, i, err) : zq_fail(err, -ENOMEM, "out of memory");

	if (ret) {
		zq_image_info_free(i);
		return ret;
	}
	*info = i;
	return 0;
}

int zq_get_image_info(const char *path, const char *data_file, bool force_share,
		      struct zq_image_info **info, struct zq_error *err)
{
	struct zq_io *io;
	int ret;

	if (!path || !info)
		return zq_fail(err, -EINVAL, "no image, or no place for what is known of it");
	*info = NULL;
	ret = zq_io_open(path, false, &io, err);
	if (ret)
		return ret;
	ret = new_info(io, force_share, info, err);
	io_close(io);
	if (!ret)
		read_data_usage(path, data_file, *info);
	return ret;
}

int zq_get_image_info_io(struct zq_io *io, struct zq_io *data_io, bool force_share,
			 struct zq_image_info **info, struct zq_error *err)
{
	int ret;

	if (!io || !info)
		return zq_fail(err, -EINVAL, "no image, or no place for what is known of it");
	*info = NULL;
	ret = new_info(io, force_share, info, err);
	io_lock(io, ZQ_LOCK_NONE);
	if (!ret && (*info)->has_data_file && data_io)
		ret = io_usage(data_io, &(*info)->data_usage);
	if (ret) {
		zq_image_info_free(*info);
		*info = NULL;
	}
	return ret;
}

void zq_image_info_free(struct zq_image_info *info)
{
	if (!info)
		return;
	for (uint32_t i = 0; i < info->nr_snapshots; i++) {
		free(info->snapshots[i].id);
		free(info->snapshots[i].name);
	}
	free(info->snapshots);
	free(info->backing_file);
	free(info->backing_fmt);
	free(info->data_file);
	free(info);
}
