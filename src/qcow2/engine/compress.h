/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compressed clusters: where their bytes are, and reading them through a small cache of
 * decompressed clusters. pack.c writes them. Spec: "Compressed Clusters Descriptor".
 */
#ifndef ZQ_QCOW2_ENGINE_COMPRESS_H
#define ZQ_QCOW2_ENGINE_COMPRESS_H

#include <stddef.h>
#include <stdint.h>

struct qcow2_image;

/* Prepares img->decomp. Costs a few bytes; buffers come with the first compressed cluster. */
int decomp_init(struct qcow2_image *img);
/* Frees it; nobody may be inside decomp_read. Does nothing without a decomp_init. */
void decomp_destroy(struct qcow2_image *img);

/*
 * Reads len guest bytes from byte in_cluster of the compressed cluster desc; the range lies
 * within the cluster. Call it without the image's lock, between image_io_begin and
 * image_io_end. Two callers that want the same cluster decompress it once. -EIO, with a line in the
 * log, where the descriptor or the data is damaged; -ENOMEM.
 */
int decomp_read(struct qcow2_image *img, uint64_t desc, uint64_t in_cluster, void *buf, size_t len);

/*
 * Brings the compressed cluster desc into the cache, if there is room that nobody uses. Says
 * nothing of damage, and remembers none. As for reading: between image_io_begin and image_io_end,
 * and the mapping that led to it was looked up in between too.
 */
void decomp_read_ahead(struct qcow2_image *img, uint64_t desc);
/* How many clusters the cache takes. */
uint64_t decomp_room(const struct qcow2_image *img);

/* Forgets every cluster: host clusters were let go and may be written again. */
void decomp_forget(struct qcow2_image *img);

#endif
