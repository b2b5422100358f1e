/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a serving process gives up; see harden.h. This runs once, after the kernel's greeting
 * and before the first other request. It takes no lock and keeps no memory.
 *
 * The filter is a list of system calls in BPF. It is written by hand and not with libseccomp,
 * because it is one table and three checks of arguments. A call that is not on the list fails
 * with EPERM; it does not kill the process. A future C library may try a new call and fall back
 * to an old one, and a process with data that is not yet on disk must not die of that.
 */
#include "fs/harden.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/math.h"
#include "util/size.h"

/* ---- descriptors ----------------------------------------------------------------------------- */

void harden_note_fds(struct harden_fds *f, int keep)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	uint64_t n;

	*f = (struct harden_fds){ NULL, 0 };
	while (dir && (e = readdir(dir))) {
		int *more, fd;

		if (number_parse(e->d_name, INT32_MAX, &n))
			continue;
		fd = (int)n;
		if (fd <= STDERR_FILENO || fd == keep || fd == dirfd(dir))
			continue;
		more = realloc(f->fd, (f->nr + 1) * sizeof(*more));
		if (!more)
			break;
		f->fd = more;
		f->fd[f->nr++] = fd;
	}
	if (dir)
		closedir(dir);
}

void harden_close_fds(struct harden_fds *f, int keep)
{
	for (unsigned i = 0; i < f->nr; i++)
		if (f->fd[i] != keep)
			close(f->fd[i]);
	harden_forget_fds(f);
}

void harden_forget_fds(struct harden_fds *f)
{
	free(f->fd);
	*f = (struct harden_fds){ NULL, 0 };
}

int harden_privileges(void)
{
	if (geteuid())
		return 0;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
}

/* ---- unmounting ------------------------------------------------------------------------------ */

int harden_start_unmounter(struct harden_unmounter *u, const char *mountpoint, bool when_we_die)
{
	/* When we end without a word, it reads the end of its input. $2 says what to do then. */
	static const char script[] = "read -r word || word=$2\n"
				     "[ \"$word\" = unmount ] || exit 0\n"
				     "exec fusermount3 -u -q -z -- \"$1\"";
	const char *argv[] = { "sh", "-c",	 script,
			       "sh", mountpoint, when_we_die ? "unmount" : "leave",
			       NULL };
	posix_spawn_file_actions_t actions;
	int fd[2], ret;

	if (pipe2(fd, O_CLOEXEC))
		return -errno;
	/* The signals that end a mount are blocked in this process. The child inherits that. */
	ret = posix_spawn_file_actions_init(&actions);
	if (!ret) {
		ret = posix_spawn_file_actions_adddup2(&actions, fd[0], STDIN_FILENO);
		for (int out = STDOUT_FILENO; !ret && out <= STDERR_FILENO; out++)
			ret = posix_spawn_file_actions_addopen(&actions, out, "/dev/null", O_WRONLY,
							       0);
		if (!ret)
			ret = posix_spawn(&u->pid, "/bin/sh", &actions, NULL, (char **)argv,
					  environ);
		posix_spawn_file_actions_destroy(&actions);
	}
	close(fd[0]);
	u->fd = fd[1];
	if (ret) {
		close(fd[1]);
		u->pid = 0;
	}
	return -ret;
}

void harden_end_unmounter(struct harden_unmounter *u, bool unmount)
{
	if (!u->pid)
		return;
	/* The child may be gone. Then nothing can be done. */
	if (dprintf(u->fd, unmount ? "unmount\n" : "leave\n") < 0)
		errno = 0;
	close(u->fd);
	while (waitpid(u->pid, NULL, 0) < 0 && errno == EINTR)
		;
	u->pid = 0;
}

/* ---- the filter ------------------------------------------------------------------------------ */

/* The machines that the filter knows. Its checks of arguments need little-endian ones. */
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#elif defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define THIS_ARCH AUDIT_ARCH_RISCV64
#endif

int harden_supported(struct zq_error *err)
{
#ifdef THIS_ARCH
	uint32_t action = SECCOMP_RET_ERRNO;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action))
		return zq_fail(err, -ENOTSUP, "option seccomp: the kernel has no such filters");
	return 0;
#else
	return zq_fail(err, -ENOTSUP, "option seccomp: not known on this kind of machine");
#endif
}

#ifdef THIS_ARCH

/* Allowed with any arguments. */
static const int allowed[] = {
	/* requests, the image and its data file, the log */
	SYS_read,
	SYS_write,
	SYS_readv,
	SYS_writev,
	SYS_pread64,
	SYS_pwrite64,
	SYS_preadv,
	SYS_pwritev,
	SYS_fdatasync,
	SYS_fsync,
	SYS_sync_file_range,
	SYS_fadvise64,
	SYS_fallocate,
	SYS_ftruncate,
	SYS_lseek,
	SYS_fstat,
	SYS_getgroups,
	SYS_newfstatat,
	SYS_statx,
	SYS_fcntl,
	SYS_ioctl,
	SYS_close,
	SYS_splice,
	SYS_vmsplice,
	SYS_tee,
	SYS_pipe2,
	SYS_ppoll,
	SYS_close_range,
	SYS_dup3,
	SYS_syncfs,
	SYS_sendto,
	SYS_sendmsg,
	SYS_connect,
	SYS_umount2,
	SYS_wait4,
	/* memory */
	SYS_munmap,
	SYS_mremap,
	SYS_madvise,
	SYS_brk,
	/* threads, signals, time */
	SYS_futex,
	SYS_set_robust_list,
	SYS_rseq,
	SYS_membarrier,
	SYS_sched_yield,
	SYS_sched_getaffinity,
	SYS_rt_sigaction,
	SYS_rt_sigprocmask,
	SYS_rt_sigreturn,
	SYS_rt_sigtimedwait,
	SYS_sigaltstack,
	SYS_restart_syscall,
	SYS_tgkill,
	SYS_nanosleep,
	SYS_clock_nanosleep,
	SYS_clock_gettime,
	SYS_getrandom,
	SYS_getpid,
	SYS_gettid,
	SYS_getuid,
	SYS_geteuid,
	SYS_getgid,
	SYS_getegid,
	SYS_exit,
	SYS_exit_group,
#ifdef SYS_poll
	SYS_poll,
#endif
#ifdef SYS_dup2
	SYS_dup2,
#endif
#ifdef SYS_time
	SYS_time,
#endif
#ifdef SYS_readlink
	SYS_readlink, /* libfuse looks at the path that it unmounts */
#endif
	SYS_readlinkat,
};

#define MAX_FILTER 256u

struct filter {
	struct sock_filter code[MAX_FILTER];
	unsigned short len;
};

static void emit(struct filter *f, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
	f->code[f->len++] = (struct sock_filter){ code, yes, no, k };
}

#define LOAD(field)                                                                                \
	emit(f, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field), 0, 0)
#define RET(value) emit(f, BPF_RET | BPF_K, value, 0, 0)
#define DENY	   (SECCOMP_RET_ERRNO | (EPERM & SECCOMP_RET_DATA))

/* The low half of an argument. */
static void load_arg(struct filter *f, unsigned nr)
{
	emit(f, BPF_LD | BPF_W | BPF_ABS,
	     (uint32_t)(offsetof(struct seccomp_data, args) + nr * sizeof(uint64_t)), 0, 0);
}

static void allow(struct filter *f, int call)
{
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1);
	RET(SECCOMP_RET_ALLOW);
}

/* Allowed when (argument & mask) == value. */
static void allow_if(struct filter *f, int call, unsigned arg, uint32_t mask, uint32_t value)
{
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 5);
	load_arg(f, arg);
	emit(f, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
	RET(SECCOMP_RET_ALLOW);
	RET(DENY);
}

static void build(struct filter *f, const struct harden_needs *needs)
{
	f->len = 0;
	LOAD(arch);
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0);
	RET(SECCOMP_RET_KILL_PROCESS);
	LOAD(nr);
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		allow(f, allowed[i]);
	if (needs->open_files)
		allow(f, SYS_openat);
	else /* the folder of the mount, for syncfs at the end */
		allow_if(f, SYS_openat, 2, O_ACCMODE | O_CREAT | O_DIRECTORY, O_DIRECTORY);
	if (needs->unlink_file) {
#ifdef SYS_unlink
		allow(f, SYS_unlink);
#endif
		allow(f, SYS_unlinkat);
	}
	/* A filter cannot read the flags of clone3, which are in memory. Without clone3 the C
	 * library uses clone. */
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1);
	RET(SECCOMP_RET_ERRNO | (ENOSYS & SECCOMP_RET_DATA));
	/* threads but no processes; memory is writable or executable, but not both */
	allow_if(f, SYS_clone, 0, CLONE_THREAD, CLONE_THREAD);
	allow_if(f, SYS_mmap, 2, PROT_EXEC, 0);
	allow_if(f, SYS_mprotect, 2, PROT_EXEC, 0);
	/* to connect to syslog again when its daemon has been restarted */
	allow_if(f, SYS_socket, 0, UINT32_MAX, AF_UNIX);
	/* about this process only: prctl names threads, prlimit64 asks for the size of stacks */
	allow_if(f, SYS_prctl, 0, UINT32_MAX, PR_SET_NAME);
	allow_if(f, SYS_prlimit64, 2, UINT32_MAX, 0);
	RET(DENY);
}

int harden_seccomp(const struct harden_needs *needs)
{
	struct rlimit no_core = { 0, 0 };
	struct sock_fprog prog;
	struct filter f;
	long ret;

	/* From here on no file can be opened, so what needs one comes first. */
	tzset();
	build(&f, needs);
	prog = (struct sock_fprog){ .len = f.len, .filter = f.code };
	/* A core file would hold data of the image and could be read by others. */
	if (setrlimit(RLIMIT_CORE, &no_core) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	ret = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog);
	if (ret < 0)
		return -errno;
	return ret ? -EAGAIN : 0; /* ret > 0: the number of a thread that has another filter */
}

#else

int harden_seccomp(const struct harden_needs *needs)
{
	(void)needs;
	return -ENOTSUP;
}

#endif
