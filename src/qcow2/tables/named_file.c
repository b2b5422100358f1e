/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/format/format.h"
#include "qcow2/tables/named_file.h"
#include "util/bytes.h"

char *named_beside(const char *image, const char *name)
{
	const char *slash = strrchr(image, '/');
	int dir = slash && *name != '/' ? (int)(slash - image) + 1 : 0;
	char *path;

	return asprintf(&path, "%.*s%s", dir, image, name) < 0 ? NULL : path;
}

int named_backing_path(const char *image, const char *name, char **path, struct zq_error *err)
{
	const char *file = name;
	size_t protocol = strcspn(name, ":/");

	if (name[protocol] == ':') {
		if (protocol != 4 || strncmp(name, "file", 4) != 0)
			return zq_fail(err, -ENOTSUP,
				       "'%s': the protocol '%.*s' is not supported (write ./%s if "
				       "it is a file)",
				       name, (int)protocol, name, name);
		file += 5;
	}
	if (!*file)
		return zq_fail(err, -EINVAL, "'%s': the name is empty", name);
	*path = named_beside(image, file);
	return *path ? 0 : zq_fail(err, -ENOMEM, "out of memory");
}

int named_is_qcow2(struct zq_io *io, const char *format, bool *qcow2, struct zq_error *err)
{
	uint8_t magic[4] = { 0 };
	int ret;

	*qcow2 = format && !strcmp(format, "qcow2");
	if (format && !*qcow2 && strcmp(format, "raw") != 0)
		return zq_fail(err, -ENOTSUP,
			       "%s: format '%s' is not supported, only raw and qcow2 are", io->name,
			       format);
	if (format)
		return 0;
	ret = io_pread(io, magic, sizeof(magic), 0);
	if (ret)
		return zq_fail(err, ret, "%s: %s", io->name, strerror(-ret));
	*qcow2 = get_be32(magic) == QCOW2_MAGIC;
	return 0;
}
