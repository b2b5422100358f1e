/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The forms of a zone report behind one face: table, CSV, JSON.
 */
#ifndef ZQ_CLI_REPORT_OUTPUT_H
#define ZQ_CLI_REPORT_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/table.h"
#include "cli/zones.h"
#include "util/json.h"

enum report_form { FORM_TEXT, FORM_CSV, FORM_JSON };

/* Set form, out and, for text, style; the rest is private. */
struct report_output {
	enum report_form form;
	FILE *out;
	struct table_style style;
	struct table table;
	struct json json;
};

/* output_begin, then either all of the zones or the counts, then output_end. */
void output_begin(struct report_output *o, const struct zone_source *src);
void output_end(struct report_output *o);

/* Before the first row; last is the highest zone that may come. */
void output_zones(struct report_output *o, const struct zone_source *src, uint32_t last);
void output_row(struct report_output *o, const struct zone_row *row);
void output_zones_end(struct report_output *o);

/* The states that are wanted, and their sum. Both arrays hold ZQ_NR_STATES. */
void output_counts(struct report_output *o, const uint32_t *by_state, const bool *wanted);

#endif
