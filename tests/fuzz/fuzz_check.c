/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The check: never writes, gives the same twice, and an image that it calls clean is one that
 * opens and reads.
 */
#include <string.h>

#include "fuzz.h"

static void clean_means_readable(struct memio *m)
{
	struct fuzz_guest g;

	/* only a backing file that is not there may stand in the way */
	if (!fuzz_read_guest(m, &g))
		return;
	for (size_t i = 0; i < g.size / FUZZ_STEP; i++)
		FUZZ_ASSERT(g.ok[i]);
	fuzz_free_guest(&g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memio *m = fuzz_image(data, size);
	struct zq_check_result one, two;
	struct memio *before;

	if (!m)
		return 0;
	before = memio_clone(m);
	if (fuzz_check(m, ZQ_REPAIR_NONE, &one)) {
		FUZZ_ASSERT(fuzz_check(m, ZQ_REPAIR_NONE, &two));
		FUZZ_ASSERT(!memcmp(&one, &two, sizeof(one)));
		/* what is within compressed data, only reading tells */
		if (!one.corruptions && !one.compressed_clusters)
			clean_means_readable(m);
	}
	FUZZ_ASSERT(memio_equal(m, before, NULL));
	memio_free(before);
	memio_free(m);
	return 0;
}
