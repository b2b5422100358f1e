/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the concurrent tools share: numbers that a seed repeats, contents that tell where they
 * belong, and an end that names what was wrong. Thread-safe: each thread has its own state.
 */
#ifndef ZQ_TEST_RACE_H
#define ZQ_TEST_RACE_H

#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>

#include "tool.h"

#define BLOCK 512u

/* The mount does something else than it must: status 1. */
__attribute__((format(printf, 1, 2), noreturn)) static inline void race_wrong(const char *fmt, ...)
{
	va_list ap;

	flockfile(stderr);
	fprintf(stderr, "wrong: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	putc('\n', stderr);
	fflush(stderr);
	_Exit(1);
}

static inline uint64_t race_mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* A number below n; *state is the thread's own. */
static inline uint64_t race_any(uint64_t *state, uint64_t n)
{
	*state += 0x9e3779b97f4a7c15u;
	return n ? race_mix(*state) % n : 0;
}

/* Contents of a file that is written from its start in round "key". */
static inline void race_fill(void *buf, size_t len, uint64_t key, uint64_t off)
{
	uint64_t *p = buf;

	for (size_t i = 0; i < len / 8; i++)
		p[i] = race_mix(key + off + i * 8) | 1;
}

/* The first byte that is not what race_fill() made, or len. */
static inline size_t race_differs(const void *buf, size_t len, uint64_t key, uint64_t off)
{
	const uint64_t *p = buf;

	for (size_t i = 0; i < len / 8; i++)
		if (p[i] != (race_mix(key + off + i * 8) | 1))
			return i * 8;
	return len;
}

static inline double race_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static inline uint64_t race_size(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		race_wrong("fstat: %s", tool_errno(errno));
	return (uint64_t)st.st_size;
}

/* An attribute of zqfs; name without "user.zone.". */
static inline void race_attr(const char *path, const char *name, char value[64])
{
	char full[64];
	ssize_t n;

	snprintf(full, sizeof(full), "user.zone.%s", name);
	n = getxattr(path, full, value, 63);
	if (n < 0)
		race_wrong("%s of %s: %s", full, path, tool_errno(errno));
	value[n] = '\0';
}

static inline uint64_t race_number(const char *path, const char *name)
{
	char value[64];

	race_attr(path, name, value);
	return strtoull(value, NULL, 10);
}

#endif
