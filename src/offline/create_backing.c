/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks at a backing chain before an image is put on top of it: a name that leads nowhere, a
 * file that is being written or the image itself is found out now and not at the first mount.
 * Holds one file of the chain open at a time; writes nothing.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zqfs/io.h>

#include "io/io.h"
#include "qcow2/format/format.h"
#include "qcow2/format/header.h"
#include "qcow2/tables/header_read.h"
#include "qcow2/tables/named_file.h"
#include "util/cleanup.h"
#include "offline/create_backing.h"

struct link {
	char *name;   /* relative to the file above; owned */
	char *format; /* NULL: whatever the file's first bytes say; owned */
};

static void link_free(struct link *l)
{
	free(l->name);
	free(l->format);
	*l = (struct link){ NULL, NULL };
}

/* What is below an open file of the chain; *next has no name at its end. */
static int look_into(struct zq_io *io, const char *format, struct link *next, struct zq_error *err)
{
	struct qcow2_header h;
	bool qcow2;
	int ret = io_claim(io, ZQ_LOCK_READ, NULL, err);

	if (ret)
		return ret;
	ret = named_is_qcow2(io, format, &qcow2, err);
	if (ret || !qcow2)
		return ret;
	ret = qcow2_header_read(io, HEADER_ANY, &h, err);
	if (ret)
		return ret;
	*next = (struct link){ steal_ptr(&h.backing_file), steal_ptr(&h.backing_format) };
	qcow2_header_free(&h);
	return 0;
}

static int check_not_replaced(const char *path, const struct stat *replaced, struct zq_error *err)
{
	struct stat st;

	if (replaced && stat(path, &st) == 0 && st.st_dev == replaced->st_dev &&
	    st.st_ino == replaced->st_ino)
		return zq_fail(err, -ELOOP, "%s: is the file that would be replaced", path);
	return 0;
}

/* Goes from the file "above" to the one it names; *at becomes that one's path. */
static int step(const char *above, struct link *link, const struct stat *replaced, char **at,
		struct zq_error *err)
{
	struct link next = { NULL, NULL };
	struct zq_io *io;
	int ret = named_backing_path(above, link->name, at, err);

	if (ret)
		return ret;
	ret = check_not_replaced(*at, replaced, err);
	if (!ret)
		ret = zq_io_open(*at, false, &io, err);
	if (ret)
		return ret;
	ret = look_into(io, link->format, &next, err);
	io->ops->close(io);
	link_free(link);
	*link = next;
	return ret;
}

int create_check_backing(const char *path, const char *name, const char *format,
			 const struct stat *replaced, struct zq_error *err)
{
	struct link link = { strdup(name), strdup(format) };
	char *above = strdup(path);
	int ret = 0;

	if (!above || !link.name || !link.format)
		ret = zq_fail(err, -ENOMEM, "out of memory");
	for (unsigned depth = 0; !ret && above && link.name; depth++) {
		char *at = NULL;

		if (depth < QCOW2_MAX_CHAIN)
			ret = step(above, &link, replaced, &at, err);
		else
			ret = zq_fail(err, -ELOOP, "the chain is deeper than %u files, or a loop",
				      QCOW2_MAX_CHAIN);
		free(above);
		above = at;
	}
	link_free(&link);
	free(above);
	return ret;
}
