/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A list of runs of clusters that grows at its end.
 */
#include <errno.h>
#include <stdlib.h>

#include "qcow2/engine/runs.h"
#include "util/math.h"

int runs_add(struct qcow2_runs *r, uint64_t start, uint64_t count)
{
	if (r->nr && r->run[r->nr - 1].start + r->run[r->nr - 1].count == start) {
		r->run[r->nr - 1].count += count;
		return 0;
	}
	if (r->nr == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 64;
		struct qcow2_run *run = realloc(r->run, cap * sizeof(*run));

		if (!run)
			return -ENOMEM;
		r->run = run;
		r->cap = cap;
	}
	r->run[r->nr++] = (struct qcow2_run){ .start = start, .count = count };
	return 0;
}

static int compare_runs(const void *a, const void *b)
{
	uint64_t x = ((const struct qcow2_run *)a)->start, y = ((const struct qcow2_run *)b)->start;

	return x < y ? -1 : x > y;
}

void runs_tidy(struct qcow2_runs *r)
{
	size_t n = 0;

	if (!r->nr)
		return;
	qsort(r->run, r->nr, sizeof(*r->run), compare_runs);
	for (size_t i = 1; i < r->nr; i++) {
		struct qcow2_run *last = &r->run[n], *next = &r->run[i];

		if (next->start > last->start + last->count)
			r->run[++n] = *next;
		else
			last->count =
				max_u64(last->start + last->count, next->start + next->count) -
				last->start;
	}
	r->nr = n + 1;
}

void runs_free(struct qcow2_runs *r)
{
	free(r->run);
	*r = (struct qcow2_runs){ 0 };
}
