/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The trace of zone operations: one line of JSON for each request that reads, writes or changes a
 * zone, with who asked, what came of it and how long it took, and one for each change of a
 * zone's state. zqfs(1) lists the keys. It reads requests and answers as they go over
 * /dev/fuse, so that no handler has to know of it.
 */
#ifndef ZQ_FS_TRACE_H
#define ZQ_FS_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <zqfs/device.h>

struct fs;

/* A request in hand, in memory of the thread that serves it. All zero: none is traced. */
struct trace_request {
	const char *op; /* NULL: not traced */
	uint64_t node, offset, length;
	int64_t start; /* CLOCK_MONOTONIC, ns */
	int64_t took;  /* until the answer, ns */
	int64_t when;  /* of the answer, before anybody has it: CLOCK_REALTIME, ns */
	int64_t result;
	uint32_t uid, pid;
	bool landed, answered;
};

/* Before a request is served: size bytes as they came from the kernel. */
void trace_begin(struct fs *fs, struct trace_request *t, const void *request, size_t size);
/* The answer as it goes to the kernel. */
void trace_answer(struct trace_request *t, const struct iovec *iov, int count);
/* The handler knows where an append has landed. */
void trace_landed(struct fs *fs, uint64_t offset);
/* After the answer: writes the line. */
void trace_end(struct fs *fs, struct trace_request *t);

/* For zq_open_opts.on_state; data is the struct fs. */
void trace_state(void *data, uint32_t zone, enum zq_zone_state was, enum zq_zone_state now,
		 bool implicit);

#endif
