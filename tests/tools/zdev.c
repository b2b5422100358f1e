/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does a row of operations on a zoned image through libzqfs, without a mount, and prints for
 * each a word: a count, 0 or the name of the errno. Offsets are relative to the zone.
 *
 *     zdev [ro] IMAGE OPERATION...
 *       cat:ZONE (to stdout, nothing else is printed) state:ZONE size:ZONE
 *       sum:ZONE (of the bytes that are not zeros, and where they are; holes are not read)
 *       append:ZONE:LEN[:BYTE] at:ZONE:OFF:LEN[:BYTE] is:ZONE:OFF:LEN:BYTE
 *       write:OFF:LEN[:BYTE] zero:OFF:LEN isconv:OFF:LEN:BYTE (absolute, conventional)
 *       open:ZONE close:ZONE finish:ZONE reset:ZONE sync again (close and open)
 */
#include <unistd.h>

#include <zqfs/device.h>

#include "tool.h"

#define MEMORY (64u << 20)
#define PRIME  0x100000001b3u /* of FNV-1a */

struct zdev {
	const char *path;
	bool readonly;
	struct zq_device *dev;
	unsigned char *mem;
};

static void zdev_say(int64_t ret)
{
	if (ret < 0)
		printf("%s ", tool_errno((int)-ret));
	else
		printf("%lld ", (long long)ret);
	fflush(stdout);
}

static void zdev_open_device(struct zdev *z)
{
	struct zq_open_opts opts = { .readonly = z->readonly, .require_rw = !z->readonly };
	struct zq_error err = { "" };

	if (zq_open_device(z->path, &opts, &z->dev, &err)) {
		fprintf(stderr, "zdev: %s\n", err.msg);
		exit(1);
	}
}

static unsigned char *filled(struct zdev *z, const char *len, const char *byte)
{
	if (tool_number(len) < 0 || tool_number(len) > MEMORY)
		tool_die("length %s is too large for this tool", len);
	memset(z->mem, *byte ? (int)tool_number(byte) : 'x', (size_t)tool_number(len));
	return z->mem;
}

static bool zdev_all_bytes(const unsigned char *p, int64_t len, const char *byte)
{
	for (int64_t i = 0; i < len; i++)
		if (p[i] != (unsigned char)tool_number(byte))
			return false;
	return true;
}

static struct zq_zone_info info_of(struct zdev *z, uint32_t zone)
{
	struct zq_zone_info info;

	if (zq_report(z->dev, zone, 1, &info))
		tool_die("no report of zone %u", zone);
	return info;
}

static void cat_zone(struct zdev *z, uint32_t zone)
{
	uint64_t off = 0;
	ssize_t n;

	while ((n = zq_read(z->dev, zone, off, z->mem, 1u << 20)) > 0) {
		if (fwrite(z->mem, 1, (size_t)n, stdout) != (size_t)n)
			tool_die("stdout: %s", strerror(errno));
		off += (uint64_t)n;
	}
	if (n < 0)
		tool_die("zone %u at %llu: %s", zone, (unsigned long long)off, tool_errno((int)-n));
}

/* Takes the bytes of [off, off + len) that are not zeros into a hash. */
static uint64_t sum_range(struct zdev *z, uint32_t zone, uint64_t off, uint64_t len, uint64_t hash)
{
	ssize_t n = zq_read(z->dev, zone, off, z->mem, (size_t)len);

	if (n != (ssize_t)len)
		tool_die("zone %u at %llu: read gives %zd", zone, (unsigned long long)off, n);
	for (uint64_t at = 0; at < len; at++) {
		if (z->mem[at])
			hash = ((hash ^ (off + at)) * PRIME ^ z->mem[at]) * PRIME;
	}
	return hash;
}

static void sum_zone(struct zdev *z, uint32_t zone)
{
	uint64_t hash = 0xcbf29ce484222325, at = 0, end;

	while (!zq_seek(z->dev, zone, at, false, 0, &at)) {
		if (zq_seek(z->dev, zone, at, true, 0, &end))
			tool_die("zone %u: no end of the data at %llu", zone,
				 (unsigned long long)at);
		for (; at < end; at += MEMORY)
			hash = sum_range(z, zone, at, end - at < MEMORY ? end - at : MEMORY, hash);
		at = end;
	}
	printf("%016llx ", (unsigned long long)hash);
}

/* Compares what a read gives; a short one differs. */
static bool same_bytes(struct zdev *z, const struct tool_op *op, bool conv)
{
	int64_t len = tool_number(op->word[conv ? 2 : 3]);
	uint64_t off = (uint64_t)tool_number(op->word[conv ? 1 : 2]);
	ssize_t n;

	if (len < 0 || len > MEMORY)
		tool_die("length is too large for this tool");
	if (conv)
		n = zq_read_conv(z->dev, off, z->mem, (size_t)len);
	else
		n = zq_read(z->dev, (uint32_t)tool_number(op->word[1]), off, z->mem, (size_t)len);
	return n == len && zdev_all_bytes(z->mem, len, op->word[conv ? 3 : 4]);
}

static bool run_data(struct zdev *z, const struct tool_op *op)
{
	const char *name = op->word[0], *const *w = op->word;
	uint64_t n = *w[1] ? (uint64_t)tool_number(w[1]) : 0;

	if (!strcmp(name, "append"))
		zdev_say(zq_append(z->dev, (uint32_t)n, NULL, 0, filled(z, w[2], w[3]),
				   (size_t)tool_number(w[2]), ZQ_WRITE_APPEND, NULL));
	else if (!strcmp(name, "at"))
		zdev_say(zq_append(z->dev, (uint32_t)n, NULL, (uint64_t)tool_number(w[2]),
				   filled(z, w[3], w[4]), (size_t)tool_number(w[3]), 0, NULL));
	else if (!strcmp(name, "write"))
		zdev_say(zq_write(z->dev, n, filled(z, w[2], w[3]), (size_t)tool_number(w[2]), 0));
	else if (!strcmp(name, "zero"))
		zdev_say(zq_zero(z->dev, n, (uint64_t)tool_number(w[2])));
	else if (!strcmp(name, "is") || !strcmp(name, "isconv"))
		printf(same_bytes(z, op, name[2] != '\0') ? "yes " : "no ");
	else
		return false;
	return true;
}

static void zdev_run(struct zdev *z, const struct tool_op *op)
{
	const char *name = op->word[0];
	uint32_t zone = *op->word[1] ? (uint32_t)tool_number(op->word[1]) : 0;

	if (run_data(z, op))
		return;
	if (!strcmp(name, "cat")) {
		cat_zone(z, zone);
	} else if (!strcmp(name, "sum")) {
		sum_zone(z, zone);
	} else if (!strcmp(name, "state")) {
		printf("%s ", zq_state_name(info_of(z, zone).state));
	} else if (!strcmp(name, "size")) {
		zdev_say((int64_t)info_of(z, zone).written);
	} else if (!strcmp(name, "open")) {
		zdev_say(zq_zone_open(z->dev, zone));
	} else if (!strcmp(name, "close")) {
		zdev_say(zq_zone_close(z->dev, zone));
	} else if (!strcmp(name, "finish")) {
		zdev_say(zq_zone_finish(z->dev, zone));
	} else if (!strcmp(name, "reset")) {
		zdev_say(zq_zone_reset(z->dev, zone));
	} else if (!strcmp(name, "sync")) {
		zdev_say(zq_sync(z->dev));
	} else if (!strcmp(name, "again")) {
		zdev_say(zq_close_device(z->dev));
		zdev_open_device(z);
	} else {
		tool_die("unknown operation '%s'", name);
	}
}

int main(int argc, char **argv)
{
	struct zdev z = { .readonly = argc > 1 && !strcmp(argv[1], "ro") };
	int first = z.readonly ? 2 : 1, ret;

	if (argc < first + 2)
		tool_die("usage: zdev [ro] IMAGE OPERATION...");
	z.path = argv[first];
	z.mem = malloc(MEMORY);
	if (!z.mem)
		tool_die("out of memory");
	zdev_open_device(&z);
	for (int i = first + 1; i < argc; i++) {
		struct tool_op op = tool_split(argv[i], 5);

		zdev_run(&z, &op);
		free(op.text);
	}
	ret = zq_close_device(z.dev);
	if (ret)
		tool_die("close: %s", tool_errno(-ret));
	free(z.mem);
	return 0;
}
