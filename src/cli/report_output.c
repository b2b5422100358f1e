/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CSV and JSON of a zone report, and which form gets a row; the table is table.c. Errors of
 * the stream stay in the stream.
 */
#include "cli/report_output.h"

#include <inttypes.h>
#include <string.h>

#include "cli/images.h"

/* ---- rows ---------------------------------------------------------------------------------- */

/* A file name in CSV: quoted where it must be, quotes doubled. */
static void csv_text(FILE *out, const char *s)
{
	if (!strpbrk(s, ",\"\r\n")) {
		fputs(s, out);
		return;
	}
	putc('"', out);
	for (; *s; s++) {
		if (*s == '"')
			putc('"', out);
		putc(*s, out);
	}
	putc('"', out);
}

static void csv_row(FILE *out, const struct zone_row *row)
{
	const struct zq_zone_info *z = &row->info;

	fprintf(out, "%u,%s,%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",", z->number, zone_type_name(z),
		zq_state_name(z->state), z->start, z->len, z->capacity);
	if (row->has_wp)
		fprintf(out, "%" PRIu64, z->wp);
	putc(',', out);
	csv_text(out, zone_row_file(row));
	putc('\n', out);
}

static void json_row(struct json *j, const struct zone_row *row)
{
	const struct zq_zone_info *z = &row->info;

	json_object_line(j, NULL);
	json_number(j, "number", z->number);
	json_string(j, "type", zone_type_name(z));
	json_string(j, "state", zq_state_name(z->state));
	json_number(j, "start", z->start);
	json_number(j, "size", z->len);
	json_number(j, "capacity", z->capacity);
	if (row->has_wp)
		json_number(j, "wp", z->wp);
	else
		json_null(j, "wp");
	json_string(j, "file", zone_row_file(row));
	json_end_object(j);
}

void output_row(struct report_output *o, const struct zone_row *row)
{
	switch (o->form) {
	case FORM_TEXT:
		table_row(&o->table, row);
		break;
	case FORM_CSV:
		csv_row(o->out, row);
		break;
	case FORM_JSON:
		json_row(&o->json, row);
		break;
	}
}

/* ---- counts -------------------------------------------------------------------------------- */

void output_counts(struct report_output *o, const uint32_t *by_state, const bool *wanted)
{
	uint64_t total = 0;

	if (o->form == FORM_CSV)
		fputs("state,zones\n", o->out);
	if (o->form == FORM_JSON)
		json_object(&o->json, "counts");
	for (int s = 0; s < ZQ_NR_STATES; s++) {
		const char *name = zq_state_name((enum zq_zone_state)s);

		if (!wanted[s])
			continue;
		total += by_state[s];
		if (o->form == FORM_JSON)
			json_number(&o->json, name, by_state[s]);
		else
			fprintf(o->out, o->form == FORM_CSV ? "%s,%u\n" : "%-13s %u\n", name,
				by_state[s]);
	}
	if (o->form == FORM_JSON) {
		json_end_object(&o->json);
		json_number(&o->json, "total", total);
	} else if (o->form == FORM_TEXT) {
		fprintf(o->out, "%-13s %" PRIu64 "\n", "total", total);
	}
}

/* ---- the whole ----------------------------------------------------------------------------- */

static void json_head(struct json *j, const struct zone_source *src)
{
	json_object(j, NULL);
	json_string(j, "image", src->image);
	json_string(j, "mountpoint", src->mountpoint);
	if (src->has_geo)
		images_json_geometry(j, &src->geo);
	else
		json_null(j, "geometry");
}

void output_begin(struct report_output *o, const struct zone_source *src)
{
	if (o->form != FORM_JSON)
		return;
	o->json = (struct json){ .out = o->out };
	json_head(&o->json, src);
}

void output_end(struct report_output *o)
{
	if (o->form == FORM_JSON)
		json_end_object(&o->json);
}

void output_zones(struct report_output *o, const struct zone_source *src, uint32_t last)
{
	if (o->form == FORM_TEXT)
		table_begin(&o->table, o->out, &o->style, src, last);
	else if (o->form == FORM_CSV)
		fputs("number,type,state,start,size,capacity,wp,file\n", o->out);
	else
		json_array(&o->json, "zones");
}

void output_zones_end(struct report_output *o)
{
	if (o->form == FORM_TEXT)
		table_end(&o->table);
	if (o->form == FORM_JSON)
		json_end_array(&o->json);
}
