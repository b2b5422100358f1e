/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What zstress.c and zheld.h share: the end that names seed and operation, random choices that
 * the seed repeats, names and contents.
 */
#ifndef ZQ_TEST_ZSTRESS_H
#define ZQ_TEST_ZSTRESS_H

#include <sys/xattr.h>

#include "zmodel.h"

__attribute__((format(printf, 2, 3), noreturn)) static inline void differs(const struct model *m,
									   const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "seed=%llu operation %llu (%s): ", (unsigned long long)m->seed,
		(unsigned long long)m->op, m->what);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	putc('\n', stderr);
	exit(1);
}

static inline uint64_t any(struct model *m, uint64_t below)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return below ? (m->random >> 11) % below : 0;
}

static inline uint64_t get_number(const struct model *m, const char *path, const char *name)
{
	char value[64] = "";

	if (getxattr(path, name, value, sizeof(value) - 1) < 0)
		differs(m, "%s of %s: %s", name, path, tool_errno(errno));
	return strtoull(value, NULL, 10);
}

/* After a close: the daemon has been told of it by then, or waits until it is. */
static inline void expect_closed(const struct model *m)
{
	uint64_t nr = get_number(m, m->mount, "user.zone.nr_write_open");

	if (nr != count_written(m))
		differs(m, "nr_write_open is %llu, expected %u", (unsigned long long)nr,
			count_written(m));
}

static inline void path_of(const struct model *m, bool conv, unsigned zone, char path[256])
{
	snprintf(path, 256, "%s/%s/%u", m->mount, conv ? "cnv" : "seq", zone);
}

static inline void expect_errno(const struct model *m, int64_t ret, int want)
{
	int got = ret < 0 ? errno : 0;

	if (got != want)
		differs(m, "got %s, expected %s", got ? tool_errno(got) : "success",
			want ? tool_errno(want) : "success");
}

static inline void fill_random(struct model *m, unsigned char *p, uint64_t len)
{
	uint64_t v = any(m, UINT64_MAX);

	for (uint64_t i = 0; i < len; i++)
		p[i] = (unsigned char)(v + i * (i >> 8 | 1));
}

/* Mostly small, now and then up to the whole zone and past it; direct I/O in whole blocks. */
static inline uint64_t any_length(struct model *m, bool direct)
{
	uint64_t len = any(m, 10) ? 1 + any(m, 40000) : 1 + any(m, m->zone_size);

	return direct ? (len + BLOCK - 1) / BLOCK * BLOCK : len;
}

#endif
