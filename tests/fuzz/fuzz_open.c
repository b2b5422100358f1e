/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening: every image either opens or is refused with one line; opening alone never writes.
 */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memio *m = fuzz_image(data, size);
	struct memio *before = m ? memio_clone(m) : NULL;

	if (!m)
		return 0;
	for (int readonly = 0; readonly < 2; readonly++) {
		struct zq_device *dev = fuzz_device(m, readonly);

		/* with nothing to commit, closing has nothing to write either */
		FUZZ_ASSERT(!dev || !zq_close_device(dev));
		FUZZ_ASSERT(memio_equal(m, before, NULL));
	}
	memio_free(before);
	memio_free(m);
	return 0;
}
