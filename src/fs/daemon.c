/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Forking, readiness, pid file; see daemon.h. The fork comes before the image is opened, so that
 * no lock, thread or buffer is copied.
 */
#include "fs/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "util/cleanup.h"

/* What goes through the pipe, once. */
struct verdict {
	int rc;
	struct zq_error err;
};

int daemon_std_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

pid_t daemon_fork(struct daemon *d, int *pipe_fd)
{
	int fd[2];
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC))
		return -errno;
	/* Else both processes would print what is in the buffers of stdio. */
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		pid = -errno;
		close(fd[0]);
		close(fd[1]);
	} else if (pid) {
		close(fd[1]);
		*pipe_fd = fd[0];
	} else {
		close(fd[0]);
		d->report = fd[1];
	}
	return pid;
}

static ssize_t read_all(int fd, void *buf, size_t size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = read(fd, (char *)buf + have, size - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

static void write_all(int fd, const void *buf, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = write(fd, (const char *)buf + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* the parent does not wait any more */
		done += (size_t)n;
	}
}

int daemon_wait(pid_t child, int pipe_fd, struct zq_error *err)
{
	struct verdict v;
	ssize_t n = read_all(pipe_fd, &v, sizeof(v));
	int status = 0;

	close(pipe_fd);
	if (n == (ssize_t)sizeof(v) && !v.rc)
		return 0;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (n == (ssize_t)sizeof(v)) {
		v.err.msg[sizeof(v.err.msg) - 1] = '\0';
		return zq_fail(err, v.rc, "%s", v.err.msg);
	}
	if (WIFSIGNALED(status))
		return zq_fail(err, -EIO,
			       "the process ended by signal %d (%s) before the mount answered",
			       WTERMSIG(status), strsignal(WTERMSIG(status)));
	return zq_fail(err, -EIO, "the process ended before the mount answered");
}

#define PID_BYTES 32

/* Whatever else the file holds is somebody's data, an image for example, and stays. */
static int check_old_pid_file(int fd, const char *path, struct zq_error *err)
{
	char text[PID_BYTES];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st))
		return zq_fail(err, -errno, "%s: cannot read the pid file: %s", path,
			       strerror(errno));
	if (!S_ISREG(st.st_mode))
		return zq_fail(err, -EINVAL, "pid file %s: not a regular file", path);
	n = pread(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	if (st.st_size != n || text[strspn(text, "0123456789\n")] || strlen(text) != (size_t)n)
		return zq_fail(err, -EEXIST, "pid file %s: holds something else than a process id",
			       path);
	return 0;
}

/* The descriptor. *made: there was none. */
static int open_or_make(const char *path, bool *made)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd = open(path, flags | O_CREAT | O_EXCL, 0644);

	*made = fd >= 0;
	return fd < 0 && errno == EEXIST ? open(path, flags | O_CREAT, 0644) : fd;
}

int daemon_open_pid_file(struct daemon *d, const char *path, struct zq_error *err)
{
	char *cwd CLEANUP_FREE = NULL;

	if (!path)
		return 0;
	/* Absolute, since it is removed from another working directory. */
	if (path[0] != '/') {
		cwd = getcwd(NULL, 0);
		if (!cwd || asprintf(&d->pid_file, "%s/%s", cwd, path) < 0)
			d->pid_file = NULL;
	} else {
		d->pid_file = strdup(path);
	}
	if (!d->pid_file)
		return zq_fail(err, -ENOMEM, "%s: cannot find out the absolute path", path);
	d->pid_fd = open_or_make(path, &d->pid_mine);
	if (d->pid_fd < 0)
		return zq_fail(err, -errno, "%s: cannot write the pid file: %s", path,
			       strerror(errno));
	return d->pid_mine ? 0 : check_old_pid_file(d->pid_fd, path, err);
}

/* sd_notify(3)'s protocol: one datagram to the socket that the environment names. */
static void tell_systemd(const struct daemon *d)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t len = path ? strlen(path) : 0;
	int fd CLEANUP_CLOSE = -1;
	char text[64];
	int n;

	if (len < 2 || len >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, len);
	if (to.sun_path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	n = snprintf(text, sizeof(text), "READY=1\nMAINPID=%d\n", (int)getpid());
	if (fd < 0 || sendto(fd, text, (size_t)n, MSG_NOSIGNAL, (const struct sockaddr *)&to,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		fs_log(d->log, LOG_WARNING, "cannot tell systemd: %s", strerror(errno));
}

static void write_pid(struct daemon *d)
{
	char text[PID_BYTES];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (d->pid_fd < 0)
		return;
	d->pid_mine = true;
	if (ftruncate(d->pid_fd, 0) || write(d->pid_fd, text, (size_t)n) != n)
		fs_log(d->log, LOG_WARNING, "%s: cannot write the pid file: %s", d->pid_file,
		       strerror(errno));
	close(d->pid_fd);
	d->pid_fd = -1;
}

static void leave_terminal(struct daemon *d)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	/* The file system in which it was started can be unmounted then. */
	if (chdir("/"))
		fs_log(d->log, LOG_WARNING, "cannot go to /: %s", strerror(errno));
	fs_log_to_syslog(d->log);
	if (fd < 0)
		return;
	for (int to = STDIN_FILENO; to <= STDERR_FILENO; to++)
		dup2(fd, to);
	close(fd);
}

void daemon_ready(struct daemon *d)
{
	struct verdict v = { .rc = 0 };

	write_pid(d);
	tell_systemd(d);
	if (d->ready_fd >= 0) {
		write_all(d->ready_fd, "ready\n", strlen("ready\n"));
		close(d->ready_fd);
		d->ready_fd = -1;
	}
	if (d->report >= 0) {
		leave_terminal(d);
		write_all(d->report, &v, sizeof(v));
		close(d->report);
		d->report = -1;
	}
}

void daemon_failed(struct daemon *d, int rc, const struct zq_error *err)
{
	struct verdict v = { .rc = rc, .err = *err };

	if (d->report < 0)
		return;
	write_all(d->report, &v, sizeof(v));
	close(d->report);
	d->report = -1;
}

void daemon_end(struct daemon *d)
{
	if (d->pid_fd >= 0)
		close(d->pid_fd);
	if (d->pid_file && d->pid_mine)
		unlink(d->pid_file);
	free(d->pid_file);
	d->pid_file = NULL;
	d->pid_fd = -1;
}
