/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The power fails while an overlay is written down into its base, behind every write and flush of
 * the two files, and what was not flushed arrives whole, torn or not at all, in each file by
 * itself. Whatever is left: the two together show the overlay's disk, another overlay of the base
 * shows its own or is refused, the next commit ends well, and after it the base alone shows that
 * disk. ZQ_CRASH_SEED and ZQ_CRASH_VARIANTS replay one and look at more.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "crash_disk.h"
#include "image_file.h"
#include "offline/commit_overlay.h"
#include "overlay_model.h"
#include "qimage.h"
#include "rng.h"

struct replay_commit {
	const struct overlay_shape *shape;
	struct overlay_model *disk, *other_disk; /* what the overlay shows, and what another one */
	struct memio *other;
	uint64_t seed, rng;
	unsigned states, refused, shown, resumed, twice, variants;
	bool nested;
};

static uint64_t env_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static uint64_t draw(void *data)
{
	struct replay_commit *r = data;

	return rng_below(&r->rng, UINT64_MAX);
}

static void look_at_other(struct replay_commit *r, struct memio *base, const char *what)
{
	struct qcow2_image *img;
	int ret = overlay_try_open(r->other, base, false, false, &img);

	if (ret) {
		ck_assert_msg(ret == -ESTALE, "%s: the other overlay: %s", what, strerror(-ret));
		r->refused++;
		return;
	}
	overlay_expect(img, r->other_disk, what);
	qcow2_close(img);
	r->shown++;
}

static void commit_pair(struct memio *over, struct memio *base, const char *what, bool *resumed)
{
	struct qcow2_image *img = overlay_open(over, base, true, true);
	struct zq_commit_result res = { 0 };
	struct zq_commit_opts o = { 0 };
	struct zq_error err = { "" };

	ck_assert_msg(!commit_opened(img, &o, &res, &err), "%s: %s", what, err.msg);
	qcow2_close(img);
	*resumed = res.resumed;
}

/* Nothing of its own is left in the overlay, and both are without damage. */
static void expect_committed(struct replay_commit *r, struct memio *over, struct memio *base,
			     const char *what)
{
	struct qcow2_image *img = overlay_open(over, base, false, false);
	uint64_t off = 0, run = 0;
	enum qcow2_own own;

	overlay_expect(img, r->disk, what);
	for (; off < OVERLAY_SIZE; off += run) {
		ck_assert_int_eq(qcow2_own_status(img, off, OVERLAY_SIZE - off, &own, &run), 0);
		ck_assert_msg(own == QCOW2_OWN_NONE, "%s: byte %" PRIu64 " is the overlay's", what,
			      off);
	}
	qcow2_close(img);
	img = overlay_open(base, NULL, true, false);
	ck_assert_msg(qcow2_writable(img), "%s: %s", what, qcow2_readonly_reason(img));
	overlay_expect(img, r->disk, what);
	qcow2_close(img);
	qimage_check_file(over, what);
	ck_assert_uint_eq(qimage_check_file(base, what), 0);
}

static void replay_inner(struct replay_commit *r, const struct crash_disk *left);

static void look_at_pair(void *data, const struct crash_disk *left, size_t at, unsigned variant)
{
	struct replay_commit *r = data;
	struct qcow2_image *img;
	char what[128];
	bool resumed;

	snprintf(what, sizeof(what), "%s, seed %" PRIu64 ", behind entry %zu, variant %u%s",
		 r->shape->name, r->seed, at, variant, r->nested ? ", the second time" : "");
	img = overlay_open(left->image, left->data, false, false);
	overlay_expect(img, r->disk, what);
	qcow2_close(img);
	qimage_check_file(left->data, what);
	look_at_other(r, left->data, what);
	r->states++;
	if (!r->nested && rng_below(&r->rng, 40) == 0)
		replay_inner(r, left);
	if (rng_below(&r->rng, 4))
		return;
	commit_pair(left->image, left->data, what, &resumed);
	r->resumed += resumed;
	expect_committed(r, left->image, left->data, what);
	look_at_other(r, left->data, what);
}

static void replay_pair(struct replay_commit *r, struct crash_disk *d, unsigned variants)
{
	bool resumed;

	crash_record(d);
	commit_pair(d->image, d->data, r->shape->name, &resumed);
	crash_record_end(d);
	crash_each_state(d, variants, draw, look_at_pair, r);
}

/* The power fails again while the commit is taken up. */
static void replay_inner(struct replay_commit *r, const struct crash_disk *left)
{
	struct crash_disk d = { .image = memio_clone(left->image),
				.data = memio_clone(left->data) };

	r->nested = true;
	replay_pair(r, &d, 2);
	r->nested = false;
	r->twice++;
	crash_disk_free(&d);
}

static void work_and_close(const struct replay_commit *r, struct memio *over, struct memio *base,
			   struct overlay_model *m, uint64_t *rng)
{
	struct qcow2_image *img = overlay_open(over, base, true, false);

	overlay_work(r->shape, img, m, rng, 30);
	overlay_expect(img, m, "before the commit");
	qcow2_close(img);
}

static void replay_shape(const struct overlay_shape *s)
{
	struct replay_commit r = { .shape = s,
				   .seed = env_number("ZQ_CRASH_SEED", 1),
				   .variants = (unsigned)env_number("ZQ_CRASH_VARIANTS", 3) };
	struct crash_disk d = { 0 };

	r.rng = (r.seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	r.disk = calloc(1, sizeof(*r.disk));
	r.other_disk = calloc(1, sizeof(*r.other_disk));
	d.data = overlay_make_base(s);
	work_and_close(&r, d.data, NULL, r.disk, &r.rng);
	*r.other_disk = *r.disk;
	r.other = overlay_make(s, d.data);
	d.image = overlay_make(s, d.data);
	work_and_close(&r, d.image, d.data, r.disk, &r.rng);
	replay_pair(&r, &d, r.variants);
	printf("%s: seed %" PRIu64 ": %u states, of %u power failures again; another "
	       "overlay shown %u times, refused %u; resumed %u\n",
	       s->name, r.seed, r.states, r.twice, r.shown, r.refused, r.resumed);
	ck_assert_uint_gt(r.shown, 0);
	ck_assert_uint_gt(r.refused, 0);
	ck_assert_uint_gt(r.resumed, 0);
	crash_disk_free(&d);
	memio_free(r.other);
	free(r.disk);
	free(r.other_disk);
}

struct patience {
	unsigned left;
};

static int lose_patience(void *data, double done)
{
	struct patience *p = data;

	(void)done;
	return p->left ? (int)!--p->left : 0;
}

/* Ended by its caller after so many calls; 0: it came to its end. */
static int commit_for(struct memio *over, struct memio *base, unsigned calls)
{
	struct qcow2_image *img = overlay_open(over, base, true, true);
	struct patience p = { calls };
	struct zq_commit_opts o = { .progress = lose_patience, .data = &p };
	struct zq_commit_result res = { 0 };
	struct zq_error err = { "" };
	int ret = commit_opened(img, &o, &res, &err);

	qcow2_close(img);
	return ret;
}

/* Interrupted at each place, used, and taken up again. */
START_TEST(interrupted)
{
	struct replay_commit r = { .shape = &overlay_shapes[_i], .rng = 5 };
	struct overlay_model *m = calloc(1, sizeof(*m));
	struct memio *base = overlay_make_base(r.shape), *over;
	unsigned calls = 0;

	work_and_close(&r, base, NULL, m, &r.rng);
	over = overlay_make(r.shape, base);
	r.disk = m;
	do {
		struct qcow2_image *img;
		bool resumed;

		work_and_close(&r, over, base, m, &r.rng);
		if (!commit_for(over, base, ++calls))
			break;
		img = overlay_open(base, NULL, true, false);
		ck_assert(!qcow2_writable(img));
		qcow2_close(img);
		work_and_close(&r, over, base, m, &r.rng);
		if (calls % 3)
			continue;
		commit_pair(over, base, "taken up", &resumed);
		ck_assert(resumed);
		expect_committed(&r, over, base, "taken up");
	} while (calls < 40);
	ck_assert_uint_gt(calls, 3);
	memio_free(over);
	memio_free(base);
	free(m);
}
END_TEST

START_TEST(every_prefix)
{
	replay_shape(&overlay_shapes[_i]);
}
END_TEST

int main(void)
{
	struct check_test tests[] = { CHECK_TEST(every_prefix), CHECK_TEST(interrupted) };

	tests[0].loops = tests[1].loops = overlay_nr_shapes;
	return check_main_timeout("offline/commit_overlay replay", tests, ARRAY_SIZE(tests), 240);
}
