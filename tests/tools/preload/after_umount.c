/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For LD_PRELOAD: when umount2() has unmounted something, runs the shell command that
 * $ZQFS_AFTER_UMOUNT has, once, before it returns.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/mount.h>

int umount2(const char *target, int flags)
{
	int (*real)(const char *, int) = (int (*)(const char *, int))dlsym(RTLD_NEXT, "umount2");
	int rc = real(target, flags);
	const char *command = getenv("ZQFS_AFTER_UMOUNT");

	if (rc == 0 && command && system(command) != 0)
		abort();
	return rc;
}
