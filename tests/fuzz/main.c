/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fuzz target without a fuzzer: runs the files and the folders of files that are named, or what
 * comes on standard input. Ends by a signal when one of them breaks a promise, and the last
 * line tells which.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "util/cleanup.h"

#define MAX_FILE ((size_t)16 << 20)

static unsigned run_stream(FILE *f)
{
	uint8_t *buf CLEANUP_FREE = malloc(MAX_FILE);
	uint8_t *exact CLEANUP_FREE = NULL;
	size_t size;

	FUZZ_ASSERT(buf);
	size = fread(buf, 1, MAX_FILE, f);
	/* A buffer of just that size, so that a sanitizer sees what passes its end. */
	exact = malloc(size ? size : 1);
	FUZZ_ASSERT(exact);
	memcpy(exact, buf, size);
	LLVMFuzzerTestOneInput(exact, size);
	return 1;
}

static unsigned run_path(const char *path)
{
	struct stat st;
	unsigned nr = 0;

	if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
		struct dirent **entry;
		int n = scandir(path, &entry, NULL, alphasort);

		for (int i = 0; i < n; i++) {
			char *child CLEANUP_FREE = NULL;

			if (entry[i]->d_name[0] != '.' &&
			    asprintf(&child, "%s/%s", path, entry[i]->d_name) > 0)
				nr += run_path(child);
			free(entry[i]);
		}
		if (n >= 0)
			free(entry);
		return nr;
	}
	FILE *f = fopen(path, "re");

	if (!f) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	if (getenv("FUZZ_VERBOSE"))
		fprintf(stderr, "%s\n", path);
	nr = run_stream(f);
	fclose(f);
	return nr;
}

int main(int argc, char **argv)
{
	unsigned nr = 0;

	for (int i = 1; i < argc; i++)
		nr += run_path(argv[i]);
	if (argc < 2)
		nr = run_stream(stdin);
	printf("%u images\n", nr);
	return 0;
}
