/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts of a trace: for each zone how often it was written, read and reset, how many bytes
 * and how long it took.
 */
#ifndef ZQ_CLI_TRACE_SUMMARY_H
#define ZQ_CLI_TRACE_SUMMARY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <zqfs/geometry.h>

struct trace_counts {
	char file[ZQ_ZONE_NAME_MAX]; /* "" : nothing seen of this zone */
	uint64_t writes, written;    /* the latter two of each pair in bytes */
	uint64_t reads, read;
	uint64_t resets, finishes, refused;
	double write_us; /* of all writes together */
};

struct trace_summary {
	struct trace_counts *zones; /* by number; owned */
	size_t nr;
	uint64_t lines, strange, lost; /* strange: of no trace */
	uint64_t syncs;
	double sync_us;
	uint64_t implicit_opens, implicit_closes;
};

/* One line of a trace, which it may change. -ENOMEM. */
int summary_line(struct trace_summary *s, char *line);
/* The table; with bars where the terminal can show them. */
void summary_print(const struct trace_summary *s, FILE *out);
void summary_free(struct trace_summary *s);

#endif
