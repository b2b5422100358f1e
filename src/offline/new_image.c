/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of a new image. A file that is there already is touched in the last step only,
 * and not while somebody uses it.
 */
#include <errno.h>
#include <string.h>

#include "qcow2/tables/named_file.h"
#include "offline/create_params.h"
#include "offline/create_backing.h"
#include "offline/new_image.h"
#include "offline/overlay.h"
#include "util/cleanup.h"

/* Two names for one file, of which the second would be lost in the first. */
static int check_distinct(const struct new_image *n, struct zq_error *err)
{
	const struct new_file *image = &n->image, *data = &n->data;
	bool same = !strcmp(image->path, data->path);

	if (image->old && data->old)
		same = image->old_st.st_dev == data->old_st.st_dev &&
		       image->old_st.st_ino == data->old_st.st_ino;
	return same ? zq_fail(err, -EINVAL, "data_file %s is the image itself", data->path) : 0;
}

static int check_backing(const char *path, const struct zq_create_opts *o, const struct new_file *f,
			 struct zq_error *err)
{
	int ret;

	if (!o->backing_file)
		return 0;
	ret = create_check_backing(path, o->backing_file, o->backing_fmt,
				   f->old ? &f->old_st : NULL, err);
	if (ret)
		zq_error_prefix(err, "backing file");
	return ret;
}

static int begin_data(struct new_image *n, const char *path, const struct zq_create_opts *o,
		      struct qcow2_create_params *p, struct zq_error *err)
{
	char *data_path CLEANUP_FREE = named_beside(path, o->data_file);
	int ret;

	if (!data_path)
		return zq_fail(err, -ENOMEM, "out of memory");
	ret = new_file_begin(&n->data, data_path, o->force, "the data file", err);
	if (ret)
		return ret;
	n->has_data = true;
	p->data_io = n->data.io;
	ret = check_distinct(n, err);
	return ret ? ret : check_backing(path, o, &n->data, err);
}

static int begin_image(struct new_image *n, const char *path, const struct zq_create_opts *o,
		       const struct overlay_base *base, struct zq_error *err)
{
	struct qcow2_create_params p;
	int ret = create_make_params(o, &p, err);

	if (!ret)
		ret = overlay_check_layout(base, p.layout, err);

	if (ret) {
		zq_error_prefix(err, path);
		return ret;
	}
	p.written = base->written;
	p.base_id = base->id;
	ret = new_file_begin(&n->image, path, o->force, "the image", err);
	if (ret)
		return ret;
	ret = check_backing(path, o, &n->image, err);
	if (!ret && o->data_file)
		ret = begin_data(n, path, o, &p, err);
	if (!ret)
		ret = qcow2_create(n->image.io, &p, err);
	if (ret)
		zq_error_prefix(err, path);
	return ret;
}

int new_image_begin(struct new_image *n, const char *path, const struct zq_create_opts *o,
		    struct zq_error *err)
{
	struct zq_create_opts full = *o; /* borrows the strings */
	struct overlay_base base;
	int ret;

	*n = (struct new_image){ .image.fd = -1, .data.fd = -1 };
	ret = overlay_take_base(path, &full, &base, err);
	if (ret) {
		zq_error_prefix(err, path);
		return ret;
	}
	ret = begin_image(n, path, &full, &base, err);
	overlay_base_free(&base);
	if (ret)
		new_image_end(n);
	return ret;
}

/* The image last, which is worth nothing without the data file. */
int new_image_publish(struct new_image *n, struct zq_error *err)
{
	int ret = 0;

	if (n->has_data) {
		ret = new_file_publish(&n->data, err);
		if (ret)
			zq_error_prefix(err, n->data.path);
	}
	if (!ret) {
		ret = new_file_publish(&n->image, err);
		if (ret && n->has_data)
			new_file_retract(&n->data);
	}
	if (ret)
		zq_error_prefix(err, n->image.path);
	return ret;
}

void new_image_end(struct new_image *n)
{
	if (n->has_data)
		new_file_end(&n->data);
	new_file_end(&n->image);
}
