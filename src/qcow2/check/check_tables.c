/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Check of the snapshot table and the bitmap directory, which refer to clusters beside the
 * active mapping. Walks them entry by entry with reads of its own; never writes.
 * Spec: "Snapshots", "Bitmaps".
 */
#include <inttypes.h>

#include "qcow2/check/check_priv.h"
#include "qcow2/tables/snapshot.h"
#include "util/bytes.h"
#include "util/math.h"

#define PIECE		 512u		     /* words of a table that are read at once */
#define MAX_BITMAP_TABLE UINT64_C(0x8000000) /* entries, as in QEMU */

/* Calls each() with every word of a table of big-endian words that lies within the file. */
static void each_word(struct check *c, uint64_t off, uint64_t nr, const char *what,
		      void (*each)(struct check *c, uint64_t index, uint64_t word))
{
	uint8_t buf[PIECE * 8];

	for (uint64_t i = 0; i < nr && !c->error; i += PIECE) {
		uint64_t n = min_u64(PIECE, nr - i);

		if (!check_read(c, buf, (size_t)n * 8, off + i * 8, what))
			return;
		for (uint64_t k = 0; k < n; k++)
			each(c, i + k, get_be64(buf + k * 8));
	}
}

static bool table_inside(const struct check *c, uint64_t off, uint64_t bytes)
{
	return off && is_aligned(off, c->cluster_size) &&
	       range_within(off, bytes, align_up(c->file_size, c->cluster_size));
}

static void snapshot_l1(struct check *c, uint64_t index, uint64_t word)
{
	check_l1_entry(c, index, word, false);
}

/* One snapshot: 40 bytes, extra data, id and name, together a multiple of 8. */
static bool check_snapshot(struct check *c, uint32_t nr, uint64_t *at)
{
	struct snapshot_fixed f;
	uint64_t l1_bytes;
	uint8_t e[SNAPSHOT_FIXED];

	if (!range_within(*at, sizeof(e), c->file_size)) {
		check_damage(c,
			     "snapshot %" PRIu32 " at 0x%" PRIx64 " is behind the end of the file",
			     nr, *at);
		return false;
	}
	if (!check_read(c, e, sizeof(e), *at, "snapshot table"))
		return false;
	snapshot_parse(e, &f);
	if (!range_within(*at, f.len, align_up(c->file_size, c->cluster_size))) {
		check_damage(
			c, "snapshot %" PRIu32 " at 0x%" PRIx64 " ends behind the end of the file",
			nr, *at);
		return false;
	}
	*at += f.len;
	l1_bytes = (uint64_t)f.l1_size * 8;
	if (!f.l1_size)
		return true;
	if (l1_bytes > QCOW2_MAX_L1_BYTES || !table_inside(c, f.l1_offset, l1_bytes)) {
		check_damage(c,
			     "snapshot %" PRIu32 ": L1 table 0x%" PRIx64 " of %" PRIu32
			     " entries is not aligned or not within the file",
			     nr, f.l1_offset, f.l1_size);
		return true;
	}
	/* A table that overlaps another would be walked as often as somebody likes. */
	if (check_count(c, f.l1_offset, l1_bytes, USE_META, 1))
		each_word(c, f.l1_offset, f.l1_size, "snapshot's L1 table", snapshot_l1);
	return true;
}

void check_snapshots(struct check *c)
{
	uint64_t at = c->hdr->snapshots_offset;

	if (!c->hdr->nb_snapshots)
		return;
	if (!is_aligned(at, c->cluster_size)) {
		check_damage(c, "snapshot table 0x%" PRIx64 " is not cluster aligned", at);
		return;
	}
	for (uint32_t i = 0; i < c->hdr->nb_snapshots && !c->error; i++)
		if (!check_snapshot(c, i, &at))
			break;
	if (at > c->hdr->snapshots_offset)
		check_count(c, c->hdr->snapshots_offset, at - c->hdr->snapshots_offset, USE_META,
			    1);
}

static void bitmap_entry(struct check *c, uint64_t index, uint64_t word)
{
	uint64_t off = word & QCOW2_OFFSET_MASK;

	if (!off)
		return;
	if ((word & UINT64_C(0xff000000000001ff)) || !table_inside(c, off, c->cluster_size))
		check_damage(c, "bitmap table entry %" PRIu64 " is 0x%016" PRIx64 ": damaged",
			     index, word);
	else
		check_count(c, off, c->cluster_size, USE_META, 1);
}

static bool check_bitmap(struct check *c, uint32_t nr, uint64_t *at, uint64_t end)
{
	uint64_t table, bytes, next;
	uint8_t e[24];

	if (!range_within(*at, sizeof(e), end)) {
		check_damage(
			c, "bitmap %" PRIu32 " at 0x%" PRIx64 " is behind the end of its directory",
			nr, *at);
		return false;
	}
	if (!check_read(c, e, sizeof(e), *at, "bitmap directory"))
		return false;
	next = *at + sizeof(e) + get_be16(e + 18);
	next = align_up(next + get_be32(e + 20), 8);
	table = get_be64(e);
	bytes = (uint64_t)get_be32(e + 8) * 8;
	if (next > end) {
		check_damage(c, "bitmap %" PRIu32 " at 0x%" PRIx64 " ends behind its directory", nr,
			     *at);
		return false;
	}
	*at = next;
	if (!bytes)
		return true;
	if (bytes / 8 > MAX_BITMAP_TABLE || !table_inside(c, table, bytes))
		check_damage(c,
			     "bitmap %" PRIu32 ": table 0x%" PRIx64 "+0x%" PRIx64
			     " is not aligned or not within the file",
			     nr, table, bytes);
	else if (check_count(c, table, bytes, USE_META, 1))
		each_word(c, table, bytes / 8, "bitmap table", bitmap_entry);
	return true;
}

/*
 * Bitmaps count only while their autoclear bit is set: a program that does not maintain
 * them, as zqfs, clears it, and from then on their clusters are leaks.
 */
void check_bitmaps(struct check *c)
{
	uint64_t at = c->hdr->bitmap_dir_offset, size = c->hdr->bitmap_dir_size, end;

	if (!c->hdr->nb_bitmaps || !(c->hdr->autoclear & QCOW2_AUTOCLEAR_BITMAPS))
		return;
	if (!table_inside(c, at, size) || !add_u64(at, size, &end)) {
		check_damage(c,
			     "bitmap directory 0x%" PRIx64 "+0x%" PRIx64
			     " is not aligned or not within the file",
			     at, size);
		return;
	}
	if (!check_count(c, at, size, USE_META, 1))
		return;
	for (uint32_t i = 0; i < c->hdr->nb_bitmaps && !c->error; i++)
		if (!check_bitmap(c, i, &at, end))
			break;
}
