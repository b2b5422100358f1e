/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the value of a mount option. Never prints.
 */
#include "fs/option_value.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "util/size.h"

static int bad_value(struct zq_error *err, const struct fs_option *o, const char *value)
{
	return zq_fail(err, -EINVAL, "option %s=%s: must be %s", o->name, value, o->value);
}

static int set_number(const struct option_rule *r, const struct fs_option *o, const char *value,
		      uint32_t *to, struct zq_error *err)
{
	uint64_t n;

	if (number_parse(value, r->max, &n) || n < r->min)
		return zq_fail(err, -EINVAL, "option %s=%s: must be a number from %u to %u",
			       o->name, value, r->min, r->max);
	*to = (uint32_t)n;
	return 0;
}

/* Names that are numbers do not exist (POSIX), so a number is never looked up. */
static int set_id(const struct option_rule *r, const struct fs_option *o, const char *value,
		  uint32_t *to, struct zq_error *err)
{
	const struct passwd *user;
	const struct group *group;

	if (*value >= '0' && *value <= '9')
		return set_number(r, o, value, to, err);
	if (r->kind == USER) {
		user = getpwnam(value);
		if (!user)
			return zq_fail(err, -EINVAL, "option uid=%s: there is no user '%s'", value,
				       value);
		*to = user->pw_uid;
		return 0;
	}
	group = getgrnam(value);
	if (!group)
		return zq_fail(err, -EINVAL, "option gid=%s: there is no group '%s'", value, value);
	*to = group->gr_gid;
	return 0;
}

static int set_octal(const struct option_rule *r, const struct fs_option *o, const char *value,
		     uint32_t *to, struct zq_error *err)
{
	uint32_t n = 0;

	if (!*value || strlen(value) > 8 || strspn(value, "01234567") != strlen(value))
		return zq_fail(err, -EINVAL, "option %s=%s: must be an octal number up to 0%o",
			       o->name, value, r->max);
	for (const char *p = value; *p; p++)
		n = n << 3 | (uint32_t)(*p - '0');
	if (n > r->max)
		return zq_fail(err, -EINVAL, "option %s=%s: must be an octal number up to 0%o",
			       o->name, value, r->max);
	*to = n;
	return 0;
}

/* The words stand in the placeholder, separated by bars. */
static int set_word(const struct fs_option *o, const char *value, uint32_t *to,
		    struct zq_error *err)
{
	const char *word = o->value;
	size_t len = strlen(value);

	for (uint32_t i = 0; *word; i++) {
		size_t n = strcspn(word, "|");

		if (n == len && !strncmp(word, value, n)) {
			*to = i;
			return 0;
		}
		word += n + (word[n] == '|');
	}
	return bad_value(err, o, value);
}

static int set_text(const struct fs_option *o, const char *value, char **to, struct zq_error *err)
{
	if (!*value)
		return zq_fail(err, -EINVAL, "option %s: needs a value: %s=%s", o->name, o->name,
			       o->value);
	free(*to);
	*to = strdup(value);
	return *to ? 0 : zq_fail(err, -ENOMEM, "out of memory");
}

int option_value_set(struct fs_config *c, const struct option_rule *r, const struct fs_option *o,
		     const char *value, struct zq_error *err)
{
	void *to = (char *)c + r->to;

	switch (r->kind) {
	case FLAG:
		*(bool *)to = true;
		return 0;
	case LEVEL:
		if (!value) {
			*(uint32_t *)to = r->max + 1;
			return 0;
		}
		return set_number(r, o, value, to, err);
	case NUMBER:
		return set_number(r, o, value, to, err);
	case USER:
	case GROUP:
		return set_id(r, o, value, to, err);
	case OCTAL:
		return set_octal(r, o, value, to, err);
	case SIZE:
		if (size_parse(value, to))
			return zq_fail(err, -EINVAL, "option %s=%s: must be a size, as 512K or 64M",
				       o->name, value);
		return 0;
	case WORD:
		return set_word(o, value, to, err);
	case TEXT:
		return set_text(o, value, to, err);
	case TO_FUSE:
		break;
	}
	return 0;
}
