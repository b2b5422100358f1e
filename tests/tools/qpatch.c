/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads and changes single fields of an image, to show it to a qemu-img that knows no zones
 * (clear-bit:5) and to make images that are wrong in one place. See qpatch_usage().
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "qcow2/format/zoned_layout.h"
#include "qheader.h"

static void qpatch_usage(void)
{
	fputs("usage: qpatch FILE OPERATION...\n"
	      "  hex:OFF:BYTES be32:OFF:VALUE be64:OFF:VALUE le64:OFF:VALUE truncate:LEN\n"
	      "  set-bit:N clear-bit:N (incompatible features) set-autoclear:N\n"
	      "  zoned:FIELD:VALUE zoned-len:VALUE zoned-type:VALUE\n"
	      "  wp-be:ZONE:VALUE wp-le:ZONE:VALUE l1:INDEX:VALUE l2:CLUSTER:VALUE\n"
	      "  refcount:CLUSTER:VALUE (16 bits)\n"
	      "and to print: get-be32:OFF get-be64:OFF get-zoned:FIELD get-wp-be:ZONE "
	      "get-wp-le:ZONE\n"
	      "  get-bit:N get-l1:INDEX get-l2:CLUSTER get-refcount:CLUSTER get-cluster\n",
	      stderr);
	exit(2);
}

static unsigned put_number(unsigned char *to, unsigned len, uint64_t value)
{
	for (unsigned i = 0; i < len; i++)
		to[i] = (unsigned char)(value >> (8 * (len - 1 - i)));
	return len;
}

static uint64_t qpatch_get_number(int fd, uint64_t off, unsigned len)
{
	unsigned char b[8];
	uint64_t value = 0;

	q_read(fd, b, len, off);
	for (unsigned i = 0; i < len; i++)
		value = value << 8 | b[i];
	return value;
}

static void qpatch_set_number(int fd, uint64_t off, unsigned len, uint64_t value)
{
	unsigned char b[8];

	q_write(fd, b, put_number(b, len, value), off);
}

static void write_hex(int fd, uint64_t off, const char *hex)
{
	for (; *hex; hex += 2, off++) {
		char two[3] = { hex[0], hex[1], '\0' };
		char *end;
		unsigned char byte = (unsigned char)strtoul(two, &end, 16);

		if (end != two + 2)
			tool_die("bad hexadecimal bytes '%s'", hex);
		q_write(fd, &byte, 1, off);
	}
}

/* ---- places in an image --------------------------------------------------------------- */

static uint64_t zoned_ext(const struct qheader *q)
{
	uint64_t off = q_find_ext(q, Q_EXT_ZONED);

	if (!off)
		tool_die("the image has no zoned extension");
	return off;
}

static uint64_t ext_value(const struct qheader *q, uint64_t ext, struct zoned_field f)
{
	const unsigned char *at = q->head + ext + 8 + f.at;

	return f.bytes == 8 ? get_be64(at) : f.bytes == 4 ? get_be32(at) : 0;
}

/* How many of the fields make sense when they are read as this layout has them. */
static unsigned sense(const struct qheader *q, uint64_t ext, const struct zoned_layout *l)
{
	uint64_t size = get_be64(q->head + Q_SIZE), zone = ext_value(q, ext, l->zone_size);
	uint64_t nr = ext_value(q, ext, l->nr_zones), meta = ext_value(q, ext, l->meta_offset);
	unsigned points = 0;

	points += zone && !(zone & (zone - 1));
	points += zone && nr == size / zone + (size % zone != 0);
	points += meta && meta % q->cluster == 0;
	points += ext_value(q, ext, l->nr_conv) < nr;
	points += ext_value(q, ext, l->zone_capacity) <= zone;
	return points;
}

/* The row of that length that makes the most sense; with no such length the first row. A field that
 * a test has spoiled does not change the choice. */
static const struct zoned_layout *layout_at(const struct qheader *q, uint64_t ext)
{
	const struct zoned_layout *best = zoned_layout_at(0), *l;
	unsigned points, most = 0;

	for (unsigned i = 0; (l = zoned_layout_at(i)); i++) {
		if (l->len != get_be32(q->head + ext + 4))
			continue;
		points = 1 + sense(q, ext, l);
		if (points > most) {
			most = points;
			best = l;
		}
	}
	return best;
}

static uint64_t zoned_field(const struct qheader *q, const char *name, unsigned *len)
{
	uint64_t ext = zoned_ext(q);
	const struct zoned_layout *l = layout_at(q, ext);
	const struct {
		const char *name;
		struct zoned_field f;
	} fields[] = {
		{ "zoned", { 0, 1 } },
		{ "reserved", { 1, 1 } },
		{ "zone_size", l->zone_size },
		{ "zone_capacity", l->zone_capacity },
		{ "conventional_zones", l->nr_conv },
		{ "nr_zones", l->nr_zones },
		{ "max_active_zones", l->max_active },
		{ "max_open_zones", l->max_open },
		{ "max_append_bytes", l->max_append },
		{ "zonedmeta_size", l->meta_size },
		{ "zonedmeta_offset", l->meta_offset },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (strcmp(fields[i].name, name))
			continue;
		if (!fields[i].f.bytes)
			tool_die("layout %s has no field '%s'", l->name, name);
		*len = fields[i].f.bytes;
		return ext + 8 + fields[i].f.at;
	}
	tool_die("no field '%s'", name);
}

static uint64_t wp_place(const struct qheader *q, uint64_t zone)
{
	unsigned len;
	uint64_t at = zoned_field(q, "zonedmeta_offset", &len);

	return qpatch_get_number(q->fd, at, len) + zone * 8;
}

static uint64_t l1_place(const struct qheader *q, uint64_t index)
{
	return get_be64(q->head + Q_L1_OFFSET) + index * 8;
}

/* Of the entry of a guest cluster (of its first word with extended entries). */
static uint64_t l2_place(const struct qheader *q, uint64_t cluster)
{
	bool extended = get_be64(q->head + Q_INCOMPAT) & 16;
	uint64_t entry = extended ? 16 : 8, per_table = q->cluster / entry;
	uint64_t l1 = qpatch_get_number(q->fd, l1_place(q, cluster / per_table), 8);

	l1 &= 0x00fffffffffffe00ull;
	if (!l1)
		tool_die("guest cluster %llu has no L2 table", (unsigned long long)cluster);
	return l1 + cluster % per_table * entry;
}

static uint64_t refcount_place(const struct qheader *q, uint64_t cluster)
{
	uint64_t per_block = q->cluster / 2;
	uint64_t table = get_be64(q->head + Q_REFTABLE_OFFSET);
	uint64_t block;

	if (get_be32(q->head + Q_REFCOUNT_ORDER) != 4)
		tool_die("only refcounts of 16 bits are known here");
	block = qpatch_get_number(q->fd, table + cluster / per_block * 8, 8);
	if (!block)
		tool_die("cluster %llu has no refcount block", (unsigned long long)cluster);
	return block + cluster % per_block * 2;
}

/* Where the thing called name lives and how long it is; false for a name that is none. */
static bool find_place(const struct qheader *q, const char *name, const char *which, uint64_t *off,
		       unsigned *len)
{
	uint64_t n = strcmp(name, "zoned") ? (uint64_t)tool_number(which) : 0;

	*len = 8;
	if (!strcmp(name, "zoned"))
		*off = zoned_field(q, which, len);
	else if (!strcmp(name, "be64"))
		*off = n;
	else if (!strcmp(name, "wp-be"))
		*off = wp_place(q, n);
	else if (!strcmp(name, "l1"))
		*off = l1_place(q, n);
	else if (!strcmp(name, "l2"))
		*off = l2_place(q, n);
	else if (!strcmp(name, "be32")) {
		*off = n;
		*len = 4;
	} else if (!strcmp(name, "refcount")) {
		*off = refcount_place(q, n);
		*len = 2;
	} else {
		return false;
	}
	return true;
}

/* ---- operations ----------------------------------------------------------------------------- */

static void change_bit(const struct qheader *q, uint64_t word, const char *bit, bool set)
{
	uint64_t mask = 1ull << tool_number(bit);
	uint64_t v = qpatch_get_number(q->fd, word, 8);

	qpatch_set_number(q->fd, word, 8, set ? v | mask : v & ~mask);
}

static void print_value(const struct qheader *q, const char *name, const char *which)
{
	uint64_t off, value;
	unsigned len;
	unsigned char b[8];

	if (!strcmp(name, "bit")) {
		value = qpatch_get_number(q->fd, Q_INCOMPAT, 8) >> tool_number(which) & 1;
	} else if (!strcmp(name, "cluster")) {
		value = q->cluster;
	} else if (!strcmp(name, "wp-le")) {
		q_read(q->fd, b, 8, wp_place(q, (uint64_t)tool_number(which)));
		value = get_le64(b);
	} else {
		if (!find_place(q, name, which, &off, &len))
			tool_die("unknown value '%s'", name);
		value = qpatch_get_number(q->fd, off, len);
	}
	printf("%llu\n", (unsigned long long)value);
}

/* What is done to bytes at an offset, whatever file it is. */
static bool patch_bytes(int fd, const struct tool_op *op)
{
	const char *name = op->word[0];
	uint64_t off = 0;

	if (strcmp(name, "hex") && strcmp(name, "truncate") && strcmp(name, "be32") &&
	    strcmp(name, "be64") && strcmp(name, "le64"))
		return false;
	off = (uint64_t)tool_number(op->word[1]);
	if (!strcmp(name, "hex"))
		write_hex(fd, off, op->word[2]);
	else if (!strcmp(name, "truncate")) {
		if (ftruncate(fd, (off_t)off))
			tool_die("truncate: %s", strerror(errno));
	} else if (!strcmp(name, "le64")) {
		unsigned char b[8];

		put_le64(b, (uint64_t)tool_number(op->word[2]));
		q_write(fd, b, 8, off);
	} else {
		qpatch_set_number(fd, off, name[2] == '3' ? 4 : 8,
				  (uint64_t)tool_number(op->word[2]));
	}
	return true;
}

static void patch_image(int fd, const struct tool_op *op)
{
	struct qheader q = q_open(fd);
	const char *name = op->word[0];
	uint64_t off;
	unsigned len;

	if (!strncmp(name, "get-", 4)) {
		print_value(&q, name + 4, op->word[1]);
	} else if (!strcmp(name, "set-bit") || !strcmp(name, "clear-bit")) {
		change_bit(&q, Q_INCOMPAT, op->word[1], *name == 's');
	} else if (!strcmp(name, "set-autoclear")) {
		change_bit(&q, Q_AUTOCLEAR, op->word[1], true);
	} else if (!strcmp(name, "zoned-len")) {
		qpatch_set_number(fd, zoned_ext(&q) + 4, 4, (uint64_t)tool_number(op->word[1]));
	} else if (!strcmp(name, "zoned-type")) {
		qpatch_set_number(fd, zoned_ext(&q), 4, (uint64_t)tool_number(op->word[1]));
	} else if (!strcmp(name, "wp-le")) {
		unsigned char b[8];

		put_le64(b, (uint64_t)tool_number(op->word[2]));
		q_write(fd, b, 8, wp_place(&q, (uint64_t)tool_number(op->word[1])));
	} else {
		if (!find_place(&q, name, op->word[1], &off, &len))
			tool_die("unknown operation '%s'", name);
		qpatch_set_number(fd, off, len, (uint64_t)tool_number(op->word[2]));
	}
	free(q.head);
}

int main(int argc, char **argv)
{
	int fd;

	if (argc < 3)
		qpatch_usage();
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		tool_die("%s: %s", argv[1], strerror(errno));
	for (int i = 2; i < argc; i++) {
		struct tool_op op = tool_split(argv[i], 3);

		if (!patch_bytes(fd, &op))
			patch_image(fd, &op);
		free(op.text);
	}
	if (close(fd))
		tool_die("%s: %s", argv[1], strerror(errno));
	return 0;
}
