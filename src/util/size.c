/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sizes as text. Pure functions, independent of the locale; owns and locks nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/math.h"
#include "util/size.h"

static const char suffixes[] = "BKMGTPE"; /* the index is the power of 1024 */

/* Digits up to the first other character; *end is where that stands. */
static int digits_parse(const char *text, uint64_t *value, const char **end)
{
	uint64_t v = 0;
	const char *p = text;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (!mul_u64(v, 10, &v) || !add_u64(v, (uint64_t)(*p - '0'), &v))
			return -ERANGE;
	}
	*value = v;
	*end = p;
	return 0;
}

int number_parse(const char *text, uint64_t max, uint64_t *value)
{
	const char *end;
	uint64_t v;
	int ret = digits_parse(text, &v, &end);

	if (ret)
		return ret;
	if (*end)
		return -EINVAL;
	if (v > max)
		return -ERANGE;
	*value = v;
	return 0;
}

int size_parse(const char *text, uint64_t *bytes)
{
	const char *end;
	uint64_t v;
	int ret = digits_parse(text, &v, &end);

	if (ret)
		return ret;
	if (*end) {
		int upper = *end >= 'a' && *end <= 'z' ? *end - 'a' + 'A' : *end;
		const char *s = strchr(suffixes, upper);

		if (!s || end[1])
			return -EINVAL;
		if (!mul_u64(v, UINT64_C(1) << (10 * (s - suffixes)), &v))
			return -ERANGE;
	}
	if (v > INT64_MAX)
		return -ERANGE;
	*bytes = v;
	return 0;
}

char *size_format(uint64_t bytes, char *buf)
{
	unsigned power = 0;
	unsigned scale;
	uint64_t unit;
	uint64_t whole, part;
	int digits;

	/* 1000 and not 1024, as qemu-img does it: no number has four digits. */
	while (power < 6 && bytes >> (10 * power) >= 1000)
		power++;
	if (!power) {
		snprintf(buf, SIZE_TEXT_MAX, "%u B", (unsigned)bytes);
		return buf;
	}
	unit = UINT64_C(1) << (10 * power);
	whole = bytes / unit;
	digits = whole >= 100 ? 0 : whole >= 10 ? 1 : whole ? 2 : 3;
	scale = digits == 0 ? 1 : digits == 1 ? 10 : digits == 2 ? 100 : 1000;
	/* bytes % unit < 2^60, so times 1000 it may not fit: drop bits that do not show */
	part = bytes % unit;
	if (power > 4) {
		part >>= 20;
		unit >>= 20;
	}
	part = (part * scale + unit / 2) / unit;
	if (part == scale) {
		whole++;
		part = 0;
	}
	for (; digits && part % 10 == 0; digits--)
		part /= 10;
	if (digits)
		snprintf(buf, SIZE_TEXT_MAX, "%u.%0*u %ciB", (unsigned)whole, digits,
			 (unsigned)part, suffixes[power]);
	else
		snprintf(buf, SIZE_TEXT_MAX, "%u %ciB", (unsigned)whole, suffixes[power]);
	return buf;
}

char *size_format_exact(uint64_t bytes, char *buf)
{
	unsigned power = 0;

	while (power < 6 && bytes && !(bytes & 1023)) {
		bytes >>= 10;
		power++;
	}
	if (power)
		snprintf(buf, SIZE_TEXT_MAX, "%llu%c", (unsigned long long)bytes, suffixes[power]);
	else
		snprintf(buf, SIZE_TEXT_MAX, "%llu", (unsigned long long)bytes);
	return buf;
}
