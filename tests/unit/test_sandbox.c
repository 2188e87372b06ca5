/*
 * The sandboxes: each test forks, enters a profile and tries.  The child's
 * exit code is the line at which it failed, modulo 256, or 0.
 */
#include "config.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/sandbox.h"

#define CHECK(x)                         \
	do {                             \
		if (!(x))                \
			return (__LINE__ % 255 + 1); \
	} while (0)
#define REFUSED(x)                                 \
	do {                                       \
		errno = 0;                         \
		CHECK((x) == -1 && errno == EPERM); \
	} while (0)

/* Run try in a child that is in the sandbox of class. */
static void
in_sandbox(enum process_class class, int (*try)(void))
{
	int rc, status;
	pid_t pid;

	if ((pid = fork()) == 0) {
		rc = sandbox_enter(class);
		if (rc == 1) /* none in this kernel or build */
			_exit(77);
		_exit(rc == -1 ? 255 : try());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void *
thread_main(void *arg)
{
	return (arg);
}

static int
no_programs(void)
{
	char *argv[] = { (char *)(uintptr_t)"true", NULL };

	REFUSED(execve("/bin/true", argv, argv));
	REFUSED(fork());
	REFUSED((int)vfork());
	REFUSED((int)syscall(SYS_ptrace, 0, 0, 0, 0));
	REFUSED(kill(getppid(), 0));
	CHECK(raise(SIGURG) == 0); /* ignored by default; worker.c raises */
	return (0);
}

static int
compute_refused(void)
{
	int s;

	REFUSED(open("/etc/passwd", O_RDONLY));
	REFUSED(open("/dev/null", O_RDWR));
	REFUSED(openat(AT_FDCWD, "cctg-test", O_CREAT | O_WRONLY, 0600));
	REFUSED(unlink("/nonexistent"));
	REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
	REFUSED(socket(AF_INET, SOCK_STREAM, 0));
	REFUSED(socket(AF_INET6, SOCK_DGRAM, 0));
	REFUSED(connect(0, (struct sockaddr *)&s, sizeof(s)));
	REFUSED(bind(0, (struct sockaddr *)&s, sizeof(s)));
	REFUSED(chdir("/"));
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == -1 &&
	    errno == EPERM);
	return (no_programs());
}

static int
compute_allowed(void)
{
	struct stat st;
	char *p, buf[64];
	int fd;

	p = malloc(8 << 20);
	CHECK(p != NULL);
	memset(p, 1, 8 << 20);
	CHECK((p = realloc(p, 32 << 20)) != NULL);
	free(p);
	malloc_trim(0);
	CHECK((fd = memfd_create("test", MFD_ALLOW_SEALING | MFD_CLOEXEC)) !=
	    -1);
	CHECK(ftruncate(fd, 65536) == 0);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	CHECK(fstat(fd, &st) == 0 && st.st_size == 65536);
	p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK(munmap(p, 65536) == 0);
	CHECK(fcntl(fd, F_DUPFD_CLOEXEC, 3) != -1);
	CHECK(close(fd) == 0);
	CHECK(clock_mono_ns() > 0 && clock_wall_ms() > 0);
	CHECK(clock_rfc3339(buf, sizeof(buf), clock_wall_ms()) != NULL);
	log_debug("not shown");
	return (0);
}

static void
turn(evutil_socket_t fd, short what, void *arg)
{
	char c;

	(void)what;
	if (fd != -1)
		*(int *)arg += (int)read(fd, &c, 1);
	else
		*(int *)arg += 10;
}

/* A loop made before, with a descriptor that comes by SCM_RIGHTS later. */
static struct event_base *base;
static int pair[2];

static int
compute_loop(void)
{
	const struct timeval soon = { 0, 1000 };
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} c = { .h = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	char byte = 'x';
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &c, .msg_controllen = sizeof(c) };
	struct event *r, *t;
	int sum = 0, fd = pair[0];

	memcpy(CMSG_DATA(&c.h), &fd, sizeof(fd));
	CHECK(sendmsg(pair[1], &m, 0) == 1);
	CHECK(recvmsg(pair[0], &m, 0) == 1);
	CHECK(write(pair[1], "y", 1) == 1);
	r = event_new(base, pair[0], EV_READ, turn, &sum);
	t = event_new(base, -1, 0, turn, &sum);
	CHECK(r != NULL && t != NULL);
	CHECK(event_add(r, NULL) == 0 && event_add(t, &soon) == 0);
	CHECK(event_base_dispatch(base) != -1);
	CHECK(sum == 11);
	return (0);
}

static void
test_cpu_workers_are_refused(void **state)
{
	(void)state;
	in_sandbox(PC_ANALYZE, compute_refused);
	in_sandbox(PC_FORMAT, compute_refused);
	in_sandbox(PC_COMPRESS, compute_refused);
}

static void
test_cpu_workers_can_compute(void **state)
{
	(void)state;
	in_sandbox(PC_ANALYZE, compute_allowed);
	in_sandbox(PC_FORMAT, compute_allowed);
	in_sandbox(PC_COMPRESS, compute_allowed);
}

static void
test_cpu_workers_can_talk(void **state)
{
	(void)state;
	base = event_base_new();
	assert_non_null(base);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	in_sandbox(PC_ANALYZE, compute_loop);
}

static char own_dir[] = "/tmp/cctg-sandbox.XXXXXX";
static bool landlock;

static int
queue_try(void)
{
	struct rlimit core;
	char path[64], other[64];
	int fd;

	snprintf(path, sizeof(path), "%s/a", own_dir);
	snprintf(other, sizeof(other), "%s/b", own_dir);
	CHECK((fd = open(path, O_CREAT | O_RDWR, 0600)) != -1);
	CHECK(write(fd, "x", 1) == 1 && fsync(fd) == 0);
	CHECK(ftruncate(fd, 0) == 0);
	CHECK(rename(path, other) == 0);
	CHECK(unlink(other) == 0);
	CHECK(mkdir(path, 0700) == 0 && rmdir(path) == 0);
	CHECK(open("/etc/passwd", O_RDONLY) != -1);
	if (landlock)
		CHECK(open("/tmp/cctg-elsewhere", O_CREAT | O_WRONLY, 0600) ==
		    -1 && errno == EACCES);
	REFUSED(socket(AF_INET, SOCK_STREAM, 0));
	REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
	CHECK(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0);
	return (no_programs());
}

static void
test_queue_has_files_but_no_network(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(own_dir));
	assert_int_equal(sandbox_write_below(own_dir), 0);
	in_sandbox(PC_QUEUE, queue_try);
	assert_int_equal(rmdir(own_dir), 0);
	assert_int_equal(sandbox_write_below(own_dir), -1);
}

/* A test that is skipped ends before its end. */
static int
remove_own_dir(void **state)
{
	(void)state;
	(void)rmdir(own_dir);
	return (0);
}

static int
network_try(void)
{
	pthread_t thread;
	int s;

	CHECK((s = socket(AF_INET, SOCK_STREAM, 0)) != -1);
	CHECK(open("/etc/passwd", O_RDONLY) != -1);
	/* The resolver of libcurl is a thread. */
	CHECK(pthread_create(&thread, NULL, thread_main, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	return (no_programs());
}

/* Files may be read, as the resolver and TLS do, but not written. */
static int
reader_try(void)
{
	if (landlock)
		CHECK(open("/tmp/cctg-elsewhere", O_CREAT | O_WRONLY, 0600) ==
		    -1 && errno == EACCES);
	return (network_try());
}

/* It has its listeners and mappings and needs nothing else. */
static int
monitor_try(void)
{
	int fd;

	CHECK((fd = open("/etc/passwd", O_RDONLY)) == -1 || !landlock);
	REFUSED(socket(AF_INET, SOCK_STREAM, 0));
	REFUSED(connect(fd, NULL, 0));
	errno = 0;
	CHECK(accept(-1, NULL, NULL) == -1 && errno == EBADF);
	return (no_programs());
}

static int
telegram_try(void)
{
	CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	return (reader_try());
}

static void
test_io_workers_start_no_programs(void **state)
{
	(void)state;
	in_sandbox(PC_INTAKE, network_try);
	in_sandbox(PC_MONITOR, monitor_try);
	in_sandbox(PC_REDIS, reader_try);
	in_sandbox(PC_TELEGRAM, telegram_try);
}

static void
test_off(void **state)
{
	(void)state;
	setenv("CCTG_SANDBOX", "off", 1);
	assert_int_equal(sandbox_enter(PC_ANALYZE), 1);
	unsetenv("CCTG_SANDBOX");
	assert_int_equal(sandbox_enter(PC_SUPERVISOR), 0);
	assert_int_not_equal(open("/dev/null", O_RDONLY), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpu_workers_are_refused),
		cmocka_unit_test(test_cpu_workers_can_compute),
		cmocka_unit_test(test_cpu_workers_can_talk),
		cmocka_unit_test_teardown(
		    test_queue_has_files_but_no_network, remove_own_dir),
		cmocka_unit_test(test_io_workers_start_no_programs),
		cmocka_unit_test(test_off),
	};

	log_init("test_sandbox", LL_WARN, 0);
	/* Its version, or an error (landlock(7)). */
#ifdef SYS_landlock_create_ruleset
	landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
#endif
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
