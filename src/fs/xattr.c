/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Extended attributes: reports on zones and on the device, and user.zone.command, which changes
 * a zone. Values are computed at each call.
 */
#include "fs/priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <syslog.h>
#include <unistd.h>

#include "fs/refresh.h"
#include "util/errors.h"
#include "util/math.h"
#include "util/size.h"
#include "util/printable.h"

#define PREFIX	       "user.zone."
#define VALUE_MAX      64u
#define LIST_MAX       1024u
#define TRACE_READ_MIN 4096u

/* What a value is computed from. Exactly one of zone and counts is valid. */
struct source {
	struct fs *fs;
	struct zq_zone_info zone;
	struct zq_counts counts;
};

struct attribute {
	const char *name; /* behind the prefix */
	/* The value's text; false where the attribute is absent. */
	bool (*text)(const struct source *s, char *buf);
	bool unlisted; /* for zqfs's own commands, no business of getfattr -d */
};

/* ---- values ---------------------------------------------------------------------------------- */

static bool number(char *buf, uint64_t n)
{
	snprintf(buf, VALUE_MAX, "%" PRIu64, n);
	return true;
}

static bool word(char *buf, const char *text)
{
	snprintf(buf, VALUE_MAX, "%s", text);
	return true;
}

#define NUMBER_OF(function, expression)                                                            \
	static bool function(const struct source *s, char *buf)                                    \
	{                                                                                          \
		return number(buf, expression);                                                    \
	}

NUMBER_OF(zone_number, s->zone.number)
NUMBER_OF(zone_start_at, s->zone.start)
NUMBER_OF(zone_size, s->zone.len)
NUMBER_OF(zone_capacity, s->zone.capacity)
NUMBER_OF(dev_nr_zones, s->fs->geo->nr_zones)
NUMBER_OF(dev_nr_conv, s->fs->geo->nr_conv)
NUMBER_OF(dev_size, s->fs->geo->zone_size)
NUMBER_OF(dev_capacity, s->fs->geo->zone_capacity)
NUMBER_OF(dev_max_open, s->fs->geo->max_open)
NUMBER_OF(dev_max_active, s->fs->geo->max_active)
NUMBER_OF(dev_max_append, s->fs->geo->max_append)
NUMBER_OF(nr_implicit, s->counts.by_state[ZQ_IMPLICIT_OPEN])
NUMBER_OF(nr_explicit, s->counts.by_state[ZQ_EXPLICIT_OPEN])
NUMBER_OF(nr_closed, s->counts.by_state[ZQ_CLOSED])
NUMBER_OF(nr_active, s->counts.active)
NUMBER_OF(nr_empty, s->counts.by_state[ZQ_EMPTY])
NUMBER_OF(nr_full, s->counts.by_state[ZQ_FULL])
NUMBER_OF(nr_write_open, atomic_load(&s->fs->openers.files))

static bool zone_type(const struct source *s, char *buf)
{
	return word(buf, s->zone.conventional ? "conventional" : "sequential");
}

static bool show_zone_state(const struct source *s, char *buf)
{
	return word(buf, zq_state_name(s->zone.state));
}

static bool show_zone_wp(const struct source *s, char *buf)
{
	if (s->zone.conventional || s->zone.state == ZQ_FULL)
		return false;
	return number(buf, s->zone.wp);
}

static bool dev_model(const struct source *s, char *buf)
{
	(void)s;
	return word(buf, "host-managed");
}

/* In the process's own pid namespace. */
static bool dev_pid(const struct source *s, char *buf)
{
	return number(buf, (uint64_t)s->fs->pid);
}

/* Present with the option powercut only. */
static bool dev_powercut(const struct source *s, char *buf)
{
	return s->fs->cfg.powercut && word(buf, "1");
}

static bool dev_image(const struct source *s, char *buf)
{
	return *s->fs->image_id && word(buf, s->fs->image_id);
}

static const struct attribute of_zone[] = {
	{ "number", zone_number, false },    { "type", zone_type, false },
	{ "state", show_zone_state, false }, { "start", zone_start_at, false },
	{ "size", zone_size, false },	     { "capacity", zone_capacity, false },
	{ "wp", show_zone_wp, false },	     { NULL, NULL, false },
};

static const struct attribute of_device[] = {
	{ "model", dev_model, false },
	{ "nr_zones", dev_nr_zones, false },
	{ "nr_conventional", dev_nr_conv, false },
	{ "size", dev_size, false },
	{ "capacity", dev_capacity, false },
	{ "max_open", dev_max_open, false },
	{ "max_active", dev_max_active, false },
	{ "max_append", dev_max_append, false },
	{ "nr_open_implicit", nr_implicit, false },
	{ "nr_open_explicit", nr_explicit, false },
	{ "nr_closed", nr_closed, false },
	{ "nr_active", nr_active, false },
	{ "nr_empty", nr_empty, false },
	{ "nr_full", nr_full, false },
	{ "nr_write_open", nr_write_open, false },
	{ "pid", dev_pid, true },
	{ "image", dev_image, true },
	{ "powercut", dev_powercut, true },
	{ NULL, NULL, false },
};

/* The attributes of a node, an empty list for a folder, and what their values come from. */
static int load(struct fs *fs, uint64_t node, struct source *s, const struct attribute **list)
{
	static const struct attribute none[] = { { NULL, NULL, false } };

	s->fs = fs;
	*list = none;
	if (!tree_valid(&fs->tree, node))
		return -ENOENT;
	/* states and counters as after the last close(2) */
	fs_await_closes(fs);
	if (node == TREE_ROOT) {
		*list = of_device;
		zq_get_counts(fs->dev, &s->counts);
	} else if (tree_is_file(node)) {
		*list = of_zone;
		return fs_file_info(fs, node, &s->zone);
	}
	return 0;
}

static bool is_user(const char *name)
{
	return !strncmp(name, "user.", strlen("user."));
}

/* ---- reading --------------------------------------------------------------------------------- */

/* A caller that gives no room asks for the size. */
static void reply(fuse_req_t req, const char *data, size_t len, size_t room)
{
	if (!room)
		fuse_reply_xattr(req, len);
	else if (room < len)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, data, len);
}

/* "user.zone.trace.CURSOR" of the root, for "zqfs trace": see trace_log_read(). */
static void reply_trace(struct fs *fs, fuse_req_t req, const char *cursor, size_t size)
{
	struct stat st;
	uint64_t from;
	char *buf;
	ptrdiff_t n;

	if (fs_stat(fs, TREE_ROOT, &st) || !fs_is_owner(fs, req, &st)) {
		fuse_reply_err(req, EPERM);
		return;
	}
	if (number_parse(cursor, UINT64_MAX, &from) || size < TRACE_READ_MIN) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	buf = fs_buffer(fs, size);
	n = buf ? trace_log_read(&fs->trace, from, buf, size) : -ENOMEM;
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_buf(req, buf, (size_t)n);
}

void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	const struct attribute *a;
	struct source s;
	char value[VALUE_MAX];
	int ret;

	/* The kernel asks for security.capability at each open: never ENOSYS, and quickly. */
	if (!is_user(name)) {
		fuse_reply_err(req, EOPNOTSUPP);
		return;
	}
	if (ino == TREE_ROOT && !strncmp(name, PREFIX "trace.", strlen(PREFIX "trace."))) {
		reply_trace(fs_of(req), req, name + strlen(PREFIX "trace."), size);
		return;
	}
	ret = load(fs_of(req), ino, &s, &a);
	if (ret) {
		fuse_reply_err(req, -ret);
		return;
	}
	if (!strncmp(name, PREFIX, strlen(PREFIX)))
		for (; a->name; a++)
			if (!strcmp(name + strlen(PREFIX), a->name) && a->text(&s, value)) {
				reply(req, value, strlen(value), size);
				return;
			}
	fuse_reply_err(req, ENODATA);
}

void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	const struct attribute *a;
	struct source s;
	char value[VALUE_MAX], names[LIST_MAX];
	size_t len = 0;
	int ret = load(fs_of(req), ino, &s, &a);

	if (ret) {
		fuse_reply_err(req, -ret);
		return;
	}
	for (; a->name; a++)
		if (!a->unlisted && a->text(&s, value))
			len += 1 + (size_t)snprintf(names + len, sizeof(names) - len, PREFIX "%s",
						    a->name);
	reply(req, names, len, size);
}

/* ---- commands -------------------------------------------------------------------------------- */

static int command_open(struct fs *fs, uint32_t zone)
{
	return zq_zone_open(fs->dev, zone);
}

static int command_close(struct fs *fs, uint32_t zone)
{
	return zq_zone_close(fs->dev, zone);
}

static int command_read_only(struct fs *fs, uint32_t zone)
{
	return zq_zone_set_state(fs->dev, zone, ZQ_READ_ONLY);
}

static int command_offline(struct fs *fs, uint32_t zone)
{
	return zq_zone_set_state(fs->dev, zone, ZQ_OFFLINE);
}

#define WORDS "open, close, finish, reset, read-only, offline"

static const struct command {
	const char *word;
	int (*run)(struct fs *fs, uint32_t zone);
	bool of_owner; /* the right to write is not enough */
} commands[] = {
	{ "open", command_open, false },	  { "close", command_close, false },
	{ "finish", fs_finish, false },		  { "reset", fs_reset, false },
	{ "read-only", command_read_only, true }, { "offline", command_offline, true },
};

static const struct command *find_command(const char *value, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strlen(commands[i].word) == size && !memcmp(commands[i].word, value, size))
			return &commands[i];
	return NULL;
}

/* Somebody types these words by hand, so the log says which there are. */
static void warn_unknown(struct fs *fs, uint64_t node, const char *value, size_t size)
{
	char label[ZQ_ZONE_LABEL_MAX], word[VALUE_MAX], shown[4 * VALUE_MAX];

	if (atomic_fetch_sub(&fs->warnings, 1) <= 0)
		return;
	snprintf(word, sizeof(word), "%.*s", (int)min_u64(size, sizeof(word) - 1), value);
	fs_log(&fs->log, LOG_WARNING, "%s: unknown command '%s'; there are " WORDS,
	       tree_label(&fs->tree, node, label), printable_to(word, shown, sizeof(shown)));
}

static int run_command(struct fs *fs, fuse_req_t req, uint64_t node, const struct command *c)
{
	struct zq_zone_info info;
	struct stat st;
	uint32_t zones = 1;
	int ret;

	/* A close that is not done yet may hold the only slot, or would undo the new state. */
	fs_await_closes(fs);
	ret = fs_file_info(fs, node, &info);
	if (ret)
		return ret;
	fs_file_stat(fs, node, &info, &st);
	/* The kernel checks the right to write, not who owns the file. */
	if (c->of_owner)
		ret = fs_is_owner(fs, req, &st) ? 0 : -EPERM;
	else
		ret = fs_may(fs, req, &info, &st, W_OK);
	if (fs->tree.aggr && info.conventional)
		zones = fs->geo->nr_conv;
	for (uint32_t i = 0; i < zones && !ret; i++)
		ret = c->run(fs, info.number + i);
	return ret;
}

/*
 * Attributes that are listed only report: "cp -a" and the like copy what they find listed, and
 * must not change a zone. The one that takes commands is not listed.
 */
static int check_set(struct fs *fs, uint64_t node, const char *name, int flags)
{
	if (!is_user(name))
		return -EOPNOTSUPP;
	if (!tree_is_file(node) || strcmp(name, PREFIX "command") != 0)
		return -EPERM;
	if (flags & XATTR_REPLACE)
		return -ENODATA;
	return zq_device_readonly(fs->dev) ? -EROFS : 0;
}

void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
		 int flags)
{
	struct fs *fs = fs_of(req);
	const struct command *c;
	int ret = check_set(fs, ino, name, flags);

	if (ret) {
		fuse_reply_err(req, -ret);
		return;
	}
	c = find_command(value, size);
	if (!c) {
		warn_unknown(fs, ino, value, size);
		fuse_reply_err(req, EINVAL);
		return;
	}
	ret = run_command(fs, req, ino, c);
	/* Size, mode and bytes may all be others now. */
	if (!error_is_refusal(ret))
		refresh_file(fs, ino);
	fuse_reply_err(req, -ret);
}

void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	(void)ino;
	fuse_reply_err(req, is_user(name) ? EPERM : EOPNOTSUPP);
}
