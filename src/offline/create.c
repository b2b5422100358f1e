/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zq_create: from a person's options to an image under its name. The options are judged in
 * create_params.c; the files are in new_image.c, the bytes in qcow2/create.
 */
#include <errno.h>

#include <zqfs/create.h>

#include "offline/new_image.h"
#include "util/sized.h"

int zq_create_sized(const char *path, const struct zq_create_opts *opts, size_t size,
		    struct zq_error *err)
{
	struct zq_create_opts o;
	struct new_image n;
	int ret = sized_take(&o, sizeof(o), opts, size, err);

	if (!ret && !path)
		ret = zq_fail(err, -EINVAL, "no path");
	if (!ret && o.data_io)
		ret = zq_fail(err, -EINVAL, "%s: data_io is for images in an io", path);
	if (!ret)
		ret = new_image_begin(&n, path, &o, err);
	if (ret)
		return ret;
	ret = new_image_publish(&n, err);
	new_image_end(&n);
	return ret;
}
