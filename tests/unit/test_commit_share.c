/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Callers that commit at the same time share one commit, and who leads it waits for those who
 * are likely to come.
 */
#include <pthread.h>
#include <time.h>

#include "check_main.h"
#include "qimage.h"

static struct qimage q;

static void commit_share_setup(void)
{
	qimage_init(&q);
	qimage_create(&q);
}

#define CALLERS 8

static pthread_barrier_t barrier;

static void *append_and_commit(void *arg)
{
	uint32_t zone = (uint32_t)(uintptr_t)arg;

	for (unsigned i = 0; i < 20; i++) {
		uint64_t wp;

		if (qimage_append(&q, zone, 'g', 512) != 0)
			return "append";
		wp = qcow2_wp_now(q.img, zone);
		pthread_barrier_wait(&barrier);
		if (qcow2_commit(q.img) != 0)
			return "commit";
		if (qimage_disk_wp(&q, zone) != wp)
			return "the pointer is not on disk";
	}
	return NULL;
}

/* A commit takes a while, so that the others arrive. */
static int slow_flush(void *data, enum memio_op op, uint64_t off, uint64_t len, uint64_t *apply)
{
	(void)data;
	(void)off;
	(void)len;
	(void)apply;
	if (op == MEMIO_FLUSH)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	return 0;
}

START_TEST(callers_share_a_commit)
{
	pthread_t t[CALLERS];
	struct qcow2_stats st;
	uint64_t before;

	qimage_init(&q);
	q.p.geo.size = 16 << 16;
	q.p.geo.nr_zones = 16;
	qimage_create(&q);
	qcow2_get_stats(q.img, &st);
	before = st.commits;
	memio_set_hook(q.m, slow_flush, NULL);
	pthread_barrier_init(&barrier, NULL, CALLERS);
	for (uintptr_t i = 0; i < CALLERS; i++)
		pthread_create(&t[i], NULL, append_and_commit, (void *)(i + 2));
	for (unsigned i = 0; i < CALLERS; i++) {
		void *wrong;

		pthread_join(t[i], &wrong);
		ck_assert_msg(!wrong, "%s", (char *)wrong);
	}
	qcow2_get_stats(q.img, &st);
	/* 160 calls in 20 rounds: two commits serve a round, or a few more when one comes late */
	ck_assert_uint_ge(st.commits - before, 20);
	ck_assert_uint_le(st.commits - before, 80);
	pthread_barrier_destroy(&barrier);
	qimage_free(&q);
}
END_TEST

static void *commit_once_more(void *arg)
{
	uint32_t zone = (uint32_t)(uintptr_t)arg;

	if (qimage_append(&q, zone, 'g', 512) != 0)
		return "append";
	pthread_barrier_wait(&barrier);
	return qcow2_commit(q.img) == 0 ? NULL : "commit";
}

/* How many commits served two callers that come together, when two came the last times. */
static uint64_t commits_for_two(void)
{
	struct qcow2_stats before, after;
	pthread_t t[2];

	q.img->commit_peers = 2;
	q.img->commit_ns = 10000000; /* as on a slow disk */
	qcow2_get_stats(q.img, &before);
	for (uintptr_t i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, commit_once_more, (void *)(i + 3));
	for (unsigned i = 0; i < 2; i++) {
		void *wrong;

		pthread_join(t[i], &wrong);
		ck_assert_msg(!wrong, "%s", (char *)wrong);
	}
	qcow2_get_stats(q.img, &after);
	return after.commits - before.commits;
}

/* Whoever comes first would else begin at once, and the second need a commit of his own. */
START_TEST(who_leads_waits_for_those_of_last_time)
{
	unsigned tries = 0;
	uint64_t commits;

	commit_share_setup();
	pthread_barrier_init(&barrier, NULL, 2);
	do { /* on a busy machine one may come too late */
		commits = commits_for_two();
		ck_assert_uint_le(commits, 2);
	} while (commits == 2 && ++tries < 30);
	ck_assert_uint_eq(commits, 1);
	pthread_barrier_destroy(&barrier);
	qimage_free(&q);
}
END_TEST

/* ... but only once: who stays away is not expected again. */
START_TEST(who_is_alone_waits_once)
{
	commit_share_setup();
	q.img->commit_peers = 2;
	q.img->commit_ns = 10000000;
	ck_assert_int_eq(qimage_append(&q, 3, 'b', 512), 0);
	ck_assert_int_eq(qcow2_commit(q.img), 0);
	ck_assert_uint_eq(q.img->commit_peers, 1);
	ck_assert_uint_eq(q.img->commit_joined, 0);
	qimage_free(&q);
}
END_TEST

static const struct check_test tests[] = {
	CHECK_TEST(callers_share_a_commit),
	CHECK_TEST(who_leads_waits_for_those_of_last_time),
	CHECK_TEST(who_is_alone_waits_once),
};

int main(void)
{
	return check_main_timeout("qcow2/commit_share", tests, ARRAY_SIZE(tests), 120);
}
