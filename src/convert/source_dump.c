/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A dump of libzbd as a source.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "convert/formats.h"
#include "convert/dump_format.h"
#include "convert/flat.h"
#include "util/math.h"
#include "io/io.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#define ZONES_AT_ONCE 256u

static int parse_zone(const uint8_t *b, uint32_t nr, const char *name, struct table_row *row,
		      struct zq_error *err)
{
	uint32_t type = get_le32(b + DUMP_Z_TYPE), cond = get_le32(b + DUMP_Z_COND);
	int state = cond > 15 ? -EINVAL : zone_state_from_cond(cond);

	if (state < 0)
		return zq_fail(err, -EINVAL,
			       "%s: zone %" PRIu32 " has the unknown condition %" PRIu32, name, nr,
			       cond);
	*row = (struct table_row){
		.start = get_le64(b + DUMP_Z_START),
		.len = get_le64(b + DUMP_Z_LEN),
		.capacity = get_le64(b + DUMP_Z_CAPACITY),
		.wp = get_le64(b + DUMP_Z_WP),
		.conventional = type == DUMP_TYPE_CONVENTIONAL,
		.state = (enum zq_zone_state)state,
	};
	return 0;
}

/* Limits: all ones stand for unknown. */
static uint32_t known_limit(uint32_t limit)
{
	return limit == UINT32_MAX ? 0 : limit;
}

static int read_info_header(struct zq_io *io, struct zone_table *t, uint32_t *nr,
			    struct zq_error *err)
{
	uint8_t h[DUMP_HEADER_BYTES];
	uint32_t model, first, end;
	uint64_t size = 0;
	int ret = io_size(io, &size);

	if (!ret)
		ret = io_pread(io, h, sizeof(h), 0);
	if (ret)
		return zq_fail(err, ret, "%s: %s", t->name, strerror(-ret));
	*nr = get_le32(h + DUMP_NR_ZONES);
	model = get_le32(h + DUMP_MODEL);
	first = get_le32(h + DUMP_ZSTART);
	end = get_le32(h + DUMP_ZEND);
	if (model != DUMP_MODEL_HOST_MANAGED && model != DUMP_MODEL_HOST_AWARE)
		return zq_fail(err, -EINVAL, "%s: not a dump of a zoned device (model %" PRIu32 ")",
			       t->name, model);
	if (size < DUMP_HEADER_BYTES + (uint64_t)*nr * DUMP_ZONE_BYTES)
		return zq_fail(err, -EINVAL,
			       "%s: %" PRIu32 " zones do not fit into its %" PRIu64 " bytes",
			       t->name, *nr, size);
	if (first || end < *nr)
		return zq_fail(err, -EINVAL,
			       "%s: holds only zones %" PRIu32 " to %" PRIu32 " of %" PRIu32,
			       t->name, first, end, *nr);
	t->max_open = known_limit(get_le32(h + DUMP_MAX_OPEN));
	t->max_active = known_limit(get_le32(h + DUMP_MAX_ACTIVE));
	return 0;
}

static int read_zones(struct zq_io *io, struct zone_table *t, struct zq_error *err)
{
	uint8_t buf[ZONES_AT_ONCE * DUMP_ZONE_BYTES];
	uint32_t nr = 0;
	int ret = read_info_header(io, t, &nr, err);

	for (uint32_t first = 0; !ret && first < nr; first += ZONES_AT_ONCE) {
		uint32_t n = (uint32_t)min_u64(nr - first, ZONES_AT_ONCE);

		ret = io_pread(io, buf, (size_t)n * DUMP_ZONE_BYTES,
			       DUMP_HEADER_BYTES + (uint64_t)first * DUMP_ZONE_BYTES);
		if (ret)
			return zq_fail(err, ret, "%s: %s", t->name, strerror(-ret));
		for (uint32_t i = 0; !ret && i < n; i++) {
			struct table_row row;

			ret = parse_zone(buf + (size_t)i * DUMP_ZONE_BYTES, first + i, t->name,
					 &row, err);
			if (!ret)
				ret = zone_table_add(t, &row, err);
		}
	}
	return ret;
}

int source_open_dump(const char *path, const struct zq_convert_opts *opts, struct disk_source **s,
		     struct zq_error *err)
{
	char *info CLEANUP_FREE = NULL, *data CLEANUP_FREE = NULL;
	struct zone_table t = { 0 };
	struct zq_io *io;
	int ret;

	(void)opts;
	if (dump_paths(path, &info, &data))
		return zq_fail(err, -ENOMEM, "out of memory");
	ret = zq_io_open(info, false, &io, err);
	if (ret)
		return ret;
	t.name = info;
	ret = read_zones(io, &t, err);
	io_close(io);
	if (!ret)
		ret = flat_source_open(data, &t, ZQ_DISK_DUMP, s, err);
	if (!ret)
		(*s)->name = path;
	zone_table_free(&t);
	return ret;
}
