/*
 * run: a command, and an event that tells how it ended.
 *
 * The command gets the standard streams as they are, with one exception:
 * output that goes to no terminal passes through here, so that its last lines
 * can be told.  A command that is to draw on a terminal is left alone.
 * Nothing that happens to the daemon concerns the command.
 */
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/nitems.h"
#include "common/utf8.h"
#include "common/uuid.h"
#include "ctl/offer.h"
#include "ctl/verbs.h"

#define LAST_LINES 20
#define LAST_BYTES 3000 /* of them; a message has 4096 characters */
#define TITLE_MAX_BYTES 200
#define COPY_BYTES 65536
#define OFFER_MS 5000
#define NO_COMMAND 127 /* sh(1) */
#define NOT_EXECUTABLE 126

struct run {
	char **argv;
	int in[2], out[2]; /* pipes of the command's output, and where to */
	size_t npipes;
	char last[LAST_BYTES];
	size_t nlast;
	int failure; /* errno of execvp() */
	int status;  /* of waitpid() */
};

static volatile sig_atomic_t child;

static void pipes_make(struct ctl *, struct run *, int to[2]);
static void command_start(struct ctl *, struct run *);
static void command_exec(struct run *, const int to[2], int report)
    __attribute__((noreturn));
static void signals_set(void);
static bool copy_some(struct run *, size_t);
static void command_wait(struct run *);
static void rest_leave(struct run *);
static int exit_status(const struct run *);
static void report(struct ctl *, struct run *, int64_t took_ms);

/* What was sent to us alone is meant for the command; what the terminal
 * sends, it has got, too. */
static void
forward(int sig, siginfo_t *info, void *context)
{
	int error = errno;

	(void)context;
	if (child > 0 && info->si_code <= 0)
		kill((pid_t)child, sig);
	errno = error;
}

static const int forwarded[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1,
	SIGUSR2 };

static void
signals_set(void)
{
	struct sigaction sa = { .sa_sigaction = forward,
		.sa_flags = SA_SIGINFO | SA_RESTART }, old;
	size_t i;

	sigemptyset(&sa.sa_mask);
	for (i = 0; i < nitems(forwarded); i++)
		/* As under nohup(1): ignored stays ignored. */
		if (sigaction(forwarded[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			sigaction(forwarded[i], &sa, NULL);
	/* A reader that has gone is the command's matter. */
	signal(SIGPIPE, SIG_IGN);
}

/* Do both lead to the same file?  Then their order must stay. */
static bool
same_file(int a, int b)
{
	struct stat sa, sb;

	return (fstat(a, &sa) == 0 && fstat(b, &sb) == 0 &&
	    sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino);
}

/* to[i]: where the command's descriptor i + 1 leads, or -1. */
static void
pipes_make(struct ctl *ctl, struct run *r, int to[2])
{
	bool tty[2] = { isatty(STDOUT_FILENO), isatty(STDERR_FILENO) };
	int fd[2], i;

	to[0] = to[1] = -1;
	for (i = 0; i < 2; i++) {
		if (tty[i])
			continue;
		if (i == 1 && to[0] != -1 &&
		    same_file(STDOUT_FILENO, STDERR_FILENO)) {
			to[1] = to[0];
			continue;
		}
		if (pipe2(fd, O_CLOEXEC) == -1)
			ctl_fail(ctl, XC_FAILED, "pipe: %s", strerror(errno));
		r->in[r->npipes] = fd[0];
		r->out[r->npipes++] = i + 1;
		to[i] = fd[1];
	}
}

/* In the child. */
static void
command_exec(struct run *r, const int to[2], int report_fd)
{
	size_t i;
	int error;

	for (i = 0; i < nitems(forwarded); i++) {
		struct sigaction old;

		if (sigaction(forwarded[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			signal(forwarded[i], SIG_DFL);
	}
	signal(SIGPIPE, SIG_DFL);
	for (i = 0; i < 2; i++)
		if (to[i] != -1)
			dup2(to[i], (int)i + 1);
	execvp(r->argv[0], r->argv);
	error = errno;
	if (write(report_fd, &error, sizeof(error)) == -1)
		_exit(NO_COMMAND);
	_exit(error == ENOENT ? NO_COMMAND : NOT_EXECUTABLE);
}

static void
command_start(struct ctl *ctl, struct run *r)
{
	sigset_t all, old;
	int to[2], fd[2];
	pid_t pid;

	pipes_make(ctl, r, to);
	if (pipe2(fd, O_CLOEXEC) == -1)
		ctl_fail(ctl, XC_FAILED, "pipe: %s", strerror(errno));
	signals_set();
	fflush(stdout);
	/* A signal between fork() and the note of the pid is not lost. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	if ((pid = fork()) == -1)
		ctl_fail(ctl, XC_FAILED, "fork: %s", strerror(errno));
	if (pid == 0) {
		sigprocmask(SIG_SETMASK, &old, NULL);
		command_exec(r, to, fd[1]);
	}
	child = pid;
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (to[0] != -1)
		close(to[0]);
	if (to[1] != -1 && to[1] != to[0])
		close(to[1]);
	close(fd[1]);
	while (read(fd[0], &r->failure, sizeof(r->failure)) == -1 &&
	    errno == EINTR)
		continue;
	close(fd[0]);
}

static void
last_keep(struct run *r, const char *p, size_t len)
{
	size_t keep;

	if (len > sizeof(r->last)) {
		p += len - sizeof(r->last);
		len = sizeof(r->last);
	}
	keep = r->nlast < sizeof(r->last) - len ? r->nlast :
	    sizeof(r->last) - len;
	memmove(r->last, r->last + r->nlast - keep, keep);
	memcpy(r->last + keep, p, len);
	r->nlast = keep + len;
}

/* False at the end of this pipe, or when nobody reads what it says. */
static bool
copy_some(struct run *r, size_t i)
{
	static char buf[COPY_BYTES];
	struct pollfd pfd = { .fd = r->out[i], .events = POLLOUT };
	ssize_t n, w;
	char *p = buf;

	while ((n = read(r->in[i], buf, sizeof(buf))) == -1 && errno == EINTR)
		continue;
	if (n <= 0)
		return (false);
	last_keep(r, buf, (size_t)n);
	while (n > 0) {
		if ((w = write(r->out[i], p, (size_t)n)) >= 0) {
			p += w;
			n -= w;
		} else if (errno == EAGAIN)
			(void)poll(&pfd, 1, -1);
		else if (errno != EINTR)
			return (false);
	}
	return (true);
}

static bool
pipes_open(const struct run *r)
{
	size_t i;

	for (i = 0; i < r->npipes; i++)
		if (r->in[i] != -1)
			return (true);
	return (false);
}

/* Copy until the pipes are empty and the process behind pidfd has ended, or
 * for -1 until the pipes are closed. */
static void
copy_all(struct run *r, int pidfd)
{
	struct pollfd pfd[3];
	bool ended = false;
	size_t i;
	int n;

	while (pipes_open(r)) {
		for (i = 0; i < r->npipes; i++)
			pfd[i] = (struct pollfd) { .fd = r->in[i],
				.events = POLLIN };
		pfd[r->npipes] = (struct pollfd) { .fd = ended ? -1 : pidfd,
			.events = POLLIN };
		n = poll(pfd, r->npipes + 1, ended ? 0 : -1);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		if (pfd[r->npipes].revents != 0)
			ended = true;
		for (i = 0; i < r->npipes; i++)
			if (pfd[i].fd != -1 && pfd[i].revents != 0 &&
			    !copy_some(r, i)) {
				close(r->in[i]);
				r->in[i] = -1;
			}
	}
}

static void
command_wait(struct run *r)
{
	int pidfd = (int)syscall(SYS_pidfd_open, (pid_t)child, 0);

	if (pidfd != -1 || pipes_open(r))
		copy_all(r, pidfd);
	if (pidfd != -1)
		close(pidfd);
	while (waitpid((pid_t)child, &r->status, 0) == -1 && errno == EINTR)
		continue;
	child = 0;
}

/*
 * What the command left running may go on to write: a process of its own
 * copies that, as nobody would wait for it without us either.
 */
static void
rest_leave(struct run *r)
{
	if (!pipes_open(r) || fork() != 0)
		return;
	signal(SIGHUP, SIG_IGN);
	copy_all(r, -1);
	_exit(0);
}

static int
exit_status(const struct run *r)
{
	if (r->failure != 0)
		return (r->failure == ENOENT ? NO_COMMAND : NOT_EXECUTABLE);
	if (WIFSIGNALED(r->status))
		return (128 + WTERMSIG(r->status));
	return (WEXITSTATUS(r->status));
}

/* The operands as one line. */
static char *
command_line(char **argv)
{
	size_t len = 1, clean;
	char *text, *line;
	char **a;

	for (a = argv; *a != NULL; a++)
		len += strlen(*a) + 1;
	if ((text = calloc(1, len)) == NULL)
		return (NULL);
	for (a = argv; *a != NULL; a++) {
		if (a != argv)
			strlcat(text, " ", len);
		strlcat(text, *a, len);
	}
	line = utf8_scrub(text, strlen(text), &clean);
	free(text);
	return (line);
}

/* Leave out what a terminal would write over: all of a line before its last
 * carriage return, as bars of progress have it. */
static size_t
overwrite(char *p, size_t len)
{
	size_t i, line = 0, out = 0;

	for (i = 0; i < len; i++) {
		if (p[i] == '\r' && i + 1 < len && p[i + 1] != '\n' &&
		    p[i + 1] != '\r') {
			out = line;
			continue;
		}
		p[out++] = p[i];
		if (p[i] == '\n')
			line = out;
	}
	return (out);
}

/* The last lines, whole ones if possible; NULL for none, or no text. */
static char *
last_lines(struct run *r)
{
	const char *p, *end;
	int lines = 0;
	size_t len, had = r->nlast;
	char *text;

	if (memchr(r->last, '\0', r->nlast) != NULL)
		return (NULL);
	r->nlast = overwrite(r->last, r->nlast);
	end = r->last + r->nlast;
	while (end > r->last && isspace((unsigned char)end[-1]))
		end--;
	for (p = end; p > r->last; p--)
		if (p[-1] == '\n' && ++lines == LAST_LINES)
			break;
	if (p == r->last && had == sizeof(r->last) &&
	    (p = memchr(r->last, '\n', (size_t)(end - r->last))) == NULL)
		p = r->last;
	text = utf8_scrub(p, (size_t)(end - p), &len);
	if (text != NULL && text[strspn(text, " \t\n")] == '\0') {
		free(text);
		return (NULL);
	}
	return (text);
}

/* What an exit status cannot say, or NULL. */
static char *
description(const struct run *r)
{
	const char *name;
	char *text = NULL;
	int rc = 0, sig = WIFSIGNALED(r->status) ? WTERMSIG(r->status) : 0;

	if (r->failure != 0)
		rc = asprintf(&text, "Not started: %s", strerror(r->failure));
	else if (sig != 0) {
		name = sigabbrev_np(sig);
		rc = asprintf(&text, "Ended by signal %d (%s)", sig,
		    name != NULL ? name : "?");
	}
	return (rc == -1 ? NULL : text);
}

/* The first line of the command as a title, which has its limits. */
static char *
title_of(const char *line)
{
	size_t end = strcspn(line, "\n"), len = 0, n;
	char *title;

	while (len < end && (n = utf8_char(line + len, end - len)) > 0 &&
	    len + n <= TITLE_MAX_BYTES)
		len += n;
	if (asprintf(&title, "%.*s%s", (int)len, line, line[len] != '\0' ?
	    " …" : "") == -1)
		return (NULL);
	return (title);
}

static void
report(struct ctl *ctl, struct run *r, int64_t took_ms)
{
	struct json_object *event = json_object_new_object();
	struct json_object *data = json_object_new_object();
	char *line = command_line(r->argv), *text = description(r);
	char *last = last_lines(r), *title = line == NULL ? NULL :
	    title_of(line);
	const char *given = ctl_option(ctl, "title");
	char id[UUID_SIZE], error[512];
	bool done = exit_status(r) == 0;

	uuid_v7(id);
	talk_add(event, "type", done ? "task_completion" : "task_failed");
	talk_add(event, "source", "cctgctl");
	talk_add(event, "event_id", id);
	talk_add(event, "title", given != NULL ? given : title);
	talk_add(event, "description", text);
	talk_add(data, "status", done ? "completed" : "failed");
	json_object_object_add(data, "exit_code",
	    json_object_new_int(exit_status(r)));
	json_object_object_add(data, "duration_ms",
	    json_object_new_int64(took_ms));
	/* Not what the title says. */
	if (given != NULL || (line != NULL && title != NULL &&
	    strcmp(line, title) != 0))
		talk_add(data, "command", line);
	talk_add(data, "output", last);
	json_object_object_add(event, "data", data);
	if (offer_event(ctl, event, ctl_option(ctl, "to"), clock_mono_ms() +
	    OFFER_MS, error, sizeof(error)) == OFFER_REFUSED && !ctl->quiet)
		fprintf(stderr, "cctgctl: the event is lost: %s\n", error);
	json_object_put(event);
	free(title);
	free(last);
	free(text);
	free(line);
}

static int
run_run(struct ctl *ctl)
{
	const char *title = ctl_option(ctl, "title");
	static struct run r;
	int64_t begin_ms;

	if (title != NULL && *title == '\0')
		ctl_usage(ctl, "--title: an empty text");
	/* What is wrong with the configuration, before rather than behind. */
	(void)where_events_dir(ctl);
	r.argv = ctl->operand;
	begin_ms = clock_mono_ms();
	command_start(ctl, &r);
	command_wait(&r);
	rest_leave(&r);
	if (r.failure != 0)
		fprintf(stderr, "cctgctl: %s: %s\n", r.argv[0],
		    strerror(r.failure));
	report(ctl, &r, clock_mono_ms() - begin_ms);
	return (exit_status(&r));
}

static const struct verb_option run_options[] = {
	{ "title", 0, OPT_VALUE, "TEXT", "of the event (the command)" },
	{ "to", 0, OPT_VALUE, "CHAT", "to this chat, not by the routes" },
	{ NULL, 0, OPT_FLAG, NULL, NULL }
};

const struct verb verb_run = {
	.name = "run",
	.operands = "[--title TEXT] [--to CHAT] -- COMMAND...",
	.doc = "run a command and tell how it ended",
	.options = run_options,
	.command = true,
	.min = 1,
	.max = -1,
	.run = run_run,
};
