/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the value of a mount option is read: kinds of values, and where one goes.
 */
#ifndef ZQ_FS_OPTION_VALUE_H
#define ZQ_FS_OPTION_VALUE_H

#include <stddef.h>
#include <stdint.h>

#include "fs/fs.h"
#include "fs/options.h"

enum option_kind {
	TO_FUSE, /* known and shown, handled by libfuse */
	FLAG,	 /* bool */
	NUMBER,	 /* uint32_t, decimal, min to max */
	LEVEL,	 /* uint32_t, a number as above, or no value: max + 1 */
	USER,	 /* uint32_t, a number or a name */
	GROUP,	 /* likewise */
	OCTAL,	 /* uint32_t, at most max */
	SIZE,	 /* uint64_t */
	WORD,	 /* uint32_t, index into the words of the placeholder */
	TEXT,	 /* char *, owned */
};

struct option_rule {
	enum option_kind kind;
	size_t to; /* offset in struct fs_config */
	uint32_t min, max;
};

/*
 * Reads the value (NULL: there is none) of an option into its field of the configuration. The
 * configuration owns a text. Returns 0, -EINVAL with a sentence that names the option, or -ENOMEM.
 */
int option_value_set(struct fs_config *c, const struct option_rule *r, const struct fs_option *o,
		     const char *value, struct zq_error *err);

#endif
