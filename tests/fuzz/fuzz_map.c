/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mapping and reading, as a zoned image and as a backing file: reads give bytes or EIO, the
 * same each time, and block status always gets on.
 */
#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "util/math.h"

#define MAX_STEPS 512
#define MAX_READ  65536u

static void map_walk(struct qcow2_image *img)
{
	static uint8_t one[MAX_READ], two[MAX_READ];
	uint64_t size = qcow2_size(img);
	uint64_t off = 0;

	for (int i = 0; i < MAX_STEPS && off < size; i++) {
		bool allocated = false;
		uint64_t run = 0;
		int ret = qcow2_block_status(img, off, size - off, &allocated, &run);
		size_t len;

		FUZZ_ASSERT(ret || (run && run <= size - off));
		if (ret)
			run = min_u64(512, size - off);
		len = (size_t)min_u64(run, MAX_READ);
		ret = qcow2_read(img, off, one, len);
		FUZZ_ASSERT(!ret || ret == -EIO);
		if (!ret) {
			FUZZ_ASSERT(!qcow2_read(img, off, two, len));
			FUZZ_ASSERT(!memcmp(one, two, len));
		}
		off += run;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memio *m = fuzz_image(data, size);

	if (!m)
		return 0;
	for (int zoned = 0; zoned < 2; zoned++) {
		struct qcow2_image *img = fuzz_qcow2(m, zoned, false);

		if (!img)
			continue;
		map_walk(img);
		qcow2_close(img);
	}
	memio_free(m);
	return 0;
}
