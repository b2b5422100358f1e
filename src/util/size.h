/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sizes as people write and read them: "64K", "1T", "2.5 MiB". Powers of 1024.
 */
#ifndef ZQ_UTIL_SIZE_H
#define ZQ_UTIL_SIZE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Parses a size in bytes: decimal digits and at most one suffix B K M G T P E in either
 * case, as qemu-img's. 0 and *bytes, -EINVAL for anything else (signs, blanks, fractions,
 * an empty string), -ERANGE when the bytes do not fit into 63 bits. *bytes is set on success only.
 */
int size_parse(const char *text, uint64_t *bytes);

/* Parses a plain decimal number with the bound max (included); errors as above. */
int number_parse(const char *text, uint64_t max, uint64_t *value);

#define SIZE_TEXT_MAX 32

/*
 * Writes a size as qemu-img shows it, three significant digits and a binary unit: "0 B",
 * "192 KiB", "2.5 MiB", "1.25 GiB". buf holds SIZE_TEXT_MAX bytes; returns buf.
 */
char *size_format(uint64_t bytes, char *buf);

/*
 * Writes a size so that size_parse gives the same number back: with the largest suffix that
 * divides it, "64K", "1M", "1536". buf holds SIZE_TEXT_MAX bytes; returns buf.
 */
char *size_format_exact(uint64_t bytes, char *buf);

#endif
