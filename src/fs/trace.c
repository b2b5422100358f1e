/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests and answers into lines; see trace.h. Lines are put together by hand: printf alone
 * would take a tenth of an append. Locks nothing of its own.
 */
#include "fs/trace.h"

#include "fs/priv.h"

#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <time.h>

#include "fs/serve.h"
#include "util/clock.h"

#define LINE_MAX_BYTES 512

/* ---- a line ---------------------------------------------------------------------------------- */

struct trace_line {
	size_t len;
	char text[LINE_MAX_BYTES];
};

static void put_raw(struct trace_line *l, const char *text)
{
	size_t len = strlen(text);

	if (len > sizeof(l->text) - l->len)
		return;
	memcpy(l->text + l->len, text, len);
	l->len += len;
}

/* With leading zeros up to so many digits. */
static void put_decimal(struct trace_line *l, uint64_t n, int digits)
{
	char buf[24], *p = buf + sizeof(buf) - 1;

	*p = '\0';
	do {
		*--p = (char)('0' + n % 10);
		n /= 10;
		digits--;
	} while (n || digits > 0);
	put_raw(l, p);
}

static void put_key(struct trace_line *l, const char *key, uint64_t n)
{
	put_raw(l, key);
	put_decimal(l, n, 1);
}

static void put_string_key(struct trace_line *l, const char *key, const char *word)
{
	put_raw(l, key);
	put_raw(l, word);
	put_raw(l, "\"");
}

/* Microseconds with three decimals. */
static void put_micros(struct trace_line *l, const char *key, int64_t ns)
{
	put_key(l, key, (uint64_t)(ns / 1000));
	put_raw(l, ".");
	put_decimal(l, (uint64_t)(ns % 1000), 3);
}

/* {"time":SECONDS,"zone":N,"file":"seq/N","op":"OP" */
static void begin_line(struct fs *fs, struct trace_line *l, int64_t when, uint32_t zone,
		       uint64_t node, const char *op)
{
	char path[TREE_NAME_ROOM];

	l->len = 0;
	put_key(l, "{\"time\":", (uint64_t)(when / NSEC_PER_SEC));
	put_raw(l, ".");
	put_decimal(l, (uint64_t)(when % NSEC_PER_SEC), 9);
	if (tree_is_file(node)) {
		put_key(l, ",\"zone\":", zone);
		put_string_key(l, ",\"file\":\"", tree_path(&fs->tree, node, path));
	}
	put_string_key(l, ",\"op\":\"", op);
}

static void end_line(struct fs *fs, struct trace_line *l, uint32_t uid, uint32_t pid)
{
	put_key(l, ",\"uid\":", uid);
	put_key(l, ",\"pid\":", pid);
	put_raw(l, "}\n");
	trace_log_add(&fs->trace, l->text, l->len);
}

/* ---- requests -------------------------------------------------------------------------------- */

static bool is_seq(const struct fs *fs, uint64_t node)
{
	return tree_is_file(node) && tree_zone(node) >= fs->geo->nr_conv;
}

/* A truncation is what it does to the zone. */
static void begin_truncate(struct fs *fs, struct trace_request *t, const struct fuse_setattr_in *in)
{
	if (!(in->valid & FATTR_SIZE) || !tree_is_file(t->node))
		return;
	t->length = in->size;
	t->op = "truncate";
	if (is_seq(fs, t->node) && !in->size)
		t->op = "reset";
	else if (is_seq(fs, t->node) && in->size == zq_zone_cap(fs->geo, tree_zone(t->node)))
		t->op = "finish";
}

/* Two texts follow: the name of the attribute and the value. */
static void begin_command(struct trace_request *t, const struct fuse_setxattr_in *in, size_t size)
{
	static const char name[] = "user.zone.command";
	static const char *const words[] = { "open",  "close",	   "finish",
					     "reset", "read-only", "offline" };
	/* the kernel's short form, since setxattr_ext was not agreed upon */
	const char *text = (const char *)in + FUSE_COMPAT_SETXATTR_IN_SIZE;
	size_t left = size - FUSE_COMPAT_SETXATTR_IN_SIZE;

	if (left < sizeof(name) + in->size || memcmp(text, name, sizeof(name)) != 0)
		return;
	text += sizeof(name);
	t->op = "command";
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strlen(words[i]) == in->size && !memcmp(words[i], text, in->size))
			t->op = words[i];
}

static void begin_range(struct trace_request *t, const char *op, uint64_t offset, uint64_t length)
{
	t->op = op;
	t->offset = offset;
	t->length = length;
}

/* What the operation is; t->op stays NULL where it is none of a zone's. */
static void set_operation(struct fs *fs, struct trace_request *t, uint32_t opcode, const void *body,
			  size_t size)
{
	const struct fuse_write_in *write = body;
	const struct fuse_read_in *read = body;
	const struct fuse_fallocate_in *zero = body;

	if (opcode == FUSE_WRITE && size >= sizeof(*write))
		begin_range(t, is_seq(fs, t->node) ? "append" : "write", write->offset,
			    write->size);
	else if (opcode == FUSE_READ && size >= sizeof(*read))
		begin_range(t, "read", read->offset, read->size);
	else if (opcode == FUSE_FALLOCATE && size >= sizeof(*zero))
		begin_range(t, "zero", zero->offset, zero->length);
	else if (opcode == FUSE_SETATTR && size >= sizeof(struct fuse_setattr_in))
		begin_truncate(fs, t, body);
	else if (opcode == FUSE_SETXATTR && size >= FUSE_COMPAT_SETXATTR_IN_SIZE)
		begin_command(t, body, size);
	else if (opcode == FUSE_FSYNC || opcode == FUSE_FSYNCDIR)
		t->op = "fsync";
	else if (opcode == FUSE_OPEN)
		t->op = "open-file";
}

void trace_begin(struct fs *fs, struct trace_request *t, const void *request, size_t size)
{
	const struct fuse_in_header *in = request;

	*t = (struct trace_request){ .node = in->nodeid, .uid = in->uid, .pid = in->pid };
	set_operation(fs, t, in->opcode, in + 1, size - sizeof(*in));
	if (t->op)
		t->start = clock_ns(CLOCK_MONOTONIC);
}

void trace_answer(struct trace_request *t, const struct iovec *iov, int count)
{
	const struct fuse_out_header *out = iov[0].iov_base;

	if (!t->op)
		return;
	t->when = clock_ns(CLOCK_REALTIME);
	t->took = clock_ns(CLOCK_MONOTONIC) - t->start;
	t->answered = true;
	t->result = out->error;
	if (out->error)
		return;
	if (!strcmp(t->op, "read"))
		t->result = (int64_t)(out->len - sizeof(*out));
	else if (count > 1 && iov[1].iov_len == sizeof(struct fuse_write_out) &&
		 (!strcmp(t->op, "append") || !strcmp(t->op, "write")))
		t->result = ((const struct fuse_write_out *)iov[1].iov_base)->size;
}

void trace_landed(struct fs *fs, uint64_t offset)
{
	struct trace_request *t = serve_trace(fs->serve);

	if (!t || !t->op)
		return;
	t->offset = offset;
	t->landed = true;
}

/* For a write that was refused: where the next byte of the zone goes. */
static void put_right_offset(struct fs *fs, struct trace_line *l, const struct trace_request *t)
{
	struct zq_zone_info info;

	if (t->result == -EINVAL && !strcmp(t->op, "append") && !fs_file_info(fs, t->node, &info) &&
	    info.written != t->offset)
		put_key(l, ",\"right_offset\":", info.written);
}

static bool has_range(const struct trace_request *t)
{
	return t->length || !strcmp(t->op, "append") || !strcmp(t->op, "read");
}

/* An open is no operation of a zone, only that it failed is worth a line. */
static bool is_worth_a_line(const struct trace_request *t)
{
	return t->op && t->answered && (t->result < 0 || strcmp(t->op, "open-file") != 0);
}

void trace_end(struct fs *fs, struct trace_request *t)
{
	uint32_t zone = tree_is_file(t->node) ? tree_zone(t->node) : 0;
	struct trace_line l;

	if (is_worth_a_line(t)) {
		if (fs->tree.aggr && zone < fs->geo->nr_conv && tree_is_file(t->node))
			zone = (uint32_t)(t->offset / fs->geo->zone_size);
		begin_line(fs, &l, t->when, zone, t->node, t->op);
		if (has_range(t)) {
			put_key(&l, ",\"offset\":", t->offset);
			put_key(&l, ",\"length\":", t->length);
		}
		put_raw(&l, ",\"result\":");
		put_raw(&l, t->result < 0 ? "-" : "");
		put_decimal(&l, (uint64_t)(t->result < 0 ? -t->result : t->result), 1);
		if (t->result < 0)
			put_string_key(&l, ",\"error\":\"", strerrorname_np((int)-t->result));
		put_right_offset(fs, &l, t);
		put_micros(&l, ",\"us\":", t->took);
		end_line(fs, &l, t->uid, t->pid);
	}
	t->op = NULL;
}

/* ---- states ---------------------------------------------------------------------------------- */

void trace_state(void *data, uint32_t zone, enum zq_zone_state was, enum zq_zone_state now,
		 bool implicit)
{
	struct fs *fs = data;
	const struct trace_request *t;
	struct trace_line l;

	/* Also called while the device is opened, when there is nobody yet. */
	if (!fs->serve || !atomic_load_explicit(&fs->trace.on, memory_order_relaxed))
		return;
	t = serve_trace(fs->serve);
	begin_line(fs, &l, clock_ns(CLOCK_REALTIME), zone, tree_node_of_zone(zone),
		   !implicit		     ? "state"
		   : now == ZQ_IMPLICIT_OPEN ? "implicit-open"
					     : "implicit-close");
	put_string_key(&l, ",\"was\":\"", zq_state_name(was));
	put_string_key(&l, ",\"state\":\"", zq_state_name(now));
	end_line(fs, &l, t && t->op ? t->uid : 0, t && t->op ? t->pid : 0);
}
