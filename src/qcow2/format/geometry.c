/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules that a zoned device's shape must meet, in one function that creating and opening
 * share. Pure: no I/O, no memory, no locks. FORMAT section 3.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "qcow2/format/geometry.h"
#include "util/math.h"

#define MIN_ZONE_SIZE  UINT64_C(4096)
#define DEFAULT_APPEND (UINT64_C(64) << 10)

#define REFUSE(err, ...) zq_fail(err, -EINVAL, __VA_ARGS__)

static int check_zones(const struct zq_geometry *g, uint64_t max_wp, struct zq_error *err)
{
	uint64_t end, nr;

	if (!is_pow2(g->zone_size))
		return REFUSE(err, "zone_size %" PRIu64 " is not a power of two", g->zone_size);
	if (g->zone_size < MIN_ZONE_SIZE)
		return REFUSE(err, "zone_size %" PRIu64 " is smaller than %" PRIu64, g->zone_size,
			      MIN_ZONE_SIZE);
	if (g->zone_capacity > g->zone_size)
		return REFUSE(err, "zone_capacity %" PRIu64 " is larger than zone_size %" PRIu64,
			      g->zone_capacity, g->zone_size);
	if (g->zone_capacity < ZQ_BLOCK)
		return REFUSE(err, "zone_capacity %" PRIu64 " is smaller than %u", g->zone_capacity,
			      ZQ_BLOCK);
	if (!is_aligned(g->zone_capacity, ZQ_BLOCK))
		return REFUSE(err, "zone_capacity %" PRIu64 " is not a multiple of %u",
			      g->zone_capacity, ZQ_BLOCK);
	if (!g->size)
		return REFUSE(err, "size 0 holds no zone, at least %u bytes are needed", ZQ_BLOCK);
	if (!is_aligned(g->size, ZQ_BLOCK))
		return REFUSE(err, "size %" PRIu64 " is not a multiple of %u", g->size, ZQ_BLOCK);
	nr = div_up(g->size, g->zone_size);
	/* A full last zone is stored with its pointer at nr * zone_size. */
	if (!mul_u64(nr, g->zone_size, &end) || end > max_wp)
		return REFUSE(err,
			      "size %" PRIu64 " in zones of %" PRIu64
			      " passes the largest write pointer %" PRIu64,
			      g->size, g->zone_size, max_wp);
	if (nr > ZQ_MAX_ZONES)
		return REFUSE(err,
			      "zone_size %" PRIu64 " makes %" PRIu64 " zones of the size %" PRIu64
			      ", more than %u",
			      g->zone_size, nr, g->size, ZQ_MAX_ZONES);
	if (g->nr_zones != nr)
		return REFUSE(err,
			      "nr_zones %" PRIu32 " does not match size %" PRIu64
			      " and zone_size %" PRIu64 ", which make %" PRIu64,
			      g->nr_zones, g->size, g->zone_size, nr);
	return 0;
}

int geometry_check_shape(const struct zq_geometry *g, uint64_t max_wp, struct zq_error *err)
{
	int ret = check_zones(g, max_wp, err);

	if (ret)
		return ret;
	if (g->nr_conv >= g->nr_zones)
		return REFUSE(
			err, "conventional_zones %" PRIu32 " is not smaller than nr_zones %" PRIu32,
			g->nr_conv, g->nr_zones);
	return 0;
}

int geometry_check_limits(const struct zq_geometry *g, struct zq_error *err)
{
	uint32_t nr_seq = g->nr_zones - g->nr_conv;

	if (g->max_active > g->nr_zones)
		return REFUSE(err, "max_active_zones %" PRIu32 " is larger than nr_zones %" PRIu32,
			      g->max_active, g->nr_zones);
	if (g->max_open > nr_seq)
		return REFUSE(err,
			      "max_open_zones %" PRIu32
			      " is larger than the number of sequential zones %" PRIu32,
			      g->max_open, nr_seq);
	if (g->max_open && g->max_active && g->max_open > g->max_active)
		return REFUSE(err,
			      "max_open_zones %" PRIu32 " is larger than max_active_zones %" PRIu32,
			      g->max_open, g->max_active);
	return 0;
}

void geometry_clamp_limits(struct zq_geometry *g)
{
	uint32_t nr_seq = g->nr_zones - g->nr_conv;

	if (g->max_active > g->nr_zones)
		g->max_active = g->nr_zones;
	if (g->max_open > nr_seq)
		g->max_open = nr_seq;
	if (g->max_active && g->max_open > g->max_active)
		g->max_open = g->max_active;
}

/*
 * QEMU's code wants max_append_bytes below capacity - 512. A capacity of two blocks or less
 * leaves nothing there; one block is then what the format itself allows.
 */
uint64_t geometry_append_bound(uint64_t capacity)
{
	return capacity > 3 * ZQ_BLOCK ? capacity - 2 * ZQ_BLOCK : ZQ_BLOCK;
}

uint32_t geometry_default_append(const struct zq_geometry *g)
{
	return (uint32_t)min_u64(DEFAULT_APPEND, geometry_append_bound(g->zone_capacity));
}

int geometry_check_append(const struct zq_geometry *g, struct zq_error *err)
{
	if (!is_aligned(g->max_append, ZQ_BLOCK))
		return REFUSE(err, "max_append_bytes %" PRIu32 " is not a multiple of %u",
			      g->max_append, ZQ_BLOCK);
	if (g->max_append > g->zone_capacity)
		return REFUSE(err,
			      "max_append_bytes %" PRIu32 " is larger than zone_capacity %" PRIu64,
			      g->max_append, g->zone_capacity);
	return 0;
}

char *zq_zone_name(uint32_t nr_conv, uint32_t zone, enum zq_naming naming, char *buf)
{
	bool conv = zone < nr_conv;
	const char *folder = conv ? "cnv" : "seq";

	if (naming == ZQ_NAMES_FLAT)
		snprintf(buf, ZQ_ZONE_NAME_MAX, "%s-%06u", folder, zone);
	else
		snprintf(buf, ZQ_ZONE_NAME_MAX, "%s/%u", folder, conv ? zone : zone - nr_conv);
	return buf;
}

char *zq_zone_label(uint32_t nr_conv, uint32_t zone, char *buf)
{
	char name[ZQ_ZONE_NAME_MAX];

	snprintf(buf, ZQ_ZONE_LABEL_MAX, "zone %u (%s)", zone,
		 zq_zone_name(nr_conv, zone, ZQ_NAMES_FOLDERS, name));
	return buf;
}

int zq_geometry_validate(const struct zq_geometry *g, struct zq_error *err)
{
	int ret = geometry_check_shape(g, INT64_MAX, err);

	if (!ret)
		ret = geometry_check_limits(g, err);
	if (!ret)
		ret = geometry_check_append(g, err);
	if (ret)
		zq_error_prefix(err, "zoned extension");
	return ret;
}
