/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Broken headers, one fault each: every one is refused with the sentence that names the
 * field, its value and the bound.
 */
#include "check_main.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image_file.h"
#include "util/math.h"

enum base {
	PLAIN,	  /* image_params_header() */
	DATA,	  /* with the data file "d.raw": zoned data at 576, end at 632 */
	BACKING,  /* with "base.qcow2" (at 640) of format qcow2: zoned data at 576, end at 632 */
	SMALL,	  /* 512-byte clusters: zoned data at 120, end at 176 */
	LAYOUT48, /* zoned data at 560, end at 608 */
	ZSTD,
	NOT_ZONED, /* PLAIN without bit 5 and the extension; read as a backing file */
	VERSION2,  /* that as version 2; read as a backing file */
	NR_BASES,
};

#define RESIZE 0u /* as a width: the value is the file's new size */

struct poke {
	uint64_t off;
	unsigned bytes; /* 0: there are no more, unless value is set (RESIZE) */
	uint64_t value;
};

static const struct bad {
	enum base base;
	struct poke poke[5];
	int code;
	const char *msg; /* behind "disk.qcow2: " */
} bad[] = {
#include "bad_header_fields.h"
#include "bad_header_extensions.h"
#include "bad_header_zoned.h"
};

static struct memio *base_image(enum base base)
{
	struct qcow2_create_params p = image_params_header();
	struct memio *m;

	if (base == DATA)
		p.data_file = "d.raw";
	if (base == BACKING) {
		p.backing_file = "base.qcow2";
		p.backing_format = "qcow2";
	}
	if (base == SMALL)
		p.cluster_bits = 9;
	if (base == LAYOUT48)
		p.layout = zoned_layout_named("48");
	if (base == ZSTD)
		p.compression_type = 1;
	m = image_file_make(&p, "disk.qcow2", NULL);
	if (base == NOT_ZONED || base == VERSION2) {
		image_put(m, 72, 8, 0);
		image_put(m, 552, 4, 0x12345678);
	}
	if (base == VERSION2) {
		image_put(m, 4, 4, 2);
		image_put(m, 72, 8, 0); /* the extensions end at once */
	}
	return m;
}

static bool read_as_zoned(enum base base)
{
	return base != NOT_ZONED && base != VERSION2;
}

START_TEST(bases_are_accepted)
{
	struct memio *m = base_image((enum base)_i);
	struct qcow2_header h;
	struct zq_error err = { "" };

	ck_assert_msg(image_file_header(m, "disk.qcow2", read_as_zoned((enum base)_i), &h, &err) ==
			      0,
		      "base %d: %s", _i, err.msg);
	qcow2_header_free(&h);
	memio_free(m);
}
END_TEST

START_TEST(refused_with_its_sentence)
{
	const struct bad *b = &bad[_i];
	struct memio *m = base_image(b->base);
	struct qcow2_header h;
	struct zq_error err = { "" };
	char want[sizeof(err.msg)];
	int ret;

	for (size_t i = 0; i < ARRAY_SIZE(b->poke); i++) {
		const struct poke *p = &b->poke[i];

		if (p->bytes == RESIZE && p->off)
			memio_resize(m, p->value);
		else
			image_put(m, p->off, p->bytes, p->value);
	}
	ret = image_file_header(m, "disk.qcow2", read_as_zoned(b->base), &h, &err);
	snprintf(want, sizeof(want), "disk.qcow2: %s", b->msg);
	ck_assert_str_eq(err.msg, want);
	ck_assert_int_eq(ret, b->code);
	ck_assert_uint_eq(memio_open_count(m), 0);
	memio_free(m);
}
END_TEST

/* Any damage at all: never a crash, never a refusal without words. */
START_TEST(random_damage)
{
	struct memio *whole = base_image((enum base)(_i % NR_BASES));
	unsigned seed = 1000u + (unsigned)_i;

	for (int round = 0; round < 300; round++) {
		struct memio *m = memio_clone(whole);
		struct qcow2_header h;
		struct zq_error err = { "" };

		for (int n = rand_r(&seed) % 4; n >= 0; n--)
			image_put(m, (uint64_t)rand_r(&seed) % 660, 1u << rand_r(&seed) % 3,
				  (uint64_t)rand_r(&seed) >> rand_r(&seed) % 31);
		if (image_file_header(m, "disk.qcow2", read_as_zoned((enum base)(_i % NR_BASES)),
				      &h, &err) == 0)
			qcow2_header_free(&h);
		else
			ck_assert_msg(!strncmp(err.msg, "disk.qcow2: ", 12), "seed %d: \"%s\"",
				      1000 + _i, err.msg);
		memio_free(m);
	}
	memio_free(whole);
}
END_TEST

/* Cut anywhere, an image is refused and not read past its end. */
START_TEST(cut_short)
{
	static const uint64_t sizes[] = { 1,	  4,	  71,	  72,	 104,	 111,
					  112,	  560,	  65536,  65537, 131072, 131073,
					  196608, 196687, 262144, 262151 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct memio *m = base_image(PLAIN);
		struct qcow2_header h;
		struct zq_error err = { "" };

		memio_resize(m, sizes[i]);
		ck_assert_msg(image_file_header(m, "disk.qcow2", true, &h, &err) < 0,
			      "accepted %lu bytes", (unsigned long)sizes[i]);
		ck_assert_msg(strlen(err.msg) > 12, "%lu bytes", (unsigned long)sizes[i]);
		memio_free(m);
	}
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_LOOP(bases_are_accepted, NR_BASES),
		CHECK_LOOP(refused_with_its_sentence, ARRAY_SIZE(bad)),
		CHECK_LOOP(random_damage, 2 * NR_BASES),
		CHECK_TEST(cut_short),
	};

	return check_main("header_bad", tests, ARRAY_SIZE(tests));
}
