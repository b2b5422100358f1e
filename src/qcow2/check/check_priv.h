/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of check and repair share. The parts of a repair are in repair.h.
 *
 * From the top down; none calls one above itself.
 *   check.c           the order of things
 *   repair.c          refcounts: new blocks, up, down; the header's feature bits
 *   repair_unmap.c    entries that lead to metadata
 *   repair_split.c    guest clusters that share a host cluster
 *   repair_plan.c     where new blocks and a larger table go
 *   check_roots.c     what the header names, and what that leads to
 *   check_tables.c    snapshot table, bitmap directory
 *   check_map.c       L1 and L2 tables, COPIED flags
 *   check_refs.c      references against refcounts
 *   check_blocks.c    write pointers within a block, where QEMU refuses them
 *   check_wp.c        write pointers against the header and the mapping
 *   check_counts.c    how many references each cluster has, as far as any has one
 *   check_findings.c  findings, reading and writing
 *
 * One thread, no locks.
 */
#ifndef ZQ_QCOW2_CHECK_CHECK_PRIV_H
#define ZQ_QCOW2_CHECK_CHECK_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qcow2/check/check.h"
#include "qcow2/format/format.h"
#include "qcow2/format/refbits.h"
#include "util/hash.h"

/* What a cluster is used for: bits, so that a double use shows. */
enum {
	USE_DATA = 1,
	USE_COMPRESSED = 2,
	USE_L2 = 4,
	USE_META = 8,	   /* header, L1, snapshots, bitmaps, refcount blocks, pointers */
	USE_REFTABLE = 16, /* can be moved by repair */
	USE_KINDS = 31,
	USE_MOVABLE = 32,   /* a double use that ends when that is moved has been reported */
	USE_ON_DISK_1 = 64, /* its refcount on disk is 1 */
	USE_CONFLICT = 128, /* a double use has been reported */
	USE_ACTIVE = 256,   /* an entry of the active mapping leads to it */
	USE_ACTIVE_TWICE = 512,
	USE_KEPT = 1024, /* repair leaves it to one of these */
};

#define CHUNK_CLUSTERS 64u

/* Neighbouring clusters of which at least one is referenced. */
struct count_chunk {
	struct hash_node node; /* key: first cluster / CHUNK_CLUSTERS */
	uint32_t count[CHUNK_CLUSTERS];
	uint16_t use[CHUNK_CLUSTERS];
};

struct counts {
	struct hash chunks;
	struct count_chunk *last; /* found last: neighbours follow each other */
};

/* An L2 table; met once, however many L1 tables refer to it. */
struct l2_table {
	struct hash_node node; /* key: offset in the file */
	uint32_t weight;       /* references from L1 tables; each of its entries counts as often */
	bool active;	       /* the active L1 table is among them */
	bool visited;
};

/* A write pointer that repair writes. */
struct wp_fix {
	uint32_t zone;
	uint64_t word;
};

/* A pointer within a block, and the entry of the active mapping that leads to its cluster; zeros
 * where there is none. */
struct wp_tail {
	uint32_t zone;
	uint64_t wp, word, bitmap;
};

/* Walks the zones along with the active mapping, which comes in ascending order. */
struct wp_walk {
	uint32_t zone;		    /* the next one to be judged */
	uint64_t below, beyond;	    /* its clusters that are mapped below and beyond the pointer */
	uint64_t end;		    /* guest offset behind its last mapped cluster */
	bool little;		    /* byte order of the table */
	uint64_t ignored_bits;	    /* words with bits that are neither flag nor pointer */
	uint8_t *buf;		    /* a piece of the table */
	uint32_t buf_first, buf_nr; /* zones in it */
	struct wp_tail tail;	    /* of the zone in question */
	struct wp_fix *fix;
	size_t nr_fix, cap_fix;
	struct wp_tail *within; /* pointers that the layout's QEMU refuses */
	size_t nr_within, cap_within;
};

struct check {
	struct zq_io *io;
	struct zq_io *data; /* the external data file, or NULL: it cannot be written to */
	const struct qcow2_header *hdr;
	const struct zq_check_opts *opts;
	struct zq_check_result *res;
	int error;	 /* what ended the check early: -ENOMEM, a failed write */
	bool damaged;	 /* some references could not be followed: counts are lower bounds */
	bool unreadable; /* the host failed to read a table: references are missing */
	bool conflict;	 /* a cluster that cannot be moved is used twice */
	bool refs_only;	 /* repair refcounts and flags, not pointers */
	bool renewed;	 /* the identity is another one already */
	uint64_t claim, claim_len; /* bytes that count as metadata; nothing leads to them yet */

	uint64_t file_size, file_clusters;
	unsigned cluster_bits;
	uint64_t cluster_size;
	unsigned l2_entry_size;
	uint64_t l2_entries;
	bool ext_l2, data_file;

	uint64_t *l1;	    /* host order; hdr->l1_size words */
	uint64_t *reftable; /* host order */
	uint64_t reftable_nr;
	uint8_t *block_ok;	     /* one per entry: the refcount block can be used */
	bool table_bad;		     /* the refcount table shares a cluster with something else */
	uint64_t end_cluster;	     /* behind the last one that is counted or referenced */
	bool need_raise, need_lower; /* what comparing found */
	bool shared;		     /* some cluster has USE_ACTIVE_TWICE */
	bool split;		     /* repair has given copies to those who shared */

	uint64_t *unmap; /* offsets in the file of entries that repair takes out */
	size_t nr_unmap, cap_unmap;
	struct counts counts;
	struct hash l2; /* of struct l2_table */
	struct wp_walk wp;
	uint8_t *buf; /* one cluster */
};

/* ---- check_findings.c ---- */

/* Counts a finding of nr clusters or things, and hands on the line. */
void check_found(struct check *c, enum zq_finding_kind kind, uint64_t nr, bool fixed,
		 const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Something that refers to clusters is damaged: a corruption that repair leaves alone. */
#define check_damage(c, ...)                                                                       \
	do {                                                                                       \
		(c)->damaged = true;                                                               \
		check_found(c, ZQ_FOUND_CORRUPTION, 1, false, __VA_ARGS__);                        \
	} while (0)
/* Reads, or reports damage ("WHAT at OFFSET cannot be read") and gives false. */
bool check_read(struct check *c, void *buf, size_t len, uint64_t off, const char *what);
/* Writes what repair changes; false, with c->error set, when it fails or has failed before. */
bool check_write(struct check *c, const void *buf, size_t len, uint64_t off);
bool check_flush(struct check *c);
/* Once, before the first write that changes what the disk shows. */
void check_renew_identity(struct check *c);
void check_progress(struct check *c, double done);
static inline bool check_repairs(const struct check *c)
{
	return c->opts->repair == ZQ_REPAIR_ALL;
}
/* Leaks may be given back: asked for, and it is known who refers to what. */
static inline bool check_lowers(const struct check *c)
{
	return c->opts->repair != ZQ_REPAIR_NONE && !c->damaged;
}

/* ---- check_roots.c ---- */

/* Reads the tables that the header names. -ENOMEM, -EFBIG. */
int check_begin(struct check *c);
void check_end(struct check *c);
/* Everything that the header leads to. Refcount blocks come last, see check_refblocks. */
void check_roots(struct check *c);
void check_note_features(struct check *c);

/* ---- check_counts.c ---- */

void counts_free(struct counts *n);
/* Counts weight references to each cluster of [off, off + len), which lies within the file.
 * False, with a finding, when one of them is in use for something else that has to stay there. */
bool check_count(struct check *c, uint64_t off, uint64_t len, unsigned use, uint32_t weight);
/* The chunk of a cluster, or NULL where nothing is referenced; created with make. */
struct count_chunk *counts_chunk(struct check *c, uint64_t cluster, bool make);
uint32_t counts_get(struct check *c, uint64_t cluster, unsigned *use);
/* All chunks in ascending order; the caller frees the array. NULL and c->error: no memory. */
struct count_chunk **counts_sorted(struct check *c, size_t *nr);

/* ---- check_map.c ---- */

/* Judges an L1 entry and remembers the table it points to. */
void check_l1_entry(struct check *c, uint64_t index, uint64_t word, bool active);
/* Walks every L2 table: entries, references, zones. */
void check_mapping(struct check *c);
/* COPIED flags of the active mapping against the counts; repairs them. */
void check_copied(struct check *c);

/* ---- check_tables.c ---- */

void check_snapshots(struct check *c);
void check_bitmaps(struct check *c);

/* ---- check_refs.c ---- */

/* Clusters that one refcount block counts. */
uint64_t check_block_entries(const struct check *c);
/* Which refcount blocks can be used; counts them. After all other references. */
void check_refblocks(struct check *c);
/* Reports where refcounts and references differ. */
void check_compare(struct check *c);

/* ---- check_wp.c ---- */

void check_wp_begin(struct check *c);
/* A cluster of the active mapping, with its entry, has data (host) or reads as zeros. */
void check_wp_mapped(struct check *c, uint64_t guest, bool host, uint64_t word, uint64_t bitmap);
void check_wp_end(struct check *c);
/* Repair sets a sequential zone's pointer. */
void check_wp_set(struct check *c, uint32_t zone, uint64_t wp);
void check_wp_repair(struct check *c);
void check_wp_free(struct check *c);

/* ---- check_blocks.c ---- */

/* Judges pointers within a block, once all references have been counted; repair pads and flushes
 * the data, and leaves the pointers to check_wp_repair. */
void check_blocks(struct check *c);

#endif
