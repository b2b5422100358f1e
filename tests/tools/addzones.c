/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gives a plain qcow2 image, as any qemu-img writes it, the zoned extension and the region of
 * write pointers, so that images with every feature of qemu-img's can be tested with zones.
 * The region goes to the end of the file with its refcounts set. Refcounts of 16 bits only.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "qheader.h"

struct zones {
	uint64_t zone_size, capacity;
	uint32_t conventional, max_open, max_active, max_append;
	bool little, full; /* byte order; sequential zones are full, else empty */
	bool old;	   /* the layout of 48 bytes */
	const char *wp;	   /* pointers relative to each zone's start, with commas, or NULL */
};

static void addzones_usage(void)
{
	fputs("usage: addzones IMAGE zone_size=N [capacity=N] [conventional=N] [max_open=N]\n"
	      "         [max_active=N] [max_append=N] [layout=48] [order=little] [pointers=full]\n"
	      "         [wp=N,N,...]\n"
	      "Without pointers= and wp= all sequential zones are empty; wp= counts from the "
	      "first\n"
	      "sequential zone, those that it leaves out are as pointers= says.\n",
	      stderr);
	exit(2);
}

static void addzones_parse(struct zones *z, char *arg)
{
	char *value = strchr(arg, '=');
	uint64_t n;

	if (!value)
		addzones_usage();
	*value++ = '\0';
	if (!strcmp(arg, "order") || !strcmp(arg, "pointers")) {
		*(*arg == 'o' ? &z->little : &z->full) =
			!strcmp(value, "little") || !strcmp(value, "full");
		return;
	}
	if (!strcmp(arg, "wp")) {
		z->wp = value;
		return;
	}
	n = (uint64_t)tool_number(value);
	if (!strcmp(arg, "zone_size"))
		z->zone_size = n;
	else if (!strcmp(arg, "capacity"))
		z->capacity = n;
	else if (!strcmp(arg, "conventional"))
		z->conventional = (uint32_t)n;
	else if (!strcmp(arg, "max_open"))
		z->max_open = (uint32_t)n;
	else if (!strcmp(arg, "max_active"))
		z->max_active = (uint32_t)n;
	else if (!strcmp(arg, "max_append"))
		z->max_append = (uint32_t)n;
	else if (!strcmp(arg, "layout"))
		z->old = n == 48;
	else
		addzones_usage();
}

/* ---- room in the header --------------------------------------------------------------- */

/* Where the list of extensions ends: the offset of its end mark. */
static uint64_t extensions_end(const struct qheader *q)
{
	uint64_t off = get_be32(q->head + Q_HEADER_LENGTH);

	while (off + 8 <= q->cluster && get_be32(q->head + off))
		off += 8 + (((uint64_t)get_be32(q->head + off + 4) + 7) & ~7ull);
	if (off + 8 > q->cluster)
		tool_die("the list of header extensions has no end");
	return off;
}

/* Makes room for len bytes at the end of the extensions; what lies behind (the backing file's
 * name) moves up. Returns the offset of the room. */
static uint64_t make_room(struct qheader *q, uint64_t len)
{
	uint64_t end = extensions_end(q);
	uint64_t name = get_be64(q->head + Q_BACKING_OFFSET);
	uint32_t name_len = get_be32(q->head + Q_BACKING_LEN);
	uint64_t used = name ? name + name_len : end + 8;

	if (used < end + 8)
		used = end + 8;
	if (used + len > q->cluster)
		tool_die("no room in the header's cluster for the zoned extension");
	memmove(q->head + end + len, q->head + end, used - end);
	if (name)
		put_be64(q->head + Q_BACKING_OFFSET, name + len);
	return end;
}

/* ---- the region ----------------------------------------------------------------------- */

/* Sets the refcount of one new cluster to 1; a new block is made at the end of the file. */
static void count_new_cluster(struct qheader *q, uint64_t offset, uint64_t *file_end)
{
	uint64_t per_block = q->cluster / 2, cluster = offset / q->cluster;
	uint64_t entry = get_be64(q->head + Q_REFTABLE_OFFSET) + cluster / per_block * 8;
	unsigned char b[8];
	uint64_t block;

	if (cluster / per_block * 8 >= get_be32(q->head + Q_REFTABLE_CLUSTERS) * q->cluster)
		tool_die("the refcount table is full");
	q_read(q->fd, b, 8, entry);
	block = get_be64(b);
	if (!block) {
		block = *file_end;
		*file_end += q->cluster;
		if (ftruncate(q->fd, (off_t)*file_end))
			tool_die("truncate: %s", strerror(errno));
		put_be64(b, block);
		q_write(q->fd, b, 8, entry);
		count_new_cluster(q, block, file_end);
	}
	put_be16(b, 1);
	q_write(q->fd, b, 2, block + cluster % per_block * 2);
}

static void put_pointer(unsigned char *at, const struct zones *z, uint64_t value)
{
	if (z->little)
		put_le64(at, value);
	else
		put_be64(at, value);
}

/* Fills the pointers of all zones. */
static void addzones_fill_pointers(unsigned char *region, const struct zones *z, uint32_t nr)
{
	const char *wp = z->wp;

	for (uint32_t i = 0; i < nr; i++) {
		uint64_t start = i * z->zone_size, at = z->full ? z->zone_size : 0;

		if (i < z->conventional) {
			put_pointer(region + 8ull * i, z, start | 1ull << 59);
			continue;
		}
		if (wp) {
			const char *comma = strchr(wp, ',');
			char number[32];

			snprintf(number, sizeof(number), "%.*s", (int)strcspn(wp, ","), wp);
			at = (uint64_t)tool_number(number);
			wp = comma ? comma + 1 : NULL;
		}
		put_pointer(region + 8ull * i, z, start + at);
	}
}

/* Writes the region to new clusters; returns its offset. */
static uint64_t write_region(struct qheader *q, const struct zones *z, uint32_t nr)
{
	uint64_t len = (nr * 8ull + q->cluster - 1) & ~(q->cluster - 1);
	unsigned char *region = calloc(1, len);
	struct stat st;
	uint64_t at, end;

	if (!region || fstat(q->fd, &st))
		tool_die("out of memory");
	at = ((uint64_t)st.st_size + q->cluster - 1) & ~(q->cluster - 1);
	end = at + len;
	addzones_fill_pointers(region, z, nr);
	q_write(q->fd, region, len, at);
	free(region);
	for (uint64_t off = at; off < at + len; off += q->cluster)
		count_new_cluster(q, off, &end);
	return at;
}

/* ---- the extension -------------------------------------------------------------------- */

static void put_extension(unsigned char *p, const struct zones *z, uint32_t nr, uint64_t region)
{
	unsigned at = 4, width = z->old ? 4 : 8;
	const uint32_t rest[] = { z->conventional, nr, z->max_active, z->max_open, z->max_append };

	p[0] = 1;
	for (int i = 0; i < 2; i++, at += width) {
		uint64_t v = i ? z->capacity : z->zone_size;

		if (z->old)
			put_be32(p + at, (uint32_t)v);
		else
			put_be64(p + at, v);
	}
	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++, at += 4)
		put_be32(p + at, rest[i]);
	put_be64(p + at, nr * 8ull);
	put_be64(p + at + 8, region);
}

int main(int argc, char **argv)
{
	struct zones z = { .max_append = 0 };
	struct qheader q;
	uint64_t size, room, len;
	uint32_t nr;

	if (argc < 3)
		addzones_usage();
	for (int i = 2; i < argc; i++)
		addzones_parse(&z, argv[i]);
	if (!z.zone_size)
		addzones_usage();
	if (!z.capacity)
		z.capacity = z.zone_size;
	if (!z.max_append)
		z.max_append = z.capacity > 65536 ? 65536 : 512;

	q = q_open(open(argv[1], O_RDWR | O_CLOEXEC));
	if (q_find_ext(&q, Q_EXT_ZONED))
		tool_die("%s has zones already", argv[1]);
	if (get_be32(q.head + Q_REFCOUNT_ORDER) != 4)
		tool_die("only refcounts of 16 bits are known here");
	size = get_be64(q.head + Q_SIZE);
	nr = (uint32_t)((size + z.zone_size - 1) / z.zone_size);
	len = z.old ? 48 : 56;
	room = make_room(&q, 8 + len);
	memset(q.head + room, 0, 8 + len);
	put_be32(q.head + room, Q_EXT_ZONED);
	put_be32(q.head + room + 4, (uint32_t)len);
	put_extension(q.head + room + 8, &z, nr, write_region(&q, &z, nr));
	put_be64(q.head + Q_INCOMPAT, get_be64(q.head + Q_INCOMPAT) | Q_ZONED_BIT);
	q_write(q.fd, q.head, q.cluster, 0);
	if (close(q.fd))
		tool_die("%s: %s", argv[1], strerror(errno));
	free(q.head);
	return 0;
}
