/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The zone report as a table. For a program every column, number and zone is there. For a
 * person the table fits the terminal: columns give way, never a digit; runs of equal empty
 * zones are folded, and a line of totals ends it.
 */
#ifndef ZQ_CLI_TABLE_H
#define ZQ_CLI_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/zones.h"

/* How it is to look. */
struct table_style {
	int columns;   /* of the terminal; 0: no terminal, everything is shown */
	int max_lines; /* of zones; 0: no bound. What does not fit is counted in a line */
	bool human;    /* "1.5 MiB", and how much is written in place of the write pointer */
	bool fold;     /* runs of equal empty zones */
	bool bars, colour;
	bool total;
};

enum table_column {
	COL_NUMBER,
	COL_FILE,
	COL_TYPE,
	COL_STATE,
	COL_START,
	COL_SIZE,
	COL_CAPACITY,
	COL_WP,
	COL_BAR,
	NR_COLUMNS,
};

/* A table being printed: table_begin, table_row for each zone, table_end. */
struct table {
	FILE *out;
	struct table_style style;
	uint32_t nr_conv;
	int width[NR_COLUMNS]; /* 0: not shown */
	int lines, hidden;     /* lines of zones, and those that did not fit */
	struct zone_row last;  /* of a run that is being folded */
	uint32_t run;	       /* its rows so far; 0: none */
	uint32_t by_state[ZQ_NR_STATES];
	uint64_t nr, written, capacity; /* the latter two of sequential zones, in bytes */
};

/* Prints the header for rows of src, of which last is the highest that will come. Files whose
 * names were given (zones_open_files) are as wide as the longest of them. */
void table_begin(struct table *t, FILE *out, const struct table_style *style,
		 const struct zone_source *src, uint32_t last);
void table_row(struct table *t, const struct zone_row *row);
void table_end(struct table *t);

/* "conventional" or "sequential" */
const char *zone_type_name(const struct zq_zone_info *z);
/* Bytes written to a zone; 0 where that is not known. */
uint64_t zone_row_written(const struct zone_row *row);

#endif
