/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puts a zoned disk into an archive: copies it into a new image, makes that as small as it can
 * be, compares it with the disk, and tells where its bytes are. Builds with
 *
 *     cc archive.c $(pkg-config --cflags --libs libzqfs) -o archive
 *
 * and runs as: archive DISK IMAGE. The disk may be an image too, a dump of libzbd, a folder with a
 * file for each zone, a raw file with a zone report beside it, or a zoned block device.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <zqfs/compact.h>
#include <zqfs/convert.h>
#include <zqfs/geometry.h>
#include <zqfs/map.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* Called now and then; what is not 0 ends the work and leaves no half of it. */
static int show_progress(void *step, double done)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%s: %3.0f %%", (const char *)step, done * 100);
	return interrupted;
}

static void tell_note(void *step, const char *line)
{
	fprintf(stderr, "archive: %s: %s\n", (const char *)step, line);
}

static void tell_difference(void *data, const struct zq_difference *d)
{
	char label[ZQ_ZONE_LABEL_MAX];

	(void)data;
	if (d->zone == UINT32_MAX)
		fprintf(stderr, "archive: %s: %s, %s\n", d->what, d->a, d->b);
	else
		fprintf(stderr, "archive: %s: %s: %s, %s\n",
			zq_zone_label(d->nr_conv, d->zone, label), d->what, d->a, d->b);
}

struct sums {
	uint64_t plain, compressed, zero; /* bytes of the disk */
};

static int sum_piece(void *data, const struct zq_map_piece *piece)
{
	struct sums *sums = data;

	if (!piece->data)
		sums->zero += piece->length;
	else if (piece->compressed)
		sums->compressed += piece->length;
	else
		sums->plain += piece->length;
	return 0;
}

/* 0: the image is the same disk; 1: it differs, and how has been told; or a negative errno. */
static int archive_disk(const char *disk, const char *image, struct zq_error *err)
{
	char copying[] = "copying", compacting[] = "compacting", comparing[] = "comparing";
	struct zq_convert_opts convert = { .progress = show_progress,
					   .note = tell_note,
					   .data = copying };
	struct zq_compact_opts compact = { .progress = show_progress, .data = compacting };
	struct zq_convert_opts compare = { .progress = show_progress, .data = comparing };
	struct zq_compact_result res = { 0 };
	int ret;

	ret = zq_convert(disk, image, &convert, err);
	if (!ret)
		ret = zq_compact(image, &compact, &res, err);
	if (!ret)
		ret = zq_compare(disk, &compare, image, NULL, false, tell_difference, NULL, err);
	if (isatty(STDERR_FILENO))
		fputc('\n', stderr);
	if (!ret)
		printf("%" PRIu64 " full zones, %" PRIu64 " bytes became %" PRIu64 "\n",
		       res.full_zones, res.size_before, res.size_after);
	return ret;
}

int main(int argc, char **argv)
{
	struct zq_error err = { "" };
	struct sums sums = { 0 };
	int ret;

	if (argc != 3) {
		fprintf(stderr, "usage: archive DISK IMAGE\n");
		return 2;
	}
	signal(SIGINT, on_interrupt);
	ret = archive_disk(argv[1], argv[2], &err);
	if (!ret)
		ret = zq_map(argv[2], NULL, sum_piece, &sums, &err);
	if (ret) {
		if (ret < 0)
			fprintf(stderr, "archive: %s\n", *err.msg ? err.msg : strerror(-ret));
		return 1;
	}
	printf("%" PRIu64 " bytes of data, %" PRIu64 " compressed, %" PRIu64 " zeros\n", sums.plain,
	       sums.compressed, sums.zero);
	return 0;
}
