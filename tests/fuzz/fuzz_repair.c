/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Repair, of leaks or of all by what the input's hash says: what it calls mended stays mended,
 * and what the guest could read before it can read afterwards. The bytes are the same, too, unless
 * there was damage: a guest that sees a table as its data sees the table being mended, or zeros
 * where its entry has been taken out.
 */
#include <string.h>

#include "fuzz.h"

static void same_guest(const struct fuzz_guest *a, const struct fuzz_guest *b, bool same_bytes)
{
	FUZZ_ASSERT(a->size == b->size);
	for (size_t i = 0; i * FUZZ_STEP + FUZZ_STEP <= a->size; i++) {
		if (!a->ok[i])
			continue;
		FUZZ_ASSERT(b->ok[i]);
		FUZZ_ASSERT(!same_bytes ||
			    !memcmp(a->data + i * FUZZ_STEP, b->data + i * FUZZ_STEP, FUZZ_STEP));
	}
}

/* True when no damage is left. */
static bool repair_test_judge(struct memio *m, enum zq_repair repair,
			      const struct zq_check_result *first)
{
	struct zq_check_result second;

	FUZZ_ASSERT(fuzz_check(m, ZQ_REPAIR_NONE, &second));
	if (repair == ZQ_REPAIR_ALL && first->corruptions == first->corruptions_fixed) {
		FUZZ_ASSERT(!second.corruptions);
		FUZZ_ASSERT(second.leaks <= first->leaks - first->leaks_fixed);
	}
	FUZZ_ASSERT(first->corruptions || !second.corruptions);
	return !second.corruptions;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum zq_repair repair = fuzz_hash(data, size) & 1 ? ZQ_REPAIR_ALL : ZQ_REPAIR_LEAKS;
	struct memio *m = fuzz_image(data, size);
	struct fuzz_guest before = { 0 }, after = { 0 };
	struct zq_check_result res;
	bool sound;

	if (!m)
		return 0;
	fuzz_read_guest(m, &before);
	if (fuzz_check(m, repair, &res)) {
		sound = repair_test_judge(m, repair, &res);
		if (before.size) {
			FUZZ_ASSERT(fuzz_read_guest(m, &after));
			same_guest(&before, &after, sound && !res.corruptions);
		}
	}
	fuzz_free_guest(&before);
	fuzz_free_guest(&after);
	memio_free(m);
	return 0;
}
