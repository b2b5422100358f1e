/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Using a device whose image is hostile: appends, writes, resets, finishes and commits, chosen
 * by the input's hash. An image without corruption has none afterwards, and what was
 * appended to it is read back.
 */
#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "util/math.h"

#define NR_OPS 24

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void write_append(struct zq_device *dev, uint32_t zone, uint32_t r, bool clean)
{
	static uint8_t buf[4096], back[4096];
	size_t len = 512 * (1 + r % 8);
	uint64_t where = 0;
	ssize_t n;

	memset(buf, (int)(r >> 4 & 0xff), len);
	n = zq_append(dev, zone, NULL, 0, buf, len, ZQ_WRITE_APPEND, &where);
	if (n <= 0)
		return;
	FUZZ_ASSERT((size_t)n <= len);
	if (!clean)
		return;
	FUZZ_ASSERT(zq_read(dev, zone, where, back, (size_t)n) == n);
	FUZZ_ASSERT(!memcmp(buf, back, (size_t)n));
}

static void write_operate(struct zq_device *dev, uint32_t seed, bool clean)
{
	const struct zq_geometry *geo = zq_device_geometry(dev);
	uint32_t nr = (uint32_t)min_u64(geo->nr_zones, 64);

	for (int i = 0; i < NR_OPS; i++) {
		uint32_t zone = next(&seed) % nr, r = next(&seed);
		uint8_t buf[700];

		switch (next(&seed) % 8) {
		case 0:
			zq_zone_reset(dev, zone);
			break;
		case 1:
			/* writes zeros up to the capacity: not in a zone of terabytes */
			if (geo->zone_capacity <= (1u << 20))
				zq_zone_finish(dev, zone);
			break;
		case 2:
			zq_sync(dev);
			break;
		case 3:
			memset(buf, (int)i, sizeof(buf));
			zq_write(dev, zq_zone_start(geo, zone) + r % 4096, buf, 1 + r % 700, 0);
			break;
		case 4:
			zq_zero(dev, zq_zone_start(geo, zone) + r % 4096, r % 8192);
			break;
		default:
			write_append(dev, zone, r, clean);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memio *m = fuzz_image(data, size);
	struct zq_check_result before, after;
	struct zq_device *dev;
	bool clean;
	int ret;

	if (!m)
		return 0;
	clean = fuzz_check(m, ZQ_REPAIR_NONE, &before) && !before.corruptions &&
		!before.compressed_clusters;
	dev = fuzz_device(m, false);
	if (dev) {
		memio_set_limit(m, size + (8u << 20));
		write_operate(dev, fuzz_hash(data, size), clean);
		ret = zq_close_device(dev);
		FUZZ_ASSERT(!clean || !ret);
		if (clean) {
			FUZZ_ASSERT(fuzz_check(m, ZQ_REPAIR_NONE, &after));
			FUZZ_ASSERT(!after.corruptions);
		}
	}
	memio_free(m);
	return 0;
}
