/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The version of the library, which may be another one than that of the headers which a program
 * was built with.
 */
#include <zqfs/version.h>

int zq_version(void)
{
	return ZQFS_VERSION_NUM;
}

const char *zq_version_text(void)
{
	return ZQFS_VERSION;
}
