/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that stay open or mapped while zstress.c goes on: readers whose pages the kernel keeps,
 * mappings, writers with a stream that may end within a block. All are looked at after every
 * operation, so a page that outlives a reset, a finish, a write or a change through an attribute is
 * seen at once.
 */
#ifndef ZQ_TEST_ZHELD_H
#define ZQ_TEST_ZHELD_H

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zstress.h"

/* The last bytes, where changes are, or a random piece; at most 8 KiB. */
static inline uint64_t held_place(struct model *m, uint64_t size, uint64_t *len)
{
	uint64_t off = any(m, 2) ? any(m, size + 1) : size - (size < 4096 ? size : 4096);

	*len = 1 + any(m, 8192);
	return off;
}

static inline void held_compare(const struct model *m, const struct held *h, uint64_t off,
				const unsigned char *got, uint64_t len)
{
	const unsigned char *want = h->conv ? m->conv[h->zone] : m->zones[h->zone].data;

	for (uint64_t i = 0; i < len; i++)
		if (got[i] != want[off + i])
			differs(m, "a held %s of %s/%u: byte %llu is 0x%02x, expected 0x%02x",
				h->kind == READER ? "reader" : "mapping", h->conv ? "cnv" : "seq",
				h->zone, (unsigned long long)off + i, got[i], want[off + i]);
}

static inline void held_read(const struct model *m, const struct held *h, uint64_t off,
			     uint64_t size)
{
	unsigned char buf[8192];
	uint64_t want = size - off < sizeof(buf) ? size - off : sizeof(buf);
	ssize_t n = pread(h->fd, buf, sizeof(buf), (off_t)off);

	if (n < 0)
		differs(m, "a held reader of zone %u: %s", h->zone, tool_errno(errno));
	if ((uint64_t)n != want)
		differs(m, "a held reader of zone %u: %zd bytes at %llu of %llu", h->zone, n,
			(unsigned long long)off, (unsigned long long)size);
	held_compare(m, h, off, buf, (uint64_t)n);
}

/* The data comes first: a stat makes the kernel ask, and forget what is not true any more. */
static inline void held_look_at(struct model *m, const struct held *h)
{
	uint64_t size = h->conv ? m->zone_size : m->zones[h->zone].size, len;
	uint64_t off = held_place(m, size, &len);
	struct stat st;

	if (h->kind == READER)
		held_read(m, h, off, size);
	else if (h->kind == MAPPING)
		held_compare(m, h, off, h->map + off, len < size - off ? len : size - off);
	if (fstat(h->fd, &st) || (uint64_t)st.st_size != size)
		differs(m, "a held file of zone %u: size %lld, expected %llu", h->zone,
			(long long)st.st_size, (unsigned long long)size);
}

static inline void held_look(struct model *m)
{
	for (unsigned kind = READER; kind <= WRITER; kind++)
		for (unsigned i = 0; i < MAX_HELD; i++)
			if (m->held[i].kind == kind)
				held_look_at(m, &m->held[i]);
}

static inline void held_open(struct model *m, struct held *h, unsigned zone)
{
	static const char *const names[] = { "", "reader", "mapping", "writer" };
	unsigned kind = READER + (unsigned)any(m, 3);
	bool append = any(m, 2);
	char path[256];
	int want = 0;

	*h = (struct held){ .zone = zone, .append = append };
	h->conv = kind != WRITER && m->nr_conv && !any(m, 4);
	if (h->conv)
		h->zone = zone % m->nr_conv;
	snprintf(m->what, sizeof(m->what), "%s of %s/%u to hold", names[kind],
		 h->conv ? "cnv" : "seq", h->zone);
	path_of(m, h->conv, h->zone, path);
	if (kind == WRITER)
		want = model_writer_open(m, &m->zones[zone]);
	h->fd = open(path, (kind == WRITER ? O_WRONLY : O_RDONLY) | O_CLOEXEC |
				   (kind == WRITER && append ? O_APPEND : 0));
	expect_errno(m, h->fd, want);
	if (want)
		return;
	if (kind == MAPPING) {
		h->map = mmap(NULL, m->zone_size, PROT_READ, MAP_SHARED, h->fd, 0);
		if (h->map == MAP_FAILED)
			differs(m, "mmap: %s", tool_errno(errno));
	}
	h->kind = kind;
	h->change = UINT64_MAX;
}

static inline void held_close(struct model *m, struct held *h)
{
	if (h->kind == MAPPING)
		munmap(h->map, m->zone_size);
	if (h->kind)
		close(h->fd);
	if (h->kind == WRITER) {
		model_writer_close(m, &m->zones[h->zone]);
		expect_closed(m);
	}
	h->kind = NOTHING;
}

/* Before a remount, and at the end. */
static inline void held_drop(struct model *m)
{
	for (unsigned i = 0; i < MAX_HELD; i++)
		held_close(m, &m->held[i]);
}

/* The offset is the end of its stream, the size, or none of both; not used when it appends. */
static inline int held_predict(struct model *m, const struct held *h, struct zone *z, uint64_t *off,
			       uint64_t *len)
{
	bool owns = h->change == z->change;

	if (h->append)
		*off = owns ? h->end : z->size;
	if (*off >= z->cap)
		return EFBIG;
	if (*len > z->cap - *off)
		*len = z->cap - *off;
	if (*off != z->size && !(owns && *off == h->end))
		return EINVAL;
	if (z->state == FULL) /* its own last block */
		return 0;
	return begin_write(m, z);
}

static inline void held_write(struct model *m, struct held *h)
{
	struct zone *z = &m->zones[h->zone];
	uint64_t choices[] = { h->change == z->change ? h->end : z->size, z->size,
			       any(m, z->cap / BLOCK + 100) * BLOCK };
	uint64_t off = choices[any(m, 8) ? any(m, 5) / 4 : 2], len = any_length(m, false);
	uint64_t at = off, done = len;
	unsigned char *buf = malloc(len);
	ssize_t n;
	int want;

	snprintf(m->what, sizeof(m->what), "zone %u, held writer, %llu at %llu%s", h->zone,
		 (unsigned long long)len, (unsigned long long)off, h->append ? ", appended" : "");
	if (!buf)
		differs(m, "out of memory");
	fill_random(m, buf, len);
	want = held_predict(m, h, z, &at, &done);
	n = pwrite(h->fd, buf, len, (off_t)off);
	expect_errno(m, n, want);
	if (!want) {
		if ((uint64_t)n != done)
			differs(m, "wrote %zd, expected %llu", n, (unsigned long long)done);
		memcpy(z->data + at, buf, done);
		model_grow(z, at, done);
		h->end = at + done;
		h->change = z->change;
	}
	free(buf);
	if (!any(m, 20))
		expect_errno(m, fsync(h->fd), 0);
}

/* Opens, uses or closes what is held in a slot; the sequential zone that this was about. */
static inline unsigned op_held(struct model *m, unsigned slot, unsigned zone)
{
	struct held *h = &m->held[slot];

	if (!h->kind) {
		held_open(m, h, zone);
	} else if (!any(m, 6)) {
		snprintf(m->what, sizeof(m->what), "close of what is held of zone %u", h->zone);
		held_close(m, h);
	} else if (h->kind == WRITER) {
		held_write(m, h);
	} else {
		snprintf(m->what, sizeof(m->what), "a look at held zone %u", h->zone);
	}
	return h->conv ? zone : h->zone;
}

#endif
