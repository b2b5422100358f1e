/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes the image that the tests of check and repair damage, with the engine itself.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_image.h"
#include "io/io.h"
#include "qcow2/check/check.h"
#include "qcow2/format/format.h"
#include "qcow2/qcow2.h"
#include "qcow2/tables/header_read.h"
#include "util/bytes.h"

#define ZONE 65536u

static void check_image_fill(struct qcow2_image *img, uint32_t zone, uint64_t len)
{
	uint8_t *buf = malloc(len);
	uint64_t start = (uint64_t)zone * ZONE;
	struct qcow2_write w = { .off = start,
				 .buf = buf,
				 .len = len,
				 .zero_end = start + ZONE,
				 .stream = zone,
				 .move_wp = zone >= 2,
				 .zone = zone,
				 .wp = len == ZONE ? start + ZONE : start + len };

	ck_assert_ptr_nonnull(buf);
	memset(buf, (int)(zone * 16 + 1), len);
	ck_assert_int_eq(qcow2_write(img, &w), 0);
	free(buf);
}

static struct qcow2_image *check_image_open_image(struct memio *m, bool writable)
{
	struct qcow2_open_opts opts = { .writable = writable,
					.zoned = true,
					.lock = writable ? ZQ_LOCK_WRITE : ZQ_LOCK_SHARED };
	struct qcow2_image *img = NULL;
	struct zq_error err = { "" };

	if (qcow2_open(memio_open(m, "image", writable), &opts, &img, &err))
		return NULL;
	return img;
}

void check_image_make(struct check_image *t, void (*change)(struct qcow2_create_params *p))
{
	struct qcow2_create_params p = {
		.geo = { .size = 16 * ZONE,
			 .zone_size = ZONE,
			 .zone_capacity = ZONE,
			 .nr_zones = 16,
			 .nr_conv = 2,
			 .max_append = 4096 },
		.layout = zoned_layout_named("56"),
		.cluster_bits = 12,
		.refcount_order = 4,
	};
	struct zq_error err = { "" };
	struct qcow2_image *img;
	struct zq_io *io;

	memset(t, 0, sizeof(*t));
	if (change)
		change(&p);
	t->m = memio_new();
	io = memio_open(t->m, "image", true);
	ck_assert_msg(qcow2_create(io, &p, &err) == 0, "%s", err.msg);
	io_close(io);
	img = check_image_open_image(t->m, true);
	ck_assert_ptr_nonnull(img);
	check_image_fill(img, 0, 16384);
	check_image_fill(img, 2, 20480);
	check_image_fill(img, 3, ZONE);
	check_image_fill(img, 4, 12288);
	ck_assert_int_eq(qcow2_commit(img), 0);
	qcow2_close(img);

	io = memio_open(t->m, "image", false);
	ck_assert_msg(qcow2_header_read(io, HEADER_ZONED, &t->hdr, &err) == 0, "%s", err.msg);
	io_close(io);
	t->cluster = UINT64_C(1) << p.cluster_bits;
	t->l1 = t->hdr.l1_offset;
	t->l2 = check_image_get(t, t->l1) & QCOW2_OFFSET_MASK;
	t->table = t->hdr.reftable_offset;
	t->block = check_image_get(t, t->table);
	t->wps = t->hdr.zoned.meta_offset;
}

void check_image_free(struct check_image *t)
{
	qcow2_header_free(&t->hdr);
	memio_free(t->m);
}

static void check_image_found(void *data, enum zq_finding_kind kind, bool fixed, const char *line)
{
	static const char *const name[] = { "note", "leak", "corruption" };
	struct check_image *t = data;
	size_t len = strlen(t->lines);

	snprintf(t->lines + len, sizeof(t->lines) - len, "%s%s: %s\n", name[kind],
		 fixed ? " fixed" : "", line);
}

int check_image_check(struct check_image *t, enum zq_repair repair)
{
	struct zq_check_opts opts = { .repair = repair, .found = check_image_found, .data = t };
	struct zq_io *io = memio_open(t->m, "image", repair != ZQ_REPAIR_NONE);
	struct zq_error err = { "" };
	struct qcow2_header hdr;
	int ret;

	t->lines[0] = '\0';
	ret = qcow2_header_read(io, HEADER_ZONED, &hdr, &err);
	if (!ret) {
		ret = qcow2_check(io, &hdr, &opts, &t->res, &err);
		qcow2_header_free(&hdr);
	}
	io_close(io);
	return ret;
}

void check_image_expect(struct check_image *t, uint64_t corruptions, uint64_t leaks,
			const char *text)
{
	ck_assert_int_eq(check_image_check(t, ZQ_REPAIR_NONE), 0);
	ck_assert_msg(t->res.corruptions == corruptions && t->res.leaks == leaks,
		      "%llu corruptions and %llu leaks, expected %llu and %llu:\n%s",
		      (unsigned long long)t->res.corruptions, (unsigned long long)t->res.leaks,
		      (unsigned long long)corruptions, (unsigned long long)leaks, t->lines);
	ck_assert_msg(!text || strstr(t->lines, text), "no '%s' in:\n%s", text, t->lines);
	ck_assert_msg(!strstr(t->lines, "fixed"), "claims a repair:\n%s", t->lines);
}

void check_image_mends(struct check_image *t, enum zq_repair repair)
{
	ck_assert_int_eq(check_image_check(t, repair), 0);
	ck_assert_msg(t->res.corruptions == t->res.corruptions_fixed &&
			      t->res.leaks == t->res.leaks_fixed,
		      "not all is mended:\n%s", t->lines);
	check_image_expect(t, 0, 0, NULL);
}

uint64_t check_image_get(struct check_image *t, uint64_t off)
{
	uint8_t raw[8];

	memio_peek(t->m, off, raw, sizeof(raw));
	return get_be64(raw);
}

void check_image_set(struct check_image *t, uint64_t off, uint64_t word)
{
	uint8_t raw[8];

	put_be64(raw, word);
	memio_poke(t->m, off, raw, sizeof(raw));
}

unsigned check_image_count(struct check_image *t, uint64_t cluster)
{
	uint8_t raw[2];

	memio_peek(t->m, t->block + cluster * 2, raw, sizeof(raw));
	return get_be16(raw);
}

void check_image_set_count(struct check_image *t, uint64_t cluster, unsigned count)
{
	uint8_t raw[2];

	put_be16(raw, (uint16_t)count);
	memio_poke(t->m, t->block + cluster * 2, raw, sizeof(raw));
}

uint64_t check_image_entry(struct check_image *t, uint64_t guest)
{
	return t->l2 + guest / t->cluster * (t->hdr.incompat & QCOW2_INCOMPAT_EXTL2 ? 16 : 8);
}

uint64_t check_image_host(struct check_image *t, uint64_t guest)
{
	return check_image_get(t, check_image_entry(t, guest)) & QCOW2_OFFSET_MASK;
}

uint8_t *check_image_guest(struct memio *m, uint64_t size)
{
	struct qcow2_image *img = check_image_open_image(m, false);
	uint8_t *buf = img ? malloc(size) : NULL;

	if (buf && qcow2_read(img, 0, buf, size)) {
		free(buf);
		buf = NULL;
	}
	if (img)
		qcow2_close(img);
	return buf;
}
