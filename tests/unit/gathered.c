/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filling, compacting and comparing an image. Owns what each zone holds at which age.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "gathered.h"
#include "rng.h"

/* A zone's bytes at that age: part of each 512 bytes cannot be compressed. */
static void gathered_bytes(uint8_t *b, uint32_t zone, unsigned age)
{
	uint64_t r = zone * 1000 + age + 1;

	memset(b, 'a' + (int)((zone + age) % 26), GATHER_ZONE);
	for (size_t at = 0; at < GATHER_ZONE; at += 512)
		for (size_t i = 0; i < 60; i++)
			b[at + i] = (uint8_t)rng_below(&r, 256);
}

void gathered_fill(struct gathered *g, uint32_t zone)
{
	static uint8_t b[GATHER_ZONE];
	struct qcow2_write w = {
		.off = (uint64_t)zone * GATHER_ZONE,
		.buf = b,
		.len = GATHER_ZONE,
		.zero_end = ((uint64_t)zone + 1) * GATHER_ZONE,
		.stream = zone,
		.move_wp = true,
		.zone = zone,
		.wp = qcow2_wp_finished(g->q.img, zone),
	};

	gathered_bytes(b, zone, g->age[zone]);
	ck_assert_int_eq(qcow2_write(g->q.img, &w), 0);
}

void gathered_init(struct gathered *g, unsigned cluster_bits, uint8_t compression, uint32_t nr)
{
	memset(g, 0, sizeof(*g));
	g->rng = cluster_bits;
	g->nr = nr;
	qimage_init(&g->q);
	g->q.p.geo = (struct zq_geometry){
		.size = (uint64_t)nr * GATHER_ZONE,
		.zone_size = GATHER_ZONE,
		.zone_capacity = GATHER_ZONE,
		.nr_zones = nr,
	};
	g->q.p.cluster_bits = cluster_bits;
	g->q.p.compression_type = compression;
}

void gathered_create(struct gathered *g)
{
	qimage_create(&g->q);
	for (uint32_t i = 0; i < g->nr; i++)
		gathered_fill(g, i);
	qimage_commit(&g->q);
	for (uint32_t i = 1; i < 10; i += 1 + i % 3)
		qimage_reset(&g->q, i);
	qimage_commit(&g->q);
	qimage_reopen(&g->q); /* the counts of what was let go are on the disk with this one */
}

void gathered_expect(struct gathered *g, struct qcow2_image *img, const char *when)
{
	static uint8_t want[GATHER_ZONE], before[GATHER_ZONE], got[GATHER_ZONE];

	for (uint32_t i = 0; i < g->nr; i++) {
		bool same;

		if (!qcow2_wp_written(img, i)) {
			ck_assert_msg(g->may_differ[i] || (i >= 1 && i < 10),
				      "%s: zone %u has lost its content", when, i);
			continue;
		}
		ck_assert_int_eq(qcow2_read(img, (uint64_t)i * GATHER_ZONE, got, GATHER_ZONE), 0);
		gathered_bytes(want, i, g->age[i]);
		gathered_bytes(before, i, g->age[i] - 1);
		same = !memcmp(got, want, GATHER_ZONE) ||
		       (g->may_differ[i] && !memcmp(got, before, GATHER_ZONE));
		ck_assert_msg(same, "%s: zone %u is another", when, i);
	}
}

void gathered_repack(struct gathered *g, struct qcow2_packer *p, uint32_t zone, int *rc)
{
	uint64_t c = g->q.img->cluster_size;

	for (uint64_t off = 0; off < GATHER_ZONE && *rc == 0; off += c) {
		bool packed;

		*rc = qcow2_repack(g->q.img, p, zone * (uint64_t)GATHER_ZONE + off, &packed);
	}
}

int gathered_compact(struct gathered *g, bool compress)
{
	struct qcow2_packer *p = NULL;
	int rc = compress ? qcow2_packer_new(g->q.img, 0, &p) : 0;

	for (uint32_t i = 0; compress && i < g->nr; i++)
		if (qcow2_wp_written(g->q.img, i))
			gathered_repack(g, p, i, &rc);
	qcow2_packer_free(p);
	return rc ? rc : qcow2_gather(g->q.img, NULL, NULL);
}

uint64_t gathered_rng(void *data)
{
	struct gathered *g = data;

	return rng_below(&g->rng, UINT64_MAX);
}

void gathered_look(void *data, const struct crash_disk *left, size_t at, unsigned variant)
{
	struct gathered *g = data;
	struct qcow2_open_opts o = { .writable = true, .zoned = true };
	struct zq_error err = { "" };
	struct qcow2_image *img;
	char when[64];

	snprintf(when, sizeof(when), "at %zu/%u", at, variant);
	qimage_check_file(left->image, when);
	ck_assert_msg(!qcow2_open(memio_open(left->image, "left", true), &o, &img, &err), "%s: %s",
		      when, err.msg);
	gathered_expect(g, img, when);
	qcow2_close(img);
	g->states++;
}
