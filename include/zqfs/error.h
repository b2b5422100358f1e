/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sentence that goes with a failure.
 *
 * Every libzqfs function that can fail returns 0 (or a count) or a negative errno. Those that a
 * person waits for (open, create, check) also take a struct zq_error, which may be NULL, and leave
 * in it one line that names the file, the field, its value and the bound. For the calls on a
 * device see zq_last_error().
 */
#ifndef ZQFS_ERROR_H
#define ZQFS_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

struct zq_error {
	char msg[512]; /* NUL-terminated, without a newline; "" while nothing failed */
};

/*
 * Fills err->msg (when err is not NULL) and returns code, so that a caller can write
 * "return zq_fail(err, -EINVAL, ...)". code is a negative errno; it is returned unchanged.
 */
int zq_fail(struct zq_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "prefix: " in front of a message that is already there. A NULL err is ignored. */
void zq_error_prefix(struct zq_error *err, const char *prefix);

#ifdef __cplusplus
}
#endif

#endif
