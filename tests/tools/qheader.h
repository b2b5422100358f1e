/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A second, independent look at a qcow2 header, for tools that prepare or spoil test images:
 * only as much as they need, checked only so far that a mistake of a test is noticed.
 */
#ifndef ZQ_TEST_QHEADER_H
#define ZQ_TEST_QHEADER_H

#include <unistd.h>

#include "tool.h"
#include "util/bytes.h"

enum {
	Q_BACKING_OFFSET = 8,
	Q_BACKING_LEN = 16,
	Q_CLUSTER_BITS = 20,
	Q_SIZE = 24,
	Q_L1_SIZE = 36,
	Q_L1_OFFSET = 40,
	Q_REFTABLE_OFFSET = 48,
	Q_REFTABLE_CLUSTERS = 56,
	Q_INCOMPAT = 72,
	Q_AUTOCLEAR = 88,
	Q_REFCOUNT_ORDER = 96,
	Q_HEADER_LENGTH = 100,
};
#define Q_EXT_ZONED 0x007a6264u
#define Q_ZONED_BIT (1ull << 5)

struct qheader {
	int fd;
	unsigned char *head; /* the first cluster, owned */
	uint64_t cluster;    /* bytes */
};

static inline void q_read(int fd, void *buf, size_t len, uint64_t off)
{
	ssize_t n = pread(fd, buf, len, (off_t)off);

	if (n < 0)
		tool_die("read at %llu: %s", (unsigned long long)off, strerror(errno));
	memset((char *)buf + n, 0, len - (size_t)n);
}

static inline void q_write(int fd, const void *buf, size_t len, uint64_t off)
{
	if (pwrite(fd, buf, len, (off_t)off) != (ssize_t)len)
		tool_die("write at %llu: %s", (unsigned long long)off, strerror(errno));
}

static inline struct qheader q_open(int fd)
{
	struct qheader q = { .fd = fd };
	unsigned char first[104];
	uint32_t bits;

	q_read(fd, first, sizeof(first), 0);
	bits = get_be32(first + Q_CLUSTER_BITS);
	if (memcmp(first, "QFI\xfb", 4) || get_be32(first + 4) != 3 || bits < 9 || bits > 21)
		tool_die("not a qcow2 image of version 3");
	q.cluster = 1ull << bits;
	q.head = malloc(q.cluster);
	if (!q.head)
		tool_die("out of memory");
	q_read(fd, q.head, q.cluster, 0);
	return q;
}

/* Where the header extension of that type begins (its type word), or 0. */
static inline uint64_t q_find_ext(const struct qheader *q, uint32_t type)
{
	uint64_t off = get_be32(q->head + Q_HEADER_LENGTH);

	while (off + 8 <= q->cluster) {
		uint32_t t = get_be32(q->head + off), len = get_be32(q->head + off + 4);

		if (t == type)
			return off;
		if (!t)
			return 0;
		off += 8 + (((uint64_t)len + 7) & ~7ull);
	}
	return 0;
}

#endif
