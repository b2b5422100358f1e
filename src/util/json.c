/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON output. Owns no memory, locks nothing; errors of the stream stay in the stream, its
 * caller looks at ferror() once at the end.
 */
#include "util/json.h"

#include <stddef.h>

#include "util/printable.h"

static void put_string(struct json *j, const char *s)
{
	putc('"', j->out);
	for (const unsigned char *p = (const unsigned char *)s; *p;) {
		size_t len = utf8_len(p);

		if (len == 0) {
			fputs("\xef\xbf\xbd", j->out);
			p++;
		} else if (*p == '"' || *p == '\\') {
			fprintf(j->out, "\\%c", *p++);
		} else if (*p == '\n') {
			fputs("\\n", j->out);
			p++;
		} else if (*p < 0x20 || *p == 0x7f) {
			fprintf(j->out, "\\u%04x", *p++);
		} else {
			fwrite(p, 1, len, j->out);
			p += len;
		}
	}
	putc('"', j->out);
}

static void new_line(struct json *j)
{
	putc('\n', j->out);
	for (unsigned i = 0; i < j->depth; i++)
		fputs("  ", j->out);
}

/* Everything that comes before a value: comma, line, key. */
static void begin_value(struct json *j, const char *key)
{
	bool compact = j->compact[j->depth];

	if (j->filled[j->depth])
		fputs(compact ? ", " : ",", j->out);
	if (j->depth && !compact)
		new_line(j);
	j->filled[j->depth] = true;
	if (key) {
		put_string(j, key);
		fputs(": ", j->out);
	}
}

static void open_container(struct json *j, const char *key, char bracket, bool compact)
{
	bool inherited = j->compact[j->depth];

	begin_value(j, key);
	putc(bracket, j->out);
	if (j->depth + 1 < JSON_MAX_DEPTH)
		j->depth++;
	j->filled[j->depth] = false;
	j->compact[j->depth] = compact || inherited;
}

static void close_container(struct json *j, char bracket)
{
	bool line = j->filled[j->depth] && !j->compact[j->depth];

	if (j->depth)
		j->depth--;
	if (line)
		new_line(j);
	putc(bracket, j->out);
	if (!j->depth)
		putc('\n', j->out);
}

void json_object(struct json *j, const char *key)
{
	open_container(j, key, '{', false);
}

void json_object_line(struct json *j, const char *key)
{
	open_container(j, key, '{', true);
}

void json_end_object(struct json *j)
{
	close_container(j, '}');
}

void json_array(struct json *j, const char *key)
{
	open_container(j, key, '[', false);
}

void json_end_array(struct json *j)
{
	close_container(j, ']');
}

void json_string(struct json *j, const char *key, const char *value)
{
	begin_value(j, key);
	if (value)
		put_string(j, value);
	else
		fputs("null", j->out);
}

void json_number(struct json *j, const char *key, uint64_t value)
{
	begin_value(j, key);
	fprintf(j->out, "%llu", (unsigned long long)value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	begin_value(j, key);
	fputs(value ? "true" : "false", j->out);
}

void json_null(struct json *j, const char *key)
{
	json_string(j, key, NULL);
}
