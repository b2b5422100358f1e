/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every part of the engine asks of an open image: its log, where its fixed metadata
 * lies, and what does not change while it is open. Knows no other part.
 */
#include <stdarg.h>
#include <stdio.h>

#include "io/io.h"
#include "qcow2/engine/image.h"
#include "util/math.h"

void qcow2_write_out(struct qcow2_image *img)
{
	io_write_out(img->data);
}

void image_log(struct qcow2_image *img, const char *fmt, ...)
{
	char msg[256], line[512];
	va_list ap;

	if (!img->log)
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	snprintf(line, sizeof(line), "%.200s: %s", img->file->name, msg);
	img->log(img->log_data, line);
}

const struct qcow2_header *qcow2_get_header(const struct qcow2_image *img)
{
	return &img->hdr;
}

const char *qcow2_name(const struct qcow2_image *img)
{
	return img->file->name;
}

uint64_t qcow2_size(const struct qcow2_image *img)
{
	return img->hdr.size;
}

uint64_t qcow2_cluster_size(const struct qcow2_image *img)
{
	return img->cluster_size;
}

bool qcow2_writable(const struct qcow2_image *img)
{
	return img->writable;
}

bool qcow2_commits(const struct qcow2_image *img)
{
	return !atomic_load(&img->flush_error);
}

const char *qcow2_readonly_reason(const struct qcow2_image *img)
{
	return img->why_readonly;
}

void qcow2_get_stats(struct qcow2_image *img, struct qcow2_stats *st)
{
	st->commits = atomic_load(&img->stats.commits);
	st->flushes = atomic_load(&img->stats.flushes);
	st->meta_bytes = atomic_load(&img->stats.meta_bytes);
	st->data_writes = atomic_load(&img->stats.data_writes);
	st->data_bytes = atomic_load(&img->stats.data_bytes);
	st->reads = atomic_load(&img->stats.reads);
}

void image_note_overlap(struct qcow2_image *img, const char *what, uint64_t off)
{
	if (!atomic_exchange(&img->overlaps, true))
		image_log(img,
			  "%s 0x%llx overlaps with metadata in use; the image is marked "
			  "corrupt and opens read-only until \"zqfs check --repair\" has mended it",
			  what, (unsigned long long)off);
}

bool image_is_meta(const struct qcow2_image *img, uint64_t off, uint64_t len)
{
	bool used = image_is_fixed_meta(img, off, len);

	for (uint64_t c = align_down(off, img->cluster_size); c < off + len && !used;
	     c += img->cluster_size)
		used = table_refers_to(&img->l1, c) || table_refers_to(&img->reftable, c);
	return used;
}

static bool is_snapshot_meta(const struct qcow2_image *img, uint64_t off, uint64_t len)
{
	bool used = false;

	if (!img->snapshot_meta.nr)
		return false;
	for (uint64_t c = align_down(off, img->cluster_size); c < off + len && !used;
	     c += img->cluster_size)
		used = offset_set_count(&img->snapshot_meta, c);
	return used;
}

bool image_is_fixed_meta(const struct qcow2_image *img, uint64_t off, uint64_t len)
{
	const struct qcow2_header *h = &img->hdr;

	return off < img->cluster_size || is_snapshot_meta(img, off, len) ||
	       ranges_overlap(off, len, h->l1_offset, (uint64_t)h->l1_size * 8) ||
	       ranges_overlap(off, len, img->reftable.nr ? img->reftable.offset : 0,
			      img->reftable.nr * 8) ||
	       (h->zoned.present &&
		ranges_overlap(off, len, h->zoned.meta_offset, h->zoned.meta_size));
}
