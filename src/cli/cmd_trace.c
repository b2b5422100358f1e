/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs trace": shows a mount's zone operations as they happen, or counts those of a mount or of
 * a file that the mount option trace= has written. Asks the mount again and again for what
 * came since; holds nothing open on it, so that it can be unmounted meanwhile.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/term.h"
#include "cli/trace_summary.h"
#include "util/cleanup.h"
#include "util/errors.h"

#define READ_BYTES   65536
#define PAUSE_MICROS 50000

enum { OPT_SUMMARY = CLI_LONG_ONLY };

/* Where lines go: to the output, or into the counts. */
struct trace_sink {
	bool counts;
	struct trace_summary summary;
};

static int take_line(struct trace_sink *sink, char *line)
{
	if (sink->counts)
		return summary_line(&sink->summary, line) ? cli_error("out of memory") : CLI_DONE;
	puts(line);
	return CLI_DONE;
}

/* ---- a mount ------------------------------------------------------------------------------- */

static int say_cannot_trace(const char *dir, int rc)
{
	if (rc == -EPERM || rc == -EACCES)
		return cli_error("%s: only the user who mounted it, and root, may trace it", dir);
	if (rc == -ENODATA || rc == -EOPNOTSUPP)
		return cli_error("%s: not the mount point of a zqfs mount", dir);
	if (error_is_stale(rc))
		return cli_error("%s: a stale mount, its zqfs is gone; clear it with: zqfs umount "
				 "%s",
				 dir, dir);
	return cli_error("%s: cannot trace: %s", dir, strerror(-rc));
}

/* The lines since the cursor, which moves on. Their number of bytes, or -errno. */
static ssize_t read_trace(const char *dir, char *cursor, size_t cursor_size, char *buf,
			  uint64_t *lost)
{
	char name[64], *end;
	ssize_t n;

	snprintf(name, sizeof(name), "user.zone.trace.%s", cursor);
	n = getxattr(dir, name, buf, READ_BYTES - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	end = strchr(buf, '\n');
	if (!end)
		return -EPROTO;
	snprintf(cursor, cursor_size, "%.*s", (int)strcspn(buf, " "), buf);
	*lost = strtoull(buf + strcspn(buf, " "), NULL, 10);
	n -= end + 1 - buf;
	memmove(buf, end + 1, (size_t)n + 1);
	return n;
}

static int take_trace_lines(struct trace_sink *sink, char *buf)
{
	int ret = CLI_DONE;

	for (char *line = buf, *end; !ret && (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		ret = take_line(sink, line);
	}
	fflush(stdout);
	return ret;
}

/* Until a signal of the set comes, which are blocked, or the mount goes. */
static int follow_mount(const char *dir, struct trace_sink *sink, const sigset_t *set)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MICROS * 1000L }, none = { 0 };
	char cursor[24] = "18446744073709551615";
	char *buf CLEANUP_FREE = malloc(READ_BYTES);
	uint64_t lost = 0, told = 0;
	bool first = true;
	int ret = CLI_DONE;

	if (!buf)
		return cli_error("out of memory");
	while (!ret && !ferror(stdout)) {
		ssize_t n = read_trace(dir, cursor, sizeof(cursor), buf, &lost);

		if (n < 0)
			return first ? say_cannot_trace(dir, (int)n) : CLI_DONE;
		if (lost > told && !first)
			cli_error("some operations were lost, there were too many");
		told = lost;
		first = false;
		ret = take_trace_lines(sink, buf);
		if (sigtimedwait(set, NULL, n > READ_BYTES / 2 ? &none : &pause) > 0)
			break;
	}
	return ret;
}

static int trace_mount(const char *dir, struct trace_sink *sink)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (sink->counts && term_is_fancy(stderr))
		cli_error("%s: counting, until interrupted with Ctrl-C", dir);
	return follow_mount(dir, sink, &set);
}

/* ---- a file -------------------------------------------------------------------------------- */

static int count_file_lines(FILE *f, const char *name, struct trace_sink *sink)
{
	char *line CLEANUP_FREE = NULL;
	size_t size = 0;
	int ret = CLI_DONE;

	while (!ret && getline(&line, &size, f) >= 0)
		ret = take_line(sink, line);
	if (!ret && ferror(f))
		ret = cli_error("%s: %s", name, strerror(errno));
	return ret;
}

static int trace_file(const char *path, struct trace_sink *sink)
{
	FILE *f = strcmp(path, "-") ? fopen(path, "re") : stdin;
	int ret;

	if (!f)
		return cli_error("%s: %s", path, strerror(errno));
	ret = count_file_lines(f, path, sink);
	if (f != stdin)
		fclose(f);
	return ret;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int run_trace(const struct cli_args *args)
{
	struct trace_sink sink = { .counts = cli_given(args, OPT_SUMMARY) };
	const char *what = args->operands[0];
	struct stat st;
	int ret;

	if (stat(what, &st) && error_is_stale(-errno))
		return say_cannot_trace(what, -ENOTCONN);
	if (!stat(what, &st) && S_ISDIR(st.st_mode))
		ret = trace_mount(what, &sink);
	else if (sink.counts)
		ret = trace_file(what, &sink);
	else
		return cli_usage_error(args->cmd,
				       "%s is no mount point; a file's operations are counted with "
				       "--summary",
				       what);
	if (!ret && sink.counts)
		summary_print(&sink.summary, stdout);
	summary_free(&sink.summary);
	return ret;
}

static const struct cli_option trace_options[] = {
	{ OPT_SUMMARY, "summary", NULL, NULL,
	  "count per zone instead; of a mount until interrupted, or of the file of trace=" },
	{ 0 },
};

static const char *const trace_operands[] = { "MOUNTPOINT|FILE", NULL };

const struct cli_command cmd_trace = {
	.name = "trace",
	.summary = "show the zone operations of a mount as they happen",
	.details = "One line of JSON for each read, write, reset and so on, for every change of a "
		   "zone's state, and for every refusal with the offset that would have been "
		   "right. Ends when it is interrupted or the mount goes. The mount option trace= "
		   "writes the same lines to a file, from the first operation on.",
	.operands = trace_operands,
	.min_operands = 1,
	.options = trace_options,
	.run = run_trace,
};
