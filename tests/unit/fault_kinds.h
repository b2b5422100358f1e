/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kind of fault that a file of memio.h has, in a table of them: the tests let it hit one
 * operation after the other.
 */
#ifndef ZQ_TEST_FAULT_KINDS_H
#define ZQ_TEST_FAULT_KINDS_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "memio.h"

struct fault {
	enum memio_op op;
	int err;
	bool sticky;
	uint64_t apply;
};

/* The n-th operation from now on has it; see memio_fail(). */
static inline void fault_begins(struct memio *m, const struct fault *f, uint64_t n)
{
	memio_fail(m, f->op, n, f->err, f->sticky, f->apply);
}

/* No operation has it any more. Has one had it? */
static inline bool fault_ends(struct memio *m, const struct fault *f)
{
	memio_fail(m, f->op, 0, 0, false, 0);
	return memio_failures(m, f->op) > 0;
}

/* "make faults" adds up these lines. */
static inline void fault_tell(const char *where, const struct fault *f, uint64_t first, uint64_t nr,
			      uint64_t all)
{
	printf("%s: operation kind %d, %s%s: seeds %" PRIu64 " to %" PRIu64 ", %" PRIu64
	       " faults injected, nothing lost\n",
	       where, f->op, strerror(f->err), f->sticky ? " for good" : "", first, first + nr - 1,
	       all);
}

#endif
