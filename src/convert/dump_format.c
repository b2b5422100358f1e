/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of a dump's two files.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert/dump_format.h"

static bool ends_with(const char *path, const char *suffix)
{
	size_t len = strlen(path), n = strlen(suffix);

	return len > n && !strcmp(path + len - n, suffix);
}

int dump_paths(const char *path, char **info, char **data)
{
	int prefix = (int)strlen(path);

	*info = *data = NULL;
	if (ends_with(path, DUMP_INFO_SUFFIX))
		prefix -= (int)strlen(DUMP_INFO_SUFFIX);
	else if (ends_with(path, DUMP_DATA_SUFFIX))
		prefix -= (int)strlen(DUMP_DATA_SUFFIX);
	if (asprintf(info, "%.*s%s", prefix, path, DUMP_INFO_SUFFIX) < 0)
		*info = NULL;
	if (asprintf(data, "%.*s%s", prefix, path, DUMP_DATA_SUFFIX) < 0)
		*data = NULL;
	if (*info && *data)
		return 0;
	free(*info);
	free(*data);
	return -ENOMEM;
}
