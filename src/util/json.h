/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A writer of JSON: indented, in the order of the calls, commas and escapes done here. Bytes
 * that are not valid UTF-8 (a file name may hold any) come out as U+FFFD.
 */
#ifndef ZQ_UTIL_JSON_H
#define ZQ_UTIL_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_MAX_DEPTH 8

struct json {
	FILE *out;
	unsigned depth;
	bool filled[JSON_MAX_DEPTH];  /* something stands in the container of that depth */
	bool compact[JSON_MAX_DEPTH]; /* its members share one line */
};

/* key is NULL for the members of an array and for the outermost value. */
void json_object(struct json *j, const char *key);
void json_object_line(struct json *j, const char *key); /* all of it on one line */
void json_end_object(struct json *j);
void json_array(struct json *j, const char *key);
void json_end_array(struct json *j);
void json_string(struct json *j, const char *key, const char *value); /* NULL: null */
void json_number(struct json *j, const char *key, uint64_t value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);

#endif
