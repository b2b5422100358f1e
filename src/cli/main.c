/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The entry point: decides under which name the program was called, runs the command, and
 * makes sure that output which could not be written is not taken for success.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "util/cleanup.h"

/*
 * mount(8) calls a helper as "mount.zqfs SOURCE DIR [-fnsv] [-N NS] [-t TYPE] [-o OPTIONS]".
 * Only -f (pretend) and -o mean something here; -f must not reach the mount command, where
 * the letter stands for "foreground".
 */
static int mount_helper(int argc, char **argv)
{
	char **kept CLEANUP_FREE = calloc((size_t)argc + 1, sizeof(*kept));
	int n = 0;

	if (!kept)
		return cli_error("out of memory");
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i];

		if (!strcmp(arg, "-o")) {
			kept[n++] = argv[i];
			if (i + 1 < argc)
				kept[n++] = argv[++i];
		} else if (!strcmp(arg, "-N") || !strcmp(arg, "-t")) {
			i++;
		} else if (arg[0] == '-' && arg[1] && strspn(arg + 1, "fnsv") == strlen(arg + 1)) {
			if (strchr(arg, 'f'))
				return CLI_DONE;
		} else {
			kept[n++] = argv[i];
		}
	}
	return commands_mount(n, kept);
}

static bool called_as_helper(const char *argv0)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
	const char *name = slash ? slash + 1 : argv0;

	return name && !strncmp(name, "mount.", strlen("mount."));
}

int main(int argc, char **argv)
{
	int status;

	/* An image that must not grow (ulimit -f) is an error to report, not a way to die. */
	signal(SIGXFSZ, SIG_IGN);
	status = called_as_helper(argc ? argv[0] : NULL) ? mount_helper(argc, argv)
							 : commands_main(argc, argv);
	errno = 0;
	if ((fflush(stdout) || ferror(stdout)) && !status)
		status = cli_error("cannot write the output: %s",
				   errno ? strerror(errno) : "write error");
	return status;
}
