/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who asks for a commit, and how threads share one: one commit at a time serves all who asked
 * before it began. Also the questions whether a commit is due and whether one has work to do.
 */
#include <errno.h>

#include "qcow2/engine/backlog.h"
#include "qcow2/engine/commit.h"
#include "qcow2/engine/wptable.h"
#include "util/clock.h"

#define GATHER_NS                                                                                  \
	INT64_C(5000000) /* a thread that commits again does so within this time, even on a slow   \
			    disk */

/*
 * Threads that commit again and again would form two groups, and each group would wait while the
 * other's commit runs. So before a commit begins, it waits for the threads of the two commits
 * before, for at most half the time that a commit takes. A thread that does not come is not waited
 * for the next time. A thread that is alone does not wait. [commit_lock]
 */
static void gather(struct qcow2_image *img)
{
	int64_t patience = img->commit_ns / 2 < GATHER_NS ? img->commit_ns / 2 : GATHER_NS;
	int64_t deadline = clock_ns(CLOCK_MONOTONIC) + patience;

	img->commit_gathering = true;
	while (img->commit_joined < img->commit_peers)
		if (cond_wait_until(&img->commit_cond, &img->commit_lock, deadline) == -ETIMEDOUT)
			break;
	img->commit_gathering = false;
}

/* Runs the next commit for all who have joined it. [commit_lock], not while it runs */
static void run_next_commit(struct qcow2_image *img)
{
	unsigned served;
	uint64_t ticket;
	int64_t began;
	int rc;

	img->commit_running = true;
	gather(img);
	ticket = ++img->commit_started;
	served = img->commit_joined;
	img->commit_joined = 0;
	locks_give(&img->commit_lock, LOCK_COMMIT);
	began = clock_ns(CLOCK_MONOTONIC);
	rc = commit_once(img);
	locks_take(&img->commit_lock, LOCK_COMMIT);
	img->commit_ns = clock_ns(CLOCK_MONOTONIC) - began;
	img->commit_peers = served + img->commit_joined;
	img->commit_running = false;
	img->commit_done = ticket;
	if (rc == 0)
		img->commit_ok = ticket;
	else
		img->commit_error = rc;
	pthread_cond_broadcast(&img->commit_cond);
}

/*
 * Whoever comes while a commit runs needs the one after it, since the running one may have
 * taken its copy already. The first of those who wait runs it for all of them. A later commit
 * may have ended before one of them wakes: when it succeeded it has written everything that
 * theirs did not, and when theirs succeeded it does not concern them that a later one failed.
 */
int qcow2_commit(struct qcow2_image *img)
{
	uint64_t mine;
	int rc;

	locks_take(&img->commit_lock, LOCK_COMMIT);
	mine = img->commit_started + 1;
	img->commit_joined++;
	if (img->commit_gathering)
		pthread_cond_broadcast(&img->commit_cond);
	while (img->commit_running && img->commit_done < mine)
		pthread_cond_wait(&img->commit_cond, &img->commit_lock);
	if (img->commit_done < mine)
		run_next_commit(img);
	rc = img->commit_ok >= mine ? 0 : img->commit_error;
	locks_give(&img->commit_lock, LOCK_COMMIT);
	return rc;
}

int qcow2_wp_settle(struct qcow2_image *img)
{
	/* A whole commit and not only its first step: this is needed only where zones share
	 * clusters or data has a fixed place, and there the rest is due as well. */
	return qcow2_commit(img);
}

int commit_relieve(struct qcow2_image *img)
{
	return qcow2_pressure(img) == QCOW2_PRESSURE_NOW ? qcow2_commit(img) : 0;
}

int commit_until_clean(struct qcow2_image *img)
{
	int rc = qcow2_commit(img);

	for (int n = 0; n < 4 && rc == 0 && qcow2_dirty(img); n++)
		rc = qcow2_commit(img);
	return rc;
}

bool qcow2_dirty(struct qcow2_image *img)
{
	SCOPE_IMAGE_LOCK(img);
	return img->cache.nr_dirty || img->l1.any_dirty || img->reftable.any_dirty ||
	       img->reftable_moved || img->data_dirty || img->let_go.nr ||
	       wptable_dirty_locked(img);
}
