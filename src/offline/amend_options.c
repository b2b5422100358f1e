/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The options of "zqfs amend": names, help and what each sets. Whether the image can have what
 * they ask for is amend.c's business.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <zqfs/amend.h>

#include "offline/option_values.h"
#include "util/math.h"
#include "util/suggest.h"

static const struct zq_create_option options[] = {
	{ "zone.layout",
	  "NAME",
	  "layout of the zoned extension, decides which QEMU opens the image",
	  false,
	  { NULL } },
	{ "zone.wp_order",
	  "big|little",
	  "byte order of the write pointers; little in 56 and 48 only",
	  false,
	  { NULL } },
	{ "zone.max_open_zones", "N", "zones open at once, 0: no limit", false, { NULL } },
	{ "zone.max_active_zones",
	  "N",
	  "zones open or closed at once, 0: no limit",
	  false,
	  { NULL } },
	{ "zone.max_append_bytes",
	  "SIZE",
	  "largest append of a virtual machine; not in layout 44",
	  false,
	  { NULL } },
	{ "compression_type", "zlib|zstd", "method, while nothing is compressed", false, { NULL } },
	{ "lazy_refcounts",
	  "on|off",
	  "allow a virtual machine to postpone refcounts",
	  false,
	  { NULL } },
	{ "backing_file",
	  "FILE",
	  "name of the backing file, nothing is copied; empty: none any more",
	  false,
	  { NULL } },
	{ "backing_fmt", "raw|qcow2", "format of the backing file", false, { NULL } },
	{ NULL, NULL, NULL, false, { NULL } },
};

/* In the order of the table. given: a flag that says so, or the field itself again. */
static const struct {
	size_t field, given;
	option_set_fn set;
} setters[] = {
#define AT(f) offsetof(struct zq_amend_opts, f)
	{ AT(layout), 0, option_set_layout },
	{ AT(wp_little_endian), AT(set_order), option_set_order },
	{ AT(max_open), AT(set_open), option_set_number },
	{ AT(max_active), AT(set_active), option_set_number },
	{ AT(max_append), AT(set_append), option_set_size },
	{ AT(zstd), AT(set_compression), option_set_compression },
	{ AT(lazy_refcounts), AT(set_lazy), option_set_switch },
	{ AT(backing_file), 0, option_set_text },
	{ AT(backing_fmt), 0, option_set_format },
#undef AT
};

_Static_assert(ARRAY_SIZE(options) == ARRAY_SIZE(setters) + 1, "a setter for each option");

const struct zq_create_option *zq_amend_options(void)
{
	return options;
}

int zq_amend_set_sized(struct zq_amend_opts *o, size_t size, const char *name, const char *value,
		       struct zq_error *err)
{
	struct suggest near = { .typed = name };

	if (!o || !name || !value)
		return zq_fail(err, -EINVAL, "an option needs a name and a value");

	for (size_t i = 0; i < ARRAY_SIZE(setters); i++) {
		int ret;

		if (!option_name_is(name, options[i].name)) {
			suggest_offer(&near, options[i].name);
			continue;
		}
		if (setters[i].field >= size)
			return zq_fail(err, -EINVAL, "%s is newer than the program", name);
		ret = setters[i].set((char *)o + setters[i].field, name, value, err);
		if (!ret && setters[i].given)
			*((bool *)((char *)o + setters[i].given)) = true;
		return ret;
	}
	for (const struct zq_create_option *c = zq_create_options(); c->name; c++)
		if (option_name_is(name, c->name))
			return zq_fail(err, -EINVAL, "\"%s\" cannot be changed in an image", name);
	if (near.best)
		return zq_fail(err, -EINVAL, "unknown option \"%s\"; did you mean %s?", name,
			       near.best);
	return zq_fail(err, -EINVAL, "unknown option \"%s\"", name);
}

void zq_amend_opts_free_sized(struct zq_amend_opts *o, size_t size)
{
	(void)size; /* what is owned was there from the beginning */
	if (!o)
		return;
	free(o->backing_file);
	free(o->backing_fmt);
	o->backing_file = o->backing_fmt = NULL;
}
