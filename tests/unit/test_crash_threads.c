/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Crash replay with threads: writers, resets, finishes and syncs at the same time, on a disk that
 * takes its time. A flush vouches for what was written before it began. Each state must check
 * without an error; every zone holds one generation's data up to its pointer, and no less than
 * what a sync has acknowledged.
 *
 * ZQ_CRASH_SEED, ZQ_CRASH_SEEDS and ZQ_CRASH_THREAD_OPS make it longer or replay one run, as far
 * as threads can be replayed.
 */
#include "check_main.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crash_disk.h"
#include "crash_model.h"
#include "qimage.h"
#include "rng.h"
#include "zonedev.h"

#define THREADS	  4u
#define ZONES	  16u /* zone z is worked on by thread z % THREADS only */
#define ZONE_SIZE (UINT64_C(64) << 10)

struct threads_state { /* of a zone */
	uint32_t gen;  /* resets before */
	uint64_t end;
	bool finished; /* zeros behind end */
};

struct threads_ack {
	size_t at; /* entries in the log when it was given */
	struct threads_state state;
};

struct threads_zone {
	struct threads_state now;
	struct threads_ack *ack; /* one for each sync */
	size_t nr_ack;
};

struct threads_run {
	struct zonedev z;
	struct threads_zone zone[ZONES];
	uint64_t seed, ops, states;
};

struct threads_worker {
	struct threads_run *run;
	pthread_t thread;
	uint32_t number;
	uint64_t rng;
};

/* ---- the workload -------------------------------------------------------------------------- */

static int take_time(void *data, enum memio_op op, uint64_t off, uint64_t len, uint64_t *apply)
{
	unsigned k = atomic_fetch_add((atomic_uint *)data, 1) * 2654435761u >> 16;

	(void)off;
	(void)len;
	(void)apply;
	if (k % 4 == 0 && (op == MEMIO_WRITE || op == MEMIO_PUNCH || op == MEMIO_FLUSH))
		usleep(k % 300);
	return 0;
}

static void threads_append(struct threads_worker *w, uint32_t zone)
{
	struct threads_state *now = &w->run->zone[zone].now;
	uint64_t len = 512 * (1 + rng_below(&w->rng, rng_below(&w->rng, 4) ? 8 : 60));
	uint8_t *buf;

	if (now->finished || now->end == ZONE_SIZE)
		return;
	len = min_u64(len, ZONE_SIZE - now->end);
	buf = malloc(len);
	crash_fill(zone, now->gen, now->end, buf, len);
	ck_assert_int_eq(zq_append(w->run->z.dev, zone, NULL, 0, buf, len, ZQ_WRITE_APPEND, NULL),
			 (int)len);
	free(buf);
	now->end += len;
}

/* Acknowledges what this thread has done before. */
static void threads_sync(struct threads_worker *w)
{
	struct threads_state before[ZONES];
	size_t at;

	for (uint32_t z = w->number; z < ZONES; z += THREADS)
		before[z] = w->run->zone[z].now;
	ck_assert_int_eq(zq_sync(w->run->z.dev), 0);
	at = memio_log_count(w->run->z.m);
	for (uint32_t z = w->number; z < ZONES; z += THREADS) {
		struct threads_zone *zone = &w->run->zone[z];

		zone->ack[zone->nr_ack++] = (struct threads_ack){ at, before[z] };
	}
}

static void *threads_work(void *arg)
{
	struct threads_worker *w = arg;

	for (uint64_t i = 0; i < w->run->ops; i++) {
		uint32_t z = w->number + THREADS * (uint32_t)rng_below(&w->rng, ZONES / THREADS);
		struct threads_state *now = &w->run->zone[z].now;

		switch (rng_below(&w->rng, 12)) {
		case 0:
			threads_sync(w);
			break;
		case 1:
			ck_assert_int_eq(zq_zone_reset(w->run->z.dev, z), 0);
			*now = (struct threads_state){ .gen = now->gen + 1 };
			break;
		case 2:
			if (w->number)
				break;
			ck_assert_int_eq(zq_zone_finish(w->run->z.dev, z), 0);
			now->finished = true;
			break;
		default:
			threads_append(w, z);
		}
	}
	return NULL;
}

static void threads_run_all(struct threads_run *r)
{
	struct threads_worker w[THREADS];
	atomic_uint calls = 0;

	memio_log_start(r->z.m);
	memio_set_hook(r->z.m, take_time, &calls);
	for (uint32_t i = 0; i < THREADS; i++) {
		w[i] = (struct threads_worker){ .run = r, .number = i };
		w[i].rng = (r->seed * 131 + i + 1) * UINT64_C(0x9e3779b97f4a7c15);
		pthread_create(&w[i].thread, NULL, threads_work, &w[i]);
	}
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(w[i].thread, NULL);
	memio_set_hook(r->z.m, NULL, NULL);
	memio_log_stop(r->z.m);
}

/* ---- the power failures ---------------------------------------------------------------------- */

/* Is this what the zone held in that generation, up to its pointer? */
static bool holds(uint32_t zone, uint32_t gen, const uint8_t *got, uint64_t len)
{
	uint8_t want[ZONE_SIZE];
	uint64_t same = 0;

	crash_fill(zone, gen, 0, want, sizeof(want));
	while (same < len && got[same] == want[same])
		same++;
	/* a finished zone is full: zeros follow */
	while (len == ZONE_SIZE && same < len && !got[same])
		same++;
	return same == len;
}

static void threads_verify_zone(struct threads_run *r, struct zq_device *dev, uint32_t zone,
				size_t at, const char *what)
{
	struct threads_state acked = { 0, 0, false };
	uint8_t buf[ZONE_SIZE];
	struct zq_zone_info zi;
	bool good = false;

	for (size_t i = 0; i < r->zone[zone].nr_ack; i++)
		if (r->zone[zone].ack[i].at <= at)
			acked = r->zone[zone].ack[i].state;
	ck_assert_int_eq(zq_report(dev, zone, 1, &zi), 0);
	ck_assert_int_eq(zq_read(dev, zone, 0, buf, ZONE_SIZE), (int)zi.written);
	for (uint32_t gen = acked.gen; gen <= r->zone[zone].now.gen && !good; gen++) {
		uint64_t least = acked.finished ? ZONE_SIZE : acked.end;

		if (gen == acked.gen && zi.written < least)
			continue;
		good = holds(zone, gen, buf, zi.written);
	}
	ck_assert_msg(good,
		      "%s: zone %u: %" PRIu64 " bytes; acknowledged: generation %u, %" PRIu64
		      " bytes",
		      what, zone, zi.written, acked.gen, acked.end);
}

static void threads_verify(struct threads_run *r, struct memio *left, size_t at, const char *what)
{
	struct zq_open_opts o = { .readonly = true };
	struct zq_error err = { "" };
	struct zq_device *dev = NULL;

	ck_assert_msg(zq_open_device_io(memio_open(left, "mem", false), &o, &dev, &err) == 0,
		      "%s: %s", what, err.msg);
	for (uint32_t zone = 0; zone < ZONES; zone++)
		threads_verify_zone(r, dev, zone, at, what);
	zq_close_device(dev);
	qimage_check_file(left, what);
	r->states++;
}

static void threads_fail_power(struct threads_run *r, struct memio *stable)
{
	uint64_t rng = r->seed + 77;
	size_t flushed = 0;

	for (size_t at = 0; at <= memio_log_count(r->z.m); at++) {
		size_t last = memio_log_last_flush(r->z.m, at);

		memio_replay(r->z.m, flushed, last, stable, NULL, NULL);
		flushed = last;
		for (unsigned v = 0; v < (flushed < at ? 3 : 1); v++) {
			uint64_t salt = v ? 1 + rng_below(&rng, UINT64_MAX - 1) : 0;
			struct memio *left = crash_left_over(r->z.m, stable, flushed, at, salt);
			char what[96];

			snprintf(what, sizeof(what),
				 "seed %" PRIu64 ", behind entry %zu, salt %" PRIu64, r->seed, at,
				 salt);
			threads_verify(r, left, at, what);
			memio_free(left);
		}
	}
}

static void threads_one(uint64_t seed, unsigned cluster_bits)
{
	struct threads_run *r = calloc(1, sizeof(*r));
	struct memio *stable;

	r->seed = seed;
	r->ops = from_env("ZQ_CRASH_THREAD_OPS", 60);
	zonedev_init(&r->z);
	r->z.p.geo = (struct zq_geometry){ .size = ZONES * ZONE_SIZE,
					   .zone_size = ZONE_SIZE,
					   .zone_capacity = ZONE_SIZE,
					   .nr_zones = ZONES,
					   .max_append = 4096 };
	r->z.p.cluster_bits = cluster_bits;
	r->z.p.refcount_order = cluster_bits == 9 ? 6 : 4;
	for (uint32_t z = 0; z < ZONES; z++)
		r->zone[z].ack = calloc(r->ops, sizeof(*r->zone[z].ack));
	zonedev_create(&r->z);
	stable = memio_clone(r->z.m);
	threads_run_all(r);
	threads_fail_power(r, stable);
	printf("crash replay with %u threads: clusters of %u, seed %" PRIu64
	       ", %zu log entries, %" PRIu64 " crash states, nothing lost\n",
	       THREADS, 1u << cluster_bits, seed, memio_log_count(r->z.m), r->states);
	zonedev_free(&r->z);
	memio_free(stable);
	for (uint32_t z = 0; z < ZONES; z++)
		free(r->zone[z].ack);
	free(r);
}

START_TEST(threads_survive_power_failures)
{
	static const unsigned bits[] = { 12, 9, 16, 13 };
	uint64_t seed = from_env("ZQ_CRASH_SEED", 1), nr = from_env("ZQ_CRASH_SEEDS", 2);

	for (uint64_t s = seed; s < seed + nr; s++)
		threads_one(s, bits[s % ARRAY_SIZE(bits)]);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(threads_survive_power_failures),
	};

	return check_main_timeout("crash replay with threads", tests, ARRAY_SIZE(tests), 3600);
}
