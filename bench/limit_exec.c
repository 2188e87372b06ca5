/*
 * How long a program takes from fork to its end, or a worker from fork to
 * its first message.
 *
 *	limit_exec [-n runs] PROGRAM [ARGUMENT ...]
 *	limit_exec [-n runs] -c CONFIG -w WORKER PROGRAM
 *
 * The first form prints "exec_p50" and "exec_p99" of a program's whole life.
 * The second starts PROGRAM as cctgd would, as worker WORKER ("format/0")
 * with its part of CONFIG and with no peers, says start at once, and waits
 * for WORKER_LIFE_READY: "first_p50", "first_p99".
 */
#include "config.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench_stat.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/scoreboard.h"
#include "ipc/frame.h"
#include "ipc/link.h"
#include "ipc/pack.h"
#include "workers/worker.h"

extern char **environ;

static int64_t run_program(char **);
static int64_t run_worker(const char *, const char *, const char *);
static char *worker_part(const char *, const char *);
static void say(int, enum msg_type, const void *, size_t);
static void await_ready(int, pid_t);

/* From fork to the end, in microseconds. */
static int64_t
run_program(char **argv)
{
	int64_t began_us = clock_mono_us();
	int status, null;
	pid_t pid;

	if ((pid = vfork()) == -1)
		err(1, "vfork");
	if (pid == 0) {
		if ((null = open("/dev/null", O_WRONLY)) != -1)
			dup2(null, STDOUT_FILENO);
		execv(argv[0], argv);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) == -1)
		err(1, "waitpid");
	began_us = clock_mono_us() - began_us;
	if (status != 0)
		errx(1, "%s: status %#x", argv[0], (unsigned int)status);
	return (began_us);
}

/* The class's part of the configuration, as a message has it. */
static char *
worker_part(const char *file, const char *name)
{
	struct conf_source from = { .file = file, .progname = "cctgd",
		.env = environ, .uid = getuid() };
	struct conf_problems problems = { 0 };
	struct conf *conf = conf_load(&from, &problems);
	char class[32], *part;
	int c;

	if (conf == NULL)
		errx(1, "%s", problems.n > 0 ? problems.v[0].text : file);
	strlcpy(class, name, sizeof(class));
	class[strcspn(class, "/")] = '\0';
	if ((c = class_by_name(class)) == -1)
		errx(2, "no class %s", class);
	if ((part = conf_export(conf, (enum process_class)c)) == NULL)
		err(1, "conf_export");
	conf_free(conf);
	conf_problems_free(&problems);
	return (part);
}

static void
say(int fd, enum msg_type type, const void *data, size_t len)
{
	struct frame_header h = { .version = FRAME_VERSION,
		.type = (uint16_t)type, .length = (uint32_t)len };

	if (write(fd, &h, sizeof(h)) != sizeof(h) ||
	    (len > 0 && write(fd, data, len) != (ssize_t)len))
		err(1, "write");
}

static void
await_ready(int fd, pid_t pid)
{
	struct frame_header h;
	ssize_t n;

	do
		n = recv(fd, &h, sizeof(h), MSG_WAITALL);
	while (n == -1 && errno == EINTR);
	if (n != sizeof(h) || h.type != WORKER_LIFE_READY) {
		kill(pid, SIGKILL);
		errx(1, "it did not become ready");
	}
}

/* From fork to its first message, in microseconds. */
static int64_t
run_worker(const char *program, const char *name, const char *part)
{
	struct packer p = { 0 };
	int64_t began_us;
	int sv[2], fd, slot, link;
	pid_t pid;

	/* Above those that they are to become. */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == -1 ||
	    slot_create(&fd) == NULL ||
	    (slot = fcntl(fd, F_DUPFD_CLOEXEC, 10)) == -1 ||
	    (link = fcntl(sv[1], F_DUPFD_CLOEXEC, 10)) == -1)
		err(1, "descriptors");
	close(fd);
	close(sv[1]);
	pack_str(&p, part);
	began_us = clock_mono_us();
	if ((pid = vfork()) == -1)
		err(1, "vfork");
	if (pid == 0) {
		dup2(link, WORKER_LINK_FD);
		dup2(slot, WORKER_SLOT_FD);
		execl(program, program, name, "1", (char *)NULL);
		_exit(127);
	}
	close(link);
	close(slot);
	say(sv[0], SUP_CONFIG_SET, p.buf, p.len);
	say(sv[0], SUP_WORK_START, NULL, 0);
	await_ready(sv[0], pid);
	began_us = clock_mono_us() - began_us;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(sv[0]);
	pack_free(&p);
	return (began_us);
}

int
main(int argc, char *argv[])
{
	const char *config = NULL, *worker = NULL, *what;
	size_t runs = 100;
	int64_t *us;
	char *part;
	int c;

	while ((c = getopt(argc, argv, "+c:n:w:")) != -1) {
		switch (c) {
		case 'c':
			config = optarg;
			break;
		case 'n':
			runs = (size_t)strtonum(optarg, 1, 1000000, NULL);
			break;
		case 'w':
			worker = optarg;
			break;
		default:
			argc = 0;
		}
	}
	if (optind >= argc || (config == NULL) != (worker == NULL))
		errx(2, "usage: limit_exec [-n runs] [-c CONFIG -w WORKER] "
		    "PROGRAM [ARGUMENT ...]");
	if ((us = calloc(runs, sizeof(*us))) == NULL)
		err(1, "calloc");
	signal(SIGPIPE, SIG_IGN);
	part = worker == NULL ? NULL : worker_part(config, worker);
	for (size_t i = 0; i < runs; i++)
		us[i] = worker == NULL ? run_program(argv + optind) :
		    run_worker(argv[optind], worker, part);
	free(part);
	bench_sort(us, runs);
	what = worker == NULL ? "exec" : "first";
	printf("%s_p50 %lld us\n%s_p99 %lld us\n", what,
	    (long long)bench_percentile(us, runs, 50), what,
	    (long long)bench_percentile(us, runs, 99));
	return (0);
}
