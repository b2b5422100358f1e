/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading guest bytes: extents one after the other, each by its kind. Holds no lock while
 * it reads; the host clusters are kept from reuse by image_io_begin/end.
 */
#include <string.h>

#include "io/io.h"
#include "qcow2/engine/ahead.h"
#include "qcow2/engine/backing.h"
#include "qcow2/engine/compress.h"
#include "qcow2/engine/map.h"

#define EXTENTS 16u /* looked up at once */

static int read_extent(struct qcow2_image *img, const struct map_extent *e, uint64_t off, void *buf,
		       size_t len)
{
	switch (e->kind) {
	case MAP_DATA:
		return io_pread(img->data, buf, len, e->host);
	case MAP_COMPRESSED:
		return decomp_read(img, e->host, off & (img->cluster_size - 1), buf, len);
	case MAP_BACKING:
		return backing_read(img->backing, off, buf, len);
	case MAP_ZERO:
		break;
	}
	memset(buf, 0, len);
	return 0;
}

static bool any_compressed(const struct map_extent *ext, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		if (ext[i].kind == MAP_COMPRESSED)
			return true;
	return false;
}

int read_guest(struct qcow2_image *img, uint64_t off, void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len) {
		struct map_extent ext[EXTENTS];
		unsigned nr;
		int rc = map_lookup(img, off, len, ext, EXTENTS, &nr);

		if (rc == 0 && any_compressed(ext, nr))
			ahead_note(img, off, len);
		for (unsigned i = 0; rc == 0 && i < nr; i++) {
			rc = read_extent(img, &ext[i], off, p, (size_t)ext[i].len);
			off += ext[i].len;
			p += ext[i].len;
			len -= (size_t)ext[i].len;
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}
