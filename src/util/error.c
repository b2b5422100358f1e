/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sentence that goes with a failure. Owns nothing, locks nothing, never prints; a
 * sentence that is too long is cut, at a whole character, and never overflows.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <zqfs/error.h>

#include "util/printable.h"

/* A UTF-8 character that the end of the buffer cut in two goes as a whole. */
static void drop_cut_character(char *msg, size_t size)
{
	size_t start = strlen(msg);

	if (start < size - 1)
		return;
	while (start && ((unsigned char)msg[start - 1] & 0xc0) == 0x80)
		start--;
	if (start && ((unsigned char)msg[start - 1] & 0xc0) == 0xc0)
		msg[start - 1] = '\0';
}

int zq_fail(struct zq_error *err, int code, const char *fmt, ...)
{
	struct zq_error text; /* an argument may be err->msg itself */
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	if (vsnprintf(text.msg, sizeof(text.msg), fmt, ap) < 0)
		text.msg[0] = '\0';
	va_end(ap);
	drop_cut_character(text.msg, sizeof(text.msg));
	/* One line, whatever a hostile image put into a name that is quoted in it. */
	printable_to(text.msg, err->msg, sizeof(err->msg));
	return code;
}

void zq_error_prefix(struct zq_error *err, const char *prefix)
{
	if (err)
		zq_fail(err, 0, "%s: %s", prefix, err->msg);
}
