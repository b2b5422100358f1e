/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Deflate through zlib, zstd through libzstd. Packers and unpackers keep their method's
 * tables from one cluster to the next.
 */
#include <errno.h>
#include <stdlib.h>

#include <zlib.h>
#include <zstd.h>

#include "qcow2/codec/codec.h"

#define INFLATE_WINDOW -15 /* raw, the largest there is */
#define DEFLATE_WINDOW -12 /* raw, 4 KiB: what the format says */
#define DEFLATE_MEMORY 9

/* ---- unpacking --------------------------------------------------------------------------- */

struct codec_unpacker {
	enum codec_type type;
	ZSTD_DCtx *zstd;
	z_stream inflate;
};

int codec_unpacker_new(enum codec_type type, struct codec_unpacker **unpacker)
{
	struct codec_unpacker *u = calloc(1, sizeof(*u));
	bool made = false;

	if (!u)
		return -ENOMEM;
	u->type = type;
	if (type == CODEC_ZSTD)
		made = (u->zstd = ZSTD_createDCtx());
	else /* written with a window of 12 bits; the largest window reads those and all others */
		made = inflateInit2(&u->inflate, INFLATE_WINDOW) == Z_OK;
	if (!made) {
		free(u);
		return -ENOMEM;
	}
	*unpacker = u;
	return 0;
}

void codec_unpacker_free(struct codec_unpacker *u)
{
	if (!u)
		return;
	if (u->type == CODEC_ZSTD)
		ZSTD_freeDCtx(u->zstd);
	else
		inflateEnd(&u->inflate);
	free(u);
}

/* Raw deflate. The data may end before the input does, but must give a whole cluster. */
static bool inflate_bytes(z_stream *s, uint8_t *out, size_t out_len, uint8_t *in, size_t in_len,
			  size_t *used)
{
	int ret;

	if (inflateReset(s) != Z_OK)
		return false;
	s->next_in = in;
	s->avail_in = (uInt)in_len;
	s->next_out = out;
	s->avail_out = (uInt)out_len;
	ret = inflate(s, Z_FINISH);
	*used = in_len - s->avail_in;
	return (ret == Z_STREAM_END || ret == Z_BUF_ERROR) && !s->avail_out;
}

/*
 * One or more zstd frames; what follows the last one in its sector is ignored. Each frame goes
 * right to where its bytes belong, so whatever window it claims takes no memory.
 */
static bool unzstd_bytes(ZSTD_DCtx *ctx, uint8_t *out, size_t out_len, const uint8_t *in,
			 size_t in_len, size_t *used)
{
	size_t at = 0, done = 0;

	while (done < out_len) {
		size_t frame = ZSTD_findFrameCompressedSize(in + at, in_len - at), n;

		if (ZSTD_isError(frame))
			break;
		n = ZSTD_decompressDCtx(ctx, out + done, out_len - done, in + at, frame);
		if (ZSTD_isError(n)) /* damaged, or more than a cluster */
			break;
		at += frame;
		done += n;
	}
	*used = at;
	return done == out_len;
}

bool codec_unpack(struct codec_unpacker *u, uint8_t *out, size_t out_len, uint8_t *in,
		  size_t in_len, size_t *used)
{
	return u->type == CODEC_ZSTD ? unzstd_bytes(u->zstd, out, out_len, in, in_len, used)
				     : inflate_bytes(&u->inflate, out, out_len, in, in_len, used);
}

/* ---- packing ----------------------------------------------------------------------------- */

struct codec_packer {
	enum codec_type type;
	ZSTD_CCtx *zstd;
	z_stream deflate;
};

void codec_levels(enum codec_type type, int *min, int *max)
{
	*min = 1;
	*max = type == CODEC_ZSTD ? ZSTD_maxCLevel() : Z_BEST_COMPRESSION;
}

static int set_up_zstd(struct codec_packer *p, int level)
{
	p->zstd = ZSTD_createCCtx();
	if (!p->zstd)
		return -ENOMEM;
	ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel,
			       level ? level : ZSTD_CLEVEL_DEFAULT);
	return 0;
}

static int set_up_deflate(struct codec_packer *p, int level)
{
	int ret = deflateInit2(&p->deflate, level ? level : Z_DEFAULT_COMPRESSION, Z_DEFLATED,
			       DEFLATE_WINDOW, DEFLATE_MEMORY, Z_DEFAULT_STRATEGY);

	return ret == Z_OK ? 0 : -ENOMEM;
}

int codec_packer_new(enum codec_type type, int level, struct codec_packer **packer)
{
	struct codec_packer *p;
	int min, max, ret;

	codec_levels(type, &min, &max);
	if (level && (level < min || level > max))
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->type = type;
	ret = type == CODEC_ZSTD ? set_up_zstd(p, level) : set_up_deflate(p, level);
	if (ret) {
		free(p);
		return ret;
	}
	*packer = p;
	return 0;
}

void codec_packer_free(struct codec_packer *p)
{
	if (!p)
		return;
	if (p->type == CODEC_ZSTD)
		ZSTD_freeCCtx(p->zstd);
	else
		deflateEnd(&p->deflate);
	free(p);
}

static size_t deflate_bytes(struct codec_packer *p, const uint8_t *in, size_t len, uint8_t *out,
			    size_t cap)
{
	z_stream *s = &p->deflate;

	if (deflateReset(s) != Z_OK)
		return 0;
	s->next_in = (uint8_t *)in;
	s->avail_in = (uInt)len;
	s->next_out = out;
	s->avail_out = (uInt)cap;
	return deflate(s, Z_FINISH) == Z_STREAM_END ? cap - s->avail_out : 0;
}

size_t codec_pack(struct codec_packer *p, const uint8_t *in, size_t len, uint8_t *out, size_t cap)
{
	size_t n;

	if (p->type != CODEC_ZSTD)
		return deflate_bytes(p, in, len, out, cap);
	n = ZSTD_compress2(p->zstd, out, cap, in, len);
	return ZSTD_isError(n) ? 0 : n;
}
