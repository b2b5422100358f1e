/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of mount options. One entry tells the name, the help, how the value is read
 * (option_value.c) and where it goes, so that help, completions and parser cannot differ. Owns
 * nothing, locks nothing, never prints.
 */
#include "fs/options.h"

#include <errno.h>
#include <fnmatch.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/fs.h"
#include "fs/option_value.h"
#include "util/cleanup.h"
#include "util/math.h"
#include "util/suggest.h"

#define TO(field) offsetof(struct fs_config, field)
#define ID_MAX	  (UINT32_MAX - 1) /* the last number means "no one" to chown */

static const struct option {
	struct fs_option shown;
	struct option_rule rule;
} table[] = {
	{ { "ro", NULL, "mount read-only" }, { FLAG, .to = TO(ro) } },
	{ { "rw", NULL, "fail rather than mount read-only when the image cannot be written" },
	  { FLAG, .to = TO(rw) } },
	{ { "uid", "USER", "owner of the zone files, number or name; default: the mounting user" },
	  { USER, .to = TO(uid), .max = ID_MAX } },
	{ { "gid", "GROUP",
	    "group of the zone files, number or name; default: the mounting user's" },
	  { GROUP, .to = TO(gid), .max = ID_MAX } },
	{ { "perm", "OCTAL", "mode of the zone files; default 0640" },
	  { OCTAL, .to = TO(perm), .max = 0777 } },
	{ { "explicit-open", NULL,
	    "opening a sequential file for writing opens its zone, the last close closes it" },
	  { FLAG, .to = TO(explicit_open) } },
	{ { "aggr_cnv", NULL, "one file cnv/0 for all conventional zones" },
	  { FLAG, .to = TO(aggr_cnv) } },
	{ { "errors", "remount-ro|zone-ro|zone-offline|repair",
	    "what a failed write does; default remount-ro" },
	  { WORD, .to = TO(on_error) } },
	{ { "strict", NULL, "sequential writes as in zonefs: O_DIRECT only, whole blocks only" },
	  { FLAG, .to = TO(strict) } },
	{ { "sync", NULL, "every write is on disk when it returns" }, { FLAG, .to = TO(sync) } },
	{ { "commit", "SECONDS", "a commit starts at most so long after a write; default 5" },
	  { NUMBER, .to = TO(commit), .min = 1, .max = 86400 } },
	{ { "cache", "SIZE", "bound of the metadata cache" }, { SIZE, .to = TO(cache) } },
	{ { "layout", "zonefs|zloop",
	    "zloop: flat names cnv-000000, seq-000003, numbered by zone" },
	  { WORD, .to = TO(layout) } },
	{ { "data_file", "PATH", "external data file, when the image names none or it moved" },
	  { TEXT, .to = TO(data_file) } },
	{ { "force_share", NULL, "with ro: look at an image that a virtual machine has open" },
	  { FLAG, .to = TO(force_share) } },
	{ { "allow_other", NULL, "let other users in; implies default_permissions" },
	  { FLAG, .to = TO(allow_other) } },
	{ { "default_permissions", NULL, "let the kernel check modes" },
	  { FLAG, .to = TO(default_permissions) } },
	{ { "max_threads", "N", "threads that serve requests; default by processors, 4 to 8" },
	  { NUMBER, .to = TO(max_threads), .min = 1, .max = 64 } },
	{ { "end_timeout", "SECONDS",
	    "how long the end waits for a disk that does not answer; default 10" },
	  { NUMBER, .to = TO(end_timeout), .min = 1, .max = 86400 } },
	{ { "trace", "FILE", "write a line of JSON for each zone operation to this file" },
	  { TEXT, .to = TO(trace) } },
	{ { "clone_fd", NULL, "a descriptor of /dev/fuse for each thread" },
	  { FLAG, .to = TO(clone_fd) } },
	{ { "uring", "off|on|auto",
	    "requests come through io_uring, where the kernel lets them; default auto" },
	  { WORD, .to = TO(uring) } },
	{ { "seccomp", NULL, "leave the process only the system calls that serving needs" },
	  { FLAG, .to = TO(seccomp) } },
	{ { "auto_unmount", NULL, "unmount when the process dies" },
	  { FLAG, .to = TO(auto_unmount) } },
	{ { "compress", "LEVEL",
	    "compress full zones in the background; without a value the "
	    "method's own level" },
	  { LEVEL, .to = TO(compress), .min = 1, .max = FS_COMPRESS_MAX } },
	{ { "powercut", "SEED",
	    "at the end lose what fsync has not confirmed, with SEED a random part of it" },
	  { LEVEL, .to = TO(powercut), .min = 1, .max = FS_NO_SEED - 1 } },
	{ { "nonempty", NULL, "mount over a zqfs that is mounted there already" },
	  { FLAG, .to = TO(nonempty) } },
	{ { "fsname", "NAME", "the source that mount shows; default: the image's path" },
	  { TO_FUSE } },
};

/* What mount(8), systemd and fstab(5) keep for themselves, and words of mount(8) that libfuse
 * refuses though they mean nothing here: reading never changes a time. Patterns of fnmatch(3). */
static const char *const ignored[] = {
	"defaults",  "auto",	     "noauto",	  "nofail", "_netdev", "user",	  "user=*",
	"users",     "nouser",	     "nousers",	  "owner",  "group",   "x-*",	  "X-*",
	"comment=*", "helper=*",     "uhelper=*", "loop",   "noowner", "nogroup", "*diratime",
	"*relatime", "*strictatime", "*lazytime", "silent", "loud",    "mand",	  "nomand",
};

/* What libfuse and the kernel are known to take; with anything else it is a guess. */
static const char *const of_fuse[] = {
	"suid",
	"nosuid",
	"dev",
	"nodev",
	"exec",
	"noexec",
	"atime",
	"noatime",
	"async",
	"dirsync",
	"blkdev",
	"subtype=*",
	"max_read=*",
	"max_write=*",
	"debug",
	"context=*",
	"fscontext=*",
	"defcontext=*",
	"rootcontext=*",
	"max_readahead=*",
	"max_background=*",
	"congestion_threshold=*",
	"async_read",
	"sync_read",
};

const struct fs_option *fs_option(size_t i)
{
	return i < ARRAY_SIZE(table) ? &table[i].shown : NULL;
}

/* ---- the list -------------------------------------------------------------------------------- */

/* Appends an option for libfuse; commas and backslashes of its value are escaped again. */
static int pass_on(struct fs_config *c, const char *text, struct zq_error *err)
{
	size_t have = c->fuse ? strlen(c->fuse) : 0;
	char *p = realloc(c->fuse, have + 2 * strlen(text) + 2);

	if (!p)
		return zq_fail(err, -ENOMEM, "out of memory");
	c->fuse = p;
	p += have;
	if (have)
		*p++ = ',';
	for (; *text; text++) {
		if (*text == ',' || *text == '\\')
			*p++ = '\\';
		*p++ = *text;
	}
	*p = '\0';
	return 0;
}

/* Remembers the word for the case that libfuse refuses it. */
static int note_unknown(struct fs_config *c, const char *text, struct zq_error *err)
{
	struct suggest s;
	char *word;

	for (size_t i = 0; i < ARRAY_SIZE(of_fuse); i++)
		if (!fnmatch(of_fuse[i], text, 0))
			return 0;
	if (c->unknown)
		return 0;
	word = strndup(text, strcspn(text, "="));
	if (!word)
		return zq_fail(err, -ENOMEM, "out of memory");
	c->unknown = word;
	s = (struct suggest){ .typed = word };
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		suggest_offer(&s, table[i].shown.name);
	c->near = s.best;
	return 0;
}

/*
 * A libfuse of 3.18 and newer takes this word, and its threads would then serve beside those of
 * serve_workers.c, which know when one more is needed.
 */
static int refuse_rings(const char *text, struct zq_error *err)
{
	if (strncmp(text, "io_uring", strlen("io_uring")) != 0)
		return 0;
	return zq_fail(err, -EINVAL,
		       "option io_uring: not supported, a mount could hang with it; see uring=");
}

static int one_option(struct fs_config *c, char *text, struct zq_error *err)
{
	size_t len = strcspn(text, "=");
	const char *value = text[len] ? text + len + 1 : NULL;
	int ret;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct fs_option *o = &table[i].shown;

		if (strlen(o->name) != len || strncmp(o->name, text, len))
			continue;
		if (value && !o->value)
			return zq_fail(err, -EINVAL, "option %s: takes no value", o->name);
		if (!value && o->value && table[i].rule.kind != LEVEL)
			return zq_fail(err, -EINVAL, "option %s: needs a value: %s=%s", o->name,
				       o->name, o->value);
		if (table[i].rule.kind == TO_FUSE) {
			c->fsname |= !strcmp(o->name, "fsname");
			return pass_on(c, text, err);
		}
		/* When two contradict each other, the last one counts, as with mount(8). */
		if (!strcmp(o->name, "ro"))
			c->rw = false;
		if (!strcmp(o->name, "rw"))
			c->ro = false;
		return option_value_set(c, &table[i].rule, o, value, err);
	}
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		if (!fnmatch(ignored[i], text, 0))
			return 0;
	ret = refuse_rings(text, err);
	if (!ret)
		ret = note_unknown(c, text, err);
	return ret ? ret : pass_on(c, text, err);
}

/* Cuts the text at its commas; a backslash takes a comma's meaning away. */
static int parse_text(struct fs_config *c, const char *text, struct zq_error *err)
{
	char *copy CLEANUP_FREE = strdup(text);
	char *from = copy, *to = copy, *start = copy;
	int ret = 0;

	if (!copy)
		return zq_fail(err, -ENOMEM, "out of memory");
	for (bool more = true; more && !ret; from++) {
		more = *from != '\0';
		if (*from && *from != ',') {
			if (*from == '\\' && from[1])
				from++;
			*to++ = *from;
			continue;
		}
		*to = '\0';
		if (*start)
			ret = one_option(c, start, err);
		start = to = from + 1;
	}
	return ret;
}

int fs_config_parse(struct fs_config *c, const char *const *texts, struct zq_error *err)
{
	int ret = 0;

	*c = (struct fs_config){ .uid = getuid(),
				 .gid = getgid(),
				 .perm = 0640,
				 .end_timeout = 10,
				 .uring = FS_URING_DEFAULT };
	for (; texts && *texts && !ret; texts++)
		ret = parse_text(c, *texts, err);
	if (!ret && c->force_share && !c->ro)
		ret = zq_fail(err, -EINVAL, "option force_share: only together with ro");
	if (c->allow_other)
		c->default_permissions = true;
	return ret;
}

void fs_config_free(struct fs_config *c)
{
	free(c->data_file);
	free(c->trace);
	free(c->fuse);
	free(c->unknown);
	c->data_file = c->trace = c->fuse = c->unknown = NULL;
}
