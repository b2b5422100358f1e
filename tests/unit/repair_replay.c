/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash_disk.h"
#include "repair_replay.h"
#include "rng.h"

struct repair_run {
	repair_fn mend;
	const uint8_t *guest;
	uint64_t size;			     /* bytes of guest */
	uint64_t damage, corruptions, leaks; /* corruptions before; both after */
	uint64_t seed, rng, states;
};

int repair_mend_leaks(struct check_image *t)
{
	return check_image_check(t, ZQ_REPAIR_LEAKS);
}

int repair_mend_all(struct check_image *t)
{
	return check_image_check(t, ZQ_REPAIR_ALL);
}

static uint64_t repair_replay_draw(void *data)
{
	struct repair_run *r = data;

	return rng_below(&r->rng, UINT64_MAX);
}

static void repair_compare(struct repair_run *r, struct memio *m, const char *what)
{
	uint8_t *got = r->guest ? check_image_guest(m, r->size) : NULL;

	ck_assert_msg(!r->guest || (got && !memcmp(got, r->guest, r->size)),
		      "%s: the guest's bytes have changed", what);
	free(got);
}

static void repair_state(void *data, const struct crash_disk *left, size_t at, unsigned variant)
{
	struct repair_run *r = data;
	struct check_image s = { .m = left->image };
	char what[96];

	snprintf(what, sizeof(what), "seed %" PRIu64 ", crash behind entry %zu, variant %u",
		 r->seed, at, variant);
	ck_assert_int_eq(check_image_check(&s, ZQ_REPAIR_NONE), 0);
	ck_assert_msg(s.f.res.corruptions <= r->damage,
		      "%s: %" PRIu64 " corruptions, %" PRIu64 " before:\n%s", what,
		      s.f.res.corruptions, r->damage, s.f.lines);
	repair_compare(r, s.m, what);
	ck_assert_msg(r->mend(&s) == 0, "%s: cannot be mended", what);
	ck_assert_int_eq(check_image_check(&s, ZQ_REPAIR_NONE), 0);
	ck_assert_msg(s.f.res.corruptions <= r->corruptions &&
			      (r->corruptions || s.f.res.leaks <= r->leaks),
		      "%s: mended again, and %" PRIu64 " corruptions and %" PRIu64
		      " leaks instead of %" PRIu64 " and %" PRIu64 ":\n%s",
		      what, s.f.res.corruptions, s.f.res.leaks, r->corruptions, r->leaks,
		      s.f.lines);
	repair_compare(r, s.m, what);
	r->states++;
}

void repair_replay(struct check_image *t, repair_fn mend, const uint8_t *guest, unsigned variants)
{
	struct repair_run r = { .mend = mend,
				.guest = guest,
				.size = t->hdr.size,
				.seed = from_env("ZQ_CRASH_SEED", 1) };
	struct crash_disk d = { .image = t->m };

	r.rng = (r.seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	ck_assert_int_eq(check_image_check(t, ZQ_REPAIR_NONE), 0);
	r.damage = t->f.res.corruptions;
	crash_record(&d);
	ck_assert_int_eq(mend(t), 0);
	crash_record_end(&d);
	ck_assert_int_eq(check_image_check(t, ZQ_REPAIR_NONE), 0);
	r.corruptions = t->f.res.corruptions;
	r.leaks = t->f.res.leaks;
	repair_compare(&r, t->m, "mended");
	crash_each_state(&d, (unsigned)from_env("ZQ_CRASH_VARIANTS", variants), repair_replay_draw,
			 repair_state, &r);
	printf("repair: seed %" PRIu64 ", %zu log entries, %" PRIu64
	       " crash states, nothing lost\n",
	       r.seed, crash_position(&d), r.states);
	crash_record_free(&d);
}
