/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The zoned header extension: bytes to struct and back. Every published layout is one row
 * of the table below, told apart by the extension's length and by nothing else.
 * Pure; checks what one field alone can tell, the rest is zq_geometry_validate's.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "qcow2/format/header.h"
#include "util/bytes.h"
#include "util/math.h"

#define MODEL_HOST_MANAGED 1

struct field {
	uint8_t at, bytes; /* position in the extension and width: 1, 4 or 8 */
};

struct layout {
	uint32_t len; /* the first row is matched exactly, the last one also by what is longer */
	struct field zone_size, zone_capacity, nr_conv, nr_zones, max_active, max_open, max_append;
	struct field meta_size, meta_offset;
};

static const struct layout layouts[] = {
	{
		.len = 48,
		.zone_size = { 4, 4 },
		.zone_capacity = { 8, 4 },
		.nr_conv = { 12, 4 },
		.nr_zones = { 16, 4 },
		.max_active = { 20, 4 },
		.max_open = { 24, 4 },
		.max_append = { 28, 4 },
		.meta_size = { 32, 8 },
		.meta_offset = { 40, 8 },
	},
	{
		.len = 56,
		.zone_size = { 4, 8 },
		.zone_capacity = { 12, 8 },
		.nr_conv = { 20, 4 },
		.nr_zones = { 24, 4 },
		.max_active = { 28, 4 },
		.max_open = { 32, 4 },
		.max_append = { 36, 4 },
		.meta_size = { 40, 8 },
		.meta_offset = { 48, 8 },
	},
};

/* The row for a length field; NULL when no layout has it. */
static const struct layout *find_layout(uint32_t len)
{
	const struct layout *newest = &layouts[ARRAY_SIZE(layouts) - 1];

	/* What is longer than the newest is a later revision's, whose beginning is the same. */
	if (len > newest->len)
		return newest;
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++)
		if (layouts[i].len == len)
			return &layouts[i];
	return NULL;
}

static uint64_t get64(const uint8_t *data, struct field f)
{
	return f.bytes == 8 ? get_be64(data + f.at) : get_be32(data + f.at);
}

static uint32_t get32(const uint8_t *data, struct field f)
{
	return get_be32(data + f.at);
}

/* False when the value does not fit. */
static bool put(uint8_t *data, struct field f, uint64_t value)
{
	if (f.bytes == 8) {
		put_be64(data + f.at, value);
		return true;
	}
	if (value > UINT32_MAX)
		return false;
	put_be32(data + f.at, (uint32_t)value);
	return true;
}

int qcow2_zoned_ext_parse(const uint8_t *data, uint32_t len, struct qcow2_zoned_ext *ext,
			  struct zq_error *err)
{
	const struct layout *l = find_layout(len);

	if (!l)
		return zq_fail(err, -EINVAL,
			       "zoned extension: length %" PRIu32
			       " is that of no known layout (48, 56 or more)",
			       len);
	if (data[0] != MODEL_HOST_MANAGED)
		return zq_fail(
			err, -EINVAL,
			"zoned extension: zoned %u is not a known model (1 is host-managed)%s",
			data[0], data[0] ? "" : "; 0 says that the image is not zoned");
	memset(ext, 0, sizeof(*ext));
	ext->present = true;
	ext->layout = l->len;
	ext->stored_len = len;
	ext->model = data[0];
	ext->geo.zone_size = get64(data, l->zone_size);
	ext->geo.zone_capacity = get64(data, l->zone_capacity);
	ext->geo.nr_conv = get32(data, l->nr_conv);
	ext->geo.nr_zones = get32(data, l->nr_zones);
	ext->geo.max_active = get32(data, l->max_active);
	ext->geo.max_open = get32(data, l->max_open);
	ext->geo.max_append = get32(data, l->max_append);
	ext->meta_size = get64(data, l->meta_size);
	ext->meta_offset = get64(data, l->meta_offset);
	return 0;
}

int qcow2_zoned_ext_encode(const struct qcow2_zoned_ext *ext, uint8_t *data, struct zq_error *err)
{
	const struct layout *l = find_layout(ext->layout);

	if (!l || l->len != ext->layout)
		return zq_fail(err, -EINVAL, "zoned extension: layout %u is unknown (48 or 56)",
			       ext->layout);
	memset(data, 0, l->len);
	data[0] = ext->model;
	if (!put(data, l->zone_size, ext->geo.zone_size))
		return zq_fail(err, -ERANGE,
			       "zoned extension: zone_size %" PRIu64
			       " does not fit the %u-byte layout (below 4 GiB)",
			       ext->geo.zone_size, l->len);
	if (!put(data, l->zone_capacity, ext->geo.zone_capacity))
		return zq_fail(err, -ERANGE,
			       "zoned extension: zone_capacity %" PRIu64
			       " does not fit the %u-byte layout (below 4 GiB)",
			       ext->geo.zone_capacity, l->len);
	put(data, l->nr_conv, ext->geo.nr_conv);
	put(data, l->nr_zones, ext->geo.nr_zones);
	put(data, l->max_active, ext->geo.max_active);
	put(data, l->max_open, ext->geo.max_open);
	put(data, l->max_append, ext->geo.max_append);
	put(data, l->meta_size, ext->meta_size);
	put(data, l->meta_offset, ext->meta_offset);
	return 0;
}
