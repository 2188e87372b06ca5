/*
 * The supervisor and the queue of one worker under test, see play.h.
 */
#include "config.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <json-c/json.h>

#include "common/json.h"
#include "common/log.h"
#include "common/nitems.h"
#include "tests/functional/play.h"

struct link *play_queue;
struct slot *play_slot;

static const struct play *play;
static struct event_base *base;
static struct link *sup;
static uint32_t generation;
static pid_t worker;
static bool configured;
static char *line;
static size_t line_len;

static void spawn(const char *);
static void do_config(struct json_object *);
static void do_die(struct json_object *);
static void do_wire(struct json_object *);
static void do_rewire(struct json_object *);
static void do_drain(struct json_object *);
static void do_stop(struct json_object *);
static enum link_verdict sup_message(struct link *, const struct frame *,
    void *);
static void sup_closed(struct link *, enum link_end, void *);
static void queue_closed(struct link *, enum link_end, void *);
static void queue_writable(struct link *, void *);
static void input_cb(evutil_socket_t, short, void *);
static void run_line(const char *);
static bool run_command(const struct play_command *, const char *,
    struct json_object *);

static const struct link_ops sup_ops = { .message = sup_message,
    .closed = sup_closed };
static struct link_ops queue_ops = { .closed = queue_closed,
    .writable = queue_writable };

static const struct play_command common[] = {
	{ "config", do_config },
	{ "die", do_die },
	{ "wire", do_wire },
	{ "rewire", do_rewire },
	{ "drain", do_drain },
	{ "stop", do_stop },
	{ NULL, NULL }
};

int
play_main(int argc, char **argv, const struct play *p)
{
	struct event *in;

	play = p;
	if (argc != 2)
		errx(2, "usage: %s PATH < commands", getprogname());
	signal(SIGPIPE, SIG_IGN);
	log_init(getprogname(), LL_INFO, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	queue_ops.message = p->message;
	if ((base = event_base_new()) == NULL)
		errx(1, "event_base_new");
	spawn(argv[1]);
	in = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, input_cb,
	    NULL);
	/* A regular file is always readable and epoll refuses it. */
	if (in == NULL || event_add(in, NULL) == -1)
		errx(1, "standard input must be a pipe");
	event_base_dispatch(base);
	return (0);
}

static void
spawn(const char *path)
{
	char level[] = "7";
	char *args[] = { (char *)(uintptr_t)path,
	    (char *)(uintptr_t)play->name, level, NULL };
	int sv[2], fd;

	if ((play_slot = slot_create(&fd)) == NULL)
		err(1, "slot");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == -1)
		err(1, "socketpair");
	if ((worker = fork()) == -1)
		err(1, "fork");
	if (worker == 0) {
		int a = dup(sv[1]), b = dup(fd);

		/* Out of the way of 3 and 4 first. */
		while (a < 5)
			a = dup(a);
		while (b < 5)
			b = dup(b);
		dup2(a, 3);
		dup2(b, 4);
		closefrom(5);
		/* For the worker alone. */
		if (getenv("CCTG_TEST_PRELOAD") != NULL)
			setenv("LD_PRELOAD", getenv("CCTG_TEST_PRELOAD"), 1);
		execv(path, args);
		err(1, "%s", path);
	}
	close(sv[1]);
	close(fd);
	sup = link_new(base, sv[0], PC_SUPERVISOR, play->class, 0, &sup_ops,
	    NULL);
	if (sup == NULL)
		err(1, "link");
}

void
play_tell(enum msg_type type, const void *data, size_t len)
{
	if (link_send(sup, type, 0, data, len) == -1)
		err(1, "%s", msg_name(type));
}

void
play_share(const char *name, int fd)
{
	struct packer p = { 0 };

	pack_str(&p, name);
	if (link_send_fd(sup, SUP_LISTENER_SHARE, 0, p.buf, p.len, fd) == -1)
		err(1, "share");
	pack_free(&p);
	close(fd);
}

void
play_send(enum msg_type type, uint64_t id, const struct packer *p)
{
	if (play_queue == NULL)
		errx(1, "%s: no link", msg_name(type));
	if (link_send_packed(play_queue, type, id, p) == -1)
		err(1, "%s", msg_name(type));
}

void
play_print(struct json_object *o)
{
	printf("%s\n", json_object_to_json_string_ext(o,
	    JSON_C_TO_STRING_PLAIN));
}

/* Commands. */

static void
do_config(struct json_object *o)
{
	struct packer p = { 0 };

	pack_str(&p, json_object_to_json_string(json_path(o, "config")));
	play_tell(SUP_CONFIG_SET, p.buf, p.len);
	pack_free(&p);
	if (configured)
		return;
	configured = true;
	if (play->begin != NULL)
		play->begin(o);
	do_wire(NULL);
	play_tell(SUP_WORK_START, NULL, 0);
}

static void
do_die(struct json_object *o)
{
	struct packer p = { 0 };

	(void)o;
	link_free(play_queue);
	play_queue = NULL;
	if (play->died != NULL)
		play->died();
	pack_u8(&p, PC_QUEUE);
	pack_u8(&p, 0);
	pack_u32(&p, generation);
	pack_u32(&p, 0);
	play_tell(SUP_PEER_LOST, p.buf, p.len);
	pack_free(&p);
}

static void
do_wire(struct json_object *o)
{
	struct packer p = { 0 };
	int sv[2];

	(void)o;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == -1)
		err(1, "socketpair");
	generation++;
	pack_u8(&p, PC_QUEUE);
	pack_u8(&p, 0);
	pack_u32(&p, generation);
	if (link_send_fd(sup, SUP_PEER_WIRE, 0, p.buf, p.len, sv[1]) == -1)
		err(1, "wire");
	pack_free(&p);
	close(sv[1]);
	play_queue = link_new(base, sv[0], PC_QUEUE, play->class, generation,
	    &queue_ops, NULL);
	if (play_queue == NULL)
		err(1, "link");
}

static void
do_rewire(struct json_object *o)
{
	do_die(o);
	do_wire(o);
}

static void
do_drain(struct json_object *o)
{
	uint32_t ms = (uint32_t)json_i64(o, "ms", 1000);

	play_tell(SUP_WORK_DRAIN, &ms, sizeof(ms));
}

static void
do_stop(struct json_object *o)
{
	(void)o;
	play_tell(SUP_WORK_STOP, NULL, 0);
}

/* What the worker says. */

static enum link_verdict
sup_message(struct link *l, const struct frame *f, void *arg)
{
	(void)l, (void)arg;
	printf("{\"event\":\"%s\"}\n", f->type == WORKER_LIFE_READY ?
	    "ready" : f->type == WORKER_LIFE_DRAINED ? "drained" :
	    msg_name(f->type));
	return (LINK_DONE);
}

static void
queue_writable(struct link *l, void *arg)
{
	(void)l, (void)arg;
	if (play->writable != NULL)
		play->writable();
}

static void
queue_closed(struct link *l, enum link_end end, void *arg)
{
	(void)arg;
	link_free(l);
	play_queue = NULL;
	if (end != LINK_EOF)
		printf("{\"event\":\"broken\"}\n");
}

static void
sup_closed(struct link *l, enum link_end end, void *arg)
{
	struct rusage u;
	int status;

	(void)l, (void)end, (void)arg;
	if (wait4(worker, &status, 0, &u) == -1)
		err(1, "wait4");
	printf("{\"event\":\"exit\",\"code\":%d,\"signal\":%d,"
	    "\"cpu_s\":%.3f,\"rss_kb\":%ld}\n",
	    WIFEXITED(status) ? WEXITSTATUS(status) : -1,
	    WIFSIGNALED(status) ? WTERMSIG(status) : 0,
	    (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6,
	    u.ru_maxrss);
	if (play_slot->obituary_signal != 0)
		fprintf(stderr, "%s", play_slot->obituary);
	exit(0);
}

static void
input_cb(evutil_socket_t fd, short what, void *arg)
{
	char buf[65536], *end;
	ssize_t n;

	(void)what, (void)arg;
	if ((n = read(fd, buf, sizeof(buf))) <= 0) {
		/* The supervisor dies: the worker has to leave by itself. */
		link_free(sup);
		sup_closed(NULL, LINK_EOF, NULL);
	}
	if ((line = realloc(line, line_len + (size_t)n + 1)) == NULL)
		err(1, "realloc");
	memcpy(line + line_len, buf, (size_t)n);
	line_len += (size_t)n;
	line[line_len] = '\0';
	while ((end = strchr(line, '\n')) != NULL) {
		*end++ = '\0';
		run_line(line);
		line_len -= (size_t)(end - line);
		memmove(line, end, line_len + 1);
	}
}

static bool
run_command(const struct play_command *list, const char *op,
    struct json_object *o)
{
	for (; list->op != NULL; list++) {
		if (strcmp(list->op, op) != 0)
			continue;
		list->run(o);
		return (true);
	}
	return (false);
}

static void
run_line(const char *text)
{
	struct json_object *o;
	const char *error, *op;

	if (*text == '\0')
		return;
	if ((o = json_parse(text, strlen(text), &error)) == NULL)
		errx(1, "%s: %s", text, error);
	op = json_str(o, "op", "");
	if (!run_command(play->commands, op, o) &&
	    !run_command(common, op, o))
		errx(1, "%s: no such command", op);
	json_object_put(o);
}
