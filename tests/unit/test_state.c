/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zone/state.c: every state x operation x position x resource situation, against a table that
 * was written from src/DESIGN section 5 by hand.
 */
#include <errno.h>
#include <string.h>

#include "check_main.h"
#include "zone/state.h"

/* What the operation takes: nothing, an open slot, an open and an active slot. */
enum need { NOTHING, OPEN, BOTH };

struct rule {
	enum zq_zone_state state;
	enum zone_op op;
	int err; /* 0, or why it is impossible whatever the resources */
	enum need need;
	/* the next state by [at_start][fills] */
	enum zq_zone_state next[2][2];
};

/* clang-format off */
#define ALWAYS(s)	  { { s, s }, { s, s } }
#define BY_FILLS(no, yes) { { no, yes }, { no, yes } }
#define BY_START(no, yes) { { no, no }, { yes, yes } }
#define IMPOSSIBLE	  ALWAYS(ZQ_NR_STATES)

static const struct rule rules[] = {
	{ ZQ_NOT_WP, ZONE_OP_WRITE, -EINVAL, NOTHING, IMPOSSIBLE },
	{ ZQ_NOT_WP, ZONE_OP_OPEN, -EINVAL, NOTHING, IMPOSSIBLE },
	{ ZQ_NOT_WP, ZONE_OP_CLOSE, -EINVAL, NOTHING, IMPOSSIBLE },
	{ ZQ_NOT_WP, ZONE_OP_FINISH, -EINVAL, NOTHING, IMPOSSIBLE },
	{ ZQ_NOT_WP, ZONE_OP_RESET, -EINVAL, NOTHING, IMPOSSIBLE },

	{ ZQ_EMPTY, ZONE_OP_WRITE, 0, BOTH, BY_FILLS(ZQ_IMPLICIT_OPEN, ZQ_FULL) },
	{ ZQ_EMPTY, ZONE_OP_OPEN, 0, BOTH, ALWAYS(ZQ_EXPLICIT_OPEN) },
	{ ZQ_EMPTY, ZONE_OP_CLOSE, 0, NOTHING, ALWAYS(ZQ_EMPTY) },
	{ ZQ_EMPTY, ZONE_OP_FINISH, 0, BOTH, ALWAYS(ZQ_FULL) },
	{ ZQ_EMPTY, ZONE_OP_RESET, 0, NOTHING, ALWAYS(ZQ_EMPTY) },

	{ ZQ_IMPLICIT_OPEN, ZONE_OP_WRITE, 0, NOTHING, BY_FILLS(ZQ_IMPLICIT_OPEN, ZQ_FULL) },
	{ ZQ_IMPLICIT_OPEN, ZONE_OP_OPEN, 0, NOTHING, ALWAYS(ZQ_EXPLICIT_OPEN) },
	{ ZQ_IMPLICIT_OPEN, ZONE_OP_CLOSE, 0, NOTHING, BY_START(ZQ_CLOSED, ZQ_EMPTY) },
	{ ZQ_IMPLICIT_OPEN, ZONE_OP_FINISH, 0, NOTHING, ALWAYS(ZQ_FULL) },
	{ ZQ_IMPLICIT_OPEN, ZONE_OP_RESET, 0, NOTHING, ALWAYS(ZQ_EMPTY) },

	{ ZQ_EXPLICIT_OPEN, ZONE_OP_WRITE, 0, NOTHING, BY_FILLS(ZQ_EXPLICIT_OPEN, ZQ_FULL) },
	{ ZQ_EXPLICIT_OPEN, ZONE_OP_OPEN, 0, NOTHING, ALWAYS(ZQ_EXPLICIT_OPEN) },
	{ ZQ_EXPLICIT_OPEN, ZONE_OP_CLOSE, 0, NOTHING, BY_START(ZQ_CLOSED, ZQ_EMPTY) },
	{ ZQ_EXPLICIT_OPEN, ZONE_OP_FINISH, 0, NOTHING, ALWAYS(ZQ_FULL) },
	{ ZQ_EXPLICIT_OPEN, ZONE_OP_RESET, 0, NOTHING, ALWAYS(ZQ_EXPLICIT_OPEN) },

	{ ZQ_CLOSED, ZONE_OP_WRITE, 0, OPEN, BY_FILLS(ZQ_IMPLICIT_OPEN, ZQ_FULL) },
	{ ZQ_CLOSED, ZONE_OP_OPEN, 0, OPEN, ALWAYS(ZQ_EXPLICIT_OPEN) },
	{ ZQ_CLOSED, ZONE_OP_CLOSE, 0, NOTHING, ALWAYS(ZQ_CLOSED) },
	{ ZQ_CLOSED, ZONE_OP_FINISH, 0, OPEN, ALWAYS(ZQ_FULL) },
	{ ZQ_CLOSED, ZONE_OP_RESET, 0, NOTHING, ALWAYS(ZQ_EMPTY) },

	{ ZQ_FULL, ZONE_OP_WRITE, -EINVAL, NOTHING, IMPOSSIBLE },
	{ ZQ_FULL, ZONE_OP_OPEN, -EINVAL, NOTHING, IMPOSSIBLE },
	{ ZQ_FULL, ZONE_OP_CLOSE, 0, NOTHING, ALWAYS(ZQ_FULL) },
	{ ZQ_FULL, ZONE_OP_FINISH, 0, NOTHING, ALWAYS(ZQ_FULL) },
	{ ZQ_FULL, ZONE_OP_RESET, 0, NOTHING, ALWAYS(ZQ_EMPTY) },

	{ ZQ_READ_ONLY, ZONE_OP_WRITE, -EPERM, NOTHING, IMPOSSIBLE },
	{ ZQ_READ_ONLY, ZONE_OP_OPEN, -EPERM, NOTHING, IMPOSSIBLE },
	{ ZQ_READ_ONLY, ZONE_OP_CLOSE, -EPERM, NOTHING, IMPOSSIBLE },
	{ ZQ_READ_ONLY, ZONE_OP_FINISH, -EPERM, NOTHING, IMPOSSIBLE },
	{ ZQ_READ_ONLY, ZONE_OP_RESET, -EPERM, NOTHING, IMPOSSIBLE },

	{ ZQ_OFFLINE, ZONE_OP_WRITE, -EPERM, NOTHING, IMPOSSIBLE },
	{ ZQ_OFFLINE, ZONE_OP_OPEN, -EPERM, NOTHING, IMPOSSIBLE },
	{ ZQ_OFFLINE, ZONE_OP_CLOSE, -EPERM, NOTHING, IMPOSSIBLE },
	{ ZQ_OFFLINE, ZONE_OP_FINISH, -EPERM, NOTHING, IMPOSSIBLE },
	{ ZQ_OFFLINE, ZONE_OP_RESET, -EPERM, NOTHING, IMPOSSIBLE },
};

/* What can be had when other zones hold so many slots: 0, -EBUSY, or EVICT. */
#define EVICT 1

struct situation {
	struct zone_slots slots;
	struct zone_limits limits; /* open, active */
	int open;   /* for a closed zone that opens */
	int both;   /* for an empty one */
};

static const struct situation situations[] = {
	/* implicit, explicit, closed	limits */
	{ { 0, 0, 0 }, { 0, 0 }, 0, 0 },
	{ { 9, 9, 9 }, { 0, 0 }, 0, 0 },
	{ { 0, 0, 0 }, { 1, 1 }, 0, 0 },
	{ { 1, 0, 0 }, { 2, 0 }, 0, 0 },
	{ { 2, 0, 0 }, { 2, 0 }, EVICT, EVICT },
	{ { 1, 1, 0 }, { 2, 0 }, EVICT, EVICT },
	{ { 0, 2, 0 }, { 2, 0 }, -EBUSY, -EBUSY },
	{ { 0, 1, 0 }, { 2, 0 }, 0, 0 },
	{ { 0, 1, 5 }, { 2, 0 }, 0, 0 },
	/* active slots only */
	{ { 1, 1, 0 }, { 0, 3 }, 0, 0 },
	{ { 1, 1, 1 }, { 0, 3 }, 0, -EBUSY },
	{ { 3, 0, 0 }, { 0, 3 }, 0, -EBUSY },
	{ { 0, 3, 0 }, { 0, 3 }, 0, -EBUSY },
	{ { 0, 0, 3 }, { 0, 3 }, 0, -EBUSY },
	/* an image may come with more closed zones than its limit */
	{ { 0, 0, 7 }, { 2, 3 }, 0, -EBUSY },
	/* both: making room in the open slots frees no active one */
	{ { 2, 0, 0 }, { 2, 3 }, EVICT, EVICT },
	{ { 2, 0, 1 }, { 2, 3 }, EVICT, -EBUSY },
	{ { 0, 2, 0 }, { 2, 3 }, -EBUSY, -EBUSY },
	{ { 0, 2, 1 }, { 2, 3 }, -EBUSY, -EBUSY },
	{ { 1, 0, 2 }, { 2, 3 }, 0, -EBUSY },
	{ { 1, 0, 1 }, { 2, 3 }, 0, 0 },
	{ { 1, 1, 1 }, { 2, 4 }, EVICT, EVICT },
	/* sums that do not fit into 32 bits */
	{ { UINT32_MAX, 1, 0 }, { 2, 0 }, EVICT, EVICT },
	{ { 0, UINT32_MAX, 1 }, { 0, 5 }, 0, -EBUSY },
};
/* clang-format on */

static int available(const struct situation *s, enum need need)
{
	return need == NOTHING ? 0 : need == OPEN ? s->open : s->both;
}

static void check_one(const struct rule *r, const struct situation *s, bool at_start, bool fills)
{
	struct zone_step step = { .next = 77, .evict = true };
	const struct zone_step untouched = step;
	int got = zone_step(r->state, r->op, at_start, fills, &s->slots, &s->limits, &step);
	int have = available(s, r->need);
	int want = r->err ? r->err : have < 0 ? have : 0;

	ck_assert_msg(got == want, "%s, op %u, situation %zu: %d, expected %d",
		      zq_state_name(r->state), r->op, (size_t)(s - situations), got, want);
	if (want < 0) {
		ck_assert_uint_eq(step.next, untouched.next);
		ck_assert_uint_eq(step.evict, untouched.evict);
		return;
	}
	ck_assert_msg(step.next == r->next[at_start][fills], "%s, op %u, start %d, fills %d: %s",
		      zq_state_name(r->state), r->op, at_start, fills, zq_state_name(step.next));
	ck_assert_msg(step.evict == (have == EVICT), "%s, op %u, situation %zu: evict %d",
		      zq_state_name(r->state), r->op, (size_t)(s - situations), step.evict);
}

START_TEST(whole_table)
{
	bool seen[ZQ_NR_STATES][ZONE_NR_OPS] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		ck_assert(!seen[rules[i].state][rules[i].op]);
		seen[rules[i].state][rules[i].op] = true;
		for (size_t s = 0; s < ARRAY_SIZE(situations); s++)
			for (unsigned bits = 0; bits < 4; bits++)
				check_one(&rules[i], &situations[s], bits & 1, bits & 2);
	}
	for (unsigned s = 0; s < ZQ_NR_STATES; s++)
		for (unsigned op = 0; op < ZONE_NR_OPS; op++)
			ck_assert_msg(seen[s][op], "no rule for state %u, op %u", s, op);
}
END_TEST

START_TEST(unknown_values_are_refused)
{
	const struct situation *s = &situations[0];
	struct zone_step step;

	ck_assert_int_eq(
		zone_step(ZQ_NR_STATES, ZONE_OP_RESET, false, false, &s->slots, &s->limits, &step),
		-EINVAL);
	ck_assert_int_eq(
		zone_step(ZQ_EMPTY, ZONE_NR_OPS, false, false, &s->slots, &s->limits, &step),
		-EINVAL);
}
END_TEST

START_TEST(names_are_those_of_the_contract)
{
	static const char *const names[] = { "not-wp", "empty", "implicit-open", "explicit-open",
					     "closed", "full",	"read-only",	 "offline" };

	ck_assert_uint_eq(ARRAY_SIZE(names), ZQ_NR_STATES);
	for (unsigned i = 0; i < ZQ_NR_STATES; i++) {
		ck_assert_str_eq(zq_state_name((enum zq_zone_state)i), names[i]);
		ck_assert_int_eq(zq_state_from_name(names[i]), (int)i);
	}
	ck_assert_int_eq(zq_state_from_name("Empty"), -EINVAL);
	ck_assert_int_eq(zq_state_from_name(""), -EINVAL);
	ck_assert_int_eq(zq_state_from_name("emptyx"), -EINVAL);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(whole_table),
		CHECK_TEST(unknown_values_are_refused),
		CHECK_TEST(names_are_those_of_the_contract),
	};

	return check_main("zone/state", tests, ARRAY_SIZE(tests));
}
