/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mount options: each kind of value, what is refused, what is ignored, what libfuse gets.
 */
#include "check_main.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The file system is no part of the library, and these files of it need no FUSE. */
#include "fs/option_value.c" // NOLINT(bugprone-suspicious-include)
#include "fs/options.c"	     // NOLINT(bugprone-suspicious-include)

static struct fs_config cfg;
static struct zq_error error;

static int mount_options_parse(const char *text)
{
	const char *const texts[] = { text, NULL };

	fs_config_free(&cfg);
	error.msg[0] = '\0';
	return fs_config_parse(&cfg, texts, &error);
}

static void mount_options_refused(const char *text, const char *part)
{
	ck_assert_msg(mount_options_parse(text) == -EINVAL, "'%s' was taken", text);
	ck_assert_msg(strstr(error.msg, part) != NULL, "'%s' does not say '%s'", error.msg, part);
}

START_TEST(defaults)
{
	ck_assert_int_eq(fs_config_parse(&cfg, NULL, &error), 0);
	ck_assert_uint_eq(cfg.uid, getuid());
	ck_assert_uint_eq(cfg.gid, getgid());
	ck_assert_uint_eq(cfg.perm, 0640);
	ck_assert_uint_eq(cfg.on_error, FS_ERRORS_REMOUNT_RO);
	ck_assert_uint_eq(cfg.layout, FS_LAYOUT_ZONEFS);
	ck_assert_uint_eq(cfg.uring, FS_URING_DEFAULT);
	ck_assert(!cfg.ro && !cfg.rw && !cfg.strict && !cfg.sync && !cfg.explicit_open);
	ck_assert_ptr_null(cfg.fuse);
	ck_assert_ptr_null(cfg.data_file);
}
END_TEST

START_TEST(every_kind)
{
	ck_assert_int_eq(
		mount_options_parse(
			"ro,uid=7,gid=8,perm=0604,explicit-open,aggr_cnv,errors=zone-offline,"
			"strict,sync,commit=9,cache=3M,layout=zloop,data_file=/a b,force_share,"
			"max_threads=3,clone_fd"),
		0);
	ck_assert_uint_eq(cfg.uid, 7);
	ck_assert_uint_eq(cfg.gid, 8);
	ck_assert_uint_eq(cfg.perm, 0604);
	ck_assert(cfg.ro && cfg.explicit_open && cfg.aggr_cnv && cfg.strict && cfg.sync);
	ck_assert(cfg.force_share && cfg.clone_fd);
	ck_assert_uint_eq(cfg.on_error, FS_ERRORS_ZONE_OFFLINE);
	ck_assert_uint_eq(cfg.layout, FS_LAYOUT_ZLOOP);
	ck_assert_uint_eq(cfg.commit, 9);
	ck_assert_uint_eq(cfg.cache, 3u << 20);
	ck_assert_uint_eq(cfg.max_threads, 3);
	ck_assert_str_eq(cfg.data_file, "/a b");
	ck_assert_ptr_null(cfg.fuse);
	fs_config_free(&cfg);
}
END_TEST

START_TEST(bad_values)
{
	mount_options_refused("uid=x", "uid=x");
	mount_options_refused("uid=-1", "uid=-1");
	mount_options_refused("gid=4294967295", "4294967294");
	mount_options_refused("perm=888", "octal");
	mount_options_refused("perm=1777", "0777");
	mount_options_refused("perm=", "octal");
	mount_options_refused("perm=77777777777", "octal");
	mount_options_refused("errors=panic", "remount-ro|zone-ro|zone-offline|repair");
	mount_options_refused("errors=zone", "remount-ro");
	mount_options_refused("errors=", "remount-ro");
	mount_options_refused("layout=flat", "zonefs|zloop");
	mount_options_refused("commit=0", "from 1");
	mount_options_refused("commit=86401", "to 86400");
	mount_options_refused("cache=lots", "size");
	mount_options_refused("strict=1", "takes no value");
	mount_options_refused("uid", "needs a value");
	mount_options_refused("data_file=", "needs a value");
	mount_options_refused("max_threads=0", "from 1");
	mount_options_refused("io_uring", "could hang");
	mount_options_refused("ro,io_uring_q_depth=4", "could hang");
	mount_options_refused("force_share", "with ro");
	mount_options_refused("strict,perm=9", "perm=9");
}
END_TEST

START_TEST(last_of_ro_and_rw)
{
	ck_assert_int_eq(mount_options_parse("ro,rw"), 0);
	ck_assert(cfg.rw && !cfg.ro);
	ck_assert_int_eq(mount_options_parse("rw,ro"), 0);
	ck_assert(cfg.ro && !cfg.rw);
}
END_TEST

START_TEST(what_fstab_has)
{
	ck_assert_int_eq(
		mount_options_parse(
			"defaults,nofail,noauto,auto,_netdev,user,users,user=joe,x-systemd.x=1,"
			"X-mount.mkdir,comment=hi,owner,group,,"),
		0);
	ck_assert_ptr_null(cfg.fuse);
	ck_assert_ptr_null(cfg.unknown);
	/* "rw" in fstab asks for it as on the command line. */
	ck_assert_int_eq(mount_options_parse("rw,noexec,nosuid"), 0);
	ck_assert(cfg.rw);
	ck_assert_str_eq(cfg.fuse, "noexec,nosuid");
	ck_assert_ptr_null(cfg.unknown);
	fs_config_free(&cfg);
}
END_TEST

START_TEST(handed_to_libfuse)
{
	ck_assert_int_eq(mount_options_parse("fsname=a\\,b,quick_start"), 0);
	ck_assert_str_eq(cfg.fuse, "fsname=a\\,b,quick_start");
	ck_assert(cfg.fsname);
	ck_assert_str_eq(cfg.unknown, "quick_start");
	ck_assert_ptr_null(cfg.near);
	ck_assert_int_eq(mount_options_parse("explict-open"), 0);
	ck_assert_str_eq(cfg.unknown, "explict-open");
	ck_assert_str_eq(cfg.near, "explicit-open");
	fs_config_free(&cfg);
}
END_TEST

START_TEST(commas_in_values)
{
	ck_assert_int_eq(mount_options_parse("data_file=/a\\,b\\\\c,strict"), 0);
	ck_assert_str_eq(cfg.data_file, "/a,b\\c");
	ck_assert(cfg.strict);
	fs_config_free(&cfg);
}
END_TEST

START_TEST(several_texts)
{
	const char *const texts[] = { "uid=1,strict", "uid=2", NULL };

	ck_assert_int_eq(fs_config_parse(&cfg, texts, &error), 0);
	ck_assert_uint_eq(cfg.uid, 2);
	ck_assert(cfg.strict);
}
END_TEST

START_TEST(allow_other_checks_modes)
{
	ck_assert_int_eq(mount_options_parse("allow_other"), 0);
	ck_assert(cfg.allow_other && cfg.default_permissions);
}
END_TEST

START_TEST(every_option_has_help_and_fitting_rule)
{
	const struct fs_option *o;

	for (size_t i = 0; (o = fs_option(i)); i++) {
		enum option_kind kind = table[i].rule.kind;

		ck_assert_msg(o->help && *o->help, "%s", o->name);
		/* a flag has no value, all else has */
		ck_assert_msg(kind == TO_FUSE || (kind == FLAG) == !o->value, "%s", o->name);
	}
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(defaults),
		CHECK_TEST(every_kind),
		CHECK_TEST(bad_values),
		CHECK_TEST(last_of_ro_and_rw),
		CHECK_TEST(what_fstab_has),
		CHECK_TEST(handed_to_libfuse),
		CHECK_TEST(commas_in_values),
		CHECK_TEST(several_texts),
		CHECK_TEST(allow_other_checks_modes),
		CHECK_TEST(every_option_has_help_and_fitting_rule),
	};

	return check_main("fs/options", tests, ARRAY_SIZE(tests));
}
