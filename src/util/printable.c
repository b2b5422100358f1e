/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Escapes of what must not reach a terminal as it is. Independent of the locale; owns nothing.
 */
#include "util/printable.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ESCAPE_MAX 5 /* "\x1b" and a NUL */

size_t utf8_len(const unsigned char *p)
{
	static const unsigned min[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	unsigned code;

	if (len < 2)
		return len;
	if (p[0] > 0xf4)
		return 0;
	code = p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3fu);
	}
	return code < min[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : len;
}

/* C0, DEL, and C1, which UTF-8 writes as 0xc2 0x80 to 0xc2 0x9f. */
static bool is_control(const unsigned char *p)
{
	return *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0);
}

/* How the character at p is shown; *len is its length in bytes and *shown points to as many bytes
 * as are returned, in p or in escape. */
static size_t show(const unsigned char *p, size_t *len, char *escape, const char **shown)
{
	*len = utf8_len(p);
	if (*len && !is_control(p)) {
		*shown = (const char *)p;
		return *len;
	}
	*len = 1;
	*shown = escape;
	if (*p == '\n' || *p == '\t')
		return (size_t)snprintf(escape, ESCAPE_MAX, "\\%c", *p == '\n' ? 'n' : 't');
	return (size_t)snprintf(escape, ESCAPE_MAX, "\\x%02x", *p);
}

void printable_write(FILE *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	char escape[ESCAPE_MAX];
	const char *shown;
	size_t len;

	for (; *p; p += len) {
		size_t n = show(p, &len, escape, &shown);

		fwrite(shown, 1, n, out);
	}
}

char *printable_to(const char *text, char *buf, size_t size)
{
	const unsigned char *p = (const unsigned char *)text;
	char escape[ESCAPE_MAX], *to = buf;
	const char *shown;
	size_t len;

	for (; *p; p += len) {
		size_t n = show(p, &len, escape, &shown);

		if (n >= size - (size_t)(to - buf))
			break;
		memcpy(to, shown, n);
		to += n;
	}
	*to = '\0';
	return buf;
}

char *printable_dup(const char *text)
{
	size_t size = strlen(text) * (ESCAPE_MAX - 1) + 1;
	char *copy = malloc(size);

	return copy ? printable_to(text, copy, size) : NULL;
}
