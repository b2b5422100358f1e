/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The zoned header extension: bytes to struct and back, for any layout of the table in
 * zoned_layout.c. Two layouts may have the same length: every row of that length is tried,
 * and the one whose fields pass all rules is it. Pure.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "qcow2/format/geometry.h"
#include "qcow2/format/header_parts.h"
#include "util/bytes.h"
#include "util/math.h"

#define MODEL_HOST_MANAGED 1

/* 0 for a field that the layout lacks. */
static uint64_t get_field(const uint8_t *data, struct zoned_field f)
{
	switch (f.bytes) {
	case 8:
		return get_be64(data + f.at);
	case 4:
		return get_be32(data + f.at);
	default:
		return 0;
	}
}

static uint32_t get_field32(const uint8_t *data, struct zoned_field f)
{
	return (uint32_t)get_field(data, f);
}

/* False when the value does not fit. */
static bool put_field(uint8_t *data, struct zoned_field f, uint64_t value)
{
	if (f.bytes == 8)
		put_be64(data + f.at, value);
	else if (value > UINT32_MAX)
		return false;
	else if (f.bytes)
		put_be32(data + f.at, (uint32_t)value);
	return true;
}

static void decode(const struct zoned_layout *l, const uint8_t *data, uint64_t size,
		   struct qcow2_zoned_ext *ext)
{
	*ext = (struct qcow2_zoned_ext){
		.present = true,
		.layout = l,
		.model = data[0],
		.geo = {
			.size = size,
			.zone_size = get_field(data, l->zone_size),
			.zone_capacity = get_field(data, l->zone_capacity),
			.nr_zones = get_field32(data, l->nr_zones),
			.nr_conv = get_field32(data, l->nr_conv),
			.max_open = get_field32(data, l->max_open),
			.max_active = get_field32(data, l->max_active),
			.max_append = get_field32(data, l->max_append),
		},
		.meta_offset = get_field(data, l->meta_offset),
		.meta_size = get_field(data, l->meta_size),
	};
	ext->stored_open = ext->geo.max_open;
	ext->stored_active = ext->geo.max_active;
	if (!zoned_layout_has(l->meta_size))
		ext->meta_size = (uint64_t)ext->geo.nr_zones * 8;
}

/* Checks where the pointer table is said to be. header_check_tables checks for overlaps. */
static int check_region(const struct qcow2_header *h, const struct qcow2_zoned_ext *z,
			struct zq_error *err)
{
	uint64_t want = (uint64_t)z->geo.nr_zones * 8;
	uint64_t cluster = qcow2_header_cluster_size(h);

	if (z->meta_size != want)
		return zq_fail(err, -EINVAL,
			       "zonedmeta_size %" PRIu64 " is not %" PRIu64
			       ", 8 bytes for each of nr_zones %" PRIu32,
			       z->meta_size, want, z->geo.nr_zones);
	if (!z->meta_offset)
		return zq_fail(err, -EINVAL, "zonedmeta_offset 0 is that of the header");
	if (!is_aligned(z->meta_offset, cluster))
		return zq_fail(err, -EINVAL,
			       "zonedmeta_offset %" PRIu64
			       " is not a multiple of the cluster size %" PRIu64,
			       z->meta_offset, cluster);
	if (!range_within(z->meta_offset, want, h->file_size))
		return zq_fail(err, -EINVAL,
			       "zonedmeta_offset %" PRIu64 " with a table of %" PRIu64
			       " bytes passes the end of the file, %" PRIu64 " bytes",
			       z->meta_offset, want, h->file_size);
	return 0;
}

/* Decodes and judges by one row. */
static int try_layout(const struct zoned_layout *l, const uint8_t *data,
		      const struct qcow2_header *h, struct qcow2_zoned_ext *ext,
		      struct zq_error *err)
{
	int ret;

	decode(l, data, h->size, ext);
	ret = geometry_check_shape(&ext->geo, l->wp_mask, err);
	if (!ret)
		ret = geometry_check_append(&ext->geo, err);
	if (!ret)
		ret = check_region(h, ext, err);
	if (!ret)
		geometry_clamp_limits(&ext->geo);
	return ret;
}

/* Collects the reasons of several rows: "as 48: REASON; as 48b: REASON". */
static void add_reason(struct zq_error *all, const struct zoned_layout *l,
		       const struct zq_error *why)
{
	zq_fail(all, 0, "%s%sas %s: %s", all->msg, *all->msg ? "; " : "", l->name, why->msg);
}

static int choose_layout(const uint8_t *data, uint32_t len, struct qcow2_header *h,
			 struct zq_error *err)
{
	const struct zoned_layout *l;
	struct qcow2_zoned_ext ext;
	struct zq_error why, all = { "" };
	unsigned tried = 0, fitting = 0;

	for (unsigned i = 0; (l = zoned_layout_at(i)); i++) {
		if (l->len != len)
			continue;
		tried++;
		if (try_layout(l, data, h, &ext, &why)) {
			add_reason(&all, l, &why);
			continue;
		}
		fitting++;
		h->zoned = ext;
	}
	if (fitting == 1)
		return 0;
	h->zoned = (struct qcow2_zoned_ext){ 0 };
	if (fitting)
		return zq_fail(err, -EINVAL, "length %" PRIu32 " fits more than one layout", len);
	if (tried == 1)
		return zq_fail(err, -EINVAL, "%s", why.msg);
	return zq_fail(err, -EINVAL, "length %" PRIu32 " fits no layout of that length: %s", len,
		       all.msg);
}

static bool known_length(uint32_t len)
{
	const struct zoned_layout *l;

	for (unsigned i = 0; (l = zoned_layout_at(i)); i++)
		if (l->len == len)
			return true;
	return false;
}

static int parse(const uint8_t *data, uint32_t len, struct qcow2_header *h, struct zq_error *err)
{
	char lengths[ZONED_LIST_MAX];

	if (!known_length(len))
		return zq_fail(err, -EINVAL, "length %" PRIu32 " is that of no known layout (%s)",
			       len, zoned_layout_lengths(lengths));
	if (data[0] != MODEL_HOST_MANAGED)
		return zq_fail(err, -EINVAL, "zoned %u is not a known model (1 is host-managed)%s",
			       data[0], data[0] ? "" : "; 0 says that the image is not zoned");
	return choose_layout(data, len, h, err);
}

int qcow2_zoned_ext_parse(const uint8_t *data, uint32_t len, struct qcow2_header *h,
			  struct zq_error *err)
{
	int ret = parse(data, len, h, err);

	if (ret)
		zq_error_prefix(err, "zoned extension");
	return ret;
}

int qcow2_zoned_ext_encode(const struct qcow2_zoned_ext *ext, uint8_t *data, struct zq_error *err)
{
	const struct zoned_layout *l = ext->layout;

	memset(data, 0, l->len);
	data[0] = ext->model;
	if (!put_field(data, l->zone_size, ext->geo.zone_size) ||
	    !put_field(data, l->zone_capacity, ext->geo.zone_capacity))
		return zq_fail(err, -ERANGE,
			       "zoned extension: zone_size %" PRIu64
			       " does not fit layout %s (below 4 GiB)",
			       ext->geo.zone_size, l->name);
	put_field(data, l->nr_zones, ext->geo.nr_zones);
	put_field(data, l->nr_conv, ext->geo.nr_conv);
	put_field(data, l->max_active, ext->geo.max_active);
	put_field(data, l->max_open, ext->geo.max_open);
	put_field(data, l->max_append, ext->geo.max_append);
	put_field(data, l->meta_size, ext->meta_size);
	put_field(data, l->meta_offset, ext->meta_offset);
	return 0;
}

/* ---- what is legal here and not to the layout's QEMU ---------------------------------------- */

static void remark_limits(const struct qcow2_zoned_ext *z, zoned_remark_fn tell, void *data)
{
	struct zq_error line;

	if (z->stored_active != z->geo.max_active) {
		zq_fail(&line, 0,
			"max_active_zones %" PRIu32 " is larger than nr_zones: taken as %" PRIu32,
			z->stored_active, z->geo.max_active);
		tell(data, line.msg);
	}
	if (z->stored_open != z->geo.max_open) {
		zq_fail(&line, 0, "max_open_zones %" PRIu32 " is larger than %s: taken as %" PRIu32,
			z->stored_open,
			z->stored_open > z->geo.nr_zones - z->geo.nr_conv
				? "the number of sequential zones"
				: "max_active_zones",
			z->geo.max_open);
		tell(data, line.msg);
	}
}

static void remark_append(const struct qcow2_zoned_ext *z, zoned_remark_fn tell, void *data)
{
	uint32_t margin = z->layout->append_margin;
	struct zq_error line;

	if (!margin || z->geo.max_append + (uint64_t)margin < z->geo.zone_capacity)
		return;
	zq_fail(&line, 0,
		"max_append_bytes %" PRIu32 " is not below zone_capacity - %" PRIu32
		": QEMU of %s refuses the image",
		z->geo.max_append, margin, z->layout->revision);
	tell(data, line.msg);
}

void qcow2_zoned_remarks(const struct qcow2_header *h, zoned_remark_fn tell, void *data)
{
	const struct qcow2_zoned_ext *z = &h->zoned;
	struct zq_error why, line;

	if (!z->present)
		return;
	remark_limits(z, tell, data);
	remark_append(z, tell, data);
	if (zoned_layout_fits(z->layout, &z->geo, qcow2_header_cluster_size(h), &why)) {
		zq_fail(&line, 0, "%s: QEMU of %s refuses the image", why.msg, z->layout->revision);
		tell(data, line.msg);
	}
}
