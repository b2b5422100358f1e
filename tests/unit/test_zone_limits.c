/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zone/: open and active limits, the implicit close of what was written longest ago, explicit
 * opens, counters. src/DESIGN section 5.
 */
#include <errno.h>

#include "check_main.h"
#include "zonedev.h"

#define CAP 49152

static struct zonedev z;

static void zone_limits_setup(uint32_t max_open, uint32_t max_active)
{
	zonedev_init(&z);
	z.p.geo.max_open = max_open;
	z.p.geo.max_active = max_active;
	zonedev_create(&z);
}

static void zone_limits_finish(void)
{
	zonedev_check_counts(&z);
	zonedev_reopen(&z);
	zonedev_check_counts(&z);
	zonedev_free(&z);
}

/* Zones 2 to 7: I implicit, X explicit, C closed, E empty, F full. */
static void expect_states(const char *states)
{
	static const char letters[ZQ_NR_STATES] = { 'N', 'E', 'I', 'X', 'C', 'F', 'R', 'O' };

	for (uint32_t i = 0; i < 6; i++) {
		enum zq_zone_state s = zonedev_state(&z, i + 2);

		ck_assert_msg(letters[s] == states[i], "zone %u is %s, states should be %s", i + 2,
			      zq_state_name(s), states);
	}
	zonedev_check_counts(&z);
}

static ssize_t zone_limits_put(uint32_t zone)
{
	return zonedev_append(&z, zone, 'a', 512);
}

START_TEST(the_longest_unwritten_zone_is_closed)
{
	zone_limits_setup(3, 0);
	zone_limits_put(2);
	zone_limits_put(3);
	zone_limits_put(4);
	expect_states("IIIEEE");
	zone_limits_put(2); /* 3 is the oldest now */
	zone_limits_put(5);
	expect_states("ICIIEE");
	zone_limits_put(3);
	expect_states("IICIEE");
	/* a write that is refused makes no zone young */
	ck_assert_int_eq(zq_append(z.dev, 2, NULL, 5120, "x", 1, 0, NULL), -EINVAL);
	zone_limits_put(6);
	expect_states("CICIIE");
	zone_limits_finish();
}
END_TEST

START_TEST(explicit_zones_stay_open)
{
	zone_limits_setup(2, 0);
	ck_assert_int_eq(zq_zone_open(z.dev, 2), 0);
	zone_limits_put(3);
	zone_limits_put(4);
	expect_states("XCIEEE");
	ck_assert_int_eq(zq_zone_open(z.dev, 5), 0); /* closes 4 */
	expect_states("XCCXEE");
	ck_assert_int_eq(zone_limits_put(3), -EBUSY);
	ck_assert_int_eq(zone_limits_put(6), -EBUSY);
	ck_assert_int_eq(zq_zone_open(z.dev, 4), -EBUSY);
	ck_assert_int_eq(zq_zone_finish(z.dev, 4), -EBUSY);
	ck_assert_int_eq(zq_zone_finish(z.dev, 6), -EBUSY);
	expect_states("XCCXEE");
	/* what is open may be written, opened again, closed: empty when nothing was written */
	ck_assert_int_eq(zone_limits_put(2), 512);
	ck_assert_int_eq(zq_zone_open(z.dev, 2), 0);
	ck_assert_int_eq(zq_zone_close(z.dev, 2), 0);
	ck_assert_int_eq(zq_zone_close(z.dev, 5), 0);
	expect_states("CCCEEE");
	ck_assert_int_eq(zone_limits_put(3), 512);
	/* conversion of an implicitly open one takes no slot */
	ck_assert_int_eq(zq_zone_open(z.dev, 4), 0);
	ck_assert_int_eq(zq_zone_open(z.dev, 3), 0);
	expect_states("CXXEEE");
	zone_limits_finish();
}
END_TEST

START_TEST(active_slots_run_out)
{
	zone_limits_setup(2, 3);
	zone_limits_put(2);
	zone_limits_put(3);
	zone_limits_put(4); /* 2 is closed but stays active */
	expect_states("CIIEEE");
	ck_assert_int_eq(zone_limits_put(5), -EBUSY);
	ck_assert_int_eq(zq_zone_open(z.dev, 5), -EBUSY);
	ck_assert_int_eq(zq_zone_finish(z.dev, 5), -EBUSY);
	expect_states("CIIEEE"); /* a refusal closes nothing */
	/* each way out of the active states frees a slot: reset, finish, fill */
	ck_assert_int_eq(zq_zone_reset(z.dev, 2), 0);
	ck_assert_int_eq(zone_limits_put(5), 512);
	ck_assert_int_eq(zone_limits_put(6), -EBUSY);
	expect_states("ECIIEE");
	ck_assert_int_eq(zq_zone_finish(z.dev, 3), 0); /* from closed: needs to be open, 4 closes */
	expect_states("EFCIEE");
	ck_assert_int_eq(zone_limits_put(6), 512);
	ck_assert_int_eq(zone_limits_put(7), -EBUSY);
	ck_assert_int_eq(zonedev_append(&z, 6, 'f', CAP), CAP - 512);
	expect_states("EFCIFE");
	ck_assert_int_eq(zonedev_append(&z, 7, 'f', CAP), CAP); /* an empty one in one write */
	expect_states("EFCIFF");
	zone_limits_finish();
}
END_TEST

START_TEST(an_image_may_exceed_its_limit)
{
	uint64_t size = 64 << 10;

	zone_limits_setup(1, 2);
	zone_limits_put(2);
	for (uint32_t i = 3; i < 6; i++) {
		zonedev_poke_wp(&z, i, i * size + 512);
		zonedev_reopen(&z);
	}
	/* four closed zones with two active slots: they count, nothing new becomes active */
	for (uint32_t i = 2; i < 6; i++)
		ck_assert_uint_eq(zonedev_state(&z, i), ZQ_CLOSED);
	ck_assert_int_eq(zone_limits_put(6), -EBUSY);
	ck_assert_int_eq(zone_limits_put(3), 512);
	ck_assert_int_eq(zq_zone_reset(z.dev, 3), 0);
	ck_assert_int_eq(zq_zone_reset(z.dev, 4), 0);
	ck_assert_int_eq(zone_limits_put(6), -EBUSY);
	ck_assert_int_eq(zq_zone_reset(z.dev, 5), 0);
	ck_assert_int_eq(zone_limits_put(6), 512);
	zone_limits_finish();
}
END_TEST

START_TEST(impossible_transitions)
{
	zone_limits_setup(0, 0);
	for (uint32_t i = 0; i < 2; i++) {
		ck_assert_int_eq(zq_zone_open(z.dev, i), -EINVAL);
		ck_assert_int_eq(zq_zone_close(z.dev, i), -EINVAL);
		ck_assert_int_eq(zq_zone_finish(z.dev, i), -EINVAL);
		ck_assert_int_eq(zq_zone_reset(z.dev, i), -EINVAL);
	}
	ck_assert_int_eq(zq_zone_open(z.dev, 8), -EINVAL);
	ck_assert_int_eq(zq_zone_reset(z.dev, UINT32_MAX), -EINVAL);
	ck_assert_int_eq(zq_zone_finish(z.dev, 2), 0);
	ck_assert_int_eq(zq_zone_open(z.dev, 2), -EINVAL);
	ck_assert_int_eq(zq_zone_close(z.dev, 2), 0);
	ck_assert_int_eq(zq_zone_finish(z.dev, 2), 0);
	expect_states("FEEEEE");
	zone_limits_finish();
}
END_TEST

START_TEST(states_set_by_hand)
{
	char c;

	zone_limits_setup(0, 0);
	zone_limits_put(2);
	zone_limits_put(3);
	ck_assert_int_eq(zq_zone_set_state(z.dev, 2, ZQ_EMPTY), -EINVAL);
	ck_assert_int_eq(zq_zone_set_state(z.dev, 2, ZQ_READ_ONLY), 0);
	ck_assert_int_eq(zq_zone_set_state(z.dev, 3, ZQ_OFFLINE), 0);
	expect_states("ROEEEE");
	ck_assert_int_eq(zone_limits_put(2), -EPERM);
	ck_assert_int_eq(zq_zone_reset(z.dev, 2), -EPERM);
	ck_assert_int_eq(zq_zone_finish(z.dev, 2), -EPERM);
	ck_assert_int_eq(zq_zone_open(z.dev, 2), -EPERM);
	zonedev_expect(&z, 2, 0, 512, 'a');
	ck_assert_int_eq(zq_read(z.dev, 3, 0, &c, 1), -EPERM);
	ck_assert_uint_eq(zonedev_written(&z, 3), 0);
	ck_assert_int_eq(zq_zone_set_state(z.dev, 3, ZQ_READ_ONLY), -EINVAL);
	/* conventional ones too */
	ck_assert_int_eq(zq_zone_set_state(z.dev, 1, ZQ_READ_ONLY), 0);
	ck_assert_int_eq(zq_write(z.dev, 65535, "xy", 2, 0), -EPERM);
	ck_assert_int_eq(zq_write(z.dev, 65534, "xy", 2, 0), 2);
	ck_assert_int_eq(zq_read_conv(z.dev, 65536, &c, 1), 1);
	ck_assert_int_eq(zq_zone_set_state(z.dev, 1, ZQ_OFFLINE), 0);
	ck_assert_int_eq(zq_read_conv(z.dev, 65536, &c, 1), -EPERM);
	zonedev_check_counts(&z);
	/* nothing of it is in the image */
	zonedev_reopen(&z);
	expect_states("CCEEEE");
	ck_assert_uint_eq(zonedev_state(&z, 1), ZQ_NOT_WP);
	zone_limits_finish();
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(the_longest_unwritten_zone_is_closed),
		CHECK_TEST(explicit_zones_stay_open),
		CHECK_TEST(active_slots_run_out),
		CHECK_TEST(an_image_may_exceed_its_limit),
		CHECK_TEST(impossible_transitions),
		CHECK_TEST(states_set_by_hand),
	};

	return check_main("zone/limits", tests, ARRAY_SIZE(tests));
}
