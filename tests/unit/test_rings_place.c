/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When the threads of the rings are bound to their processors. The scheduler is a model here: it
 * moves a client with each answer of a bound thread, or it does not.
 */
#include "check_main.h"

#include "fs/rings_place.c" // NOLINT(bugprone-suspicious-include)

#define NS_PER_REQUEST 20000
#define CLIENT	       4711u

struct model {
	struct rings_place place;
	struct place_count count[2];
	bool moves;   /* a client whose answer comes from a bound thread */
	bool waiting; /* requests are there before a bound thread asks for the next one */
	bool idle;    /* the other queue */
	uint64_t sleeps;
	unsigned queue;
	int64_t now;
	unsigned nr, moved;
};

static void model_begin(struct model *m, bool moves)
{
	memset(m, 0, sizeof(*m));
	m->moves = moves;
	m->now = 1;
}

static void request_of(struct model *m, uint32_t client)
{
	unsigned q = m->queue;

	m->now += NS_PER_REQUEST;
	m->nr++;
	m->sleeps += !m->waiting || m->count[q].free;
	if (place_request(&m->place, &m->count[q], client, q))
		place_decide(&m->place, &m->count[q], m->now, m->sleeps, m->idle);
	if (m->moves && !m->count[q].free) {
		m->queue = !q;
		m->moved++;
	}
}

START_TEST(bound_to_a_client_that_stays)
{
	struct model m;

	model_begin(&m, false);
	for (unsigned i = 0; i < 10000; i++)
		request_of(&m, CLIENT);
	ck_assert(!m.count[0].free && !m.count[1].free);
	ck_assert_int_eq(m.place.free_until, 0);
}
END_TEST

/* It has the processors of others then, but for a look now and then whether there is still need. */
START_TEST(free_while_requests_wait_and_another_queue_is_idle)
{
	struct model m;
	unsigned nr_bound = 0;

	model_begin(&m, false);
	m.waiting = m.idle = true;
	for (unsigned i = 0; i < 200000; i++) {
		request_of(&m, CLIENT);
		nr_bound += !m.count[0].free;
	}
	ck_assert_uint_gt(nr_bound, PLACE_WINDOW);
	ck_assert_uint_lt(nr_bound, m.nr / 50);
	m.waiting = false;
	for (unsigned i = 0; i < 100000 && m.count[0].free; i++)
		request_of(&m, CLIENT);
	for (unsigned i = 0; i < 1000; i++)
		request_of(&m, CLIENT);
	ck_assert(!m.count[0].free);
}
END_TEST

/* Everybody is at home where he is bound. */
START_TEST(bound_while_all_queues_are_busy)
{
	struct model m;

	model_begin(&m, false);
	m.waiting = true;
	for (unsigned i = 0; i < 10000; i++)
		request_of(&m, CLIENT);
	ck_assert(!m.count[0].free);
	ck_assert_int_eq(m.place.free_until, 0);
}
END_TEST

/* But for a look now and then whether it would stay by now. */
START_TEST(free_for_a_client_that_moves)
{
	struct model m;

	model_begin(&m, true);
	for (unsigned i = 0; i < 200000; i++)
		request_of(&m, CLIENT);
	ck_assert_uint_gt(m.moved, 2 * PLACE_WINDOW);
	ck_assert_uint_lt(m.moved, m.nr / 50);
}
END_TEST

START_TEST(bound_again_when_it_stays)
{
	struct model m;
	unsigned i = 0;

	model_begin(&m, true);
	for (; i < 20000; i++)
		request_of(&m, CLIENT);
	ck_assert(m.count[m.queue].free);
	m.moves = false;
	for (i = 0; i < 100000 && m.count[m.queue].free; i++)
		request_of(&m, CLIENT);
	ck_assert(!m.count[m.queue].free);
	for (i = 0; i < 1000; i++)
		request_of(&m, CLIENT);
	ck_assert(!m.count[m.queue].free);
	ck_assert_uint_eq(m.place.turns, 0);
}
END_TEST

/* Two clients of two processors that share a slot are no client that moves. */
START_TEST(others_are_not_taken_for_it)
{
	struct model m;

	model_begin(&m, false);
	for (unsigned i = 0; i < 10000; i++) {
		m.queue = i % 2;
		request_of(&m, CLIENT + m.queue * PLACE_CLIENTS);
	}
	ck_assert(!m.count[0].free && !m.count[1].free);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(bound_to_a_client_that_stays),
		CHECK_TEST(free_for_a_client_that_moves),
		CHECK_TEST(bound_again_when_it_stays),
		CHECK_TEST(free_while_requests_wait_and_another_queue_is_idle),
		CHECK_TEST(bound_while_all_queues_are_busy),
		CHECK_TEST(others_are_not_taken_for_it),
	};

	return check_main("fs/rings_place", tests, ARRAY_SIZE(tests));
}
