/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zone/append.c: what depends on somebody else. How long a piece behind the capacity waits
 * for those before it, and what zq_settle changes for other writers. Times
 * are only compared with bounds that a busy machine keeps; what a busy machine may spoil is tried
 * again.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "check_main.h"
#include "zonedev.h"

#define KIB	1024u
#define CAP	(48 * KIB)
#define ZONE	3u /* any sequential one */
#define PIECES	8u
#define PIECE	(CAP / PIECES)
#define BEHIND	ZQ_WRITE_WAIT
#define WAIT_MS 50 /* how long the pointer may stand still, include/zqfs/device.h */

static struct zonedev z;
static char buf[CAP];

static void append_wait_setup(void)
{
	zonedev_init(&z);
	zonedev_create(&z);
	memset(buf, 'x', sizeof(buf));
}

static void append_wait_finish(void)
{
	zonedev_check_counts(&z);
	zonedev_free(&z);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Milliseconds of one write at or behind the capacity, which is refused. */
static double refused_after(uint64_t off, unsigned flags)
{
	double start = now_ms();

	ck_assert_int_eq(zq_append(z.dev, ZONE, NULL, off, buf, 512, flags, NULL), -EFBIG);
	return now_ms() - start;
}

/* ---- behind the capacity --------------------------------------------------------------------- */

/* Fills the zone piece by piece; *arg becomes the longest time between two of them. */
static void *fill_slowly(void *arg)
{
	double *longest = arg, last = now_ms();

	for (unsigned i = 0; i < PIECES; i++) {
		struct timespec ts = { .tv_nsec = 10000000 };
		double t;

		nanosleep(&ts, NULL);
		ck_assert_int_eq(
			zq_append(z.dev, ZONE, NULL, i * PIECE, buf, PIECE, ZQ_WRITE_DIRECT, NULL),
			PIECE);
		t = now_ms();
		if (t - last > *longest)
			*longest = t - last;
		last = t;
	}
	return NULL;
}

START_TEST(waits_while_the_pointer_moves)
{
	bool undisturbed = false;

	append_wait_setup();
	for (int try = 0; try < 50 && !undisturbed; try++) {
		enum zq_zone_state then;
		double longest = 0, waited;
		pthread_t t;

		ck_assert_int_eq(zq_zone_reset(z.dev, ZONE), 0);
		pthread_create(&t, NULL, fill_slowly, &longest);
		/* all of it takes longer than the pointer may stand still */
		waited = refused_after(CAP + 4096, BEHIND);
		then = zonedev_state(&z, ZONE);
		pthread_join(t, NULL);
		undisturbed = longest * 4 < WAIT_MS * 3;
		if (undisturbed) {
			ck_assert_uint_eq(then, ZQ_FULL);
			ck_assert(waited > WAIT_MS);
		}
	}
	ck_assert(undisturbed);
	ck_assert_uint_eq(zonedev_written(&z, ZONE), CAP);
	append_wait_finish();
}
END_TEST

START_TEST(gives_up_when_nothing_comes)
{
	double ms;

	append_wait_setup();
	ms = refused_after(CAP, BEHIND);
	ck_assert(ms >= WAIT_MS - 1 && ms < 5000);
	ck_assert_uint_eq(zonedev_state(&z, ZONE), ZQ_EMPTY);
	ck_assert_int_eq(zonedev_append(&z, ZONE, 'a', 512), 512);
	ms = refused_after(UINT64_MAX - 511, BEHIND);
	ck_assert(ms >= WAIT_MS - 1 && ms < 5000);
	ck_assert_uint_eq(zonedev_written(&z, ZONE), 512);
	append_wait_finish();
}
END_TEST

/* Twenty refusals together are quicker than twenty waits could be. */
static void expect_at_once(unsigned flags)
{
	double sum = 0;

	for (int i = 0; i < 20; i++)
		sum += refused_after(CAP, flags);
	ck_assert(sum < 20 * WAIT_MS * 0.9);
}

START_TEST(does_not_wait_in_vain)
{
	append_wait_setup();
	/* not one of several pieces */
	expect_at_once(0);
	expect_at_once(ZQ_WRITE_DIRECT);
	/* nothing can come any more */
	ck_assert_int_eq(zq_zone_finish(z.dev, ZONE), 0);
	expect_at_once(BEHIND);
	ck_assert_int_eq(zq_zone_reset(z.dev, ZONE), 0);
	ck_assert_int_eq(zq_zone_set_state(z.dev, ZONE, ZQ_READ_ONLY), 0);
	expect_at_once(BEHIND);
	ck_assert_int_eq(zq_zone_set_state(z.dev, ZONE, ZQ_OFFLINE), 0);
	expect_at_once(BEHIND);
	append_wait_finish();
}
END_TEST

/* ---- the pieces of one call -------------------------------------------------------------- */

struct piece {
	pthread_t thread;
	struct zq_writer *w;
	uint64_t off;
	size_t len;
	char fill;
	unsigned flags;
	ssize_t rc;
};

static void *send_piece(void *arg)
{
	struct piece *p = arg;
	char data[1024];

	memset(data, p->fill, sizeof(data));
	p->rc = zq_append(z.dev, ZONE, p->w, p->off, data, p->len, p->flags | ZQ_WRITE_WAIT, NULL);
	return NULL;
}

/* Four pieces that the caller takes to begin at off, the last one first. False when the machine
 * was so busy that one of them has not waited long enough. */
static bool send_backwards(struct zq_writer *w, uint64_t off, unsigned flags)
{
	struct piece p[4];
	struct timespec ts = { .tv_nsec = 1000000 };
	bool all = true;

	for (int i = 3; i >= 0; i--) {
		p[i] = (struct piece){ .w = w,
				       .off = off + (unsigned)i * 700,
				       .len = 700,
				       .fill = (char)('a' + i),
				       .flags = flags };
		pthread_create(&p[i].thread, NULL, send_piece, &p[i]);
		nanosleep(&ts, NULL);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(p[i].thread, NULL);
		ck_assert(p[i].rc == 700 || p[i].rc == -EINVAL);
		all = all && p[i].rc == 700;
	}
	return all;
}

static void expect_pieces(uint64_t begin)
{
	for (unsigned i = 0; i < 4; i++)
		zonedev_expect(&z, ZONE, begin + i * 700, 700, 'a' + (int)i);
}

static bool send_calls(unsigned flags)
{
	struct zq_writer w = { 0 }, other = { 0 };

	if (!send_backwards(&w, 0, flags))
		return false;
	expect_pieces(0);
	/* the same writer goes on within its last block, an append also when its caller has seen
	 * the padding */
	if (!send_backwards(&w, 2800, flags))
		return false;
	expect_pieces(2800);
	if (!send_backwards(&w, flags ? 5632 : 5600, flags))
		return false;
	expect_pieces(5600);
	/* another one goes behind the padding, wherever its caller takes the end to be */
	if (!send_backwards(&other, flags ? 5632 + 2800 : 8400, flags))
		return false;
	expect_pieces(8704);
	return true;
}

START_TEST(pieces_find_their_order)
{
	bool done[2] = { false, false };

	for (int try = 0; try < 20 && !(done[0] && done[1]); try++) {
		int append = done[0];

		append_wait_setup();
		done[append] = send_calls(append ? ZQ_WRITE_APPEND : 0);
		append_wait_finish();
	}
	ck_assert(done[0] && done[1]);
}
END_TEST

START_TEST(a_call_whose_first_piece_is_missing_is_refused)
{
	struct zq_writer w = { 0 };
	struct piece p = { .w = &w, .off = 700, .len = 700, .fill = 'b' };

	append_wait_setup();
	send_piece(&p);
	ck_assert_int_eq(p.rc, -EINVAL);
	p.flags = ZQ_WRITE_APPEND;
	send_piece(&p);
	ck_assert_int_eq(p.rc, -EINVAL);
	ck_assert_uint_eq(zonedev_written(&z, ZONE), 0);
	/* a caller that has missed writes of others appends all the same */
	ck_assert_int_eq(zonedev_append(&z, ZONE, 'x', 4096), 4096);
	send_piece(&p);
	ck_assert_int_eq(p.rc, 700);
	zonedev_expect(&z, ZONE, 4096, 700, 'b');
	append_wait_finish();
}
END_TEST

/* The first flush takes much longer than a piece waits otherwise. */
static int first_flush_is_slow(void *data, enum memio_op op, uint64_t off, uint64_t len,
			       uint64_t *n)
{
	struct timespec ts = { .tv_nsec = 10 * WAIT_MS * 1000000L };
	atomic_bool *seen = data;

	(void)off;
	(void)len;
	(void)n;
	if (op == MEMIO_FLUSH && !atomic_exchange(seen, true))
		nanosleep(&ts, NULL);
	return 0;
}

/* The thread that could take the second piece is still committing the first one. */
START_TEST(a_commit_is_waited_for)
{
	struct zq_writer w = { 0 };
	struct piece p[3];
	struct timespec ts = { .tv_nsec = 5 * WAIT_MS * 1000000L };
	atomic_bool slow = false;

	append_wait_setup();
	memio_set_hook(z.m, first_flush_is_slow, &slow);
	for (unsigned i = 0; i < 3; i++)
		p[i] = (struct piece){ .w = &w,
				       .off = i * 700,
				       .len = 700,
				       .fill = (char)('a' + i),
				       .flags = ZQ_WRITE_SYNC };
	pthread_create(&p[0].thread, NULL, send_piece, &p[0]);
	while (!atomic_load(&slow))
		sched_yield();
	pthread_create(&p[2].thread, NULL, send_piece, &p[2]);
	nanosleep(&ts, NULL);
	send_piece(&p[1]);
	pthread_join(p[0].thread, NULL);
	pthread_join(p[2].thread, NULL);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(p[i].rc, 700);
	memio_set_hook(z.m, NULL, NULL);
	append_wait_finish();
}
END_TEST

/* ---- zq_settle ------------------------------------------------------------------------------- */

static ssize_t append_wait_write_at(struct zq_writer *w, uint64_t off, const char *text)
{
	return zq_append(z.dev, ZONE, w, off, text, strlen(text), 0, NULL);
}

static bool ends_at(const struct zq_writer *w, uint64_t off)
{
	uint64_t end = UINT64_MAX;

	return zq_writer_end(z.dev, ZONE, w, &end) && end == off;
}

START_TEST(settled_padding_is_no_place_for_others)
{
	struct zq_writer w = { 0 }, other = { 0 };

	append_wait_setup();
	/* told of 3 bytes only, the kernel sends another's append there: behind the padding */
	ck_assert_int_eq(append_wait_write_at(&w, 0, "abc"), 3);
	ck_assert_int_eq(append_wait_write_at(&other, 3, "def"), 3);
	zonedev_expect(&z, ZONE, 3, 509, 0);
	zonedev_expect(&z, ZONE, 512, 1, 'd');
	/* told of the padding, it would not: the write is really meant for that place */
	ck_assert(ends_at(&other, 515));
	ck_assert(zq_settle(z.dev, ZONE, &other, 515));
	ck_assert_int_eq(append_wait_write_at(NULL, 515, "ghi"), -EINVAL);
	ck_assert_uint_eq(zonedev_written(&z, ZONE), 1024);
	ck_assert_int_eq(append_wait_write_at(NULL, 1024, "ghi"), 3);
	append_wait_finish();
}
END_TEST

START_TEST(settling_leaves_the_stream_its_end)
{
	struct zq_writer w = { 0 };

	append_wait_setup();
	ck_assert_int_eq(append_wait_write_at(&w, 0, "abc"), 3);
	ck_assert(zq_settle(z.dev, ZONE, &w, 3));
	ck_assert_int_eq(append_wait_write_at(&w, 3, "def"), 3);
	ck_assert_uint_eq(zonedev_written(&z, ZONE), 512);
	zonedev_expect(&z, ZONE, 5, 1, 'f');
	zonedev_expect(&z, ZONE, 6, 506, 0);
	/* and what it has written since is padding that nobody knows of */
	ck_assert_int_eq(append_wait_write_at(NULL, 6, "ghi"), 3);
	zonedev_expect(&z, ZONE, 512, 1, 'g');
	append_wait_finish();
}
END_TEST

START_TEST(settles_only_what_was_told)
{
	struct zq_writer w = { 0 }, late = { 0 };

	append_wait_setup();
	/* its writer has gone on while the kernel was being told */
	ck_assert_int_eq(append_wait_write_at(&w, 0, "abc"), 3);
	ck_assert_int_eq(append_wait_write_at(&w, 3, "def"), 3);
	ck_assert(!ends_at(&w, 3));
	ck_assert(!zq_settle(z.dev, ZONE, &w, 3));
	ck_assert_int_eq(append_wait_write_at(&late, 6, "ghi"), 3);
	zonedev_expect(&z, ZONE, 512, 1, 'g');
	/* somebody else has */
	ck_assert(!ends_at(&w, 6));
	ck_assert(!zq_settle(z.dev, ZONE, &w, 6));
	ck_assert_int_eq(append_wait_write_at(NULL, 515, "jkl"), 3);
	zonedev_expect(&z, ZONE, 1024, 1, 'j');
	/* the zone is another one since */
	ck_assert_int_eq(append_wait_write_at(&w, 1536, "mno"), 3);
	ck_assert_int_eq(zq_zone_reset(z.dev, ZONE), 0);
	ck_assert_int_eq(append_wait_write_at(&late, 0, "abc"), 3);
	w.end = late.end;
	ck_assert(!ends_at(&w, 3));
	ck_assert(!zq_settle(z.dev, ZONE, &w, 3));
	ck_assert_int_eq(append_wait_write_at(NULL, 3, "pqr"), 3);
	zonedev_expect(&z, ZONE, 512, 1, 'p');
	append_wait_finish();
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(waits_while_the_pointer_moves),
		CHECK_TEST(gives_up_when_nothing_comes),
		CHECK_TEST(does_not_wait_in_vain),
		CHECK_TEST(pieces_find_their_order),
		CHECK_TEST(a_commit_is_waited_for),
		CHECK_TEST(a_call_whose_first_piece_is_missing_is_refused),
		CHECK_TEST(settled_padding_is_no_place_for_others),
		CHECK_TEST(settling_leaves_the_stream_its_end),
		CHECK_TEST(settles_only_what_was_told),
	};

	return check_main("zone/append waiting", tests, ARRAY_SIZE(tests));
}
