/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The backlog of a commit and its bounds. Never commits: whoever makes changes asks
 * qcow2_pressure() and does.
 */
#include "qcow2/engine/backlog.h"
#include "util/math.h"

/* Bytes that may wait to be freed: so much more than its live data the image file holds. A
 * commit for each reset of a large disk would cost more than the room is worth. */
#define WAITING_MIN   (UINT64_C(64) << 20)
#define WAITING_SHARE 16u /* of the disk */

static uint64_t waiting_bound(const struct qcow2_image *img)
{
	return max_u64(WAITING_MIN, img->hdr.size / WAITING_SHARE);
}

void backlog_update(struct qcow2_image *img)
{
	uint64_t pinned = (uint64_t)img->cache.nr_dirty * img->slice_size;
	uint64_t waiting = img->waiting << img->cluster_bits, bound = waiting_bound(img);
	enum qcow2_pressure p = QCOW2_PRESSURE_NONE;

	/* half of each bound calls for a commit soon; what a running one adds must fit as well */
	if (pinned > img->cache_bytes / 4 * 3 || waiting > bound)
		p = QCOW2_PRESSURE_NOW;
	else if (pinned > img->cache_bytes / 2 || waiting > bound / 2)
		p = QCOW2_PRESSURE_SOON;
	atomic_store_explicit(&img->pressure, p, memory_order_relaxed);
}

enum qcow2_pressure qcow2_pressure(const struct qcow2_image *img)
{
	return (enum qcow2_pressure)atomic_load_explicit(&img->pressure, memory_order_relaxed);
}

void backlog_let_go(struct qcow2_image *img, uint64_t start, uint64_t count)
{
	if (runs_add(&img->let_go, start, count) == 0)
		img->waiting += count;
	else
		image_log(img, "out of memory: %llu clusters from %llu on leak",
			  (unsigned long long)count, (unsigned long long)start);
}

struct qcow2_runs backlog_take(struct qcow2_image *img)
{
	struct qcow2_runs taken = img->let_go;

	img->let_go = (struct qcow2_runs){ 0 };
	return taken;
}

void backlog_freed(struct qcow2_image *img, const struct qcow2_runs *runs)
{
	for (size_t i = 0; i < runs->nr; i++)
		img->waiting -= runs->run[i].count;
}

void backlog_return(struct qcow2_image *img, const struct qcow2_runs *runs)
{
	backlog_freed(img, runs);
	for (size_t i = 0; i < runs->nr; i++)
		backlog_let_go(img, runs->run[i].start, runs->run[i].count);
}

bool backlog_waits(const struct qcow2_image *img)
{
	return img->waiting;
}
