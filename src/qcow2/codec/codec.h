/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two compression methods of qcow2 clusters: raw deflate and zstd. Memory to memory; knows
 * no image. Spec: "Compressed Clusters Descriptor", compression_type.
 */
#ifndef ZQ_QCOW2_CODEC_CODEC_H
#define ZQ_QCOW2_CODEC_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum codec_type { CODEC_ZLIB = 0, CODEC_ZSTD = 1 }; /* as in the header */

/* What unpacking needs; for one thread at a time. -ENOMEM. */
struct codec_unpacker;
int codec_unpacker_new(enum codec_type type, struct codec_unpacker **u);
void codec_unpacker_free(struct codec_unpacker *u); /* NULL is ignored */

/* Unpacks one cluster: out_len bytes from in, which may go on behind the compressed data.
 * False where in does not hold exactly a cluster. *used: bytes of in that it took. Bounded memory
 * whatever in claims. */
bool codec_unpack(struct codec_unpacker *u, uint8_t *out, size_t out_len, uint8_t *in,
		  size_t in_len, size_t *used);

/* What compressing needs; for one thread at a time. */
struct codec_packer;

/* level 0: the method's default; others must be within codec_levels(). -ENOMEM, -EINVAL. */
int codec_packer_new(enum codec_type type, int level, struct codec_packer **p);
void codec_packer_free(struct codec_packer *p); /* NULL is ignored */

/* The lowest and the highest level of a method. */
void codec_levels(enum codec_type type, int *min, int *max);

/* Packs len bytes of in into out, which holds cap bytes. The compressed length, or 0 where it
 * does not fit. */
size_t codec_pack(struct codec_packer *p, const uint8_t *in, size_t len, uint8_t *out, size_t cap);

#endif
