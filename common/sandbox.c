/*
 * The sandbox of each process class: a table of profiles and the one function
 * that enters them.  Called by worker.c when everything has been opened and
 * before the first job.
 *
 * CPU classes get a list of what they may do: compute, and talk on the
 * descriptors that they have.  The others, whose libraries differ from host
 * to host, get a list of what they may not.  What is refused fails with
 * EPERM (files: EACCES, by Landlock); it kills nobody.  A kernel without one
 * of these is logged and lived with.
 */
#include "config.h"

#include <sys/mman.h>
#include <sys/param.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#if __has_include(<linux/landlock.h>) && defined(__NR_landlock_restrict_self)
#include <linux/landlock.h>
#define HAVE_LANDLOCK
#endif
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/nitems.h"
#include "common/sandbox.h"

/* Sanitizers and gcov open files of their own, up to the very end. */
#if defined(CCTG_ASAN) || defined(CCTG_COVERAGE)
#define FILTERS false
#else
#define FILTERS true
#endif

/* A rule holds … */
enum when {
	ALWAYS,
	NO_EXEC,    /* … if memory would not become executable (argument 3) */
	OWN_PID,    /* … for a signal to this process (argument 1) */
	EMPTY_PATH, /* … for fstat(2), as glibc 2.33 and later spell it */
	NEW_PROCESS /* … if what is cloned is no thread (argument 1) */
};

struct rule {
	const char *call; /* one that this kernel or libseccomp has not is
			     passed over */
	enum when when;
};

/* CPU classes: memory, clock, the descriptors they hold, their own end. */
static const struct rule compute[] = {
	{ "read", ALWAYS }, { "write", ALWAYS },
	{ "readv", ALWAYS }, { "writev", ALWAYS },
	{ "pread64", ALWAYS }, { "pwrite64", ALWAYS },
	{ "recvmsg", ALWAYS }, { "sendmsg", ALWAYS },
	{ "recvfrom", ALWAYS }, { "sendto", ALWAYS }, /* syslog(3) */
	{ "shutdown", ALWAYS }, { "getsockopt", ALWAYS },
	{ "setsockopt", ALWAYS },
	{ "epoll_wait", ALWAYS }, { "epoll_pwait", ALWAYS },
	{ "epoll_pwait2", ALWAYS }, { "epoll_ctl", ALWAYS },
	{ "poll", ALWAYS }, { "ppoll", ALWAYS },
	{ "eventfd2", ALWAYS }, { "timerfd_create", ALWAYS },
	{ "timerfd_settime", ALWAYS }, { "timerfd_gettime", ALWAYS },
	{ "pipe2", ALWAYS }, /* worker.c: names in last words */
	{ "memfd_create", ALWAYS }, { "ftruncate", ALWAYS },
	{ "fcntl", ALWAYS }, { "fcntl64", ALWAYS },
	{ "fstat", ALWAYS }, { "fstat64", ALWAYS },
	{ "newfstatat", EMPTY_PATH }, { "fstatat64", EMPTY_PATH },
	{ "lseek", ALWAYS }, { "_llseek", ALWAYS },
	{ "close", ALWAYS }, { "dup", ALWAYS }, { "dup3", ALWAYS },
	{ "mmap", NO_EXEC }, { "mmap2", NO_EXEC },
	{ "mprotect", NO_EXEC }, { "munmap", ALWAYS },
	{ "mremap", ALWAYS }, { "madvise", ALWAYS }, { "brk", ALWAYS },
	{ "futex", ALWAYS }, { "futex_time64", ALWAYS },
	{ "set_robust_list", ALWAYS }, { "rseq", ALWAYS },
	{ "membarrier", ALWAYS }, { "sched_yield", ALWAYS },
	{ "sched_getaffinity", ALWAYS }, { "sysinfo", ALWAYS }, /* qsort(3) */
	{ "clock_gettime", ALWAYS }, { "clock_gettime64", ALWAYS },
	{ "clock_getres", ALWAYS }, { "clock_getres_time64", ALWAYS },
	{ "clock_nanosleep", ALWAYS }, { "clock_nanosleep_time64", ALWAYS },
	{ "nanosleep", ALWAYS }, { "gettimeofday", ALWAYS },
	{ "time", ALWAYS }, { "getrusage", ALWAYS },
	{ "getpid", ALWAYS }, { "gettid", ALWAYS }, { "getppid", ALWAYS },
	{ "getuid", ALWAYS }, { "geteuid", ALWAYS },
	{ "getgid", ALWAYS }, { "getegid", ALWAYS },
	{ "getrandom", ALWAYS }, { "restart_syscall", ALWAYS },
	{ "rt_sigaction", ALWAYS }, { "rt_sigprocmask", ALWAYS },
	{ "rt_sigreturn", ALWAYS }, { "sigreturn", ALWAYS },
	{ "sigaltstack", ALWAYS }, { "tgkill", OWN_PID },
	{ "exit", ALWAYS }, { "exit_group", ALWAYS }
};

/* Nobody below the supervisor starts programs, or looks into or signals
 * other processes, or changes the system. */
static const struct rule harmful[] = {
	{ "execve", ALWAYS }, { "execveat", ALWAYS },
	{ "fork", ALWAYS }, { "vfork", ALWAYS }, { "clone", NEW_PROCESS },
	{ "ptrace", ALWAYS }, { "process_vm_readv", ALWAYS },
	{ "process_vm_writev", ALWAYS }, { "process_madvise", ALWAYS },
	{ "pidfd_getfd", ALWAYS }, { "pidfd_send_signal", ALWAYS },
	{ "kcmp", ALWAYS }, { "kill", ALWAYS }, { "tkill", ALWAYS },
	{ "rt_sigqueueinfo", ALWAYS }, { "rt_tgsigqueueinfo", ALWAYS },
	{ "mount", ALWAYS }, { "umount", ALWAYS }, { "umount2", ALWAYS },
	{ "mount_setattr", ALWAYS }, { "move_mount", ALWAYS },
	{ "fsopen", ALWAYS }, { "fsconfig", ALWAYS }, { "fsmount", ALWAYS },
	{ "fspick", ALWAYS }, { "open_tree", ALWAYS },
	{ "pivot_root", ALWAYS }, { "chroot", ALWAYS },
	{ "setns", ALWAYS }, { "unshare", ALWAYS },
	{ "open_by_handle_at", ALWAYS }, { "name_to_handle_at", ALWAYS },
	{ "mknod", ALWAYS }, { "mknodat", ALWAYS }, { "quotactl", ALWAYS },
	{ "bpf", ALWAYS }, { "perf_event_open", ALWAYS },
	{ "userfaultfd", ALWAYS }, { "io_uring_setup", ALWAYS },
	{ "io_uring_enter", ALWAYS }, { "io_uring_register", ALWAYS },
	{ "keyctl", ALWAYS }, { "add_key", ALWAYS },
	{ "request_key", ALWAYS },
	{ "init_module", ALWAYS }, { "finit_module", ALWAYS },
	{ "delete_module", ALWAYS }, { "kexec_load", ALWAYS },
	{ "kexec_file_load", ALWAYS }, { "reboot", ALWAYS },
	{ "swapon", ALWAYS }, { "swapoff", ALWAYS }, { "acct", ALWAYS },
	{ "settimeofday", ALWAYS }, { "clock_settime", ALWAYS },
	{ "clock_settime64", ALWAYS }, { "adjtimex", ALWAYS },
	{ "clock_adjtime", ALWAYS }, { "clock_adjtime64", ALWAYS },
	{ "stime", ALWAYS }, { "sethostname", ALWAYS },
	{ "setdomainname", ALWAYS }, { "syslog", ALWAYS },
	{ "iopl", ALWAYS }, { "ioperm", ALWAYS }, { "modify_ldt", ALWAYS },
	{ "personality", ALWAYS }, { "vhangup", ALWAYS }
};

/* The store has no business on the network. */
static const struct rule network[] = {
	{ "socket", ALWAYS }, { "connect", ALWAYS }, { "bind", ALWAYS },
	{ "listen", ALWAYS }, { "accept", ALWAYS }, { "accept4", ALWAYS },
	{ "socketcall", ALWAYS }
};

/* Who gets its listeners and connections only accepts. */
static const struct rule outgoing[] = {
	{ "socket", ALWAYS }, { "connect", ALWAYS }, { "bind", ALWAYS },
	{ "listen", ALWAYS }
};

struct rule_set {
	const struct rule *rule;
	size_t n;
};
#define SET(table) { table, nitems(table) }
#define NSETS 2

enum policy { POLICY_NONE, POLICY_ALLOW, POLICY_DENY };

/* What Landlock leaves: FILES_GIVEN is to read all and to write where
 * sandbox_write_below() said, and no bounds if it was not called.  The
 * intake's directories may be removed and made anew by their users at any
 * time, but Landlock knows directories, not names. */
enum files { FILES_ANY, FILES_NONE, FILES_READ, FILES_GIVEN };

/*
 * no_core: event texts or the token would be in it.  undumpable: its memory
 * and /proc files are closed even to processes of the same user.
 */
static const struct profile {
	enum policy policy;
	struct rule_set set[NSETS];
	enum files files;
	rlim_t descriptors; /* 0: as inherited */
	bool no_core, undumpable;
} profiles[NCLASSES] = {
	[PC_SUPERVISOR] = { POLICY_NONE, { { NULL, 0 } }, FILES_ANY, 0,
	    false, false },
	[PC_QUEUE] = { POLICY_DENY, { SET(harmful), SET(network) },
	    FILES_GIVEN, 0, true, false },
	[PC_INTAKE] = { POLICY_DENY, { SET(harmful) }, FILES_ANY, 0, false,
	    false },
	[PC_TELEGRAM] = { POLICY_DENY, { SET(harmful) }, FILES_READ, 0, true,
	    true },
	[PC_REDIS] = { POLICY_DENY, { SET(harmful) }, FILES_READ, 0, false,
	    false },
	[PC_MONITOR] = { POLICY_DENY, { SET(harmful), SET(outgoing) },
	    FILES_NONE, 0, false, false },
	[PC_ANALYZE] = { POLICY_ALLOW, { SET(compute) }, FILES_NONE, 128,
	    false, false },
	[PC_FORMAT] = { POLICY_ALLOW, { SET(compute) }, FILES_NONE, 128,
	    false, false },
	[PC_COMPRESS] = { POLICY_ALLOW, { SET(compute) }, FILES_NONE, 128,
	    false, false }
};

static int writable = -1; /* the directory of sandbox_write_below() */

static int limits_set(const struct profile *);
static int files_restrict(enum files);
static int rule_add(scmp_filter_ctx, uint32_t, const struct rule *);
static int filter_load(const struct profile *);

static int
limits_set(const struct profile *p)
{
	const struct rlimit none = { 0, 0 };
	struct rlimit most;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return (-1);
	if (p->no_core && setrlimit(RLIMIT_CORE, &none) == -1)
		return (-1);
	if (p->undumpable && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		return (-1);
	if (p->descriptors == 0)
		return (0);
	if (getrlimit(RLIMIT_NOFILE, &most) == -1)
		return (-1);
	most.rlim_cur = MIN(most.rlim_max, p->descriptors);
	most.rlim_max = most.rlim_cur;
	return (setrlimit(RLIMIT_NOFILE, &most));
}

int
sandbox_write_below(const char *directory)
{
	if (writable != -1)
		close(writable);
	writable = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return (writable == -1 ? -1 : 0);
}

#ifdef HAVE_LANDLOCK
/* The rights of the first version of Landlock: all but ioctl(2) and
 * truncate(2), which need a file that could be opened. */
#define LANDLOCK_READ (LANDLOCK_ACCESS_FS_READ_FILE | \
	LANDLOCK_ACCESS_FS_READ_DIR)
#define LANDLOCK_ALL (LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1)

static int
files_rule(int rules, int directory, uint64_t rights)
{
	struct landlock_path_beneath_attr below = {
		.allowed_access = rights,
		.parent_fd = directory
	};

	return ((int)syscall(__NR_landlock_add_rule, rules,
	    LANDLOCK_RULE_PATH_BENEATH, &below, 0));
}

/* 0, 1 if the kernel has no Landlock, -1 with errno. */
static int
files_restrict(enum files files)
{
	struct landlock_ruleset_attr attr = {
		.handled_access_fs = LANDLOCK_ALL
	};
	int rules, root = -1, rc = -1, e;

	if (files == FILES_ANY || (files == FILES_GIVEN && writable == -1))
		return (0);
	rules = (int)syscall(__NR_landlock_create_ruleset, &attr,
	    sizeof(attr.handled_access_fs), 0);
	if (rules == -1)
		return (errno == ENOSYS || errno == EOPNOTSUPP ? 1 : -1);
	if (files == FILES_NONE ||
	    ((root = open("/", O_PATH | O_CLOEXEC)) != -1 &&
	    files_rule(rules, root, LANDLOCK_READ) == 0))
		rc = 0;
	if (rc == 0 && files == FILES_GIVEN)
		rc = files_rule(rules, writable,
		    LANDLOCK_ALL & ~LANDLOCK_ACCESS_FS_EXECUTE);
	if (rc == 0)
		rc = (int)syscall(__NR_landlock_restrict_self, rules, 0);
	e = errno;
	if (root != -1)
		close(root);
	close(rules);
	errno = e;
	return (rc);
}
#else
static int
files_restrict(enum files files)
{
	return (files == FILES_ANY ? 0 : 1);
}
#endif

/* 0 or a negative errno, as libseccomp has it. */
static int
rule_add(scmp_filter_ctx ctx, uint32_t action, const struct rule *r)
{
	struct scmp_arg_cmp when;
	int call, e;

	call = seccomp_syscall_resolve_name(r->call);
	if (call == __NR_SCMP_ERROR || call < 0) /* not on this machine */
		return (0);
	switch (r->when) {
	case NO_EXEC:
		when = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
		break;
	case OWN_PID:
		when = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid());
		break;
	case EMPTY_PATH:
		when = SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH);
		break;
	case NEW_PROCESS:
		when = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0);
		break;
	default:
		e = seccomp_rule_add_array(ctx, action, call, 0, NULL);
		return (e == -EDOM ? 0 : e);
	}
	e = seccomp_rule_add_array(ctx, action, call, 1, &when);
	return (e == -EDOM ? 0 : e);
}

/* 0, 1 if the kernel has no filters, -1 with errno. */
static int
filter_load(const struct profile *p)
{
	const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
	bool allow = p->policy == POLICY_ALLOW;
	scmp_filter_ctx ctx;
	size_t i, j;
	int e = 0;

	/* With no filter given, a kernel that knows filters says EFAULT. */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) == -1 &&
	    errno != EFAULT)
		return (1);
	ctx = seccomp_init(allow ? refuse : SCMP_ACT_ALLOW);
	if (ctx == NULL) {
		errno = ENOMEM;
		return (-1);
	}
	/* Kernels before 5.16 slow all computing down for a filter unless it
	 * says that this is not wanted. */
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_SSB, 1);
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (i = 0; e == 0 && i < NSETS; i++) {
		for (j = 0; e == 0 && j < p->set[i].n; j++)
			e = rule_add(ctx, allow ? SCMP_ACT_ALLOW : refuse,
			    &p->set[i].rule[j]);
	}
	/* Its arguments are out of a filter's sight; on ENOSYS, glibc takes
	 * clone(2). */
	if (e == 0)
		e = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS),
		    seccomp_syscall_resolve_name("clone3"), 0);
	if (e == 0)
		e = seccomp_load(ctx);
	seccomp_release(ctx);
	if (e == 0)
		return (0);
	errno = -e;
	return (-1);
}

int
sandbox_enter(enum process_class class)
{
	const struct profile *p = &profiles[class];
	const char *env = getenv("CCTG_SANDBOX");
	int rc, missing;

	if (p->policy == POLICY_NONE)
		return (0);
	if (env != NULL && strcmp(env, "off") == 0) {
		log_notice("the sandbox is off (CCTG_SANDBOX)");
		return (1);
	}
	if (limits_set(p) == -1)
		return (-1);
	if (!FILTERS) {
		log_notice("no system call filter in this build");
		return (1);
	}
	if ((missing = files_restrict(p->files)) == 1)
		log_notice("this kernel has no Landlock: going without");
	if ((rc = filter_load(p)) == 1)
		log_notice("this kernel has no system call filters: "
		    "going without");
	return (missing == -1 || rc == -1 ? -1 : missing | rc);
}
