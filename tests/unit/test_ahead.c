/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading ahead of compressed clusters: what comes next is unpacked before it is asked for, damage
 * is told to whoever asks, and what was replaced is never read.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check_main.h"
#include "qimage.h"
#include "rng.h"

#define C	 4096u
#define CLUSTERS 60u

static struct qimage q;
static struct qcow2_packer *packer;

/* Half of it cannot be compressed; the rest is nr and version again and again. */
static void fill_cluster(uint8_t *b, uint64_t nr, uint8_t version)
{
	uint64_t r = nr + 1;

	for (unsigned i = 0; i < C / 2; i++)
		b[i] = (uint8_t)rng_below(&r, 256);
	for (unsigned i = C / 2; i < C; i += 2) {
		b[i] = (uint8_t)nr;
		b[i + 1] = version;
	}
}

static void pack_version(uint64_t nr, uint8_t version)
{
	uint8_t b[C];
	bool packed;

	fill_cluster(b, nr, version);
	ck_assert_int_eq(qcow2_write_packed(q.img, packer, nr * C, b, &packed), 0);
	ck_assert(packed);
}

static void create_packed(int compression)
{
	qimage_init(&q);
	q.p.compression_type = (uint8_t)compression;
	qimage_create(&q);
	ck_assert_int_eq(qcow2_packer_new(q.img, 0, &packer), 0);
	for (uint64_t nr = 0; nr < CLUSTERS; nr++)
		pack_version(nr, 1);
	qimage_commit(&q);
}

static void end_packed(void)
{
	qcow2_packer_free(packer);
	qimage_free(&q);
}

static void read_version(uint64_t nr, uint8_t version)
{
	uint8_t got[C], want[C];

	fill_cluster(want, nr, version);
	ck_assert_int_eq(qcow2_read(q.img, nr * C, got, C), 0);
	ck_assert_mem_eq(got, want, C);
}

static uint64_t nr_reads(void)
{
	struct memio_stats st;

	memio_get_stats(q.m, &st);
	return st.ops[MEMIO_READ];
}

/* Until so many reads more than before have been done; false: that does not happen. */
static bool wait_for_reads(uint64_t n)
{
	for (int i = 0; i < 5000; i++) {
		if (nr_reads() >= n)
			return true;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return false;
}

static bool has_processors(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

START_TEST(what_comes_next_is_unpacked_before_it_is_read)
{
	uint64_t before;

	create_packed(_i);
	qcow2_start_ahead(q.img);
	before = nr_reads();
	for (uint64_t nr = 0; nr < 4; nr++)
		read_version(nr, 1);
	if (has_processors()) { /* a quarter of the cache */
		ck_assert(wait_for_reads(before + 3 + 16));
		qcow2_stop_ahead(q.img);
		before = nr_reads();
		for (uint64_t nr = 4; nr < 18; nr++)
			read_version(nr, 1);
		ck_assert_uint_eq(nr_reads(), before);
	}
	for (uint64_t nr = 18; nr < CLUSTERS; nr++)
		read_version(nr, 1);
	end_packed();
}
END_TEST

START_TEST(nothing_is_read_ahead_unless_it_is_asked_for)
{
	uint64_t before;

	create_packed(_i);
	before = nr_reads();
	for (uint64_t nr = 0; nr < 20; nr++)
		read_version(nr, 1);
	ck_assert_uint_eq(nr_reads(), before + 20);
	end_packed();
}
END_TEST

START_TEST(damage_is_told_to_whoever_asks_for_the_cluster)
{
	uint64_t desc, before;
	uint8_t b[C];

	create_packed(_i);
	desc = qimage_disk_entry(&q, 10 * C, NULL) & ((UINT64_C(1) << 54) - 1);
	memset(b, 0xff, sizeof(b));
	memio_poke(q.m, desc + 2, b, 1000); /* and a part of the next one, perhaps */
	qcow2_start_ahead(q.img);
	before = nr_reads();
	for (uint64_t nr = 0; nr < 4; nr++)
		read_version(nr, 1);
	if (has_processors())
		ck_assert(wait_for_reads(before + 3 + 16));
	qcow2_stop_ahead(q.img);
	ck_assert_uint_eq(q.nr_logged, 0);
	for (uint64_t nr = 4; nr < 10; nr++)
		read_version(nr, 1);
	for (unsigned n = 1; n <= 2; n++) {
		ck_assert_int_eq(qcow2_read(q.img, 10 * C, b, C), -EIO);
		ck_assert_uint_eq(q.nr_logged, n);
	}
	for (uint64_t nr = 12; nr < CLUSTERS; nr++)
		read_version(nr, 1);
	end_packed();
}
END_TEST

/* ---- what is replaced meanwhile ----------------------------------------------------------------
 */

static atomic_uchar begun[CLUSTERS], done[CLUSTERS]; /* versions */
static atomic_bool over;
static _Thread_local bool known; /* the test's own thread, none that reads ahead */
static struct zq_io_ops ops;
static const struct zq_io_ops *below;

/* Long enough that a cluster is let go and used again meanwhile, if nothing holds that up. */
static int read_and_dawdle(struct zq_io *io, void *buf, size_t len, uint64_t off)
{
	int rc = below->pread(io, buf, len, off);

	if (!known)
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	return rc;
}

static void dawdle_when_reading_ahead(void)
{
	below = q.img->file->ops;
	ops = *below;
	ops.pread = read_and_dawdle;
	q.img->file->ops = &ops;
	known = true;
}

/* A cluster as it was at some moment of the read: zeros between a reset and the next version. */
static void *read_in_order(void *data)
{
	uint8_t got[C], want[C];

	(void)data;
	known = true;
	while (!atomic_load(&over)) {
		for (uint64_t nr = 0; nr < CLUSTERS; nr++) {
			uint8_t low = atomic_load(&done[nr]), high;

			ck_assert_int_eq(qcow2_read(q.img, nr * C, got, C), 0);
			high = atomic_load(&begun[nr]);
			if (got[C - 1] == 0) {
				ck_assert_uint_gt(high, low);
				continue;
			}
			ck_assert_uint_ge(got[C - 1], low);
			ck_assert_uint_le(got[C - 1], high);
			fill_cluster(want, nr, got[C - 1]);
			ck_assert_mem_eq(got, want, C);
		}
	}
	return NULL;
}

/* Each commit frees what was let go, and the next version takes its place. */
START_TEST(what_was_replaced_is_never_read)
{
	pthread_t reader[2];

	create_packed(_i);
	for (unsigned nr = 0; nr < CLUSTERS; nr++) {
		atomic_store(&begun[nr], 1);
		atomic_store(&done[nr], 1);
	}
	atomic_store(&over, false);
	dawdle_when_reading_ahead();
	qcow2_start_ahead(q.img);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&reader[i], NULL, read_in_order, NULL), 0);
	for (unsigned version = 2; version < 60; version++) {
		for (unsigned nr = 0; nr < CLUSTERS; nr++) {
			atomic_store(&begun[nr], (unsigned char)version);
			ck_assert_int_eq(qcow2_zero(q.img, (uint64_t)nr * C, C), 0);
			if (nr % 8 == version % 8)
				ck_assert_int_eq(qcow2_commit(q.img), 0);
			pack_version(nr, (uint8_t)version);
			atomic_store(&done[nr], (unsigned char)version);
		}
		ck_assert_int_eq(qcow2_commit(q.img), 0);
	}
	atomic_store(&over, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(reader[i], NULL);
	qcow2_stop_ahead(q.img);
	qimage_commit(&q);
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_check(&q), 0);
	end_packed();
}
END_TEST

/* ---- what is let go meanwhile --------------------------------------------------------------- */

static pthread_mutex_t ahead_gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ahead_moved = PTHREAD_COND_INITIALIZER;
static bool is_reading_ahead, may_read_on, is_committed; /* [ahead_gate] */
static uint8_t looked_up[2 * C];			 /* what is there when it is looked up */
static bool was_taken_away;

static void ahead_now(bool *what)
{
	pthread_mutex_lock(&ahead_gate);
	*what = true;
	pthread_cond_broadcast(&ahead_moved);
	pthread_mutex_unlock(&ahead_gate);
}

static void ahead_await(const bool *what)
{
	pthread_mutex_lock(&ahead_gate);
	while (!*what)
		pthread_cond_wait(&ahead_moved, &ahead_gate);
	pthread_mutex_unlock(&ahead_gate);
}

/* The first that is read ahead has been looked up, and is read only when the test says so. */
static int read_when_told(struct zq_io *io, void *buf, size_t len, uint64_t off)
{
	static atomic_bool first;
	int rc;

	if (known || atomic_exchange(&first, true))
		return below->pread(io, buf, len, off);
	memio_peek(q.m, off, looked_up, len);
	ahead_now(&is_reading_ahead);
	ahead_await(&may_read_on);
	rc = below->pread(io, buf, len, off);
	was_taken_away = rc || memcmp(buf, looked_up, len) != 0;
	return rc;
}

static void *commit_beside(void *data)
{
	(void)data;
	known = true;
	ck_assert_int_eq(qcow2_commit(q.img), 0);
	ahead_now(&is_committed);
	return NULL;
}

/* A second is enough for a commit of a few clusters that does not wait. */
static bool commits_within_a_second(void)
{
	struct timespec until;
	int rc = 0;
	bool committed;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	pthread_mutex_lock(&ahead_gate);
	while (!is_committed && rc == 0)
		rc = pthread_cond_timedwait(&ahead_moved, &ahead_gate, &until);
	committed = is_committed;
	pthread_mutex_unlock(&ahead_gate);
	return committed;
}

/* From its being looked up to its being read a cluster is neither given back nor used again. */
START_TEST(what_is_read_ahead_is_not_freed_meanwhile)
{
	pthread_t committer;

	if (!has_processors())
		return;
	create_packed(_i);
	below = q.img->file->ops;
	ops = *below;
	ops.pread = read_when_told;
	q.img->file->ops = &ops;
	known = true;
	qcow2_start_ahead(q.img);
	for (uint64_t nr = 0; nr < 3; nr++) /* no more: it would wait for what stands still */
		read_version(nr, 1);
	ahead_await(&is_reading_ahead);
	ck_assert_int_eq(qcow2_zero(q.img, 0, CLUSTERS * C), 0); /* all of them are let go */
	ck_assert_int_eq(pthread_create(&committer, NULL, commit_beside, NULL), 0);
	ck_assert(!commits_within_a_second());
	ahead_now(&may_read_on);
	pthread_join(committer, NULL);
	qcow2_stop_ahead(q.img);
	ck_assert(!was_taken_away);
	for (uint64_t nr = 0; nr < CLUSTERS; nr++) /* in the same places */
		pack_version(nr, 2);
	for (uint64_t nr = 0; nr < CLUSTERS; nr++)
		read_version(nr, 2);
	end_packed();
}
END_TEST

int main(void)
{
	const struct check_test tests[] = {
		CHECK_LOOP(what_comes_next_is_unpacked_before_it_is_read, 2),
		CHECK_LOOP(nothing_is_read_ahead_unless_it_is_asked_for, 2),
		CHECK_LOOP(damage_is_told_to_whoever_asks_for_the_cluster, 2),
		CHECK_LOOP(what_was_replaced_is_never_read, 2),
		CHECK_LOOP(what_is_read_ahead_is_not_freed_meanwhile, 2),
	};

	return check_main("qcow2/ahead", tests, ARRAY_SIZE(tests));
}
