/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The extension that names an overlay's base: bytes to struct and back.
 *
 *    0  u32  version, 2           24  u64  zone_capacity        48  u64  identity, or 0
 *    4  u32  nr_zones             32  u32  conventional_zones,  56  u64  hash of the tables
 *    8  u64  size of the disk              4 bytes reserved     64  u64  identity of a commit
 *   16  u64  zone_size            40  u64  hash of the pointers          that goes on, or 0
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "qcow2/format/base_id.h"
#include "util/bytes.h"

#define BASE_ID_VERSION 2u

int base_id_parse(const uint8_t *data, uint32_t len, struct qcow2_base_id *id, struct zq_error *err)
{
	uint32_t version = len >= 4 ? get_be32(data) : 0;

	if (len != BASE_ID_BYTES || version != BASE_ID_VERSION)
		return zq_fail(err, -EINVAL,
			       "base extension: length %" PRIu32 ", version %" PRIu32
			       " is not known (%u, %u)",
			       len, version, BASE_ID_BYTES, BASE_ID_VERSION);
	*id = (struct qcow2_base_id){
		.present = true,
		.geo = {
			.nr_zones = get_be32(data + 4),
			.size = get_be64(data + 8),
			.zone_size = get_be64(data + 16),
			.zone_capacity = get_be64(data + 24),
			.nr_conv = get_be32(data + 32),
		},
		.pointers = get_be64(data + 40),
		.identity = get_be64(data + 48),
		.tables = get_be64(data + 56),
		.commit = get_be64(data + BASE_ID_COMMIT),
	};
	return 0;
}

void base_id_encode(const struct qcow2_base_id *id, uint8_t *data)
{
	memset(data, 0, BASE_ID_BYTES);
	put_be32(data, BASE_ID_VERSION);
	put_be32(data + 4, id->geo.nr_zones);
	put_be64(data + 8, id->geo.size);
	put_be64(data + 16, id->geo.zone_size);
	put_be64(data + 24, id->geo.zone_capacity);
	put_be32(data + 32, id->geo.nr_conv);
	put_be64(data + 40, id->pointers);
	put_be64(data + 48, id->identity);
	put_be64(data + 56, id->tables);
	put_be64(data + BASE_ID_COMMIT, id->commit);
}

static int field_differs(const char *what, uint64_t was, uint64_t is, struct zq_error *err)
{
	return was == is ? 0
			 : zq_fail(err, -ESTALE, "its %s was %" PRIu64 " and is %" PRIu64, what,
				   was, is);
}

static int compare_zones(const struct qcow2_base_id *was, const struct qcow2_base_id *now,
			 struct zq_error *err)
{
	int ret = field_differs("size", was->geo.size, now->geo.size, err);

	if (!ret)
		ret = field_differs("zone_size", was->geo.zone_size, now->geo.zone_size, err);
	if (!ret)
		ret = field_differs("zone_capacity", was->geo.zone_capacity, now->geo.zone_capacity,
				    err);
	if (!ret)
		ret = field_differs("number of conventional zones", was->geo.nr_conv,
				    now->geo.nr_conv, err);
	return ret;
}

int base_id_compare(const struct qcow2_base_id *was, const struct qcow2_base_id *now,
		    struct zq_error *err)
{
	int ret = compare_zones(was, now, err);

	if (ret || (was->commit && was->commit == now->identity))
		return ret;
	if (was->pointers != now->pointers)
		return zq_fail(err, -ESTALE, "its write pointers have moved");
	if (was->identity && !now->identity)
		return zq_fail(err, -ESTALE,
			       "a program that does not say what it changes has opened it for "
			       "writing");
	if (was->identity != now->identity)
		return zq_fail(err, -ESTALE, "it has been written to");
	/* who has no identity: a base that zqfs has not made */
	if (!now->identity && was->tables != now->tables)
		return zq_fail(err, -ESTALE, "its length or its tables have changed");
	return 0;
}
