/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The zone report, counters, reads and seeks of a device: what they say fits together.
 */
#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "util/math.h"

#define MAX_ZONES 256u

static void report_look(struct zq_device *dev, const struct zq_geometry *geo,
			const struct zq_zone_info *z)
{
	static uint8_t buf[8192];
	uint64_t at = 0;
	ssize_t n;

	FUZZ_ASSERT(z->start == zq_zone_start(geo, z->number));
	FUZZ_ASSERT(z->len == zq_zone_len(geo, z->number) && z->capacity <= z->len);
	FUZZ_ASSERT(z->written <= z->capacity);
	if (z->conventional) {
		FUZZ_ASSERT(z->state == ZQ_NOT_WP || z->state == ZQ_READ_ONLY ||
			    z->state == ZQ_OFFLINE);
		n = zq_read_conv(dev, z->start, buf, sizeof(buf));
	} else {
		n = zq_read(dev, z->number, 0, buf, sizeof(buf));
		FUZZ_ASSERT(n < 0 || (uint64_t)n <= z->written);
	}
	FUZZ_ASSERT(n >= 0 || n == -EIO || n == -EPERM);
	for (int i = 0; i < 8; i++) {
		int ret = zq_seek(dev, z->number, at, i & 1, 0, &at);

		if (ret)
			break;
		FUZZ_ASSERT(at <= z->capacity);
	}
}

static void check_counts(struct zq_device *dev, uint32_t nr)
{
	struct zq_counts c;
	uint64_t sum = 0;

	zq_get_counts(dev, &c);
	for (int s = 0; s < ZQ_NR_STATES; s++)
		sum += c.by_state[s];
	FUZZ_ASSERT(sum == nr && c.unwritten <= c.usable);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memio *m = fuzz_image(data, size);
	struct zq_device *dev = m ? fuzz_device(m, true) : NULL;
	const struct zq_geometry *geo;
	uint32_t nr;

	if (!m)
		return 0;
	if (dev) {
		geo = zq_device_geometry(dev);
		nr = (uint32_t)min_u64(geo->nr_zones, MAX_ZONES);
		for (uint32_t i = 0; i < nr; i++) {
			struct zq_zone_info z;

			FUZZ_ASSERT(!zq_report(dev, i, 1, &z) && z.number == i);
			report_look(dev, geo, &z);
		}
		FUZZ_ASSERT(zq_report(dev, geo->nr_zones, 1, &(struct zq_zone_info){ 0 }) ==
			    -EINVAL);
		check_counts(dev, geo->nr_zones);
		FUZZ_ASSERT(!zq_close_device(dev));
	}
	memio_free(m);
	return 0;
}
