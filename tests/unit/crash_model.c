/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules of what may be found after a power failure. Nothing of the engine is used here
 * but reporting and reading.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash_model.h"
#include "util/bytes.h"
#include "util/math.h"

static void *push(struct crash_list *l, size_t size)
{
	if (l->nr == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 4;
		l->item = realloc(l->item, l->cap * size);
		if (!l->item)
			abort();
	}
	return (char *)l->item + size * l->nr++;
}

static const struct crash_event *event(const struct crash_list *l, size_t i)
{
	return (const struct crash_event *)l->item + i;
}

static const struct crash_version *version(const struct crash_list *l, size_t i)
{
	return (const struct crash_version *)l->item + i;
}

static uint64_t conv_bytes(const struct crash_model *m)
{
	return (uint64_t)m->geo.nr_conv * m->geo.zone_size;
}

struct crash_model *crash_model_new(struct zq_device *dev)
{
	struct crash_model *m = calloc(1, sizeof(*m));
	uint64_t blocks;

	m->geo = *zq_device_geometry(dev);
	blocks = conv_bytes(m) / ZQ_BLOCK;
	m->zone = calloc(m->geo.nr_zones, sizeof(*m->zone));
	m->block = calloc(blocks + 1, sizeof(*m->block));
	m->initial = calloc(1, conv_bytes(m) + 1);
	m->next_version = 1;
	m->seq = 1;
	if (zq_read_conv(dev, 0, m->initial, conv_bytes(m)) != (ssize_t)conv_bytes(m))
		abort();
	for (uint32_t z = 0; z < m->geo.nr_zones; z++)
		*(struct crash_event *)push(&m->zone[z], sizeof(struct crash_event)) =
			(struct crash_event){ 0 };
	for (uint64_t b = 0; b < blocks; b++)
		*(struct crash_version *)push(&m->block[b], sizeof(struct crash_version)) =
			(struct crash_version){ 0 };
	return m;
}

void crash_model_free(struct crash_model *m)
{
	for (uint32_t z = 0; z < m->geo.nr_zones; z++)
		free(m->zone[z].item);
	for (uint64_t b = 0; b < conv_bytes(m) / ZQ_BLOCK; b++)
		free(m->block[b].item);
	free(m->zone);
	free(m->block);
	free(m->syncs.item);
	free(m->initial);
	free(m);
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= UINT64_C(0x7fb5d329728ea185);
	x ^= x >> 27;
	x *= UINT64_C(0x81dadef4bc2dd44d);
	return x ^ x >> 33;
}

void crash_fill(uint32_t zone, uint32_t gen, uint64_t off, uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint64_t word = mix(((uint64_t)zone << 52) ^ ((uint64_t)gen << 32) ^ (off + i) / 8);

		/* never 0, so that padding and holes cannot pass for data */
		buf[i] = (uint8_t)(word >> (off + i) % 8 * 8) | 1;
	}
}

const struct crash_event *crash_now(const struct crash_model *m, uint32_t zone)
{
	return event(&m->zone[zone], m->zone[zone].nr - 1);
}

static void add_event(struct crash_model *m, uint32_t zone, struct crash_event e)
{
	*(struct crash_event *)push(&m->zone[zone], sizeof(e)) = e;
}

void crash_append(struct crash_model *m, uint32_t zone, uint64_t end, size_t at)
{
	struct crash_event e = *crash_now(m, zone);

	e.at = at;
	e.seq = m->seq++;
	e.end = end;
	add_event(m, zone, e);
}

void crash_reset(struct crash_model *m, uint32_t zone, size_t at)
{
	add_event(m, zone,
		  (struct crash_event){
			  .at = at, .seq = m->seq++, .gen = crash_now(m, zone)->gen + 1 });
}

void crash_finish(struct crash_model *m, uint32_t zone, size_t at)
{
	struct crash_event e = *crash_now(m, zone);

	e.at = at;
	e.seq = m->seq++;
	e.finished = true;
	add_event(m, zone, e);
}

static void block_content(const struct crash_model *m, uint64_t block, struct crash_version v,
			  uint8_t *buf)
{
	if (v.zero)
		memset(buf, 0, ZQ_BLOCK);
	else if (v.version)
		crash_fill(UINT16_MAX, v.version, block * ZQ_BLOCK, buf, ZQ_BLOCK);
	else
		memcpy(buf, m->initial + block * ZQ_BLOCK, ZQ_BLOCK);
}

void crash_conv(struct crash_model *m, uint64_t off, uint8_t *buf, size_t len, size_t at)
{
	struct crash_version v = {
		.at = at, .seq = m->seq++, .version = m->next_version++, .zero = !buf
	};

	for (size_t i = 0; i < len; i += ZQ_BLOCK) {
		*(struct crash_version *)push(&m->block[(off + i) / ZQ_BLOCK], sizeof(v)) = v;
		if (buf)
			block_content(m, (off + i) / ZQ_BLOCK, v, buf + i);
	}
}

size_t crash_sync_begins(const struct crash_model *m)
{
	return m->seq;
}

void crash_synced(struct crash_model *m, size_t seq, size_t at)
{
	*(size_t *)push(&m->syncs, sizeof(size_t)) = seq;
	*(size_t *)push(&m->syncs, sizeof(size_t)) = at;
}

/* ---- verifying ------------------------------------------------------------------------------ */

static char sentence[256];

/* Operations with a smaller number were acknowledged when the log had "at" entries. */
static size_t acknowledged(const struct crash_model *m, size_t at)
{
	const size_t *s = m->syncs.item;
	size_t found = 0;

	for (size_t i = 0; i + 1 < m->syncs.nr && s[i + 1] <= at; i += 2)
		found = s[i];
	return found;
}

/* Is data what the zone had in this event, len bytes of it? */
static bool content_matches(uint32_t zone, const struct crash_event *e, const uint8_t *data,
			    uint64_t len, uint64_t *exact)
{
	uint8_t *want = malloc(len + 1);
	uint64_t same = 0;
	bool ok = true;

	crash_fill(zone, e->gen, 0, want, len);
	while (same < len && data[same] == want[same])
		same++;
	*exact = same;
	/* behind the last byte of the stream there is nothing but padding */
	for (uint64_t i = same; i < len && ok; i++)
		ok = !data[i];
	free(want);
	return ok && same <= e->end;
}

/* Could this be the zone after event e, or on the way there from the event before? */
static bool event_fits(uint32_t zone, const struct crash_event *e, const struct zq_zone_info *zi,
		       const uint8_t *data, uint64_t least)
{
	uint64_t exact;

	if (!content_matches(zone, e, data, zi->written, &exact) || exact < least)
		return false;
	if (zi->state == ZQ_FULL && e->finished)
		return exact == e->end;
	/* not finished: whole blocks up to the pointer, and only the last one is padded */
	return zi->written <= align_up(e->end, ZQ_BLOCK) && zi->written - exact < ZQ_BLOCK;
}

static const char *verify_zone(struct crash_model *m, struct zq_device *dev, uint32_t zone,
			       size_t at, uint8_t *data)
{
	const struct crash_list *l = &m->zone[zone];
	size_t acked = acknowledged(m, at), low = 0;
	struct zq_zone_info zi;

	if (zq_report(dev, zone, 1, &zi) < 0)
		return "cannot be reported";
	if (zi.written && zq_read(dev, zone, 0, data, zi.written) != (ssize_t)zi.written)
		return "cannot be read";
	for (size_t i = 0; i < l->nr && event(l, i)->seq < acked; i++)
		low = i;
	for (size_t i = low; i < l->nr && (i == 0 || event(l, i)->at <= at); i++) {
		const struct crash_event *e = event(l, i);
		bool same_gen = e->gen == event(l, low)->gen;

		/* what was finished and acknowledged stays so until a reset */
		if (same_gen && event(l, low)->finished && zi.state != ZQ_FULL)
			continue;
		if (event_fits(zone, e, &zi, data, same_gen ? event(l, low)->end : 0))
			return NULL;
	}
	snprintf(sentence, sizeof(sentence),
		 "zone %u (%s, %" PRIu64 " bytes) is in no state it may be in: acknowledged gen %u "
		 "with %" PRIu64 " bytes%s",
		 zone, zq_state_name(zi.state), zi.written, event(l, low)->gen, event(l, low)->end,
		 event(l, low)->finished ? ", finished" : "");
	return sentence;
}

static const char *verify_block(const struct crash_model *m, uint64_t block, size_t at,
				const uint8_t *data)
{
	const struct crash_list *l = &m->block[block];
	size_t acked = acknowledged(m, at), low = 0;
	uint8_t want[ZQ_BLOCK];

	for (size_t i = 0; i < l->nr && version(l, i)->seq < acked; i++)
		low = i;
	for (size_t i = low; i < l->nr && (i == 0 || version(l, i)->at <= at); i++) {
		block_content(m, block, *version(l, i), want);
		if (!memcmp(want, data, ZQ_BLOCK))
			return NULL;
	}
	snprintf(sentence, sizeof(sentence),
		 "conventional block %" PRIu64
		 " holds nothing that was written there since version "
		 "%u was acknowledged",
		 block, version(l, low)->version);
	return sentence;
}

const char *crash_verify(struct crash_model *m, struct zq_device *dev, size_t at)
{
	uint64_t conv = conv_bytes(m);
	uint8_t *data = malloc(max_u64(conv, m->geo.zone_size) + 1);
	const char *bad = NULL;

	if (conv && zq_read_conv(dev, 0, data, conv) != (ssize_t)conv)
		bad = "conventional zones cannot be read";
	for (uint64_t b = 0; b < conv / ZQ_BLOCK && !bad; b++)
		bad = verify_block(m, b, at, data + b * ZQ_BLOCK);
	for (uint32_t z = m->geo.nr_conv; z < m->geo.nr_zones && !bad; z++)
		bad = verify_zone(m, dev, z, at, data);
	free(data);
	return bad;
}
