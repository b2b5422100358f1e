/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A list of runs of clusters that grows at its end.
 */
#include <errno.h>
#include <stdlib.h>

#include "qcow2/engine/runs.h"

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

void runs_free(struct qcow2_runs *r)
{
	free(r->run);
	*r = (struct qcow2_runs){ 0 };
}
